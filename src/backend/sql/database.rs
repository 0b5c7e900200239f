//! A database that is asked again and again: connections are kept for the next question, and made anew when the server
//! has closed them.
//!
//! The number of questions at once is limited by the gate, and so there are never more connections than that.

use std::{
    fmt,
    time::{Duration, Instant},
};

use parking_lot::Mutex;

use super::{SqlSettings, connection::Connection};
use crate::backend::BackendLimits;

/// Idle timeout of a connection; servers and the proxies before them close idle ones silently.
const IDLE: Duration = Duration::from_secs(60);
/// The lifetime of a connection: a server may have been replaced behind its name, and the old one may go on.
const LIFETIME: Duration = Duration::from_secs(600);

/// The messages by which MySQL reports that text of the client does not fit the encoding of a column; the code for it
/// is a general one.
const CANNOT_CONVERT: [&str; 2] = ["Illegal mix of collations", "Cannot convert string"];

/// A question. All columns are text, so that JSON reads the same from a column of any type.
#[derive(Debug)]
pub(crate) struct Query {
    /// For SQLite and PostgreSQL: `CAST(… AS TEXT)`, and `$1` for the parameter.
    pub(crate) standard: &'static str,
    /// For MySQL: `CAST(… AS CHAR)`, and `?`.
    pub(crate) mysql: &'static str,
    /// The table, for errors: its name and its columns.
    pub(crate) table: Table,
}

/// A table as docker_auth makes it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Table {
    pub(crate) name: &'static str,
    /// Its columns with their types, for an operator that has to make one.
    pub(crate) columns: &'static str,
}

/// The columns of a row, in the order of the query; `None` for null.
pub(crate) type Row = Vec<Option<String>>;

/// The reason why there are no rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The database cannot hold the text that was asked for, and so has no row with it.
    NoSuchText,
    /// Anything else, for the operator; never with a password.
    Other(String),
}

/// A database, connected when it is first asked.
pub(crate) struct Database {
    settings: SqlSettings,
    patience: Duration,
    idle: Mutex<Vec<Idle>>,
}

struct Idle {
    connection: Connection,
    opened: Instant,
    used: Instant,
}

impl Idle {
    fn is_fresh(&self) -> bool {
        self.used.elapsed() < IDLE && self.opened.elapsed() < LIFETIME
    }
}

impl Database {
    /// Nothing is connected yet.
    pub(crate) fn new(settings: SqlSettings, limits: &BackendLimits) -> Self {
        Self { settings, patience: limits.timeout, idle: Mutex::new(Vec::new()) }
    }

    /// The rows that answer `query`; `bound` is its parameter, if it has one.
    ///
    /// Dropped on the way, it closes its connection: an answer that still comes is discarded.
    ///
    /// # Errors
    /// There is no connection, or no answer.
    pub(crate) async fn rows(&self, query: &Query, bound: Option<&str>) -> Result<Vec<Row>, Failure> {
        if let Some(mut kept) = self.kept()
            && let Ok(rows) = kept.connection.rows(query, bound).await
        {
            self.keep(kept.connection, kept.opened);
            return Ok(rows);
        }
        // The server may have been started anew since: that is worth a second try, on a connection of its own.
        let failed = |error: &sqlx::Error| self.failure(error, query.table);
        let opened = Instant::now();
        let mut connection =
            Connection::open(&self.settings, self.patience).await.map_err(|error| failed(&error))?;
        let rows = connection.rows(query, bound).await.map_err(|error| failed(&error))?;
        self.keep(connection, opened);
        Ok(rows)
    }

    /// The connection that was used last, if it is fresh; the stale ones are closed.
    fn kept(&self) -> Option<Idle> {
        let mut idle = self.idle.lock();
        idle.retain(Idle::is_fresh);
        idle.pop()
    }

    fn keep(&self, connection: Connection, opened: Instant) {
        // A file costs little to open, and may be another one next time.
        if matches!(connection, Connection::Sqlite(_)) {
            return;
        }
        let mut idle = self.idle.lock();
        idle.push(Idle { connection, opened, used: Instant::now() });
    }

    fn failure(&self, error: &sqlx::Error, table: Table) -> Failure {
        let sqlx::Error::Database(said) = error else { return Failure::Other(self.unreached(error)) };
        let (code, message) = (said.code().unwrap_or_default(), said.message());
        let (Table { name, columns }, at) = (table, &self.settings);
        match (at, &*code) {
            // A character that the encoding of the database does not have.
            (SqlSettings::Postgres(_), "22021" | "22P05") => Failure::NoSuchText,
            (SqlSettings::MySql(_), _) if CANNOT_CONVERT.iter().any(|words| message.contains(words)) => {
                Failure::NoSuchText
            }
            (SqlSettings::Postgres(_), "42P01") | (SqlSettings::MySql(_), "42S02") => missing(name, columns),
            (SqlSettings::Sqlite(_), _) if message.contains("no such table") => missing(name, columns),
            (SqlSettings::Sqlite(file), _) if message.contains("unable to open") => {
                Failure::Other(format!("cannot open {}: {message}", file.path.display()))
            }
            (SqlSettings::Sqlite(file), _) => {
                Failure::Other(format!("{} says: {message}", file.path.display()))
            }
            _ => Failure::Other(format!("the database says: {message}")),
        }
    }

    fn unreached(&self, error: &sqlx::Error) -> String {
        match &self.settings {
            SqlSettings::Sqlite(file) => format!("{}: {error}", file.path.display()),
            SqlSettings::Postgres(server) | SqlSettings::MySql(server) => {
                format!("{}: {error}", server.address)
            }
        }
    }
}

fn missing(name: &str, columns: &str) -> Failure {
    Failure::Other(format!(
        "the database has no table {name}. docker_auth makes it when it starts; or make it yourself: {name} ({columns})"
    ))
}

/// Without the settings: they have a password.
impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Database").finish_non_exhaustive()
    }
}
