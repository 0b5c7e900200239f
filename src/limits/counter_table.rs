//! A table of counters whose size is fixed when it is made, whatever strangers do to it.
//!
//! The meaning of a counter, and its worth, are up to the owner of the table.
//!
//! The table is set-associative, as a processor's cache is: a key belongs to one set of eight slots, and a new key
//! pushes the least worth of these eight out. Neither looking up nor evicting ever walks the table. The set of a key
//! depends on random keys of this table, so that no client can aim at the set of another key. Slots keep 128 bits of
//! keyed hash instead of the key: account names are chosen by strangers, and long if they like.

use std::{
    hash::{BuildHasher, Hash, RandomState},
    time::Instant,
};

const WAYS: usize = 8;

/// The worth of a counter; the least is evicted first.
pub(crate) trait Worth {
    /// A value to compare.
    type Worth: Ord;
    /// The worth at that time.
    fn worth(&self, now: Instant) -> Self::Worth;
}

/// A fingerprint of a key, in this table only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fingerprint(u64, u64);

/// The table.
pub(crate) struct CounterTable<V> {
    hashers: [RandomState; 2],
    slots: Vec<Option<(Fingerprint, V)>>,
}

impl<V: Worth> CounterTable<V> {
    /// A table for at least `capacity` keys.
    pub(crate) fn new(capacity: usize) -> Self {
        let slots = capacity.max(1).next_multiple_of(WAYS);
        Self { hashers: Default::default(), slots: std::iter::repeat_with(|| None).take(slots).collect() }
    }

    /// The fingerprint of a key.
    pub(crate) fn fingerprint(&self, key: &impl Hash) -> Fingerprint {
        let [first, second] = &self.hashers;
        Fingerprint(first.hash_one(key), second.hash_one(key))
    }

    /// The counter of that key.
    pub(crate) fn get_mut(&mut self, key: Fingerprint) -> Option<&mut V> {
        self.set(key).iter_mut().flatten().find_map(|(found, value)| (*found == key).then_some(value))
    }

    /// The counter of that key, made from `new` where there is none; the least worth of its set may go for
    /// it.
    pub(crate) fn get_or_insert(&mut self, key: Fingerprint, new: V, now: Instant) -> Option<&mut V> {
        if self.get_mut(key).is_none() {
            let victim =
                self.set(key).iter_mut().min_by_key(|slot| slot.as_ref().map(|(_, v)| v.worth(now)))?;
            *victim = Some((key, new));
        }
        self.get_mut(key)
    }

    /// Removes the counter of that key.
    pub(crate) fn remove(&mut self, key: Fingerprint) {
        for slot in self.set(key) {
            slot.take_if(|(found, _)| *found == key);
        }
    }

    fn set(&mut self, key: Fingerprint) -> &mut [Option<(Fingerprint, V)>] {
        let sets = self.slots.len() / WAYS;
        let set = usize::try_from(key.0 % sets as u64).unwrap_or_default();
        self.slots.get_mut(set * WAYS..(set + 1) * WAYS).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Worth for u32 {
        type Worth = u32;
        fn worth(&self, _: Instant) -> u32 {
            *self
        }
    }

    #[test]
    fn counts_and_forgets() {
        let mut table = CounterTable::<u32>::new(100);
        let key = table.fingerprint(&"bob");
        assert_eq!(table.get_mut(key), None);
        *table.get_or_insert(key, 1, Instant::now()).unwrap() += 1;
        assert_eq!(table.get_or_insert(key, 9, Instant::now()), Some(&mut 2));
        table.remove(key);
        assert_eq!(table.get_mut(key), None);
    }

    #[test]
    fn never_grows_and_keeps_what_is_worth_most() {
        let mut table = CounterTable::<u32>::new(8);
        let hot = table.fingerprint(&"hot");
        table.get_or_insert(hot, 50, Instant::now()).unwrap();
        for stranger in 0..1000 {
            let key = table.fingerprint(&stranger);
            assert_eq!(
                table.get_or_insert(key, 1, Instant::now()),
                Some(&mut 1),
                "a newcomer always finds room"
            );
        }
        assert_eq!(table.slots.len(), 8);
        assert_eq!(table.get_mut(hot), Some(&mut 50));
    }

    #[test]
    fn keys_are_placed_differently_in_each_table() {
        let (one, other) = (CounterTable::<u32>::new(8), CounterTable::<u32>::new(8));
        assert_eq!(one.fingerprint(&"bob"), one.fingerprint(&"bob"));
        assert_ne!(one.fingerprint(&"bob"), one.fingerprint(&"eve"));
        assert_ne!(one.fingerprint(&"bob"), other.fingerprint(&"bob"));
    }
}
