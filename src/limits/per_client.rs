//! The rate at which each client may do something, itself and together with its neighbours.
//!
//! Memory is fixed: when the table is full, of eight buckets the fullest goes, and its client is free to begin anew.

use std::time::{Duration, Instant};

use super::{Bucket, CounterTable, Network, Rate};

/// A bucket for each network.
pub(crate) struct Buckets(CounterTable<Bucket>);

impl Buckets {
    /// Full buckets, for at least `capacity` networks at a time.
    pub(crate) fn new(capacity: usize) -> Self {
        Self(CounterTable::new(capacity))
    }

    /// Takes one from the client's bucket, and from those of the wider networks around it.
    ///
    /// # Errors
    /// One of them is empty; the time until it is not. Nothing is taken.
    pub(crate) fn take(&mut self, of: Network, rate: Rate, now: Instant) -> Result<(), Duration> {
        self.wait(of, rate, now)?;
        for level in of.levels() {
            let key = self.0.fingerprint(&level);
            if let Some(bucket) = self.0.get_or_insert(key, Bucket::new(now), now) {
                bucket.take(level.part_of_rate(rate), now)?;
            }
        }
        Ok(())
    }

    /// Returns whether there is one to take, and takes none.
    ///
    /// # Errors
    /// The time until there is.
    pub(crate) fn wait(&mut self, of: Network, rate: Rate, now: Instant) -> Result<(), Duration> {
        let waits = of.levels().map(|level| {
            let key = self.0.fingerprint(&level);
            self.0.get_mut(key).map_or(Ok(()), |bucket| bucket.wait(level.part_of_rate(rate), now))
        });
        waits.max_by_key(|wait| wait.err()).unwrap_or(Ok(()))
    }

    /// Gives one back that was taken.
    pub(crate) fn give_back(&mut self, of: Network, rate: Rate) {
        for level in of.levels() {
            let key = self.0.fingerprint(&level);
            if let Some(bucket) = self.0.get_mut(key) {
                bucket.give_back(level.part_of_rate(rate));
            }
        }
    }

    /// The number missing in the bucket of the widest network of that client.
    pub(crate) fn missing(&mut self, of: Network, rate: Rate, now: Instant) -> u32 {
        let key = self.0.fingerprint(&of.widest());
        self.0.get_mut(key).map_or(0, |bucket| bucket.missing(rate, now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate { burst: 16, interval: Duration::from_secs(6) };

    fn of(ip: &str) -> Network {
        Network::from(Some(ip.parse().unwrap()))
    }

    #[test]
    fn rule_35_neighbours_share_and_none_takes_all() {
        let (mut buckets, now) = (Buckets::new(64), Instant::now());
        let mut takes = |ip| (0..100).filter(|_| buckets.take(of(ip), RATE, now).is_ok()).count();
        assert_eq!(takes("2001:db8:1::1"), 12);
        assert_eq!(takes("2001:db8:1::2"), 0, "the same /64");
        assert_eq!(takes("2001:db8:1:1::1"), 2, "the same /56");
        assert_eq!(takes("2001:db8:1:100::1"), 2, "the same /48");
        assert_eq!(takes("2001:db8:1:200::1"), 0);
        assert_eq!([takes("2001:db8:2::1"), takes("10.0.0.1")], [12, 16]);
    }

    #[test]
    fn what_is_refused_or_given_back_leaves_nothing_behind() {
        let (mut buckets, now) = (Buckets::new(64), Instant::now());
        let [one, other] = ["2001:db8:1::1", "2001:db8:1:100::1"].map(of);
        while buckets.take(one, RATE, now).is_ok() {}
        (0..100).for_each(|_| assert_eq!(buckets.take(one, RATE, now), Err(Duration::from_secs(8))));
        assert_eq!(buckets.missing(other, RATE, now), 12);
        (0..12).for_each(|_| buckets.give_back(one, RATE));
        assert_eq!(buckets.missing(other, RATE, now), 0);
        assert_eq!((0..100).filter(|_| buckets.take(one, RATE, now).is_ok()).count(), 12);
    }
}
