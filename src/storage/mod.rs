//! The registry's own files, read beside it: the bytes of a blob that the registry has vouched for (`registry.storage`).
//!
//! Files are named by their content, so no directory, however wrong, makes a blob of one repository readable in another:
//! the registry itself is asked for that first. Nothing is written. Knows nothing of HTTP and of accounts.

mod blob;

use std::{
    io,
    ops::Range,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use rustix::{
    fs::{self, FileType, Mode, OFlags, ResolveFlags},
    io::Errno,
};
use tokio::{sync::Semaphore, task::spawn_blocking};

use crate::{net::within, registry::Digest};
pub(crate) use blob::BlobReader;

/// The storage of a registry with the file system driver.
#[derive(Debug)]
pub struct Storage {
    path: PathBuf,
    root: Arc<OwnedFd>,
    /// For reads that may wait for the disk, each on a thread of its own. One that hangs keeps its turn.
    turns: Arc<Semaphore>,
}

/// The reason why a blob is not read from its file. Nothing was sent: the registry can be asked instead.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotRead {
    /// There is no such file.
    #[error("there is no such file")]
    Missing,
    /// It is a directory, a link or another kind of file, or of another size than the registry says.
    #[error("it is not a file of {0} bytes")]
    Other(u64),
    /// It cannot be opened.
    #[error("{0}")]
    Unreadable(io::Error),
    /// The disk does not answer, or too many reads wait for it.
    #[error("the disk does not answer in time")]
    Slow,
}

/// Reads that wait for the disk at once. Each may take a thread, and all together leave threads for passwords.
const AT_ONCE: usize = 64;
/// The time for which a file may take to open.
const PATIENCE: Duration = Duration::from_secs(2);

impl Storage {
    /// Opens the root directory, as in `storage.filesystem.rootdirectory` of the registry.
    ///
    /// # Errors
    /// It cannot be opened, or is no directory.
    pub fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = Arc::new(fs::open(path, flags, Mode::empty())?);
        Ok(Self { path: path.to_owned(), root, turns: Arc::new(Semaphore::new(AT_ONCE)) })
    }

    /// Returns the root directory.
    pub fn path(&self) -> &Path {
        &self.path
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
        let file = match open(&self.root, &path, ResolveFlags::CACHED) {
            // The path is not at hand, or this system cannot tell.
            Err(Errno::AGAIN | Errno::INVAL) => self.open_slowly(path).await?,
            opened => opened.map_err(refused)?,
        };
        let found = fs::fstat(&file).map_err(|error| NotRead::Unreadable(error.into()))?;
        let is_file = FileType::from_raw_mode(found.st_mode) == FileType::RegularFile;
        if !is_file || u64::try_from(found.st_size) != Ok(size) || part.end > size {
            return Err(NotRead::Other(size));
        }
        Ok(BlobReader::new(file, part, Arc::clone(&self.turns)))
    }

    async fn open_slowly(&self, path: String) -> Result<OwnedFd, NotRead> {
        let turn = Arc::clone(&self.turns).try_acquire_owned().map_err(|_| NotRead::Slow)?;
        let root = Arc::clone(&self.root);
        let opening = spawn_blocking(move || {
            let _turn = turn;
            open(&root, &path, ResolveFlags::empty())
        });
        match within(PATIENCE, opening).await {
            Some(Ok(opened)) => opened.map_err(refused),
            Some(Err(_)) | None => Err(NotRead::Slow),
        }
    }
}

impl NotRead {
    /// Returns the word for metrics.
    pub(crate) fn as_str(&self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Other(_) => "other",
            Self::Unreadable(_) => "unreadable",
            Self::Slow => "slow",
        }
    }
}

fn refused(error: Errno) -> NotRead {
    match error {
        Errno::NOENT => NotRead::Missing,
        error => NotRead::Unreadable(error.into()),
    }
}

/// The file of a blob, as the file system driver of registry 2 and 3 names it (`registry/storage/paths.go`); `None` for
/// another kind of digest than SHA-256.
fn blob_path(digest: &Digest) -> Option<String> {
    let hex = digest.as_str().strip_prefix("sha256:").filter(|_| digest.is_sha256())?;
    Some(format!("docker/registry/v2/blobs/sha256/{}/{hex}/data", hex.get(..2)?))
}

/// Opens a file below the root, through no link; a pipe does not keep it waiting.
fn open(root: &OwnedFd, path: &str, resolve: ResolveFlags) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOCTTY | OFlags::NONBLOCK;
    let resolve = resolve | ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    fs::openat2(root, path, flags, Mode::empty(), resolve)
}

#[cfg(test)]
mod tests;
