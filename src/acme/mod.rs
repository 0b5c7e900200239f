//! Certificates by ACME (RFC 8555): ordered, proven, renewed and stored for one configured name.
//!
//! Nothing that a client sends causes an order: the name is the configuration's, and the times are those of the
//! certificate, the authority and the pauses after failures. Knows nothing of accounts, requests and listeners; `server`
//! shows the certificate and the pending challenge.

mod cache;
mod certificate;
mod challenge;
mod client;
mod order;
mod renewal;
mod settings;
mod status;

use std::{sync::Arc, time::SystemTime};

use parking_lot::Mutex;
use rustls::{ServerConfig, server::ResolvesServerCert};
use tokio::sync::Notify;

use certificate::{Certificate, CertificateInUse};
pub(crate) use challenge::ACME_TLS;
use challenge::Challenges;
use client::AcmeClient;
use renewal::Suggestion;
pub use settings::{AcmeSettings, ChallengeKind, ExternalAccount, LETS_ENCRYPT};
pub use status::CertificateReading;
use status::Orders;

/// The certificate of a server, and the client that renews it.
pub struct Acme {
    settings: Arc<AcmeSettings>,
    in_use: Arc<CertificateInUse>,
    challenges: Challenges,
    client: AcmeClient,
    suggestion: Mutex<Suggestion>,
    orders: Mutex<Orders>,
    wake: Notify,
}

impl Acme {
    /// Starts with the certificate of the last run, or else with one that is self-signed. The authority is not asked
    /// before [`Self::run`].
    ///
    /// # Errors
    /// There is neither, or no authority can be trusted.
    pub fn new(settings: Arc<AcmeSettings>) -> Result<Self, String> {
        let client = AcmeClient::new(settings.authorities.clone())
            .map_err(|error| format!("server.acme.ca_certificate: {error}"))?;
        let certificate = match cache::certificate(&settings) {
            Some(certificate) => certificate,
            None => Certificate::self_signed(&settings.host, SystemTime::now())?,
        };
        let in_use = Arc::new(CertificateInUse::default());
        in_use.replace(certificate);
        Ok(Self {
            settings,
            in_use,
            challenges: Challenges::default(),
            client,
            suggestion: Mutex::default(),
            orders: Mutex::default(),
            wake: Notify::new(),
        })
    }

    /// The settings that it was started with.
    pub fn settings(&self) -> &AcmeSettings {
        &self.settings
    }

    /// The certificate of handshakes, which follows each renewal.
    pub(crate) fn resolver(&self) -> Arc<dyn ResolvesServerCert> {
        Arc::clone(&self.in_use) as _
    }

    /// Returns true while a handshake may be the authority's.
    pub(crate) fn awaits_handshake(&self) -> bool {
        self.challenges.awaits_handshake()
    }

    /// The TLS of the pending challenge, if a client that offers these protocols and names that server asks for it.
    pub(crate) fn challenge_tls(
        &self,
        server: Option<&str>,
        protocols: &[&[u8]],
    ) -> Option<Arc<ServerConfig>> {
        self.challenges.tls_of(server, protocols)
    }

    /// The answer of the pending challenge, if that path in plain HTTP asks for it.
    pub(crate) fn challenge_answer(&self, path: &str) -> Option<String> {
        self.challenges.answer_to(path)
    }
}

impl ChallengeKind {
    /// Its name in RFC 8737 and RFC 8555.
    pub fn name(self) -> &'static str {
        match self {
            Self::TlsAlpn => "tls-alpn-01",
            Self::Http => "http-01",
        }
    }
}

/// Shows no certificate: until [`Acme::resolver`] takes its place.
pub(crate) fn no_certificate() -> Arc<dyn ResolvesServerCert> {
    Arc::new(CertificateInUse::default())
}
