//! A file of lines that others may rename or remove: the next lines go to a new one of the same name.
//!
//! So `logrotate` needs neither a signal nor `copytruncate`, which loses lines.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use crate::telemetry::line_writer::{Destination, Unwritten, WholeLines};

/// The interval between log lines about a failure.
const COMPLAIN_EVERY: Duration = Duration::from_secs(60);

/// The file under its name. Whole lines are written to it, some at a time.
pub(super) struct RotatedFile {
    path: PathBuf,
    file: File,
    whole: WholeLines,
    complained: Option<Instant>,
}

impl RotatedFile {
    /// Opens the file at its end, and makes it where there is none: for its owner and group.
    ///
    /// # Errors
    /// It cannot be opened.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let file = open(path)?;
        Ok(Self { path: path.to_owned(), file, whole: WholeLines::default(), complained: None })
    }

    /// Returns true if the name still leads to the file that is open.
    fn is_current(&self) -> bool {
        let identity =
            |found: io::Result<std::fs::Metadata>| found.ok().map(|found| (found.dev(), found.ino()));
        let open = identity(self.file.metadata());
        open.is_some() && open == identity(std::fs::metadata(&self.path))
    }

    fn complain(&mut self, error: &io::Error) {
        if self.complained.is_none_or(|since| since.elapsed() >= COMPLAIN_EVERY) {
            self.complained = Some(Instant::now());
            let path = self.path.display();
            tracing::error!(%path, %error, "the audit log cannot be written; requests go on without it");
        }
    }
}

impl Destination for RotatedFile {
    fn write_lines(&mut self, lines: &[u8]) -> Result<(), Unwritten> {
        if !self.is_current() {
            // The old one goes on where a new one cannot be made: a renamed file is better than none.
            match open(&self.path) {
                Ok(file) => (self.file, self.whole) = (file, WholeLines::default()),
                Err(error) => self.complain(&error),
            }
        }
        let written = self.whole.write(&mut self.file, lines);
        written.inspect_err(|Unwritten(error, _)| self.complain(error))
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(0o640).open(path)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn write(file: &mut RotatedFile, line: &str) {
        file.write_lines(line.as_bytes()).unwrap();
    }

    #[test]
    fn lines_after_a_rotation_go_to_a_new_file_of_the_name() {
        let directory = tempfile::tempdir().unwrap();
        let (path, rotated) = (directory.path().join("audit.log"), directory.path().join("audit.log.1"));
        let mut file = RotatedFile::open(&path).unwrap();
        write(&mut file, "1\n");
        fs::rename(&path, &rotated).unwrap();
        write(&mut file, "2\n");
        assert_eq!(
            (fs::read_to_string(&rotated).unwrap(), fs::read_to_string(&path).unwrap()),
            ("1\n".into(), "2\n".into())
        );
        fs::remove_file(&path).unwrap();
        write(&mut file, "3\n");
        assert_eq!(fs::read_to_string(&path).unwrap(), "3\n");
    }

    #[test]
    fn a_directory_that_is_gone_costs_nothing_but_the_name() {
        let directory = tempfile::tempdir().unwrap();
        let inner = directory.path().join("log");
        fs::create_dir(&inner).unwrap();
        let mut file = RotatedFile::open(&inner.join("audit.log")).unwrap();
        fs::rename(&inner, directory.path().join("moved")).unwrap();
        write(&mut file, "1\n");
        assert_eq!(fs::read_to_string(directory.path().join("moved/audit.log")).unwrap(), "1\n");
    }

    #[test]
    fn a_full_disk_loses_lines_and_counts_them() {
        let mut file = RotatedFile::open(Path::new("/dev/full")).unwrap();
        for _ in 0..3 {
            let Unwritten(error, lost) = file.write_lines(b"lost\nlost\n").unwrap_err();
            assert_eq!((error.kind(), lost), (io::ErrorKind::StorageFull, 2));
        }
    }
}
