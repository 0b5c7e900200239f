//! The sections about certificates by ACME: `server.letsencrypt:` and `server.acme:`.

use serde::Deserialize;

use super::Text;

/// `server.letsencrypt:`.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default, expecting = "a mapping with `host`, `email` and `cache_dir`")]
pub(crate) struct LetsEncrypt {
    pub(crate) host: Option<Text>,
    pub(crate) email: Option<Text>,
    pub(crate) cache_dir: Option<Text>,
}

/// `server.acme:`, Portwarden's own.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default, expecting = "a mapping")]
pub(crate) struct Acme {
    pub(crate) directory: Option<Text>,
    pub(crate) ca_certificate: Option<Text>,
    pub(crate) challenge: Option<Text>,
    pub(crate) eab: Option<ExternalAccount>,
}

/// `server.acme.eab:`.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default, expecting = "a mapping with `kid` and `key_file`")]
pub(crate) struct ExternalAccount {
    pub(crate) kid: Option<Text>,
    pub(crate) key_file: Option<Text>,
}
