//! The place where revocations, claims, the times of pushes and activity are stored: all that another kind of store has to do.

use std::{future::Future, ops::RangeInclusive, path::PathBuf, pin::Pin};

pub(super) use super::stored::{
    Change, Followed, HoldAnswer, PushClaim, PushHold, Seen, SharedChange, StoredClaims, StoredFreeze,
    StoredFreezes, StoredPersonalToken, StoredPush, StoredRevocations, Told,
};
use super::{ClaimsDigest, EndedSession, SignIn, freeze::FreezeStore, holds::HoldStore};
use crate::activity::{Activity, Batch, Entry, Key};
pub(super) use crate::authn::WrongPassword;

/// The answer of a store.
pub(super) type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// A store of revocations, claims, the times of pushes and activity. Used by one process at a time, unless it is shared.
pub(super) trait Store: FreezeStore + HoldStore + Send + Sync {
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

    /// Stores the record of a sign-in under the folded name of its account, in place of any of that name or person.
    ///
    /// # Errors
    /// It may be stored or not. In a shared store, another replica may have given the name to another person.
    fn keep_sign_in(&self, name: String, record: SignIn) -> Answer<'_, ()>;

    /// Stores another record of the same person under the same name, if that is still there.
    ///
    /// # Errors
    /// It may be stored or not.
    fn renew_sign_in(&self, name: String, record: SignIn) -> Answer<'_, ()>;

    /// Forgets the record of a sign-in by the folded name of its account.
    ///
    /// # Errors
    /// It may be forgotten or not.
    fn forget_sign_in(&self, name: String) -> Answer<'_, ()>;

    /// Reads the records of all sign-ins.
    ///
    /// # Errors
    /// They cannot be read.
    fn sign_ins(&self) -> Answer<'_, Vec<SignIn>>;

    /// Stores when tags were pushed, each at most once in the list, in place of what is stored about them. Within a
    /// repository, none is stored as earlier than another that is there. Returns how many found no room.
    ///
    /// # Errors
    /// They may be stored or not.
    fn note_pushes(&self, pushes: Vec<StoredPush>) -> Answer<'_, usize>;

    /// Stores of tags that are there when they were there, as far as nothing is stored about them but what is about
    /// another manifest and outside of `unsettled`. Returns how many found no room.
    ///
    /// # Errors
    /// They may be stored or not.
    fn note_seen(&self, seen: Vec<StoredPush>, unsettled: RangeInclusive<u64>) -> Answer<'_, usize>;

    /// Forgets when tags of a repository were pushed, but for times within `unsettled`.
    ///
    /// # Errors
    /// They may be forgotten or not.
    fn forget_pushes(
        &self,
        repository: String,
        tags: Vec<String>,
        unsettled: RangeInclusive<u64>,
    ) -> Answer<'_, ()>;

    /// Reads when tags of a repository were pushed.
    ///
    /// # Errors
    /// They cannot be read.
    fn pushes(&self, repository: String) -> Answer<'_, Vec<StoredPush>>;

    /// Returns the latest time of any activity that is stored, and the time up to which some may be missing that could not be
    /// stored as missing, 0 for none; in seconds since 1970.
    fn latest_activity(&self) -> (u64, u64);

    /// Stores activity, all of the batch or nothing.
    ///
    /// # Errors
    /// It may be stored or not.
    fn note_activity<'a>(&'a self, batch: &'a Batch) -> Answer<'a, ()>;

    /// Joins records of activity with those that are stored: what both tell of counts once.
    ///
    /// # Errors
    /// All of them are joined or none.
    fn join_activity(&self, entries: Vec<Entry>) -> Answer<'_, ()>;

    /// Notes that every request from `from` to `until` is on record; both in seconds since 1970. What is on record from a
    /// later time on only, is not from an earlier one.
    ///
    /// # Errors
    /// It may be noted or not.
    fn extend_activity(&self, from: u64, until: u64) -> Answer<'_, ()>;

