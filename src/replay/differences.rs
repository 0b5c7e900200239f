//! The differences that a replay found, grouped: by account, action, repository and rule.

use std::{collections::HashMap, rc::Rc};

use super::{counts::Counts, rules::Undecided};

/// The most differences that are listed; the rest is counted.
pub const MOST_DIFFERENCES: usize = 100_000;

/// The direction of a difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// It was denied, and would be allowed.
    Gain,
    /// It was allowed, and would be denied.
    Lose,
}

/// The subject of a difference: requests that differ in none of this are counted together.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subject {
    /// Gain or loss.
    pub kind: Kind,
    /// The account; empty for the anonymous one.
    pub account: String,
    /// The section that knows it.
    pub source: Option<String>,
    /// The actions, as in a scope: `pull,push`.
    pub action: String,
    /// The repository; `catalog` for the list of repositories, where `resource_type` is `registry`.
    pub name: String,
    /// `repository`, or another type of a scope.
    pub resource_type: String,
    /// True for what a token lists; false for a request.
    pub is_token: bool,
    /// The rule of the next configuration, or the reason why it denies.
    pub by: Rc<str>,
    /// The time from which it holds; `None` for that of the switch.
    pub from: Option<u64>,
}

/// The requests behind a difference.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// Their number.
    pub count: u64,
    /// The time of the last, in seconds since 1970.
    pub last: u64,
    /// The rule behind the recorded decision of the last; empty where none was recorded.
    pub was: String,
    /// A tag or digest that one of them named.
    pub reference: Option<String>,
}

/// The undecided requests for one reason.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Open {
    /// Those that were allowed: they may be lost.
    pub allowed: u64,
    /// Those that were denied: they may be gained.
    pub denied: u64,
}

/// The result of a replay.
#[derive(Debug, Default)]
pub struct Report {
    /// The differences.
    pub differences: HashMap<Subject, Seen>,
    /// The number of requests with gains that are not listed.
    pub more_gains: u64,
    /// The number of requests with losses that are not listed.
    pub more_losses: u64,
    /// The undecided, by reason.
    pub undecided: Vec<(Undecided, Open)>,
    /// The lines.
    pub counts: Counts,
}

impl Report {
    /// Returns true if some account gains something.
    pub fn has_gains(&self) -> bool {
        self.more_gains > 0 || self.differences.keys().any(|subject| subject.kind == Kind::Gain)
    }

    /// The differences of one kind, in order.
    pub fn listed(&self, kind: Kind) -> Vec<(&Subject, &Seen)> {
        let of_kind = self.differences.iter().filter(|(subject, _)| subject.kind == kind);
        let mut listed: Vec<_> = of_kind.collect();
        listed.sort_unstable_by_key(|(subject, _)| *subject);
        listed
    }

    pub(super) fn differs(&mut self, subject: Subject, (last, was): (u64, &str), reference: Option<&str>) {
        if self.differences.len() >= MOST_DIFFERENCES && !self.differences.contains_key(&subject) {
            match subject.kind {
                Kind::Gain => self.more_gains += 1,
                Kind::Lose => self.more_losses += 1,
            }
            return;
        }
        let seen = self.differences.entry(subject).or_default();
        seen.count += 1;
        if last >= seen.last {
            seen.last = last;
            was.clone_into(&mut seen.was);
        }
        if seen.reference.is_none() {
            seen.reference = reference.map(str::to_owned);
        }
    }

    pub(super) fn leaves_open(&mut self, why: Undecided, open: Open) {
        let at = self.undecided.iter().position(|(reason, _)| *reason == why);
        let at = at.unwrap_or_else(|| {
            self.undecided.push((why, Open::default()));
            self.undecided.len() - 1
        });
        if let Some((_, sum)) = self.undecided.get_mut(at) {
            sum.allowed = sum.allowed.saturating_add(open.allowed);
            sum.denied = sum.denied.saturating_add(open.denied);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject(kind: Kind, from: u64) -> Subject {
        Subject {
            kind,
            account: String::new(),
            source: None,
            action: String::new(),
            name: String::new(),
            resource_type: String::new(),
            is_token: false,
            by: Rc::from(""),
            from: Some(from),
        }
    }

    #[test]
    fn rule_55_a_gain_beyond_the_limit_is_a_gain() {
        let mut report = Report::default();
        let losses = (0..MOST_DIFFERENCES as u64).map(|n| (subject(Kind::Lose, n), Seen::default()));
        report.differences.extend(losses);
        let beyond = u64::MAX;
        report.differs(subject(Kind::Lose, beyond), (7, ""), None);
        report.differs(subject(Kind::Lose, 0), (7, ""), None);
        assert_eq!((report.more_losses, report.has_gains()), (1, false));
        assert_eq!(report.differences[&subject(Kind::Lose, 0)].count, 1, "one that is listed is counted on");
        report.differs(subject(Kind::Gain, beyond), (7, ""), None);
        assert_eq!((report.more_gains, report.has_gains()), (1, true));
        assert_eq!(report.differences.len(), MOST_DIFFERENCES);
    }
}
