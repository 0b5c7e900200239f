//! The manifests that are pushed while `portwarden prune` runs: it deletes none of them, whatever was planned before.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use parking_lot::Mutex;

use crate::registry::{Digest, RepositoryName};

/// The most manifests that are remembered. Beyond, each counts as pushed.
const MOST: usize = 100_000;

/// The manifests that were pushed since a run of `prune` began; nothing while none runs. Clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct PushedMeanwhile(Arc<Mutex<Option<Pushed>>>);

#[derive(Debug, Default)]
struct Pushed {
    digests: HashMap<Box<str>, HashSet<Digest>>,
    count: usize,
}

/// A run of `prune`: pushes are remembered until it is dropped.
#[derive(Debug)]
pub(in crate::proxy) struct PruneRun(PushedMeanwhile);

impl PushedMeanwhile {
    /// Begins a run; `None` while another one goes on.
    pub(super) fn begin(&self) -> Option<PruneRun> {
        let mut pushed = self.0.lock();
        if pushed.is_some() {
            return None;
        }
        *pushed = Some(Pushed::default());
        Some(PruneRun(self.clone()))
    }

    /// Remembers a push, before the registry gets it.
    pub(super) fn note(&self, name: &RepositoryName, digest: &Digest) {
        if let Some(pushed) = &mut *self.0.lock()
            && pushed.count < MOST
        {
            let of_repository = pushed.digests.entry(name.as_str().into()).or_default();
            pushed.count += usize::from(of_repository.insert(digest.clone()));
        }
    }

    /// Returns true if a manifest was pushed since the run began, as far as that is known.
    pub(super) fn has(&self, name: &RepositoryName, digest: &Digest) -> bool {
        self.0.lock().as_ref().is_none_or(|pushed| {
            let of_repository = pushed.digests.get(name.as_str());
            pushed.count >= MOST || of_repository.is_some_and(|digests| digests.contains(digest))
        })
    }
}

impl Drop for PruneRun {
    fn drop(&mut self) {
        *self.0.0.lock() = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> RepositoryName {
        RepositoryName::parse(text).unwrap()
    }

    #[test]
    fn rule_54_what_is_pushed_during_a_run_is_known_until_its_end() {
        let (pushed, digest) = (PushedMeanwhile::default(), |n: usize| Digest::of(n.to_string().as_bytes()));
        pushed.note(&name("a/b"), &digest(0));
        let run = pushed.begin().unwrap();
        assert!(!pushed.has(&name("a/b"), &digest(0)), "before the run");
        assert!(pushed.begin().is_none(), "one at a time");
        pushed.note(&name("a/b"), &digest(0));
        assert!(pushed.has(&name("a/b"), &digest(0)));
        assert!(!pushed.has(&name("a/b"), &digest(1)) && !pushed.has(&name("a/c"), &digest(0)));
        (0..MOST).for_each(|n| pushed.note(&name("a/d"), &digest(n)));
        assert!(pushed.has(&name("a/c"), &digest(1)), "too many to tell");
        drop(run);
        let _run = pushed.begin().unwrap();
        assert!(!pushed.has(&name("a/b"), &digest(0)), "forgotten with the run");
    }
}
