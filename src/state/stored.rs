//! The records that the store takes and answers, and its error.

use std::{path::PathBuf, time::Duration};

use super::{EndedSession, PersonalTokenRecord, SignIn};

/// The answer of the store, or the reason why it cannot be used.
pub(in crate::state) type StoreResult<T> = Result<T, StoreError>;

/// Wrong passwords that other processes have told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::state) struct Told {
    /// The wrong passwords.
    pub(in crate::state) wrong: Vec<crate::authn::WrongPassword>,
    /// The number of the last one that is stored.
    pub(in crate::state) last: u64,
}

/// The claims of an account, as they are stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::state) struct StoredClaims {
    pub(in crate::state) account: String,
    /// The claims, in JSON.
    pub(in crate::state) text: Vec<u8>,
    /// The time until which they are needed, in seconds since 1970.
    pub(in crate::state) until: u64,
}

/// The last push of a tag, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::state) struct StoredPush {
    pub(in crate::state) repository: String,
    pub(in crate::state) tag: String,
    /// The manifest that it was given.
    pub(in crate::state) digest: String,
    /// The time, in seconds since 1970.
    pub(in crate::state) at: u64,
    /// True for the time of a push; false if it was pushed then or before.
    pub(in crate::state) is_exact: bool,
}

/// The revocations of a store.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(in crate::state) struct StoredRevocations {
    /// The id of the state.
    pub(in crate::state) id: String,
    /// The time from which that id is in use, in seconds since 1970.
    pub(in crate::state) since: u64,
    /// True if it is in use because everything was revoked; false if the state was made then.
    pub(in crate::state) all_revoked: bool,
    /// Name, generation and time of the last revocation of each account that was revoked.
    pub(in crate::state) accounts: Vec<(String, u64, u64)>,
    /// Id and time of each token that was revoked.
    pub(in crate::state) tokens: Vec<(String, u64)>,
}

/// A revocation, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::state) enum Change {
    /// The account has this generation.
    Account { name: String, generation: u64, at: u64 },
    /// The token is revoked.
    Token { id: String, at: u64 },
    /// This and nothing else is in force.
    All(StoredRevocations),
}

/// A push of a manifest that is about to begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::state) struct PushHold {
    pub(in crate::state) repository: String,
    /// Its write-once tags.
    pub(in crate::state) tags: Vec<String>,
    /// The digest of the manifest.
    pub(in crate::state) digest: String,
}

/// The answer to a push or a deletion that is about to begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::state) enum HoldAnswer {
    /// It has begun.
    Held,
    /// A push of another digest has one of the tags.
    Claimed {
        /// The tag.
        tag: String,
        /// The digest.
        digest: String,
    },
    /// Others have to end first.
    Busy,
    /// Too many pushes of write-once tags are without an answer, of all repositories or of this one.
    Full,
}

/// The claim of a write-once tag: of pushes that are under way, or whose answer was lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushClaim {
    /// The digest of the manifest.
    pub digest: String,
    /// The time since the last of them began.
    pub age: Duration,
}

/// A place in the list of changes of a shared store.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(in crate::state) struct Seen {
    /// The number of the last change; 0 for none.
    pub(in crate::state) sequence: u64,
    /// Its mark: another change of that number, in a store that was restored, has another.
    pub(in crate::state) mark: String,
}

/// The news of a shared store.
#[derive(Debug)]
pub(in crate::state) enum Followed {
    /// These changes, in order, of the state of this id.
    Changes {
        /// The id of the state.
        id: String,
        /// The things that have changed.
        changes: Vec<SharedChange>,
        /// The last of them.
        last: Seen,
    },
    /// So much that everything has to be read.
    Missed,
    /// The last change is not there: the store was restored, or another one is in its place.
    Restored,
}

/// A change of a shared store: what the thing is now.
#[derive(Debug)]
pub(in crate::state) enum SharedChange {
    /// The account has this generation at least.
    Account { name: String, generation: u64, at: u64 },
    /// The token is revoked.
    Token { id: String, at: u64 },
    /// The personal token of this id, or none.
    PersonalToken(String, Option<Box<PersonalTokenRecord>>),
    /// The person under this folded name, or none.
    SignIn(String, Option<Box<SignIn>>),
    /// The content of the record of this name, or none.
    Record(String, Option<String>),
    /// The session was ended; `None` where it is over by now.
    EndedSession(Option<EndedSession>),
    /// The freeze of all replicas, or none.
    Freeze(Option<StoredFreeze>),
}

/// The freezes of a store.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::state) struct StoredFreezes {
    /// The one that has not ended.
    pub(in crate::state) current: Option<StoredFreeze>,
    /// True if the one that was asked for is on record, whether it has ended or not.
    pub(in crate::state) is_on_record: bool,
}

/// A freeze of all replicas. Times count from when it was read, by the clock of the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::state) struct StoredFreeze {
    pub(in crate::state) id: String,
    /// For pushes under way.
    pub(in crate::state) drain: Duration,
    /// Until it ends.
    pub(in crate::state) left: Duration,
}

/// The reason why a store cannot be used. Displays its place and the remedy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {message}; {hint}", .file.display())]
pub struct StoreError {
    /// The file, or the address of the server.
    pub file: PathBuf,
    /// The problem, without a full stop.
    pub message: String,
    /// The remedy, a clause.
    pub hint: &'static str,
}
