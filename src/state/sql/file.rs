//! The file of the state: how it is found and made, and the errors about it.

use std::{fs::Metadata, os::unix::fs::MetadataExt as _, path::Path};

use crate::{
    private_file,
    state::stored::{StoreError, StoreResult},
};

pub(super) const MOVE_AWAY: &str = "restore it from a backup and run `portwarden revoke --all-sessions`, or move it away: a new one is \
                         made, and all tokens end";

/// Looks at the file; `None` where there is none.
pub(super) fn look_at(path: &Path) -> StoreResult<Option<Metadata>> {
    let elsewhere = "write the path of the file itself in `state.file`";
    private_file::look_at(path, elsewhere).map_err(|why| error(path, why.message, why.hint))
}

pub(super) fn make(path: &Path) -> StoreResult<()> {
    private_file::make(path).map_err(|why| error(path, why.message, why.hint))
}

pub(super) fn identity(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

pub(super) fn gone(path: &Path) -> StoreError {
    let hint = "restart Portwarden: it makes a new one, and all tokens end";
    error(path, "the file was removed or replaced while it was open".to_owned(), hint)
}

/// The error of a query. SQLite quotes no values.
pub(super) fn failure(path: &Path, failed: &sqlx::Error) -> StoreError {
    let code = failed.as_database_error().and_then(|said| said.code().map(|code| code.to_string()));
    // The primary code is in the lower byte: https://sqlite.org/rescode.html
    let code = code.and_then(|code| code.parse::<u32>().ok()).map(|code| code & 0xff);
    let said =
        failed.as_database_error().map_or_else(|| failed.to_string(), |said| said.message().to_owned());
    match code {
        Some(5 | 6) => {
            let hint =
                "give each server a file of its own; what is revoked at one is not revoked at the others";
            error(path, "another process uses it".to_owned(), hint)
        }
        Some(11 | 26) => error(path, format!("the file is damaged: {said}"), MOVE_AWAY),
        Some(8) => error(path, said, "let the user of the service write it and its directory"),
        Some(10 | 13) => error(path, said, "make room on its disk, and see the log of the system"),
        _ => error(path, said, "let the user of the service read and write it and its directory"),
    }
}

pub(super) fn error(path: &Path, message: String, hint: &'static str) -> StoreError {
    StoreError { file: path.to_owned(), message, hint }
}
