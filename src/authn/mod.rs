//! Identifies the client: credentials, identities, the user table, the back ends, and the cost of guessing.
//!
//! Without HTTP, and but for the back ends synchronous: time is a parameter, and running bcrypt off the async threads
//! is the caller's business. One login goes: [`Credentials`] → [`Throttle::peek`] → [`Remembered`] →
//! [`Throttle::check`] → [`Users::verify`] → [`Authenticators::ask_backends`] → [`Attempt`] reported.

mod authenticators;
mod backoff;
mod certificate;
mod command;
mod credentials;
mod digest;
mod htpasswd;
pub mod ldap;
mod name_folding;
mod password_hash;
mod personal_token;
mod recent_sign_ins;
mod remembered;
mod robots;
mod seal;
mod secret;
mod sign_in;
mod source;
mod sql;
mod throttle;
mod users;
mod workload_session;

use std::{collections::BTreeMap, fmt};

pub use authenticators::{Answer, AuthenticationBackendSettings, Authenticators};
pub use backoff::{RetryAfter, ThrottleSettings};
pub use certificate::{
    CertificateAccounts, CertificateSettings, Certificates, ClientCertificate, Field as CertificateField,
    Judgement, NameError, NameTemplate as CertificateName, USER as CERTIFICATE_USER, Untrusted,
    is_certificate_name,
};
pub use credentials::{Credentials, NotText};
pub use digest::{CredentialsDigest, DigestKey, NameDigest};
pub use htpasswd::{HtpasswdError, parse_htpasswd};
pub use ldap::{Ldap, LdapSettings};
pub use name_folding::folded as folded_name;
pub use password_hash::{DEFAULT_COST, HashError, PasswordError, PasswordHash};
pub use personal_token::PersonalToken;
pub use remembered::{Remembered, RememberedSettings};
pub use robots::{
    LastDay, ListedToken, MOST_TOKENS, Mistyped, NewToken, RobotError, RobotSettings, RobotTokenSettings,
    RobotVerdict, Robots, TokenDigest, TokenEnded, TokenName, fit_to_log, holds_robot_token, is_robot_token,
};
pub use seal::Seal;
pub use secret::{NoRandomness, Secret};
pub use sign_in::{SignInEnd, SignInSection};
pub use source::Source;
pub use throttle::{Attempt, Passage, Shown, THROTTLE_PURPOSE, Throttle, WrongPassword};
pub use users::{Identity, Labels, Outcome, User, UserError, Users};
pub use workload_session::{RequiredClaims, SessionStart, WorkloadSession};

/// A user as configured; `config` builds these, `Users` checks them.
#[derive(Clone, Default)]
pub struct UserSettings {
    /// The account; empty for the anonymous user.
    pub name: String,
    /// The bcrypt hash (`$2a$`, `$2b$`, `$2y$`), as written.
    pub password: Option<String>,
    /// The labels an ACL may ask for.
    pub labels: BTreeMap<String, Vec<String>>,
    /// The line of the user in the file it came from, from 1; 0 when unknown.
    pub line: usize,
}

/// Leaves the password out: what is written there may be a password in the clear, by mistake.
impl fmt::Debug for UserSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserSettings")
            .field("name", &self.name)
            .field("password", &self.password.as_ref().map(|_| format_args!("***")))
            .field("labels", &self.labels)
            .field("line", &self.line)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rule_16_configured_passwords_print_as_stars() {
        let user = UserSettings { password: Some("hunter2".into()), ..UserSettings::default() };
        let printed = format!("{user:?}");
        assert!(printed.contains("***") && !printed.contains("hunter2"), "{printed}");
    }
}
