//! The badges of manifests by what the registry lists as their referrers, remembered for the list of tags, which would ask
//! for fifty lists on each visit.
//!
//! A change of the repository that goes through Portwarden is seen at once, one that goes past it after a minute. Whether a
//! visitor may see them is decided for each answer.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use parking_lot::Mutex;

use crate::{registry::RepositoryName, ui::Badges};

/// The time for which they are used; also that a registry lists no referrers.
const AGE: Duration = Duration::from_secs(60);
/// The most manifests of all repositories together: some 5 MiB.
const MOST: usize = 20_000;

/// The badges that are known.
#[derive(Debug, Default)]
pub(in crate::proxy) struct KnownReferrers(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    of: HashMap<RepositoryName, HashMap<String, (Instant, Badges)>>,
    count: usize,
    /// The last time at which the registry was found to list none.
    none: Option<Instant>,
    /// Counts what was forgotten: what was read before a change is not kept after it.
    changes: u64,
}

/// The moment before lists are read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Before(u64);

impl KnownReferrers {
    /// Returns the badges of a manifest, if they are known.
    pub(super) fn get(&self, name: &RepositoryName, digest: &str) -> Option<Badges> {
        let known = self.0.lock();
        let (read, badges) = known.of.get(name)?.get(digest)?;
        (read.elapsed() < AGE).then_some(*badges)
    }

    /// Returns true if the registry lists no referrers, as it was found within the last minute.
    pub(super) fn has_none(&self) -> bool {
        self.0.lock().none.is_some_and(|found| found.elapsed() < AGE)
    }

    /// The registry lists no referrers.
    pub(super) fn found_none(&self) {
        self.0.lock().none = Some(Instant::now());
    }

    /// To be asked before lists are read that are to be kept.
    pub(super) fn before(&self) -> Before {
        Before(self.0.lock().changes)
    }

    /// Keeps the badges of a manifest, unless something has changed while they were read.
    pub(super) fn keep(&self, name: &RepositoryName, digest: &str, badges: Badges, before: Before) {
        let mut known = self.0.lock();
        if known.changes != before.0 {
            return;
        }
        if known.count >= MOST {
            (known.of, known.count) = (HashMap::new(), 0);
        }
        let of_name = known.of.entry(name.clone()).or_default();
        let is_new = of_name.insert(digest.to_owned(), (Instant::now(), badges)).is_none();
        known.count += usize::from(is_new);
    }

    /// The referrers in a repository may have changed.
    pub(super) fn forget(&self, name: &RepositoryName) {
        let mut known = self.0.lock();
        known.changes += 1;
        let gone = known.of.remove(name).map_or(0, |of_name| of_name.len());
        known.count -= gone;
    }

    /// Those of any repository may have changed.
    pub(super) fn forget_all(&self) {
        let mut known = self.0.lock();
        *known = Known { changes: known.changes + 1, ..Known::default() };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(n: usize) -> RepositoryName {
        RepositoryName::parse(&format!("team/r{n}")).unwrap()
    }

    #[test]
    fn what_was_read_before_a_change_is_not_kept_after_it() {
        let known = KnownReferrers::default();
        let signed = Badges { signed: true, ..Badges::default() };
        let before = known.before();
        known.keep(&name(1), "a", signed, before);
        known.keep(&name(2), "a", signed, before);
        assert_eq!(known.get(&name(1), "a"), Some(signed));
        known.forget(&name(1));
        assert_eq!((known.get(&name(1), "a"), known.get(&name(2), "a")), (None, Some(signed)));
        known.keep(&name(1), "a", signed, before);
        assert_eq!(known.get(&name(1), "a"), None);
        known.found_none();
        assert!(known.has_none());
        known.forget_all();
        assert!(!known.has_none() && known.get(&name(2), "a").is_none());
    }

    #[test]
    fn memory_is_bounded() {
        let known = KnownReferrers::default();
        for n in 0..3 * MOST {
            known.keep(&name(n % 7), &n.to_string(), Badges::default(), known.before());
        }
        let known = known.0.lock();
        assert_eq!(known.count, known.of.values().map(HashMap::len).sum::<usize>());
        assert!(known.count <= MOST);
    }
}
