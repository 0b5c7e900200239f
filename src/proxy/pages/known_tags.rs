//! The tags of repositories, remembered for the list of repositories, which would ask the registry for a hundred lists on
//! each visit.
//!
//! A change that goes through Portwarden is seen at once, one that goes past it after a minute. Whether a visitor may
//! see them is decided for each answer.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;

use super::known_referrers::KnownReferrers;
use crate::registry::{RepositoryName, Tag};

/// The time for which a list is used.
const AGE: Duration = Duration::from_secs(60);
/// The most tags of all lists together: some 15 MiB.
const MOST: usize = 200_000;

/// The lists that are known.
#[derive(Debug, Default)]
pub(in crate::proxy) struct KnownTags {
    lists: Mutex<Lists>,
    /// The things attached to manifests, which change with the tags.
    referrers: KnownReferrers,
}

#[derive(Debug, Default)]
struct Lists {
    known: HashMap<RepositoryName, List>,
    tags: usize,
    /// Counts what was forgotten: a list that was read before a change is not kept after it.
    changes: u64,
}

#[derive(Debug)]
struct List {
    read: Instant,
    tags: Arc<[Tag]>,
}

/// The moment before a list is read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Before(u64);

impl KnownTags {
    /// Returns the tags of a repository, if they are known.
    pub(super) fn get(&self, name: &RepositoryName) -> Option<Arc<[Tag]>> {
        let lists = self.lists.lock();
        let list = lists.known.get(name).filter(|list| list.read.elapsed() < AGE)?;
        Some(Arc::clone(&list.tags))
    }

    /// To be asked before a list is read that is to be kept.
    pub(super) fn before(&self) -> Before {
        Before(self.lists.lock().changes)
    }

    /// Keeps a list, unless something has changed while it was read.
    pub(super) fn keep(&self, name: &RepositoryName, tags: &Arc<[Tag]>, before: Before) {
        let mut lists = self.lists.lock();
        if lists.changes != before.0 || tags.len() > MOST {
            return;
        }
        lists.remove(name);
        if lists.tags + tags.len() > MOST {
            lists.clear();
        }
        lists.tags += tags.len();
        lists.known.insert(name.clone(), List { read: Instant::now(), tags: Arc::clone(tags) });
    }

    /// The tags of a repository have changed.
    pub(in crate::proxy) fn forget(&self, name: &RepositoryName) {
        let mut lists = self.lists.lock();
        lists.changes += 1;
        lists.remove(name);
        self.referrers.forget(name);
    }

    /// The tags of any repository may have changed.
    pub(in crate::proxy) fn forget_all(&self) {
        let mut lists = self.lists.lock();
        lists.changes += 1;
        lists.clear();
        self.referrers.forget_all();
    }

    /// The badges of manifests, by what the registry lists as their referrers.
    pub(super) fn referrers(&self) -> &KnownReferrers {
        &self.referrers
    }
}

impl Lists {
    fn remove(&mut self, name: &RepositoryName) {
        if let Some(list) = self.known.remove(name) {
            self.tags -= list.tags.len();
        }
    }

    fn clear(&mut self) {
        self.known.clear();
        self.tags = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(n: usize) -> RepositoryName {
        RepositoryName::parse(&format!("team/r{n}")).unwrap()
    }

    fn tags(count: usize) -> Arc<[Tag]> {
        (0..count).map(|n| Tag::parse(&format!("t{n}")).unwrap()).collect()
    }

    #[test]
    fn a_list_that_was_read_before_a_change_is_not_kept_after_it() {
        let known = KnownTags::default();
        let before = known.before();
        known.keep(&name(1), &tags(3), before);
        known.keep(&name(2), &tags(3), before);
        known.forget(&name(1));
        assert!(known.get(&name(1)).is_none() && known.get(&name(2)).is_some());
        known.keep(&name(1), &tags(2), before);
        assert!(known.get(&name(1)).is_none());
        known.keep(&name(1), &tags(2), known.before());
        assert_eq!(known.get(&name(1)).unwrap().len(), 2);
        known.forget_all();
        assert!(known.get(&name(1)).is_none() && known.get(&name(2)).is_none());
    }

    #[test]
    fn memory_is_bounded() {
        let known = KnownTags::default();
        let some = tags(MOST / 10);
        for n in 0..100 {
            known.keep(&name(n), &some, known.before());
            assert!(known.get(&name(n)).is_some());
            assert!(known.lists.lock().tags <= MOST);
        }
        known.keep(&name(0), &tags(MOST + 1), known.before());
        let lists = known.lists.lock();
        assert_eq!(lists.tags, lists.known.values().map(|list| list.tags.len()).sum::<usize>());
        assert!(lists.known.len() <= 10);
    }
}
