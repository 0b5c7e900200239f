//! A request as it came in, and step 1 of the journey: from its target to a route.

use std::{net::IpAddr, sync::Arc};

use hyper::{header, http::request::Parts};

use super::{AtRegistry, Peer, Snapshot, origin};
use crate::registry::{ErrorCode, Refusal, Route};

/// A request as it came in, and what is in force for it.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) head: &'a Parts,
    pub(super) peer: Peer,
    pub(super) snapshot: &'a Arc<Snapshot>,
    /// The count of its connection.
    pub(super) at_registry: &'a AtRegistry,
}

impl Asked<'_> {
    /// Where it comes from, by the word of a trusted proxy too.
    pub(super) fn address(&self) -> Result<Option<IpAddr>, Refusal> {
        origin::client_address(&self.head.headers, self.peer, &self.snapshot.settings.client_address)
    }
}

/// Step 1: the target in origin-form, then the route.
pub(super) fn parse(head: &Parts) -> Result<Route, Refusal> {
    require_origin_form(head)?;
    if head.headers.get_all(header::CONTENT_LENGTH).iter().count() > 1 {
        return Err(
            Refusal::new(ErrorCode::BadRequest, "the request has two Content-Length headers").and_close()
        );
    }
    Ok(Route::parse(head.method.as_str(), head.uri.path(), head.uri.query())?)
}

/// Over HTTP/1.1 the target must be a path: with an absolute one, host and path could contradict the headers.
/// (Over HTTP/2 scheme and authority are pseudo-headers of every request.)
pub(super) fn require_origin_form(head: &Parts) -> Result<(), Refusal> {
    let is_http1 = head.version != hyper::Version::HTTP_2;
    let is_absolute = is_http1 && (head.uri.scheme().is_some() || head.uri.authority().is_some());
    if is_absolute || !head.uri.path().starts_with('/') {
        return Err(Refusal::new(ErrorCode::BadRequest, "the request target must be a path").and_close());
    }
    Ok(())
}
