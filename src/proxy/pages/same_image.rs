//! The tags on the digest of an image that is shown, as far as they are found without looking at each of thousands.

use std::time::Duration;

use super::{activity::Known, reader::Reader, tag_order, visit::Visit};
use crate::{
    proxy::forward::gather::gather,
    registry::{Digest, RepositoryName, Tag},
    ui::{Done, Order, TagActivity},
};

/// The tags of a repository of which the last push is read.
const WITH_TIMES: usize = 5_000;
/// The tags that the registry is asked about.
const ASKED_ABOUT: usize = 100;
/// The time for that.
const PATIENCE: Duration = Duration::from_secs(2);

/// Tags that name a digest, which the visitor may pull.
pub(super) struct SameImage {
    /// By version, the highest first.
    pub(super) tags: Vec<Tag>,
    pushed: Option<Done>,
}

impl SameImage {
    /// Finds them: a tag whose last push is known to be of another digest is passed over, and those that are known to
    /// name it are asked about first.
    pub(super) async fn of(reader: &Reader, visit: &Visit, name: &RepositoryName, digest: &Digest) -> Self {
        let all = reader.image_tags(name).await.unwrap_or_default();
        let names = all.iter().take(WITH_TIMES).map(Tag::to_string);
        let known = Known::of(&reader.snapshot, visit, name, names).await;
        let names_it = |tag: &Tag| known.digest_of(tag.as_str()).map(|named| named == digest.as_str());
        let mut candidates: Vec<&Tag> = all.iter().filter(|tag| names_it(tag) != Some(false)).collect();
        candidates.sort_by_key(|tag| names_it(tag).is_none());
        let candidates: Vec<Tag> = candidates.into_iter().take(ASKED_ABOUT).cloned().collect();
        let found = gather(candidates.clone(), PATIENCE, |tag: Tag| {
            let (reader, name) = (reader.clone(), name.clone());
            async move { reader.digest_of(&name, tag.as_str()).await.ok() }
        });
        let found = candidates.into_iter().zip(found.await);
        let on_it =
            found.filter(|(_, found)| found.as_ref().is_some_and(|found| found.as_ref() == Some(digest)));
        let mut tags: Vec<Tag> = on_it.map(|(tag, _)| tag).collect();
        tag_order::sort(&mut tags, Order::Version, |tag| tag, |_| None::<u64>);
        let pushes = tags.iter().filter_map(|tag| known.get(tag.as_str(), Some(digest.as_str()))?.pushed);
        let pushed = pushes.max_by_key(|pushed| pushed.at);
        Self { tags, pushed }
    }

    /// Returns the activity of a reference to it, with the last push of any tag if none of the reference is known.
    pub(super) fn with_push(&self, of_it: Option<TagActivity>) -> Option<TagActivity> {
        let pushed = of_it.as_ref().and_then(|known| known.pushed.clone()).or_else(|| self.pushed.clone());
        match of_it {
            Some(known) => Some(TagActivity { pushed, ..known }),
            None => pushed.map(|pushed| TagActivity { pushed: Some(pushed), pulled: None, pulls: 0 }),
        }
    }
}
