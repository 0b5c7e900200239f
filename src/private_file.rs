//! A file that only its owner may open, for a database of Portwarden's own: made as such, or looked at.

use std::{
    fs::{self, Metadata, OpenOptions},
    io::ErrorKind,
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::Path,
};

/// The bits of a mode that let other users in.
const OTHERS: u32 = 0o077;

/// The reason why a file cannot be used, and the remedy.
#[derive(Debug)]
pub(crate) struct NotPrivate {
    pub(crate) message: String,
    pub(crate) hint: &'static str,
}

/// Looks at the file; `None` where there is none. `elsewhere` is the remedy for a path that leads to something else.
///
/// # Errors
/// It cannot be looked at, is no plain file, or is open to other users.
pub(crate) fn look_at(path: &Path, elsewhere: &'static str) -> Result<Option<Metadata>, NotPrivate> {
    let found = match fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(missing) if missing.kind() == ErrorKind::NotFound => return Ok(None),
        Err(why) => {
            let hint = "let the user of the service read and write it, and its directory";
            return Err(NotPrivate { message: format!("cannot look at it: {why}"), hint });
        }
    };
    if !found.is_file() {
        let message = "expected a file, found a link or something else".to_owned();
        return Err(NotPrivate { message, hint: elsewhere });
    }
    if found.mode() & OTHERS != 0 {
        let message = format!("other users may open it: mode {:o}", found.mode() & 0o777);
        return Err(NotPrivate { message, hint: "see who wrote to it, then `chmod 600` it" });
    }
    Ok(Some(found))
}

/// Makes the file, which is not there yet.
///
/// # Errors
/// It cannot be made, or is there by now.
pub(crate) fn make(path: &Path) -> Result<(), NotPrivate> {
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let hint = "make its directory, and let the user of the service write there";
    made.map(drop).map_err(|why| NotPrivate { message: format!("cannot make it: {why}"), hint })
}
