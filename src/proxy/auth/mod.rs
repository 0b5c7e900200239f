//! Authentication and authorization: from credentials to a caller, and from a caller to a permit.

pub(super) mod authorize;
pub(super) mod caller;
pub(super) mod cross_site;
pub(super) mod ended_sessions;
pub(super) mod passwords;
pub(super) mod session;
pub(super) mod single_flight;
pub(super) mod token_endpoint;
pub(super) mod token_rate_limit;
