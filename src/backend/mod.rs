//! Services outside this process: the commands and databases that know accounts or rules, with the bounds on asking
//! them, and a client for HTTPS.
//!
//! The meaning of an answer is known to `authn` and `authz`; here it is only fetched. The directory of `ldap_auth` has
//! a single user and lives with it, in `authn`.

mod command;
mod gate;
mod https;
mod shares;
mod sql;
mod trust;

pub use command::CommandSettings;
pub(crate) use command::Exit;
pub(crate) use gate::one_line;
pub use gate::{BackendLimits, Gate, Unavailable};
pub(crate) use https::{HttpsBounds, HttpsClient, HttpsError, HttpsReply, trusting};
pub(crate) use shares::BackendShares;
pub use sql::{Address, DsnError, Password, SqlServer, SqlSettings, SqliteFile, Tls, TlsMode};
pub(crate) use sql::{Database, Failure, Query, Row, Table};
