//! A request as it came in, and step 1 of the journey: from its target to a route.

use std::{net::IpAddr, sync::Arc};

use hyper::{
    header::{self, HeaderMap, HeaderValue},
    http::request::Parts,
};

use super::origin::{self, Origin};
use crate::{
    limits::InFlight,
    proxy::{Peer, Snapshot},
    registry::{ErrorCode, Refusal, Route},
};

/// A request as it came in, and what is in force for it.
#[derive(Clone, Copy)]
pub(crate) struct RequestContext<'a> {
    pub(crate) head: &'a Parts,
    pub(crate) peer: Peer,
    /// The origin that the client used.
    pub(crate) origin: &'a Origin,
    pub(crate) snapshot: &'a Arc<Snapshot>,
    /// The count of its connection.
    pub(crate) in_flight: &'a InFlight,
}

impl RequestContext<'_> {
    /// Returns the address it comes from, by the word of a trusted proxy too.
    pub(crate) fn address(&self) -> Result<Option<IpAddr>, Refusal> {
        origin::client_address(&self.head.headers, self.peer, &self.snapshot.settings.client_address)
    }

    /// Returns true if a trusted proxy passes it on: then the connection is the proxy's, and many clients share it.
    pub(crate) fn is_passed_on(&self) -> bool {
        origin::is_trusted(self.peer, &self.snapshot.settings.client_address)
    }
}

/// Step 1: what holds for every request, then the route.
pub(crate) fn parse(head: &Parts) -> Result<Route, Refusal> {
    require_plain(head)?;
    if head.headers.get_all(header::CONTENT_LENGTH).iter().count() > 1 {
        return Err(
            Refusal::new(ErrorCode::BadRequest, "the request has two Content-Length headers").and_close()
        );
    }
    Ok(Route::parse(head.method.as_str(), head.uri.path(), head.uri.query())?)
}

/// Returns whether the client waits for a word before it sends the body.
pub(crate) fn expects_continue(headers: &HeaderMap) -> bool {
    headers.get(header::EXPECT).is_some_and(is_continue)
}

fn is_continue(expectation: &HeaderValue) -> bool {
    expectation.as_bytes().eq_ignore_ascii_case(b"100-continue")
}

/// A target in origin-form, and no expectation that Portwarden would not meet (RFC 9110 section 10.1.1).
pub(crate) fn require_plain(head: &Parts) -> Result<(), Refusal> {
    require_origin_form(head)?;
    if !head.headers.get_all(header::EXPECT).iter().all(is_continue) {
        let why = "the Expect header asks for something other than 100-continue";
        return Err(Refusal::new(ErrorCode::ExpectationFailed, why).and_close());
    }
    Ok(())
}

/// Over HTTP/1.1 the target must be a path: with an absolute one, host and path could contradict the headers.
/// (Over HTTP/2 scheme and authority are pseudo-headers of every request.)
fn require_origin_form(head: &Parts) -> Result<(), Refusal> {
    let is_http1 = head.version != hyper::Version::HTTP_2;
    let is_absolute = is_http1 && (head.uri.scheme().is_some() || head.uri.authority().is_some());
    if is_absolute || !head.uri.path().starts_with('/') {
        return Err(Refusal::new(ErrorCode::BadRequest, "the request target must be a path").and_close());
    }
    Ok(())
}
