//! A memory of each account for a while: bounded in all and for each, the oldest entry goes first.

use std::{
    collections::{HashMap, VecDeque},
    hash::Hash,
    time::{Duration, Instant},
};

/// Accounts with entries, and entries of one account.
const MOST_ACCOUNTS: usize = 1_000;
const MOST_OF_ONE: usize = 10_000;
/// Entries of all accounts.
const MOST: usize = 100_000;

/// Entries that last for a fixed time.
#[derive(Debug)]
pub(super) struct Kept<K> {
    lasts: Duration,
    accounts: HashMap<Box<str>, OfOne<K>>,
    len: usize,
}

#[derive(Debug)]
struct OfOne<K> {
    entries: HashMap<K, Instant>,
    /// In the order in which they were first made.
    order: VecDeque<K>,
    used: Instant,
}

impl<K: Hash + Eq + Clone> Kept<K> {
    /// An empty table, whose entries last for `lasts`.
    pub(super) fn new(lasts: Duration) -> Self {
        Self { lasts, accounts: HashMap::new(), len: 0 }
    }

    /// Makes an entry, or renews it.
    pub(super) fn insert(&mut self, account: &str, key: K, now: Instant) {
        self.make_room(account);
        let of_one = self.accounts.entry(account.into()).or_insert_with(|| OfOne {
            entries: HashMap::new(),
            order: VecDeque::new(),
            used: now,
        });
        of_one.used = now;
        if of_one.entries.insert(key.clone(), now).is_some() {
            return;
        }
        of_one.order.push_back(key);
        self.len += 1;
        if of_one.order.len() > MOST_OF_ONE
            && let Some(oldest) = of_one.order.pop_front()
        {
            of_one.entries.remove(&oldest);
            self.len -= 1;
        }
    }

    /// Returns true if there is such an entry.
    pub(super) fn has(&self, account: &str, key: &K, now: Instant) -> bool {
        let made = self.accounts.get(account).and_then(|of_one| of_one.entries.get(key));
        made.is_some_and(|made| now.saturating_duration_since(*made) < self.lasts)
    }

    /// The entries of an account.
    pub(super) fn of(&self, account: &str, now: Instant) -> impl Iterator<Item = &K> {
        let all = self.accounts.get(account).into_iter().flat_map(|of_one| &of_one.entries);
        all.filter(move |(_, made)| now.saturating_duration_since(**made) < self.lasts).map(|(key, _)| key)
    }

    /// Removes the entries of an account that `is_over` holds for.
    pub(super) fn remove_of(&mut self, account: &str, is_over: impl Fn(&K) -> bool) {
        let Some(of_one) = self.accounts.get_mut(account) else { return };
        let before = of_one.order.len();
        of_one.order.retain(|key| !is_over(key));
        of_one.entries.retain(|key, _| !is_over(key));
        self.len -= before - of_one.order.len();
    }

    /// Removes the entries of all accounts.
    pub(super) fn clear(&mut self) {
        self.accounts.clear();
        self.len = 0;
    }

    /// Room for one more entry of this account: the account that was quiet for longest goes.
    fn make_room(&mut self, account: &str) {
        while self.len >= MOST
            || (self.accounts.len() >= MOST_ACCOUNTS && !self.accounts.contains_key(account))
        {
            let quiet = self.accounts.iter().min_by_key(|(_, of_one)| of_one.used);
            let Some(name) = quiet.map(|(name, _)| name.clone()) else { return };
            if let Some(gone) = self.accounts.remove(&name) {
                self.len -= gone.order.len();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_end_with_their_time_and_stay_their_accounts_own() {
        let (start, hour) = (Instant::now(), Duration::from_secs(3600));
        let mut kept = Kept::new(hour);
        kept.insert("a", 1, start);
        assert!(kept.has("a", &1, start + hour - Duration::from_secs(1)));
        assert!(!kept.has("a", &1, start + hour) && !kept.has("b", &1, start) && !kept.has("a", &2, start));
        assert_eq!(kept.of("a", start + hour).count(), 0);
        kept.remove_of("b", |_| true);
        assert!(kept.has("a", &1, start), "of another account");
        kept.remove_of("a", |key| *key == 1);
        assert!(!kept.has("a", &1, start) && kept.len == 0);
    }

    #[test]
    fn nothing_grows_without_bound() {
        let now = Instant::now();
        let mut kept = Kept::new(Duration::from_secs(3600));
        for n in 0..MOST_OF_ONE + 10 {
            kept.insert("a", n, now);
        }
        assert_eq!((kept.len, kept.has("a", &9, now), kept.has("a", &10, now)), (MOST_OF_ONE, false, true));
        for n in 0..MOST_ACCOUNTS + 10 {
            kept.insert(&format!("b{n}"), 1, now + Duration::from_millis(n as u64));
        }
        assert!(kept.accounts.len() <= MOST_ACCOUNTS && !kept.accounts.contains_key("a"));
    }
}
