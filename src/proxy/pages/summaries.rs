//! What tags name, in short, kept by digest: what a digest names never changes, so that a list of tags costs a question for each
//! tag and not four.
//!
//! Whether the visitor may see it has been asked before: who knows the digest of a tag was told it by the registry.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use crate::ui::Summary;

/// The summaries of two generations: those of the older one that nobody asks for go when the younger one is full.
#[derive(Debug, Default)]
pub(super) struct Summaries(Mutex<Generations>);

#[derive(Debug, Default)]
struct Generations {
    young: HashMap<String, Summary>,
    old: HashMap<String, Summary>,
}

/// The most in a generation; some 300 bytes each.
const MOST: usize = 8192;

impl Summaries {
    /// What is known of a manifest.
    pub(super) fn get(&self, digest: &str) -> Option<Summary> {
        let mut generations = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(summary) = generations.young.get(digest) {
            return Some(summary.clone());
        }
        let summary = generations.old.remove(digest)?;
        generations.keep(summary.clone());
        Some(summary)
    }

    /// Keeps what was found.
    pub(super) fn keep(&self, summary: Summary) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).keep(summary);
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
        Summary { digest: n.to_string(), size: None, platforms: Vec::new(), created: None, artifact: None }
    }

    #[test]
    fn what_is_asked_for_stays_and_memory_is_bounded() {
        let summaries = Summaries::default();
        for n in 0..5 * MOST {
            summaries.keep(summary(n));
            assert!(summaries.get("0").is_some(), "{n}");
        }
        assert!(summaries.get("1").is_none());
        let generations = summaries.0.lock().unwrap();
        assert!(generations.young.len() + generations.old.len() <= 2 * MOST);
    }
}
