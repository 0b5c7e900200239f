//! Checks whether a registry answers at `registry.url`: at startup, from time to time, and for `/readyz`.
//!
//! A wrong port, a web server, a registry behind TLS or with an `auth` section of its own all answer something. Clients
//! would be shown a misbehaving registry, so the log names the cause for the operator.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use hyper::{HeaderMap, StatusCode, header};
use parking_lot::Mutex;
use tokio::time::timeout;

use super::{
    Upstream, UpstreamAddress, UpstreamError, response::error_response::API_VERSION, upstream::Broken,
};
use crate::limits::count_suppressed;

/// The result of the last check.
#[derive(Debug, Default)]
pub(super) struct RegistryHealth {
    /// The checks that were begun.
    begun: AtomicU64,
    last: Mutex<Last>,
}

#[derive(Debug, Default)]
struct Last {
    /// The number of the check, by its beginning.
    number: u64,
    found: Option<Result<(), String>>,
}

/// The time that a registry has for its answer.
const PATIENCE: Duration = Duration::from_secs(5);

impl RegistryHealth {
    /// Asks. What differs from the last answer is logged.
    ///
    /// # Errors
    /// The reason why there is no registry, in a sentence for the operator.
    pub(super) async fn ask(&self, upstream: &Upstream) -> Result<(), String> {
        let address = upstream.address();
        let number = self.begun.fetch_add(1, Ordering::Relaxed) + 1;
        let found = match timeout(PATIENCE, upstream.ping()).await {
            Ok(Ok((status, headers))) => verdict(address, status, &headers),
            Ok(Err(error)) => Err(no_answer(address, &error)),
            Err(_) => Err(format!("no answer from the registry at {address} within {PATIENCE:?}")),
        };
        let mut last = self.last.lock();
        // A check that took longer than one begun after it has nothing new to report.
        if last.number > number {
            return found;
        }
        last.number = number;
        if last.found.as_ref() != Some(&found) {
            match &found {
                Ok(()) => {
                    let suppressed = count_suppressed(upstream.failures().end());
                    tracing::info!(suppressed, "a registry answers at {address}");
                }
                Err(why) => tracing::error!("{why}"),
            }
            last.found = Some(found.clone());
        }
        found
    }

    /// Returns whether a registry answered last; `None` before the first answer.
    pub(super) fn is_up(&self) -> Option<bool> {
        let last = self.last.lock();
        last.found.as_ref().map(Result::is_ok)
    }
}

fn verdict(address: &UpstreamAddress, status: StatusCode, headers: &HeaderMap) -> Result<(), String> {
    let is_registry = headers.contains_key(API_VERSION);
    let what = match status {
        StatusCode::OK if is_registry => return Ok(()),
        StatusCode::OK => "without Docker-Distribution-Api-Version: another service listens there".to_owned(),
        StatusCode::UNAUTHORIZED => {
            "it asks for credentials: remove the `auth` section from the configuration of the registry"
                .to_owned()
        }
        status if status.is_redirection() => {
            let target = headers.get(header::LOCATION).and_then(|value| value.to_str().ok());
            let target: String = target.unwrap_or("nowhere").chars().take(200).collect();
            format!(
                "a redirect to {target:?}: another service listens there, or the registry has `http.prefix`"
            )
        }
        StatusCode::BAD_REQUEST if !is_registry => {
            "it may speak TLS there: remove `http.tls` from the configuration of the registry".to_owned()
        }
        StatusCode::NOT_FOUND => {
            "another service listens there, or the registry has `http.prefix` in its configuration".to_owned()
        }
        _ => "see its own log".to_owned(),
    };
    Err(format!(
        "the registry at {address} answers {status} to /v2/; expected 200 of a plain registry: {what}"
    ))
}

fn no_answer(address: &UpstreamAddress, error: &UpstreamError) -> String {
    let hint = match error {
        UpstreamError::Broken(Broken::Malformed(_)) => {
            "; if it speaks TLS there, remove `http.tls` from the configuration of the registry"
        }
        _ => "",
    };
    format!("no answer from the registry at {address}: {error}{hint}")
}
