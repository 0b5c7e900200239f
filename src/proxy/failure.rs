//! Answers to a client when the registry, or a back end, gives no answer, or one that is none. Their addresses are for
//! the log.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use hyper::{Response, StatusCode};

use super::{Upstream, UpstreamError, request_body::ClientFault, upstream};
use crate::{
    backend::Unavailable,
    registry::{ErrorCode, Refusal},
};

/// Rejects answers of the registry that would mislead a client. A registry that authenticates by itself sends a
/// challenge which no token of Portwarden answers: a loop for the client, and its operator must know. No request asks
/// it to switch protocols.
pub(super) fn refuse_strange<B>(response: &Response<B>, upstream: &Upstream) -> Result<(), Refusal> {
    let why = match response.status() {
        StatusCode::UNAUTHORIZED => "the registry behind this proxy asks for authentication itself",
        StatusCode::SWITCHING_PROTOCOLS => "the registry behind this proxy answers in another protocol",
        _ => return Ok(()),
    };
    if let Some(unsaid) = upstream.failures().due(why, Instant::now()) {
        let (registry, unsaid) = (upstream.address(), some(unsaid));
        tracing::error!(
            %registry, unsaid,
            "{why}; it must be a plain registry without an `auth` section in its configuration"
        );
    }
    Err(Refusal::new(ErrorCode::BadGateway, why))
}

/// The answer to a client when a back end gives no answer about its identity or its rights. The name of the back end is
/// for the log.
pub(super) fn undecided(error: &Unavailable) -> Refusal {
    // Each of them fails for every request that needs it.
    static BACKENDS: FailureLog = FailureLog::every(Duration::from_secs(1));
    if let Some(unsaid) = BACKENDS.due(error.backend, Instant::now()) {
        let unsaid = some(unsaid);
        tracing::error!(backend = error.backend, unsaid, "no login or access is granted or denied: {error}");
    }
    let message = "who you are or what you may do cannot be checked now: a service behind this proxy does not answer; \
                   try again later";
    Refusal::new(ErrorCode::Unavailable, message).retry_after(upstream::RETRY_AFTER)
}

/// The answer to a client when the registry gives no answer. The address of the registry is for the log only.
pub(super) fn unanswered(error: &UpstreamError, upstream: &Upstream) -> Refusal {
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
    if !matches!(error, UpstreamError::Busy)
        && let Some(unsaid) = upstream.failures().due(message, Instant::now())
    {
        let (registry, unsaid) = (upstream.address(), some(unsaid));
        tracing::warn!(%registry, %error, unsaid, "no answer from the registry; see whether it runs, and its own log");
    }
    Refusal::new(code, message).retry_after(upstream::RETRY_AFTER)
}

/// The failures of a service behind this proxy, for the log. It fails at each request, and any client may send those: each
/// kind of failure is logged once in a while, with the number of lines left out since.
#[derive(Debug)]
pub(super) struct FailureLog {
    every: Duration,
    /// For each kind, the time of its last line and the lines left out since. There are few kinds.
    kinds: Mutex<BTreeMap<&'static str, (Instant, u64)>>,
}

impl FailureLog {
    /// A log of nothing, with one line for each kind in this time at most.
    pub(super) const fn every(every: Duration) -> Self {
        Self { every, kinds: Mutex::new(BTreeMap::new()) }
    }

    /// Returns whether to log a failure of this kind; then how many lines were left out since the last one.
    pub(super) fn due(&self, kind: &'static str, now: Instant) -> Option<u64> {
        let mut kinds = self.kinds.lock().unwrap_or_else(PoisonError::into_inner);
        match kinds.get_mut(kind) {
            Some((since, unsaid)) if now.saturating_duration_since(*since) < self.every => {
                *unsaid += 1;
                None
            }
            _ => Some(kinds.insert(kind, (now, 0)).map_or(0, |(_, unsaid)| unsaid)),
        }
    }

    /// Begins anew once the failures are over, and returns how many lines were left out at their end.
    pub(super) fn end(&self) -> u64 {
        let kinds = std::mem::take(&mut *self.kinds.lock().unwrap_or_else(PoisonError::into_inner));
        kinds.into_values().map(|(_, unsaid)| unsaid).sum()
    }
}

/// A field of a log line, which is left out at zero.
pub(super) fn some(unsaid: u64) -> Option<u64> {
    Some(unsaid).filter(|unsaid| *unsaid > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_failure_is_logged_once_in_a_while_and_counted() {
        let (log, now) = (FailureLog::every(Duration::from_secs(60)), Instant::now());
        let due = |kind, seconds| log.due(kind, now + Duration::from_secs(seconds));
        assert_eq!([due("down", 0), due("down", 0), due("down", 59)], [Some(0), None, None]);
        assert_eq!([due("slow", 30), due("slow", 31)], [Some(0), None]);
        assert_eq!([due("down", 60), due("down", 61)], [Some(2), None]);
        assert_eq!(log.end(), 2, "one of each");
        assert_eq!([due("down", 62), due("slow", 62)], [Some(0), Some(0)], "another outage");
        assert_eq!(log.end(), 0);
    }
}
