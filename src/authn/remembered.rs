//! Passwords that were right a moment ago, so that bcrypt is not asked again for each request of one pull
//! (rule 20).
//!
//! What is kept is a keyed digest: it tells nothing without the key, and the key lives and dies with the
//! process. Asking comes before throttling: an account that is known good is not slowed by what others guess.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use aws_lc_rs::{digest, hmac};

use super::secret::{self, NoRandomness, Secret};

/// Stands for an account, a password and the stored hash; meaningless outside of this process.
pub type CredentialsDigest = [u8; digest::SHA256_OUTPUT_LEN];

/// How much is remembered, and how long.
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
    key: hmac::Key,
    until: Mutex<HashMap<CredentialsDigest, Instant>>,
}

impl Remembered {
    /// An empty memory with a new random key.
    ///
    /// # Errors
    /// [`NoRandomness`].
    pub fn new(settings: RememberedSettings) -> Result<Self, NoRandomness> {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &secret::random::<32>()?);
        Ok(Self { settings, key, until: Mutex::default() })
    }

    /// Whether these credentials were remembered and the time is not over.
    pub fn is_remembered(&self, credentials: &CredentialsDigest, now: Instant) -> bool {
        self.lock().get(credentials).is_some_and(|until| now < *until)
    }

    /// Remembers credentials that have just been verified. When full, the oldest make room.
    pub fn remember(&self, credentials: CredentialsDigest, now: Instant) {
        if self.settings.capacity == 0 {
            return;
        }
        let mut until = self.lock();
        if until.len() >= self.settings.capacity && !until.contains_key(&credentials) {
            make_room(&mut until, now);
        }
        // A time beyond what the clock can say is a mistake, and remembers nothing.
        until.insert(credentials, now.checked_add(self.settings.ttl).unwrap_or(now));
    }

    /// What stands for a password of an account that has `stored_hash`: a changed hash is something else, so that an old
    /// password ends with it.
    ///
    /// HMAC-SHA256 over the three parts, each but the last behind its length, so that no two triples are the
    /// same bytes.
    pub fn digest(&self, account: &str, password: &Secret, stored_hash: &str) -> CredentialsDigest {
        let mut context = hmac::Context::with_key(&self.key);
        for part in [account.as_bytes(), password.expose()] {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        context.update(stored_hash.as_bytes());
        let mut digest = CredentialsDigest::default();
        for (to, from) in digest.iter_mut().zip(context.sign().as_ref()) {
            *to = *from;
        }
        digest
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<CredentialsDigest, Instant>> {
        self.until.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn make_room(until: &mut HashMap<CredentialsDigest, Instant>, now: Instant) {
    let before = until.len();
    until.retain(|_, until| now < *until);
    if until.len() < before {
        return;
    }
    let oldest = until.iter().min_by_key(|(_, until)| **until).map(|(digest, _)| *digest);
    if let Some(digest) = oldest {
        until.remove(&digest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory(capacity: usize) -> Remembered {
        Remembered::new(RememberedSettings { capacity, ttl: Duration::from_secs(60) }).unwrap()
    }

    fn secret(text: &str) -> Secret {
        Secret::new(text)
    }

    #[test]
    fn rule_20_only_the_same_account_password_and_hash_are_remembered() {
        let (memory, now) = (memory(8), Instant::now());
        memory.remember(memory.digest("bob", &secret("pw"), "hash"), now);
        assert!(memory.is_remembered(&memory.digest("bob", &secret("pw"), "hash"), now));
        assert!(!memory.is_remembered(&memory.digest("bob", &secret("pw2"), "hash"), now));
        assert!(!memory.is_remembered(&memory.digest("eve", &secret("pw"), "hash"), now));
        assert!(!memory.is_remembered(&memory.digest("bob", &secret("pw"), "hash2"), now));
    }

    #[test]
    fn rule_20_the_parts_cannot_be_shifted_into_each_other() {
        let (memory, now) = (memory(8), Instant::now());
        memory.remember(memory.digest("bob", &secret("pw"), "hash"), now);
        for (account, password, hash) in [("bo", "bpw", "hash"), ("bobp", "w", "hash"), ("bob", "pwh", "ash")]
        {
            assert!(
                !memory.is_remembered(&memory.digest(account, &secret(password), hash), now),
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
        memory.remember(memory.digest("bob", &secret("pw"), "hash"), start);
        let at = |seconds| {
            memory.is_remembered(
                &memory.digest("bob", &secret("pw"), "hash"),
                start + Duration::from_secs(seconds),
            )
        };
        assert!(at(59));
        assert!(!at(60));
    }

    #[test]
    fn rule_20_the_memory_is_bounded_and_the_oldest_goes() {
        let (memory, start) = (memory(2), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        for (second, account) in ["a", "b", "c"].into_iter().enumerate() {
            memory.remember(memory.digest(account, &secret("pw"), "hash"), at(second as u64));
        }
        assert_eq!(memory.lock().len(), 2);
        let known = |account| memory.is_remembered(&memory.digest(account, &secret("pw"), "hash"), at(3));
        assert_eq!([known("a"), known("b"), known("c")], [false, true, true]);
    }

    #[test]
    fn a_capacity_of_zero_remembers_nothing() {
        let (memory, now) = (memory(0), Instant::now());
        memory.remember(memory.digest("bob", &secret("pw"), "hash"), now);
        assert!(!memory.is_remembered(&memory.digest("bob", &secret("pw"), "hash"), now));
    }
}
