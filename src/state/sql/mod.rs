//! The store in a database: SQLite in a file that one process holds, or PostgreSQL that several share.
//!
//! The file is locked for as long as it is open, so two servers cannot share it: neither would know what the other
//! revokes. In PostgreSQL, each change is in a list that the other replicas follow, and one transaction writes at a time.

mod activity;
mod changes;
mod claims;
mod connection;
mod device_logins;
mod ended_sessions;
mod file;
mod freeze;
mod holds;
mod leases;
mod personal_tokens;
mod postgres;
mod pushes;
mod replicas;
mod revocations;
mod sign_ins;
mod sqlite;
mod wrong_passwords;

use std::{ops::RangeInclusive, path::PathBuf, sync::atomic::AtomicU64};

use tokio::sync::{Mutex, MutexGuard};

use super::{
    ClaimsDigest, EndedSession, SignIn,
    store::{
        Answer, Change, Followed, Seen, Store, StoreError, StoredClaims, StoredPersonalToken, StoredPush,
        StoredRevocations, Told, WrongPassword,
    },
};
use crate::activity::{Activity, Batch, Entry, Key};
#[cfg(test)]
pub(super) use activity::{BOUNDS, Bounds};
use connection::Connection;
use file::MOVE_AWAY;
#[cfg(test)]
pub(super) use pushes::MOST as MOST_PUSHES;

/// A database of revocations, claims, the times of pushes and activity.
pub(super) struct SqlStore {
    /// The path of the file, or the address of the server.
    place: PathBuf,
    /// Device and inode of the file that is open; `None` for a server.
    identity: Option<(u64, u64)>,
    is_new: bool,
    connection: Mutex<Connection>,
    /// For activity, of which much is written at a time; `None` where there is one connection.
    background: Option<Mutex<Connection>>,
    /// The name of this process among those that share the database; empty for a file.
    replica: String,
    /// The number of tags of which it is known when they were pushed.
    pub(super) pushes: AtomicU64,
    /// The latest time of activity when it was opened.
    latest_activity: u64,
    /// The time up to which activity is not on record, where that could not be stored; 0 otherwise.
    activity_gap: u64,
    /// The most records of activity.
    pub(super) bounds: activity::Bounds,
}

impl SqlStore {
    fn holding(place: PathBuf, connection: Connection) -> Self {
        Self {
            place,
            identity: None,
            is_new: false,
            connection: Mutex::new(connection),
            background: None,
            replica: String::new(),
            pushes: AtomicU64::new(0),
            latest_activity: 0,
            activity_gap: 0,
            bounds: activity::BOUNDS,
        }
    }

    /// Returns true if it held nothing when it was opened.
    pub(super) fn is_new(&self) -> bool {
        self.is_new
    }

    /// The connection, to read.
    async fn ready(&self) -> Result<MutexGuard<'_, Connection>, StoreError> {
        self.made_ready(&self.connection).await
    }

    /// The connection, to write.
    async fn writable(&self) -> Result<MutexGuard<'_, Connection>, StoreError> {
        self.check_place()?;
        self.ready().await
    }

    /// The connection for activity.
    async fn quiet(&self) -> Result<MutexGuard<'_, Connection>, StoreError> {
        self.check_place()?;
        self.made_ready(self.background.as_ref().unwrap_or(&self.connection)).await
    }

    async fn made_ready<'a>(
        &self,
        connection: &'a Mutex<Connection>,
    ) -> Result<MutexGuard<'a, Connection>, StoreError> {
        let mut connection = connection.lock().await;
        connection.ready().await.map_err(|error| self.failure(&error))?;
        Ok(connection)
    }

    fn said<T>(&self, answer: Result<T, sqlx::Error>) -> Result<T, StoreError> {
        answer.map_err(|failed| self.failure(&failed))
    }

    fn failure(&self, failed: &sqlx::Error) -> StoreError {
        match self.identity {
            Some(_) => file::failure(&self.place, failed),
            None => postgres::failure(&self.place, failed),
        }
    }
}

