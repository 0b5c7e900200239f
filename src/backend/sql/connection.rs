//! One connection to a database of any of the three kinds, and a query over it.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use sqlx::{
    ColumnIndex, ConnectOptions, Database, Decode, Encode, Executor, IntoArguments, Row as _, Type,
    database::HasStatementCache,
    mysql::{MySql, MySqlConnectOptions, MySqlConnection, MySqlSslMode},
    postgres::{PgConnectOptions, PgConnection, PgSslMode, Postgres},
    sqlite::{Sqlite, SqliteConnectOptions, SqliteConnection},
};

use super::{Address, Query, Row, SqlServer, SqlSettings, SqliteFile, Tls, TlsMode};

/// Paths at which systems keep the certificates of the authorities they trust; the first that exists counts.
const SYSTEM_ROOTS: [&str; 3] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];

/// The most memory that SQLite may take for all questions together, in bytes: many times the needs of the largest table
/// of rules.
const MOST_MEMORY: &str = "268435456";

/// The number of its instructions that SQLite executes between two looks at the clock.
const STEPS: i32 = 10_000;

/// The application name that the server may show to its administrator.
const APPLICATION: &str = "portwarden";

/// A connection. To drop it is to close it.
pub(super) enum Connection {
    Sqlite(SqliteConnection),
    Postgres(Box<PgConnection>),
    MySql(Box<MySqlConnection>),
}

impl Connection {
    /// Connects. `patience`: how long SQLite waits for a lock, and how long it may search.
    pub(super) async fn open(settings: &SqlSettings, patience: Duration) -> Result<Self, sqlx::Error> {
        match settings {
            SqlSettings::Sqlite(file) => {
                let mut connection = sqlite(file, patience).connect().await?;
                end_after(patience, &mut connection).await?;
                Ok(Self::Sqlite(connection))
            }
            SqlSettings::Postgres(server) => {
                postgres(server).connect().await.map(|it| Self::Postgres(Box::new(it)))
            }
            SqlSettings::MySql(server) => mysql(server).connect().await.map(|it| Self::MySql(Box::new(it))),
        }
    }

    /// The rows that answer `query`; `bound` is its parameter, if it has one.
    pub(super) async fn rows(&mut self, query: &Query, bound: Option<&str>) -> Result<Vec<Row>, sqlx::Error> {
        match self {
            Self::Sqlite(connection) => fetch::<Sqlite>(connection, query.standard, bound).await,
            Self::Postgres(connection) => fetch::<Postgres>(connection, query.standard, bound).await,
            Self::MySql(connection) => fetch::<MySql>(connection, query.mysql, bound).await,
        }
    }
}

async fn fetch<DB>(
    connection: &mut DB::Connection,
    sql: &'static str,
    bound: Option<&str>,
) -> Result<Vec<Row>, sqlx::Error>
where
    DB: Database + HasStatementCache,
    DB::Arguments: IntoArguments<DB>,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
    for<'q> &'q str: Encode<'q, DB> + Type<DB>,
    for<'r> Option<String>: Decode<'r, DB>,
    String: Type<DB>,
    usize: ColumnIndex<DB::Row>,
{
    // A statement that the server keeps would have to be made again when an administrator changes the table.
    let mut query = sqlx::query::<DB>(sql).persistent(false);
    if let Some(bound) = bound {
        query = query.bind(bound);
    }
    let rows = query.fetch_all(connection).await?;
    let texts = |row: &DB::Row| (0..row.len()).map(|at| row.try_get_unchecked(at)).collect();
    rows.iter().map(texts).collect()
}

fn sqlite(file: &SqliteFile, patience: Duration) -> SqliteConnectOptions {
    // A path that begins with `file:` would be read as a URI.
    let path = std::path::absolute(&file.path).unwrap_or_else(|_| file.path.clone());
    SqliteConnectOptions::new()
        .filename(path)
        .read_only(true)
        .immutable(file.immutable)
        .busy_timeout(patience)
        .pragma("hard_heap_limit", MOST_MEMORY)
        .disable_statement_logging()
}

/// SQLite searches on a thread of its own, which does not end when the question is dropped: a table without an index,
/// or a view without an end, would keep it.
async fn end_after(patience: Duration, connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    let began = Instant::now();
    let goes_on = move || began.elapsed() < patience;
    connection.lock_handle().await?.set_progress_handler(STEPS, goes_on);
    Ok(())
}

pub(super) fn postgres(server: &SqlServer) -> PgConnectOptions {
    let mut options = PgConnectOptions::new_without_pgpass()
        .application_name(APPLICATION)
        .ssl_mode(postgres_mode(server.tls.mode))
        .disable_statement_logging();
    options = match &server.address {
        Address::Tcp(host, port) => options.host(host).port(*port),
        Address::Unix(directory, port) => options.socket(directory).port(*port),
    };
    if let Some(user) = &server.user {
        options = options.username(user);
    }
    if let Some(password) = &server.password {
        options = options.password(password.expose());
    }
    if let Some(database) = &server.database {
        options = options.database(database);
    }
    if let Some(path) = &server.search_path {
        options = options.options([("search_path", path)]);
    }
    if let Some(roots) = roots(&server.tls) {
        options = options.ssl_root_cert(roots);
    }
    if let Some((certificate, key)) = &server.tls.client {
        options = options.ssl_client_cert(certificate).ssl_client_key(key);
    }
    options
}

fn postgres_mode(mode: TlsMode) -> PgSslMode {
    match mode {
        TlsMode::Off => PgSslMode::Disable,
        TlsMode::IfOffered => PgSslMode::Prefer,
        TlsMode::Unverified => PgSslMode::Require,
        TlsMode::Full => PgSslMode::VerifyFull,
    }
}

fn mysql(server: &SqlServer) -> MySqlConnectOptions {
    let mut options = MySqlConnectOptions::new()
        .ssl_mode(mysql_mode(server.tls.mode))
        // The session stays as the server sets it up, but for `SET NAMES utf8mb4`.
        .pipes_as_concat(false)
        .no_engine_substitution(false)
        .timezone(None)
        .disable_statement_logging();
    options = match &server.address {
        Address::Tcp(host, port) => options.host(host).port(*port),
        Address::Unix(socket, _) => options.socket(socket),
    };
    options = options.username(server.user.as_deref().unwrap_or_default());
    if let Some(password) = &server.password {
        options = options.password(password.expose());
    }
    if let Some(database) = &server.database {
        options = options.database(database);
    }
    if let Some(roots) = roots(&server.tls) {
        options = options.ssl_ca(roots);
    }
    options
}

fn mysql_mode(mode: TlsMode) -> MySqlSslMode {
    match mode {
        TlsMode::Off => MySqlSslMode::Disabled,
        TlsMode::IfOffered => MySqlSslMode::Preferred,
        TlsMode::Unverified => MySqlSslMode::Required,
        TlsMode::Full => MySqlSslMode::VerifyIdentity,
    }
}

/// The authorities to verify against: those that are configured, else the system's, as Go does. (The public ones that
/// are compiled in are trusted as well.)
fn roots(tls: &Tls) -> Option<PathBuf> {
    let verified = tls.mode == TlsMode::Full;
    let system = || SYSTEM_ROOTS.iter().map(Path::new).find(|path| path.exists()).map(Path::to_owned);
    tls.roots.clone().or_else(|| if verified { system() } else { None })
}
