//! The number of slots that each client holds, where there is a fixed number of them.

use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;

use super::Network;

/// Slots that are taken, by client. A client that holds none is not in memory.
#[derive(Debug, Clone, Default)]
pub(crate) struct Shares(Arc<Mutex<HashMap<Network, usize>>>);

/// A slot. Freed when it is dropped.
#[derive(Debug)]
pub(crate) struct Share {
    shares: Shares,
    of: Network,
}

impl Shares {
    /// A slot, unless this client has `most` of them already, or its part of those that a wider network may have.
    pub(crate) fn take(&self, of: Network, most: usize) -> Option<Share> {
        let mut all = self.0.lock();
        let has_room = |level: Network| all.get(&level).copied().unwrap_or_default() < level.part_of(most);
        of.levels().all(has_room).then(|| {
            of.levels().for_each(|level| *all.entry(level).or_default() += 1);
            Share { shares: self.clone(), of }
        })
    }

    /// The number that are taken, by all clients of IPv4 and those without an address.
    #[cfg(test)]
    pub(crate) fn held(&self) -> usize {
        self.0.lock().values().sum()
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut all = self.shares.0.lock();
        for level in self.of.levels() {
            match all.get_mut(&level) {
                Some(taken) if *taken > 1 => *taken -= 1,
                _ => drop(all.remove(&level)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sender_gets_what_it_may_have_and_leaves_no_trace() {
        let shares = Shares::default();
        let one = Network::V4(1);
        assert!(shares.take(one, 0).is_none());
        let taken = [shares.take(one, 2), shares.take(one, 2), shares.take(Network::Unknown, 2)];
        assert!(taken.iter().all(Option::is_some));
        assert!(shares.take(one, 2).is_none());
        assert!(shares.take(one, 3).is_some(), "how many there may be can change");
        drop(taken);
        assert!(shares.0.lock().is_empty());
    }
    #[test]
    fn rule_35_seven_64s_of_one_48_have_no_more_than_one_client() {
        let shares = Shares::default();
        let of =
            |net: u16| Network::from(Some(std::net::Ipv6Addr::new(0x2001, 0xdb8, 1, net, 0, 0, 0, 1).into()));
        let takes = |net| std::iter::from_fn(|| shares.take(of(net), 32)).take(64).collect::<Vec<_>>();
        let first = takes(0);
        assert_eq!(first.len(), 24, "it leaves a quarter to its neighbours");
        let held: Vec<_> = [1, 2, 0x100, 0x101, 0x200, 0xffff].into_iter().flat_map(takes).collect();
        assert_eq!(first.len() + held.len(), 32);
        let elsewhere = Network::from(Some(std::net::Ipv6Addr::new(0x2001, 0xdb8, 2, 0, 0, 0, 0, 1).into()));
        assert!(shares.take(elsewhere, 32).is_some(), "another /48");
        drop((first, held));
        assert!(shares.0.lock().is_empty());
    }
}
