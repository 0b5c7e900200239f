//! The plan for a repository: which of its tags stay, and what goes with the others.

use super::{KeptBy, RetentionEntry, StoredRepository, StoredTag};
use crate::registry::Digest;

/// The tags that stay, and what may go.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// The tags that stay, each with the reason, in the order in which they were read.
    pub kept: Vec<(StoredTag, KeptBy)>,
    /// The tags that go.
    pub tags: Vec<StoredTag>,
    /// The manifests that go after these tags: no tag that stays leads to one. An index stands before what it names.
    pub manifests: Vec<Digest>,
}

/// Returns what may go of a repository by its entry; `now` in seconds since 1970.
pub fn plan(entry: &RetentionEntry, stored: &StoredRepository, now: u64) -> Plan {
    let _ = (entry, now);
    let kept = stored.tags.iter().map(|tag| (tag.clone(), KeptBy::UnknownTime)).collect();
    Plan { kept, ..Plan::default() }
}
