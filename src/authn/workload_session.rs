//! The session of an account that a signed token of another issuer proved.

use std::{collections::BTreeMap, sync::Arc};

/// The rest of a login with a JWT: it travels in our tokens, and is asked again on each request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkloadSession {
    /// The end of it, in seconds since 1970. No token of it is valid for longer.
    pub ends: u64,
    /// The claims that `require` named at the login, with their values, and the state of the issuer's settings.
    pub claims: Arc<BTreeMap<String, Vec<String>>>,
}
