//! The registry's own files, read beside it: the bytes of a blob that the registry has vouched for (`registry.storage`),
//! and what the links of a repository say that it has (`registry.storage_answers`).
//!
//! The bytes of blobs are named by their content, so no directory, however wrong, makes a blob of one repository readable
//! in another as long as the registry itself is asked for that first. Nothing is written. Knows nothing of HTTP and of
//! accounts.

mod blob;
mod files;
mod linked;
mod lists;
mod uploads;
mod usage;

use std::{
    io,
    ops::Range,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use rustix::{
    fs::{self, Mode, OFlags},
    io::Errno,
};
use tokio::{sync::Semaphore, task::spawn_blocking};

use crate::{net::within, registry::Digest};
pub(crate) use blob::BlobReader;
use files::{Reach, Wait, regular_file};
pub(crate) use lists::{Lists, Part};
pub(crate) use usage::Usage;

/// The storage of a registry with the file system driver.
#[derive(Debug)]
pub struct Storage {
    path: PathBuf,
    root: Arc<OwnedFd>,
    /// True if no file of this file system waits for another machine or another process.
    is_local: bool,
    /// For reads that may wait for the disk, each on a thread of its own. One that hangs keeps its turn.
    turns: Arc<Semaphore>,
    /// For walks, which have a turn of both.
    walks: Arc<Semaphore>,
}

/// The reason why something is not read from a file. Nothing was sent: the registry can be asked instead.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotRead {
    /// There is no such file.
    #[error("there is no such file")]
    Missing,
    /// It is a directory, a link or another kind of file, or of another size or content than it should be.
    #[error("it is no plain file of the size and content that it should have")]
    Other,
    /// It cannot be opened.
    #[error("{0}")]
    Unreadable(io::Error),
    /// The disk does not answer, or too many reads wait for it.
    #[error("the disk does not answer in time")]
    Slow,
}

/// Reads that wait for the disk at once. Each may take a thread, and all together leave threads for passwords.
const AT_ONCE: usize = 64;
/// Walks through many directories at once. One that is not waited for any more goes on to its end, so that clients who hang
/// up could otherwise take all turns with them.
const WALKS: usize = 4;
/// The time for which a look at files may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// File systems of disks of this machine (`linux/magic.h`): ext2 to ext4, XFS, Btrfs, ZFS, tmpfs, F2FS, bcachefs. What
/// one process writes there, all others see at once. NFS, CIFS, 9P and FUSE may show what was there a while ago, and an
/// overlay what is in another layer.
const LOCAL: [u32; 7] =
    [0xEF53, 0x5846_5342, 0x9123_683E, 0x2FC1_2FC1, 0x0102_1994, 0xF2F5_2010, 0xCA45_1A4E];

impl Storage {
    /// Opens the root directory, as in `storage.filesystem.rootdirectory` of the registry.
    ///
    /// # Errors
    /// It cannot be opened, or is no directory.
    pub fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = Arc::new(fs::open(path, flags, Mode::empty())?);
        // A file system that does not say what it is is none of them.
        let kind = fs::fstatfs(&root).ok().and_then(|found| u32::try_from(found.f_type).ok()).unwrap_or(0);
        let [turns, walks] = [AT_ONCE, WALKS].map(|most| Arc::new(Semaphore::new(most)));
        Ok(Self { path: path.to_owned(), root, is_local: LOCAL.contains(&kind), turns, walks })
    }

    /// Returns the root directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns true if the files show at once what the registry writes.
    pub(crate) fn is_local(&self) -> bool {
        self.is_local
    }

    /// Opens a blob of `size` bytes, of which `part` is to be read.
    ///
    /// # Errors
    /// It is not read, for a reason of [`NotRead`]; within two seconds.
    pub(crate) async fn blob(
        &self,
        digest: &Digest,
        size: u64,
        part: Range<u64>,
    ) -> Result<BlobReader, NotRead> {
        let path = blob_path(digest).ok_or(NotRead::Missing)?;
        let look = move |root: &OwnedFd, wait| regular_file(root, &path, wait, Reach::Mounts);
        let (file, found) = self.look(look).await?;
        if found != size || part.end > size {
            return Err(NotRead::Other);
        }
        Ok(BlobReader::new(file, part, Arc::clone(&self.turns)))
    }

    /// Takes a look at the files: at once where all that it needs is at hand, else on another thread.
    ///
    /// # Errors
    /// Those of the look, and [`NotRead::Slow`] after two seconds.
    async fn look<T: Send + 'static>(
        &self,
        look: impl Fn(&OwnedFd, Wait) -> Result<T, NotRead> + Send + 'static,
    ) -> Result<T, NotRead> {
        // Elsewhere a file that is at hand may take its time to open all the same.
        if self.is_local {
            match look(&self.root, Wait::Never) {
                Err(NotRead::Slow) => {}
                found => return found,
            }
        }
        self.look_on_a_thread(move |root| look(root, Wait::ForDisk)).await
    }

    /// The same for a look that may always wait for the disk: a list of names is never at hand.
    ///
    /// # Errors
    /// Those of the look, and [`NotRead::Slow`] after two seconds.
    async fn look_on_a_thread<T: Send + 'static>(
        &self,
        look: impl FnOnce(&OwnedFd) -> Result<T, NotRead> + Send + 'static,
    ) -> Result<T, NotRead> {
        let turn = Arc::clone(&self.turns).try_acquire_owned().map_err(|_| NotRead::Slow)?;
        let root = Arc::clone(&self.root);
        let looking = spawn_blocking(move || {
            let _turn = turn;
            look(&root)
        });
        match within(PATIENCE, looking).await {
            Some(Ok(found)) => found,
            Some(Err(_)) | None => Err(NotRead::Slow),
        }
    }

    /// The same for a look into many directories, of which there are few at once.
    ///
    /// # Errors
    /// Those of the look, and [`NotRead::Slow`] after two seconds, or while there are as many as may be.
    async fn walk<T: Send + 'static>(
        &self,
        walk: impl FnOnce(&OwnedFd) -> Result<T, NotRead> + Send + 'static,
    ) -> Result<T, NotRead> {
        let turn = Arc::clone(&self.walks).try_acquire_owned().map_err(|_| NotRead::Slow)?;
        self.look_on_a_thread(move |root| {
            let _turn = turn;
            walk(root)
        })
        .await
    }
}

impl NotRead {
    /// Returns the word for metrics.
    pub(crate) fn as_str(&self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Other => "other",
            Self::Unreadable(_) => "unreadable",
            Self::Slow => "slow",
        }
    }
}

impl From<Errno> for NotRead {
    fn from(error: Errno) -> Self {
        match error {
            Errno::NOENT => Self::Missing,
            error => Self::Unreadable(error.into()),
        }
    }
}

/// The directory of all that a registry 2 or 3 stores (`registry/storage/paths.go`).
const STORE: &str = "docker/registry/v2";

/// The file of a blob, as the file system driver of registry 2 and 3 names it; `None` for another kind of digest than
/// SHA-256.
fn blob_path(digest: &Digest) -> Option<String> {
    let hex = hex_of(digest)?;
    Some(format!("{STORE}/blobs/sha256/{}/{hex}/data", hex.get(..2)?))
}

fn hex_of(digest: &Digest) -> Option<&str> {
    digest.as_str().strip_prefix("sha256:").filter(|_| digest.is_sha256())
}

#[cfg(test)]
mod tests;
