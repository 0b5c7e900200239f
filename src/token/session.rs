//! Sessions: what a browser keeps in a cookie instead of a password, for the web pages.
//!
//! As with refresh tokens nothing is stored about them. They end with their time, and with the key. Where the
//! configuration knows the account, they also end with its password or the account; where it does not, they carry the
//! information that a back end gave on it. Their `typ` and `aud` are their own: they are no tokens of a registry, and
//! buy none.

use std::time::Duration;

use aws_lc_rs::{hmac, rand};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL};

use super::{
    AuthSourceClaim, Authority, Fingerprint, Holder, IssueError, SignedToken, TokenError,
    auth_source::AuthSourceClaims,
    authority::random_id,
    claims::{LATEST, StampClaims, check_party},
    json::Object,
    jws::{self, Kind},
    login::{LoginClaims, LoginToken},
    memory,
};
use crate::state::Stamp;

/// The `aud` of sessions; a registry that trusts our key refuses it.
const AUDIENCE: &str = "portwarden session";

/// Separates the key of forms from other secrets of the same private key.
pub(super) const FORMS_PURPOSE: &str = "portwarden forms v1";

/// A session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// `sub`: the account.
    pub account: String,
    /// The section that knows it; `None` for `users`.
    pub auth_source: Option<AuthSourceClaim>,
    /// `jti`: its name, which no other session has.
    pub id: String,
    /// `iat`: seconds since 1970.
    pub issued_at: i64,
    /// `exp`: seconds since 1970.
    pub expires_at: u64,
    /// The state and the generation with which it was issued.
    pub stamp: Stamp,
}

/// The one that vouches for the account of a session.
#[derive(Debug, Clone, Copy)]
pub enum Vouched<'a> {
    /// The configuration, for as long as the password stays the same.
    Password(Fingerprint),
    /// A back end, which cannot be asked again without the password.
    BackEnd(&'a AuthSourceClaim),
}

impl Authority {
    /// Makes a session of its holder with the pages of `service` that ends after `lifetime`, in whole seconds. Who
    /// vouches is in `vouched`, not in the holder.
    ///
    /// # Errors
    /// As [`Authority::issue_to`].
    pub fn issue_session<'a>(
        &self,
        holder: impl Into<Holder<'a>>,
        vouched: Vouched<'_>,
        service: &str,
        lifetime: Duration,
        now: u64,
    ) -> Result<SignedToken, IssueError> {
        let Holder { account, stamp, .. } = holder.into();
        let (fingerprint, auth_source) = match vouched {
            Vouched::Password(fingerprint) => (Some(fingerprint), None),
            Vouched::BackEnd(auth_source) => (None, Some(auth_source)),
        };
        let claims = LoginClaims {
            iss: self.issuer(),
            sub: account,
            aud: AUDIENCE,
            service,
            iat: now,
            exp: Some(now.saturating_add(lifetime.as_secs()).min(LATEST)),
            jti: &random_id()?,
            pwd: fingerprint.map(|fingerprint| fingerprint.encoded()),
            auth_source: AuthSourceClaims::of(auth_source)?,
            stamp: StampClaims::of(stamp),
        };
        jws::sign(self.key(), Kind::Session, &claims).map(SignedToken::new)
    }

    /// Checks a session with the pages of `service`. `fingerprint_of` gives the present fingerprint of an account
    /// ([`Authority::fingerprint`]), or `None` when there is no such account or it has no password. Whether a back end
    /// that vouches is still there is for the caller to see.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn verify_session(
        &self,
        token: &str,
        service: &str,
        now: u64,
        fingerprint_of: impl FnOnce(&str) -> Option<Fingerprint>,
    ) -> Result<Session, TokenError> {
        let open = || {
            let claims = jws::open(self.key(), Kind::Session, token)?;
            check_party(&claims, self.issuer(), AUDIENCE)?;
            SessionClaims::read(&claims)
        };
        let check = |claims: &SessionClaims| claims.check(service, now, fingerprint_of);
        Ok(self.sessions.recall_or_open(token, open, check)?.session())
    }

    /// Returns a token that a form of that session sends along, so that no foreign page can send the form. It is another
    /// one each time: the value behind it is masked with random bytes, which stand before it, so that the lengths of
    /// compressed pages give nothing away (BREACH). Empty, which no form may send, if the system gives no such bytes.
    pub fn csrf(&self, session: &Session) -> String {
        let tag = hmac::sign(&self.forms, session.id.as_bytes());
        let mut mask = vec![0; tag.as_ref().len()];
        if rand::fill(&mut mask).is_err() {
            return String::new();
        }
        let masked: Vec<u8> = masked(tag.as_ref(), &mask);
        BASE64URL.encode([mask, masked].concat())
    }

    /// Returns true if a form of that session sent it. Takes the same time for every input.
    pub fn is_csrf(&self, session: &Session, sent: &str) -> bool {
        BASE64URL.decode(sent).is_ok_and(|sent| {
            let (mask, tag) = sent.split_at(sent.len() / 2);
            mask.len() == tag.len()
                && hmac::verify(&self.forms, session.id.as_bytes(), &masked(tag, mask)).is_ok()
        })
    }
}

/// The bytes, each with the one of the mask in its place; and back.
fn masked(bytes: &[u8], mask: &[u8]) -> Vec<u8> {
    bytes.iter().zip(mask).map(|(byte, mask)| byte ^ mask).collect()
}

/// A session whose signature and issuer are right. All else is looked at on each use.
pub(super) struct SessionClaims {
    login: LoginToken,
    auth_source: Option<AuthSourceClaim>,
    id: String,
    expires_at: u64,
}

impl SessionClaims {
    fn read(claims: &Object) -> Result<Self, TokenError> {
        let auth_source = AuthSourceClaim::read(claims)?;
        let expires_at = claims.integer("exp")?.ok_or(TokenError::Malformed)?;
        Ok(Self {
            login: LoginToken::read(claims, auth_source.is_some())?,
            auth_source,
            id: claims.text("jti")?.ok_or(TokenError::Malformed)?.to_owned(),
            expires_at: u64::try_from(expires_at).map_err(|_| TokenError::Malformed)?,
        })
    }

    fn check(
        &self,
        service: &str,
        now: u64,
        fingerprint_of: impl FnOnce(&str) -> Option<Fingerprint>,
    ) -> Result<(), TokenError> {
        self.login.check_issued(service, now)?;
        if now >= self.expires_at {
            return Err(TokenError::Expired);
        }
        self.login.check_password(fingerprint_of)
    }

    fn session(&self) -> Session {
        Session {
            account: self.login.account.clone(),
            auth_source: self.auth_source.clone(),
            id: self.id.clone(),
            issued_at: self.login.issued_at,
            expires_at: self.expires_at,
            stamp: self.login.stamp.clone(),
        }
    }
}

impl memory::CachedClaims for SessionClaims {
    fn account(&self) -> &str {
        &self.login.account
    }

    fn bytes(&self) -> usize {
        self.login.bytes()
            + memory::heap([&self.id])
            + self.auth_source.as_ref().map_or(0, AuthSourceClaim::bytes)
    }
}

#[cfg(test)]
mod tests;
