//! Placeholders that were left over: of a deletion that broke off between its two steps, by a crash or a registry that
//! did not answer. A tag with one counts as deleted: it is hidden from lists, and the deletion is ended on occasion.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use hyper::StatusCode;
use parking_lot::Mutex;

use super::{
    WriteOnceGate,
    locks::Passage,
    placeholder_steps::{PlaceholderSteps, is_gone},
};
use crate::{
    authz::Permit,
    proxy::{
        Freeze,
        forward::{
            gather::gather,
            subrequest::Subrequest,
            tag_reader::{Found, TagReader},
        },
    },
    registry::{ErrorCode, Refusal, RepositoryName, Tag},
};

/// Repositories that are known at the same time.
const MOST: usize = 10_000;
/// The time in which the tags of a repository are looked through where its placeholder cannot be removed.
const PATIENCE: Duration = Duration::from_secs(15);
/// The time for which a list waits for the lock, where it would have to look at each tag otherwise.
const WAITS: Duration = Duration::from_secs(5);
/// The time before the registry is asked again that could not end a deletion: the lock is kept for a while each time.
const AGAIN: Duration = Duration::from_secs(600);

/// The repositories that were looked at since the start, and the tags on which a placeholder may stand.
#[derive(Debug, Default)]
pub(super) struct Leftovers {
    known: Mutex<HashMap<Box<str>, Known>>,
    /// Times that a placeholder was about to be put.
    begun: AtomicU64,
}

/// A look at the placeholders of a repository. A request that is answered between two looks that are equal, and of which
/// neither sees one, has seen none of our own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::proxy) struct Look {
    sees_one: bool,
    begun: u64,
}

/// The known part of one repository.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Known {
    /// True if it was looked at as a whole: no other tag has a placeholder.
    is_whole: bool,
    tags: Vec<Tag>,
    /// The last time at which the registry could not end a deletion.
    failed: Option<Instant>,
}

impl Leftovers {
    /// A placeholder may stand on this tag from now on.
    pub(super) fn begin(&self, name: &RepositoryName, tag: &Tag) {
        self.begun.fetch_add(1, Ordering::SeqCst);
        self.update(name, |known| {
            if !known.tags.contains(tag) {
                known.tags.push(tag.clone());
            }
        });
    }

    /// No placeholder stands on these tags.
    pub(super) fn end(&self, name: &RepositoryName, tags: &[Tag]) {
        self.update(name, |known| known.tags.retain(|tag| !tags.contains(tag)));
    }

    /// The repository was looked at as a whole: these tags may have one, beside those that are known.
    fn found(&self, name: &RepositoryName, tags: &[Tag]) {
        tags.iter().for_each(|tag| self.begin(name, tag));
        self.update(name, |known| known.is_whole = true);
    }

    fn forget(&self) {
        self.known.lock().clear();
    }

    fn look(&self, name: &RepositoryName) -> Look {
        let sees_one = self.known.lock().get(name.as_str()).is_some_and(|known| !known.tags.is_empty());
        Look { sees_one, begun: self.begun.load(Ordering::SeqCst) }
    }

    fn failed(&self, name: &RepositoryName) {
        self.update(name, |known| known.failed = Some(Instant::now()));
    }

    fn known(&self, name: &RepositoryName) -> Known {
        self.known.lock().get(name.as_str()).cloned().unwrap_or_default()
    }

    /// Changes the known part of a repository. One that is forgotten for it is looked at again.
    fn update(&self, name: &RepositoryName, change: impl FnOnce(&mut Known)) {
        let mut all = self.known.lock();
        if all.len() >= MOST && !all.contains_key(name.as_str()) {
            all.retain(|_, known| !known.tags.is_empty());
            if all.len() >= MOST {
                all.clear();
            }
        }
        change(all.entry(name.as_str().into()).or_default());
    }
}

impl WriteOnceGate {
    /// Returns true if placeholders may stand in a repository. The registry is asked once, and again after a deletion
    /// that did not end well.
    ///
    /// # Errors
    /// The registry gives no answer.
    pub(in crate::proxy) async fn may_have_placeholders(
        &self,
        name: &RepositoryName,
        registry: &Subrequest,
    ) -> Result<bool, Refusal> {
        let known = self.leftovers.known(name);
        if !known.tags.is_empty() || known.is_whole {
            return Ok(!known.tags.is_empty());
        }
        // What it says is remembered, and decides about deletions.
        let has_one = TagReader { registry: &registry.without_files(), name }.has_placeholder().await?;
        if !has_one {
            self.leftovers.found(name, &[]);
        }
        Ok(has_one)
    }

    /// Forgets which repositories were looked at: the registry is another one.
    pub(in crate::proxy) fn forget_registry(&self) {
        self.leftovers.forget();
    }

    /// Looks before a tag is read, to be given to [`Self::may_have_seen_placeholder`] when it was.
    pub(in crate::proxy) fn look(&self, name: &RepositoryName) -> Look {
        self.leftovers.look(name)
    }

    /// Returns true if the registry may have had a placeholder in a repository when it answered.
    ///
    /// # Errors
    /// As [`Self::may_have_placeholders`].
    pub(in crate::proxy) async fn may_have_seen_placeholder(
        &self,
        before: Look,
        name: &RepositoryName,
        registry: &Subrequest,
    ) -> Result<bool, Refusal> {
        if before.sees_one || self.look(name) != before {
            return Ok(true);
        }
        self.may_have_placeholders(name, registry).await
    }

