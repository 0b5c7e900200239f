//! The session of an account that a signed token of another issuer proved.

use std::{collections::BTreeMap, sync::Arc};

/// The rest of a login with a JWT: it travels in our tokens, and is asked again on each request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkloadSession {
    /// The login itself.
    pub start: Arc<SessionStart>,
    /// The claims that `require` named at the login, with their values.
    pub claims: Arc<RequiredClaims>,
}

/// Claims by name.
pub type RequiredClaims = BTreeMap<String, String>;

/// The login with which a session began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionStart {
    /// The end of the session, in seconds since 1970. No token of it is valid for longer.
    pub ends: u64,
    /// Its beginning, in seconds since 1970.
    pub began: u64,
    /// The digest of the issuer's settings.
    pub settings: String,
    /// `kid`: the key that signed the JWT.
    pub key_id: String,
    /// The digest of that key.
    pub key_fingerprint: String,
    /// `jti` of the JWT, as the audit log has it; `None` for one without.
    pub jwt_id: Option<String>,
}