    /// Notes that all activity is stored, at `now` in seconds since 1970.
    ///
    /// # Errors
    /// It may be noted or not.
    fn end_activity(&self, now: u64) -> Answer<'_, ()>;

    /// Reads the activity of these references.
    ///
    /// # Errors
    /// It cannot be read.
    fn activity(&self, keys: Vec<Key>) -> Answer<'_, Vec<Option<Activity>>>;

    /// Reads at most so many records of activity, in order, behind the one of this reference.
    ///
    /// # Errors
    /// They cannot be read.
    fn activity_behind(&self, after: Key, most: u64) -> Answer<'_, Vec<Entry>>;

    /// Reads when each reference of a repository was asked for last, and the time from which on all requests about it are
    /// on record; in seconds since 1970.
    ///
    /// # Errors
    /// It cannot be read.
    fn asked(&self, repository: String) -> Answer<'_, (Vec<(String, u64)>, u64)>;

    /// Stores that a session was ended, at `now` in seconds since 1970, and forgets those that would be over by then.
    ///
    /// # Errors
    /// It may be stored or not.
    fn end_session(&self, _: EndedSession, _: u64) -> Answer<'_, ()> {
        Box::pin(async { Err(self.too_slow()) })
    }

    /// Reads the sessions that were ended.
    ///
    /// # Errors
    /// They cannot be read.
    fn ended_sessions(&self) -> Answer<'_, Vec<EndedSession>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    /// Reads at most so many personal tokens, in the order of their ids, behind that id.
    ///
    /// # Errors
    /// They cannot be read.
    fn personal_tokens_behind(&self, after: String, most: u64) -> Answer<'_, Vec<StoredPersonalToken>>;

    /// Stores a personal token, so that it survives a crash from when this returns.
    ///
    /// # Errors
    /// It may be stored or not.
    fn keep_personal_token(&self, token: StoredPersonalToken) -> Answer<'_, ()>;

    /// Deletes the personal tokens of these ids, and stores the last uses of others, in seconds since 1970.
    ///
    /// # Errors
    /// It may be stored or not.
    fn settle_personal_tokens(&self, gone: Vec<String>, used: Vec<(String, u64)>) -> Answer<'_, ()>;

    /// Returns true if other processes use it at the same time, whose changes have to be followed.
    fn is_shared(&self) -> bool {
        false
    }

    /// Returns the last change that is stored. Read before all else, so that nothing is missed.
    ///
    /// # Errors
    /// It cannot be read.
    fn last_change(&self) -> Answer<'_, Seen> {
        Box::pin(async { Ok(Seen::default()) })
    }

    /// Reads what all processes have changed behind `seen`.
    ///
    /// # Errors
    /// It cannot be read.
    fn follow(&self, seen: Seen) -> Answer<'_, Followed> {
        Box::pin(async { Ok(Followed::Changes { id: String::new(), changes: Vec::new(), last: seen }) })
    }

    /// Notes that this process is alive, and that what others of them had heard when they crashed may be missing. To be
    /// called every few seconds, where the store is shared.
    ///
    /// # Errors
    /// It is not noted.
    fn is_alive(&self) -> Answer<'_, ()> {
        Box::pin(async { Ok(()) })
    }

    /// Stores wrong passwords of this process for the others of a shared store, and reads theirs behind `after`; `None` for
    /// a process that has just begun, which reads none.
    ///
    /// # Errors
    /// They may be stored or not.
    fn exchange_wrong_passwords(&self, _: Vec<WrongPassword>, _: Option<u64>) -> Answer<'_, Told> {
        Box::pin(async { Ok(Told::default()) })
    }

    /// Returns the error for what found no room.
    fn no_room(&self) -> StoreError;

    /// Returns the error for an answer that does not come in time.
    fn too_slow(&self) -> StoreError;
}

