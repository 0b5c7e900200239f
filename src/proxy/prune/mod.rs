//! `portwarden prune`: deletes the tags that no `keep` of `retention` keeps, and the manifests that nothing else reaches.
//!
//! Each repository is read as a whole, outside its lock; what cannot be read leaves it as it is. Then the plan is carried
//! out in batches under the lock, between which pushes get their turn: tags first, each only if it still names the
//! manifest that was planned; then manifests, each only if no tag that is there by then reaches it. So it can be broken
//! off at any point, and the next run goes on.

mod contents;
mod deletion;
mod report;
mod run;

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use arc_swap::ArcSwap;

use super::{Freeze, Snapshot, Upstream, closure::Closure, write_once::WriteOnceGate};
use crate::{registry::Refusal, telemetry::Telemetry};
pub(super) use report::Reports;
pub use report::{PruneEvent, PruneItem, PruneSummary, PruneWhat};

/// A request for a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PruneRequest {
    /// True to delete; false to show what would be deleted.
    pub apply: bool,
    /// True to show the tags that stay, too.
    pub kept: bool,
    /// These repositories; each that an entry matches, if there are none.
    pub repositories: Vec<String>,
    /// The Unix user that asks.
    pub user: u32,
}

/// A run of `prune`.
pub(super) struct Prune<'a> {
    pub(super) gate: &'a WriteOnceGate,
    pub(super) closure: &'a Arc<Closure>,
    pub(super) freeze: &'a Freeze,
    pub(super) snapshot: &'a ArcSwap<Snapshot>,
    pub(super) upstream: &'a ArcSwap<Upstream>,
    pub(super) telemetry: &'a Telemetry,
    pub(super) pruned: &'a Pruned,
    pub(super) reports: Reports,
    pub(super) request: PruneRequest,
}

/// The tags and manifests that were pruned since the start.
#[derive(Debug, Default)]
pub(super) struct Pruned {
    tags: AtomicU64,
    manifests: AtomicU64,
}

impl Pruned {
    /// Their numbers, for the metrics.
    pub(super) fn counts(&self) -> [(&'static str, u64); 2] {
        [("tag", &self.tags), ("manifest", &self.manifests)]
            .map(|(what, counter)| (what, counter.load(Ordering::Relaxed)))
    }
}

/// The reason why something is not done.
#[derive(Debug)]
enum Stop {
    /// This repository stays as it is from here on; others go on.
    Repository(String),
    /// The run ends.
    Run(String),
    /// The run ends: the command is gone.
    Gone,
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Repository(refusal.message)
    }
}
