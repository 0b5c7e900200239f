//! Requests to a provider, and the meaning of its errors.

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use http_body_util::Full;
use hyper::{Request, StatusCode, Uri, body::Bytes, header};
use serde_json::Value;

use super::{Failure, ProviderSettings};
use crate::{
    authn::Secret,
    backend::{HttpsBounds, HttpsClient, HttpsReply},
    registry::percent_encode,
    strict_json,
    workload::discovery::origin,
};

/// The largest answer of a provider, in bytes: a page of fifty teams.
const LARGEST: usize = 1 << 20;

/// The connection to a provider.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) client: HttpsClient,
    bounds: HttpsBounds,
}

impl Connection {
    pub(super) fn new(settings: &ProviderSettings) -> Result<Self, String> {
        let client = HttpsClient::trusting(settings.authorities.clone())
            .map_err(|error| format!("{}: {error}", settings.section.key()))?;
        Ok(Self { client, bounds: HttpsBounds { timeout: settings.timeout, body: LARGEST } })
    }

    /// Sends a form to the token endpoint; with `basic`, these as the client's name and password (RFC 6749, section
    /// 2.3.1). Returns the members of the answer.
    ///
    /// # Errors
    /// There is no answer, or it is an error (RFC 6749, section 5.2).
    pub(super) async fn token(
        &self,
        uri: &str,
        form: &[(&str, &str)],
        basic: Option<(&str, &str)>,
    ) -> Result<Value, Failure> {
        let mut request = Request::post(address(uri)?)
            .header(header::ACCEPT, "application/json")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        if let Some((name, password)) = basic {
            let pair = format!("{}:{}", percent_encode(name).replace(':', "%3A"), percent_encode(password));
            request = request.header(header::AUTHORIZATION, format!("Basic {}", BASE64.encode(pair)));
        }
        let request = request.body(Full::from(encoded(form))).map_err(|_| unfit(uri))?;
        let reply = self.send(uri, request).await?;
        let answer = strict_json::read(&reply.body, strict_json::once).filter(Value::is_object);
        if let Some(error) = answer.as_ref().and_then(|answer| answer.get("error")).and_then(Value::as_str) {
            return Err(oauth_error(uri, error));
        }
        match (reply.status, answer) {
            (StatusCode::OK, Some(answer)) => Ok(answer),
            (StatusCode::OK, None) => Err(Failure::Misconfigured(format!("{uri}: the answer is not JSON"))),
            (status, _) => Err(by_status(uri, status)),
        }
    }

    /// Asks a resource with an access token.
    ///
    /// # Errors
    /// There is no answer.
    pub(super) async fn get(&self, uri: &str, token: &str) -> Result<HttpsReply, Failure> {
        let request = Request::get(address(uri)?)
            .header(header::ACCEPT, "application/json")
            .header(header::AUTHORIZATION, format!("Bearer {token}"))
            .body(Full::default())
            .map_err(|_| unfit(uri))?;
        self.send(uri, request).await
    }

    /// The same where the answer must be 200 and an object of JSON. 401 means that the token counts no longer.
    ///
    /// # Errors
    /// There is no answer, or another one.
    pub(super) async fn object(&self, uri: &str, token: &str) -> Result<Value, Failure> {
        let reply = self.get(uri, token).await?;
        if reply.status != StatusCode::OK {
            return Err(by_reply(uri, &reply));
        }
        let answer = strict_json::read(&reply.body, strict_json::once).filter(Value::is_object);
        answer.ok_or_else(|| Failure::Misconfigured(format!("{uri}: the answer is not an object of JSON")))
    }

    async fn send(&self, uri: &str, request: Request<Full<Bytes>>) -> Result<HttpsReply, Failure> {
        let sent = self.client.send(request, self.bounds).await;
        sent.map_err(|error| Failure::Unavailable(format!("{uri}: {error}")))
    }
}

/// A form, or a query, of these members.
pub(super) fn encoded(form: &[(&str, &str)]) -> String {
    let pairs = form.iter().map(|(name, value)| format!("{name}={}", percent_encode(value)));
    pairs.collect::<Vec<_>>().join("&")
}

/// A text member of the answer of a token endpoint that is a secret; `None` where there is none.
pub(super) fn secret(answer: &Value, name: &str) -> Option<Secret> {
    let text = answer.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    text.filter(|text| text.len() <= 8 << 10 && text.bytes().all(|b| b.is_ascii_graphic())).map(Secret::new)
}

/// The access token of an answer of a token endpoint.
///
/// # Errors
/// There is none.
pub(super) fn access_token(answer: &Value) -> Result<Secret, Failure> {
    secret(answer, "access_token")
        .ok_or_else(|| Failure::Misconfigured("the token endpoint gives no `access_token`".to_owned()))
}

/// The meaning of an answer that is none of the expected ones. GitHub writes its limits as 403.
pub(super) fn by_reply(uri: &str, reply: &HttpsReply) -> Failure {
    let is_exhausted = reply.headers.get("x-ratelimit-remaining").is_some_and(|left| left == "0");
    match reply.status {
        StatusCode::FORBIDDEN if is_exhausted || reply.headers.contains_key(header::RETRY_AFTER) => {
            Failure::Unavailable(format!("{uri}: its rate limit is used up"))
        }
        status => by_status(uri, status),
    }
}

fn by_status(uri: &str, status: StatusCode) -> Failure {
    match status {
        StatusCode::UNAUTHORIZED => Failure::refused("the provider does not accept the token that it gave"),
        StatusCode::TOO_MANY_REQUESTS => Failure::Unavailable(format!("{uri}: its rate limit is used up")),
        status if status.is_server_error() => Failure::Unavailable(format!("{uri}: the answer is {status}")),
        status => Failure::Misconfigured(format!("{uri}: the answer is {status}")),
    }
}

/// The meaning of an error of a token endpoint. `bad_verification_code` is GitHub's.
fn oauth_error(uri: &str, error: &str) -> Failure {
    match error {
        "invalid_grant" | "bad_verification_code" | "access_denied" => {
            Failure::refused("the provider does not accept the code or the token that it gave: sign in again")
        }
        "temporarily_unavailable" | "server_error" | "slow_down" => {
            Failure::Unavailable(format!("{uri}: {}", word(error)))
        }
        error => Failure::Misconfigured(format!("{uri}: it answers {:?}", word(error))),
    }
}

/// An error code of a provider, as far as it is one; it goes into logs and pages.
pub(super) fn word(error: &str) -> &str {
    let is_code =
        (1..=40).contains(&error.len()) && error.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    if is_code { error } else { "another error" }
}

/// An address, if it is one over TLS.
fn address(uri: &str) -> Result<Uri, Failure> {
    let parsed = uri.parse::<Uri>().ok().filter(|uri| origin(uri).is_some());
    parsed.ok_or_else(|| unfit(uri))
}

fn unfit(uri: &str) -> Failure {
    Failure::Misconfigured(format!("{uri}: expected an https URL"))
}
