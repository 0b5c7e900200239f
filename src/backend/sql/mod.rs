//! Databases with docker_auth's tables: what `conn_string` says, and reading rows of text.
//!
//! Nothing is written, and no table is made. What the rows mean is known to `authn` and `authz`.

mod connection;
mod database;
mod dsn;
mod mysql;
mod postgres;
mod settings;
mod sqlite;

pub(crate) use database::{Database, Failure, Query, Row, Table};
pub use dsn::DsnError;
pub use settings::{Address, Password, SqlServer, SqlSettings, SqliteFile, Tls, TlsMode};
