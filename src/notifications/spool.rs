//! The file in which events wait for their endpoints: SQLite, with one connection that is kept.
//!
//! An event that is kept survives a crash. A file that is damaged is set aside, and a new one made: no request and no start of the
//! server depends on it.

mod intents;

use std::{
    collections::BTreeMap,
    fs,
    io::ErrorKind,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use sqlx::{
    ConnectOptions as _, Connection as _, Sqlite,
    sqlite::{
        SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteLockingMode, SqliteSynchronous,
    },
};
use tokio::sync::{MappedMutexGuard, Mutex, MutexGuard};

use crate::{private_file, telemetry::IntentId};
pub(super) use intents::NewIntent;

/// The version of the tables.
const VERSION: i64 = 2;
/// The time for which a server waits for one that is about to end.
const PATIENCE: Duration = Duration::from_secs(2);
/// The most events in one request to an endpoint.
pub(super) const BATCH: u32 = 64;

const TABLES: [&str; 2] = [
    "CREATE TABLE events (sequence INTEGER PRIMARY KEY AUTOINCREMENT, endpoint TEXT NOT NULL, at INTEGER NOT NULL, \
     action TEXT NOT NULL, media_type TEXT NOT NULL, body TEXT NOT NULL)",
    "CREATE INDEX events_of_endpoint ON events (endpoint, sequence)",
];

/// The events that wait.
pub(super) struct Spool {
    path: PathBuf,
    file: Mutex<Option<OpenFile>>,
    backlogs: parking_lot::Mutex<BTreeMap<String, Backlog>>,
}

struct OpenFile {
    connection: SqliteConnection,
    /// Device and inode.
    identity: (u64, u64),
}

/// The events that wait for one endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Backlog {
    pub(super) count: u64,
    /// The time of the oldest, in seconds since 1970, as far as it is known.
    pub(super) oldest: u64,
}

/// An event that is to be kept for an endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NewEvent {
    pub(super) endpoint: String,
    /// Its time, in seconds since 1970.
    pub(super) at: u64,
    pub(super) action: &'static str,
    pub(super) media_type: String,
    /// The event in JSON.
    pub(super) body: String,
}

/// An event that was kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct KeptEvent {
    /// Its place in the order.
    pub(super) sequence: i64,
    pub(super) action: String,
    pub(super) media_type: String,
    pub(super) body: String,
}

/// The reason why the file cannot be used. Displays its place and the remedy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {message}; {hint}", .file.display())]
pub(super) struct SpoolError {
    file: PathBuf,
    message: String,
    hint: &'static str,
    is_damage: bool,
}

impl Spool {
    /// A spool in this file, which is opened, or made, when it is first needed.
    pub(super) fn new(path: &Path) -> Self {
        // A path that begins with `file:` would be read as a URI.
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        Self { path, file: Mutex::default(), backlogs: parking_lot::Mutex::default() }
    }

    /// Returns true if its file is there.
    pub(super) fn exists(&self) -> bool {
        self.path.exists()
    }

    /// Returns the number of events that wait for an endpoint, and the time of the oldest.
    pub(super) fn backlog(&self, endpoint: &str) -> Backlog {
        self.backlogs.lock().get(endpoint).copied().unwrap_or_default()
    }

    /// Stores events, so that they survive a crash from when this returns, and forgets the intents that they settle.
    ///
    /// # Errors
    /// None of them is stored.
    pub(super) async fn keep(&self, events: &[NewEvent], settled: &[IntentId]) -> Result<(), SpoolError> {
        let kept = insert(&mut *self.connection().await?, events, settled).await;
        self.settle(kept).await?;
        let mut backlogs = self.backlogs.lock();
        for event in events {
            let backlog = backlogs.entry(event.endpoint.clone()).or_default();
            if backlog.count == 0 {
                backlog.oldest = event.at;
            }
            backlog.count += 1;
        }
        Ok(())
    }

    /// Returns the oldest events for an endpoint.
    ///
    /// # Errors
    /// They cannot be read.
    pub(super) async fn next(&self, endpoint: &str) -> Result<Vec<KeptEvent>, SpoolError> {
        let select = "SELECT sequence, at, action, media_type, body FROM events WHERE endpoint = ? ORDER BY sequence LIMIT ?";
        let query = sqlx::query_as::<Sqlite, (i64, i64, String, String, String)>(select);
        let read = query.bind(endpoint).bind(BATCH).fetch_all(&mut *self.connection().await?).await;
        let read = self.settle(read).await?;
        let mut backlogs = self.backlogs.lock();
        if let (Some((_, at, ..)), Some(backlog)) = (read.first(), backlogs.get_mut(endpoint)) {
            backlog.oldest = u64::try_from(*at).unwrap_or_default();
        }
        let event =
            |(sequence, _, action, media_type, body)| KeptEvent { sequence, action, media_type, body };
        Ok(read.into_iter().map(event).collect())
    }

