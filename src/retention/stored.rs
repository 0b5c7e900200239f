//! The content of a repository, as far as retention looks at it, and what leads to what there.

use std::collections::{HashMap, HashSet};

use crate::registry::{Digest, Tag};

/// The time of the last push of a tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PushTime {
    /// Seconds since 1970.
    pub at: u64,
    /// True for the time of a push; false if it was pushed then or before.
    pub is_exact: bool,
}

/// A tag that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredTag {
    /// Its name.
    pub tag: Tag,
    /// The manifest that it names.
    pub digest: Digest,
    /// The time at which it was given that manifest; `None` where that is unknown.
    pub pushed: Option<PushTime>,
    /// True if an entry of `tags.write_once` matches it, whomever that excepts.
    pub is_write_once: bool,
}

/// The times at which clients asked for the tags and manifests of a repository last, in seconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pulls {
    /// From then on, every request is on record. Before it, each tag may have been pulled.
    pub since: u64,
    /// By the tag that was asked for.
    pub tags: HashMap<Tag, u64>,
    /// By the digest that was asked for.
    pub manifests: HashMap<Digest, u64>,
}

impl Default for Pulls {
    /// Nothing is on record.
    fn default() -> Self {
        Self { since: u64::MAX, tags: HashMap::new(), manifests: HashMap::new() }
    }
}

impl Pulls {
    /// Returns true if something was asked for at that time or since, or may have been.
    fn since(&self, at: u64, tag: &Tag, below: &[&Digest]) -> bool {
        let mut below = below.iter().filter_map(|digest| self.manifests.get(*digest));
        self.since >= at
            || self.tags.get(tag).is_some_and(|last| *last >= at)
            || below.any(|last| *last >= at)
    }
}

/// The part of a manifest that leads to others.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Manifest {
    /// The manifests that an index names; none of another manifest. Those that are not there may be left in.
    pub manifests: Vec<Digest>,
    /// The manifest that it is about.
    pub subject: Option<Digest>,
}

/// The tags of a repository, and every manifest that one of them leads to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoredRepository {
    /// All of its tags.
    pub tags: Vec<StoredTag>,
    /// The links of its manifests, by digest. One that is missing here is one of which the registry said that it is not
    /// there. More than the tags lead to may be here.
    pub manifests: HashMap<Digest, Manifest>,
    /// The times at which they were asked for last.
    pub pulls: Pulls,
}

impl StoredRepository {
    /// Returns its tags that were pulled at that time or since, in seconds since 1970, or may have been: themselves, or a
    /// manifest that they lead to.
    pub fn pulled_since(&self, at: u64) -> HashSet<Tag> {
        let links = Links::of(self);
        let is_pulled =
            |tag: &&StoredTag| self.pulls.since(at, &tag.tag, &links.owned(std::iter::once(&tag.digest)));
        self.tags.iter().filter(is_pulled).map(|tag| tag.tag.clone()).collect()
    }

    /// Returns the digests of all that its tags lead to, as if these were gone already: their manifests, and all that these
    /// name and are about. A tag about a manifest of that reach is needed by it, even if it is one of these.
    pub fn reach_without(&self, tags: &HashSet<Tag>) -> HashSet<Digest> {
        let others = self.tags.iter().filter(|stored| !tags.contains(&stored.tag));
        let links = Links::of(self);
        links.kept(others.map(|stored| &stored.digest)).into_iter().cloned().collect()
    }
}

/// The links between the tags and manifests of a repository.
pub(super) struct Links<'a> {
    stored: &'a StoredRepository,
    /// The manifests under the tags about each manifest.
    about: HashMap<Digest, Vec<&'a Digest>>,
}

impl<'a> Links<'a> {
    pub(super) fn of(stored: &'a StoredRepository) -> Self {
        let mut about: HashMap<Digest, Vec<&Digest>> = HashMap::new();
        for StoredTag { tag, digest, .. } in &stored.tags {
            if let Some(subject) = tag.subject() {
                about.entry(subject).or_default().push(digest);
            }
        }
        Self { stored, about }
    }

    /// Returns all that is needed if these are: what they name, what they are about, and what stands under the tags
    /// about each of them.
    pub(super) fn kept(&self, roots: impl Iterator<Item = &'a Digest>) -> HashSet<&'a Digest> {
        self.closure(roots, |manifest| manifest.subject.as_ref()).1
    }

    /// Returns all that is needed by nothing else if these are not, in an order in which they are found: what they name,
    /// and what stands under the tags about each of them. What one of them is about does not belong to it.
    pub(super) fn owned(&self, roots: impl Iterator<Item = &'a Digest>) -> Vec<&'a Digest> {
        self.closure(roots, |_| None).0
    }

    /// The manifests that an index names and that are there.
    pub(super) fn children(&self, digest: &Digest) -> impl Iterator<Item = &'a Digest> {
        self.stored.manifests.get(digest).into_iter().flat_map(|manifest| &manifest.manifests)
    }

    fn closure(
        &self,
        roots: impl Iterator<Item = &'a Digest>,
        more: impl Fn(&'a Manifest) -> Option<&'a Digest>,
    ) -> (Vec<&'a Digest>, HashSet<&'a Digest>) {
        let (mut found, mut seen) = (Vec::new(), HashSet::new());
        let mut next: Vec<&Digest> = roots.collect();
        while let Some(digest) = next.pop() {
            if !seen.insert(digest) {
                continue;
            }
            found.push(digest);
            next.extend(self.children(digest));
            next.extend(self.stored.manifests.get(digest).and_then(&more));
            // A tag about a manifest that is not there leads to nothing: it stays, whatever names that manifest.
            if self.is_there(digest) {
                next.extend(self.about.get(digest).into_iter().flatten());
            }
        }
        (found, seen)
    }

    pub(super) fn is_there(&self, digest: &Digest) -> bool {
        self.stored.manifests.contains_key(digest)
    }
}
