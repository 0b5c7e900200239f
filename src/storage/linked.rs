//! The content of a repository, by the links in its files: blobs, and manifests by tag or digest. Registry 2.8 and 3 find them
//! in the same way (`registry/storage/linkedblobstore.go`, `tagstore.go`).

use std::{os::fd::OwnedFd, sync::Arc};

use bytes::Bytes;

use super::{
    BlobReader, NotRead, STORE, Storage, blob_path,
    files::{Reach, Wait, read_file, regular_file},
    hex_of,
};
use crate::registry::{Digest, RepositoryName, Tag};

/// A manifest that a repository has.
#[derive(Debug)]
pub(crate) struct LinkedManifest {
    /// The digest: that of the content.
    pub(crate) digest: Digest,
    /// All of it.
    pub(crate) content: Bytes,
}

/// The largest manifest that is read whole. Larger ones are left to the registry.
const LARGEST_MANIFEST: usize = 64 << 10;

/// The bytes of a link: `sha256:` and 64 digits.
const LINK: usize = 71;

impl Storage {
    /// Opens a blob that a repository has, all of it.
    ///
    /// # Errors
    /// No link of the repository says so, or the blob is not read; within two seconds.
    pub(crate) async fn linked_blob(
        &self,
        name: &RepositoryName,
        digest: &Digest,
    ) -> Result<BlobReader, NotRead> {
        let hex = hex_of(digest).ok_or(NotRead::Missing)?;
        let link = format!("{}/_layers/sha256/{hex}/link", repository(name));
        let data = blob_path(digest).ok_or(NotRead::Missing)?;
        let digest = digest.clone();
        let look = move |root: &OwnedFd, wait| {
            // A link to another digest is an alias, which the registry alone follows.
            if read_link(root, &link, wait)? != digest {
                return Err(NotRead::Other);
            }
            let (file, size) = regular_file(root, &data, wait, Reach::RootOnly)?;
            // Registry 2.8 writes some files in place: an empty one is yet to be written.
            if size == 0 && Digest::of(b"") != digest { Err(NotRead::Other) } else { Ok((file, size)) }
        };
        let (file, size) = self.look(look).await?;
        Ok(BlobReader::new(file, 0..size, Arc::clone(&self.turns)))
    }

    /// Reads the manifest of a tag.
    ///
    /// # Errors
    /// The repository has no such tag, or the manifest is not read; within two seconds.
    pub(crate) async fn tagged_manifest(
        &self,
        name: &RepositoryName,
        tag: &Tag,
    ) -> Result<LinkedManifest, NotRead> {
        let (repository, link) = (repository(name), tag_link(name, tag));
        self.look(move |root, wait| manifest(root, &repository, read_link(root, &link, wait)?, wait)).await
    }

    /// Returns true if there is no such tag: not even a link of it that leads nowhere.
    pub(crate) async fn lacks_tag(&self, name: &RepositoryName, tag: &Tag) -> bool {
        let link = tag_link(name, tag);
        let look = self.look(move |root, wait| regular_file(root, &link, wait, Reach::RootOnly));
        matches!(look.await, Err(NotRead::Missing))
    }

    /// Reads a manifest by its digest.
    ///
    /// # Errors
    /// No link of the repository says that it has it, or it is not read; within two seconds.
    pub(crate) async fn linked_manifest(
        &self,
        name: &RepositoryName,
        digest: &Digest,
    ) -> Result<LinkedManifest, NotRead> {
        let (repository, digest) = (repository(name), digest.clone());
        self.look(move |root, wait| manifest(root, &repository, digest.clone(), wait)).await
    }
}

/// The directory of a repository.
pub(super) fn repository(name: &RepositoryName) -> String {
    format!("{STORE}/repositories/{name}")
}

fn tag_link(name: &RepositoryName, tag: &Tag) -> String {
    format!("{}/_manifests/tags/{tag}/current/link", repository(name))
}

fn manifest(root: &OwnedFd, repository: &str, digest: Digest, wait: Wait) -> Result<LinkedManifest, NotRead> {
    let hex = hex_of(&digest).ok_or(NotRead::Missing)?;
    let link = format!("{repository}/_manifests/revisions/sha256/{hex}/link");
    if read_link(root, &link, wait)? != digest {
        return Err(NotRead::Other);
    }
    let data = blob_path(&digest).ok_or(NotRead::Missing)?;
    let content = read_file(root, &data, LARGEST_MANIFEST, wait, Reach::RootOnly)?;
    // Half of it may be written.
    if Digest::of(&content) != digest {
        return Err(NotRead::Other);
    }
    Ok(LinkedManifest { digest, content: content.into() })
}

/// The digest in a link.
fn read_link(root: &OwnedFd, path: &str, wait: Wait) -> Result<Digest, NotRead> {
    let content = read_file(root, path, LINK, wait, Reach::RootOnly)?;
    let digest = String::from_utf8(content).ok().and_then(|text| Digest::parse(&text));
    digest.filter(Digest::is_sha256).ok_or(NotRead::Other)
}
