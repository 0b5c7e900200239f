//! The settings of `workload_auth`. Built by `config`.

use std::time::Duration;

use hyper::Uri;
use rustls::pki_types::CertificateDer;

use super::{AccountTemplate, Algorithm, ClaimName, KeySet, Requirement};

/// `workload_auth`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WorkloadSettings {
    /// `audience`: what `aud` must contain one of.
    pub audience: Vec<String>,
    /// `session`: how long one login lasts.
    pub session: Duration,
    /// `issuers`.
    pub issuers: Vec<IssuerSettings>,
}

/// One issuer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuerSettings {
    /// `name`: the user of `docker login`, and what its accounts begin with.
    pub name: String,
    /// `issuer`: what `iss` must be.
    pub issuer: String,
    /// `algorithms`.
    pub algorithms: Vec<Algorithm>,
    /// `account`.
    pub account: AccountTemplate,
    /// `require`.
    pub require: Vec<(ClaimName, Requirement)>,
    /// `labels`: label and claim.
    pub labels: Vec<(String, ClaimName)>,
    /// `bearer`.
    pub bearer: bool,
    /// The source of its keys.
    pub keys: KeySource,
}

/// The source of an issuer's keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    /// `jwks_file`.
    File(KeySet),
    /// Over HTTPS.
    Fetched {
        /// `jwks_uri`; `None` for discovery below the issuer.
        uri: Option<Uri>,
        /// `ca_certificate`, or the authorities of the system.
        authorities: Vec<CertificateDer<'static>>,
    },
}
