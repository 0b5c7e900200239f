//! Signatures, SBOMs and attestations that clients keep under tags of their own, beside the images they belong to.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use hyper::StatusCode;
use tokio::time::timeout;

use super::{
    page_error::{PageError, PageResult},
    reader::{FoundManifest, Reader},
};
use crate::{
    image::{Attachment, Descriptor, Manifest},
    proxy::forward::gather::gather,
    registry::{ErrorCode, RepositoryName, Tag},
    ui::{Badges, Orphan},
};

/// The time for which such tags are looked into at the most; badges that are not known by then are left out.
const PATIENCE: Duration = Duration::from_secs(5);
/// Subjects that are looked for, of tags that belong to none of the images that are listed.
const LOOKED_FOR: usize = 50;

/// The tags of a repository that attach something, by the digest of their subject.
pub(super) struct Attachments(BTreeMap<String, Vec<(Tag, Attachment)>>);

impl Attachments {
    /// Takes them out of the tags.
    pub(super) fn taken_from(tags: &mut Vec<Tag>) -> Self {
        let mut found: BTreeMap<String, Vec<(Tag, Attachment)>> = BTreeMap::new();
        tags.retain(|tag| match Attachment::of_tag(tag.as_str()) {
            Some(attachment) => {
                found.entry(attachment.digest.clone()).or_default().push((tag.clone(), attachment));
                false
            }
            None => true,
        });
        Self(found)
    }

    /// Returns the number of tags that attach something to a manifest.
    pub(super) fn number_of(&self, digest: &str) -> usize {
        self.0.get(digest).map_or(0, Vec::len)
    }

    /// Returns the badges of these digests. Lists of referrers are read for that.
    pub(super) async fn badges(
        &self,
        reader: &Reader,
        name: &RepositoryName,
        digests: impl Iterator<Item = &str>,
    ) -> HashMap<String, Badges> {
        let mut badges: HashMap<String, Badges> = HashMap::new();
        let mut lists = Vec::new();
        for (digest, attached) in digests.filter_map(|digest| self.0.get_key_value(digest)) {
            for (tag, attachment) in attached {
                match attachment.kind {
                    Some(kind) => badges.entry(digest.clone()).or_default().add(kind),
                    None => lists.push((digest.clone(), tag.clone())),
                }
            }
        }
        let read = gather(lists.clone(), PATIENCE, |(_, tag)| {
            let (reader, name) = (reader.clone(), name.clone());
            async move { reader.manifest(&name, tag.as_str()).await }
        });
        for ((digest, _), found) in lists.into_iter().zip(read.await) {
            if let Some(Ok(FoundManifest { manifest: Manifest::Index { manifests, .. }, .. })) = found {
                let badges = badges.entry(digest).or_default();
                for entry in manifests {
                    badges.add(&entry.kind().unwrap_or(entry.media_type));
                }
            }
        }
        badges
    }

    /// Returns the tags whose subject is none of these digests, and whether there still is such a manifest; and the
    /// number of further ones that were not looked at.
    pub(super) async fn orphans(
        self,
        reader: &Reader,
        name: &RepositoryName,
        digests: impl Iterator<Item = &str>,
    ) -> (Vec<Orphan>, usize) {
        let Self(mut left) = self;
        digests.for_each(|digest| drop(left.remove(digest)));
        let more = left.values().skip(LOOKED_FOR).map(Vec::len).sum();
        let subjects: Vec<String> = left.keys().take(LOOKED_FOR).cloned().collect();
        let found = gather(subjects, PATIENCE, |digest: String| {
            let (reader, name) = (reader.clone(), name.clone());
            async move { reader.digest_of(&name, &digest).await }
        });
        let is_there = |found: Option<PageResult<_>>| match found? {
            Ok(_) => Some(true),
            Err(PageError::NotFound) => Some(false),
            Err(_) => None,
        };
        let mut orphans = Vec::new();
        for ((subject, tags), found) in left.into_iter().zip(found.await) {
            let subject_is_there = is_there(found);
            orphans.extend(tags.into_iter().map(|(tag, attachment)| Orphan {
                tag: tag.to_string(),
                kind: attachment.kind.unwrap_or("list of referrers"),
                subject: subject.clone(),
                subject_is_there,
            }));
        }
        (orphans, more)
    }
}

