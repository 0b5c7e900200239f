//! Reads a repository as a whole: what each tag names, and all manifests that these lead to. Whatever cannot be read is an
//! error, since something that stays may need it.

use std::{
    collections::{HashMap, HashSet},
    mem,
    time::Duration,
};

use hyper::StatusCode;

use super::{Reports, Stop};
use crate::{
    image::NamedDigests,
    proxy::{
        closure::Children,
        forward::{
            gather::gather,
            subrequest::Subrequest,
            tag_reader::{Found, TagReader},
        },
    },
    registry::{Digest, Refusal, RepositoryName, Tag},
    retention::Manifest,
};

/// Questions between two reports of progress.
const AT_A_TIME: usize = 100;
/// The time for so many questions.
const PATIENCE: Duration = Duration::from_secs(60);
/// The number of times that a question without an answer is asked again.
const AGAIN: usize = 3;
/// The pause before that.
const PAUSE: Duration = Duration::from_millis(200);
/// The most manifests that are read of a repository; each takes some hundred bytes of memory.
const MOST: usize = 500_000;

/// A repository that is read.
pub(super) struct Contents<'a> {
    registry: &'a Subrequest,
    name: &'a RepositoryName,
    reports: &'a Reports,
    /// The manifests that were read: what a digest names does not change, so that each is read once.
    manifests: HashMap<Digest, Manifest>,
}

impl<'a> Contents<'a> {
    /// One of which nothing is read.
    pub(super) fn new(registry: &'a Subrequest, name: &'a RepositoryName, reports: &'a Reports) -> Self {
        Self { registry, name, reports, manifests: HashMap::new() }
    }

    /// The tags that are there now, each with its digest. One with the placeholder is not there.
    ///
    /// # Errors
    /// One of them cannot be read, or the command is gone.
    pub(super) async fn tags(&self) -> Result<Vec<(Tag, Digest)>, Stop> {
        let reader = self.reader();
        let names = reader.all().await?.unwrap_or_default();
        let (mut tags, mut unseen) = (Vec::with_capacity(names.len()), Vec::new());
        for (n, some) in names.chunks(AT_A_TIME).enumerate() {
            self.reports.progress(self.name, "tags read", (n * AT_A_TIME, names.len()))?;
            for (tag, digest) in some.iter().zip(digests_of(reader, some).await) {
                match digest? {
                    Some(digest) if digest.is_of_placeholder() => {}
                    Some(digest) => tags.push((tag.clone(), digest)),
                    None => unseen.push(tag),
                }
            }
        }
        for tag in unseen {
            match reader.find(tag).await? {
                Found::Digest(digest) => tags.push((tag.clone(), digest)),
                Found::Nothing | Found::Placeholder => {}
                Found::Listed => return Err(unreadable(self.name, tag)),
            }
        }
        Ok(tags)
    }

    /// Reads all manifests that these tags lead to, and those that tags such as `sha256-<hex>.sig` are about, as far as
    /// they are there. `Contents::manifests` has them.
    ///
    /// # Errors
    /// One of them cannot be read, there are too many, or the command is gone.
    pub(super) async fn read_below(&mut self, tags: &[(Tag, Digest)]) -> Result<(), Stop> {
        let named: HashMap<&Digest, &Tag> = tags.iter().map(|(tag, digest)| (digest, tag)).collect();
        let mut open: Vec<Digest> = tags.iter().map(|(_, digest)| digest.clone()).collect();
        open.extend(tags.iter().filter_map(|(tag, _)| tag.subject()));
        let mut seen = HashSet::new();
        while !open.is_empty() {
            let level: Vec<Digest> =
                mem::take(&mut open).into_iter().filter(|digest| seen.insert(digest.clone())).collect();
            let is_unread = |digest: &&Digest| !self.manifests.contains_key(*digest);
            let unread: Vec<Digest> = level.iter().filter(is_unread).cloned().collect();
            for (n, some) in unread.chunks(AT_A_TIME).enumerate() {
                self.reports.progress(self.name, "manifests read", (n * AT_A_TIME, unread.len()))?;
                self.read(some, &named).await?;
            }
            for manifest in level.iter().filter_map(|digest| self.manifests.get(digest)) {
                open.extend(manifest.manifests.iter().chain(&manifest.subject).cloned());
            }
        }
        Ok(())
    }

    /// The manifests that were read.
    pub(super) fn manifests(&self) -> &HashMap<Digest, Manifest> {
        &self.manifests
    }

    async fn read(&mut self, some: &[Digest], named: &HashMap<&Digest, &Tag>) -> Result<(), Stop> {
        let read = gather(some.to_vec(), PATIENCE, |digest| {
            let (registry, name) = (self.registry.clone(), self.name.clone());
            async move { patiently(|| manifest(TagReader { registry: &registry, name: &name }, &digest)).await }
        });
        for (digest, manifest) in some.iter().zip(read.await) {
            match (manifest.ok_or_else(|| too_slow(self.name))??, named.get(digest)) {
                (Some(manifest), _) => drop(self.manifests.insert(digest.clone(), manifest)),
                // An index may name platforms that were never pushed.
                (None, None) => {}
                (None, Some(tag)) => return Err(unreadable(self.name, tag)),
            }
        }
        if self.manifests.len() > MOST {
            let why = format!("it has more than {MOST} manifests; delete tags with `portwarden untag` first");
            return Err(Stop::Repository(why));
        }
        Ok(())
    }

