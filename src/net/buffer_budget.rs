//! Sets the number of bytes of a body that are held at a time: many while few bodies are under way, few while many are.
//! So all of them together stay within a budget.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// The size of one piece, shared by all tasks that move a body, or hold bytes that their peer does not take.
#[derive(Debug, Clone, Default)]
pub(crate) struct BufferBudget(Arc<AtomicUsize>);

/// One of those. Dropped, it leaves its share to the others.
#[derive(Debug)]
pub(crate) struct BudgetShare(BufferBudget);

/// The approximate total size of all pieces in flight: a task that took a large one when there were few keeps it until
/// it is taken.
const BUDGET: usize = 32 << 20;
/// The largest piece. What is read and written at once costs a system call, and often a switch to another process and
/// back, which is more than what the processor's caches lose by it.
const MOST: usize = 1 << 20;
/// The smallest: two TLS records.
const LEAST: usize = 32 << 10;

impl BufferBudget {
    /// Counts one more.
    pub(crate) fn share(&self) -> BudgetShare {
        self.0.fetch_add(1, Ordering::Relaxed);
        BudgetShare(self.clone())
    }

    /// Bytes of one piece, as things stand.
    pub(crate) fn piece(&self) -> usize {
        (BUDGET / self.0.load(Ordering::Relaxed).max(1)).clamp(LEAST, MOST)
    }
}

impl Drop for BudgetShare {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_have_little_each_and_few_have_much() {
        let budget = BufferBudget::default();
        assert_eq!(budget.piece(), MOST);
        let mut shares: Vec<BudgetShare> = (0..512).map(|_| budget.share()).collect();
        assert_eq!(budget.piece(), 64 << 10);
        shares.extend((0..10_000).map(|_| budget.share()));
        assert_eq!(budget.piece(), LEAST);
        shares.clear();
        assert_eq!(budget.piece(), MOST);
    }
}
