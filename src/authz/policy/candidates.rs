//! The rules that may match a question, out of the lists that an index finds for it, in the order of the rules.

use std::{cmp::Reverse, collections::BinaryHeap};

/// Lists that are merged without an allocation. Few questions have more, except for accounts with many labels.
const FEW: usize = 8;

/// A list: a part of the slice that [`Candidates`] are made of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::authz) struct Run {
    /// The index of its first item.
    pub(in crate::authz) start: usize,
    /// The index after its last item.
    pub(in crate::authz) end: usize,
}

/// The rules of several lists, ascending, each once.
///
/// The next of `n` lists is found in the logarithm of `n`, and nothing is read ahead: a caller that stops at the first
/// matching rule has not paid for those behind it.
#[derive(Debug)]
pub(in crate::authz) struct Candidates<'i> {
    rules: &'i [usize],
    few: [Cursor; FEW],
    used: usize,
    more: BinaryHeap<Reverse<Cursor>>,
    /// No rule before this one comes again.
    from: usize,
}

/// A position in a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Cursor {
    /// The rule that stands there: first, so that the lowest is the least.
    rule: usize,
    at: usize,
    end: usize,
}

impl Cursor {
    /// At the end of its list.
    const DONE: Self = Self { rule: usize::MAX, at: 0, end: 0 };

    fn new(rules: &[usize], at: usize, end: usize) -> Self {
        match rules.get(at..end).and_then(<[usize]>::first) {
            Some(rule) => Self { rule: *rule, at, end },
            None => Self::DONE,
        }
    }
}

impl<'i> Candidates<'i> {
    /// No lists yet, of parts of `rules`.
    pub(in crate::authz) fn new(rules: &'i [usize]) -> Self {
        Self { rules, few: [Cursor::DONE; FEW], used: 0, more: BinaryHeap::new(), from: 0 }
    }

    /// Adds a list; it must be ascending, and may have been added before.
    pub(in crate::authz) fn add(&mut self, list: Run) {
        let cursor = Cursor::new(self.rules, list.start, list.end);
        if cursor == Cursor::DONE {
            return;
        }
        match self.few.get_mut(self.used) {
            Some(slot) => *slot = cursor,
            None => self.more.push(Reverse(cursor)),
        }
        self.used += 1;
    }

    /// The lowest rule of all lists, which is taken.
    fn lowest(&mut self) -> Option<usize> {
        let few = self.few.iter_mut().take(self.used).min()?;
        let more = self.more.peek_mut().filter(|more| more.0 < *few);
        let rule = more.as_ref().map_or(few.rule, |more| more.0.rule);
        match more {
            Some(mut more) => more.0 = Cursor::new(self.rules, more.0.at + 1, more.0.end),
            None => *few = Cursor::new(self.rules, few.at + 1, few.end),
        }
        (rule != Cursor::DONE.rule).then_some(rule)
    }
}

impl Iterator for Candidates<'_> {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        loop {
            let rule = self.lowest()?;
            if rule >= self.from {
                self.from = rule + 1;
                return Some(rule);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_come_merged_and_each_rule_once() {
        // Lists of every third rule and so on, more of them than there is room for, and some of them twice.
        for lists in [0, 1, 2, FEW, FEW + 1, 300] {
            let (mut rules, mut runs) = (Vec::new(), Vec::new());
            for list in 0..lists {
                let start = rules.len();
                rules.extend((0..list % 7).map(|n| list + n * 3));
                runs.push(Run { start, end: rules.len() });
            }
            let mut expected = rules.clone();
            expected.sort_unstable();
            expected.dedup();
            let mut found = Candidates::new(&rules);
            runs.iter().rev().chain(&runs).for_each(|run| found.add(*run));
            assert_eq!(found.collect::<Vec<_>>(), expected, "{lists}");
        }
    }
}
