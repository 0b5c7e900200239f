//! A file that only its owner may open, for a database or a key of Portwarden's own: made as such, replaced, or looked
//! at.

use std::{
    fs::{self, File, Metadata, OpenOptions},
    io::{self, ErrorKind, Write as _},
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

/// Puts a file with this content in the place of the one at `path`, if there is one, in one step: a reader, and a start
/// after a crash, find the whole of one or of the other.
///
/// # Errors
/// It cannot be written.
pub(crate) fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push("+new");
    let new = path.with_file_name(name);
    // Left over from a crash.
    if let Err(error) = fs::remove_file(&new)
        && error.kind() != ErrorKind::NotFound
    {
        return Err(error);
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_file_is_replaced_as_a_whole_and_for_its_owner_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        fs::write(&path, "old").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        fs::write(directory.path().join("file+new"), "of a crash").unwrap();
        replace(&path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert!(look_at(&path, "").unwrap().is_some(), "other users may not open it");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }
}
