//! Limits the rate of a sender: so many in one go, then one in each interval.

use std::time::{Duration, Instant};

use super::Worth;

/// A rate.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rate {
    /// In one go; at least one.
    pub(crate) burst: u32,
    /// The time after which there may be one more.
    pub(crate) interval: Duration,
}

/// The rest that a sender has, as the time at which nothing will be missing (GCRA, ITU-T I.371).
#[derive(Debug)]
pub(crate) struct Bucket {
    full_at: Instant,
}

impl Bucket {
    /// A full one.
    pub(crate) fn new(now: Instant) -> Self {
        Self { full_at: now }
    }

    /// Takes one.
    ///
    /// # Errors
    /// There is none left; the time until there is. Nothing is taken, so that asking again does not prolong it.
    pub(crate) fn take(&mut self, rate: Rate, now: Instant) -> Result<(), Duration> {
        self.wait(rate, now)?;
        self.full_at = self.full_at.max(now) + rate.interval;
        Ok(())
    }

    /// Returns whether there is one to take, and takes none.
    ///
    /// # Errors
    /// The time until there is.
    pub(crate) fn wait(&self, rate: Rate, now: Instant) -> Result<(), Duration> {
        let allowed = rate.interval.saturating_mul(rate.burst.max(1) - 1);
        match self.full_at.saturating_duration_since(now).checked_sub(allowed) {
            Some(over) if !over.is_zero() => Err(over),
            _ => Ok(()),
        }
    }

    /// Returns the number that a full one has more.
    pub(crate) fn missing(&self, rate: Rate, now: Instant) -> u32 {
        let missing = self.full_at.saturating_duration_since(now).as_nanos();
        u32::try_from(missing.div_ceil(rate.interval.as_nanos().max(1))).unwrap_or(u32::MAX)
    }

    /// Gives one back that was taken.
    pub(crate) fn give_back(&mut self, rate: Rate) {
        self.full_at = self.full_at.checked_sub(rate.interval).unwrap_or(self.full_at);
    }
}

/// The emptiest is worth most.
impl Worth for Bucket {
    type Worth = Instant;
    fn worth(&self, _: Instant) -> Instant {
        self.full_at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_then_one_in_each_interval() {
        let rate = Rate { burst: 3, interval: Duration::from_secs(2) };
        let now = Instant::now();
        let mut bucket = Bucket::new(now);
        assert_eq!([(); 4].map(|()| bucket.take(rate, now).is_ok()), [true, true, true, false]);
        assert_eq!(bucket.take(rate, now), Err(Duration::from_secs(2)));
        bucket.give_back(rate);
        assert_eq!(bucket.take(rate, now), Ok(()));
        assert_eq!(bucket.take(rate, now + Duration::from_secs(2)), Ok(()));
        assert_eq!(bucket.take(rate, now + Duration::from_secs(3)), Err(Duration::from_secs(1)));
    }

    #[test]
    fn a_burst_of_none_is_one() {
        let rate = Rate { burst: 0, interval: Duration::from_secs(5) };
        let now = Instant::now();
        let mut bucket = Bucket::new(now);
        assert_eq!(bucket.take(rate, now), Ok(()));
        assert_eq!(bucket.take(rate, now), Err(rate.interval));
    }
}
