//! A refusal on the wire: the one place where it becomes status, headers, challenge and JSON.

use hyper::{
    HeaderMap, Response, StatusCode,
    header::{self, HeaderName, HeaderValue},
};
use serde_json::{Value, json};

use super::{body::ResponseBody, caching};
use crate::{
    proxy::{
        Settings,
        request::{origin::Origin, target::Target},
    },
    registry::{Challenge, ChallengeError, ErrorCode, Method, Refusal, Scope},
};

const JSON: &str = "application/json; charset=utf-8";

/// The form in which a refused request is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ErrorFormat {
    /// The registry's JSON, for its API.
    Registry,
    /// The registry's JSON at the token endpoint, for clients that show a person nothing else.
    TokenJson,
    /// A line of text, as docker_auth answers.
    Text,
    /// A line of text that there is nothing, as docker_auth answers outside of its endpoints.
    NothingThere,
}

impl ErrorFormat {
    /// The form for a target, by what the client reads.
    pub(crate) fn of(target: &Target, headers: &HeaderMap) -> Self {
        match target {
            Target::Registry | Target::FirstApi => Self::Registry,
            Target::Token if !reads_text(headers) => Self::TokenJson,
            Target::Nowhere => Self::NothingThere,
            _ => Self::Text,
        }
    }

    /// Writes the response to a refused request. A challenge, and a client that has to come later, get the registry's
    /// form everywhere: docker shows no text.
    pub(crate) fn write(
        self,
        refusal: &Refusal,
        settings: &Settings,
        origin: Option<&Origin>,
        issuer: &str,
    ) -> Response<ResponseBody> {
        let is_for_all = refusal.challenge.is_some() || refusal.retry_after.is_some();
        match if is_for_all { Self::Registry } else { self } {
            Self::Registry => refuse(refusal, settings, origin),
            Self::TokenJson => refuse_in_json(refusal, issuer),
            Self::Text => refuse_in_text(refusal, issuer),
            Self::NothingThere => refuse_in_text(&outside_of_v2(refusal.clone()), issuer),
        }
    }
}

/// The response to a refused `/v2` request, in the registry's own form. Without an `origin` (the host is what was
/// wrong) there is no challenge.
pub(crate) fn refuse(
    refusal: &Refusal,
    settings: &Settings,
    origin: Option<&Origin>,
) -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::from(json_body(refusal)));
    *response.status_mut() = status(refusal);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(JSON));
    headers.insert(API_VERSION, HeaderValue::from_static("registry/2.0"));
    if let (Some(challenge), Some(origin)) = (&refusal.challenge, origin)
        && let Ok(value) = HeaderValue::try_from(bearer(challenge, &refusal.needs, settings, origin))
    {
        headers.insert(header::WWW_AUTHENTICATE, value);
    }
    finish(response, refusal)
}

/// The response to a refused token request: docker_auth answers with a line of text.
pub(crate) fn refuse_in_text(refusal: &Refusal, issuer: &str) -> Response<ResponseBody> {
    let body = format!("{}\n", refusal.message);
    refuse_token(refusal, issuer, body, HeaderValue::from_static("text/plain; charset=utf-8"))
}

/// The same in the registry's form, for clients that show a person nothing else.
fn refuse_in_json(refusal: &Refusal, issuer: &str) -> Response<ResponseBody> {
    refuse_token(refusal, issuer, json_body(refusal), HeaderValue::from_static(JSON))
}

/// Programs that scripts are written with, and docker, by the first product of their `User-Agent`: where they were used
/// with docker_auth, its line of text is what they know.
const READS_TEXT: [&str; 8] =
    ["", "docker", "curl", "Wget", "python-requests", "Python-urllib", "Go-http-client", "Mozilla"];

/// Returns whether a refused token request is answered with text, as docker_auth answers it.
fn reads_text(headers: &HeaderMap) -> bool {
    let agent = headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let product = agent.split(['/', ' ']).next().unwrap_or_default();
    READS_TEXT.iter().any(|known| known.eq_ignore_ascii_case(product))
}

