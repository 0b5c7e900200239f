//! The claims that a refresh token and a session have in common: both stand for a login, with a password that was
//! right.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL};
use serde::Serialize;

use super::{
    Fingerprint, TokenError,
    auth_source::AuthSourceClaims,
    claims::{LEEWAY, StampClaims, stamp, stamp_bytes},
    json::Object,
    memory,
};
use crate::state::Stamp;

/// The claims as they are written. A refresh token has none of the optional ones but `pwd` and the stamp.
#[derive(Serialize, Default)]
pub(super) struct LoginClaims<'a> {
    pub(super) iss: &'a str,
    /// The account.
    pub(super) sub: &'a str,
    /// The kind of token; a registry that trusts our key refuses it.
    pub(super) aud: &'a str,
    pub(super) service: &'a str,
    pub(super) iat: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) exp: Option<u64>,
    pub(super) jti: &'a str,
    /// The fingerprint of the password, where the configuration knows the account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) pwd: Option<String>,
    #[serde(flatten)]
    pub(super) auth_source: AuthSourceClaims<'a>,
    #[serde(flatten)]
    pub(super) stamp: StampClaims<'a>,
}

/// The same claims as read. The signature, the issuer and the kind are right; all else is looked at on each use.
pub(super) struct LoginToken {
    pub(super) account: String,
    /// `iat`: seconds since 1970.
    pub(super) issued_at: i64,
    /// The state and the generation with which it was issued, and `jti`.
    pub(super) stamp: Stamp,
    service: Option<String>,
    /// `None` where a back end vouches in place of the password.
    fingerprint: Option<Vec<u8>>,
}

impl LoginToken {
    /// Reads claims whose signature, issuer and kind have been checked. They must have a fingerprint unless a back end
    /// vouches.
    ///
    /// # Errors
    /// A claim that is missing or has another type.
    pub(super) fn read(claims: &Object, is_vouched: bool) -> Result<Self, TokenError> {
        Ok(Self {
            account: claims.text("sub")?.ok_or(TokenError::Malformed)?.to_owned(),
            issued_at: claims.integer("iat")?.ok_or(TokenError::Malformed)?,
            stamp: stamp(claims)?,
            service: claims.text("service")?.map(str::to_owned),
            fingerprint: (!is_vouched).then(|| fingerprint(claims)).transpose()?,
        })
    }

    /// Checks that it was made for this service, and not in times to come.
    ///
    /// # Errors
    /// The first of the two that is wrong.
    pub(super) fn check_issued(&self, service: &str, now: u64) -> Result<(), TokenError> {
        if self.service.as_deref() != Some(service) {
            return Err(TokenError::WrongAudience);
        }
        let latest = i128::from(now) + i128::from(LEEWAY);
        if i128::from(self.issued_at) > latest { Err(TokenError::NotYetValid) } else { Ok(()) }
    }

    /// Checks that the password is still the same. `fingerprint_of` gives the present fingerprint of an account, or
    /// `None` when there is no such account or it has no password. It is not asked where a back end vouches.
    ///
    /// # Errors
    /// [`TokenError::Revoked`] for a changed password and a removed account alike.
    pub(super) fn check_password(
        &self,
        fingerprint_of: impl FnOnce(&str) -> Option<Fingerprint>,
    ) -> Result<(), TokenError> {
        let Some(fingerprint) = &self.fingerprint else { return Ok(()) };
        let current = fingerprint_of(&self.account).ok_or(TokenError::Revoked)?;
        if current.is(fingerprint) { Ok(()) } else { Err(TokenError::Revoked) }
    }

    /// Bytes that it takes on the heap, about.
    pub(super) fn bytes(&self) -> usize {
        let texts = std::iter::once(&self.account).chain(&self.service);
        memory::heap(texts) + stamp_bytes(&self.stamp) + self.fingerprint.as_ref().map_or(0, Vec::len)
    }
}

fn fingerprint(claims: &Object) -> Result<Vec<u8>, TokenError> {
    let text = claims.text("pwd")?.ok_or(TokenError::Malformed)?;
    BASE64URL.decode(text).map_err(|_| TokenError::Malformed)
}
