//! Summaries of tagged manifests, kept by digest: the content of a digest never changes, so that a list of tags costs a
//! question for each tag and not four.
//!
//! The visitor's right to see it has been checked before: only the registry's answer reveals the digest of a tag.

use std::collections::HashMap;

use parking_lot::Mutex;

use crate::{proxy::WebOrigin, ui::Summary};

/// The summaries of two generations: unused ones of the older go when the younger is full.
#[derive(Debug, Default)]
pub(super) struct Summaries(Mutex<Generations>);

#[derive(Debug, Default)]
struct Generations {
    young: HashMap<String, Summary>,
    old: HashMap<String, Summary>,
    /// The object stores that were followed for them.
    stores: Vec<WebOrigin>,
}

/// The most in a generation; some 300 bytes each, and 40 more for each further platform.
const MOST: usize = 8192;

impl Summaries {
    /// Returns the summary of a manifest, if it is kept.
    pub(super) fn get(&self, digest: &str) -> Option<Summary> {
        let mut generations = self.0.lock();
        if let Some(summary) = generations.young.get(digest) {
            return Some(summary.clone());
        }
        let summary = generations.old.remove(digest)?;
        generations.keep(summary.clone());
        Some(summary)
    }

    /// Forgets all if other object stores were followed for them: there may be more to read now.
    pub(super) fn made_with(&self, stores: &[WebOrigin]) {
        let mut generations = self.0.lock();
        if generations.stores != stores {
            *generations = Generations { stores: stores.to_vec(), ..Generations::default() };
        }
    }

    /// Keeps a summary that was made with these object stores. After a reload with others it is dropped: there may be
    /// more to read now.
    pub(super) fn keep(&self, summary: Summary, stores: &[WebOrigin]) {
        let mut generations = self.0.lock();
        if generations.stores == stores {
            generations.keep(summary);
        }
    }
}

impl Generations {
    fn keep(&mut self, summary: Summary) {
        if self.young.len() >= MOST {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(summary.digest.clone(), summary);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary(n: usize) -> Summary {
        Summary { digest: n.to_string(), ..Summary::default() }
    }

    #[test]
    fn what_is_asked_for_stays_and_memory_is_bounded() {
        let summaries = Summaries::default();
        for n in 0..5 * MOST {
            summaries.keep(summary(n), &[]);
            assert!(summaries.get("0").is_some(), "{n}");
        }
        assert!(summaries.get("1").is_none());
        let generations = summaries.0.lock();
        assert!(generations.young.len() + generations.old.len() <= 2 * MOST);
    }

    #[test]
    fn a_summary_made_before_a_reload_is_not_kept_after_it() {
        let stores = [WebOrigin::parse("https://store.example").unwrap()];
        let summaries = Summaries::default();
        summaries.made_with(&stores);
        summaries.keep(summary(1), &[]);
        assert!(summaries.get("1").is_none());
        summaries.keep(summary(1), &stores);
        assert!(summaries.get("1").is_some());
    }
}
