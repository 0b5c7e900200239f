//! A provider: one of the protocols, with the connection to it.

use super::{
    Attempt, Failure, Person, ProviderKind, ProviderSettings, github::Github, gitlab::Gitlab,
    http::Connection, openid::OpenId,
};
use crate::authn::{Secret, SignInSection};

/// A provider at which people sign in.
#[derive(Debug)]
pub struct Provider {
    settings: ProviderSettings,
    connection: Connection,
    protocol: Protocol,
    meaning: String,
}

#[derive(Debug)]
enum Protocol {
    OpenId(Box<OpenId>),
    Github(Github),
    Gitlab(Gitlab),
}

impl Provider {
    pub(super) fn new(settings: ProviderSettings) -> Result<Self, String> {
        let connection = Connection::new(&settings)?;
        let client_id = settings.client_id.clone();
        let protocol = match settings.kind.clone() {
            ProviderKind::OpenId(openid) => Protocol::OpenId(Box::new(OpenId::new(openid, &settings)?)),
            ProviderKind::Github { web, api, organization } => {
                Protocol::Github(Github { web, api, organization, client_id })
            }
            ProviderKind::Gitlab { web, api } => Protocol::Gitlab(Gitlab { web, api, client_id }),
        };
        Ok(Self { meaning: settings.meaning(), settings, connection, protocol })
    }

    /// Its settings.
    pub fn settings(&self) -> &ProviderSettings {
        &self.settings
    }

    /// The digest of what its settings mean for a person: [`ProviderSettings::meaning`].
    pub fn meaning(&self) -> &str {
        &self.meaning
    }

    /// Its section.
    pub fn section(&self) -> SignInSection {
        self.settings.section
    }

    /// The name of the provider itself, beside which the subject of a person means something: the issuer, or the
    /// address of its pages.
    pub fn id(&self) -> &str {
        match &self.settings.kind {
            ProviderKind::OpenId(openid) => &openid.issuer,
            ProviderKind::Github { web, .. } | ProviderKind::Gitlab { web, .. } => web,
        }
    }

    /// The address that a browser is sent to for this attempt.
    ///
    /// # Errors
    /// The provider does not say where that is.
    pub async fn authorization(&self, attempt: &Attempt) -> Result<String, Failure> {
        match &self.protocol {
            Protocol::OpenId(openid) => openid.authorization(&self.connection, attempt).await,
            Protocol::Github(github) => Ok(github.authorization(attempt)),
            Protocol::Gitlab(gitlab) => Ok(gitlab.authorization(attempt)),
        }
    }

    /// The person for whom `code` was made. `issuer` is the `iss` of the answer, where it has one; `now` in seconds since
    /// 1970.
    ///
    /// # Errors
    /// The provider does not accept the code, or does not say enough of the person, or gives no answer.
    pub async fn redeem(
        &self,
        code: &str,
        issuer: Option<&str>,
        attempt: &Attempt,
        now: u64,
    ) -> Result<Person, Failure> {
        let (to, of_attempt) = (&self.connection, (attempt, self.settings.client_secret.expose()));
        match &self.protocol {
            Protocol::OpenId(openid) => {
                openid.check_issuer(to, issuer).await?;
                openid.redeem(to, code, of_attempt, now).await
            }
            Protocol::Github(github) => github.redeem(to, code, of_attempt).await,
            Protocol::Gitlab(gitlab) => gitlab.redeem(to, code, of_attempt).await,
        }
    }

    /// The person `subject` as it is now, by the token that the provider gave. The token may have changed; `now` in
    /// seconds since 1970.
    ///
    /// # Errors
    /// As [`Self::redeem`].
    pub async fn confirm(&self, token: &Secret, subject: &str, now: u64) -> Result<Person, Failure> {
        let (to, secret) = (&self.connection, self.settings.client_secret.expose());
        match &self.protocol {
            Protocol::OpenId(openid) => openid.refresh(to, token, (subject, secret), now).await,
            Protocol::Github(github) => github.person(to, token).await,
            Protocol::Gitlab(gitlab) => {
                let redirect_uri = self.settings.redirect_uri.as_deref().unwrap_or_default();
                gitlab.refresh(to, token, (redirect_uri, secret)).await
            }
        }
    }
}
