//! The reports of a run of `prune` to the command that asked for it.

use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc::Sender;

use super::Stop;
use crate::registry::RepositoryName;

/// A report of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "event")]
pub enum PruneEvent {
    /// It is under way.
    Progress {
        /// The repository.
        repository: String,
        /// The step, such as `tags read`.
        step: String,
        /// The number that is done.
        done: usize,
        /// The number in all; 0 where that is not known.
        all: usize,
    },
    /// A tag that goes, or stays.
    Tag(PruneItem),
    /// Something of a repository could not be read or deleted.
    Failed {
        /// The repository.
        repository: String,
        /// The reason and the next step.
        why: String,
    },
    /// All tags of a repository are reported.
    Shown {
        /// The repository.
        repository: String,
    },
    /// The end of the run.
    End(PruneSummary),
}

/// A tag in the plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PruneItem {
    /// The repository.
    pub repository: String,
    /// The tag.
    pub tag: String,
    /// Its manifest.
    pub digest: String,
    /// The time of its push, in seconds since 1970, where that is known.
    pub pushed: Option<u64>,
    /// True if it was pushed at that time; false if it was pushed then or before.
    pub is_exact: bool,
    /// The plan for it.
    pub what: PruneWhat,
    /// The reason: what keeps it, or the entry that does not keep it.
    pub why: String,
}

/// The plan for a tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PruneWhat {
    /// The tag goes; its manifest stays, because another tag reaches it.
    Tag,
    /// The tag goes, and its manifest with it.
    TagAndImage,
    /// It stays.
    Kept,
}

/// The numbers of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PruneSummary {
    /// Repositories that an entry matches.
    pub repositories: usize,
    /// Their tags.
    pub tags: usize,
    /// Tags that go.
    pub tags_to_go: usize,
    /// Manifests that go.
    pub manifests_to_go: usize,
    /// Those of the tags that go whose entry is a `dry_run`.
    pub tags_of_dry_run: usize,
    /// Tags that were deleted.
    pub tags_deleted: usize,
    /// Manifests that were deleted.
    pub manifests_deleted: usize,
    /// Repositories of which something could not be read or deleted.
    pub failed: usize,
    /// The reason why the run ended early.
    pub stopped: Option<String>,
}

/// The interval between reports of progress.
const PAUSE: Duration = Duration::from_millis(500);

/// Sends reports to the command, if that still waits for them.
#[derive(Debug)]
pub(in crate::proxy) struct Reports {
    to: Sender<PruneEvent>,
    last: Mutex<Instant>,
}

impl Reports {
    /// Reports to the holder of the other end.
    pub(in crate::proxy) fn new(to: Sender<PruneEvent>) -> Self {
        Self { to, last: Mutex::new(Instant::now()) }
    }

    /// Sends a report, and waits until there is room for it: never under a lock.
    ///
    /// # Errors
    /// The command is gone.
    pub(super) async fn send(&self, event: PruneEvent) -> Result<(), Stop> {
        self.to.send(event).await.map_err(|_| Stop::Gone)
    }

    /// Reports progress, now and then, and never waits.
    ///
    /// # Errors
    /// The command is gone.
    pub(super) fn progress(
        &self,
        name: &RepositoryName,
        step: &str,
        (done, all): (usize, usize),
    ) -> Result<(), Stop> {
        self.here()?;
        let mut last = self.last.lock();
        if last.elapsed() >= PAUSE {
            *last = Instant::now();
            let (repository, step) = (name.as_str().to_owned(), step.to_owned());
            // Where there is no room, the command does not read.
            let _ = self.to.try_send(PruneEvent::Progress { repository, step, done, all });
        }
        Ok(())
    }

    /// Returns whether the command still waits.
    ///
    /// # Errors
    /// It is gone.
    pub(super) fn here(&self) -> Result<(), Stop> {
        if self.to.is_closed() { Err(Stop::Gone) } else { Ok(()) }
    }
}
