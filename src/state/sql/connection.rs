//! A connection to either kind of database, and statements that both understand.
//!
//! Parameters are `$1`, `$2`…, which SQLite takes by their numbers too: <https://sqlite.org/lang_expr.html#varparam>. A
//! statement runs on the connection that its transaction began on, or fails: only [`Connection::ready`] makes another.

use std::{
    future::Future,
    io,
    ops::{Deref, DerefMut},
    time::Duration,
};

use sqlx::{
    ConnectOptions as _, Decode, Row as _, Type,
    postgres::{PgConnectOptions, PgConnection, PgRow, Postgres},
    sqlite::{Sqlite, SqliteConnection, SqliteRow},
};
use tokio::{
    runtime::Handle,
    time::{Instant, timeout},
};

/// The time in which a server has to take a connection.
const CONNECT: Duration = Duration::from_secs(3);
/// The time after which a server that took no connection is tried again.
const RETRY: Duration = Duration::from_millis(500);
/// The time in which a server has to answer a statement. One that waits for the lock of others is among them.
const STATEMENT: Duration = Duration::from_secs(8);
/// Sets the times after which the server itself gives up. A replica that is stopped in the middle of a transaction holds
/// the lock of all others no longer than that.
///
/// A statement behind the lock has to see what the last holder of it has stored, whatever the database is set to: with
/// `repeatable read` it would see what was there before it waited.
const SESSION: &str = "SET default_transaction_isolation = 'read committed'; \
                       SET statement_timeout = '7s'; SET lock_timeout = '5s'; \
                       SET idle_in_transaction_session_timeout = '3s'";

/// The answer of a database.
pub(super) type Answer<T> = Result<T, sqlx::Error>;

/// The lock that writers of all replicas take, one at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lock {
    /// All that requests ask for.
    State,
    /// Activity, which is written in the background, much at a time.
    Activity,
    /// Wrong passwords, whose numbers have to become visible in their order.
    WrongPasswords,
}

impl Lock {
    /// Its number in the database: others that use advisory locks there have other numbers.
    fn key(self) -> i64 {
        match self {
            Self::State => 0x706f_7274_7761_7264,
            Self::Activity => 0x706f_7274_7761_7265,
            Self::WrongPasswords => 0x706f_7274_7761_7266,
        }
    }
}

pub(super) struct Connection {
    link: Link,
    /// True from the beginning of a transaction to its end. True between two of them: one was given up.
    in_transaction: bool,
}

enum Link {
    Sqlite(SqliteConnection),
    Postgres(Box<Server>),
}

/// A PostgreSQL server. A connection that failed, or whose statement was given up, is closed.
struct Server {
    options: PgConnectOptions,
    open: Option<PgConnection>,
    /// The last time that it took no connection.
    failed_at: Option<Instant>,
    /// The runtime whose end is that of the connection: those of single requests may end before.
    runtime: Handle,
}

/// A transaction. Dropped, it changes nothing.
pub(super) struct Transaction<'a> {
    connection: &'a mut Connection,
    is_done: bool,
}

