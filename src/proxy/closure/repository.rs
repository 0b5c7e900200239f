//! The known part of one repository: its digests, what each is named by, and its tags.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::{Duration, Instant},
};

use super::document::Children;

/// Bytes of a digest, of an edge and of a tag, about, with what the tables add.
const DIGEST_BYTES: usize = 300;
const EDGE_BYTES: usize = 16;
const TAG_BYTES: usize = 500;
/// The time for which a manifest that is not there is not asked for again.
pub(super) const ABSENT: Duration = Duration::from_secs(30);
/// Tags that are known to have been written, before the older ones are forgotten, and the age at which they may be.
pub(super) const MOST_WRITTEN: usize = 1_000;
pub(super) const WRITTEN_LASTS: Duration = Duration::from_secs(60);
/// The time after which everything about a repository is read again.
pub(super) const LASTS: Duration = Duration::from_secs(60 * 60);

/// The known part of one repository.
#[derive(Debug)]
pub(super) struct Repository {
    pub(super) ids: HashMap<Arc<str>, usize>,
    pub(super) nodes: Vec<Node>,
    pub(super) tags: HashMap<Arc<str>, TagState>,
    pub(super) edges: usize,
    /// The times of the first reading, of the last write through us, and of the last deletion.
    pub(super) since: Instant,
    pub(super) changed: Option<Instant>,
    pub(super) deleted: Option<Instant>,
    /// The tags that were written through us lately, and the time up to which any may have been.
    pub(super) written: HashMap<Box<str>, Instant>,
    pub(super) forgotten: Option<Instant>,
    pub(super) used: u64,
}

#[derive(Debug)]
pub(super) struct Node {
    pub(super) digest: Arc<str>,
    /// The manifests that reach it directly, and as a manifest.
    pub(super) parents: Vec<usize>,
    /// The manifests whose configuration or layer it is. A registry may read such a blob as a manifest, which it may look
    /// like: what it names then is reached by nothing.
    pub(super) holders: Vec<usize>,
    /// The manifests in it; `None` for one that was not read.
    pub(super) manifests: Option<Vec<usize>>,
    /// The time at which it was not there.
    pub(super) absent: Option<Instant>,
    /// The tags that name it.
    pub(super) tags: Vec<Arc<str>>,
}

#[derive(Debug, Clone)]
pub(super) struct TagState {
    pub(super) id: usize,
    pub(super) read: Instant,
}

impl Node {
    pub(super) fn was_absent(&self, now: Instant) -> bool {
        self.absent.is_some_and(|absent| now.saturating_duration_since(absent) < ABSENT)
    }
}

impl Repository {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            ids: HashMap::new(),
            nodes: Vec::new(),
            tags: HashMap::new(),
            edges: 0,
            since: now,
            changed: None,
            deleted: None,
            written: HashMap::new(),
            forgotten: None,
            used: 0,
        }
    }

    pub(super) fn clear(&mut self, now: Instant) {
        let Self { changed, deleted, forgotten, used, .. } = *self;
        let written = std::mem::take(&mut self.written);
        *self = Self { changed, deleted, written, forgotten, used, ..Self::new(now) };
    }

    pub(super) fn node(&self, digest: &str) -> Option<&Node> {
        self.nodes.get(*self.ids.get(digest)?)
    }

    fn id(&mut self, digest: &str) -> usize {
        if let Some(id) = self.ids.get(digest) {
            return *id;
        }
        let (id, digest) = (self.nodes.len(), Arc::<str>::from(digest));
        self.ids.insert(Arc::clone(&digest), id);
        let (parents, holders, tags) = (Vec::new(), Vec::new(), Vec::new());
        self.nodes.push(Node { digest, parents, holders, manifests: None, absent: None, tags });
        id
    }

    pub(super) fn add(&mut self, digest: &str, children: &Children) {
        let id = self.id(digest);
        if self.nodes.get(id).is_none_or(|node| node.manifests.is_some()) {
            return;
        }
        let manifests: Vec<usize> = children.manifests.iter().map(|child| self.id(child)).collect();
        let blobs: HashSet<usize> = children.blobs.iter().map(|child| self.id(child)).collect();
        for child in manifests.iter().copied().collect::<HashSet<usize>>() {
            self.edge(child, |node| node.parents.push(id));
        }
        for child in blobs {
            self.edge(child, |node| node.holders.push(id));
        }
        if let Some(subject) = &children.subject {
            let subject = self.id(subject);
            self.edge(id, |node| node.parents.push(subject));
        }
        if let Some(node) = self.nodes.get_mut(id) {
            self.edges += manifests.len();
            node.manifests = Some(manifests);
        }
    }

    fn edge(&mut self, child: usize, make: impl FnOnce(&mut Node)) {
        if let Some(node) = self.nodes.get_mut(child) {
            make(node);
            self.edges += 1;
        }
    }

    pub(super) fn tag(&mut self, tag: &str, digest: &str, read: Instant) {
        let (id, tag) = (self.id(digest), Arc::<str>::from(tag));
        if let Some(node) = self.nodes.get_mut(id) {
            node.tags.push(Arc::clone(&tag));
        }
        self.tags.insert(tag, TagState { id, read });
    }

    /// The last time at which a tag may have been written through us.
    pub(super) fn written_after(&self, tag: &str) -> Option<Instant> {
        self.written.get(tag).copied().max(self.deleted).max(self.forgotten)
    }

    pub(super) fn untag(&mut self, tag: &str) {
        let before = self.tags.remove(tag).and_then(|state| self.nodes.get_mut(state.id));
        before.into_iter().for_each(|node| node.tags.retain(|of_node| **of_node != *tag));
    }

    pub(super) fn bytes(&self) -> usize {
        self.nodes.len() * DIGEST_BYTES + self.edges * EDGE_BYTES + self.tags.len() * TAG_BYTES
    }
}
