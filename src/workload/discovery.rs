//! Fetching the keys of an issuer: its discovery document (OpenID Connect Discovery 1.0), then its JWK Set.
//!
//! Only where the configuration says: over HTTPS, without redirects, and on the issuer's own origin. So neither a JWT
//! nor an issuer can send Portwarden to another server.

use std::time::Duration;

use hyper::{StatusCode, Uri};
use serde_json::Value;

use super::KeySet;
use crate::{
    backend::{HttpsBounds, HttpsClient},
    strict_json,
};

/// Bounds on each of the two answers.
const BOUNDS: HttpsBounds = HttpsBounds { timeout: Duration::from_secs(5), body: 64 << 10 };

/// Characters of an answer that a message shows at most.
const LONGEST_SHOWN: usize = 200;

/// Fetches the keys; `uri` is that of the set, where discovery is not to be asked.
///
/// # Errors
/// The reason, for the log.
pub(super) async fn fetch(client: &HttpsClient, issuer: &str, uri: Option<&Uri>) -> Result<KeySet, String> {
    let uri = match uri {
        Some(uri) => uri.clone(),
        None => discover(client, issuer).await?,
    };
    let document = get(client, &uri).await?;
    KeySet::parse(&document).map_err(|why| format!("{uri}: {why}"))
}

/// Fetches the discovery document of an issuer, whose own `issuer` is right.
///
/// # Errors
/// The reason, for the log.
pub(crate) async fn document(client: &HttpsClient, issuer: &str) -> Result<Value, String> {
    let address = address(issuer)?;
    let document = strict_json::read(&get(client, &address).await?, strict_json::once);
    let document = document.ok_or_else(|| format!("{address}: not JSON, or JSON that repeats a name"))?;
    let found = document.get("issuer").and_then(Value::as_str).unwrap_or_default();
    if found != issuer {
        let found: String = found.chars().take(LONGEST_SHOWN).collect();
        return Err(format!(
            "{address}: expected the `issuer` {issuer:?}, found {found:?}; write it as the provider does"
        ));
    }
    Ok(document)
}

fn address(issuer: &str) -> Result<Uri, String> {
    let base = issuer.strip_suffix('/').unwrap_or(issuer);
    let address = format!("{base}/.well-known/openid-configuration");
    address.parse().map_err(|_| format!("{address}: not a URL"))
}

async fn discover(client: &HttpsClient, issuer: &str) -> Result<Uri, String> {
    let (address, document) = (address(issuer)?, document(client, issuer).await?);
    let uri = document.get("jwks_uri").and_then(Value::as_str).and_then(|uri| uri.parse::<Uri>().ok());
    let uri = uri.ok_or_else(|| format!("{address}: it has no `jwks_uri`"))?;
    if origin(&uri).is_some() && origin(&uri) == origin(&address) {
        return Ok(uri);
    }
    Err(format!(
        "{address}: its `jwks_uri` is on another origin; if that is right, write it out as `jwks_uri`"
    ))
}

async fn get(client: &HttpsClient, uri: &Uri) -> Result<Vec<u8>, String> {
    if origin(uri).is_none() {
        return Err(format!("{uri}: not an https URL"));
    }
    let reply = client.get(uri.clone(), None, BOUNDS).await.map_err(|error| format!("{uri}: {error}"))?;
    match reply.status {
        StatusCode::OK => Ok(reply.body.to_vec()),
        status => Err(format!("{uri}: expected 200, the answer is {status}")),
    }
}

/// Host and port of an HTTPS URL without a user; `None` for any other.
pub(crate) fn origin(uri: &Uri) -> Option<(String, u16)> {
    let is_https = uri.scheme_str() == Some("https");
    let has_user = uri.authority().is_some_and(|authority| authority.as_str().contains('@'));
    (is_https && !has_user)
        .then(|| Some((uri.host()?.to_ascii_lowercase(), uri.port_u16().unwrap_or(443))))?
}
