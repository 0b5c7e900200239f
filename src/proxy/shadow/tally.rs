//! The differences that the next rules would make, counted by account, action and repository, within bounds.

use std::collections::HashMap;

use crate::authz::Comparison;

/// Differences that are counted one by one.
const MOST: usize = 1000;
/// Those of them that may be of clients without an account, since any client can make some.
const MOST_ANONYMOUS: usize = 100;
/// Those that may be of one account.
const MOST_OF_ACCOUNT: usize = 500;

/// An account that would gain or lose something, or may.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Subject {
    /// The account; empty for the anonymous one.
    pub account: String,
    /// The action: `pull`, `push`, `delete`; `*` for the catalogue.
    pub action: String,
    /// The repository, or `catalog`.
    pub name: String,
    /// The kind of the difference.
    pub comparison: Comparison,
}

/// The requests that made one difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The account, and the right.
    pub subject: Subject,
    /// The number of requests.
    pub count: u64,
    /// The time of the first, in seconds since 1970.
    pub first: u64,
    /// The time of the last.
    pub last: u64,
    /// The next rule that made the difference the last time; `None` where it is undecided.
    pub rule: Option<String>,
}

/// The differences of one list of next rules.
#[derive(Debug, Default)]
pub(super) struct Tally {
    seen: HashMap<Subject, Difference>,
    of_account: HashMap<String, usize>,
    more: u64,
    totals: Totals,
}

/// The number of requests by the kind of their difference.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Denied, and allowed by the next rules.
    pub gain: u64,
    /// Allowed, and denied by the next rules.
    pub loss: u64,
    /// Not known.
    pub undecided: u64,
}

impl Tally {
    /// Counts a request at `now`.
    pub(super) fn add(&mut self, subject: Subject, rule: Option<String>, now: u64) {
        match subject.comparison {
            Comparison::Same => return,
            Comparison::Gain => self.totals.gain += 1,
            Comparison::Loss => self.totals.loss += 1,
            Comparison::Undecided => self.totals.undecided += 1,
        }
        if let Some(seen) = self.seen.get_mut(&subject) {
            (seen.count, seen.last, seen.rule) = (seen.count + 1, now, rule);
            return;
        }
        let of_account = self.of_account.get(&subject.account).copied().unwrap_or_default();
        let most = if subject.account.is_empty() { MOST_ANONYMOUS } else { MOST_OF_ACCOUNT };
        if self.seen.len() >= MOST || of_account >= most {
            self.more += 1;
            return;
        }
        self.of_account.insert(subject.account.clone(), of_account + 1);
        self.seen.insert(subject.clone(), Difference { subject, count: 1, first: now, last: now, rule });
    }

    /// Every difference that is counted by itself, in no order: the caller sorts them, without the lock.
    pub(super) fn differences(&self) -> Vec<Difference> {
        self.seen.values().cloned().collect()
    }

    /// The number of requests whose difference found no room.
    pub(super) fn more(&self) -> u64 {
        self.more
    }

    /// All of them, by kind.
    pub(super) fn totals(&self) -> Totals {
        self.totals
    }
}

/// The account, the repository and the action.
fn names(Difference { subject, .. }: &Difference) -> (&str, &str, &str) {
    (&subject.account, &subject.name, &subject.action)
}

/// Puts losses first, then gains, the frequent first.
pub(super) fn sort(differences: &mut [Difference]) {
    let order = |comparison| match comparison {
        Comparison::Loss => 0,
        Comparison::Gain => 1,
        Comparison::Undecided | Comparison::Same => 2,
    };
    let key = |seen: &Difference| (order(seen.subject.comparison), u64::MAX - seen.count);
    differences.sort_by(|one, other| key(one).cmp(&key(other)).then_with(|| names(one).cmp(&names(other))));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject(account: &str, name: &str, comparison: Comparison) -> Subject {
        let [account, action, name] = [account, "pull", name].map(str::to_owned);
        Subject { account, action, name, comparison }
    }

    #[test]
    fn the_same_difference_is_counted_with_its_first_and_last_time() {
        let mut tally = Tally::default();
        for (now, rule) in [(5, "rule 1"), (7, "rule 2")] {
            tally.add(subject("bob", "a", Comparison::Loss), Some(rule.to_owned()), now);
        }
        tally.add(subject("bob", "a", Comparison::Gain), None, 8);
        tally.add(subject("bob", "a", Comparison::Same), None, 9);
        let mut found = tally.differences();
        sort(&mut found);
        let loss = Difference {
            subject: subject("bob", "a", Comparison::Loss),
            count: 2,
            first: 5,
            last: 7,
            rule: Some("rule 2".to_owned()),
        };
        assert_eq!((found.len(), &found[0]), (2, &loss));
        assert_eq!(tally.totals(), Totals { gain: 1, loss: 2, undecided: 0 });
    }

    #[test]
    fn neither_strangers_nor_one_account_fill_it_and_the_rest_is_one_number() {
        let mut tally = Tally::default();
        for n in 0..2 * MOST {
            tally.add(subject("", &n.to_string(), Comparison::Loss), None, 0);
            tally.add(subject("eve", &n.to_string(), Comparison::Gain), None, 0);
        }
        assert_eq!(tally.differences().len(), MOST_ANONYMOUS + MOST_OF_ACCOUNT);
        for n in 0..MOST {
            tally.add(subject(&n.to_string(), "a", Comparison::Undecided), None, 0);
        }
        let (told, all) = (tally.differences().len(), 5 * MOST);
        assert_eq!((told, tally.more()), (MOST, (all - MOST) as u64));
        assert_eq!(tally.of_account.len(), MOST - MOST_OF_ACCOUNT - MOST_ANONYMOUS + 2);
        tally.add(subject("", "0", Comparison::Loss), None, 1);
        assert_eq!(tally.more(), (all - MOST) as u64, "a difference that has room is still counted");
    }
}
