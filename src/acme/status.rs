//! The state of the certificate by ACME, for `portwarden status`, `/readyz` and the metrics.

use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::Acme;

/// The state of the certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateReading {
    /// The name that it is for.
    pub host: String,
    /// False until the first certificate of the authority has come, and while one of another directory is used.
    pub is_of_authority: bool,
    /// The end of its life, in seconds since 1970.
    pub expires: u64,
    /// The time of the next order, in seconds since 1970; 0 while one is under way.
    pub next_order: u64,
    /// Orders since the start that brought a certificate.
    pub done: u64,
    /// Orders since the start that failed.
    pub failed: u64,
    /// The time of the last failure, in seconds since 1970; 0 without one.
    pub last_failure: u64,
    /// The reason why the last order failed, until one does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// The outcome of orders since the start.
#[derive(Debug, Default)]
pub(super) struct Orders {
    pub(super) next: Option<SystemTime>,
    pub(super) done: u64,
    pub(super) failed: u64,
    pub(super) last_failure: Option<SystemTime>,
    pub(super) error: Option<String>,
}

impl Acme {
    /// Returns the state of now.
    pub fn reading(&self) -> CertificateReading {
        let seconds = |time: SystemTime| time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let certificate = self.in_use.get();
        let orders = self.orders.lock();
        CertificateReading {
            host: self.settings.host.clone(),
            is_of_authority: certificate.as_ref().is_some_and(|it| it.is_of_authority),
            expires: certificate.map_or(0, |it| seconds(it.until)),
            next_order: orders.next.map_or(0, seconds),
            done: orders.done,
            failed: orders.failed,
            last_failure: orders.last_failure.map_or(0, seconds),
            error: orders.error.clone(),
        }
    }
}
