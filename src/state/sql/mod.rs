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

use std::{path::PathBuf, sync::atomic::AtomicU64};

use tokio::sync::{Mutex, MutexGuard};

use super::stored::{StoreError, StoreResult};
#[cfg(test)]
pub(super) use activity::{BOUNDS, Bounds};
use connection::{Answer, Connection};
#[cfg(test)]
pub(super) use pushes::MOST as MOST_PUSHES;

/// A database of revocations, claims, the times of pushes and activity.
pub(super) struct Store {
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

impl Store {
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

    /// Returns true if other processes use it at the same time, whose changes have to be followed.
    pub(super) fn is_shared(&self) -> bool {
        self.identity.is_none()
    }

    /// Reads on the connection; a change goes through [`Self::write`].
    async fn read<T>(&self, question: impl AsyncFnOnce(&mut Connection) -> Answer<T>) -> StoreResult<T> {
        let mut connection = self.ready(&self.connection).await?;
        self.said(question(&mut connection).await)
    }

    /// Writes on the connection. After an error, it may be stored or not.
    async fn write<T>(&self, change: impl AsyncFnOnce(&mut Connection) -> Answer<T>) -> StoreResult<T> {
        self.check_place()?;
        let mut connection = self.ready(&self.connection).await?;
        self.said(change(&mut connection).await)
    }

    /// Reads or writes on the connection for activity, on which no request waits for much. After an error, it may be
    /// stored or not.
    async fn in_background<T>(&self, work: impl AsyncFnOnce(&mut Connection) -> Answer<T>) -> StoreResult<T> {
        self.check_place()?;
        let mut connection = self.ready(self.background.as_ref().unwrap_or(&self.connection)).await?;
        self.said(work(&mut connection).await)
    }

    async fn ready<'a>(&self, connection: &'a Mutex<Connection>) -> StoreResult<MutexGuard<'a, Connection>> {
        let mut connection = connection.lock().await;
        connection.ready().await.map_err(|error| self.failure(&error))?;
        Ok(connection)
    }

    fn said<T>(&self, answer: Result<T, sqlx::Error>) -> StoreResult<T> {
        answer.map_err(|failed| self.failure(&failed))
    }

    fn failure(&self, failed: &sqlx::Error) -> StoreError {
        match self.identity {
            Some(_) => file::failure(&self.place, failed),
            None => postgres::failure(&self.place, failed),
        }
    }

    /// Returns the error for what found no room.
    pub(super) fn no_room(&self) -> StoreError {
        let message = format!("it has no room for the times of more than {} tags", pushes::MOST);
        file::error(&self.place, message, "narrow the entries of `retention`")
    }

    /// Returns the error for an answer that does not come in time.
    pub(super) fn too_slow(&self) -> StoreError {
        let hint = match self.identity {
            Some(_) => "see whether its disk is slow or full",
            None => "see whether the server of the state and the network to it are slow",
        };
        file::error(&self.place, "it gives no answer in time".to_owned(), hint)
    }
}

#[cfg(test)]
impl Store {
    /// Executes a statement, such as one that takes a table away.
    pub(super) async fn execute(&self, sql: &'static str) {
        self.write(async |connection| connection.script(sql).await).await.unwrap();
    }

    /// Gives no answer until what is returned is dropped.
    pub(super) async fn held_up(&self) -> impl Sized + '_ {
        self.connection.lock().await
    }
}