fn refuse_token(
    refusal: &Refusal,
    issuer: &str,
    body: String,
    content_type: HeaderValue,
) -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::from(body));
    *response.status_mut() = status(refusal);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, content_type);
    if refusal.code.status() == 401
        && let Ok(value) = HeaderValue::try_from(format!("Basic realm={}", quoted(issuer)))
    {
        headers.insert(header::WWW_AUTHENTICATE, value);
    }
    finish(response, refusal)
}

/// `Docker-Distribution-Api-Version`: by it a client knows a registry.
pub(crate) const API_VERSION: HeaderName = HeaderName::from_static("docker-distribution-api-version");

/// The headers that every refusal may carry.
fn finish(mut response: Response<ResponseBody>, refusal: &Refusal) -> Response<ResponseBody> {
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    caching::by_default(headers);
    if let Some(seconds) = refusal.retry_after {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    if refusal.code.status() == 405 {
        headers.insert(header::ALLOW, HeaderValue::from_static(Method::ALLOWED));
    }
    if refusal.close {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

fn status(refusal: &Refusal) -> StatusCode {
    StatusCode::from_u16(refusal.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// The registry's error document; the detail of a 401 lists each access, with the registry's capitals.
fn json_body(refusal: &Refusal) -> String {
    let detail = match refusal.code.status() {
        401 => access_detail(&refusal.needs),
        _ => refusal.detail.as_deref().cloned().unwrap_or_default(),
    };
    let error = json!({ "code": refusal.code.as_str(), "message": refusal.message, "detail": detail });
    format!("{}\n", json!({ "errors": [error] }))
}

fn access_detail(needs: &[Scope]) -> Value {
    let entry = |need: &Scope, action: &String| json!({ "Type": need.resource_type, "Class": "", "Name": need.name, "Action": action });
    let entries: Vec<Value> =
        needs.iter().flat_map(|need| need.actions.iter().map(move |action| entry(need, action))).collect();
    if entries.is_empty() { Value::Null } else { entries.into() }
}

/// `Bearer realm="…",service="…",scope="…",error="…",error_description="…"`, in the registry's order.
fn bearer(challenge: &Challenge, needs: &[Scope], settings: &Settings, origin: &Origin) -> String {
    let realm = settings
        .realm
        .clone()
        .unwrap_or_else(|| format!("{}://{}{}/auth", origin.scheme, origin.host, settings.path_prefix));
    let scope = needs.iter().map(Scope::to_string).collect::<Vec<_>>().join(" ");
    let error = challenge.error.map(|error| match error {
        ChallengeError::InvalidToken => "invalid_token".to_owned(),
        ChallengeError::InsufficientScope => "insufficient_scope".to_owned(),
    });
    let parameters = [
        ("realm", Some(realm)),
        ("service", Some(settings.service.clone())),
        ("scope", Some(scope).filter(|scope| !scope.is_empty())),
        ("error", error),
        ("error_description", challenge.description.clone()),
    ];
    let written: Vec<String> = parameters
        .into_iter()
        .filter_map(|(name, value)| Some(format!("{name}={}", quoted(&value?))))
        .collect();
    format!("Bearer {}", written.join(","))
}

/// A quoted string of the bytes that RFC 6750 section 3 allows: no quotes or backslashes, which clients read in
/// different ways, and no control bytes.
fn quoted(text: &str) -> String {
    let safe = |c: char| match c {
        '"' | '\\' => '\'',
        ' '..='~' => c,
        _ => '?',
    };
    format!("\"{}\"", text.chars().map(safe).collect::<String>())
}

/// Outside of `/v2` and our own endpoints there is nothing, however it is spelt; said in docker_auth's words.
fn outside_of_v2(refusal: Refusal) -> Refusal {
    let is_path = matches!(refusal.code, ErrorCode::NotFound | ErrorCode::BadRequest) && !refusal.close;
    if is_path { Refusal::new(ErrorCode::NotFound, "Not found") } else { refusal }
}
