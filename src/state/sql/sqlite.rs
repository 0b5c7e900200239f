//! A file as the store: SQLite, with one connection that is kept. The first transaction makes its tables, looks at its
//! version, and begins activity.

use std::{
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::PathBuf,
    sync::atomic::AtomicU64,
    time::Duration,
};

use sqlx::{
    ConnectOptions as _,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteLockingMode, SqliteSynchronous},
};

use super::{
    Store, activity, claims,
    connection::{Connection, number},
    ended_sessions,
    file::{MOVE_AWAY, error, failure, gone, identity, look_at, make},
    personal_tokens, pushes, revocations, sign_ins,
};
use crate::state::{
    revocations::random_id,
    stored::{StoreError, StoreResult},
};

/// The version of the tables.
const VERSION: u64 = 1;
/// The time for which a server waits for one that is about to end.
const PATIENCE: Duration = Duration::from_secs(2);

impl Store {
    /// Opens the file, or makes it. `now` in seconds since 1970.
    ///
    /// # Errors
    /// It cannot be opened, is used by another process or open to other users, or holds something else.
    pub(in crate::state) async fn open(path: PathBuf, now: u64) -> StoreResult<Self> {
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
        let mut store = Self::holding(path, Connection::sqlite(connection));
        store.identity = Some(identity);
        let changed = found.map_or(now, |found| number(found.ctime()));
        match store.prepare(now, Some(changed)).await {
            Err(full) if store.activity_gap > 0 => store.prepare_on_full_disk(now, &full).await?,
            prepared => prepared?,
        }
        Ok(store)
    }

    /// Checks that the path still leads to the file that is open: what is written to another is lost.
    pub(super) fn check_place(&self) -> StoreResult<()> {
        let Some(open) = self.identity else { return Ok(()) };
        let found = fs::symlink_metadata(&self.place).map_err(|_| gone(&self.place))?;
        if identity(&found) == open { Ok(()) } else { Err(gone(&self.place)) }
    }

    /// Takes the lock, and makes the tables where there are none. Damage is found when all of them are read. `changed` is the
    /// time of the last change of the file before it was opened; without it, activity does not begin.
    async fn prepare(&mut self, now: u64, changed: Option<u64>) -> StoreResult<()> {
        let path = self.place.clone();
        let failed = |error: sqlx::Error| failure(&path, &error);
        let connection = self.connection.get_mut();
        // In this locking mode, the lock stays when the transaction ends.
        connection.script("BEGIN EXCLUSIVE").await.map_err(failed)?;
        let version = connection.number("PRAGMA user_version", &[]).await.map_err(failed)?;
        let tables = connection.number("SELECT count(*) FROM sqlite_schema", &[]).await.map_err(failed)?;
        match (version, tables) {
            (VERSION, _) => {}
            (0, 0) => {
                let id = random_id()
                    .ok_or_else(|| error(&path, "no random bytes".to_owned(), "see the log of the system"))?;
                for table in revocations::TABLES {
                    connection.script(table).await.map_err(failed)?;
                }
                revocations::set_id(connection, &id, now, false).await.map_err(failed)?;
                self.is_new = true;
            }
            (0, _) => return Err(error(&path, "the file is another database".to_owned(), MOVE_AWAY)),
            (version, _) => {
                let message = format!("expected version {VERSION} of the file, found {version}");
                return Err(error(&path, message, "a newer Portwarden made it: run that one"));
            }
        }
        let tables = claims::TABLES.into_iter().chain(pushes::TABLES);
        let tables = tables.chain(sign_ins::TABLES).chain(activity::TABLES).chain(ended_sessions::TABLES);
        for table in tables.chain(personal_tokens::TABLES) {
            connection.script(table).await.map_err(failed)?;
        }
        let pushes = pushes::count(connection).await.map_err(failed)?;
        self.pushes = AtomicU64::new(pushes);
        if let Some(changed) = changed {
            self.activity_gap = now;
            self.latest_activity = activity::begin(connection, now, changed).await.map_err(failed)?;
        }
        connection.script("COMMIT").await.map_err(failed)?;
        if changed.is_some() {
            self.activity_gap = 0;
        }
        Ok(())
    }

    /// Goes on without a note that activity begins, which could not be stored: a disk that is full does not keep the server
    /// from starting. Nothing is on record up to now, which is stored with the next activity.
    async fn prepare_on_full_disk(&mut self, now: u64, full: &StoreError) -> StoreResult<()> {
        // It may have been rolled back already.
        let _ = self.connection.get_mut().script("ROLLBACK").await;
        self.prepare(now, None).await?;
        tracing::error!(error = %full, "cannot store that activity begins; every tag counts as pulled until now");
        self.latest_activity = activity::latest(self.connection.get_mut()).await.unwrap_or(now);
        self.activity_gap = now.max(self.latest_activity);
        // The next start must not take the file for one that nothing has happened to since its last end.
        tokio::time::sleep(activity::PAST_THE_END).await;
        fs::set_permissions(&self.place, fs::Permissions::from_mode(0o600))
            .map_err(|why| error(&self.place, format!("cannot be changed: {why}"), "make room on its disk"))
    }
}
