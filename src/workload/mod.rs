//! `workload_auth`: logins with a JWT that a CI system or a cluster signs for each job (RFC 7519, checked as RFC 8725
//! says).
//!
//! A login makes a session: the account, its labels, and the claims that `require` names. Our own tokens carry them, or
//! name where the state has them. Whether they still suffice is asked on every request, so a changed
//! configuration ends a session. Wrong JWTs are counted elsewhere (`proxy::auth::workload`).

mod claims;
pub(crate) mod discovery;
mod error;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod issuer;
mod jwks;
mod jwt;
mod keys;
mod settings;

use std::{sync::Arc, time::Duration};

use jwt::Jwt;

use crate::{
    authn::{Secret, SessionStart, WorkloadSession, folded_name},
    strict_json,
};

pub use claims::{AccountTemplate, ClaimName, Requirement};
pub use error::JwtError;
pub use issuer::{Issuer, Login, Unproved};
pub use jwks::{Algorithm, KeySet};
pub use keys::KeysReading;
pub use settings::{IssuerSettings, KeySource, WorkloadSettings};

/// The issuers of a configuration.
#[derive(Debug, Default)]
pub struct Workload {
    session: Duration,
    issuers: Vec<Arc<Issuer>>,
}

impl Workload {
    /// The issuers. Keys of `before` are kept where they come from the same place. Nothing is fetched yet.
    ///
    /// # Errors
    /// The TLS library refuses the certificates of an issuer.
    pub fn new(settings: &WorkloadSettings, before: Option<&Self>) -> Result<Self, String> {
        let issuer = |issuer: &IssuerSettings| {
            let before =
                before.and_then(|before| before.issuers.iter().find(|known| known.has_keys_of(issuer)));
            Issuer::new(issuer.clone(), &settings.audience, before.map(|issuer| &**issuer)).map(Arc::new)
        };
        let issuers = settings.issuers.iter().map(issuer).collect::<Result<_, _>>()?;
        Ok(Self { session: settings.session, issuers })
    }

    /// The session of a login that is made now; `now` in seconds since 1970.
    pub fn begin(&self, login: &Login, now: u64) -> WorkloadSession {
        let start = SessionStart {
            ends: now.saturating_add(self.session.as_secs()),
            began: now,
            settings: login.settings.clone(),
            key_id: login.key_id.clone(),
            key_fingerprint: login.key_fingerprint.clone(),
            jwt_id: login.id.clone(),
        };
        WorkloadSession { start: Arc::new(start), claims: Arc::new(login.claims.clone()) }
    }

    /// Every issuer.
    pub fn issuers(&self) -> &[Arc<Issuer>] {
        &self.issuers
    }

    /// The issuer of that name, byte for byte: its JWTs are taken as the password of that user.
    pub fn issuer(&self, name: &str) -> Option<&Arc<Issuer>> {
        self.issuers.iter().find(|issuer| issuer.name() == name)
    }

    /// The issuer of a JWT that is to be exchanged: the one of that name. Without a name it is the only one of the `iss`
    /// that the JWT claims, which is not checked yet; `None` where there are several.
    pub fn of_exchange(&self, jwt: &Secret, name: &str) -> Option<&Arc<Issuer>> {
        match name {
            "" => self.claimed(jwt.expose_text()?, |_| true),
            name => self.issuer(name),
        }
    }

    /// The issuer of a JWT that is shown as a bearer token; `None` for anything else, and where it is not to be taken so.
    pub fn of_bearer(&self, token: &str) -> Option<&Arc<Issuer>> {
        let takes_bearer = |issuer: &Issuer| issuer.takes_bearer();
        // Most have none, and then no stranger's token is read.
        self.issuers.iter().any(|issuer| takes_bearer(issuer)).then(|| self.claimed(token, takes_bearer))?
    }

    fn claimed(&self, jwt: &str, is_meant: impl Fn(&Issuer) -> bool) -> Option<&Arc<Issuer>> {
        let claimed = Jwt::claimed_issuer(jwt)?;
        let mut issuers = self.issuers.iter().filter(|issuer| issuer.url() == claimed && is_meant(issuer));
        issuers.next().filter(|_| issuers.next().is_none())
    }

    /// Returns true if an account's name belongs to an issuer, in any spelling that a back end could take for it: the
    /// issuer's own name, and all that begin with it and a colon. No password for it may reach a back end.
    pub fn owns(&self, account: &str) -> bool {
        self.issuers.iter().any(|issuer| is_of(account, issuer.name()))
    }

    /// Returns whether the session of an account still suffices: its issuer is there and unchanged, what it requires now
    /// holds for the claims that the session carries, and a session that began then may last until `now`, in seconds
    /// since 1970.
    pub fn accepts(&self, account: &str, session: &WorkloadSession, now: u64) -> bool {
        let issuer = account.split_once(':').and_then(|(name, _)| self.issuer(name));
        let lasts = |began: u64| now < began.saturating_add(self.session.as_secs());
        issuer.and_then(|issuer| issuer.beginning(session)).is_some_and(lasts)
    }
}

/// Returns true if the account is the issuer's name, or begins with it and a colon, in any spelling. The name of an
/// issuer is of small letters, so folding leaves it as it is.
pub fn is_of(account: &str, issuer: &str) -> bool {
    let account = folded_name(account);
    account.split_once(':').map_or(&*account, |(name, _)| name).trim() == issuer
}

/// The time for which a JWT is still valid by its `exp`, without any leeway. Nothing else of it is checked: for what
/// hands a JWT on, and needs no key for that.
///
/// # Errors
/// Not a JWT, larger than 16 KiB, or expired; `now` is in seconds since 1970.
pub fn remaining_life(jwt: &str, now: u64) -> Result<Duration, JwtError> {
    let left = Jwt::claimed_expiry(jwt)?.saturating_sub(now);
    if left == 0 { Err(JwtError::Expired) } else { Ok(Duration::from_secs(left)) }
}

/// Returns true if an issuer may have this name: up to 32 lower case letters, digits, `-`, `_` and `.`.
pub fn is_issuer_name(name: &str) -> bool {
    let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_.".contains(&b);
    (1..=32).contains(&name.len()) && name.bytes().all(fits)
}

/// Reads JSON of strangers, strictly: one value, with no name twice at any depth.
pub fn read_json(json: &[u8]) -> Option<serde_json::Value> {
    strict_json::read(json, strict_json::once)
}

#[cfg(test)]
mod tests;