    /// Forgets events for an endpoint, up to this place in the order.
    ///
    /// # Errors
    /// They may be forgotten or not.
    pub(super) async fn forget(&self, endpoint: &str, through: i64) -> Result<u64, SpoolError> {
        let delete = sqlx::query("DELETE FROM events WHERE endpoint = ? AND sequence <= ?");
        let deleted = delete.bind(endpoint).bind(through).execute(&mut *self.connection().await?).await;
        let deleted = self.settle(deleted).await?.rows_affected();
        if let Some(backlog) = self.backlogs.lock().get_mut(endpoint) {
            backlog.count = backlog.count.saturating_sub(deleted);
        }
        Ok(deleted)
    }

    /// Forgets the events for endpoints other than these, and returns how many there were for each.
    ///
    /// # Errors
    /// They may be forgotten or not.
    pub(super) async fn forget_others(&self, endpoints: &[&str]) -> Result<Vec<(String, u64)>, SpoolError> {
        drop(self.connection().await?);
        let others: Vec<String> = self.backlogs.lock().keys().cloned().collect();
        let mut forgotten = Vec::new();
        for other in others.into_iter().filter(|other| !endpoints.contains(&other.as_str())) {
            let count = self.forget(&other, i64::MAX).await?;
            self.backlogs.lock().remove(&other);
            forgotten.extend(Some((other, count)).filter(|(_, count)| *count > 0));
        }
        Ok(forgotten)
    }

    /// The connection to the file, which is opened if it is not.
    async fn connection(&self) -> Result<MappedMutexGuard<'_, SqliteConnection>, SpoolError> {
        let mut file = self.file.lock().await;
        if file.as_ref().is_some_and(|file| identity(&self.path) != Some(file.identity)) {
            let path = self.path.display();
            tracing::error!(%path, "the spool of notifications was removed or replaced while it was open: the events in it are lost");
            close(file.take()).await;
        }
        if file.is_none() {
            *file = Some(self.open_or_set_aside().await?);
        }
        MutexGuard::try_map(file, |file| file.as_mut().map(|file| &mut file.connection))
            .map_err(|_| error(&self.path, "it is not open".to_owned(), "restart Portwarden"))
    }

    /// Closes a file that turned out to be damaged: the next that needs it sets it aside.
    async fn settle<T>(&self, result: Result<T, sqlx::Error>) -> Result<T, SpoolError> {
        let error = match result {
            Ok(done) => return Ok(done),
            Err(error) => failure(&self.path, &error),
        };
        if error.is_damage {
            close(self.file.lock().await.take()).await;
        }
        Err(error)
    }

    async fn open_or_set_aside(&self) -> Result<OpenFile, SpoolError> {
        match self.open().await {
            Err(error) if error.is_damage => {
                let aside = with_suffix(&self.path, ".damaged");
                set_aside(&self.path, &aside)?;
                tracing::error!(
                    "the spool of notifications cannot be read, so the events in it are not sent: {error}; it is kept as {}",
                    aside.display()
                );
                self.open().await
            }
            opened => opened,
        }
    }

    async fn open(&self) -> Result<OpenFile, SpoolError> {
        make_or_look_at(&self.path)?;
        let options = SqliteConnectOptions::new()
            .filename(&self.path)
            .journal_mode(SqliteJournalMode::Delete)
            .synchronous(SqliteSynchronous::Full)
            .locking_mode(SqliteLockingMode::Exclusive)
            .busy_timeout(PATIENCE)
            .disable_statement_logging();
        let failed = |error: sqlx::Error| failure(&self.path, &error);
        let mut connection = options.connect().await.map_err(failed)?;
        let prepared = prepare(&mut connection, &self.path).await.map_err(failed)?;
        let backlogs = prepared.map_err(|message| damage(&self.path, message))?;
        *self.backlogs.lock() = backlogs;
        let identity = identity(&self.path).unwrap_or_default();
        Ok(OpenFile { connection, identity })
    }
}

/// Waits until a file is closed: what its connection would still do, it would do by the name of the file.
async fn close(file: Option<OpenFile>) {
    if let Some(file) = file {
        let _ = file.connection.close().await;
    }
}

