//! The addresses and passwords of recent sign-ins of each account: the only way past a wait.
//!
//! It opens nothing else. A password that is found here is checked like any other. The wait is skipped for the password
//! that was right at the same address within a day. A wrong one shown there closes that way for a while, so that asking
//! is no faster than guessing is meant to be. Only right passwords make entries, and each account has room for a few:
//! none pushes out those of another.

use std::time::{Duration, Instant};

use super::digest::Guess;
use crate::limits::{Network, Worth};

/// The time for which a password that was right opens the way.
const LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);
/// The time for which the way is closed after a wrong password.
const PAUSE: Duration = Duration::from_secs(10);
/// Addresses for each account; the oldest goes first.
const ADDRESSES: usize = 16;

/// The sign-ins of one account, the latest last.
#[derive(Debug, Default)]
pub(super) struct RecentSignIns(Vec<Proof>);

#[derive(Debug)]
struct Proof {
    from: Network,
    guess: Guess,
    at: Instant,
    closed_until: Instant,
}

impl RecentSignIns {
    /// Records that the password was right.
    pub(super) fn record(&mut self, from: Network, guess: Guess, now: Instant) {
        // A way that is closed stays closed: or each sign-in would allow a guess.
        let before = self.0.iter().position(|proof| proof.from == from).map(|at| self.0.remove(at));
        if self.0.len() >= ADDRESSES {
            self.0.remove(0);
        }
        let closed_until = before.map_or(now, |before| before.closed_until);
        self.0.push(Proof { from, guess, at: now, closed_until });
    }

    /// Returns whether this was the right password there, within a day.
    pub(super) fn knows(&self, from: Network, guess: Guess, now: Instant) -> bool {
        let is_it = |proof: &Proof| proof.from == from && proof.guess == guess && proof.is_valid(now);
        self.0.iter().any(is_it)
    }

    /// Returns the same where the way is open; closes it for a while if the answer is no.
    pub(super) fn passes(&mut self, from: Network, guess: Guess, now: Instant) -> bool {
        let Some(proof) = self.0.iter_mut().find(|proof| proof.from == from) else { return false };
        if now < proof.closed_until || !proof.is_valid(now) {
            return false;
        }
        if proof.guess != guess {
            proof.closed_until = now + PAUSE;
        }
        proof.guess == guess
    }

    /// Forgets a password that is right no longer.
    pub(super) fn forget(&mut self, from: Network, guess: Guess) {
        self.0.retain(|proof| proof.from != from || proof.guess != guess);
    }
}

impl Proof {
    fn is_valid(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.at) < LIFETIME
    }
}

/// The account that signed in last is worth most.
impl Worth for RecentSignIns {
    type Worth = Option<Instant>;
    fn worth(&self, _: Instant) -> Self::Worth {
        self.0.last().map(|proof| proof.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authn::{Secret, digest::DigestKey};

    const HERE: Network = Network::V4(1);
    const THERE: Network = Network::V4(2);

    fn guesses() -> [Guess; 2] {
        let key = DigestKey::random().unwrap();
        ["right", "wrong"].map(|password| key.guess("bob", &Secret::new(password)).unwrap())
    }

    #[test]
    fn rule_37_the_way_opens_for_the_same_password_from_the_same_address_within_a_day() {
        let ([right, wrong], start) = (guesses(), Instant::now());
        let mut proven = RecentSignIns::default();
        assert!(!proven.passes(HERE, right, start));
        proven.record(HERE, right, start);
        assert!(!proven.passes(THERE, right, start), "another address");
        let last = start + LIFETIME - Duration::from_secs(1);
        assert!(
            proven.passes(HERE, right, last) && proven.passes(HERE, right, last),
            "as often as one likes"
        );
        assert!(!proven.passes(HERE, right, start + LIFETIME));
        assert!(!proven.passes(HERE, wrong, last));
        proven.forget(HERE, right);
        assert!(!proven.knows(HERE, right, start));
    }

    #[test]
    fn rule_37_a_wrong_password_closes_the_way_for_ten_seconds_and_a_right_one_does_not_open_it() {
        let ([right, wrong], start) = (guesses(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut proven = RecentSignIns::default();
        proven.record(HERE, right, start);
        assert!(!proven.passes(HERE, wrong, start));
        proven.record(HERE, right, at(1));
        assert!(!proven.passes(HERE, right, at(9)));
        assert!(proven.passes(HERE, right, at(10)), "what is asked while it is closed does not prolong it");
    }

    #[test]
    fn an_account_has_room_for_a_few_addresses() {
        let ([right, _], now) = (guesses(), Instant::now());
        let mut proven = RecentSignIns::default();
        (0..100).for_each(|address| proven.record(Network::V4(address), right, now));
        assert_eq!(proven.0.len(), ADDRESSES);
        assert!(proven.knows(Network::V4(99), right, now) && !proven.knows(Network::V4(0), right, now));
    }
}
