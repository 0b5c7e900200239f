//! The token endpoint: docker_auth's requests and answers, and the OAuth2 form of POST
//! (`docs/spec/auth/token.md` and `oauth.md` of Distribution).

use std::{
    net::IpAddr,
    time::{Duration, UNIX_EPOCH},
};

use hyper::{
    HeaderMap, Method, Response,
    header::{self, HeaderValue},
    http::request::Parts,
};
use serde_json::{Map, Value, json};

use crate::{
    authn::{Credentials, Identity, Secret, fit_to_log},
    authz::{DecidedBy, Question, Ruling},
    proxy::{
        Passwords, Snapshot,
        body::request_body::RequestBody,
        request::{context::RequestContext, form::Form},
        request_log::RequestLog,
        response::{body::ResponseBody, upstream_error::undecided},
        snapshot::unix_now,
    },
    registry::{ErrorCode, Refusal, Scope},
    token::{Holder, IssueError},
};

/// A token request, read.
struct TokenRequest {
    login: Login,
    service: String,
    scopes: Vec<Scope>,
    /// `offline_token=true` or `access_type=offline`: a refresh token is asked for.
    offline: bool,
    /// `grant_type` was given: the client speaks OAuth2, and reads `scope` in the answer.
    oauth: bool,
}

/// The client's proof of its identity.
enum Login {
    Password(Credentials),
    RefreshToken(String),
}

/// Answers a token request.
///
/// # Errors
/// 400 for what cannot be read, 401 for wrong credentials, 413, 429 and 503 for load; in docker_auth's words.
pub(crate) async fn answer(
    context: RequestContext<'_>,
    body: RequestBody,
    ip: Option<IpAddr>,
    passwords: &Passwords,
    log: &mut RequestLog,
) -> Result<Response<ResponseBody>, Refusal> {
    let RequestContext { head, snapshot, .. } = context;
    let body = body.form(head, &snapshot.settings).await?;
    let request = TokenRequest::read(head, body.as_deref())?;
    request.login.tell(log);
    log.granted(&request.scopes, &[]);
    let presented = match &request.login {
        Login::RefreshToken(token) => Some(token.clone()),
        Login::Password(_) => None,
    };
    let failed = || Refusal::new(ErrorCode::Unauthorized, "Auth failed.");
    let identity = match request.login {
        Login::Password(credentials) => Box::pin(passwords.check(snapshot, credentials, ip, log)).await?,
        Login::RefreshToken(token) => snapshot.refreshed(&token, &request.service, ip),
    };
    let identity = identity.ok_or_else(failed)?;
    log.asked_by(&identity);
    let mut granted = Vec::with_capacity(request.scopes.len());
    let mut by = Vec::with_capacity(request.scopes.len());
    for scope in &request.scopes {
        let ruling = decide(scope, &identity, &request.service, ip, snapshot).await?;
        // A denied one stays, without actions.
        granted.push(Scope { actions: ruling.actions, ..scope.clone() });
        by.push(ruling.by);
    }
    log.ruled(|| by.iter().map(DecidedBy::in_full).collect::<Vec<_>>().join("; "));
    log.granted(&request.scopes, &granted);
    let now = unix_now();
    let voucher = snapshot.voucher(&identity);
    let Identity { account, .. } = &identity;
    let holder = Holder { account, voucher: voucher.as_ref(), until: snapshot.last_second_of(&identity) };
    let issued = snapshot.authority.issue_to(holder, &request.service, &granted, now);
    let issued = issued.map_err(cannot_issue)?;
    let token = issued.token.expose();
    let issued_at = humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(issued.issued_at));
    let mut answer = Map::new();
    answer.insert("token".to_owned(), json!(token));
    answer.insert("access_token".to_owned(), json!(token));
    answer.insert("expires_in".to_owned(), json!(issued.expires_in));
    answer.insert("issued_at".to_owned(), json!(issued_at.to_string()));
    if request.oauth {
        let scope = granted.iter().filter(|scope| !scope.actions.is_empty()).map(Scope::to_string);
        answer.insert("scope".to_owned(), json!(scope.collect::<Vec<_>>().join(" ")));
    }
    if let Some(token) = presented {
        answer.insert("refresh_token".to_owned(), json!(token));
    } else if request.offline
        && snapshot.settings.refresh_tokens
        && let Some(fingerprint) = snapshot.fingerprint_of(&identity)
    {
        let token = snapshot.authority.issue_refresh(&identity.account, &request.service, &fingerprint, now);
        answer.insert("refresh_token".to_owned(), json!(token.map_err(cannot_issue)?.expose()));
    }
    tracing::debug!(account = identity.account, service = request.service, "issued a token");
    Ok(json_response(answer))
}

