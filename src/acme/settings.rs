//! The settings of certificates by ACME. Built by `config`.

use std::path::PathBuf;

use rustls::pki_types::CertificateDer;
use serde::{Deserialize, Serialize};

use crate::authn::Secret;

/// The directory of Let's Encrypt, which is asked unless the configuration names another.
pub const LETS_ENCRYPT: &str = "https://acme-v02.api.letsencrypt.org/directory";

/// Settings of the ACME client: `server.letsencrypt` and `server.acme`.
#[derive(Debug)]
pub struct AcmeSettings {
    /// `server.letsencrypt.host`: the one name of the certificate, in lower case.
    pub host: String,
    /// `server.letsencrypt.email`: where the authority sends warnings.
    pub email: Option<String>,
    /// `server.letsencrypt.cache_dir`: the directory of the certificate and the account.
    pub cache_dir: PathBuf,
    /// `server.acme.directory`: an https URL.
    pub directory: String,
    /// The certificates that the authority's own server is trusted by: `server.acme.ca_certificate`, else those of this
    /// machine.
    pub authorities: Vec<CertificateDer<'static>>,
    /// `server.acme.challenge`.
    pub challenge: ChallengeKind,
    /// `server.acme.eab`.
    pub external_account: Option<ExternalAccount>,
    /// The content of `state.key_file`, decoded: for replicas that have one account and one certificate.
    pub sealing_key: Option<Secret>,
}

/// The way in which control of the host is proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum ChallengeKind {
    /// `tls-alpn-01` (RFC 8737): by a handshake at port 443.
    #[default]
    TlsAlpn,
    /// `http-01` (RFC 8555 section 8.3): by a request at port 80.
    Http,
}

/// An account at the authority that exists already (RFC 8555 section 7.3.4).
#[derive(Debug)]
pub struct ExternalAccount {
    /// `server.acme.eab.kid`.
    pub id: String,
    /// The content of `server.acme.eab.key_file`, decoded.
    pub key: Secret,
}

impl PartialEq for AcmeSettings {
    fn eq(&self, other: &Self) -> bool {
        let external =
            |of: &Self| of.external_account.as_ref().map(|it| (it.id.clone(), it.key.expose().to_vec()));
        let sealing_key = |of: &Self| of.sealing_key.as_ref().map(|key| key.expose().to_vec());
        (&self.host, &self.email, &self.cache_dir, &self.directory, &self.authorities, self.challenge)
            == (
                &other.host,
                &other.email,
                &other.cache_dir,
                &other.directory,
                &other.authorities,
                other.challenge,
            )
            && external(self) == external(other)
            && sealing_key(self) == sealing_key(other)
    }
}

impl Eq for AcmeSettings {}

impl AcmeSettings {
    /// The file of the certificate and its key: docker_auth's has the same name and form.
    pub fn certificate_file(&self) -> PathBuf {
        self.cache_dir.join(&self.host)
    }
}
