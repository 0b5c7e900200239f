//! The token endpoint: docker_auth's requests and answers, and the OAuth2 form of POST
//! (`docs/spec/auth/token.md` and `oauth.md` of Distribution).

use std::{
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant, UNIX_EPOCH},
};

use hyper::{
    HeaderMap, Method, Response,
    header::{self, HeaderValue},
    http::request::Parts,
};
use serde_json::{Map, Value, json};

use super::{
    Authentication,
    certificate::{Certified, certified},
    claims_unavailable, revoked_meanwhile,
};
use crate::{
    authn::{Credentials, Identity, Secret, Source, fit_to_log},
    authz::{DecidedBy, Question, Ruling, TokenScopes},
    proxy::{
        Snapshot,
        body::request_body::RequestBody,
        request::{context::RequestContext, form::Form},
        request_log::RequestLog,
        response::{body::ResponseBody, upstream_error::undecided},
        snapshot::unix_now,
    },
    registry::{ErrorCode, Refusal, Scope},
    token::{Holder, IssueError, SignedToken, TokenError},
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
    /// The JWT of an issuer of `workload_auth` (RFC 8693), and the issuer's name where it is given.
    Exchange(Secret, String),
}

/// `grant_type` of a token exchange (RFC 8693, section 2.1), and the types of a JWT (section 3).
const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const JWT_TYPES: [&str; 2] =
    ["urn:ietf:params:oauth:token-type:jwt", "urn:ietf:params:oauth:token-type:id_token"];
/// The type of what is answered.
const ACCESS_TOKEN_TYPE: &str = "urn:ietf:params:oauth:token-type:access_token";

/// Answers a token request.
///
/// # Errors
/// 400 for what cannot be read, 401 for wrong credentials, 413, 429 and 503 for load; in docker_auth's words.
pub(crate) async fn answer(
    context: RequestContext<'_>,
    body: RequestBody,
    ip: Option<IpAddr>,
    authentication: &Authentication,
    log: &mut RequestLog,
) -> Result<Response<ResponseBody>, Refusal> {
    let RequestContext { head, snapshot, .. } = context;
    let body = body.form(head, &snapshot.settings).await?;
    let request = TokenRequest::read(head, body.as_deref())?;
    request.login.record_in(log);
    log.for_service(&request.service);
    log.granted(&request.scopes, &[]);
    let presented = match &request.login {
        Login::RefreshToken(token) => Some(token.clone()),
        Login::Password(_) | Login::Exchange(..) => None,
    };
    let is_exchange = matches!(request.login, Login::Exchange(..));
    // Before the login: what was revoked since must not be issued anew at its end.
    let began = snapshot.state.revocation_count();
    let certified = certified(context, log);
    let context = LoginContext { snapshot, authentication, ip, certified: certified.as_ref() };
    let identity = log_in(request.login, &request.service, context, log).await?;
    log.asked_by(&identity);
    if identity.account.is_empty() {
        // A stranger's scopes may each cost as much as a request: a command, or a query.
        let per_second = snapshot.settings.token_requests;
        for _ in request.scopes.iter().skip(1) {
            authentication.token_requests.admit(ip, per_second, Instant::now())?;
        }
    }
    let mut granted = Vec::with_capacity(request.scopes.len());
    let mut by = Vec::with_capacity(request.scopes.len());
    let mut for_some_tags = Vec::new();
    for scope in &request.scopes {
        let ruling = decide(scope, &identity, &request.service, ip, snapshot).await?;
        if !ruling.some_tags.is_empty() {
            for_some_tags.push(Scope { actions: ruling.some_tags, ..scope.clone() });
            by.extend(ruling.tag_rule.map(DecidedBy::SomeTags));
        }
        // A denied one stays, without actions.
        granted.push(Scope { actions: ruling.actions, ..scope.clone() });
        by.push(ruling.by);
    }
    log.ruled(|| by.iter().map(DecidedBy::in_full).collect::<Vec<_>>().join("; "));
    let all: Vec<Scope> = granted.iter().chain(&for_some_tags).cloned().collect();
    log.granted(&request.scopes, &all);
    let now = unix_now();
    let auth_source = snapshot.auth_source(&identity, snapshot.authority.lifetime()).await;
    let Identity { account, .. } = &identity;
    let bound_to = certified.filter(|_| identity.source == Source::Certificate).map(|it| it.thumbprint());
    let bound_to = bound_to.as_deref();
    let stamp = snapshot.state.stamp(account, began).map_err(revoked_meanwhile)?;
    let until = snapshot.last_second_of(&identity);
    let holder = Holder { account, auth_source: auth_source.as_ref(), until, bound_to, stamp: Some(&stamp) };
    let issued = snapshot.authority.issue_in_part(holder, &request.service, (&granted, &for_some_tags), now);
    let issued = issued.map_err(cannot_issue)?;
    granted.extend(for_some_tags);
    let token = issued.token.expose();
    let issued_at = humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(issued.issued_at));
    let mut answer = Map::new();
    answer.insert("token".to_owned(), json!(token));
    answer.insert("access_token".to_owned(), json!(token));
    answer.insert("expires_in".to_owned(), json!(issued.expires_in));
    answer.insert("issued_at".to_owned(), json!(issued_at.to_string()));
    if is_exchange {
        answer.insert("issued_token_type".to_owned(), json!(ACCESS_TOKEN_TYPE));
        answer.insert("token_type".to_owned(), json!("Bearer"));
    }
    if request.oauth {
        let scope = granted.iter().filter(|scope| !scope.actions.is_empty()).map(Scope::to_string);
        answer.insert("scope".to_owned(), json!(scope.collect::<Vec<_>>().join(" ")));
    }
    if let Some(token) = presented {
        answer.insert("refresh_token".to_owned(), json!(token));
    } else if request.offline
        && let Some(token) = refresh_token(&identity, holder, &request.service, snapshot)?
    {
        answer.insert("refresh_token".to_owned(), json!(token.expose()));
    }
    tracing::debug!(account = identity.account, service = request.service, "issued a token");
    Ok(json_response(answer))
}