    fn reader(&self) -> TagReader<'a> {
        TagReader { registry: self.registry, name: self.name }
    }
}

/// The digest of each of these tags; `None` where the registry shows none.
///
/// # Errors
/// Inside: the registry gives no answer.
pub(super) async fn digests_of(
    reader: TagReader<'_>,
    tags: &[Tag],
) -> impl Iterator<Item = Result<Option<Digest>, Stop>> {
    let found = gather(tags.to_vec(), PATIENCE, |tag| {
        let (registry, name) = (reader.registry.clone(), reader.name.clone());
        async move {
            let reader = TagReader { registry: &registry, name: &name };
            patiently(|| reader.digest_on(&tag)).await
        }
    });
    let name = reader.name;
    found.await.into_iter().map(move |found| Ok(found.ok_or_else(|| too_slow(name))??))
}

/// Asks again where the registry gives no answer: 2.8 answers 500 about a tag while it is written.
async fn patiently<T, F: Future<Output = Result<T, Refusal>>>(ask: impl Fn() -> F) -> Result<T, Refusal> {
    for _ in 0..AGAIN {
        if let Ok(answer) = ask().await {
            return Ok(answer);
        }
        tokio::time::sleep(PAUSE).await;
    }
    ask().await
}

/// Reads a manifest; `None` where it is not there, or is a blob that no registry can read as a manifest.
async fn manifest(reader: TagReader<'_>, digest: &Digest) -> Result<Option<Manifest>, Refusal> {
    let bytes = match reader.manifest(digest).await {
        Err(_) if reader.is_no_manifest(digest).await? => return Ok(None),
        read => read?,
    };
    let Some(bytes) = bytes else { return Ok(None) };
    let manifest =
        Some(&bytes).filter(|bytes| Digest::of(bytes) == *digest).and_then(|bytes| leads_to(bytes));
    manifest.map(Some).ok_or_else(|| reader.without_manifest(digest, StatusCode::OK))
}

/// The manifests that a manifest leads to. Each digest in it counts, in whatever member a program may find it, but for
/// blobs: those in the usual places, and entries of an index that are no manifests. `None` for what is no manifest.
fn leads_to(bytes: &[u8]) -> Option<Manifest> {
    let named = NamedDigests::read(bytes)?.digests;
    let Children { manifests, blobs, subject } = Children::read(bytes);
    let manifests: HashSet<String> = manifests.into_iter().collect();
    let blobs: HashSet<String> = blobs.into_iter().filter(|digest| !manifests.contains(digest)).collect();
    let subject = subject.and_then(|digest| Digest::parse(&digest));
    let is_other = |digest: &Digest| !blobs.contains(digest.as_str()) && Some(digest) != subject.as_ref();
    Some(Manifest { manifests: named.into_iter().filter(is_other).collect(), subject })
}

fn unreadable(name: &RepositoryName, tag: &Tag) -> Stop {
    Stop::Repository(format!(
        "tag {tag} is listed, and its manifest cannot be read, so it is not known what it needs: push the tag again, or \
         delete it with `portwarden untag {name} {tag}`"
    ))
}

fn too_slow(name: &RepositoryName) -> Refusal {
    let why = format!("the registry took too long to show what is in {name}; try again later");
    Refusal::new(crate::registry::ErrorCode::GatewayTimeout, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn led(document: &str) -> Option<(String, String)> {
        let Manifest { manifests, subject } = leads_to(document.as_bytes())?;
        let texts: Vec<&str> = manifests.iter().map(Digest::as_str).collect();
        Some((texts.join(" "), subject.map(|digest| digest.to_string()).unwrap_or_default()))
    }

    #[test]
    fn rule_54_each_digest_that_a_program_may_follow_counts_but_for_blobs() {
        let both = |manifests: &str, subject: &str| Some((manifests.to_owned(), subject.to_owned()));
        let image = r#"{"config":{"digest":"a:c"},"layers":[{"digest":"a:1"}],"subject":{"digest":"a:s"}}"#;
        assert_eq!(led(image), both("", "a:s"));
        assert_eq!(led(r#"{"manifests":[{"digest":"a:1"},{"digest":"a:2"}]}"#), both("a:1 a:2", ""));
        // As Go reads it.
        assert_eq!(
            led(r#"{"Manifests":[{"Digest":"a:1"}],"Subject":{"digest":"a:s"}}"#),
            both("a:1 a:s", "")
        );
        let twice = r#"{"manifests":[{"digest":"a:1"}],"manifests":[{"digest":"a:2"}]}"#;
        assert_eq!(led(twice), both("a:1 a:2", ""));
        let cache = r#"{"manifests":[{"mediaType":"a/layer","digest":"a:1"},{"mediaType":"a/index","digest":"a:2"}]}"#;
        assert_eq!(led(cache), both("a:2", ""));
        let as_both = r#"{"manifests":[{"mediaType":"a/layer","digest":"a:1"},{"mediaType":"a/index","digest":"a:1"}]}"#;
        assert_eq!(led(as_both), both("a:1 a:1", ""));
        assert_eq!(led("no JSON"), None);
    }
}
