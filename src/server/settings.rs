//! The settings for listening. Built by `config`.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use crate::acme::AcmeSettings;

/// Settings of the listeners.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `server.addr`, with `server.net`: each serves everything.
    pub addresses: Vec<Address>,
    /// `server.redirect_addr`: each speaks plain HTTP and redirects to the first of `addresses`. Only with TLS.
    pub redirect_addresses: Vec<Address>,
    /// `server.certificate` and `server.key`, or `server.letsencrypt`; `None` serves plain HTTP.
    pub tls: Option<TlsSettings>,
    /// Bounds on connections.
    pub limits: ConnectionLimits,
}

/// An address to listen on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// `:443` (all interfaces, both families), `127.0.0.1:443`, `[::1]:443`.
    Tcp(SocketAddr),
    /// A socket's path, with `server.net: unix`.
    Unix(PathBuf),
}

/// The settings of TLS.
#[derive(Debug, Clone)]
pub struct TlsSettings {
    /// The origin of the certificate.
    pub source: CertificateSource,
    /// `server.tls_min_version`.
    pub min_version: TlsVersion,
}

/// The origin of the certificate of the listeners.
#[derive(Debug, Clone)]
pub enum CertificateSource {
    /// From files.
    Files {
        /// PEM chain, leaf first.
        certificate: PathBuf,
        /// PEM key: PKCS#8, PKCS#1 or SEC1.
        key: PathBuf,
    },
    /// From an authority, by ACME.
    Acme(Arc<AcmeSettings>),
}

impl TlsSettings {
    /// The file of the certificate, where it comes from one.
    pub fn certificate_file(&self) -> Option<&Path> {
        match &self.source {
            CertificateSource::Files { certificate, .. } => Some(certificate),
            CertificateSource::Acme(_) => None,
        }
    }

    /// The settings of ACME, where it comes from an authority.
    pub fn acme(&self) -> Option<&Arc<AcmeSettings>> {
        match &self.source {
            CertificateSource::Files { .. } => None,
            CertificateSource::Acme(settings) => Some(settings),
        }
    }
}

/// The oldest version spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TlsVersion {
    /// TLS 1.2 and 1.3.
    #[default]
    Tls12,
    /// TLS 1.3 only.
    Tls13,
}

/// Bounds on connections (`limits:`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// `limits.connections`: in all; beyond that idle ones are closed, and accepting waits.
    pub connections: usize,
    /// `limits.connections_per_address`: of those, from one address; beyond that they are refused.
    pub connections_per_address: usize,
    /// `limits.streams`: concurrent HTTP/2 streams per connection.
    pub streams: u32,
    /// `limits.header_bytes`: of a request's head.
    pub header_bytes: u32,
    /// `limits.header_count`: headers of a request.
    pub header_count: u32,
    /// `limits.handshake_timeout`: for TLS.
    pub handshake_timeout: Duration,
    /// `limits.header_timeout`: for a request's head.
    pub header_timeout: Duration,
    /// `limits.idle_timeout`: for a connection without a request.
    pub idle_timeout: Duration,
    /// `limits.idle_body`: how long a response may stand still because the client does not read.
    pub idle_body: Duration,
    /// `limits.drain_timeout`: how long transfers may go on after SIGTERM.
    pub drain_timeout: Duration,
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}
