//! A look for the traces of an upload, by which it shows that these are the files of that registry.

use std::{os::fd::OwnedFd, time::Instant};

use rustix::fs;

use super::{
    NotRead, PATIENCE, STORE, Storage,
    files::{Reach, names, regular_file},
    linked::repository,
};
use crate::registry::{RepositoryName, UploadId};

/// The time at which a file was written last, and the file that it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    seconds: i64,
    nanoseconds: u64,
    inode: u64,
}

/// Directories that are looked into for a repository, some 30 µs each: many may be left of repositories without tags.
const MOST_DIRECTORIES: usize = 30_000;

impl Storage {
    /// Returns the time at which the registry was last busy with an upload that has no byte yet: with each request it writes
    /// the state of the digest anew. `None` where the files show no such upload.
    ///
    /// # Errors
    /// They cannot be read, within two seconds.
    pub(crate) async fn upload_stamp(
        &self,
        name: &RepositoryName,
        id: &UploadId,
    ) -> Result<Option<Stamp>, NotRead> {
        let path = format!("{}/_uploads/{id}/hashstates/sha256/0", repository(name));
        let look = move |root: &OwnedFd, wait| {
            let (file, _) = regular_file(root, &path, wait, Reach::RootOnly)?;
            let found = fs::fstat(&file)?;
            // The registry may write it in place, which a copy of hard links would show as well.
            if found.st_nlink != 1 {
                return Err(NotRead::Other);
            }
            Ok(Stamp { seconds: found.st_mtime, nanoseconds: found.st_mtime_nsec, inode: found.st_ino })
        };
        match self.look(look).await {
            Ok(stamp) => Ok(Some(stamp)),
            Err(NotRead::Missing) => Ok(None),
            Err(other) => Err(other),
        }
    }

    /// Returns a repository that has tags; `None` where there is none among the first 30,000 directories.
    ///
    /// # Errors
    /// They cannot be read, within two seconds.
    pub(crate) async fn some_repository(&self) -> Result<Option<RepositoryName>, NotRead> {
        self.look_on_a_thread(first_repository).await
    }
}

fn first_repository(root: &OwnedFd) -> Result<Option<RepositoryName>, NotRead> {
    let all = format!("{STORE}/repositories");
    // After that it is not waited for, and what it has read is at hand for the next attempt.
    let until = Instant::now() + PATIENCE;
    let mut waiting: Vec<String> = names(root, &all, usize::MAX)?;
    for _ in 0..MOST_DIRECTORIES {
        if Instant::now() > until {
            return Err(NotRead::Slow);
        }
        let Some(name) = waiting.pop() else { break };
        let path = format!("{all}/{name}");
        // What is no directory, or is gone, has none.
        let below = names(root, &path, usize::MAX).unwrap_or_default();
        if names(root, &format!("{path}/_manifests/tags"), 1).is_ok_and(|tags| !tags.is_empty())
            && let Some(name) = RepositoryName::parse(&name)
        {
            return Ok(Some(name));
        }
        waiting.extend(
            below.iter().filter(|child| !child.starts_with('_')).map(|child| format!("{name}/{child}")),
        );
    }
    Ok(None)
}
