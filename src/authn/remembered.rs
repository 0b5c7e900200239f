//! Passwords that were right a moment ago, so that bcrypt is not asked again for each request of one pull
//! (rule 20).
//!
//! The key of an entry is a keyed digest. It reveals nothing without the secret, which lives and dies with the memory.
//! A reload begins with a new one.

use std::{
    collections::HashMap,
    fmt,
    time::{Duration, Instant},
};

use parking_lot::Mutex;

use super::{
    Outcome,
    digest::{CredentialsDigest, DigestKey},
    secret::{NoRandomness, Secret},
};

/// Limits on the number of remembered passwords and on their time.
#[derive(Debug, Clone)]
pub struct RememberedSettings {
    /// Passwords at most; 0 remembers nothing.
    pub capacity: usize,
    /// Time from the verification on; using one does not prolong it.
    pub ttl: Duration,
}

impl Default for RememberedSettings {
    fn default() -> Self {
        Self { capacity: 1024, ttl: Duration::from_secs(60) }
    }
}

/// The memory. Thread-safe; nothing in it blocks for long.
pub struct Remembered {
    settings: RememberedSettings,
    key: DigestKey,
    kept: Mutex<HashMap<CredentialsDigest, Kept>>,
}

/// The outcome for credentials, and the end of its validity.
struct Kept {
    outcome: Outcome,
    until: Instant,
}

impl Remembered {
    /// An empty memory with a new random key.
    ///
    /// # Errors
    /// [`NoRandomness`].
    pub fn new(settings: RememberedSettings) -> Result<Self, NoRandomness> {
        Ok(Self { settings, key: DigestKey::random()?, kept: Mutex::default() })
    }

    /// Returns the outcome for these credentials, if it is remembered and has not expired.
    pub fn recall(&self, credentials: &CredentialsDigest, now: Instant) -> Option<Outcome> {
        self.kept.lock().get(credentials).filter(|kept| now < kept.until).map(|kept| kept.outcome.clone())
    }

    /// Remembers what has just become of credentials. When full, the oldest make room.
    pub fn remember(&self, credentials: CredentialsDigest, outcome: Outcome, now: Instant) {
        if self.settings.capacity == 0 || self.settings.ttl.is_zero() {
            return;
        }
        let mut kept = self.kept.lock();
        if kept.len() >= self.settings.capacity && !kept.contains_key(&credentials) {
            make_room(&mut kept, now);
        }
        // A time beyond what the clock can say is a mistake, and remembers nothing.
        let until = now.checked_add(self.settings.ttl).unwrap_or(now);
        kept.insert(credentials, Kept { outcome, until });
    }

    /// Returns the digest that stands for a password of an account that has `stored_hash`. A changed hash gives another
    /// digest, so that an old password ends with it.
    pub fn digest(&self, account: &str, password: &Secret, stored_hash: &str) -> CredentialsDigest {
        self.key.digest(&[account.as_bytes(), password.expose(), stored_hash.as_bytes()])
    }
}

fn make_room(kept: &mut HashMap<CredentialsDigest, Kept>, now: Instant) {
    let before = kept.len();
    kept.retain(|_, kept| now < kept.until);
    if kept.len() < before {
        return;
    }
    let oldest = kept.iter().min_by_key(|(_, kept)| kept.until).map(|(digest, _)| *digest);
    if let Some(digest) = oldest {
        kept.remove(&digest);
    }
}

/// Reveals nothing about the accounts whose passwords it holds.
impl fmt::Debug for Remembered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory(capacity: usize) -> Remembered {
        Remembered::new(RememberedSettings { capacity, ttl: Duration::from_secs(60) }).unwrap()
    }

    fn remember(memory: &Remembered, credentials: CredentialsDigest, now: Instant) {
        memory.remember(credentials, Outcome::NoSuchUser, now);
    }

    fn knows(memory: &Remembered, credentials: &CredentialsDigest, now: Instant) -> bool {
        memory.recall(credentials, now) == Some(Outcome::NoSuchUser)
    }

    fn secret(text: &str) -> Secret {
        Secret::new(text)
    }

    #[test]
    fn rule_20_only_the_same_account_password_and_hash_are_remembered() {
        let (memory, now) = (memory(8), Instant::now());
        remember(&memory, memory.digest("bob", &secret("pw"), "hash"), now);
        assert!(knows(&memory, &memory.digest("bob", &secret("pw"), "hash"), now));
        assert!(!knows(&memory, &memory.digest("bob", &secret("pw2"), "hash"), now));
        assert!(!knows(&memory, &memory.digest("eve", &secret("pw"), "hash"), now));
        assert!(!knows(&memory, &memory.digest("bob", &secret("pw"), "hash2"), now));
    }

    #[test]
    fn rule_20_the_parts_cannot_be_shifted_into_each_other() {
        let (memory, now) = (memory(8), Instant::now());
        remember(&memory, memory.digest("bob", &secret("pw"), "hash"), now);
        for (account, password, hash) in [("bo", "bpw", "hash"), ("bobp", "w", "hash"), ("bob", "pwh", "ash")]
        {
            assert!(
                !knows(&memory, &memory.digest(account, &secret(password), hash), now),
                "{account} {password}"
            );
        }
    }

    #[test]
    fn rule_20_the_key_is_random_per_process() {
        let digest = |memory: &Remembered| memory.digest("bob", &secret("pw"), "hash");
        let (one, other) = (memory(8), memory(8));
        assert_eq!(digest(&one), digest(&one));
        assert_ne!(digest(&one), digest(&other));
        assert_ne!(digest(&one), CredentialsDigest::default());
    }

    #[test]
    fn rule_20_the_time_ends_and_use_does_not_prolong_it() {
        let (memory, start) = (memory(8), Instant::now());
        remember(&memory, memory.digest("bob", &secret("pw"), "hash"), start);
        let at = |seconds| {
            knows(&memory, &memory.digest("bob", &secret("pw"), "hash"), start + Duration::from_secs(seconds))
        };
        assert!(at(59));
        assert!(!at(60));
    }

    #[test]
    fn rule_20_the_memory_is_bounded_and_the_oldest_goes() {
        let (memory, start) = (memory(2), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        for (second, account) in ["a", "b", "c"].into_iter().enumerate() {
            remember(&memory, memory.digest(account, &secret("pw"), "hash"), at(second as u64));
        }
        assert_eq!(memory.kept.lock().len(), 2);
        let known = |account| knows(&memory, &memory.digest(account, &secret("pw"), "hash"), at(3));
        assert_eq!([known("a"), known("b"), known("c")], [false, true, true]);
    }

    #[test]
    fn a_capacity_of_zero_remembers_nothing() {
        let (memory, now) = (memory(0), Instant::now());
        remember(&memory, memory.digest("bob", &secret("pw"), "hash"), now);
        assert!(!knows(&memory, &memory.digest("bob", &secret("pw"), "hash"), now));
    }
}
