//! How many places before a back end one address may hold, so that it does not hold all of them.
//!
//! Names and passwords that take a command long, and where the anonymous account exists any names of repositories, would
//! else keep everybody out at the cost of nothing.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::{Limits, Unavailable};

/// Questions on their way, by where they come from.
#[derive(Debug)]
pub(crate) struct Shares {
    most: usize,
    taken: Mutex<HashMap<Option<IpAddr>, usize>>,
}

/// A question's place. Ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Share<'s> {
    shares: &'s Shares,
    of: Option<IpAddr>,
}

impl Shares {
    /// Half of all places for each address.
    pub(crate) fn new(limits: &Limits) -> Self {
        Self { most: ((limits.concurrent + limits.queue) / 2).max(1), taken: Mutex::default() }
    }

    /// A place for a question to `backend` from that address. An IPv6 address counts as its /64, which is what one
    /// subscriber gets, and an unknown one as one address.
    ///
    /// # Errors
    /// It has all the places that it may have.
    pub(crate) fn of(&self, ip: Option<IpAddr>, backend: &'static str) -> Result<Share<'_>, Unavailable> {
        self.take(ip).ok_or_else(|| {
            let from = ip.map_or_else(|| "one address".to_owned(), |ip| ip.to_string());
            Unavailable { backend, why: format!("too many questions come from {from}") }
        })
    }

    fn take(&self, ip: Option<IpAddr>) -> Option<Share<'_>> {
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
