//! Answers to clients: refusals, errors of the registry, URLs and the rules for caches.

pub(super) mod arriving;
pub(super) mod body;
pub(super) mod caching;
pub(super) mod error_response;
pub(super) mod finish;
pub(super) mod local_response;
pub(super) mod location;
pub(super) mod upload_location;
pub(super) mod upstream_error;