impl Login {
    fn tell(&self, log: &mut RequestLog) {
        match self {
            Self::RefreshToken(_) => log.shows("refresh_token", None),
            Self::Password(credentials) if credentials.account.is_empty() && !credentials.are_of_robot() => {
                log.shows("none", None);
            }
            Self::Password(credentials) => log.shows(credentials.kind(), Some(&credentials.account)),
        }
    }
}

/// Scopes in one request: each is held against every rule. A push with mounts asks for a handful.
const MAX_SCOPES: usize = 100;

impl TokenRequest {
    /// Reads a request as docker_auth does: Basic, else for a POST the form's `username` and `password`; `account`
    /// names the account where there is no Basic, and must agree with it where there is.
    fn read(head: &Parts, body: Option<&str>) -> Result<Self, Refusal> {
        let bad = |why: String| Refusal::new(ErrorCode::BadRequest, format!("Bad request: {why}"));
        let form = Form::parse(head.uri.query().unwrap_or_default(), body);
        // Passed over, they would leave a request without credentials, which is answered as the anonymous user's.
        if let Some(key) =
            ["account", "username", "password"].into_iter().find(|key| form.has_unreadable(key))
        {
            return Err(bad(format!(
                "expected percent-encoded UTF-8 in {key}, found a bad escape or other bytes"
            )));
        }
        let is_post = head.method == Method::POST;
        let grant_type = if is_post { form.get("grant_type") } else { "" };
        let login = match grant_type {
            "refresh_token" => Login::RefreshToken(form.get("refresh_token").to_owned()),
            "" | "password" => Login::Password(credentials(&head.headers, &form, is_post).map_err(bad)?),
            other => {
                return Err(bad(format!("unsupported grant_type {other:?}: use password or refresh_token")));
            }
        };
        let scopes = Scope::parse_all(form.all("scope")).map_err(|error| bad(error.to_string()))?;
        if scopes.len() > MAX_SCOPES {
            return Err(bad(format!("{} scopes in one request, more than {MAX_SCOPES}", scopes.len())));
        }
        Ok(Self {
            login,
            service: form.get("service").to_owned(),
            scopes,
            offline: form.get("offline_token") == "true" || form.get("access_type") == "offline",
            oauth: !grant_type.is_empty(),
        })
    }
}

fn credentials(headers: &HeaderMap, form: &Form, is_post: bool) -> Result<Credentials, String> {
    if headers.get_all(header::AUTHORIZATION).iter().count() > 1 {
        return Err("two Authorization headers".to_owned());
    }
    let header = headers.get(header::AUTHORIZATION).map_or(&[][..], HeaderValue::as_bytes);
    let basic = Credentials::from_basic(header).map_err(|error| error.to_string())?;
    let account = form.get("account");
    if let Some(basic) = basic {
        if !account.is_empty() && account != basic.account {
            let (user, account) = (fit_to_log(&basic.account), fit_to_log(account));
            return Err(format!("user and account are not the same ({user:?} vs {account:?})"));
        }
        return Ok(basic);
    }
    let (username, password) = (form.get("username"), form.get("password"));
    let given = is_post && !username.is_empty() && !password.is_empty();
    let (username, password) = if given { (username, password) } else { ("", "") };
    let account = if account.is_empty() { username } else { account };
    Ok(Credentials { account: account.to_owned(), password: Secret::new(password) })
}

/// Returns the policy's decision on a scope.
///
/// # Errors
/// A back end that has to be asked gives no answer.
async fn decide(
    scope: &Scope,
    identity: &Identity,
    service: &str,
    ip: Option<IpAddr>,
    snapshot: &Snapshot,
) -> Result<Ruling, Refusal> {
    let question = Question {
        account: &identity.account,
        labels: &identity.labels,
        ip,
        service,
        resource_type: &scope.resource_type,
        name: &scope.name,
        actions: &scope.actions,
    };
    snapshot
        .authorizers
        .decide_without(&identity.left_out, &question)
        .await
        .map_err(|error| undecided(&error))
}

fn cannot_issue(error: IssueError) -> Refusal {
    if let IssueError::TooLarge(_) = error {
        return Refusal::new(ErrorCode::BadRequest, format!("Bad request: {error}"));
    }
    tracing::error!(%error, "cannot issue a token");
    Refusal::new(ErrorCode::Internal, error.to_string())
}

fn json_response(answer: Map<String, Value>) -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::from(Value::Object(answer).to_string()));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