/// The badges of these manifests by what the registry itself lists as their referrers (OCI distribution 1.1), for a
/// visitor that may see all of a repository. Each list is asked for once a minute, and of a registry that has none, one.
pub(super) async fn listed_badges(
    reader: &Reader,
    name: &RepositoryName,
    digests: Vec<String>,
) -> HashMap<String, Badges> {
    let known = reader.tags.referrers();
    if known.has_none() || !reader.may_list(name).await.unwrap_or(false) {
        return HashMap::new();
    }
    let of_known = |digest: &String| known.get(name, digest).map(|badges| (digest.clone(), badges));
    let mut badges: HashMap<String, Badges> = digests.iter().filter_map(of_known).collect();
    let mut unknown = digests.into_iter().filter(|digest| !badges.contains_key(digest));
    let before = known.before();
    // One first: the answer tells whether to ask for the others.
    let Some(first) = unknown.next() else { return badges };
    let read = timeout(PATIENCE, list_of(reader, name, &first)).await;
    let mut found = vec![(first, read.ok())];
    match &found[..] {
        [(_, Some(Ok(_)))] => {}
        [(_, Some(Err(PageError::NotFound)))] => {
            known.found_none();
            return badges;
        }
        _ => return badges,
    }
    let others: Vec<String> = unknown.collect();
    let read = gather(others.clone(), PATIENCE, |digest: String| {
        let (reader, name) = (reader.clone(), name.clone());
        async move { list_of(&reader, &name, &digest).await }
    });
    found.extend(others.into_iter().zip(read.await));
    for (digest, list) in found {
        let list = match list {
            Some(Ok(list)) => list,
            Some(Err(PageError::NotFound)) => Vec::new(),
            _ => continue,
        };
        let mut of_this = Badges::default();
        list.iter().for_each(|entry| of_this.add(entry.kind().as_deref().unwrap_or(&entry.media_type)));
        known.keep(name, &digest, of_this, before);
        badges.insert(digest, of_this);
    }
    badges
}

/// A list of referrers. One that is too large to be looked into counts as empty: pushers choose how many there are, and
/// it is to be read once a minute like the others, and hide none of them.
async fn list_of(reader: &Reader, name: &RepositoryName, digest: &str) -> PageResult<Vec<Descriptor>> {
    let is_too_large = |error: &PageError| match error {
        PageError::Strange(status) => *status == StatusCode::OK,
        PageError::Refused(refusal) => refusal.code == ErrorCode::BadGateway && refusal.retry_after.is_none(),
        _ => false,
    };
    match reader.referrers(name, digest).await {
        Err(error) if is_too_large(&error) => Ok(Vec::new()),
        list => list,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_that_attach_something_are_no_tags_of_images() {
        let hex = "0123456789abcdef".repeat(4);
        let names = ["latest", "sha256-0123", &format!("sha256-{hex}.sig"), &format!("sha256-{hex}"), "1.0"];
        let mut tags: Vec<Tag> = names.iter().map(|tag| Tag::parse(tag).unwrap()).collect();
        let Attachments(found) = Attachments::taken_from(&mut tags);
        assert_eq!(tags.iter().map(Tag::as_str).collect::<Vec<_>>(), ["latest", "sha256-0123", "1.0"]);
        let kinds: Vec<_> = found[&format!("sha256:{hex}")].iter().map(|(_, one)| one.kind).collect();
        assert_eq!(kinds, [Some("signature (cosign)"), None]);
    }
}
