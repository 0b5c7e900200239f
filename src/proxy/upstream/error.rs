//! The reasons why the registry did not answer.

use std::io;

use crate::proxy::body::request_body::ClientFault;

/// The reason why the registry did not answer.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// It was not asked: too many requests are with it.
    #[error("too many requests are with it (limits.upstream_requests)")]
    Busy,
    /// No connection: it is down, or the address is wrong.
    #[error("cannot connect: {0}")]
    Connect(std::io::Error),
    /// No connection in time.
    #[error("cannot connect in time (registry.connect_timeout)")]
    ConnectTimeout,
    /// No head of a response in time.
    #[error("no response in time (registry.response_timeout)")]
    ResponseTimeout,
    /// The connection broke, or what came is not HTTP.
    #[error("{0}")]
    Broken(Broken),
    /// The client's body ended early.
    #[error("{}", describe(*.0))]
    Client(ClientFault),
}

impl UpstreamError {
    /// Returns false if the registry cannot have got the request.
    pub(in crate::proxy) fn may_have_been_sent(&self) -> bool {
        !matches!(self, Self::Busy | Self::Connect(_) | Self::ConnectTimeout)
    }
}

/// The fault of a connection, or of its input.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    /// The system's word.
    #[error("{0}")]
    Io(io::Error),
    /// The registry ended it, too early.
    #[error("it closed the connection {0}")]
    Closed(&'static str),
    /// The input is not HTTP, or could be read in two ways.
    #[error("its answer is no HTTP that can be relied on: {0}")]
    Malformed(&'static str),
}

/// The fault in the words of the log.
fn describe(fault: ClientFault) -> &'static str {
    match fault {
        ClientFault::Idle => "the client's body stood still (limits.idle_body)",
        ClientFault::Broken => "the client went away",
    }
}
