//! The settings of the state. Built by `config`.

use std::{path::PathBuf, time::Duration};

use crate::backend::SqlServer;

/// The place of the state.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum StateSettings {
    /// None.
    #[default]
    Off,
    /// The file that is used because systemd made a directory for it. If it cannot be opened, the server starts all the
    /// same, and nothing can be revoked.
    Default(PathBuf),
    /// `state.file`. If it cannot be opened, the server does not start.
    File(PathBuf),
    /// `state.url`: a database that several Portwardens share. If it cannot be used, the server does not start.
    Shared(SharedSettings),
}

/// A state that several Portwardens share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedSettings {
    /// The PostgreSQL server.
    pub server: SqlServer,
    /// The time for which revocations that are known count, while the server gives no answer; `None` for as long as it
    /// takes. After it, nothing that can be revoked is accepted.
    pub trusted_for: Option<Duration>,
}
