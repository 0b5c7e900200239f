//! What a client is told when the registry, or a back end, gives no answer, or one that is none. Where these stand is for
//! the log.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use hyper::{Response, StatusCode};

use super::{UpstreamAddress, UpstreamError, request_body::ClientFault, upstream};
use crate::{
    backend::Unavailable,
    registry::{ErrorCode, Refusal},
};

/// Answers of the registry that would mislead a client. One that authenticates by itself sends a challenge which no
/// token of ours answers: a loop for the client, and its operator must know. Nobody asked it to switch protocols.
pub(super) fn refuse_strange<B>(response: &Response<B>, registry: &UpstreamAddress) -> Result<(), Refusal> {
    let why = match response.status() {
        StatusCode::UNAUTHORIZED => "the registry behind this proxy asks for authentication itself",
        StatusCode::SWITCHING_PROTOCOLS => "the registry behind this proxy answers in another protocol",
        _ => return Ok(()),
    };
    tracing::error!(%registry, "{why}; it must be a plain registry without an `auth` section in its configuration");
    Err(Refusal::new(ErrorCode::BadGateway, why))
}

/// What a client is told when a back end gives no answer about who it is or what it may do. Which one is for the log.
pub(super) fn undecided(error: &Unavailable) -> Refusal {
    if let Some(unsaid) = due(error.backend) {
        let unsaid = Some(unsaid).filter(|unsaid| *unsaid > 0);
        tracing::error!(backend = error.backend, unsaid, "nobody is let in or turned away: {error}");
    }
    let message = "who you are or what you may do cannot be checked now: a service behind this proxy does not answer; \
                   try again later";
    Refusal::new(ErrorCode::Unavailable, message).retry_after(upstream::RETRY_AFTER)
}

/// What a client is told when the registry gives no answer. Where the registry stands is for the log only.
pub(super) fn unanswered(error: &UpstreamError, registry: &UpstreamAddress) -> Refusal {
    let (code, message) = match error {
        UpstreamError::Busy => (
            ErrorCode::Unavailable,
            "too many requests are with the registry behind this proxy; try again later",
        ),
        UpstreamError::Connect(_) => {
            (ErrorCode::Unavailable, "the registry behind this proxy is not reachable")
        }
        UpstreamError::ConnectTimeout => {
            (ErrorCode::GatewayTimeout, "the registry behind this proxy does not accept connections")
        }
        UpstreamError::ResponseTimeout => {
            (ErrorCode::GatewayTimeout, "the registry behind this proxy does not answer")
        }
        UpstreamError::Broken(_) => {
            (ErrorCode::BadGateway, "the registry behind this proxy broke off or sent no valid answer")
        }
        UpstreamError::Client(ClientFault::Idle) => {
            (ErrorCode::Timeout, "the request body stood still for too long")
        }
        UpstreamError::Client(ClientFault::Broken) => (ErrorCode::BadRequest, "the request body broke off"),
    };
    if matches!(error, UpstreamError::Client(_)) {
        tracing::debug!(%error, "an upload ended early");
        return Refusal::new(code, message).and_close();
    }
    if !matches!(error, UpstreamError::Busy) {
        tracing::warn!(%registry, %error, "no answer from the registry; see whether it runs, and its own log");
    }
    Refusal::new(code, message).retry_after(upstream::RETRY_AFTER)
}

/// Whether it is time for another line about a back end, one a second at most, and how many were left out since the last:
/// it fails at each request, and anybody may send those.
fn due(backend: &'static str) -> Option<u64> {
    static LAST: Mutex<BTreeMap<&'static str, (Instant, u64)>> = Mutex::new(BTreeMap::new());
    let mut all = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    let now = Instant::now();
    match all.get_mut(backend) {
        Some((since, unsaid)) if now.duration_since(*since) < Duration::from_secs(1) => {
            *unsaid += 1;
            None
        }
        _ => Some(all.insert(backend, (now, 0)).map_or(0, |(_, unsaid)| unsaid)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_back_end_is_complained_of_once_a_second() {
        let said: Vec<_> = (0..3).map(|_| due("of this test")).collect();
        assert_eq!(said, [Some(0), None, None]);
        assert_eq!(due("another of this test"), Some(0));
        std::thread::park_timeout(Duration::from_millis(1100));
        assert_eq!(due("of this test"), Some(2));
    }
}
