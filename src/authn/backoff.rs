//! How long is to be waited: the arithmetic behind `throttle`, for one account at one address, and for one address.
//!
//! Where these counters live, and which of them a request belongs to, is elsewhere.

use std::time::{Duration, Instant};

use crate::quota::{Bucket, Rate, Worth};

/// How long to wait while earlier attempts are still being verified: the order of magnitude of one bcrypt.
const IN_FLIGHT_WAIT: Duration = Duration::from_secs(1);

/// No wait is longer, whatever is set: a sum of times must not overflow.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// How guessing is slowed. Times over a day count as a day.
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
    /// Attempts that an address may make in one go, over all accounts.
    pub address_burst: u32,
    /// The time after which an address may make one more.
    pub address_interval: Duration,
    /// Counters in memory at most, for each of the two tables; each takes less than 100 bytes.
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

    /// How often one address may try.
    pub(super) fn of_address(&self) -> Rate {
        Rate { burst: self.address_burst, interval: self.address_interval }
    }
}

/// Too many failures; how long to wait before the next attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryAfter(pub Duration);

/// The failures of an account from an address.
pub(super) struct Pair {
    failures: u32,
    in_flight: u32,
    /// When the next attempt may be made.
    open_at: Instant,
    /// When the failures no longer count.
    forgotten_at: Instant,
    /// Until when the account counts as known at this address: it has logged in there.
    known_until: Instant,
}

impl Pair {
    pub(super) fn new(now: Instant) -> Self {
        Self { failures: 0, in_flight: 0, open_at: now, forgotten_at: now, known_until: now }
    }

    /// Whether one more attempt may be made.
    pub(super) fn check(&self, settings: &ThrottleSettings, now: Instant) -> Result<(), RetryAfter> {
        self.wait(now)?;
        let at_once = match self.failures_at(now) {
            0 => settings.in_flight,
            failures => settings.free_failures.saturating_sub(failures),
        };
        if self.in_flight < at_once.max(1) { Ok(()) } else { Err(RetryAfter(IN_FLIGHT_WAIT)) }
    }

    /// Whether the wait after failures is over. Where there are none, `now` may be earlier than the moment of which this
    /// counter is: several threads look at the clock, and then wait for each other.
    pub(super) fn wait(&self, now: Instant) -> Result<(), RetryAfter> {
        if self.failures > 0 && now < self.open_at { Err(RetryAfter(self.open_at - now)) } else { Ok(()) }
    }

    /// One more attempt is being made.
    pub(super) fn start(&mut self) {
        self.in_flight = self.in_flight.saturating_add(1);
    }

    /// An attempt was never made.
    pub(super) fn withdraw(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    /// An attempt was right: what failed before it, or beside it, no longer counts.
    pub(super) fn succeed(&mut self, settings: &ThrottleSettings, started: Instant) {
        let in_flight = self.in_flight.saturating_sub(1);
        *self = Self { in_flight, known_until: started + settings.forget_after, ..Self::new(started) };
    }

    /// Whether the account has logged in from this address not long ago, and has failures left that cost nothing: then
    /// others at the address, who try other names, cannot use up its attempts.
    pub(super) fn is_known(&self, settings: &ThrottleSettings, now: Instant) -> bool {
        self.failures_at(now) <= settings.free_failures && now < self.known_until
    }

    /// An attempt was wrong.
    pub(super) fn fail(&mut self, settings: &ThrottleSettings, now: Instant) {
        self.withdraw();
        self.failures = self.failures_at(now).saturating_add(1);
        let wait = match self.failures.saturating_sub(settings.free_failures) {
            0 => Duration::ZERO,
            paid => {
                settings.first_wait.saturating_mul(2_u32.saturating_pow(paid - 1)).min(settings.longest_wait)
            }
        };
        self.open_at = self.open_at.max(now + wait);
        self.forgotten_at = self.open_at + settings.forget_after;
    }

    /// Whether it says no more than no counter at all.
    pub(super) fn is_blank(&self, now: Instant) -> bool {
        self.in_flight == 0 && self.failures == 0 && now >= self.known_until
    }

    fn failures_at(&self, now: Instant) -> u32 {
        if now < self.forgotten_at { self.failures } else { 0 }
    }
}

/// Many failures are worth keeping; attempts whose end is still to come most of all.
impl Worth for Pair {
    type Worth = (bool, u32, Instant);
    fn worth(&self, now: Instant) -> Self::Worth {
        (self.in_flight > 0, self.failures_at(now), self.open_at)
    }
}

/// What an address has tried: the attempts that are left to it, and those that failed.
///
/// Its failures are remembered as long as those of a pair: they say who goes first where many wait, no more.
pub(super) struct Sender {
    bucket: Bucket,
    failures: u32,
    forgotten_at: Instant,
}

impl Sender {
    pub(super) fn new(now: Instant) -> Self {
        Self { bucket: Bucket::new(now), failures: 0, forgotten_at: now }
    }

    pub(super) fn take(&mut self, settings: &ThrottleSettings, now: Instant) -> Result<(), RetryAfter> {
        self.bucket.take(settings.of_address(), now).map_err(RetryAfter)
    }

    pub(super) fn give_back(&mut self, settings: &ThrottleSettings) {
        self.bucket.give_back(settings.of_address());
    }

    /// How much it has tried: the attempts that are missing of a full bucket, and what failed.
    pub(super) fn tried(&self, settings: &ThrottleSettings, now: Instant) -> u32 {
        self.bucket.missing(settings.of_address(), now).saturating_add(self.failures_at(now))
    }

    /// An attempt was wrong.
    pub(super) fn fail(&mut self, settings: &ThrottleSettings, now: Instant) {
        self.failures = self.failures_at(now).saturating_add(1);
        self.forgotten_at = now + settings.forget_after;
    }

    fn failures_at(&self, now: Instant) -> u32 {
        if now < self.forgotten_at { self.failures } else { 0 }
    }
}

/// The one with the fewest attempts left is worth most.
impl Worth for Sender {
    type Worth = Instant;
    fn worth(&self, now: Instant) -> Instant {
        self.bucket.worth(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quota::Bucket;

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
        let (mut pair, mut bucket) = (Pair::new(now), Bucket::new(now));
        for _ in 0..3 {
            pair.fail(&settings, now);
            assert_eq!(bucket.take(settings.of_address(), now), Ok(()));
        }
        assert_eq!(pair.check(&settings, now), Err(RetryAfter(LONGEST)));
    }

    #[test]
    fn extreme_settings_neither_overflow_nor_open() {
        let settings = ThrottleSettings { free_failures: 0, in_flight: 0, ..Default::default() };
        let now = Instant::now();
        let mut pair = Pair { failures: u32::MAX, ..Pair::new(now) };
        pair.forgotten_at = now + Duration::from_secs(1);
        pair.fail(&settings, now);
        assert_eq!(pair.check(&settings, now), Err(RetryAfter(settings.longest_wait)));
        assert_eq!(Pair::new(now).check(&settings, now), Ok(()), "one attempt is always possible");
    }
}
