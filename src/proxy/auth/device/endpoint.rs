//! The endpoints for programs: codes, the token behind them, and the end of that token (RFC 8628 sections 3.1 to 3.5,
//! RFC 7009). What they say is as RFC 6749 section 5 has it.

use std::{net::IpAddr, time::SystemTime};

use hyper::{
    Method, Response, StatusCode,
    header::{self, HeaderValue},
};
use serde_json::{Value, json};

use super::{
    DeviceRequest, INTERVAL, LIFETIME, NoCode, Outcome, Poll,
    issue::{as_on_the_page, issue},
};
use crate::{
    authn::{Secret, TokenDigest, holds_robot_token, is_robot_token},
    authz::{MOST_SCOPES, parse_token_scope},
    proxy::{
        auth::Authentication,
        body::request_body::RequestBody,
        personal_tokens::LONGEST_COMMENT,
        request::{context::RequestContext, form::Form, target::DeviceEndpoint},
        request_log::RequestLog,
        response::body::ResponseBody,
        snapshot::unix_now,
    },
    registry::{ErrorCode, Refusal, Scope},
    telemetry::Event,
    ui::PagePath,
};

/// `grant_type` (RFC 8628 section 3.4).
const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:device_code";
/// Characters of the name of a machine: that of a DNS label.
const LONGEST_HOST_NAME: usize = 63;
/// The sentence for a program where the shared state gives no answer.
const NO_STATE: &str = "the state that this server shares with others cannot be used now; try again later";
/// Parameters that stand in a request once (RFC 6749 section 3.2).
const ONCE: [&str; 10] = [
    "client_id",
    "scope",
    "days",
    "comment",
    "host_name",
    "grant_type",
    "device_code",
    "token",
    "username",
    "token_type_hint",
];

/// Answers a request that was admitted.
///
/// # Errors
/// It is no form, or there is nothing of the kind here. Everything else is an answer of its own.
pub(in crate::proxy) async fn answer(
    endpoint: DeviceEndpoint,
    context: RequestContext<'_>,
    body: RequestBody,
    address: Option<IpAddr>,
    authentication: &Authentication,
    log: &RequestLog,
) -> Result<Response<ResponseBody>, Refusal> {
    let RequestContext { head, snapshot, .. } = context;
    if head.method != Method::POST {
        return Err(Refusal::new(ErrorCode::Unsupported, "expected the method POST"));
    }
    if !snapshot.may_log_in_programs() {
        let why = "this registry issues no tokens to `portwarden login`: it has no state file, or no web pages, or \
                   personal_tokens.device_login is false";
        return Err(Refusal::new(ErrorCode::NotFound, why));
    }
    let body = body.form(head, &snapshot.settings).await?;
    let form = Form::parse("", body.as_deref());
    if let Some(twice) = ONCE.iter().find(|key| form.all(key).count() > 1 || form.has_unreadable(key)) {
        return Ok(error("invalid_request", &format!("{twice} stands there twice, or is no text")));
    }
    match endpoint {
        DeviceEndpoint::Code => Ok(codes(context, &form, address, authentication).await),
        DeviceEndpoint::Token => Ok(token(context, &form, authentication, log).await),
        DeviceEndpoint::Revoke => Ok(revoke(context, &form, log).await),
    }
}

/// RFC 8628 sections 3.1 and 3.2.
async fn codes(
    context: RequestContext<'_>,
    form: &Form,
    address: Option<IpAddr>,
    authentication: &Authentication,
) -> Response<ResponseBody> {
    if form.get("client_id").is_empty() {
        return error("invalid_request", "client_id is missing");
    }
    let request = match request_in(form, address) {
        Ok(request) => request,
        Err((code, why)) => return error(code, &why),
    };
    let codes = match authentication.device_logins.begin_anywhere(context.snapshot, request).await {
        Ok(codes) => codes,
        Err(why) => return no_code(why),
    };
    let (origin, prefix) = (context.origin, &context.snapshot.settings.path_prefix);
    let page = format!("{}://{}{prefix}{}", origin.scheme, origin.host, PagePath::Device);
    reply(
        StatusCode::OK,
        &json!({
            "device_code": codes.device.expose_text(),
            "user_code": codes.user.to_string(),
            "verification_uri": page,
            "verification_uri_complete": format!("{page}?user_code={}", codes.user),
            "expires_in": LIFETIME.as_secs(),
            "interval": INTERVAL.as_secs(),
        }),
    )
}

