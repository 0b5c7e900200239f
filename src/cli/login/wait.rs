//! The questions of a login: for codes, and then, again and again, for the token (RFC 8628 sections 3.1 to 3.5).

use std::time::{Duration, Instant};

use hyper::StatusCode;
use serde::Deserialize;

use super::registry::Registry;
use crate::{
    authn::{Secret, TokenDigest},
    cli::{
        Login,
        token::client::{Client, Reply},
    },
    registry::Scope,
};

/// `client_id`. The server does not tell clients apart.
const CLIENT: (&str, &str) = ("client_id", "portwarden");
/// The time between two questions where the server names none, and what is added where it wants fewer (RFC 8628 sections
/// 3.2 and 3.5), in seconds.
const INTERVAL: u64 = 5;
/// The longest time between two questions.
const LONGEST_INTERVAL: Duration = Duration::from_secs(60);
/// The longest time that a person is waited for, in seconds.
const LONGEST_WAIT: u64 = 3600;
/// Characters of a code.
const LONGEST_CODE: usize = 32;
/// Characters of a comment.
const LONGEST_COMMENT: usize = 100;

/// The codes, checked to be fit for a terminal.
#[derive(Debug)]
pub(super) struct Codes {
    device: Secret,
    /// The code to compare, or to type.
    pub(super) code: String,
    /// The page with the code in its address.
    pub(super) page: String,
    /// The page without it.
    pub(super) page_to_type: String,
    interval: Duration,
    ends: Instant,
}

/// A token, and its account.
#[derive(Debug)]
pub(super) struct Issued {
    pub(super) account: String,
    pub(super) token: Secret,
    pub(super) scope: String,
}

#[derive(Deserialize)]
struct CodesReply {
    device_code: String,
    user_code: String,
    verification_uri: String,
    verification_uri_complete: Option<String>,
    expires_in: u64,
    interval: Option<u64>,
}

#[derive(Deserialize)]
struct TokenReply {
    access_token: String,
    username: String,
    scope: String,
}

#[derive(Deserialize)]
struct ErrorReply {
    error: String,
    error_description: Option<String>,
}

/// The answer to a question for the token.
enum Answer {
    Issued(Issued),
    Pending,
    SlowDown,
    /// None, or one that another attempt may change.
    Later,
    Over(String),
}

/// Asks for codes.
///
/// # Errors
/// The server gives none: why, and what to do.
pub(super) async fn ask_for_codes(
    client: &Client,
    registry: &Registry,
    login: &Login,
) -> Result<Codes, String> {
    let host_name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let usual = || format!("portwarden login on {host_name}").chars().take(LONGEST_COMMENT).collect();
    let comment: String = login.comment.clone().unwrap_or_else(usual);
    let scope = login.scope.iter().map(Scope::to_string).collect::<Vec<_>>().join(" ");
    let days = login.lifetime.map(|days| days.to_string()).unwrap_or_default();
    let form = [CLIENT, ("host_name", &host_name), ("comment", &comment), ("scope", &scope), ("days", &days)];
    let reply = registry.post(client, "code", &form).await?;
    match reply.status {
        StatusCode::OK => codes_in(&reply, registry),
        StatusCode::NOT_FOUND => Err(format!(
            "expected a Portwarden that issues tokens to portwarden login, found 404{}; make one on its page /-/tokens",
            said(&reply)
        )),
        status => Err(format!("{} answers {status}{}", registry.host(), said(&reply))),
    }
}

fn codes_in(reply: &Reply, registry: &Registry) -> Result<Codes, String> {
    let wrong =
        || format!("{} gives an answer that is none of device authorization (RFC 8628)", registry.host());
    let codes: CodesReply = serde_json::from_slice(&reply.body).map_err(|_| wrong())?;
    let page = codes.verification_uri_complete.unwrap_or_else(|| codes.verification_uri.clone());
    let code = &codes.user_code;
    let is_plain = (1..=LONGEST_CODE).contains(&code.len())
        && code.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    if !is_plain || !registry.has(&page, code) || !registry.has(&codes.verification_uri, code) {
        return Err(format!("{}: it names a page that is not its own", wrong()));
    }
    Ok(Codes {
        device: Secret::new(codes.device_code),
        code: codes.user_code,
        page,
        page_to_type: codes.verification_uri,
        interval: Duration::from_secs(codes.interval.unwrap_or(INTERVAL).max(1)).min(LONGEST_INTERVAL),
        ends: Instant::now() + Duration::from_secs(codes.expires_in.min(LONGEST_WAIT)),
    })
}

/// Asks for the token until a person has answered.
///
/// # Errors
/// The person has refused, or has not answered in time.
pub(super) async fn wait_for_token(
    client: &Client,
    registry: &Registry,
    codes: &Codes,
) -> Result<Issued, String> {
    let mut interval = codes.interval;
    let device = codes.device.expose_text().unwrap_or_default();
    let form =
        [("grant_type", "urn:ietf:params:oauth:grant-type:device_code"), CLIENT, ("device_code", device)];
    while Instant::now() < codes.ends {
        tokio::time::sleep(interval).await;
        let reply = registry.post(client, "token", &form).await;
        match reply.map_or(Answer::Later, |reply| answer_in(&reply)) {
            Answer::Issued(issued) => return Ok(issued),
            Answer::Over(why) => return Err(why),
            Answer::Pending => {}
            Answer::SlowDown => interval += Duration::from_secs(INTERVAL),
            // Section 3.5: less often, doubling the time.
            Answer::Later => interval = (interval * 2).min(LONGEST_INTERVAL),
        }
    }
    Err("the login was not allowed in time; run portwarden login again".to_owned())
}

fn answer_in(reply: &Reply) -> Answer {
    if reply.status == StatusCode::OK {
        return token_in(reply).map_or_else(Answer::Over, Answer::Issued);
    }
    if reply.status.is_server_error() || reply.status == StatusCode::TOO_MANY_REQUESTS {
        return Answer::Later;
    }
    let Ok(told) = serde_json::from_slice::<ErrorReply>(&reply.body) else {
        return Answer::Over(format!("the login fails: {}{}", reply.status, said(reply)));
    };
    match told.error.as_str() {
        "authorization_pending" => Answer::Pending,
        "slow_down" => Answer::SlowDown,
        error => {
            let why = told.error_description.as_deref().unwrap_or(error);
            let why: String = why.chars().take(300).collect();
            Answer::Over(format!("the login fails: {}; run portwarden login again", why.escape_debug()))
        }
    }
}

fn token_in(reply: &Reply) -> Result<Issued, String> {
    let wrong = "the login fails: the server gives an answer without a token";
    let issued: TokenReply = serde_json::from_slice(&reply.body).map_err(|_| wrong)?;
    let token = Secret::new(issued.access_token);
    TokenDigest::of(&token).map_err(|_| wrong)?;
    if issued.username.contains(':') || issued.username.is_empty() {
        // RFC 7617: a name with a colon cannot be told from its password.
        return Err("the login fails: no client can send the name of this account with a password".to_owned());
    }
    Ok(Issued { account: issued.username, token, scope: issued.scope })
}

/// A server's message for people, in one line and not without end.
pub(super) fn said(reply: &Reply) -> String {
    let told = serde_json::from_slice::<ErrorReply>(&reply.body).ok().and_then(|told| told.error_description);
    let text = told.unwrap_or_else(|| String::from_utf8_lossy(&reply.body).into_owned());
    let said: String = text.trim().chars().take(300).collect();
    if said.is_empty() { said } else { format!(": {}", said.escape_debug()) }
}
