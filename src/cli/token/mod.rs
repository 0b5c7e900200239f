//! `portwarden token`: a token from a registry, for scripts. It asks as docker does: the challenge of the registry
//! names the token endpoint and the service, and the password is sent there.
//!
//! Any registry with token authentication will do; nothing here is known of a configuration.

mod challenge;
pub(super) mod client;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL};
use hyper::{
    StatusCode, Uri,
    header::{self, HeaderValue},
};
use serde::Deserialize;
use zeroize::Zeroizing;

use super::{
    Token,
    output::{Failure, say},
    password,
};
use crate::registry::{Scope, percent_encode};
use challenge::Challenge;
use client::{Client, Reply, is_safe, runtime};

/// The answer of a token endpoint: `token`, or the name that OAuth 2 has for it, or both.
#[derive(Deserialize)]
struct TokenResponse {
    token: Option<String>,
    access_token: Option<String>,
}

/// The one claim that is looked at, so that a script learns at once what it will not be able to do.
#[derive(Deserialize)]
struct TokenPayload {
    access: Vec<Scope>,
}

/// Prints a token for all that is asked for, or says what is not granted.
///
/// # Errors
/// The fault, with the next step.
pub(super) fn run(token: &Token) -> Result<(), Failure> {
    let hint = "write it as repository:team/app:pull,push or registry:catalog:*";
    // The server would grant nothing, not even the scopes behind it.
    if token.scope.iter().any(String::is_empty) {
        return Err(format!("--scope is empty: {hint}").into());
    }
    let wanted = Scope::parse_all(token.scope.iter().map(String::as_str))
        .map_err(|error| format!("--scope: {error}; {hint}"))?;
    let registry = registry(token.registry.as_deref().unwrap_or_default())?;
    // Only now: after a mistake in the other options, the password need not be typed.
    let password = token.user.as_ref().map(|_| password::read(false)).transpose()?;
    let credentials = token.user.as_deref().zip(password.as_ref().map(|password| password.as_str()));
    let reply = runtime()?.block_on(ask(token, &registry, credentials))?;
    let issued: TokenResponse =
        serde_json::from_slice(&reply.body).map_err(|_| "the answer is not that of a token endpoint")?;
    let issued = issued.token.or(issued.access_token).ok_or("the answer has no token in it")?;
    require(&wanted, &issued, token.user.as_deref())?;
    if token.json { say(String::from_utf8_lossy(&reply.body).trim_end()) } else { say(issued) }
}

/// The URL of a registry: `https://` may be left out.
fn registry(written: &str) -> Result<Uri, String> {
    let url = if written.contains("://") { written.to_owned() } else { format!("https://{written}") };
    let wrong = |why: &str| format!("--registry: {written:?} {why}; write it as https://registry.example");
    let uri: Uri = url.trim_end_matches('/').parse().map_err(|_| wrong("is no URL"))?;
    let authority = uri.authority().ok_or_else(|| wrong("names no host"))?;
    if authority.as_str().contains('@') {
        return Err(wrong("has a name or a password in it: give --user"));
    }
    if !is_safe(&uri) {
        return Err(wrong("would carry the password over the network in the clear"));
    }
    if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
        return Err(wrong("has a path"));
    }
    Ok(uri)
}

async fn ask(token: &Token, registry: &Uri, credentials: Option<(&str, &str)>) -> Result<Reply, String> {
    let client = Client::new(token.ca_certificate.as_deref())?;
    let base = format!("{}v2/", with_slash(registry));
    let challenged = client.get(&base, None).await?;
    let challenge = challenge_in(&challenged, &base)?;
    let realm = realm(&challenge, registry, token.realm.as_deref())?;
    let url = token_url(&realm, &challenge, token.user.as_deref(), &token.scope);
    let reply = client.get(&url, credentials.map(basic).transpose()?).await?;
    match reply.status {
        StatusCode::OK => Ok(reply),
        StatusCode::UNAUTHORIZED if credentials.is_none() => {
            Err(format!("{realm} issues no token without a password: give --user"))
        }
        StatusCode::UNAUTHORIZED => Err("the name or the password is wrong".to_owned()),
        status => Err(format!("{realm} answers {status}{}{}", wait(&reply), said(&reply))),
    }
}

fn with_slash(uri: &Uri) -> String {
    let text = uri.to_string();
    if text.ends_with('/') { text } else { text + "/" }
}

