//! The time in which a rule holds: `from` and `until`.
//!
//! Outside it a rule is as if it were not there, whether it grants or denies. The time is that of the question, so no
//! decision outlives it. Reading a time as it is written is left to `config`.

/// The time in which a rule holds; by default always.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Validity {
    /// The second in which it begins, since 1970.
    pub from: Option<u64>,
    /// The second in which it is over, since 1970.
    pub until: Option<u64>,
}

impl Validity {
    /// Returns true if the rule holds at `now`, in seconds since 1970.
    pub fn holds_at(self, now: u64) -> bool {
        self.from.is_none_or(|from| from <= now) && !self.is_over(now)
    }

    /// Returns true if the rule holds no longer at `now`, in seconds since 1970, nor ever again.
    pub fn is_over(self, now: u64) -> bool {
        self.until.is_some_and(|until| until <= now)
    }

    /// Returns true if the rule holds whenever one with `other` does.
    pub fn covers(self, other: Self) -> bool {
        let begins = self.from.is_none_or(|from| other.from.is_some_and(|other| from <= other));
        begins && self.until.is_none_or(|until| other.until.is_some_and(|other| other <= until))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn between(from: u64, until: u64) -> Validity {
        Validity { from: Some(from), until: Some(until) }
    }

    #[test]
    fn the_first_second_is_in_and_the_one_that_ends_it_is_not() {
        let holds: Vec<u64> = (0..10).filter(|now| between(3, 6).holds_at(*now)).collect();
        assert_eq!(holds, [3, 4, 5]);
        assert_eq!((0..10).find(|now| between(3, 6).is_over(*now)), Some(6));
        for now in [0, u64::MAX] {
            assert!(Validity::default().holds_at(now) && !Validity::default().is_over(now));
        }
        let (from, until) =
            (Validity { until: None, ..between(3, 0) }, Validity { from: None, ..between(0, 3) });
        assert_eq!(
            (0..10).map(|now| from.holds_at(now)).collect::<Vec<_>>(),
            [[false; 3].as_slice(), &[true; 7]].concat()
        );
        assert!((0..10).all(|now| from.holds_at(now) != until.holds_at(now)));
    }

    #[test]
    fn one_covers_another_that_holds_within_it() {
        let all: Vec<Validity> = [None, Some(1), Some(2), Some(4)]
            .into_iter()
            .flat_map(|from| [None, Some(3), Some(5), Some(6)].map(|until| Validity { from, until }))
            .collect();
        for (one, other) in all.iter().flat_map(|one| all.iter().map(move |other| (*one, *other))) {
            let within = (0..9).all(|now| one.holds_at(now) || !other.holds_at(now));
            // One that never holds is within any, and need not be found.
            let never = (0..9).all(|now| !other.holds_at(now));
            assert!(one.covers(other) == within || never, "{one:?} {other:?}");
        }
    }
}
