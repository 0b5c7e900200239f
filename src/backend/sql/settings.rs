//! The address of a database and the way to connect to it, independent of the notation.

use std::{fmt, path::Path, path::PathBuf};

use sqlx::postgres::PgConnectOptions;
use zeroize::Zeroizing;

use super::{DsnError, connection, mysql, postgres, sqlite};

/// A database (`xorm_auth:`, `acl_xorm:`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SqlSettings {
    /// `sqlite3`: a file.
    Sqlite(SqliteFile),
    /// `postgres`.
    Postgres(SqlServer),
    /// `mysql`: MySQL or MariaDB.
    MySql(SqlServer),
}

/// A file of SQLite's. It is only ever read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqliteFile {
    /// The file.
    pub path: PathBuf,
    /// No process changes it while it is open (`immutable=1`), so that it needs no locks.
    pub immutable: bool,
}

/// A server, and the login on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqlServer {
    /// The address on which it listens.
    pub address: Address,
    /// The account; `None` for the driver's default.
    pub user: Option<String>,
    /// Its password.
    pub password: Option<Password>,
    /// The database; `None` for the server's default.
    pub database: Option<String>,
    /// `search_path`, PostgreSQL's only: the schemas in which the table is looked for.
    pub search_path: Option<String>,
    /// The protection of the connection.
    pub tls: Tls,
}

/// The address of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A host's name or address, and the port.
    Tcp(String, u16),
    /// A Unix socket: the socket itself (MySQL), or its directory and the port that is part of its name (PostgreSQL).
    Unix(PathBuf, u16),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(host, port) => write!(f, "{host}, port {port}"),
            Self::Unix(path, _) => path.display().fmt(f),
        }
    }
}

/// The protection of a connection.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tls {
    /// The use of TLS, and the checks of the certificate.
    pub mode: TlsMode,
    /// PEM with the authorities to trust besides the public ones; `None` for those of the system.
    pub roots: Option<PathBuf>,
    /// PEM with our own certificate, and with its key.
    pub client: Option<(PathBuf, PathBuf)>,
}

/// The use of TLS, and the checks of the server's certificate.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum TlsMode {
    /// No TLS.
    #[default]
    Off,
    /// TLS where the server offers it, nothing verified.
    IfOffered,
    /// TLS, nothing verified: an attacker on the network can pose as the server.
    Unverified,
    /// TLS with a certificate of a trusted authority for the host's name.
    Full,
}

/// A database's password. Prints as `***`.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(Zeroizing<String>);

impl Password {
    pub(super) fn new(text: &str) -> Self {
        Self(Zeroizing::new(text.to_owned()))
    }

    pub(super) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl SqlServer {
    /// Reads the address of a PostgreSQL server in either notation of its clients. Relative paths start at `base`.
    ///
    /// # Errors
    /// A parameter is not supported, or the notation is wrong; never with the password.
    pub fn postgres(url: &str, base: &Path) -> Result<Self, DsnError> {
        postgres::parse(url, base)
    }

    /// Gives it a password, in place of any that the address has.
    #[must_use]
    pub fn with_password(self, password: &str) -> Self {
        Self { password: Some(Password::new(password)), ..self }
    }

    /// Its address and its database, for messages: without user and password.
    pub(crate) fn place(&self) -> String {
        let database = self.database.as_deref().unwrap_or_default();
        match &self.address {
            Address::Tcp(host, port) => format!("postgres://{host}:{port}/{database}"),
            Address::Unix(path, port) => format!("postgres at {}:{port}/{database}", path.display()),
        }
    }

    /// The options of a connection to it, if it is one of PostgreSQL.
    pub(crate) fn options(&self) -> PgConnectOptions {
        connection::postgres(self)
    }
}

impl SqlSettings {
    /// Reads docker_auth's `database_type` and `conn_string`, which is in the notation of the Go driver of that type.
    /// Relative paths start at `base`.
    ///
    /// # Errors
    /// The type or a parameter is not supported, or the notation is wrong; never with the password.
    pub fn parse(database_type: &str, conn_string: &str, base: &Path) -> Result<Self, DsnError> {
        match database_type {
            "mysql" => mysql::parse(conn_string, base).map(Self::MySql),
            "postgres" => postgres::parse(conn_string, base).map(Self::Postgres),
            "sqlite3" => sqlite::parse(conn_string, base).map(Self::Sqlite),
            _ => Err(DsnError::new(
                "not a supported type of database",
                "Write `mysql` (MySQL, MariaDB), `postgres` or `sqlite3`",
            )),
        }
    }

    /// The server, where there is one.
    pub fn server(&self) -> Option<&SqlServer> {
        match self {
            Self::Sqlite(_) => None,
            Self::Postgres(server) | Self::MySql(server) => Some(server),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rule_16_the_password_prints_as_stars() {
        for (kind, dsn) in [
            ("mysql", "u:hunter2@tcp(h)/d"),
            ("postgres", "host=h password=hunter2"),
            ("postgres", "postgres://u:hunter2@h/d"),
        ] {
            let settings = SqlSettings::parse(kind, dsn, Path::new("/")).unwrap();
            let printed = format!("{settings:?}");
            assert!(printed.contains("***") && !printed.contains("hunter2"), "{printed}");
        }
    }

    #[test]
    fn another_type_is_refused_with_the_ones_there_are() {
        for kind in ["", "sqlite", "pgx", "mssql", "oracle", "godror", "MySQL"] {
            let error = SqlSettings::parse(kind, "", Path::new("/")).unwrap_err();
            assert!(error.hint.contains("`postgres` or `sqlite3`"), "{kind}: {error:?}");
        }
    }
}
