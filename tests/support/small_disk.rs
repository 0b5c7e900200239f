//! A disk that is soon full: a tmpfs of a few KiB. Mounting is root's to do, as starting a docker daemon is.

use std::{
    fs::{self, File},
    io::Write as _,
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

use super::programs;

/// A file system of its own; unmounted when dropped.
pub struct SmallDisk(TempDir);

impl SmallDisk {
    /// One of so many KiB.
    pub fn new(kib: usize) -> Self {
        let directory = tempfile::Builder::new().prefix("portwarden-disk-").tempdir().unwrap();
        let mut mount = programs::command("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={kib}k"), "tmpfs"]).arg(directory.path());
        let mounted = mount.status().unwrap();
        assert!(mounted.success(), "cannot mount a tmpfs; the tests need root, or sudo");
        Self(directory)
    }

    /// Returns its path.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Leaves no room.
    pub fn fill(&self) {
        let mut filler = File::options().create(true).append(true).open(self.filler()).unwrap();
        while filler.write_all(&[0; 4096]).is_ok() {}
        while filler.write_all(&[0]).is_ok() {}
    }

    /// Makes room again.
    pub fn clear(&self) {
        fs::remove_file(self.filler()).unwrap();
    }

    fn filler(&self) -> PathBuf {
        self.path().join("filler")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a program that was told to end may still have a file open.
        let _ = Command::new("umount").arg("--lazy").arg(self.path()).status();
    }
}
