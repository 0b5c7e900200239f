//! The settings of `oidc_auth`, `google_auth`, `github_auth` and `gitlab_auth`. Built by `config`.

use std::{fmt, time::Duration};

use aws_lc_rs::digest;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL};
use hyper::Uri;
use rustls::pki_types::CertificateDer;
use zeroize::Zeroizing;

use crate::authn::SignInSection;

/// One of the sections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderSettings {
    /// The section.
    pub section: SignInSection,
    /// The protocol, and the place of the provider.
    pub kind: ProviderKind,
    /// `client_id`.
    pub client_id: String,
    /// `client_secret`, or the content of `client_secret_file`.
    pub client_secret: ClientSecret,
    /// `redirect_url` or `redirect_uri`; `None` for Google's by the name of this host, and for the one that GitHub has
    /// registered.
    pub redirect_uri: Option<String>,
    /// `revalidate_after`: the time for which the word of the provider counts.
    pub revalidate_after: Duration,
    /// `http_timeout`: for each request to the provider.
    pub timeout: Duration,
    /// `ca_certificate`, or the authorities of the system.
    pub authorities: Vec<CertificateDer<'static>>,
}

impl ProviderSettings {
    /// A digest of what decides who may sign in, under which name, and with which labels: another one where that has
    /// changed.
    pub fn meaning(&self) -> String {
        let written = format!("{:?}", self.kind);
        let digest = digest::digest(&digest::SHA256, written.as_bytes());
        BASE64URL.encode(digest.as_ref().get(..12).unwrap_or_default())
    }

    /// The labels that a person of this provider may have.
    pub fn labels(&self) -> impl Iterator<Item = &str> {
        let (claims, others): (&[String], &[&str]) = match &self.kind {
            ProviderKind::OpenId(openid) => (&openid.label_claims, &[]),
            ProviderKind::Github { organization: Some(_), .. } => (&[], &["organization", "teams"]),
            ProviderKind::Github { .. } | ProviderKind::Gitlab { .. } => (&[], &[]),
        };
        claims.iter().map(String::as_str).chain(others.iter().copied())
    }
}

/// The protocol of a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProviderKind {
    /// OpenID Connect.
    OpenId(OpenIdSettings),
    /// The API of GitHub.
    Github {
        /// `github_web_uri`, without a slash at its end.
        web: String,
        /// `github_api_uri`, without a slash at its end.
        api: String,
        /// `organization`, whose members alone may sign in.
        organization: Option<String>,
    },
    /// The API of GitLab.
    Gitlab {
        /// `gitlab_web_uri`, without a slash at its end.
        web: String,
        /// `gitlab_api_uri`, without a slash at its end.
        api: String,
    },
}

/// A provider of OpenID Connect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenIdSettings {
    /// `issuer`.
    pub issuer: String,
    /// `user_claim`: the name of the account.
    pub user_claim: String,
    /// `label_claims`: lists of text that become labels of the same name.
    pub label_claims: Vec<String>,
    /// `scopes`.
    pub scopes: Vec<String>,
    /// `jwks_uri`; `None` for the one that discovery names on the issuer's own origin.
    pub jwks_uri: Option<Uri>,
    /// `domain`: what `hd`, and the end of `email`, must be. Of Google only.
    pub domain: Option<String>,
    /// Parameters of the authorization request beside those of the specification.
    pub more: &'static [(&'static str, &'static str)],
}

/// The secret of this client at a provider. Prints as `***`, is wiped when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct ClientSecret(Zeroizing<String>);

impl ClientSecret {
    /// Takes the secret over.
    pub fn new(secret: impl Into<String>) -> Self {
        Self(Zeroizing::new(secret.into()))
    }

    pub(super) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ClientSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}
