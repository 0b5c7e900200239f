//! TLS: from a certificate and a key to a configuration that a reload can replace under open connections.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use arc_swap::ArcSwapOption;
use rustls::{
    ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::WebPkiClientVerifier,
    version::{TLS12, TLS13},
};

use super::{CertificateSource, TlsSettings, TlsVersion, cipher_suites};
use crate::{
    acme::{self, Acme},
    authn::Certificates,
    limits::FailureLog,
};

/// The TLS configuration in force; without one, connections are plain HTTP.
pub struct Tls {
    config: ArcSwapOption<ServerConfig>,
    acme: Option<Arc<Acme>>,
    refused_certificates: FailureLog,
}

/// The interval between log lines about client certificates that handshakes refuse: any client can show one.
const LOG_REFUSED_EVERY: Duration = Duration::from_secs(1);

/// The reason why TLS cannot be served. Displays with the file and the remedy.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The file cannot be read.
    #[error("cannot read {}: {}", .0.display(), .1)]
    Unreadable(PathBuf, io::Error),
    /// The file is no PEM of the right kind.
    #[error("{} holds no PEM {}; name a file that begins with -----BEGIN", .0.display(), .1)]
    NotPem(PathBuf, &'static str),
    /// The certificate and the key do not go together, or cannot be used.
    #[error("the certificate {} cannot be used with its key: {}", .0.display(), .1)]
    Unusable(PathBuf, rustls::Error),
}

impl Tls {
    /// TLS as configured, or none.
    pub fn new(config: Option<Arc<ServerConfig>>, acme: Option<Arc<Acme>>) -> Self {
        let refused_certificates = FailureLog::every(LOG_REFUSED_EVERY);
        let this = Self { config: ArcSwapOption::empty(), acme, refused_certificates };
        this.replace(config);
        this
    }

    /// Puts another configuration in force for connections to come. A certificate by ACME stays in force, and is renewed
    /// without this.
    pub fn replace(&self, mut config: Option<Arc<ServerConfig>>) {
        if let (Some(config), Some(acme)) = (&mut config, &self.acme) {
            Arc::make_mut(config).cert_resolver = acme.resolver();
        }
        self.config.store(config);
    }

    /// The client that renews the certificate, where it comes by ACME.
    pub fn acme(&self) -> Option<&Arc<Acme>> {
        self.acme.as_ref()
    }

    /// Returns true if TLS is on.
    pub fn is_on(&self) -> bool {
        self.config.load().is_some()
    }

    /// Returns the TLS configuration for a new connection; `None` for plain HTTP.
    pub(super) fn current(&self) -> Option<Arc<ServerConfig>> {
        self.config.load_full()
    }

    /// The bound on lines about client certificates that handshakes refuse.
    pub(super) fn refused_certificates(&self) -> &FailureLog {
        &self.refused_certificates
    }
}

impl TlsSettings {
    /// Reads the files and checks that they go together. Clients are asked for a certificate where `certificates` are
    /// configured. With ACME there is no certificate yet: [`Tls`] adds it.
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn load(&self, certificates: Option<&Certificates>) -> Result<Arc<ServerConfig>, TlsError> {
        let versions: &[_] = match self.min_version {
            TlsVersion::Tls12 => &[&TLS13, &TLS12],
            TlsVersion::Tls13 => &[&TLS13],
        };
        let file = self.certificate_file().unwrap_or(Path::new("server.letsencrypt"));
        let unusable = |error| TlsError::Unusable(file.to_owned(), error);
        let config = ServerConfig::builder_with_provider(Arc::new(cipher_suites::provider()))
            .with_protocol_versions(versions)
            .map_err(unusable)?
            .with_client_cert_verifier(
                certificates.map_or_else(WebPkiClientVerifier::no_client_auth, Certificates::verifier),
            );
        let mut config = match &self.source {
            CertificateSource::Files { certificate, key } => {
                config.with_single_cert(read_chain(certificate)?, read_key(key)?).map_err(unusable)?
            }
            CertificateSource::Acme(_) => config.with_cert_resolver(acme::no_certificate()),
        };
        // The strongest first, whatever the client would like: only TLS 1.2 leaves it the choice by default.
        config.ignore_client_order = true;
        // Sessions are resumed from what clients bring along, so that nothing is kept for each of them. The keys for it
        // change every six hours; where the system has no randomness for one, sessions are not resumed.
        if let Ok(tickets) = aws_lc_rs::Ticketer::new() {
            config.ticketer = tickets;
        }
        config.alpn_protocols = vec![H2.to_vec(), b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}

/// The ALPN name of HTTP/2 (RFC 9113 section 3.1).
pub(super) const H2: &[u8] = b"h2";

fn read_chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let pem = read(path)?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match chain {
        Ok(chain) if !chain.is_empty() => Ok(chain),
        _ => Err(TlsError::NotPem(path.to_owned(), "certificate")),
    }
}

fn read_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let pem = zeroize::Zeroizing::new(read(path)?);
    PrivateKeyDer::from_pem_slice(&pem).map_err(|_| TlsError::NotPem(path.to_owned(), "private key"))
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    fs::read(path).map_err(|error| TlsError::Unreadable(path.to_owned(), error))
}
