//! The manifests of repositories as a graph: which digests each reaches, and by which it is reached.
//!
//! A manifest never changes, since its digest is of its content: what is known of it stays true until it is deleted. It is
//! read again after an hour, since it may be deleted at the registry itself. The digest that a tag names does change, and
//! is known with the time at which it was read. Everything is bounded; a repository that does not fit is forgotten, and a
//! question about it cannot be settled.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Instant,
};

use super::{
    document::Children,
    repository::{LASTS, MOST_WRITTEN, Repository, WRITTEN_LASTS},
};

/// Digests that are known at the same time, and about how many bytes they take.
const MOST_DIGESTS: usize = 100_000;
const MOST_BYTES: usize = 64 << 20;
/// Repositories that are known at the same time.
const MOST_REPOSITORIES: usize = 1_000;

/// The known part of all repositories.
#[derive(Debug, Default)]
pub(super) struct Graph {
    repositories: HashMap<Box<str>, Repository>,
    uses: u64,
}

/// The manifests that reach a digest.
pub(super) struct Above<'g> {
    digest: &'g str,
    known: Option<&'g Repository>,
    ids: HashSet<usize>,
}

impl Above<'_> {
    /// Returns true if it is one of them, or the digest itself.
    pub(super) fn has(&self, digest: &str) -> bool {
        let id = self.known.and_then(|known| known.ids.get(digest));
        id.is_some_and(|id| self.ids.contains(id)) || digest == self.digest
    }

    /// The tags that named one of them when they were read, with what each named.
    pub(super) fn tags(&self) -> impl Iterator<Item = (&Arc<str>, &Arc<str>)> {
        let nodes =
            self.known.into_iter().flat_map(|known| self.ids.iter().filter_map(|id| known.nodes.get(*id)));
        nodes.flat_map(|node| node.tags.iter().map(|tag| (tag, &node.digest)))
    }
}

/// The reason why something could not be taken in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NotTaken {
    /// There is no room.
    TooLarge,
    /// It was read before a manifest was deleted.
    Outdated,
}

impl Graph {
    /// Forgets a repository that has been known for too long.
    pub(super) fn begin(&mut self, repository: &str, now: Instant) {
        let Some(known) = self.repositories.get_mut(repository) else { return };
        if now.saturating_duration_since(known.since) >= LASTS {
            known.clear(now);
        }
    }

    /// Begins to know a repository that is there.
    pub(super) fn know(&mut self, repository: &str, now: Instant) -> Result<(), NotTaken> {
        self.repository(repository, now);
        self.make_room(repository)
    }

    /// The time since which the repository is known without a gap.
    pub(super) fn known_since(&self, repository: &str) -> Option<Instant> {
        self.repositories.get(repository).map(|known| known.since)
    }

    /// Returns true if the manifest was read.
    pub(super) fn is_read(&self, repository: &str, digest: &str) -> bool {
        let node = self.repositories.get(repository).and_then(|known| known.node(digest));
        node.is_some_and(|node| node.manifests.is_some())
    }

    /// Takes in that a manifest which something names is not there.
    pub(super) fn absent(&mut self, repository: &str, digest: &str, now: Instant) {
        let Some(known) = self.repositories.get_mut(repository) else { return };
        let id = known.ids.get(digest).copied();
        if let Some(node) = id.and_then(|id| known.nodes.get_mut(id)) {
            node.absent = Some(now);
        }
    }

    /// Takes in a manifest that was asked for at `read`.
    pub(super) fn add(
        &mut self,
        repository: &str,
        digest: &str,
        children: &Children,
        read: Instant,
    ) -> Result<(), NotTaken> {
        let known = self.repository(repository, read);
        if known.deleted.is_some_and(|deleted| read < deleted) {
            return Err(NotTaken::Outdated);
        }
        known.add(digest, children);
        self.make_room(repository)
    }

    /// Takes in what a tag names; `None` where it is not there. An answer from before a push is of no use.
    pub(super) fn tag(
        &mut self,
        repository: &str,
        tag: &str,
        digest: Option<&str>,
        read: Instant,
    ) -> Result<(), NotTaken> {
        let known = match digest {
            Some(_) => Some(self.repository(repository, read)),
            None => self.repositories.get_mut(repository),
        };
        let is_of_use =
            |known: &&mut Repository| known.written_after(tag).is_none_or(|written| read >= written);
        let Some(known) = known.filter(is_of_use) else {
            return Ok(());
        };
        known.untag(tag);
        if let Some(digest) = digest {
            known.tag(tag, digest, read);
        }
        self.make_room(repository)
    }