/// A parameter.
#[derive(Debug, Clone, Copy)]
pub(super) enum Value<'a> {
    Number(Option<i64>),
    Text(Option<&'a str>),
    Bytes(&'a [u8]),
    Flag(bool),
}

/// A row of an answer.
pub(super) enum Row {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

/// A list of [`Value`]s.
macro_rules! values {
    ($($value:expr),* $(,)?) => { &[$($crate::state::sql::connection::Value::from($value)),*] };
}
pub(super) use values;

/// A query with its parameters.
macro_rules! bound {
    ($database:ty, $sql:expr, $values:expr) => {{
        let mut query = sqlx::query::<$database>($sql);
        for value in $values {
            query = match *value {
                Value::Number(number) => query.bind(number),
                Value::Text(text) => query.bind(text),
                Value::Bytes(bytes) => query.bind(bytes),
                Value::Flag(flag) => query.bind(flag),
            };
        }
        query
    }};
}

impl Connection {
    /// One to a file.
    pub(super) fn sqlite(connection: SqliteConnection) -> Self {
        Self { link: Link::Sqlite(connection), in_transaction: false }
    }

    /// One to a server, which is connected when it is used, in the runtime of now.
    pub(super) fn postgres(options: PgConnectOptions) -> Self {
        let server = Server { options, open: None, failed_at: None, runtime: Handle::current() };
        Self { link: Link::Postgres(Box::new(server)), in_transaction: false }
    }

    /// Returns true if other processes write to the database, too.
    pub(super) fn is_shared(&self) -> bool {
        matches!(self.link, Link::Postgres(_))
    }

    /// Ends what was given up, and connects if that is needed.
    ///
    /// # Errors
    /// The server takes no connection.
    pub(super) async fn ready(&mut self) -> Answer<()> {
        let was_given_up = std::mem::take(&mut self.in_transaction);
        match &mut self.link {
            Link::Sqlite(connection) if was_given_up => {
                // It may have been rolled back by the failure itself.
                let _ = sqlx::query("ROLLBACK").execute(connection).await;
                Ok(())
            }
            Link::Sqlite(_) => Ok(()),
            Link::Postgres(server) => server.connect().await,
        }
    }

    /// Begins a transaction; on a server, as the only one of all replicas that has this lock.
    pub(super) async fn begin(&mut self, lock: Lock) -> Answer<Transaction<'_>> {
        self.execute("BEGIN", &[]).await?;
        self.in_transaction = true;
        let is_shared = self.is_shared();
        let transaction = Transaction { connection: self, is_done: false };
        if is_shared {
            let key = Value::Number(Some(lock.key()));
            transaction.connection.rows("SELECT pg_advisory_xact_lock($1)", &[key]).await?;
        }
        Ok(transaction)
    }

    /// Executes a statement; returns the number of rows that it changed.
    pub(super) async fn execute(&mut self, sql: &'static str, values: &[Value<'_>]) -> Answer<u64> {
        match &mut self.link {
            Link::Sqlite(connection) => {
                Ok(bound!(Sqlite, sql, values).execute(connection).await?.rows_affected())
            }
            Link::Postgres(server) => {
                let query = bound!(Postgres, sql, values);
                Ok(server.run(async |open| query.execute(open).await).await?.rows_affected())
            }
        }
    }

    /// Executes statements without parameters, such as those that make tables.
    pub(super) async fn script(&mut self, sql: &'static str) -> Answer<()> {
        match &mut self.link {
            Link::Sqlite(connection) => {
                sqlx::query(sql).persistent(false).execute(connection).await.map(drop)
            }
            Link::Postgres(server) => {
                server.run(async |open| sqlx::raw_sql(sql).execute(open).await).await.map(drop)
            }
        }
    }

    /// Reads the rows that answer a question.
    pub(super) async fn rows(&mut self, sql: &'static str, values: &[Value<'_>]) -> Answer<Vec<Row>> {
        match &mut self.link {
            Link::Sqlite(connection) => {
                let rows = bound!(Sqlite, sql, values).fetch_all(connection).await?;
                Ok(rows.into_iter().map(Row::Sqlite).collect())
            }
            Link::Postgres(server) => {
                let query = bound!(Postgres, sql, values);
                let rows = server.run(async |open| query.fetch_all(open).await).await?;
                Ok(rows.into_iter().map(Row::Postgres).collect())
            }
        }
    }

    /// Reads the first row, if there is one.
    pub(super) async fn row(&mut self, sql: &'static str, values: &[Value<'_>]) -> Answer<Option<Row>> {
        Ok(self.rows(sql, values).await?.into_iter().next())
    }

    /// Reads the one number that answers a question.
    ///
    /// # Errors
    /// There is no row, or something else.
    pub(super) async fn number(&mut self, sql: &'static str, values: &[Value<'_>]) -> Answer<u64> {
        self.row(sql, values).await?.ok_or(sqlx::Error::RowNotFound)?.number(0)
    }
}

