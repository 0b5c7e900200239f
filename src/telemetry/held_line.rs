//! A line that is held back for a moment: a later one may say the same and more, and then it is not written.

use std::sync::{
    Arc,
    atomic::{AtomicU8, Ordering},
};

use super::line_writer::Rank;

/// A line that waits until it is written or taken back, whichever comes first. Clones are of the same.
#[derive(Debug, Clone)]
pub(super) struct HeldLine(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    line: Box<[u8]>,
    rank: Rank,
    stage: AtomicU8,
}

const HELD: u8 = 0;
const WRITTEN: u8 = 1;
const TAKEN_BACK: u8 = 2;

impl HeldLine {
    /// Holds a whole line.
    pub(super) fn new(line: &[u8], rank: Rank) -> Self {
        Self(Arc::new(Inner { line: line.into(), rank, stage: AtomicU8::new(HELD) }))
    }

    /// Returns the line; it may have been taken back.
    pub(super) fn line(&self) -> &[u8] {
        &self.0.line
    }

    /// Returns its rank.
    pub(super) fn rank(&self) -> Rank {
        self.0.rank
    }

    /// Returns true if the line is to be written, from now on irrevocably.
    pub(super) fn is_due(&self) -> bool {
        self.pass(WRITTEN)
    }

    /// Takes the line back, so that it is never written; false if it was or will be.
    pub(super) fn take_back(&self) -> bool {
        self.pass(TAKEN_BACK)
    }

    /// Returns true if the line was taken back.
    pub(super) fn is_taken_back(&self) -> bool {
        self.0.stage.load(Ordering::Acquire) == TAKEN_BACK
    }

    fn pass(&self, to: u8) -> bool {
        self.0.stage.compare_exchange(HELD, to, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }
}
