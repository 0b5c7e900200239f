//! A lock for each key, such as a repository: made when it is first asked for, forgotten when it is no longer held.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Weak},
};

use parking_lot::Mutex;

/// Locks in memory before those that are not held are forgotten.
const REMEMBERED: usize = 1000;

/// The locks. `L` is the kind of each.
#[derive(Debug)]
pub(super) struct KeyedLocks<K, L>(Mutex<HashMap<K, Weak<L>>>);

impl<K, L> Default for KeyedLocks<K, L> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Eq + Hash, L: Default> KeyedLocks<K, L> {
    /// The lock of a key.
    pub(super) fn of(&self, key: K) -> Arc<L> {
        let mut locks = self.0.lock();
        if let Some(lock) = locks.get(&key).and_then(Weak::upgrade) {
            return lock;
        }
        if locks.len() >= REMEMBERED {
            locks.retain(|_, lock| lock.strong_count() > 0);
        }
        let lock = Arc::default();
        locks.insert(key, Arc::downgrade(&lock));
        lock
    }
}
