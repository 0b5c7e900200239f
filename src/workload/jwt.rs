//! A JWT of an issuer, read strictly, and every check that needs no key (RFC 8725).

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL};
use serde_json::Value;

use super::{Algorithm, JwtError};
use crate::strict_json;

/// The largest JWT, in bytes.
pub(super) const LARGEST: usize = 16 * 1024;
/// The longest `kid`, in bytes.
const LONGEST_KEY_ID: usize = 512;
/// The clock skew that is allowed, in seconds.
const LEEWAY: i64 = 60;
/// The longest time from `iat` to `exp`, in seconds: longer ones are credentials to be stored.
const LONGEST: i64 = 24 * 3600;

/// A JWT whose form is right. Neither its signature nor its claims have been checked.
pub(super) struct Jwt {
    pub(super) algorithm: Algorithm,
    pub(super) key_id: String,
    pub(super) claims: Value,
    /// The signed part: header and claims as they were sent.
    pub(super) message: String,
    pub(super) signature: Vec<u8>,
}

impl Jwt {
    /// Reads a JWT. A key, or the address of one, in its header is never looked at (RFC 8725, section 3.10).
    pub(super) fn parse(token: &str, algorithms: &[Algorithm]) -> Result<Self, JwtError> {
        let [header, claims, signature] = parts(token)?;
        let message = format!("{header}.{claims}");
        let header = object(header)?;
        if header.get("crit").is_some() {
            return Err(JwtError::Critical);
        }
        let algorithm = header.get("alg").and_then(Value::as_str).and_then(Algorithm::parse);
        let algorithm =
            algorithm.filter(|algorithm| algorithms.contains(algorithm)).ok_or(JwtError::Algorithm)?;
        let key_id = header.get("kid").and_then(Value::as_str);
        let key_id =
            key_id.filter(|id| !id.is_empty() && id.len() <= LONGEST_KEY_ID).ok_or(JwtError::NoKeyId)?;
        Ok(Self {
            algorithm,
            key_id: key_id.to_owned(),
            claims: object(claims)?,
            message,
            signature: decode(signature)?,
        })
    }

    /// Checks `iss`, `aud` and the times; `now` in seconds since 1970.
    pub(super) fn check(&self, issuer: &str, audiences: &[String], now: u64) -> Result<(), JwtError> {
        if self.claims.get("iss").and_then(Value::as_str) != Some(issuer) {
            return Err(JwtError::Issuer);
        }
        if !names(self.claims.get("aud"), audiences)? {
            return Err(JwtError::Audience);
        }
        self.check_times(now)
    }

    fn check_times(&self, now: u64) -> Result<(), JwtError> {
        let now = i64::try_from(now).map_err(|_| JwtError::Expired)?;
        let (expiry, issued) = (self.time("exp")?, self.time("iat")?);
        let (expiry, issued) = (expiry.ok_or(JwtError::Malformed)?, issued.ok_or(JwtError::Malformed)?);
        if now >= expiry.saturating_add(LEEWAY) {
            return Err(JwtError::Expired);
        }
        let latest = now.saturating_add(LEEWAY);
        if issued > latest || self.time("nbf")?.is_some_and(|start| start > latest) {
            return Err(JwtError::NotYetValid);
        }
        if expiry.saturating_sub(issued) > LONGEST { Err(JwtError::TooLong) } else { Ok(()) }
    }

    pub(super) fn time(&self, claim: &str) -> Result<Option<i64>, JwtError> {
        self.claims.get(claim).map(|value| value.as_i64().ok_or(JwtError::Malformed)).transpose()
    }

    /// `iss` of a JWT of which nothing has been checked; `None` for what is no JWT.
    pub(super) fn claimed_issuer(token: &str) -> Option<String> {
        let claims = token.split('.').nth(1).filter(|_| token.len() <= LARGEST)?;
        Some(object(claims).ok()?.get("iss")?.as_str()?.to_owned())
    }

    /// `exp` of a JWT of which nothing else has been checked, in seconds since 1970.
    pub(super) fn claimed_expiry(token: &str) -> Result<u64, JwtError> {
        let [header, claims, signature] = parts(token)?;
        let _ = (object(header)?, decode(signature)?);
        object(claims)?.get("exp").and_then(Value::as_u64).ok_or(JwtError::Malformed)
    }

    /// `jti`, for the log: the first bytes of it, without control characters.
    pub(super) fn id(&self) -> Option<String> {
        let id = self.claims.get("jti").and_then(Value::as_str)?;
        Some(id.chars().filter(|c| !c.is_control()).take(64).collect())
    }
}

/// Returns whether `aud`, a text or a list of texts, contains one of `audiences`.
fn names(aud: Option<&Value>, audiences: &[String]) -> Result<bool, JwtError> {
    let is_ours = |text: &str| audiences.iter().any(|ours| ours == text);
    match aud {
        None => Ok(false),
        Some(Value::String(text)) => Ok(is_ours(text)),
        Some(Value::Array(list)) => {
            let texts = list.iter().map(|value| value.as_str().ok_or(JwtError::Malformed));
            Ok(texts.collect::<Result<Vec<_>, _>>()?.into_iter().any(is_ours))
        }
        Some(_) => Err(JwtError::Malformed),
    }
}

/// Header, claims and signature, still encoded.
fn parts(token: &str) -> Result<[&str; 3], JwtError> {
    if token.len() > LARGEST {
        return Err(JwtError::TooLarge);
    }
    let mut parts = token.split('.');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(header), Some(claims), Some(signature), None) => Ok([header, claims, signature]),
        _ => Err(JwtError::Malformed),
    }
}

fn object(part: &str) -> Result<Value, JwtError> {
    strict_json::read(&decode(part)?, strict_json::once).filter(Value::is_object).ok_or(JwtError::Malformed)
}

fn decode(part: &str) -> Result<Vec<u8>, JwtError> {
    BASE64URL.decode(part).map_err(|_| JwtError::Malformed)
}
