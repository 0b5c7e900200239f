//! `ext_auth:` and `ext_authz:`: a command of the operator.

use super::{Context, file::Command};
use crate::backend::CommandSettings;

/// The command of the section `key`; `None` after an error.
pub(super) fn settings(_written: &Command, key: &str, context: &mut Context<'_>) -> Option<CommandSettings> {
    context.report.error(key, "a command, which is not in this version", "Remove it");
    None
}
