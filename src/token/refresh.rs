//! Refresh tokens: what a client keeps instead of a password, to buy access tokens with.
//!
//! Nothing is stored about them. They have no expiry, as the password has none; they carry a keyed fingerprint of the
//! stored password hash, so they die with the password, the account or the key. They never open `/v2`: their `typ` and
//! `aud` are their own.

use std::fmt;

use aws_lc_rs::{constant_time, hmac};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL};

use super::{
    Authority, Holder, IssueError, SignedToken, TokenError,
    authority::random_id,
    claims::{StampClaims, check_party},
    jws::{self, Kind},
    login::{LoginClaims, LoginToken},
    memory,
};
use crate::state::Stamp;

/// The `aud` of refresh tokens; a registry that trusts our key refuses it.
const AUDIENCE: &str = "portwarden refresh";

/// Separates the key of fingerprints from other secrets of the same private key.
pub(super) const FINGERPRINT_PURPOSE: &str = "portwarden password fingerprint v1";

/// A keyed digest of an account and its stored password hash; changes with either, tells nothing about them. Compared
/// in constant time only. Prints as `***`.
#[derive(Clone, Copy)]
pub struct Fingerprint([u8; 32]);

impl Authority {
    /// The fingerprint of `account`'s password, of which `stored_hash` is the bcrypt hash as configured.
    pub fn fingerprint(&self, account: &str, stored_hash: &str) -> Fingerprint {
        let mut context = hmac::Context::with_key(&self.fingerprints);
        // The length keeps `a` + `bc` and `ab` + `c` apart.
        context.update(&(account.len() as u64).to_be_bytes());
        context.update(account.as_bytes());
        context.update(stored_hash.as_bytes());
        let mut bytes = [0; 32];
        bytes.iter_mut().zip(context.sign().as_ref()).for_each(|(to, from)| *to = *from);
        Fingerprint(bytes)
    }

    /// Makes a refresh token with which its holder may later ask for access tokens at `service`. No voucher counts.
    ///
    /// # Errors
    /// As [`Authority::issue`].
    pub fn issue_refresh<'a>(
        &self,
        holder: impl Into<Holder<'a>>,
        service: &str,
        fingerprint: &Fingerprint,
        now: u64,
    ) -> Result<SignedToken, IssueError> {
        let Holder { account, stamp, .. } = holder.into();
        let claims = LoginClaims {
            iss: &self.settings.issuer,
            sub: account,
            aud: AUDIENCE,
            service,
            iat: now,
            jti: &random_id()?,
            pwd: Some(fingerprint.encoded()),
            stamp: StampClaims::of(stamp),
            ..LoginClaims::default()
        };
        jws::sign(&self.key, Kind::Refresh, &claims).map(SignedToken::new)
    }

    /// Checks a refresh token for `service` and returns its account and stamp. `fingerprint_of` gives the present
    /// fingerprint of an account ([`Authority::fingerprint`]), or `None` when there is no such account or it has no
    /// password. Whether it was revoked by itself is for the caller to see.
    ///
    /// # Errors
    /// The first thing that is wrong with it; [`TokenError::Revoked`] for a changed password and a removed account
    /// alike.
    pub fn verify_refresh(
        &self,
        token: &str,
        service: &str,
        now: u64,
        fingerprint_of: impl FnOnce(&str) -> Option<Fingerprint>,
    ) -> Result<(String, Stamp), TokenError> {
        let open = || {
            let claims = jws::open(&self.key, Kind::Refresh, token)?;
            check_party(&claims, &self.settings.issuer, AUDIENCE)?;
            LoginToken::read(&claims, false).map(RefreshClaims)
        };
        let check = |RefreshClaims(login): &RefreshClaims| {
            login.check_issued(service, now)?;
            login.check_password(fingerprint_of)
        };
        let RefreshClaims(login) = &*self.refreshes.recall_or_open(token, open, check)?;
        Ok((login.account.clone(), login.stamp.clone()))
    }
}

/// A refresh token whose signature and issuer are right. All else is looked at on each use.
pub(super) struct RefreshClaims(LoginToken);

impl memory::CachedClaims for RefreshClaims {
    fn account(&self) -> &str {
        &self.0.account
    }

    fn bytes(&self) -> usize {
        self.0.bytes()
    }
}

impl Fingerprint {
    /// As it stands in a token.
    pub(super) fn encoded(&self) -> String {
        BASE64URL.encode(self.0)
    }

    /// Returns true if it is of the same account with the same password.
    pub fn is_same(&self, other: &Self) -> bool {
        self.is(&other.0)
    }

    pub(super) fn is(&self, other: &[u8]) -> bool {
        constant_time::verify_slices_are_equal(&self.0, other).is_ok()
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests;