/// The part of a store of tests that is about pushes, activity, sign-ins and personal tokens: it keeps none.
#[cfg(test)]
macro_rules! no_pushes {
    () => {
        fn keep_sign_in(&self, _: String, _: $crate::state::SignIn) -> $crate::state::store::Answer<'_, ()> {
            Box::pin(async { Ok(()) })
        }

        fn renew_sign_in(&self, _: String, _: $crate::state::SignIn) -> $crate::state::store::Answer<'_, ()> {
            Box::pin(async { Ok(()) })
        }

        fn forget_sign_in(&self, _: String) -> $crate::state::store::Answer<'_, ()> {
            Box::pin(async { Ok(()) })
        }

        fn sign_ins(&self) -> $crate::state::store::Answer<'_, Vec<$crate::state::SignIn>> {
            Box::pin(async { Ok(Vec::new()) })
        }

        fn latest_activity(&self) -> (u64, u64) {
            (0, 0)
        }

        fn note_activity<'a>(
            &'a self,
            _: &'a $crate::activity::Batch,
        ) -> $crate::state::store::Answer<'a, ()> {
            Box::pin(async { Ok(()) })
        }

        fn join_activity(&self, _: Vec<$crate::activity::Entry>) -> $crate::state::store::Answer<'_, ()> {
            Box::pin(async { Ok(()) })
        }

        fn extend_activity(&self, _: u64, _: u64) -> $crate::state::store::Answer<'_, ()> {
            Box::pin(async { Ok(()) })
        }

        fn end_activity(&self, _: u64) -> $crate::state::store::Answer<'_, ()> {
            Box::pin(async { Ok(()) })
        }

        fn activity(
            &self,
            keys: Vec<$crate::activity::Key>,
        ) -> $crate::state::store::Answer<'_, Vec<Option<$crate::activity::Activity>>> {
            Box::pin(async move { Ok(keys.iter().map(|_| None).collect()) })
        }

        fn activity_behind(
            &self,
            _: $crate::activity::Key,
            _: u64,
        ) -> $crate::state::store::Answer<'_, Vec<$crate::activity::Entry>> {
            Box::pin(async { Ok(Vec::new()) })
        }

        fn asked(&self, _: String) -> $crate::state::store::Answer<'_, (Vec<(String, u64)>, u64)> {
            Box::pin(async { Ok((Vec::new(), u64::MAX)) })
        }

        fn note_pushes(
            &self,
            _: Vec<$crate::state::store::StoredPush>,
        ) -> $crate::state::store::Answer<'_, usize> {
            Box::pin(async { Ok(0) })
        }

        fn note_seen(
            &self,
            _: Vec<$crate::state::store::StoredPush>,
            _: std::ops::RangeInclusive<u64>,
        ) -> $crate::state::store::Answer<'_, usize> {
            Box::pin(async { Ok(0) })
        }

        fn forget_pushes(
            &self,
            _: String,
            _: Vec<String>,
            _: std::ops::RangeInclusive<u64>,
        ) -> $crate::state::store::Answer<'_, ()> {
            Box::pin(async { Ok(()) })
        }

        fn pushes(
            &self,
            _: String,
        ) -> $crate::state::store::Answer<'_, Vec<$crate::state::store::StoredPush>> {
            Box::pin(async { Ok(Vec::new()) })
        }

        fn no_room(&self) -> $crate::state::StoreError {
            self.too_slow()
        }

        fn personal_tokens_behind(
            &self,
            _: String,
            _: u64,
        ) -> $crate::state::store::Answer<'_, Vec<$crate::state::store::StoredPersonalToken>> {
            Box::pin(async { Ok(Vec::new()) })
        }

        fn keep_personal_token(
            &self,
            _: $crate::state::store::StoredPersonalToken,
        ) -> $crate::state::store::Answer<'_, ()> {
            Box::pin(async { Err(self.too_slow()) })
        }

        fn settle_personal_tokens(
            &self,
            _: Vec<String>,
            _: Vec<(String, u64)>,
        ) -> $crate::state::store::Answer<'_, ()> {
            Box::pin(async { Err(self.too_slow()) })
        }
    };
}
#[cfg(test)]
pub(super) use no_pushes;

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
