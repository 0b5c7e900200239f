//! `state:`: the file in which revocations are stored.

use std::{env, os::unix::fs::MetadataExt as _, path::PathBuf};

use crate::{
    config::{
        Context,
        diagnostics::path::Path,
        schema::{File, Text},
    },
    state::StateSettings,
};

/// Reads `state.file`; by default `state.db` in the directory that systemd made for the service (`StateDirectory=`), and
/// none where there is no such directory.
pub(crate) fn settings(file: &File, context: &mut Context<'_>) -> StateSettings {
    let written = file.state.as_ref().and_then(|state| state.file.as_ref());
    match written.map(|Text(path)| path.as_str()) {
        Some("none") => StateSettings::Off,
        Some(path) => {
            let path = context.path(path);
            check(&path, context);
            StateSettings::File(path)
        }
        None => in_state_directory("state.db").map_or(StateSettings::Off, StateSettings::Default),
    }
}

/// Returns the path of a file in the directory that systemd made for the service; `None` where there is none.
pub(super) fn in_state_directory(name: &str) -> Option<PathBuf> {
    let directories = env::var_os("STATE_DIRECTORY")?;
    // Where a unit names several, they are separated by colons, and the first is the one for this.
    let first = env::split_paths(&directories).next()?;
    (!first.as_os_str().is_empty()).then(|| first.join(name))
}

/// Looks for what would keep the server from starting, without opening the file: a running server has it.
fn check(path: &std::path::Path, context: &mut Context<'_>) {
    let at = Path::from("state.file");
    if !context.looks_at(path, &at) {
        return;
    }
    let Ok(found) = path.symlink_metadata() else {
        // A bare name has an empty parent: it is beside a configuration that was itself named without a directory.
        let directory = path.parent().filter(|directory| !directory.as_os_str().is_empty());
        if let Some(directory) = directory.filter(|directory| !directory.is_dir()) {
            let message = format!("expected a directory at {}, found none", directory.display());
            context.report.error(at, message, "Make it, and let the user of the service write there");
        }
        return;
    };
    if !found.is_file() {
        let hint = "Write the path of the file itself";
        context.report.error(
            at,
            format!("expected a file at {}, found a link or something else", path.display()),
            hint,
        );
    } else if found.mode() & 0o077 != 0 {
        let message = format!("other users may open {}: mode {:o}", path.display(), found.mode() & 0o777);
        context.report.error(at, message, "See who wrote to it, then `chmod 600` it");
    }
}
