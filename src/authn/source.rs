//! The section of the configuration in which an account is known.

use serde::{Deserialize, Serialize};

use super::SignInSection;

/// The section that knows an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Source {
    /// `users`, and the file of `htpasswd`: asked again about its accounts on each request.
    Users,
    /// `ext_auth`.
    ExtAuth,
    /// `ldap_auth`.
    LdapAuth,
    /// `xorm_auth`.
    XormAuth,
    /// `robots`: asked again about its accounts and their tokens on each request.
    Robots,
    /// `workload_auth`: a JWT proved the account, and its session is asked again on each request.
    Workload,
    /// `certificate_auth`: the certificate of the connection is the login, on each request.
    Certificate,
    /// `oidc_auth`, `google_auth`, `github_auth` or `gitlab_auth`: the record of the sign-in is asked on each request.
    SignIn(SignInSection),
}

impl Source {
    /// The back end of that section; `None` where there is none. `certificate_auth` is none: a token of it counts with
    /// the certificate only.
    pub fn backend(section: &str) -> Option<Self> {
        [Self::ExtAuth, Self::LdapAuth, Self::XormAuth, Self::Workload]
            .into_iter()
            .find(|source| source.section() == section)
    }

    /// The key of the section.
    pub fn section(self) -> &'static str {
        match self {
            Self::Users => "users",
            Self::ExtAuth => "ext_auth",
            Self::LdapAuth => "ldap_auth",
            Self::XormAuth => "xorm_auth",
            Self::Robots => "robots",
            Self::Workload => "workload_auth",
            Self::Certificate => "certificate_auth",
            Self::SignIn(section) => section.key(),
        }
    }
}
