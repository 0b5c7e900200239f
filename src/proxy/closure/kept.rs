//! A memory of each account for a while, by repository: bounded in all and for each, the oldest entry goes first.

use std::{
    collections::{HashMap, VecDeque},
    hash::Hash,
    sync::Arc,
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
    /// By repository.
    entries: HashMap<Arc<str>, HashMap<K, Instant>>,
    /// In the order in which they were first made.
    order: VecDeque<(Arc<str>, K)>,
    used: Instant,
}

impl<K: Hash + Eq + Clone> OfOne<K> {
    fn new(now: Instant) -> Self {
        Self { entries: HashMap::new(), order: VecDeque::new(), used: now }
    }

    /// Makes or renews an entry; returns true if it was not there.
    fn insert(&mut self, repository: &str, key: K, now: Instant) -> bool {
        self.used = now;
        let place = match self.entries.get_key_value(repository) {
            Some((place, _)) => Arc::clone(place),
            None => repository.into(),
        };
        if self.entries.entry(Arc::clone(&place)).or_default().insert(key.clone(), now).is_some() {
            return false;
        }
        self.order.push_back((place, key));
        true
    }

    fn remove_oldest(&mut self) {
        let Some((place, key)) = self.order.pop_front() else { return };
        if let Some(entries) = self.entries.get_mut(&place) {
            entries.remove(&key);
            if entries.is_empty() {
                self.entries.remove(&place);
            }
        }
    }
}

impl<K: Hash + Eq + Clone> Kept<K> {
    /// An empty table, whose entries last for `lasts`.
    pub(super) fn new(lasts: Duration) -> Self {
        Self { lasts, accounts: HashMap::new(), len: 0 }
    }

    /// Makes an entry, or renews it.
    pub(super) fn insert(&mut self, account: &str, repository: &str, key: K, now: Instant) {
        self.make_room(account);
        let of_one = self.accounts.entry(account.into()).or_insert_with(|| OfOne::new(now));
        if !of_one.insert(repository, key, now) {
            return;
        }
        if of_one.order.len() > MOST_OF_ONE {
            of_one.remove_oldest();
        } else {
            self.len += 1;
        }
    }

    /// Returns true if there is such an entry.
    pub(super) fn has(&self, account: &str, repository: &str, key: &K, now: Instant) -> bool {
        let made = self.entries(account, repository).and_then(|entries| entries.get(key));
        made.is_some_and(|made| self.lasts_until(*made, now))
    }

    /// The entries of an account about a repository.
    pub(super) fn of(&self, account: &str, repository: &str, now: Instant) -> impl Iterator<Item = &K> {
        let all = self.entries(account, repository).into_iter().flatten();
        all.filter(move |(_, made)| self.lasts_until(**made, now)).map(|(key, _)| key)
    }

    fn entries(&self, account: &str, repository: &str) -> Option<&HashMap<K, Instant>> {
        self.accounts.get(account)?.entries.get(repository)
    }

    fn lasts_until(&self, made: Instant, now: Instant) -> bool {
        now.saturating_duration_since(made) < self.lasts
    }

    /// Removes the entries of an account about a repository that `is_over` holds for.
    pub(super) fn remove_of(&mut self, account: &str, repository: &str, is_over: impl Fn(&K) -> bool) {
        let Some(of_one) = self.accounts.get_mut(account) else { return };
        let Some(entries) = of_one.entries.get_mut(repository) else { return };
        entries.retain(|key, _| !is_over(key));
        if entries.is_empty() {
            of_one.entries.remove(repository);
        }
        let before = of_one.order.len();
        of_one.order.retain(|(place, key)| **place != *repository || !is_over(key));
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
        kept.insert("a", "r", 1, start);
        assert!(kept.has("a", "r", &1, start + hour - Duration::from_secs(1)));
        assert!(!kept.has("a", "r", &1, start + hour) && !kept.has("a", "r", &2, start));
        assert!(!kept.has("b", "r", &1, start) && !kept.has("a", "q", &1, start));
        assert_eq!(kept.of("a", "r", start).count(), 1);
        assert_eq!([kept.of("a", "r", start + hour).count(), kept.of("a", "q", start).count()], [0, 0]);
        kept.remove_of("b", "r", |_| true);
        kept.remove_of("a", "q", |_| true);
        assert!(kept.has("a", "r", &1, start), "of another account or repository");
        kept.remove_of("a", "r", |key| *key == 1);
        assert!(!kept.has("a", "r", &1, start) && kept.len == 0);
    }

    #[test]
    fn nothing_grows_without_bound() {
        let now = Instant::now();
        let mut kept = Kept::new(Duration::from_secs(3600));
        for n in 0..MOST_OF_ONE + 10 {
            kept.insert("a", if n % 2 == 0 { "r" } else { "q" }, n, now);
        }
        let has = |kept: &Kept<usize>, n| kept.has("a", if n % 2 == 0 { "r" } else { "q" }, &n, now);
        assert_eq!((kept.len, has(&kept, 9), has(&kept, 10)), (MOST_OF_ONE, false, true));
        for n in 0..MOST_ACCOUNTS + 10 {
            kept.insert(&format!("b{n}"), "r", 1, now + Duration::from_millis(n as u64));
        }
        assert!(kept.accounts.len() <= MOST_ACCOUNTS && !kept.accounts.contains_key("a"));
        assert_eq!(kept.len, kept.accounts.values().map(|of_one| of_one.order.len()).sum::<usize>());
    }

    #[test]
    fn a_repository_without_entries_takes_no_room() {
        let now = Instant::now();
        let mut kept = Kept::new(Duration::from_secs(3600));
        for n in 0..MOST_OF_ONE + 10 {
            kept.insert("a", &format!("r{n}"), 1, now);
        }
        kept.remove_of("a", "r10", |_| true);
        let places: Vec<usize> = kept.accounts.values().map(|of_one| of_one.entries.len()).collect();
        assert_eq!((places.as_slice(), kept.len), (&[MOST_OF_ONE - 1][..], MOST_OF_ONE - 1));
    }
}
