//! How many places one sender holds, of something that has a number of them.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::Network;

/// Places that are taken, by who has them. Who has none is not in memory.
#[derive(Debug, Clone, Default)]
pub(crate) struct Shares(Arc<Mutex<HashMap<Network, usize>>>);

/// A place. Ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Share {
    shares: Shares,
    of: Network,
}

impl Shares {
    /// A place, unless this sender has `most` of them already.
    pub(crate) fn take(&self, of: Network, most: usize) -> Option<Share> {
        let mut all = self.taken();
        let taken = all.get(&of).copied().unwrap_or_default();
        (taken < most).then(|| {
            all.insert(of, taken + 1);
            Share { shares: self.clone(), of }
        })
    }

    /// How many are taken, by all senders.
    #[cfg(test)]
    pub(crate) fn held(&self) -> usize {
        self.taken().values().sum()
    }

    fn taken(&self) -> MutexGuard<'_, HashMap<Network, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut all = self.shares.taken();
        match all.get_mut(&self.of) {
            Some(taken) if *taken > 1 => *taken -= 1,
            _ => drop(all.remove(&self.of)),
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
        assert!(shares.taken().is_empty());
    }
}