/// The token that an account keeps in place of its password: where the configuration wants that, or in place of a JWT,
/// which is dead within minutes.
fn refresh_token(
    identity: &Identity,
    holder: Holder<'_>,
    service: &str,
    snapshot: &Snapshot,
) -> Result<Option<SignedToken>, Refusal> {
    let (Snapshot { authority, settings, .. }, now) = (snapshot, unix_now());
    if identity.source == Source::Workload {
        return authority.issue_workload(holder, service, now).map_err(cannot_issue);
    }
    let fingerprint = snapshot.fingerprint_of(identity).filter(|_| settings.refresh_tokens);
    let issued = fingerprint.map(|fingerprint| authority.issue_refresh(holder, service, &fingerprint, now));
    issued.transpose().map_err(cannot_issue)
}

impl Login {
    fn record_in(&self, log: &mut RequestLog) {
        match self {
            Self::RefreshToken(_) => log.shows("refresh_token", None),
            Self::Exchange(_, issuer) => log.shows("jwt", Some(issuer)),
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
            EXCHANGE => exchange(&form).map_err(bad)?,
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

/// The JWT of a token exchange. Nothing acts for another here, so an actor is refused and not passed over.
fn exchange(form: &Form) -> Result<Login, String> {
    if !JWT_TYPES.contains(&form.get("subject_token_type")) {
        return Err(format!("unsupported subject_token_type: use {}", JWT_TYPES[0]));
    }
    if !form.get("actor_token").is_empty() {
        return Err("actor_token is not supported".to_owned());
    }
    let named = [form.get("account"), form.get("username")].into_iter().find(|name| !name.is_empty());
    Ok(Login::Exchange(Secret::new(form.get("subject_token")), named.unwrap_or_default().to_owned()))
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

/// The surroundings of a login.
#[derive(Clone, Copy)]
struct LoginContext<'a> {
    snapshot: &'a Arc<Snapshot>,
    authentication: &'a Authentication,
    ip: Option<IpAddr>,
    certified: Option<&'a Certified>,
}

async fn log_in(
    login: Login,
    service: &str,
    LoginContext { snapshot, authentication, ip, certified }: LoginContext<'_>,
    log: &mut RequestLog,
) -> Result<Identity, Refusal> {
    if let Some(identity) = by_certificate(&login, certified)? {
        log.shows("certificate", None);
        return Ok(identity);
    }
    let Authentication { passwords, workload, .. } = authentication;
    let by_jwt = match &login {
        Login::Password(credentials) => {
            snapshot.workload.issuer(&credentials.account).map(|issuer| (issuer, &credentials.password))
        }
        Login::Exchange(jwt, name) => snapshot.workload.of_exchange(jwt, name).map(|issuer| (issuer, jwt)),
        Login::RefreshToken(_) => None,
    };
    if let Some((issuer, jwt)) = by_jwt {
        log.shows("jwt", Some(issuer.name()));
        return Box::pin(workload.check(snapshot, issuer, jwt, (ip, log))).await;
    }
    let proved = match login {
        Login::Password(credentials) => Box::pin(passwords.check(snapshot, credentials, ip, log)).await?,
        Login::RefreshToken(token) => match snapshot.refreshed(&token, service, ip).await {
            Err(TokenError::ClaimsUnavailable) => return Err(claims_unavailable()),
            // It is said: only its holder reads it.
            Err(error) if error.is_revocation() => {
                return Err(Refusal::new(ErrorCode::Unauthorized, format!("Auth failed: {error}")));
            }
            refreshed => refreshed.ok(),
        },
        Login::Exchange(..) => None,
    };
    proved.ok_or_else(|| Refusal::new(ErrorCode::Unauthorized, "Auth failed."))
}

/// The account of the certificate, where the request shows nothing else, or a password of that account.
///
/// # Errors
/// It shows credentials of another account. A refresh token and a JWT are always of another.
fn by_certificate(login: &Login, certified: Option<&Certified>) -> Result<Option<Identity>, Refusal> {
    let Some(certified) = certified else { return Ok(None) };
    let identity = match login {
        Login::Password(credentials) => certified.with(credentials)?,
        Login::RefreshToken(_) | Login::Exchange(..) => return certified.alone().map(|()| None),
    };
    Ok(identity.cloned())
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
    let token_scopes = identity.token_scopes().map(TokenScopes::of);
    let question = Question {
        account: &identity.account,
        labels: &identity.labels,
        ip,
        service,
        resource_type: &scope.resource_type,
        name: &scope.name,
        tag: None,
        actions: &scope.actions,
        token_scopes: token_scopes.as_ref(),
        now: unix_now(),
    };
    snapshot
        .authorizers
        .decide_without(&identity.left_out, &question)
        .await
        .map_err(|error| undecided(&error))
}

fn cannot_issue(error: IssueError) -> Refusal {
    let bad = || Refusal::new(ErrorCode::BadRequest, format!("Bad request: {error}"));
    match error {
        IssueError::TooLarge(_) => bad(),
        IssueError::TooManyLabels(_) => {
            tracing::error!(%error, "cannot issue a token");
            bad()
        }
        IssueError::Signing => {
            tracing::error!(%error, "cannot issue a token");
            Refusal::new(ErrorCode::Internal, error.to_string())
        }
    }
}

fn json_response(answer: Map<String, Value>) -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::from(Value::Object(answer).to_string()));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
