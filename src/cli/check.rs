//! `portwarden check`: all that is wrong with a configuration, one line each.

use super::{Check, assemble, say};
use crate::config::Config;

/// Prints warnings and a summary; errors are the result.
pub(super) fn run(check: &Check) -> Result<(), String> {
    let loaded = Config::load(&check.config).map_err(|findings| findings.to_string())?;
    assemble(&loaded.config).map_err(|error| format!("{}: {error}", check.config.display()))?;
    let mut out = std::io::stdout();
    if !loaded.warnings.0.is_empty() {
        say(&mut out, &loaded.warnings.to_string());
    }
    let (users, rules) = (loaded.config.users.len(), loaded.config.acl.len());
    say(&mut out, &format!("{}: fine, {users} users and {rules} rules", check.config.display()));
    Ok(())
}