impl Store for SqlStore {
    fn load(&self) -> Answer<'_, StoredRevocations> {
        Box::pin(async {
            let mut connection = self.ready().await?;
            revocations::read(&mut connection).await.map_err(|failed| match failed {
                sqlx::Error::RowNotFound | sqlx::Error::ColumnDecode { .. } => {
                    file::error(&self.place, "the file is damaged: it has no id".to_owned(), MOVE_AWAY)
                }
                failed => self.failure(&failed),
            })
        })
    }

    fn keep<'a>(&'a self, change: &'a Change) -> Answer<'a, ()> {
        Box::pin(async {
            let mut connection = self.writable().await?;
            self.said(revocations::keep(&mut connection, change).await)?;
            self.check_place()
        })
    }

    fn keep_claims(&self, digest: ClaimsDigest, claims: StoredClaims, now: u64) -> Answer<'_, bool> {
        Box::pin(async move {
            let mut connection = self.writable().await?;
            self.said(claims::keep(&mut connection, digest, &claims, now).await)
        })
    }

    fn claims(&self, digest: ClaimsDigest) -> Answer<'_, Option<StoredClaims>> {
        Box::pin(async move {
            let mut connection = self.ready().await?;
            self.said(claims::read(&mut connection, digest).await)
        })
    }

    fn keep_sign_in(&self, name: String, record: SignIn) -> Answer<'_, ()> {
        Box::pin(async move {
            let mut connection = self.writable().await?;
            let is_kept = self.said(sign_ins::keep(&mut connection, &name, &record).await)?;
            if is_kept { Ok(()) } else { Err(postgres::overtaken(&self.place)) }
        })
    }

    fn renew_sign_in(&self, name: String, record: SignIn) -> Answer<'_, ()> {
        Box::pin(async move {
            let mut connection = self.writable().await?;
            self.said(sign_ins::renew(&mut connection, &name, &record).await)
        })
    }

    fn forget_sign_in(&self, name: String) -> Answer<'_, ()> {
        Box::pin(async move {
            let mut connection = self.writable().await?;
            self.said(sign_ins::forget(&mut connection, &name).await)
        })
    }

    fn sign_ins(&self) -> Answer<'_, Vec<SignIn>> {
        Box::pin(async move {
            let mut connection = self.ready().await?;
            self.said(sign_ins::read(&mut connection).await)
        })
    }

    fn note_pushes(&self, pushes: Vec<StoredPush>) -> Answer<'_, usize> {
        Box::pin(async move {
            let mut connection = self.writable().await?;
            self.said(pushes::note(&mut connection, &self.pushes, &pushes).await)
        })
    }

    fn note_seen(&self, seen: Vec<StoredPush>, unsettled: RangeInclusive<u64>) -> Answer<'_, usize> {
        Box::pin(async move {
            let mut connection = self.writable().await?;
            self.said(pushes::note_seen(&mut connection, &self.pushes, &seen, &unsettled).await)
        })
    }

    fn forget_pushes(
        &self,
        repository: String,
        tags: Vec<String>,
        unsettled: RangeInclusive<u64>,
    ) -> Answer<'_, ()> {
        Box::pin(async move {
            let (mut connection, of) = (self.writable().await?, (&*repository, &*tags));
            self.said(pushes::forget(&mut connection, &self.pushes, of, &unsettled).await)
        })
    }

    fn pushes(&self, repository: String) -> Answer<'_, Vec<StoredPush>> {
        Box::pin(async move {
            let mut connection = self.ready().await?;
            self.said(pushes::read(&mut connection, &repository).await)
        })
    }

    fn latest_activity(&self) -> (u64, u64) {
        (self.latest_activity, self.activity_gap)
    }

    fn note_activity<'a>(&'a self, batch: &'a Batch) -> Answer<'a, ()> {
        Box::pin(async {
            let mut connection = self.quiet().await?;
            self.said(activity::note(&mut connection, batch, self.bounds).await)
        })
    }

    fn join_activity(&self, entries: Vec<Entry>) -> Answer<'_, ()> {
        Box::pin(async move {
            let mut connection = self.quiet().await?;
            self.said(activity::join(&mut connection, &entries, self.bounds).await)
        })
    }

    fn extend_activity(&self, from: u64, until: u64) -> Answer<'_, ()> {
        Box::pin(async move {
            let mut connection = self.quiet().await?;
            self.said(activity::extend(&mut connection, from, until).await)
        })
    }

    fn end_activity(&self, now: u64) -> Answer<'_, ()> {
        Box::pin(async move {
            let mut connection = self.quiet().await?;
            let ended = if connection.is_shared() {
                replicas::end(&mut connection, &self.replica).await
            } else {
                activity::end(&mut connection, now).await
            };
            self.said(ended)
        })
    }

    fn activity(&self, keys: Vec<Key>) -> Answer<'_, Vec<Option<Activity>>> {
        Box::pin(async move {
            let mut connection = self.quiet().await?;
            self.said(activity::read_these(&mut connection, &keys).await)
        })
    }

    fn activity_behind(&self, after: Key, most: u64) -> Answer<'_, Vec<Entry>> {
        Box::pin(async move {
            let mut connection = self.quiet().await?;
            self.said(activity::read_behind(&mut connection, &after, most).await)
        })
    }

    fn asked(&self, repository: String) -> Answer<'_, (Vec<(String, u64)>, u64)> {
        Box::pin(async move {
            let mut connection = self.quiet().await?;
            let read = async {
                let asked = activity::asked(&mut connection, &repository).await?;
                let since = activity::since(&mut connection, &repository).await?;
                Ok((asked, since.max(replicas::unheard_until(&mut connection).await?)))
            };
            self.said(read.await)
        })
    }

    fn end_session(&self, session: EndedSession, now: u64) -> Answer<'_, ()> {
        Box::pin(async move {
            let mut connection = self.writable().await?;
            self.said(ended_sessions::keep(&mut connection, &session, now).await)
        })
    }

    fn ended_sessions(&self) -> Answer<'_, Vec<EndedSession>> {
        Box::pin(async move {
            let mut connection = self.ready().await?;
            self.said(ended_sessions::read(&mut connection).await)
        })
    }

    fn personal_tokens_behind(&self, after: String, most: u64) -> Answer<'_, Vec<StoredPersonalToken>> {
        Box::pin(async move {
            let mut connection = self.ready().await?;
            self.said(personal_tokens::read_behind(&mut connection, &after, most).await)
        })
    }

    fn keep_personal_token(&self, token: StoredPersonalToken) -> Answer<'_, ()> {
        Box::pin(async move {
            let mut connection = self.writable().await?;
            self.said(personal_tokens::keep(&mut connection, &token).await)
        })
    }

    fn settle_personal_tokens(&self, gone: Vec<String>, used: Vec<(String, u64)>) -> Answer<'_, ()> {
        Box::pin(async move {
            let mut connection = self.writable().await?;
            self.said(personal_tokens::settle(&mut connection, &gone, &used).await)
        })
    }

    fn is_shared(&self) -> bool {
        self.identity.is_none()
    }

    fn last_change(&self) -> Answer<'_, Seen> {
        Box::pin(async move {
            if !self.is_shared() {
                return Ok(Seen::default());
            }
            let mut connection = self.ready().await?;
            self.said(changes::last(&mut connection).await)
        })
    }

    fn follow(&self, seen: Seen) -> Answer<'_, Followed> {
        Box::pin(async move {
            let mut connection = self.ready().await?;
            self.said(changes::read(&mut connection, &seen).await)
        })
    }

    fn is_alive(&self) -> Answer<'_, ()> {
        Box::pin(async move {
            let mut connection = self.quiet().await?;
            self.said(replicas::note(&mut connection, &self.replica).await)
        })
    }

    fn exchange_wrong_passwords(&self, own: Vec<WrongPassword>, after: Option<u64>) -> Answer<'_, Told> {
        Box::pin(async move {
            // Many at a time, while passwords are guessed: no request and no revocation waits for them.
            let mut connection = self.quiet().await?;
            self.said(wrong_passwords::exchange(&mut connection, &self.replica, &own, after).await)
        })
    }

    fn no_room(&self) -> StoreError {
        let message = format!("it has no room for the times of more than {} tags", pushes::MOST);
        file::error(&self.place, message, "narrow the entries of `retention`")
    }

    fn too_slow(&self) -> StoreError {
        let hint = match self.identity {
            Some(_) => "see whether its disk is slow or full",
            None => "see whether the server of the state and the network to it are slow",
        };
        file::error(&self.place, "it gives no answer in time".to_owned(), hint)
    }
}
