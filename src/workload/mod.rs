//! `workload_auth`: logins with a JWT that a CI system or a cluster signs for each job (RFC 7519, checked as RFC 8725
//! says).
//!
//! A login makes a session: the account, its labels, and the claims that `require` names. They travel in our own
//! tokens, since there is no state here. Whether they still suffice is asked on every request, so a changed
//! configuration ends a session. Wrong JWTs are counted elsewhere (`proxy::auth::workload`).

mod claims;
mod discovery;
mod error;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod issuer;
mod json;
mod jwks;
mod jwt;
mod keys;
mod settings;

use std::{sync::Arc, time::Duration};

use jwt::Jwt;

use crate::authn::{Secret, WorkloadSession, folded_name};

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

    /// `workload_auth.session`: how long a login lasts.
    pub fn session(&self) -> Duration {
        self.session
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
        if !name.is_empty() {
            return self.issuer(name);
        }
        let claimed = Jwt::claimed_issuer(jwt.expose_text()?)?;
        let mut issuers = self.issuers.iter().filter(|issuer| issuer.url() == claimed);
        issuers.next().filter(|_| issuers.next().is_none())
    }

    /// Returns true if an account's name belongs to an issuer, in any spelling that a back end could take for it: the
    /// issuer's own name, and all that begin with it and a colon. No password for it may reach a back end.
    pub fn owns(&self, account: &str) -> bool {
        self.issuers.iter().any(|issuer| is_of(account, issuer.name()))
    }

    /// Returns whether the session of an account still suffices: its issuer is there and unchanged, and what it
    /// requires now holds for the claims that the session carries.
    pub fn accepts(&self, account: &str, session: &WorkloadSession) -> bool {
        let issuer = account.split_once(':').and_then(|(name, _)| self.issuer(name));
        issuer.is_some_and(|issuer| issuer.accepts(session))
    }
}

/// Returns true if the account is the issuer's name, or begins with it and a colon, in any spelling. The name of an
/// issuer is of small letters, so folding leaves it as it is.
pub fn is_of(account: &str, issuer: &str) -> bool {
    let account = folded_name(account);
    account.split_once(':').map_or(&*account, |(name, _)| name).trim() == issuer
}

#[cfg(test)]
mod tests;
