//! The sections with which people sign in at a provider, and the reasons why a sign-in ends.

use serde::{Deserialize, Serialize};

/// A section of the configuration with which people sign in at a provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum SignInSection {
    /// `oidc_auth`.
    Oidc,
    /// `google_auth`.
    Google,
    /// `github_auth`.
    Github,
    /// `gitlab_auth`.
    Gitlab,
}

impl SignInSection {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Oidc, Self::Google, Self::Github, Self::Gitlab];

    /// The key of the section, which is the last part of its redirect URI, too, as in docker_auth.
    pub fn key(self) -> &'static str {
        match self {
            Self::Oidc => "oidc_auth",
            Self::Google => "google_auth",
            Self::Github => "github_auth",
            Self::Gitlab => "gitlab_auth",
        }
    }

    /// The section of that key.
    pub fn parse(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|section| section.key() == key)
    }

    /// The provider, as people know it.
    pub fn title(self) -> &'static str {
        match self {
            Self::Oidc => "OpenID Connect",
            Self::Google => "Google",
            Self::Github => "GitHub",
            Self::Gitlab => "GitLab",
        }
    }
}

/// The reason why a sign-in no longer counts. Displays a sentence for its person, fit for `error_description` (RFC 6750,
/// section 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignInEnd {
    /// The provider refuses the token that it gave at the sign-in.
    #[error("the provider no longer confirms this sign-in: sign in again on the web pages of this registry")]
    Refused,
    /// The account at the provider is not in the organization, or the domain, or is blocked.
    #[error("the account at the provider is no longer one of those that may sign in here")]
    NotMember,
    /// The provider calls the person by another name by now.
    #[error(
        "the provider gives this person another account name than at the sign-in: ask the operator of this registry"
    )]
    Renamed,
    /// The provider gave nothing with which it could be asked again.
    #[error(
        "the sign-in has lasted for its time, and the provider cannot be asked again: sign in again on the web pages"
    )]
    NotRenewable,
    /// The provider has given no answer for a day, or none since its settings changed.
    #[error("the provider does not confirm this sign-in now: try again later")]
    Unconfirmed,
    /// There is no record of it, the configuration names another provider by now, or has an account of that name.
    #[error("this sign-in is not known here any longer: sign in again on the web pages of this registry")]
    Unknown,
}

impl SignInEnd {
    const CODES: [(Self, &'static str); 6] = [
        (Self::Refused, "refused"),
        (Self::NotMember, "not-member"),
        (Self::Renamed, "renamed"),
        (Self::NotRenewable, "not-renewable"),
        (Self::Unconfirmed, "unconfirmed"),
        (Self::Unknown, "unknown"),
    ];

    /// A word for it, as it is stored and stands in addresses.
    pub fn code(self) -> &'static str {
        Self::CODES.into_iter().find(|(known, _)| *known == self).map_or("", |(_, code)| code)
    }

    /// Reads that word.
    pub fn parse(code: &str) -> Option<Self> {
        Self::CODES.into_iter().find(|(_, known)| *known == code).map(|(end, _)| end)
    }
}
