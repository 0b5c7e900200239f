//! The place where revocations are stored: all that another kind of store has to do.

use std::{future::Future, path::PathBuf, pin::Pin};

/// A store of revocations. Used by one process at a time.
pub(super) trait Store: Send + Sync {
    /// Reads all of it.
    ///
    /// # Errors
    /// It cannot be read, or holds something else.
    fn load(&self) -> Pin<Box<dyn Future<Output = Result<Kept, StoreError>> + Send + '_>>;

    /// Stores a change, so that it survives a crash from when this returns.
    ///
    /// # Errors
    /// It may be stored or not.
    fn keep<'a>(
        &'a self,
        change: &'a Change,
    ) -> Pin<Box<dyn Future<Output = Result<(), StoreError>> + Send + 'a>>;
}

/// The content of a store.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Kept {
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
    All(Kept),
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
