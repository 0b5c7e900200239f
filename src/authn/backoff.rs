//! The arithmetic of waits behind `throttle`, for one name at one client, and for one client.
//!
//! The storage of these counters, and the choice of the counter for a request, are elsewhere.

use std::time::{Duration, Instant};

use super::digest::Guess;
use crate::limits::{Rate, Worth};

/// The wait while earlier attempts are still being verified: the order of magnitude of one bcrypt.
const IN_FLIGHT_WAIT: Duration = Duration::from_secs(1);

/// No wait is longer, whatever is set: a sum of times must not overflow.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// The settings that slow down guessing. Times over a day count as a day.
#[derive(Debug, Clone)]
pub struct ThrottleSettings {
    /// Failures of an account from an address that cost nothing: people mistype.
    pub free_failures: u32,
    /// The wait after the next one; each further one doubles it.
    pub first_wait: Duration,
    /// The longest wait.
    pub longest_wait: Duration,
    /// A quiet time after which the failures are forgotten, counted from the end of the wait.
    pub forget_after: Duration,
    /// Attempts at once for an account from an address that has not failed yet: a cold start of many jobs.
    /// After a failure as many as there are free failures left, and one when there are none.
    pub in_flight: u32,
    /// Guesses that a client may make in one go, over all accounts; and as many passwords to check that are no guesses.
    pub address_burst: u32,
    /// The time after which a client may make one more.
    pub address_interval: Duration,
    /// Entries in each table at most; one takes less than 200 bytes, or 1000 where it holds the sign-ins of an account.
    pub capacity: usize,
}

impl Default for ThrottleSettings {
    fn default() -> Self {
        Self {
            free_failures: 3,
            first_wait: Duration::from_secs(1),
            longest_wait: Duration::from_secs(60),
            forget_after: Duration::from_secs(15 * 60),
            in_flight: 16,
            address_burst: 60,
            address_interval: Duration::from_secs(5),
            capacity: 16 * 1024,
        }
    }
}

impl ThrottleSettings {
    pub(super) fn bounded(self) -> Self {
        Self {
            longest_wait: self.longest_wait.min(LONGEST),
            forget_after: self.forget_after.min(LONGEST),
            address_interval: self.address_interval.min(LONGEST),
            ..self
        }
    }

    /// The rate at which one client may try.
    pub(super) fn of_address(&self) -> Rate {
        Rate { burst: self.address_burst, interval: self.address_interval }
    }
}

/// Too many failures; how long to wait before the next attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryAfter(pub Duration);

/// Wrong passwords of one name at one client that are known to have been shown; the oldest goes first.
const KNOWN_WRONG: usize = 8;

/// The wrong passwords for a name from a client.
pub(super) struct WrongPasswords {
    failures: u32,
    /// The latest of them.
    wrong: [Option<Guess>; KNOWN_WRONG],
    in_flight: Vec<Guess>,
    /// The time from which the next attempt may be made.
    open_at: Instant,
    /// The time from which the failures no longer count.
    forgotten_at: Instant,
}

impl WrongPasswords {
    pub(super) fn new(now: Instant) -> Self {
        let (wrong, in_flight) = ([None; KNOWN_WRONG], Vec::new());
        Self { failures: 0, wrong, in_flight, open_at: now, forgotten_at: now }
    }

    /// Returns whether this guess may be made now.
    ///
    /// Without failures, `now` may be earlier than the time of this counter: several threads read the clock, and then
    /// wait for each other.
    pub(super) fn check(
        &self,
        guess: Guess,
        settings: &ThrottleSettings,
        now: Instant,
    ) -> Result<(), RetryAfter> {
        if self.failures > 0 && now < self.open_at {
            return Err(RetryAfter(self.open_at - now));
        }
        let at_once = match self.failures_at(now) {
            0 => settings.in_flight,
            failures => settings.free_failures.saturating_sub(failures),
        };
        let has_room = self.in_flight.len() < at_once.max(1) as usize;
        if has_room || self.in_flight.contains(&guess) { Ok(()) } else { Err(RetryAfter(IN_FLIGHT_WAIT)) }
    }

    /// Returns whether this password was wrong before.
    pub(super) fn is_known_wrong(&self, guess: Guess, now: Instant) -> bool {
        self.failures_at(now) > 0 && self.wrong.contains(&Some(guess))
    }

    /// Returns whether this password was shown before, or is being verified: then it is no further guess.
    pub(super) fn is_known(&self, guess: Guess, now: Instant) -> bool {
        self.is_known_wrong(guess, now) || self.in_flight.contains(&guess)
    }

    /// A guess begins to be verified.
    pub(super) fn start(&mut self, guess: Guess) {
        self.in_flight.push(guess);
    }

