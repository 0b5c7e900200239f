//! The store in a file: SQLite, with one connection that is kept.
//!
//! The file is locked for as long as it is open, so two servers cannot share it: neither would know what the other
//! revokes.

use std::{
    fs,
    ops::RangeInclusive,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::atomic::AtomicU64,
    time::Duration,
};

use sqlx::{
    ConnectOptions as _,
    sqlite::{
        SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteLockingMode, SqliteSynchronous,
    },
};
use tokio::sync::Mutex;

use super::{
    ClaimsDigest, SignIn, sqlite_activity, sqlite_claims,
    sqlite_file::{MOVE_AWAY, error, failure, gone, identity, look_at, make},
    sqlite_personal_tokens, sqlite_pushes, sqlite_revocations, sqlite_sign_ins,
    store::{
        Answer, Change, Store, StoreError, StoredClaims, StoredPersonalToken, StoredPush, StoredRevocations,
    },
};
use crate::activity::{Activity, Batch, Entry, Key};

/// The version of the tables.
pub(super) const VERSION: i64 = 1;
/// The time for which a server waits for one that is about to end.
const PATIENCE: Duration = Duration::from_secs(2);

/// A file of revocations, claims, the times of pushes and activity.
pub(super) struct SqliteStore {
    pub(super) path: PathBuf,
    /// Device and inode of the file that is open.
    identity: (u64, u64),
    pub(super) is_new: bool,
    pub(super) connection: Mutex<SqliteConnection>,
    /// The number of tags of which it is known when they were pushed.
    pub(super) pushes: AtomicU64,
    /// The latest time of activity when it was opened.
    pub(super) latest_activity: u64,
    /// The time up to which activity is not on record, where that could not be stored; 0 otherwise.
    pub(super) activity_gap: u64,
    /// The most records of activity.
    pub(super) bounds: sqlite_activity::Bounds,
}

impl SqliteStore {
    /// Opens the file, or makes it. `now` in seconds since 1970.
    ///
    /// # Errors
    /// It cannot be opened, is used by another process or open to other users, or holds something else.
    pub(super) async fn open(path: PathBuf, now: u64) -> Result<Self, StoreError> {
        // A path that begins with `file:` would be read as a URI.
        let path = std::path::absolute(&path).unwrap_or(path);
        let found = look_at(&path)?;
        if found.is_none() {
            make(&path)?;
        }
        let options = SqliteConnectOptions::new()
            .filename(&path)
            .journal_mode(SqliteJournalMode::Delete)
            .synchronous(SqliteSynchronous::Full)
            .locking_mode(SqliteLockingMode::Exclusive)
            .busy_timeout(PATIENCE)
            .disable_statement_logging();
        let connection = options.connect().await.map_err(|error| failure(&path, &error))?;
        let identity = identity(&look_at(&path)?.ok_or_else(|| gone(&path))?);
        let mut store = Self {
            path,
            identity,
            is_new: false,
            connection: Mutex::new(connection),
            pushes: AtomicU64::new(0),
            latest_activity: 0,
            activity_gap: 0,
            bounds: sqlite_activity::BOUNDS,
        };
        let changed = found.map_or(now, |found| number(found.ctime()));
        match store.prepare(now, Some(changed)).await {
            Err(full) if store.activity_gap > 0 => store.prepare_on_full_disk(now, &full).await?,
            prepared => prepared?,
        }
        Ok(store)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns true if it held nothing when it was opened.
    pub(super) fn is_new(&self) -> bool {
        self.is_new
    }

    /// Checks that the path still leads to the file that is open: what is written to another is lost.
    fn check_place(&self) -> Result<(), StoreError> {
        let found = fs::symlink_metadata(&self.path).map_err(|_| gone(&self.path))?;
        if identity(&found) == self.identity { Ok(()) } else { Err(gone(&self.path)) }
    }
}

impl Store for SqliteStore {
    fn load(&self) -> Answer<'_, StoredRevocations> {
        Box::pin(async {
            let read = sqlite_revocations::read(&mut *self.connection.lock().await).await;
            read.map_err(|failed| match failed {
                sqlx::Error::RowNotFound | sqlx::Error::ColumnDecode { .. } => {
                    error(&self.path, "the file is damaged: it has no id".to_owned(), MOVE_AWAY)
                }
                failed => failure(&self.path, &failed),
            })
        })
    }

