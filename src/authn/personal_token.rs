//! A personal token that proved an account: what decisions and the audit log need of it.

use std::sync::Arc;

use crate::registry::Scope;

/// The personal token behind an identity. Without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersonalToken {
    /// The first twelve digits of its digest, which stand in the token too. Not secret.
    pub id: Box<str>,
    /// The second in which it is over, since 1970.
    pub ends: u64,
    /// The most that it may be used for. The rules still decide.
    pub scopes: Arc<[Scope]>,
}
