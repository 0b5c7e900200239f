//! Sign-in of people at a provider: OpenID Connect (Core 1.0), Google, GitHub and GitLab, by the authorization code flow
//! (RFC 6749, RFC 9700) with PKCE (RFC 7636).
//!
//! An [`Attempt`] stands for a browser that was sent to a provider. It travels sealed in a cookie of that browser, so
//! that nothing is remembered here about it. A [`Provider`] turns the code that comes back into a [`Person`], and asks
//! about that person again later. Records of people are in `state`, and what they may do is decided elsewhere.

mod attempt;
mod failure;
mod github;
mod gitlab;
mod http;
mod openid;
mod person;
mod provider;
mod settings;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use aws_lc_rs::hmac;
use tokio::sync::Semaphore;

use crate::authn::{Seal, SignInSection};

pub use attempt::{Attempt, LIFETIME};
pub use failure::Failure;
pub use person::Person;
pub use provider::Provider;
pub use settings::{ClientSecret, OpenIdSettings, ProviderKind, ProviderSettings};

/// Separates the key that seals what is kept about people from other secrets of the key of tokens.
pub const SEAL_PURPOSE: &str = "portwarden sign-in v1";
/// Questions to all providers at once.
const AT_ONCE: usize = 16;

/// The providers of a configuration, and the key that seals what is kept about people.
#[derive(Debug, Clone)]
pub struct SignIns {
    providers: Vec<Arc<Provider>>,
    seal: Arc<Seal>,
    /// For questions about people who have signed in.
    turns: Arc<Semaphore>,
}

impl SignIns {
    /// The providers. One of `before` goes on, with what it has fetched, where the settings are the same. Nothing is
    /// fetched yet. `key` is derived for [`SEAL_PURPOSE`].
    ///
    /// # Errors
    /// The TLS library refuses the certificates of a provider.
    pub fn new(
        settings: &[ProviderSettings],
        key: &hmac::Key,
        before: Option<&Self>,
    ) -> Result<Self, String> {
        let provider = |settings: &ProviderSettings| {
            let mut before = before.iter().flat_map(|before| &before.providers);
            match before.find(|known| known.settings() == settings) {
                Some(same) => Ok(Arc::clone(same)),
                None => Provider::new(settings.clone()).map(Arc::new),
            }
        };
        let providers = settings.iter().map(provider).collect::<Result<_, _>>()?;
        let seal = Seal::new(key).ok_or("the cryptographic library refuses a key for sign-ins")?;
        let turns =
            before.map_or_else(|| Arc::new(Semaphore::new(AT_ONCE)), |before| Arc::clone(&before.turns));
        Ok(Self { providers, seal: Arc::new(seal), turns })
    }

    /// The provider of a section; `None` where it is not configured.
    pub fn provider(&self, section: SignInSection) -> Option<&Arc<Provider>> {
        self.providers.iter().find(|provider| provider.section() == section)
    }

    /// The sections that are configured.
    pub fn sections(&self) -> impl Iterator<Item = SignInSection> {
        self.providers.iter().map(|provider| provider.section())
    }

    /// The key that seals.
    pub fn seal(&self) -> &Arc<Seal> {
        &self.seal
    }

    /// The turns of questions about people who have signed in.
    pub fn turns(&self) -> &Arc<Semaphore> {
        &self.turns
    }
}
