//! The outside of a token: JWS compact serialization (RFC 7515), with one pinned algorithm and one key.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL};
use jsonwebtoken::{Algorithm, Header};
use serde::Serialize;

use super::{IssueError, SigningKey, TokenError, json::Object};

/// The largest token made or read, in bytes.
pub(super) const MAX_BYTES: usize = 64 * 1024;

/// The kinds of token, told apart by `typ`, so that none passes for another whatever the claims say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Opens a registry. `JWT`, or nothing, as registries and other issuers are used to.
    Access,
    /// Buys access tokens at the token endpoint.
    Refresh,
    /// Opens the web pages.
    Session,
    /// Buys access tokens for as long as a session of `workload_auth` lasts.
    Workload,
}

impl Kind {
    fn typ(self) -> &'static str {
        match self {
            Self::Access => "JWT",
            Self::Refresh => "portwarden-refresh+jwt",
            Self::Session => "portwarden-session+jwt",
            Self::Workload => "portwarden-workload+jwt",
        }
    }

    /// A `typ` is a media type, so its case does not matter (RFC 7515, section 4.1.9).
    fn matches(self, typ: Option<&str>) -> bool {
        typ.map_or(self == Self::Access, |typ| typ.eq_ignore_ascii_case(self.typ()))
    }
}

/// Makes a token.
///
/// # Errors
/// [`IssueError::TooLarge`], or the library's refusal to sign.
pub(super) fn sign(key: &SigningKey, kind: Kind, claims: &impl Serialize) -> Result<String, IssueError> {
    let mut header = Header::new(key.algorithm());
    header.typ = Some(kind.typ().to_owned());
    header.kid = Some(key.key_id().to_owned());
    let message = format!("{}.{}", encode(&header)?, encode(claims)?);
    let signature = key.sign(message.as_bytes()).map_err(|_| IssueError::Signing)?;
    let token = format!("{message}.{}", BASE64URL.encode(signature));
    if token.len() > MAX_BYTES { Err(IssueError::TooLarge(MAX_BYTES)) } else { Ok(token) }
}

/// Checks a token's form, header and signature, and returns its claims, of which nothing has been checked.
///
/// Strict base64url without padding or spare bits, three parts, at most [`MAX_BYTES`].
pub(super) fn open(key: &SigningKey, kind: Kind, token: &str) -> Result<Object, TokenError> {
    if token.len() > MAX_BYTES {
        return Err(TokenError::Malformed);
    }
    let (message, signature) = token.rsplit_once('.').ok_or(TokenError::Malformed)?;
    let (header, claims) = message.split_once('.').ok_or(TokenError::Malformed)?;
    check_header(key, kind, &Object::read(&decode(header)?)?)?;
    if !key.has_signed(message.as_bytes(), &decode(signature)?) {
        return Err(TokenError::BadSignature);
    }
    Object::read(&decode(claims)?)
}

/// No key that a header brings along is ever used. `jku` and `x5u` are ignored, since a registry ignores them too.
/// `jwk` and `x5c`, which a registry would look at before `kid`, are refused, so that nothing passes here that it would
/// read otherwise. `crit` demands unsupported extensions (RFC 7515, section 4.1.11).
fn check_header(key: &SigningKey, kind: Kind, header: &Object) -> Result<(), TokenError> {
    let algorithm = header.text("alg")?.and_then(|name| name.parse::<Algorithm>().ok());
    let is_ours = algorithm == Some(key.algorithm()) && header.text("kid")? == Some(key.key_id());
    if !is_ours || ["crit", "jwk", "x5c"].into_iter().any(|name| header.has(name)) {
        return Err(TokenError::ForeignKey);
    }
    if kind.matches(header.text("typ")?) { Ok(()) } else { Err(TokenError::WrongAudience) }
}

fn encode(part: &impl Serialize) -> Result<String, IssueError> {
    Ok(BASE64URL.encode(serde_json::to_vec(part).map_err(|_| IssueError::Signing)?))
}

fn decode(part: &str) -> Result<Vec<u8>, TokenError> {
    BASE64URL.decode(part).map_err(|_| TokenError::Malformed)
}
