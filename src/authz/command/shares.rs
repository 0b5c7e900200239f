//! How many places in the queue of the command one address may hold, so that it does not hold all of them.
//!
//! Where the anonymous account exists, anybody may ask about any names, and no question equals another.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::backend::Limits;

/// Questions on their way, by where they come from.
#[derive(Debug)]
pub(super) struct Shares {
    most: usize,
    taken: Mutex<HashMap<Option<IpAddr>, usize>>,
}

/// A question's place. Ends when it is dropped.
#[derive(Debug)]
pub(super) struct Share<'s> {
    shares: &'s Shares,
    of: Option<IpAddr>,
}

impl Shares {
    /// Half of all places for each address.
    pub(super) fn new(limits: &Limits) -> Self {
        Self { most: ((limits.concurrent + limits.queue) / 2).max(1), taken: Mutex::default() }
    }

    /// A place for a question from that address; `None` where it has all that it may have. An IPv6 address counts as its
    /// /64, which is what one subscriber gets, and an unknown one as one address.
    pub(super) fn take(&self, ip: Option<IpAddr>) -> Option<Share<'_>> {
        let of = ip.map(network);
        let mut all = self.taken();
        let taken = all.entry(of).or_default();
        if *taken >= self.most {
            return None;
        }
        *taken += 1;
        Some(Share { shares: self, of })
    }

    fn taken(&self) -> MutexGuard<'_, HashMap<Option<IpAddr>, usize>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        let mut all = self.shares.taken();
        match all.get_mut(&self.of) {
            Some(taken) if *taken > 1 => *taken -= 1,
            _ => drop(all.remove(&self.of)),
        }
    }
}

fn network(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64).into(),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_counts_as_one_address_gets_half_and_leaves_no_trace() {
        let shares = Shares::new(&Limits { concurrent: 2, queue: 2, ..Limits::default() });
        let take = |ip: &str| shares.take(Some(ip.parse().unwrap()));
        let taken = [take("2001:db8::1"), take("2001:db8::2:1"), take("10.0.0.1"), take("::ffff:10.0.0.1")];
        assert!(taken.iter().all(Option::is_some));
        assert!(take("2001:db8::3").is_none() && take("10.0.0.1").is_none());
        assert!(
            take("2001:db8:0:1::1").is_some() && take("10.0.0.2").is_some() && shares.take(None).is_some()
        );
        drop(taken);
        assert!(shares.taken().is_empty());
        let least = Shares::new(&Limits { concurrent: 1, queue: 0, ..Limits::default() });
        assert!(least.take(None).is_some());
    }
}
