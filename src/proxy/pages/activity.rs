//! The activity of what a page shows. The visitor's right to see each tag has been checked before.

use std::{
    collections::HashMap,
    time::{Duration, UNIX_EPOCH},
};

use super::visit::Visit;
use crate::{
    activity::{Activity, Last},
    proxy::{Snapshot, snapshot::unix_now},
    registry::RepositoryName,
    ui::{Done, TagActivity},
};

/// The activity of references of a repository, as a visitor may see it.
pub(super) struct Known {
    all: HashMap<String, Activity>,
    /// True if the visitor has signed in: it sees the names of accounts.
    shows_accounts: bool,
}

impl Known {
    /// Reads the activity of these references: none where it is not known just now.
    pub(super) async fn of(
        snapshot: &Snapshot,
        visit: &Visit,
        name: &RepositoryName,
        references: impl Iterator<Item = String>,
    ) -> Self {
        let all = snapshot.state.activity(name, references).await.unwrap_or_default();
        Self { all, shows_accounts: !visit.caller.account().is_empty() }
    }

    /// The activity of a reference, which names this manifest now. A push of another one says nothing of it: the tag was
    /// moved past Portwarden.
    pub(super) fn get(&self, reference: &str, digest: Option<&str>) -> Option<TagActivity> {
        let activity = self.all.get(reference)?;
        let pushed = activity.pushed.as_ref().filter(|_| activity.digest.as_deref() == digest);
        Some(TagActivity {
            pushed: pushed.map(|last| self.done(last)),
            pulled: activity.pulled.as_ref().map(|last| self.done(last)),
            pulls: activity.pulls.recent(unix_now()),
        })
    }

    /// Returns the digest that a reference got by its last push; `None` where none is known.
    pub(super) fn digest_of(&self, reference: &str) -> Option<&str> {
        self.all.get(reference)?.digest.as_deref()
    }

    /// Returns true if a push of any is known.
    pub(super) fn has_pushes(&self) -> bool {
        self.all.values().any(|activity| activity.pushed.is_some())
    }

    /// Returns when a tag was pushed last, in seconds since 1970, whatever it names now.
    pub(super) fn pushed_at(&self, reference: &str) -> Option<u64> {
        self.all.get(reference)?.pushed.as_ref().map(|last| last.at)
    }

    /// Returns the last push of any, whatever it names now.
    pub(super) fn last_push(&self) -> Option<Done> {
        let pushes = self.all.values().filter_map(|activity| activity.pushed.as_ref());
        pushes.max_by_key(|last| last.at).map(|last| self.done(last))
    }

    /// Returns the number of pulls of all in the last 30 days; `None` if nothing is known of any.
    pub(super) fn pulls(&self) -> Option<u64> {
        let now = unix_now();
        let pulls = self.all.values().map(|activity| activity.pulls.recent(now));
        (!self.all.is_empty()).then(|| pulls.sum())
    }

    fn done(&self, last: &Last) -> Done {
        let at = UNIX_EPOCH.checked_add(Duration::from_secs(last.at)).unwrap_or(UNIX_EPOCH);
        Done { at, by: self.shows_accounts.then(|| last.account.clone()) }
    }
}
