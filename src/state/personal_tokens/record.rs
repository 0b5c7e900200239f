//! One personal token: as it is made, and kept in memory.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::{
    authn::{Source, TokenDigest},
    state::{ClaimsDigest, revocations::Revocations, stored::StoreError},
};

/// A personal token, as it is kept. Without its secret.
#[derive(Debug)]
pub struct PersonalTokenRecord {
    /// The facts that were written down when it was made.
    pub made: NewPersonalToken,
    /// The id of the state with which it was made.
    pub(in crate::state) state: Box<str>,
    /// The generation of its account then.
    pub(in crate::state) generation: u64,
    /// Its last use, in seconds since 1970; 0 for none.
    pub(in crate::state) used: AtomicU64,
    /// The last use that is stored.
    pub(in crate::state) stored_use: AtomicU64,
}

/// A personal token that is being made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPersonalToken {
    /// The digest of its secret.
    pub digest: TokenDigest,
    /// Its account, as it had signed in.
    pub account: Box<str>,
    /// The section that knew the account.
    pub source: Source,
    /// The answer of the section about the account, where it cannot be asked again; `None` for an empty one.
    pub claims: Option<ClaimsDigest>,
    /// The person behind an account that has signed in at a provider: another one may get the name.
    pub person: Option<Box<str>>,
    /// Its scopes, each but the first behind a space.
    pub scopes: Box<str>,
    /// The person's own words.
    pub comment: Box<str>,
    /// The time at which it was made, in seconds since 1970.
    pub at: u64,
    /// The second in which it is over, since 1970.
    pub ends: u64,
}

/// The reason why no token is made. Displays what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotMade {
    /// There is no state.
    #[error("{0}")]
    NoState(String),
    /// The account has as many as it may.
    #[error("this account has as many tokens as it may ({0}); revoke one that is no longer used")]
    TooMany(usize),
    /// There is no room for one more of any account.
    #[error("the server has no room for another token; ask its operator to revoke some")]
    Full,
    /// It could not be stored.
    #[error("the token could not be stored; try again, and if it stays, tell the operator of the registry")]
    NotStored(#[source] StoreError),
}

impl PersonalTokenRecord {
    /// The name of the token: the first twelve digits of its digest. Not secret.
    pub fn id(&self) -> String {
        self.made.digest.id()
    }

    /// Its last use, in seconds since 1970.
    pub fn last_use(&self) -> Option<u64> {
        Some(self.used.load(Ordering::Relaxed)).filter(|at| *at > 0)
    }

    /// Takes over the last use that `other` knows of.
    pub(super) fn join_uses(&self, other: &Self) {
        self.used.fetch_max(other.used.load(Ordering::Relaxed), Ordering::Relaxed);
        self.stored_use.fetch_max(other.stored_use.load(Ordering::Relaxed), Ordering::Relaxed);
    }

    /// Notes that it was used at `now`, in seconds since 1970.
    pub fn used(&self, now: u64) {
        self.used.fetch_max(now, Ordering::Relaxed);
    }

    /// Bytes of its texts.
    pub(super) fn bytes(&self) -> usize {
        let NewPersonalToken { account, person, scopes, comment, .. } = &self.made;
        account.len() + person.as_ref().map_or(0, |person| person.len()) + scopes.len() + comment.len()
    }

    /// Returns true if neither its account nor everything was revoked since.
    pub(super) fn is_in_force(&self, revocations: &Revocations) -> bool {
        revocations.id.as_ref() == Some(&self.state)
            && revocations.generation(&self.made.account) == self.generation
    }
}
