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
mod shared;
mod status;

use std::{sync::Arc, time::SystemTime};

use parking_lot::Mutex;
use rustls::{ServerConfig, server::ResolvesServerCert};
use tokio::sync::Notify;

use certificate::{Certificate, CertificateInUse};
pub(crate) use challenge::ACME_TLS;
use challenge::Challenges;
use client::AcmeClient;
use renewal::{Backoff, Suggestion};
pub use settings::{AcmeSettings, ChallengeKind, ExternalAccount, LETS_ENCRYPT};
use shared::Shared;
pub use status::CertificateReading;
use status::Orders;

use crate::state::State;

/// The certificate of a server, and the client that renews it.
pub struct Acme {
    settings: Arc<AcmeSettings>,
    in_use: Arc<CertificateInUse>,
    challenges: Challenges,
    client: AcmeClient,
    suggestion: Mutex<Suggestion>,
    backoff: Mutex<Backoff>,
    orders: Mutex<Orders>,
    wake: Notify,
    /// `None` for one server alone.
    shared: Option<Shared>,
    /// Something of another replica was taken over.
    adopted: Notify,
}

impl Acme {
    /// Starts with the certificate of the last run or of other replicas, or else with one that is self-signed. The
    /// authority is not asked before [`Self::run`].
    ///
    /// # Errors
    /// There is none, no authority can be trusted, or the key of the other replicas is another.
    pub fn new(settings: Arc<AcmeSettings>, state: &Arc<State>) -> Result<Self, String> {
        let client = AcmeClient::new(settings.authorities.clone())
            .map_err(|error| format!("server.acme.ca_certificate: {error}"))?;
        let certificate = match cache::certificate(&settings) {
            Some(certificate) => certificate,
            None => Certificate::self_signed(&settings.host, SystemTime::now())?,
        };
        let shared = Shared::new(&settings, state)?;
        let in_use = Arc::new(CertificateInUse::default());
        in_use.replace(certificate);
        let this = Self {
            settings,
            in_use,
            challenges: Challenges::default(),
            client,
            suggestion: Mutex::default(),
            backoff: Mutex::default(),
            orders: Mutex::default(),
            wake: Notify::new(),
            shared,
            adopted: Notify::new(),
        };
        this.adopt_as_read();
        Ok(this)
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
        self.challenges.awaits_handshake() || self.may_lack(ChallengeKind::TlsAlpn)
    }

    /// Returns true if another replica may order, with a challenge of this kind that is not known here yet.
    fn may_lack(&self, kind: ChallengeKind) -> bool {
        self.shared.is_some() && self.settings.challenge == kind
    }

    /// The TLS of the pending challenge, if a client that offers these protocols and names that server asks for it. Waits
    /// for other replicas for a second at most.
    pub(crate) async fn challenge_tls(
        &self,
        server: Option<&str>,
        protocols: &[&[u8]],
    ) -> Option<Arc<ServerConfig>> {
        let known = self.challenges.tls_of(server, protocols);
        let is_asked = challenge::is_for(&self.settings.host, server, protocols);
        if known.is_some() || !is_asked || !self.may_lack(ChallengeKind::TlsAlpn) {
            return known;
        }
        self.hear_replicas().await;
        self.challenges.tls_of(server, protocols)
    }

    /// The answer of the pending challenge, if that path in plain HTTP asks for it. Waits as [`Self::challenge_tls`] does.
    pub(crate) async fn challenge_answer(&self, path: &str) -> Option<String> {
        let known = self.challenges.answer_to(path);
        if known.is_some() || !challenge::is_path_of_token(path) || !self.may_lack(ChallengeKind::Http) {
            return known;
        }
        self.hear_replicas().await;
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
