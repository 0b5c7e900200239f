//! The tags that go with a manifest which is deleted by its digest: for those that hear of the deletion.

use std::time::Duration;

use tokio::time::timeout;

use super::{Passage, WriteOnceGate};
use crate::{
    proxy::{
        forward::{gather::gather, subrequest::Subrequest, tag_reader::TagReader},
        request_log::RequestLog,
    },
    registry::{Digest, Endpoint, Method, RepositoryName, Route, Tag},
};

/// The most tags of a repository that are looked at.
const MOST: usize = 1_000;
/// The time for that. Pushes of manifests to the repository wait meanwhile.
const PATIENCE: Duration = Duration::from_secs(5);

impl WriteOnceGate {
    /// Returns true for the deletion of a manifest by its digest.
    pub(in crate::proxy) fn takes_tags_along(route: &Route) -> bool {
        route.method() == Method::Delete && matches!(route.endpoint(), Endpoint::ManifestByDigest(..))
    }

    /// Tells `log` which tags are on the manifest that is to be deleted, while no manifest can be pushed to its repository,
    /// and returns what the deletion holds. Where that cannot be told, the deletion goes on all the same.
    pub(in crate::proxy) async fn name_tags(
        &self,
        route: &Route,
        account: &str,
        registry: &Subrequest,
        passage: Passage,
        log: &mut RequestLog,
    ) -> Passage {
        let Endpoint::ManifestByDigest(name, digest) = route.endpoint() else { return passage };
        let passage = if passage.is_of_deletion() {
            passage
        } else {
            match self.locks.for_deletion(name, account).await {
                Ok(locked) => locked,
                Err(_) => return passage,
            }
        };
        if let Ok(Some(tags)) = timeout(PATIENCE, tags_on(registry, name, digest)).await {
            log.takes_along(tags);
        }
        passage
    }
}

/// The tags on a manifest; `None` where there are too many to look at, or one cannot be read.
async fn tags_on(registry: &Subrequest, name: &RepositoryName, digest: &Digest) -> Option<Vec<String>> {
    let tags = TagReader { registry, name }.all().await.ok()?.unwrap_or_default();
    // The digest of another algorithm may name the same manifest.
    if tags.len() > MOST || !digest.is_sha256() {
        return None;
    }
    let found = gather(tags.clone(), PATIENCE, |tag: Tag| {
        let (registry, name) = (registry.clone(), name.clone());
        async move { TagReader { registry: &registry, name: &name }.digest_of(&tag).await }
    });
    let mut on_it = Vec::new();
    for (tag, found) in tags.iter().zip(found.await) {
        if found?.ok()?.as_ref() == Some(digest) {
            on_it.push(tag.to_string());
        }
    }
    // Registry 2.8 lists them in any order.
    on_it.sort();
    Some(on_it)
}
