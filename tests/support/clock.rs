//! A wall clock that jumps under a running program: libfaketime, which reads its offset from a file. The monotonic
//! clock is left as it is, as the kernel leaves it when the time is set.

use std::{
    fs,
    path::{Path, PathBuf},
};

use tempfile::TempDir;

use super::{portwarden::Builder, programs};

/// A clock of its own for one program.
pub struct Clock(TempDir);

impl Clock {
    /// One that is right.
    pub fn right() -> Self {
        let clock = Self(tempfile::Builder::new().prefix("portwarden-clock-").tempdir().unwrap());
        clock.set("+0");
        clock
    }

    /// Gives it to a program that will be started.
    pub fn of(&self, builder: Builder) -> Builder {
        let file = self.file();
        [
            ("LD_PRELOAD", library().to_str().unwrap()),
            ("FAKETIME_TIMESTAMP_FILE", file.to_str().unwrap()),
            // Read the file each time.
            ("FAKETIME_NO_CACHE", "1"),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
            // Times of files stay as they are.
            ("NO_FAKE_STAT", "1"),
        ]
        .into_iter()
        .fold(builder, |builder, (name, value)| builder.environment(name, value))
    }

    /// Sets the offset from now on: `+2h`, `-30d`.
    pub fn set(&self, offset: &str) {
        // Never read half written.
        let next = self.0.path().join("next");
        fs::write(&next, format!("{offset}\n")).unwrap();
        fs::rename(next, self.file()).unwrap();
    }

    fn file(&self) -> PathBuf {
        self.0.path().join("offset")
    }
}

fn library() -> PathBuf {
    let architectures = fs::read_dir("/usr/lib").unwrap().flatten().map(|entry| entry.path());
    let libraries = architectures.map(|directory: PathBuf| directory.join("faketime/libfaketimeMT.so.1"));
    let found = libraries.into_iter().find(|library: &PathBuf| Path::exists(library));
    found.unwrap_or_else(|| panic!("{}", programs::missing("libfaketimeMT.so.1")))
}