    /// Its verification has ended.
    pub(super) fn end(&mut self, guess: Guess) {
        if let Some(at) = self.in_flight.iter().position(|other| *other == guess) {
            self.in_flight.swap_remove(at);
        }
    }

    /// A guess was wrong. Returns whether it is a further one, and counts.
    pub(super) fn fail(&mut self, guess: Guess, settings: &ThrottleSettings, now: Instant) -> bool {
        if self.is_known_wrong(guess, now) {
            return false;
        }
        self.failures = self.failures_at(now).saturating_add(1);
        if self.failures == 1 {
            self.wrong = [None; KNOWN_WRONG];
        }
        self.wrong.rotate_right(1);
        if let Some(latest) = self.wrong.first_mut() {
            *latest = Some(guess);
        }
        let wait = match self.failures.saturating_sub(settings.free_failures) {
            0 => Duration::ZERO,
            paid => {
                settings.first_wait.saturating_mul(2_u32.saturating_pow(paid - 1)).min(settings.longest_wait)
            }
        };
        self.open_at = self.open_at.max(now + wait);
        self.forgotten_at = self.open_at + settings.forget_after;
        true
    }

    /// It is right now, whatever it was. What failed still counts.
    pub(super) fn prove(&mut self, guess: Guess) {
        for wrong in &mut self.wrong {
            wrong.take_if(|wrong| *wrong == guess);
        }
    }

    /// Returns whether it says no more than no counter at all.
    pub(super) fn is_blank(&self) -> bool {
        self.in_flight.is_empty() && self.failures == 0
    }

    fn failures_at(&self, now: Instant) -> u32 {
        if now < self.forgotten_at { self.failures } else { 0 }
    }
}

/// Many failures are worth keeping; attempts whose end is still to come most of all.
impl Worth for WrongPasswords {
    type Worth = (bool, u32, Instant);
    fn worth(&self, now: Instant) -> Self::Worth {
        (!self.in_flight.is_empty(), self.failures_at(now), self.open_at)
    }
}

/// The number of a client's wrong passwords, over all names. It only decides which of many waiting clients goes first.
pub(super) struct Failures {
    count: u32,
    forgotten_at: Instant,
}

impl Failures {
    pub(super) fn new(now: Instant) -> Self {
        Self { count: 0, forgotten_at: now }
    }

    /// One more.
    pub(super) fn add(&mut self, settings: &ThrottleSettings, now: Instant) {
        self.count = self.at(now).saturating_add(1);
        self.forgotten_at = now + settings.forget_after;
    }

    /// The number of failures that are not forgotten.
    pub(super) fn at(&self, now: Instant) -> u32 {
        if now < self.forgotten_at { self.count } else { 0 }
    }
}

/// The most are worth most.
impl Worth for Failures {
    type Worth = (u32, Instant);
    fn worth(&self, now: Instant) -> Self::Worth {
        (self.at(now), self.forgotten_at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        authn::{Secret, digest::DigestKey},
        limits::Bucket,
    };

    fn guess(password: &str) -> Guess {
        DigestKey::random().unwrap().guess("bob", &Secret::new(password)).unwrap()
    }

    #[test]
    fn endless_times_do_not_overflow() {
        let settings = ThrottleSettings {
            free_failures: 0,
            first_wait: Duration::MAX,
            longest_wait: Duration::MAX,
            forget_after: Duration::MAX,
            address_interval: Duration::MAX,
            address_burst: u32::MAX,
            ..Default::default()
        }
        .bounded();
        let now = Instant::now();
        let (mut pair, mut bucket) = (WrongPasswords::new(now), Bucket::new(now));
        for _ in 0..3 {
            pair.fail(guess("x"), &settings, now);
            assert_eq!(bucket.take(settings.of_address(), now), Ok(()));
        }
        assert_eq!(pair.check(guess("y"), &settings, now), Err(RetryAfter(LONGEST)));
    }

    #[test]
    fn extreme_settings_neither_overflow_nor_open() {
        let settings = ThrottleSettings { free_failures: 0, in_flight: 0, ..Default::default() };
        let now = Instant::now();
        let mut pair = WrongPasswords { failures: u32::MAX, ..WrongPasswords::new(now) };
        pair.forgotten_at = now + Duration::from_secs(1);
        pair.fail(guess("x"), &settings, now);
        assert_eq!(pair.check(guess("y"), &settings, now), Err(RetryAfter(settings.longest_wait)));
        assert_eq!(
            WrongPasswords::new(now).check(guess("y"), &settings, now),
            Ok(()),
            "one attempt is always possible"
        );
    }
}