/// The request of a program, read.
///
/// # Errors
/// The code of RFC 6749 section 5.2, and a sentence.
fn request_in(form: &Form, address: Option<IpAddr>) -> Result<DeviceRequest, (&'static str, String)> {
    let text = |key: &'static str, longest: usize| {
        let text = form.get(key).trim();
        let is_fit = text.chars().count() <= longest && !text.chars().any(char::is_control);
        if is_fit && !holds_robot_token(text) {
            return Ok(text.to_owned());
        }
        let why = format!("{key}: expected up to {longest} printable characters, and no token");
        Err(("invalid_request", why))
    };
    let invalid_scope = |why| ("invalid_scope", why);
    let written: Vec<&str> = form.get("scope").split_whitespace().collect();
    if written.len() > MOST_SCOPES {
        return Err(invalid_scope(format!("expected at most {MOST_SCOPES} scopes, found {}", written.len())));
    }
    let scopes = written.into_iter().map(parse_token_scope).collect::<Result<Vec<Scope>, _>>();
    let (repositories, access) = scopes.and_then(|scopes| as_on_the_page(&scopes)).map_err(invalid_scope)?;
    let days = match form.get("days") {
        "" => None,
        days => Some(days.parse().map_err(|_| ("invalid_request", "days: expected a number".to_owned()))?),
    };
    Ok(DeviceRequest {
        address,
        host_name: text("host_name", LONGEST_HOST_NAME)?,
        comment: text("comment", LONGEST_COMMENT)?,
        repositories,
        access: access.to_owned(),
        days,
        asked: SystemTime::now(),
    })
}

fn no_code(why: NoCode) -> Response<ResponseBody> {
    let why = match why {
        NoCode::Full => {
            "too many programs wait for their logins, or too many of this address; try again later"
        }
        NoCode::NoRandomness => "the server has no random bytes; tell its operator",
        NoCode::NoState => NO_STATE,
    };
    unavailable(why)
}

/// RFC 8628 sections 3.4 and 3.5.
async fn token(
    context: RequestContext<'_>,
    form: &Form,
    authentication: &Authentication,
    log: &RequestLog,
) -> Response<ResponseBody> {
    match (form.get("grant_type"), form.get("client_id"), form.get("device_code")) {
        ("", ..) | (_, "", _) | (.., "") => {
            return error("invalid_request", "grant_type, client_id or device_code is missing");
        }
        (GRANT_TYPE, ..) => {}
        _ => return error("unsupported_grant_type", "expected the grant of a device code"),
    }
    let devices = &authentication.device_logins;
    let device = form.get("device_code").as_bytes();
    let (grant, request) = match Box::pin(devices.poll_anywhere(context.snapshot, device)).await {
        Poll::Pending => return error("authorization_pending", "no person has answered yet"),
        Poll::TooSoon => return error("slow_down", "ask less often: add 5 seconds to the interval"),
        Poll::Expired => return error("expired_token", "no person has answered within ten minutes"),
        Poll::Unknown => return error("invalid_grant", "no such device code, or it was used"),
        Poll::NoState => return unavailable(NO_STATE),
        Poll::Refused => return error("access_denied", "a person has refused it"),
        Poll::Allowed(grant, request) => (grant, request),
    };
    // In a task of its own only where it is stored: see `State::make_personal_token`.
    match Box::pin(issue(context.snapshot, &grant, &request, log)).await {
        Ok((token, new)) => {
            devices.count(Outcome::Issued);
            let body = json!({
                "access_token": token.expose_text(),
                // It is a password for HTTP Basic.
                "token_type": "Basic",
                "expires_in": new.ends.saturating_sub(new.at),
                "scope": new.scopes,
                "username": new.account,
            });
            reply(StatusCode::OK, &body)
        }
        Err(why) => {
            devices.count(Outcome::Failed);
            let (account, what) = (&grant.account, format!("no token after all: {why}"));
            log.decided_on_device(account, grant.source, Some(&grant.scopes), &what);
            error("access_denied", &format!("it was allowed, but no token could be made: {why}"))
        }
    }
}

/// RFC 7009: ends a personal token, for a program that has it and knows its account. One that does not count now ends as
/// well: it might count again.
async fn revoke(context: RequestContext<'_>, form: &Form, log: &RequestLog) -> Response<ResponseBody> {
    let state = &context.snapshot.state;
    let token = Secret::new(form.get("token"));
    if !is_robot_token(token.expose()) {
        return error("unsupported_token_type", "expected a personal token");
    }
    let shown = TokenDigest::of(&token).ok();
    let found = shown.and_then(|shown| state.personal_token(form.get("username"), &shown));
    // There is none, which is what was asked for (section 2.2).
    let Some(token) = found else { return reply(StatusCode::OK, &json!({})) };
    let ended = state.end_personal_token(&token.id(), unix_now()).await;
    let and = ended.as_ref().err().map(|error| format!("; not stored: {error}")).unwrap_or_default();
    log.changed_personal_token(Event::Revocation, &token.made, &format!("revoked by its holder{and}"));
    match ended {
        Ok(_) => reply(StatusCode::OK, &json!({})),
        Err(_) => unavailable("it is refused from now on, but a restart of the server may bring it back"),
    }
}

fn error(code: &str, why: &str) -> Response<ResponseBody> {
    reply(StatusCode::BAD_REQUEST, &json!({"error": code, "error_description": why}))
}

/// The answer to a request that may succeed later, with the code that RFC 6749 has for it in section 4.1.2.1.
fn unavailable(why: &str) -> Response<ResponseBody> {
    let body = json!({"error": "temporarily_unavailable", "error_description": why});
    let mut response = reply(StatusCode::SERVICE_UNAVAILABLE, &body);
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("60"));
    response
}

/// RFC 6749 sections 5.1 and 5.2.
fn reply(status: StatusCode, body: &Value) -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::from(body.to_string()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
    response
}