    /// The tags that lists do not show, since the placeholder stands on them. Deletions that were left over are ended, if
    /// nothing else is under way in the repository.
    ///
    /// # Errors
    /// The registry gives no answer, or has too many tags to look at each.
    pub(in crate::proxy) async fn hidden_tags(
        &self,
        name: &RepositoryName,
        registry: &Subrequest,
        freeze: &Freeze,
    ) -> Result<Vec<Tag>, Refusal> {
        if !self.may_have_placeholders(name, registry).await? {
            return Ok(Vec::new());
        }
        let registry = &registry.without_files();
        if self.end_leftovers(name, registry, freeze).await {
            return Ok(Vec::new());
        }
        let known = self.leftovers.known(name);
        let reader = TagReader { registry, name };
        let tags = if known.is_whole { known.tags } else { reader.all().await?.unwrap_or_default() };
        let digests = gather(tags.clone(), PATIENCE, |tag| {
            let (registry, name) = (registry.clone(), name.clone());
            async move { TagReader { registry: &registry, name: &name }.digest_on(&tag).await }
        });
        let mut hidden = Vec::new();
        for (tag, digest) in tags.into_iter().zip(digests.await) {
            let is_hidden = match digest.ok_or_else(|| too_many(name)).flatten() {
                Ok(Some(digest)) => digest.is_of_placeholder(),
                // Half deleted by the registry, or about to be; if by us.
                Ok(None) | Err(_) if known.is_whole => true,
                Ok(None) => false,
                Err(refusal) => return Err(refusal),
            };
            hidden.extend(is_hidden.then_some(tag));
        }
        if !known.is_whole {
            self.leftovers.found(name, &hidden);
        }
        Ok(hidden)
    }

    /// Ends the deletions that were left over. Returns false where it cannot be done now.
    async fn end_leftovers(&self, name: &RepositoryName, registry: &Subrequest, freeze: &Freeze) -> bool {
        let known = self.leftovers.known(name);
        if known.failed.is_some_and(|failed| failed.elapsed() < AGAIN) {
            return false;
        }
        let patience = if known.is_whole { Duration::ZERO } else { WAITS };
        let Some(permit) = Permit::to_untag(name, None) else { return false };
        let Some(passage) = self.locks.deletion_within(name, patience).await else { return false };
        let Ok(write) = freeze.admit(permit.route()) else { return false };
        let steps = self.steps(registry.clone(), name.clone(), passage);
        // In a task of its own: it holds the lock, also where the client is gone.
        let ended = tokio::spawn(async move {
            let ended = steps.end_leftovers().await;
            drop(write);
            ended
        });
        let is_ended = ended.await.is_ok_and(|ended| ended);
        if !is_ended {
            self.leftovers.failed(name);
        }
        is_ended
    }

    pub(super) fn steps(
        &self,
        registry: Subrequest,
        name: RepositoryName,
        passage: Passage,
    ) -> PlaceholderSteps {
        PlaceholderSteps { registry, name, passage, leftovers: self.leftovers.clone() }
    }
}

impl PlaceholderSteps {
    /// Deletes the placeholder, with every tag on it. One on which a deletion stopped half-way, so that the registry lists
    /// a tag without a manifest, is done again.
    async fn end_leftovers(mut self) -> bool {
        if self.passage.begin().is_err() {
            return false;
        }
        let tags = self.leftovers.known(&self.name).tags;
        for tag in &tags {
            let found = TagReader { registry: &self.registry, name: &self.name }.find(tag).await;
            let put = match found {
                Ok(Found::Listed) => self.put(tag).await,
                Ok(_) => continue,
                Err(refusal) => {
                    self.passage.not_sent();
                    Err(refusal)
                }
            };
            match put {
                Ok(StatusCode::CREATED) => {}
                Ok(status) => {
                    self.passage.answered(status);
                    return false;
                }
                Err(_) => return false,
            }
        }
        let Ok(status) = self.delete().await else { return false };
        self.passage.answered(status);
        let is_gone = is_gone(status);
        if is_gone {
            tracing::info!(repository = %self.name, "a deletion of a tag that had broken off is done");
            self.leftovers.end(&self.name, &tags);
            self.leftovers.found(&self.name, &[]);
        }
        is_gone
    }
}

fn too_many(name: &RepositoryName) -> Refusal {
    let why = format!(
        "the deletion of a tag of {name} is not done, and its tags cannot be listed; try again later"
    );
    Refusal::new(ErrorCode::Unavailable, why).retry_after(crate::proxy::upstream::RETRY_AFTER)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> RepositoryName {
        RepositoryName::parse(text).unwrap()
    }

    #[test]
    fn rule_53_what_was_deleted_between_two_looks_is_noticed() {
        let (leftovers, tag) = (Leftovers::default(), Tag::parse("1.0").unwrap());
        let before = leftovers.look(&name("a/b"));
        assert_eq!(leftovers.look(&name("a/b")), before);
        leftovers.begin(&name("a/b"), &tag);
        assert!(leftovers.look(&name("a/b")).sees_one);
        leftovers.end(&name("a/b"), &[tag]);
        assert_ne!(leftovers.look(&name("a/b")), before);
    }

    #[test]
    fn rule_53_what_is_forgotten_is_looked_at_again_and_known_tags_stay() {
        let leftovers = Leftovers::default();
        let tag = Tag::parse("1.0").unwrap();
        leftovers.begin(&name("a/b"), &tag);
        assert_eq!(leftovers.known(&name("a/b")), Known { tags: vec![tag.clone()], ..Known::default() });
        for n in 0..MOST + 10 {
            leftovers.found(&name(&format!("a/{n}")), &[]);
        }
        assert!(leftovers.known.lock().len() <= MOST);
        assert_eq!(leftovers.known(&name("a/b")).tags, vec![tag.clone()], "those with tags stay");
        leftovers.end(&name("a/b"), &[tag]);
        assert_eq!(leftovers.known(&name("a/b")), Known::default());
    }
}
