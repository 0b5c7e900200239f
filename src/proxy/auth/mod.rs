//! Authentication and authorization: from credentials to a caller, and from a caller to a permit.

pub(super) mod authorize;
pub(super) mod caller;
pub(super) mod certificate;
pub(super) mod cross_site;
pub(super) mod device;
pub(super) mod passwords;
pub(super) mod session;
mod shown_tokens;
pub(super) mod single_flight;
pub(super) mod token_endpoint;
pub(super) mod token_rate_limit;
pub(super) mod workload;

use std::sync::Arc;

use device::DeviceLogins;
use passwords::Passwords;
use token_rate_limit::TokenRequests;
use workload::WorkloadLogins;

use super::Settings;
use crate::{
    authn::DigestKey,
    limits::FairSemaphore,
    registry::{ErrorCode, Refusal},
    state::RevokedMeanwhile,
    telemetry::Telemetry,
};

/// The answer to a login that a revocation of its account has overtaken: another one is right.
pub(super) fn revoked_meanwhile(_: RevokedMeanwhile) -> Refusal {
    let why = "what was issued to this account was revoked while it signed in; try again";
    Refusal::new(ErrorCode::Unavailable, why).retry_after(std::time::Duration::from_secs(1))
}

/// The answer to a token or a session whose claims are stored and cannot be read now.
pub(super) fn claims_unavailable() -> Refusal {
    let why =
        "the state, which has the labels of this account and what was revoked, cannot be read now; try again";
    Refusal::new(ErrorCode::Unavailable, why).retry_after(std::time::Duration::from_secs(1))
}

/// The state of authentication between requests, and across reloads.
pub(super) struct Authentication {
    /// The queue of password checks, and the backoff of wrong ones.
    pub(super) passwords: Passwords,
    /// The sessions of the web pages.
    /// The rate limit of token requests.
    pub(super) token_requests: TokenRequests,
    /// The wrong JWTs of `workload_auth`.
    pub(super) workload: WorkloadLogins,
    /// Codes of providers that are redeemed at once.
    pub(super) sign_ins: FairSemaphore,
    /// The programs that wait for a person.
    pub(super) device_logins: DeviceLogins,
}

/// Codes that are redeemed at once: each waits for some answers of its provider.
const CODES_AT_ONCE: usize = 16;

impl Authentication {
    /// An empty state. The digests of passwords are made with `key`.
    pub(super) fn new(settings: &Settings, key: DigestKey, telemetry: Arc<Telemetry>) -> Self {
        Self {
            passwords: Passwords::new(&settings.passwords, key, Arc::clone(&telemetry)),
            token_requests: TokenRequests::new(),
            workload: WorkloadLogins::new(telemetry),
            sign_ins: FairSemaphore::new(CODES_AT_ONCE, "sign-ins at a provider"),
            device_logins: DeviceLogins::default(),
        }
    }
}
