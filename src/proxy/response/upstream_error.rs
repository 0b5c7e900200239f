//! Answers to a client when the registry, or a back end, gives no answer, or one that is none. Their addresses are for
//! the log.

use std::time::{Duration, Instant};

use hyper::{Response, StatusCode};

use crate::{
    backend::Unavailable,
    limits::{FailureLog, count_suppressed},
    proxy::{Upstream, UpstreamError, body::request_body::ClientFault, upstream},
    registry::{ErrorCode, Refusal},
};

/// Rejects answers of the registry that would mislead a client. A registry that authenticates by itself sends a
/// challenge which no token of Portwarden answers: a loop for the client, and its operator must know. No request asks
/// it to switch protocols.
pub(crate) fn reject_unexpected_upstream<B>(
    response: &Response<B>,
    upstream: &Upstream,
) -> Result<(), Refusal> {
    let (why, next) = match response.status() {
        StatusCode::UNAUTHORIZED => (
            "the registry behind this proxy asks for authentication itself",
            "it must be a plain registry without an `auth` section in its configuration",
        ),
        StatusCode::SWITCHING_PROTOCOLS => (
            "the registry behind this proxy answers in another protocol",
            "another service listens there: correct registry.url",
        ),
        _ => return Ok(()),
    };
    if let Some(suppressed) = upstream.failures().due(why, Instant::now()) {
        let (registry, suppressed) = (upstream.address(), count_suppressed(suppressed));
        tracing::error!(%registry, suppressed, "{why}; {next}");
    }
    Err(Refusal::new(ErrorCode::BadGateway, why))
}

/// The answer to a client when a back end gives no answer about its identity or its rights. The name of the back end is
/// for the log.
pub(crate) fn undecided(error: &Unavailable) -> Refusal {
    // Each of them fails for every request that needs it.
    static BACKENDS: FailureLog = FailureLog::every(Duration::from_secs(1));
    if let Some(suppressed) = BACKENDS.due(error.backend, Instant::now()) {
        let suppressed = count_suppressed(suppressed);
        tracing::error!(
            backend = error.backend,
            suppressed,
            "no login or access is granted or denied: {error}"
        );
    }
    let message = "who you are or what you may do cannot be checked now: a service behind this proxy does not answer; \
                   try again later";
    Refusal::new(ErrorCode::Unavailable, message).retry_after(upstream::RETRY_AFTER)
}

/// The answer to a client when the registry gives no answer. The address of the registry is for the log only.
pub(crate) fn unanswered(error: &UpstreamError, upstream: &Upstream) -> Refusal {
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
        && let Some(suppressed) = upstream.failures().due(message, Instant::now())
    {
        let (registry, suppressed) = (upstream.address(), count_suppressed(suppressed));
        tracing::warn!(%registry, %error, suppressed, "no answer from the registry; see whether it runs, and its own log");
    }
    Refusal::new(code, message).retry_after(upstream::RETRY_AFTER)
}
