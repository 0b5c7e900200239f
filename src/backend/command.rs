//! Running a command of the operator.

use std::path::PathBuf;

/// A command and its arguments (`ext_auth:`, `ext_authz:`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandSettings {
    /// The program, absolute: what is written was looked up in `PATH`, or starts at the configuration's directory.
    pub command: PathBuf,
    /// Its arguments.
    pub args: Vec<String>,
}