/// Returns the registry's challenge with its token endpoint.
fn challenge_in(reply: &Reply, base: &str) -> Result<Challenge, String> {
    let offered: Vec<&str> = reply
        .headers
        .get_all(header::WWW_AUTHENTICATE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .collect();
    if let Some(challenge) = offered.iter().find_map(|value| Challenge::parse(value)) {
        return Ok(challenge);
    }
    Err(match reply.status {
        StatusCode::OK => format!("{base} is open: it wants no token"),
        StatusCode::UNAUTHORIZED if !offered.is_empty() => {
            format!("{base} takes no tokens, but: {}", offered.join(", "))
        }
        status => format!("{base} answers {status}, which is no registry with tokens{}", said(reply)),
    })
}

/// The token endpoint, if the password may be shown there: on the host of the registry, or where the user says.
fn realm(challenge: &Challenge, registry: &Uri, agreed: Option<&str>) -> Result<Uri, String> {
    let written = &challenge.realm;
    let realm: Uri =
        written.parse().map_err(|_| format!("the registry names a realm that is no URL: {written:?}"))?;
    if !is_safe(&realm) {
        return Err(format!("the realm {realm} would carry the password over the network in the clear"));
    }
    let is_agreed = match agreed {
        Some(agreed) => agreed == written,
        None => realm.host().is_some() && realm.host() == registry.host(),
    };
    if is_agreed {
        return Ok(realm);
    }
    Err(format!(
        "the registry wants the password shown at another host: {realm}. If that is right, give --realm {written}"
    ))
}

/// The request that docker sends: <https://distribution.github.io/distribution/spec/auth/token/>.
fn token_url(realm: &Uri, challenge: &Challenge, account: Option<&str>, scopes: &[String]) -> String {
    let service = challenge.service.as_deref().map(|service| ("service", service));
    let account = account.map(|account| ("account", account));
    let scopes = scopes.iter().map(|scope| ("scope", scope.as_str()));
    let mut separator = if realm.query().is_some() { '&' } else { '?' };
    let mut url = realm.to_string();
    for (name, value) in service.into_iter().chain(account).chain(scopes) {
        url.push(separator);
        url.push_str(name);
        url.push('=');
        url.push_str(&percent_encode(value));
        separator = '&';
    }
    url
}

/// RFC 7617.
fn basic((user, password): (&str, &str)) -> Result<HeaderValue, String> {
    if user.contains(':') {
        return Err("--user: a name with a colon cannot be told from its password".to_owned());
    }
    let pair = Zeroizing::new(format!("{user}:{password}"));
    let encoded = base64::engine::general_purpose::STANDARD.encode(pair.as_bytes());
    let mut value = HeaderValue::try_from(format!("Basic {encoded}")).map_err(|error| error.to_string())?;
    value.set_sensitive(true);
    Ok(value)
}

/// Holds what was granted against what was asked for. A token that cannot be read says nothing about it.
fn require(wanted: &[Scope], token: &str, user: Option<&str>) -> Result<(), String> {
    let Some(granted) = access(token) else { return Ok(()) };
    let missing: Vec<String> = wanted.iter().filter_map(|scope| missing(scope, &granted)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let who = user.map_or("the anonymous account".to_owned(), |user| format!("account {user:?}"));
    Err(format!("not granted to {who}: {}", missing.join(" ")))
}

fn missing(wanted: &Scope, granted: &[Scope]) -> Option<String> {
    let is_granted = |action: &String| granted.iter().any(|scope| scope.grants(wanted, action));
    let actions: Vec<&str> =
        wanted.actions.iter().filter(|action| !is_granted(action)).map(String::as_str).collect();
    let scope = Scope::new(&wanted.resource_type, &wanted.name, &actions);
    (!actions.is_empty()).then(|| scope.to_string())
}

/// The `access` of a token, unchecked: it is shown to the holder of the token.
fn access(token: &str) -> Option<Vec<Scope>> {
    let payload = BASE64URL.decode(token.split('.').nth(1)?).ok()?;
    serde_json::from_slice::<TokenPayload>(&payload).ok().map(|claims| claims.access)
}

fn wait(reply: &Reply) -> String {
    let seconds = reply.headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok());
    let unit = if seconds == Some("1") { "second" } else { "seconds" };
    seconds.map_or_else(String::new, |seconds| format!("; try again in {seconds} {unit}"))
}

/// A server's message for people, in one line and not without end.
fn said(reply: &Reply) -> String {
    let text = String::from_utf8_lossy(&reply.body);
    let said: String = text.trim().chars().take(300).collect();
    if said.is_empty() { said } else { format!(": {}", said.escape_debug()) }
}

#[cfg(test)]
mod tests;
