//! The common part of `explain --jwt` and `explain --certificate`: a small file, and the labels of the login in it.

use std::{
    fs::File,
    io::{self, Read as _},
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use super::output::{Failure, say};
use crate::authn::Labels;

/// The largest file that is read, in bytes.
const LARGEST: u64 = 64 << 10;

/// Reads the file that `option` names, of up to 64 KiB. `expected` says what should be in it.
///
/// # Errors
/// It cannot be read, or is larger.
pub(super) fn read(option: &str, file: &Path, expected: &str) -> Result<Vec<u8>, String> {
    let name = file.display();
    let failed = |error: io::Error| format!("{option} {name}: {error}");
    let mut bytes = Vec::new();
    File::open(file).map_err(failed)?.take(LARGEST + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > LARGEST {
        return Err(format!(
            "{option} {name}: expected {expected}, found more than 64 KiB; name a file with that alone"
        ));
    }
    Ok(bytes)
}

/// Prints a label on each line.
pub(super) fn say_labels(labels: &Labels) -> Result<(), Failure> {
    labels.iter().try_for_each(|(label, values)| say(format!("  {label}: {}", values.join(" "))))
}

/// Returns the seconds since 1970.
pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
