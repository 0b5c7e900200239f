//! All that a reload replaces, as one value. A request takes it once and sees one policy from its head to its permit.

use std::time::{SystemTime, UNIX_EPOCH};

use super::Settings;
use crate::{authn::Users, authz::Policy, token::Authority};

/// The configuration in force, compiled.
#[derive(Debug)]
pub struct Snapshot {
    /// Who may log in.
    pub users: Users,
    /// Who may do what.
    pub policy: Policy,
    /// Signs and checks tokens.
    pub authority: Authority,
    /// The rest of what the proxy was told.
    pub settings: Settings,
}

impl Snapshot {
    /// The fingerprint to which an account's refresh tokens are tied; `None` for an account without a password.
    pub(super) fn fingerprint(&self, account: &str) -> Option<crate::token::Fingerprint> {
        Some(self.authority.fingerprint(account, self.users.stored_hash(account)?))
    }
}

/// Seconds since 1970, for tokens.
pub(super) fn unix_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