/// Takes the lock, makes the table where there is none, and reads how much waits. Inside: the reason why the file is of no
/// use.
async fn prepare(
    connection: &mut SqliteConnection,
    path: &Path,
) -> Result<Result<BTreeMap<String, Backlog>, String>, sqlx::Error> {
    // In this locking mode, the lock stays when the transaction ends.
    execute(connection, "BEGIN EXCLUSIVE").await?;
    let version: i64 = sqlx::query_scalar("PRAGMA user_version").fetch_one(&mut *connection).await?;
    let tables: i64 =
        sqlx::query_scalar("SELECT count(*) FROM sqlite_schema").fetch_one(&mut *connection).await?;
    match (version, tables) {
        (1 | VERSION, _) => {
            let found: String =
                sqlx::query_scalar("PRAGMA quick_check(1)").fetch_one(&mut *connection).await?;
            if found != "ok" {
                return Ok(Err(format!("the file is damaged: {found}")));
            }
            // SQLite takes zeros for what the last page lacks.
            let pages: i64 = sqlx::query_scalar("PRAGMA page_count").fetch_one(&mut *connection).await?;
            let size: i64 = sqlx::query_scalar("PRAGMA page_size").fetch_one(&mut *connection).await?;
            let length = fs::metadata(path).map_or(0, |metadata| metadata.len());
            if u64::try_from(pages * size) != Ok(length) {
                return Ok(Err("the file was cut short".to_owned()));
            }
            if version < VERSION {
                make(connection, &intents::TABLES).await?;
            }
        }
        (0, 0) => {
            make(connection, &TABLES).await?;
            make(connection, &intents::TABLES).await?;
        }
        _ => return Ok(Err("the file is another database, or of another version".to_owned())),
    }
    let count = "SELECT endpoint, count(*), min(at) FROM events GROUP BY endpoint";
    let rows = sqlx::query_as::<Sqlite, (String, i64, i64)>(count).fetch_all(&mut *connection).await?;
    execute(connection, "COMMIT").await?;
    let number = |signed: i64| u64::try_from(signed).unwrap_or_default();
    let backlog = |count, oldest| Backlog { count: number(count), oldest: number(oldest) };
    Ok(Ok(rows.into_iter().map(|(endpoint, count, oldest)| (endpoint, backlog(count, oldest))).collect()))
}

async fn insert(
    connection: &mut SqliteConnection,
    events: &[NewEvent],
    settled: &[IntentId],
) -> Result<(), sqlx::Error> {
    let mut transaction = connection.begin().await?;
    intents::delete_within(&mut transaction, settled).await?;
    for event in events {
        let insert = "INSERT INTO events (endpoint, at, action, media_type, body) VALUES (?, ?, ?, ?, ?)";
        sqlx::query(insert)
            .bind(&event.endpoint)
            .bind(i64::try_from(event.at).unwrap_or(i64::MAX))
            .bind(event.action)
            .bind(&event.media_type)
            .bind(&event.body)
            .execute(&mut *transaction)
            .await?;
    }
    transaction.commit().await
}

async fn make(connection: &mut SqliteConnection, tables: &[&'static str]) -> Result<(), sqlx::Error> {
    for table in tables {
        execute(connection, table).await?;
    }
    Ok(())
}

async fn execute(connection: &mut SqliteConnection, sql: &'static str) -> Result<(), sqlx::Error> {
    sqlx::query(sql).persistent(false).execute(connection).await.map(drop)
}

/// Makes the file for its owner only, or checks that the one that is there is such.
fn make_or_look_at(path: &Path) -> Result<(), SpoolError> {
    let elsewhere = "write the path of the file itself in `notifications.spool`";
    let found = match private_file::look_at(path, elsewhere) {
        Ok(None) => private_file::make(path),
        found => found.map(drop),
    };
    found.map_err(|why| error(path, why.message, why.hint))
}

/// Moves the file, and what would be rolled back into a new one.
fn set_aside(path: &Path, aside: &Path) -> Result<(), SpoolError> {
    let journal = with_suffix(path, "-journal");
    let moved =
        fs::rename(path, aside).and_then(|()| match fs::rename(&journal, with_suffix(aside, "-journal")) {
            Err(why) if why.kind() != ErrorKind::NotFound => Err(why),
            _ => Ok(()),
        });
    moved
        .map_err(|why| error(path, format!("it is damaged, and cannot be moved away: {why}"), "move it away"))
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    fs::symlink_metadata(path).ok().map(|metadata| (metadata.dev(), metadata.ino()))
}

/// The error of a query. SQLite quotes no values.
fn failure(path: &Path, failed: &sqlx::Error) -> SpoolError {
    let code = failed.as_database_error().and_then(|said| said.code().map(|code| code.to_string()));
    // The primary code is in the lower byte: https://sqlite.org/rescode.html
    let code = code.and_then(|code| code.parse::<u32>().ok()).map(|code| code & 0xff);
    let said =
        failed.as_database_error().map_or_else(|| failed.to_string(), |said| said.message().to_owned());
    match code {
        Some(5 | 6) => {
            error(path, "another process uses it".to_owned(), "give each server a file of its own")
        }
        Some(11 | 26) => damage(path, format!("the file is damaged: {said}")),
        Some(10 | 13) => error(path, said, "make room on its disk, and see the log of the system"),
        _ if matches!(failed, sqlx::Error::ColumnDecode { .. }) => damage(path, said),
        _ => error(path, said, "let the user of the service read and write it and its directory"),
    }
}

fn damage(path: &Path, message: String) -> SpoolError {
    let hint = "see whether its disk is sound";
    SpoolError { is_damage: true, ..error(path, message, hint) }
}

fn error(path: &Path, message: String, hint: &'static str) -> SpoolError {
    SpoolError { file: path.to_owned(), message, hint, is_damage: false }
}

#[cfg(test)]
mod tests;
