//! Noticing that a file has changed, also when a symlink on the way to it was swapped.
//!
//! By looking every second, not by inotify: that sees neither a swapped directory link (how Kubernetes and
//! configuration managers replace files) nor changes on a network file system.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

/// A snapshot of the files at one moment.
type Seen = Vec<Option<(u64, u64, u64, i64, i64, i64)>>;

/// Files under watch.
#[derive(Debug)]
pub struct Watch {
    files: Vec<PathBuf>,
    /// The state that was last acted on.
    acted_on: Seen,
    /// The state at the last look.
    last: Seen,
}

impl Watch {
    /// Watches `files` as they are now.
    pub fn new(files: Vec<PathBuf>) -> Self {
        let seen = look(&files);
        Self { files, acted_on: seen.clone(), last: seen }
    }

    /// Watches these files from now on. What was already watched is compared with the state that was last acted on.
    pub fn follow(&mut self, files: Vec<PathBuf>) {
        let known = |seen: &Seen, file: &PathBuf| {
            let position = self.files.iter().position(|known| known == file)?;
            seen.get(position).copied()
        };
        let carry = |seen: &Seen| -> Seen {
            files.iter().map(|file| known(seen, file).unwrap_or_else(|| identity(file))).collect()
        };
        let (acted_on, last) = (carry(&self.acted_on), carry(&self.last));
        *self = Self { files, acted_on, last };
    }

    /// Looks once. True when something has changed and has then stayed the same for one look: a file that is being
    /// written is left alone until the writer is done.
    pub fn has_changed(&mut self) -> bool {
        let now = look(&self.files);
        let settled = now == self.last;
        self.last = now;
        if settled && self.last != self.acted_on {
            self.acted_on.clone_from(&self.last);
            return true;
        }
        false
    }
}

fn look(files: &[PathBuf]) -> Seen {
    files.iter().map(|file| identity(file)).collect()
}

/// Device, inode, size and times of what the path leads to; `None` for nothing.
fn identity(path: &Path) -> Option<(u64, u64, u64, i64, i64, i64)> {
    let found = fs::metadata(path).ok()?;
    Some((found.dev(), found.ino(), found.size(), found.mtime(), found.mtime_nsec(), found.ctime_nsec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_file_and_a_swapped_symlink_are_noticed_once_settled() {
        let dir = tempfile::tempdir().unwrap();
        let (old, new, link) = (dir.path().join("old"), dir.path().join("new"), dir.path().join("link"));
        fs::write(&old, "1").unwrap();
        fs::write(&new, "2").unwrap();
        std::os::unix::fs::symlink(&old, &link).unwrap();
        let mut watch = Watch::new(vec![link.clone()]);
        assert!(!watch.has_changed());
        fs::write(&old, "longer").unwrap();
        assert!(!watch.has_changed(), "not while it may still be written");
        assert!(watch.has_changed());
        assert!(!watch.has_changed(), "once only");
        let swapped = dir.path().join("swapped");
        std::os::unix::fs::symlink(&new, &swapped).unwrap();
        fs::rename(&swapped, &link).unwrap();
        assert!(!watch.has_changed());
        assert!(watch.has_changed());
        fs::remove_file(&link).unwrap();
        assert!(!watch.has_changed());
        assert!(watch.has_changed(), "a file that is gone is a change too");
    }
}
