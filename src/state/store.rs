//! The place where revocations and claims are stored: all that another kind of store has to do.

use std::{future::Future, path::PathBuf, pin::Pin};

use super::ClaimsDigest;

/// The answer of a store.
pub(super) type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// A store of revocations, and of claims. Used by one process at a time.
pub(super) trait Store: Send + Sync {
    /// Reads all revocations.
    ///
    /// # Errors
    /// They cannot be read, or it holds something else.
    fn load(&self) -> Answer<'_, StoredRevocations>;

    /// Stores a change, so that it survives a crash from when this returns.
    ///
    /// # Errors
    /// It may be stored or not.
    fn keep<'a>(&'a self, change: &'a Change) -> Answer<'a, ()>;

    /// Stores claims under their digest, and throws away those whose time is over; `now` in seconds since 1970. Where they
    /// are stored already, the later end counts. Returns false if there is no room, or none left for that account.
    ///
    /// # Errors
    /// They may be stored or not.
    fn keep_claims(&self, digest: ClaimsDigest, claims: StoredClaims, now: u64) -> Answer<'_, bool>;

    /// Reads the claims of that digest; `None` where there are none.
    ///
    /// # Errors
    /// They cannot be read.
    fn claims(&self, digest: ClaimsDigest) -> Answer<'_, Option<StoredClaims>>;

    /// Returns the error for an answer that does not come in time.
    fn too_slow(&self) -> StoreError;
}

/// The claims of an account, as they are stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct StoredClaims {
    /// The account.
    pub(super) account: String,
    /// The claims, in JSON.
    pub(super) text: Vec<u8>,
    /// The time until which they are needed, in seconds since 1970.
    pub(super) until: u64,
}

/// The content of a store.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct StoredRevocations {
    /// The id of the state.
    pub(super) id: String,
    /// The time from which that id is in use, in seconds since 1970.
    pub(super) since: u64,
    /// True if it is in use because everything was revoked; false if the state was made then.
    pub(super) all_revoked: bool,
    /// Name, generation and time of the last revocation of each account that was revoked.
    pub(super) accounts: Vec<(String, u64, u64)>,
    /// Id and time of each token that was revoked.
    pub(super) tokens: Vec<(String, u64)>,
}

/// A revocation, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Change {
    /// The account has this generation.
    Account { name: String, generation: u64, at: u64 },
    /// The token is revoked.
    Token { id: String, at: u64 },
    /// This and nothing else is in force.
    All(StoredRevocations),
}

/// The reason why a store cannot be used. Displays its place and the remedy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {message}; {hint}", .file.display())]
pub struct StoreError {
    /// The file.
    pub file: PathBuf,
    /// The problem, without a full stop.
    pub message: String,
    /// The remedy, a clause.
    pub hint: &'static str,
}