impl Server {
    async fn connect(&mut self) -> Answer<()> {
        if self.open.is_some() {
            return Ok(());
        }
        // All that wait for their turn do not wait for an answer one after the other.
        if self.failed_at.is_some_and(|at| at.elapsed() < RETRY) {
            return Err(io::Error::from(io::ErrorKind::NotConnected).into());
        }
        let options = self.options.clone();
        let connected = async move {
            let mut connection = options.connect().await?;
            sqlx::raw_sql(SESSION).execute(&mut connection).await?;
            Ok(connection)
        };
        let connected = self.runtime.spawn(in_time(CONNECT, connected)).await;
        let connected = connected.unwrap_or_else(|_| Err(sqlx::Error::WorkerCrashed));
        self.failed_at = connected.is_err().then(Instant::now);
        self.open = Some(connected?);
        Ok(())
    }

    /// Lets `statement` use the connection, which is closed unless the server has answered.
    async fn run<T>(&mut self, statement: impl AsyncFnOnce(&mut PgConnection) -> Answer<T>) -> Answer<T> {
        let mut open = self.open.take().ok_or_else(|| io::Error::from(io::ErrorKind::NotConnected))?;
        let answer = in_time(STATEMENT, statement(&mut open)).await;
        if matches!(answer, Ok(_) | Err(sqlx::Error::Database(_) | sqlx::Error::ColumnDecode { .. })) {
            self.open = Some(open);
        }
        answer
    }
}

async fn in_time<T>(patience: Duration, answer: impl Future<Output = Answer<T>>) -> Answer<T> {
    timeout(patience, answer).await.unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut).into()))
}

impl Transaction<'_> {
    /// Ends it: all of it is stored.
    ///
    /// # Errors
    /// It may be stored or not.
    pub(super) async fn commit(mut self) -> Answer<()> {
        self.connection.execute("COMMIT", &[]).await?;
        self.connection.in_transaction = false;
        self.is_done = true;
        Ok(())
    }
}

impl Deref for Transaction<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.connection
    }
}

impl DerefMut for Transaction<'_> {
    fn deref_mut(&mut self) -> &mut Connection {
        self.connection
    }
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        // The other replicas do not wait for the next use of this connection.
        if let (Link::Postgres(server), false) = (&mut self.connection.link, self.is_done) {
            server.open = None;
        }
    }
}

impl Row {
    /// Reads a column.
    pub(super) fn get<T>(&self, at: usize) -> Answer<T>
    where
        T: for<'r> Decode<'r, Sqlite> + Type<Sqlite> + for<'r> Decode<'r, Postgres> + Type<Postgres>,
    {
        match self {
            Self::Sqlite(row) => row.try_get(at),
            Self::Postgres(row) => row.try_get(at),
        }
    }

    /// Reads a number.
    pub(super) fn number(&self, at: usize) -> Answer<u64> {
        self.get::<i64>(at).map(number)
    }
}

/// The databases have signed numbers only, and ours never get that far.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn number(signed: i64) -> u64 {
    u64::try_from(signed).unwrap_or_default()
}

impl From<u64> for Value<'_> {
    fn from(number: u64) -> Self {
        Self::Number(Some(signed(number)))
    }
}

impl From<Option<u64>> for Value<'_> {
    fn from(number: Option<u64>) -> Self {
        Self::Number(number.map(signed))
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(Some(text))
    }
}

impl<'a> From<&'a String> for Value<'a> {
    fn from(text: &'a String) -> Self {
        Self::Text(Some(text))
    }
}

impl<'a> From<Option<&'a str>> for Value<'a> {
    fn from(text: Option<&'a str>) -> Self {
        Self::Text(text)
    }
}

impl<'a> From<&'a [u8]> for Value<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self::Bytes(bytes)
    }
}

impl From<bool> for Value<'_> {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}
