//! The content of a repository, as far as retention looks at it.

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

/// The part of a manifest that leads to others.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Manifest {
    /// The manifests that an index names; none of another manifest. Those that are not there may be left in.
    pub manifests: Vec<Digest>,
    /// The manifest that it is about.
    pub subject: Option<Digest>,
}

/// The tags of a repository, and every manifest that one of them leads to. A manifest that is missing here is one that
/// the registry said is not there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoredRepository {
    /// All of its tags.
    pub tags: Vec<StoredTag>,
    /// What its manifests lead to, by digest.
    pub manifests: HashMap<Digest, Manifest>,
}

impl StoredRepository {
    /// Returns the digests of all that its tags lead to: their manifests, what these name and are about, and what stands
    /// under the tags about each of them.
    pub fn reach(&self) -> HashSet<Digest> {
        self.tags.iter().map(|tag| tag.digest.clone()).chain(self.manifests.keys().cloned()).collect()
    }
}