    fn keep<'a>(&'a self, change: &'a Change) -> Answer<'a, ()> {
        Box::pin(async {
            self.check_place()?;
            let written = sqlite_revocations::keep(&mut *self.connection.lock().await, change).await;
            written.map_err(|error| failure(&self.path, &error))?;
            self.check_place()
        })
    }

    fn keep_claims(&self, digest: ClaimsDigest, claims: StoredClaims, now: u64) -> Answer<'_, bool> {
        Box::pin(async move {
            self.check_place()?;
            let mut connection = self.connection.lock().await;
            let kept = sqlite_claims::keep(&mut connection, digest, &claims, now).await;
            kept.map_err(|error| failure(&self.path, &error))
        })
    }

    fn claims(&self, digest: ClaimsDigest) -> Answer<'_, Option<StoredClaims>> {
        Box::pin(async move {
            let mut connection = self.connection.lock().await;
            let read = sqlite_claims::read(&mut connection, digest).await;
            read.map_err(|error| failure(&self.path, &error))
        })
    }

    fn keep_sign_in(&self, name: String, record: SignIn) -> Answer<'_, ()> {
        Box::pin(async move {
            self.check_place()?;
            let mut connection = self.connection.lock().await;
            let kept = sqlite_sign_ins::keep(&mut connection, &name, &record).await;
            kept.map_err(|error| failure(&self.path, &error))
        })
    }

    fn forget_sign_in(&self, name: String) -> Answer<'_, ()> {
        Box::pin(async move {
            self.check_place()?;
            let mut connection = self.connection.lock().await;
            let forgotten = sqlite_sign_ins::forget(&mut connection, &name).await;
            forgotten.map_err(|error| failure(&self.path, &error))
        })
    }

    fn sign_ins(&self) -> Answer<'_, Vec<SignIn>> {
        Box::pin(async move {
            let mut connection = self.connection.lock().await;
            let read = sqlite_sign_ins::read(&mut connection).await;
            read.map_err(|error| failure(&self.path, &error))
        })
    }

    fn note_pushes(&self, pushes: Vec<StoredPush>) -> Answer<'_, usize> {
        Box::pin(async move {
            self.check_place()?;
            let mut connection = self.connection.lock().await;
            let noted = sqlite_pushes::note(&mut connection, &self.pushes, &pushes).await;
            noted.map_err(|error| failure(&self.path, &error))
        })
    }

    fn note_seen(&self, seen: Vec<StoredPush>, unsettled: RangeInclusive<u64>) -> Answer<'_, usize> {
        Box::pin(async move {
            self.check_place()?;
            let mut connection = self.connection.lock().await;
            let noted = sqlite_pushes::note_seen(&mut connection, &self.pushes, &seen, &unsettled).await;
            noted.map_err(|error| failure(&self.path, &error))
        })
    }

    fn forget_pushes(
        &self,
        repository: String,
        tags: Vec<String>,
        unsettled: RangeInclusive<u64>,
    ) -> Answer<'_, ()> {
        Box::pin(async move {
            self.check_place()?;
            let (mut connection, of) = (self.connection.lock().await, (&*repository, &*tags));
            let forgotten = sqlite_pushes::forget(&mut connection, &self.pushes, of, &unsettled).await;
            forgotten.map_err(|error| failure(&self.path, &error))
        })
    }

    fn pushes(&self, repository: String) -> Answer<'_, Vec<StoredPush>> {
        Box::pin(async move {
            let mut connection = self.connection.lock().await;
            let read = sqlite_pushes::read(&mut connection, repository).await;
            read.map_err(|error| failure(&self.path, &error))
        })
    }

    fn latest_activity(&self) -> (u64, u64) {
        (self.latest_activity, self.activity_gap)
    }

    fn note_activity<'a>(&'a self, batch: &'a Batch) -> Answer<'a, ()> {
        Box::pin(async {
            self.check_place()?;
            let mut connection = self.connection.lock().await;
            let noted = sqlite_activity::note(&mut connection, batch, self.bounds).await;
            noted.map_err(|error| failure(&self.path, &error))
        })
    }

    fn join_activity(&self, entries: Vec<Entry>) -> Answer<'_, ()> {
        Box::pin(async move {
            self.check_place()?;
            let mut connection = self.connection.lock().await;
            let joined = sqlite_activity::join(&mut connection, &entries, self.bounds).await;
            joined.map_err(|error| failure(&self.path, &error))
        })
    }

    fn extend_activity(&self, from: u64, until: u64) -> Answer<'_, ()> {
        Box::pin(async move {
            self.check_place()?;
            let mut connection = self.connection.lock().await;
            let extended = sqlite_activity::extend(&mut connection, from, until).await;
            extended.map_err(|error| failure(&self.path, &error))
        })
    }

    fn end_activity(&self, now: u64) -> Answer<'_, ()> {
        Box::pin(async move {
            self.check_place()?;
            let mut connection = self.connection.lock().await;
            let ended = sqlite_activity::end(&mut connection, now).await;
            ended.map_err(|error| failure(&self.path, &error))
        })
    }

    fn activity(&self, keys: Vec<Key>) -> Answer<'_, Vec<Option<Activity>>> {
        Box::pin(async move {
            let (mut connection, mut all) = (self.connection.lock().await, Vec::with_capacity(keys.len()));
            for (repository, reference) in &keys {
                let read = sqlite_activity::read_one(&mut connection, repository, reference).await;
                all.push(read.map_err(|error| failure(&self.path, &error))?);
            }
            Ok(all)
        })
    }

    fn activity_behind(&self, after: Key, most: u64) -> Answer<'_, Vec<Entry>> {
        Box::pin(async move {
            let mut connection = self.connection.lock().await;
            let read = sqlite_activity::read_behind(&mut connection, &after, most).await;
            read.map_err(|error| failure(&self.path, &error))
        })
    }

    fn asked(&self, repository: String) -> Answer<'_, (Vec<(String, u64)>, u64)> {
        Box::pin(async move {
            let mut connection = self.connection.lock().await;
            let read = async {
                let asked = sqlite_activity::asked(&mut connection, &repository).await?;
                Ok((asked, sqlite_activity::since(&mut connection, &repository).await?))
            };
            read.await.map_err(|error| failure(&self.path, &error))
        })
    }

    fn personal_tokens(&self) -> Answer<'_, Vec<StoredPersonalToken>> {
        Box::pin(async move {
            let read = sqlite_personal_tokens::read(&mut *self.connection.lock().await).await;
            read.map_err(|error| failure(&self.path, &error))
        })
    }

    fn keep_personal_token(&self, token: StoredPersonalToken) -> Answer<'_, ()> {
        Box::pin(async move {
            self.check_place()?;
            let kept = sqlite_personal_tokens::keep(&mut *self.connection.lock().await, &token).await;
            kept.map_err(|error| failure(&self.path, &error))
        })
    }

    fn settle_personal_tokens(&self, gone: Vec<String>, used: Vec<(String, u64)>) -> Answer<'_, ()> {
        Box::pin(async move {
            self.check_place()?;
            let mut connection = self.connection.lock().await;
            let settled = sqlite_personal_tokens::settle(&mut connection, &gone, &used).await;
            settled.map_err(|error| failure(&self.path, &error))
        })
    }

    fn no_room(&self) -> StoreError {
        let message = format!("it has no room for the times of more than {} tags", sqlite_pushes::MOST);
        error(&self.path, message, "narrow the entries of `retention`")
    }

    fn too_slow(&self) -> StoreError {
        error(&self.path, "it gives no answer in time".to_owned(), "see whether its disk is slow or full")
    }
}

pub(super) async fn execute(connection: &mut SqliteConnection, sql: &'static str) -> Result<(), sqlx::Error> {
    sqlx::query(sql).persistent(false).execute(connection).await.map(drop)
}

/// SQLite has signed numbers only, and ours never get that far.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn number(signed: i64) -> u64 {
    u64::try_from(signed).unwrap_or_default()
}
