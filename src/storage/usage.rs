//! The room that the layers of a repository take.

use std::os::fd::OwnedFd;

use super::{
    NotRead, Storage, blob_path,
    files::{Reach, Wait, names, regular_file},
    linked::repository,
};
use crate::registry::{Digest, RepositoryName};

/// The layers and configurations that a repository links, as far as their bytes are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Usage {
    /// Bytes, compressed as they were pushed.
    pub(crate) bytes: u64,
    pub(crate) blobs: usize,
}

/// The most blobs of a repository that are looked at, some 10 µs each.
const MOST: usize = 20_000;

impl Storage {
    /// Adds up the blobs of a repository. What was deleted counts until the registry collects its garbage; manifests do
    /// not count.
    ///
    /// # Errors
    /// They are too many, or cannot be read, within two seconds.
    pub(crate) async fn usage(&self, name: &RepositoryName) -> Result<Usage, NotRead> {
        let layers = format!("{}/_layers/sha256", repository(name));
        self.walk(move |root| added_up(root, &layers)).await
    }
}

fn added_up(root: &OwnedFd, layers: &str) -> Result<Usage, NotRead> {
    let linked = match names(root, layers, MOST + 1) {
        Err(NotRead::Missing) => Vec::new(),
        linked => linked?,
    };
    if linked.len() > MOST {
        return Err(NotRead::Other);
    }
    let mut usage = Usage::default();
    for hex in linked {
        let Some(path) = Digest::parse(&format!("sha256:{hex}")).as_ref().and_then(blob_path) else {
            continue;
        };
        match regular_file(root, &path, Wait::ForDisk, Reach::RootOnly) {
            Ok((_, size)) => {
                usage = Usage { bytes: usage.bytes.saturating_add(size), blobs: usage.blobs + 1 };
            }
            // Its garbage was collected, and the link is left.
            Err(NotRead::Missing) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(usage)
}