    /// Forgets what these tags of a repository name: they were written, or a manifest without any.
    pub(super) fn written<'t>(
        &mut self,
        repository: &str,
        tags: impl IntoIterator<Item = &'t str>,
        now: Instant,
    ) {
        let Some(known) = self.repositories.get_mut(repository) else { return };
        known.changed = Some(now);
        known.nodes.iter_mut().for_each(|node| node.absent = None);
        for tag in tags {
            known.untag(tag);
            known.written.insert(tag.into(), now);
        }
        if known.written.len() > MOST_WRITTEN {
            known.written.retain(|_, at| now.saturating_duration_since(*at) < WRITTEN_LASTS);
        }
        if known.written.len() > MOST_WRITTEN {
            known.written.clear();
            known.forgotten = Some(now);
        }
    }

    /// The tags that were written through us since `began`; `None` where it may be any.
    pub(super) fn written_since(&self, repository: &str, began: Instant) -> Option<Vec<Box<str>>> {
        let known = self.repositories.get(repository)?;
        if known.deleted.max(known.forgotten).is_some_and(|at| at >= began) {
            return None;
        }
        Some(known.written.iter().filter(|(_, at)| **at >= began).map(|(tag, _)| tag.clone()).collect())
    }

    /// Forgets all of a repository: something in it was deleted.
    pub(super) fn deleted(&mut self, repository: &str, now: Instant) {
        let Some(known) = self.repositories.get_mut(repository) else { return };
        known.clear(now);
        (known.changed, known.deleted) = (Some(now), Some(now));
    }

    /// Returns true if nothing was written through us since `began`.
    pub(super) fn is_unchanged_since(&self, repository: &str, began: Instant) -> bool {
        let changed = self.repositories.get(repository).and_then(|known| known.changed);
        changed.is_none_or(|changed| changed < began)
    }

    /// Returns true if the digest is known.
    pub(super) fn has(&self, repository: &str, digest: &str) -> bool {
        self.repositories.get(repository).is_some_and(|known| known.ids.contains_key(digest))
    }

    /// The digests that are known.
    pub(super) fn len(&self) -> usize {
        self.repositories.values().map(|known| known.nodes.len()).sum()
    }

    /// The digest that a tag names, as read since `since`; `None` for no time at all.
    pub(super) fn tag_since(&self, repository: &str, tag: &str, since: Option<Instant>) -> Option<Arc<str>> {
        let known = self.repositories.get(repository)?;
        let state = known.tags.get(tag).filter(|state| since.is_some_and(|since| state.read >= since))?;
        Some(Arc::clone(&known.nodes.get(state.id)?.digest))
    }

    /// The manifests that reach this digest, itself among them: where it is asked for as a manifest, those that reach it as
    /// one.
    pub(super) fn above<'g>(&'g self, repository: &str, (digest, is_manifest): (&'g str, bool)) -> Above<'g> {
        let known = self.repositories.get(repository);
        let (mut ids, mut pending) = (HashSet::new(), Vec::<usize>::new());
        if let Some(known) = known {
            let holders = known.node(digest).filter(|_| !is_manifest).map(|node| node.holders.as_slice());
            pending.extend(known.ids.get(digest).into_iter().chain(holders.unwrap_or_default()));
            ids.extend(&pending);
            while let Some(node) = pending.pop().and_then(|id| known.nodes.get(id)) {
                pending.extend(node.parents.iter().filter(|parent| ids.insert(**parent)));
            }
        }
        Above { digest, known, ids }
    }

    /// The manifests at and below these that were not read, but for those that were not there lately.
    pub(super) fn unread_below(&self, repository: &str, roots: &[Arc<str>], now: Instant) -> Vec<Arc<str>> {
        let Some(known) = self.repositories.get(repository) else { return roots.to_vec() };
        let (mut seen, mut unread) = (HashSet::new(), Vec::new());
        let mut pending = Vec::new();
        for root in roots {
            match known.ids.get(root) {
                Some(id) => pending.push(*id),
                None => unread.push(Arc::clone(root)),
            }
        }
        while let Some(id) = pending.pop() {
            let Some(node) = known.nodes.get(id).filter(|_| seen.insert(id)) else { continue };
            match &node.manifests {
                Some(manifests) => pending.extend(manifests),
                None if node.was_absent(now) => {}
                None => unread.push(Arc::clone(&node.digest)),
            }
        }
        unread
    }

    fn repository(&mut self, name: &str, now: Instant) -> &mut Repository {
        self.uses += 1;
        let known = self.repositories.entry(name.into()).or_insert_with(|| Repository::new(now));
        known.used = self.uses;
        known
    }

    /// Forgets other repositories, the longest unused first, until all fits. Where this one alone does not, it is
    /// forgotten, too.
    fn make_room(&mut self, repository: &str) -> Result<(), NotTaken> {
        loop {
            let all = self.repositories.values();
            let (digests, bytes) = all.fold((0, 0), |(n, b), r| (n + r.nodes.len(), b + r.bytes()));
            let repositories = self.repositories.len();
            if digests <= MOST_DIGESTS && bytes <= MOST_BYTES && repositories <= MOST_REPOSITORIES {
                return Ok(());
            }
            let others = self.repositories.iter().filter(|(name, _)| ***name != *repository);
            let oldest = others.min_by_key(|(_, known)| known.used).map(|(name, _)| name.clone());
            match oldest {
                Some(name) => drop(self.repositories.remove(&name)),
                None => {
                    self.repositories.remove(repository);
                    return Err(NotTaken::TooLarge);
                }
            }
        }
    }
}

#[cfg(test)]
#[path = "graph_tests.rs"]
mod tests;
