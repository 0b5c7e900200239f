//! Tokens whose signature was right before, so that it is not checked again on each request of one pull.
//!
//! A checked signature stays right for as long as the key is the same, and so do the claims that it covers. What
//! changes with time (`exp`, `nbf`, a fingerprint, the policy) is not answered from here, but looked at on every use.
//! The memory belongs to one authority and one kind of token, and ends with it: a reload begins a new one.
//!
//! No token is kept, and nothing that could be used as one: an entry stands under a keyed digest of the whole token,
//! its signature included. Only tokens that passed are kept, so strangers cannot write here. An account with many good
//! ones can, and would push others out. It gains only that these are checked as if there were no memory. Even so it may
//! not fill the whole table: see [`SHARE`].
//!
//! The table is set-associative, as the one in `limits` is: to look up, to keep and to make room touch one set of eight
//! entries, under a lock of its own. The digest's key is secret, so no client can aim at the set of another token.

use std::{fmt, sync::Arc};

use aws_lc_rs::{digest, hmac};
use parking_lot::{Mutex, MutexGuard};

/// The remembered part of a token of one kind.
pub(super) trait CachedClaims {
    /// The account of the token: tokens of one account must not push out those of all others.
    fn account(&self) -> &str;
    /// Bytes that it takes on the heap, about; never much less than in truth.
    fn bytes(&self) -> usize;
}

/// The tokens of one kind that an authority has checked.
pub(super) struct Memory<C> {
    key: hmac::Key,
    sets: Box<[Mutex<Set<C>>]>,
}

/// A digest of a token; meaningless outside of this memory.
#[derive(Clone, Copy, PartialEq, Eq)]
struct TokenDigest([u8; digest::SHA256_OUTPUT_LEN]);

struct Set<C> {
    entries: Vec<Entry<C>>,
    /// Counts the uses, to find what was not used for the longest.
    uses: u64,
}

struct Entry<C> {
    token: TokenDigest,
    claims: Arc<C>,
    bytes: usize,
    used: u64,
}

/// Entries of one set.
const WAYS: usize = 8;

/// Bytes of one set.
const SET_BYTES: usize = 16 << 10;

/// The share of a full set at which an account, with so many entries or half of the bytes, makes room by its own. So it
/// can push out as many of others, and no more, however many tokens it has.
const SHARE: usize = WAYS / 4;

/// Longer tokens are not kept, and not even looked for: what they say would not fit.
const LONGEST: usize = 12 << 10;

/// Overhead of an allocation beside its bytes, roughly.
const ALLOCATION: usize = 16;

impl<C: CachedClaims> Memory<C> {
    /// An empty memory for `sets` times eight tokens. `key` must be for nothing else.
    pub(super) fn new(key: hmac::Key, sets: usize) -> Self {
        let set = || Mutex::new(Set { entries: Vec::new(), uses: 0 });
        Self { key, sets: std::iter::repeat_with(set).take(sets.max(1)).collect() }
    }

    /// The claims of a token, opened only where it is not known, and kept where it passes. Known or not, it must pass
    /// `check`.
    pub(super) fn recall_or_open<E>(
        &self,
        token: &str,
        open: impl FnOnce() -> Result<C, E>,
        check: impl FnOnce(&C) -> Result<(), E>,
    ) -> Result<Arc<C>, E> {
        let digest = self.digest(token);
        if let Some(claims) = digest.and_then(|digest| self.recall(digest)) {
            return check(&claims).map(|()| claims);
        }
        let claims = Arc::new(open()?);
        check(&claims)?;
        if let Some(digest) = digest {
            self.keep(digest, &claims);
        }
        Ok(claims)
    }

    /// Returns the digest that stands for a token; `None` for one that is too long to be kept.
    fn digest(&self, token: &str) -> Option<TokenDigest> {
        if token.len() > LONGEST {
            return None;
        }
        let mut digest = TokenDigest([0; digest::SHA256_OUTPUT_LEN]);
        let tag = hmac::sign(&self.key, token.as_bytes());
        digest.0.iter_mut().zip(tag.as_ref()).for_each(|(to, from)| *to = *from);
        Some(digest)
    }

    /// The claims of a token whose signature was checked before.
    fn recall(&self, token: TokenDigest) -> Option<Arc<C>> {
        let mut set = self.set(token)?;
        set.uses += 1;
        let uses = set.uses;
        let entry = set.entries.iter_mut().find(|entry| entry.token == token)?;
        entry.used = uses;
        Some(Arc::clone(&entry.claims))
    }

    /// Keeps the claims of a token whose signature has just been checked.
    fn keep(&self, token: TokenDigest, claims: &Arc<C>) {
        let bytes = claims.bytes() + size_of::<C>() + size_of::<Entry<C>>() + 2 * ALLOCATION;
        if bytes > SET_BYTES / 2 {
            return;
        }
        let Some(mut set) = self.set(token) else { return };
        if set.entries.iter().any(|entry| entry.token == token) {
            return;
        }
        set.make_room(claims.account(), bytes);
        set.uses += 1;
        let used = set.uses;
        set.entries.push(Entry { token, claims: Arc::clone(claims), bytes, used });
    }

    fn set(&self, token: TokenDigest) -> Option<MutexGuard<'_, Set<C>>> {
        let [first, second, third, fourth, ..] = token.0;
        let number = u32::from_be_bytes([first, second, third, fourth]);
        let set = self.sets.get(number as usize % self.sets.len())?;
        Some(set.lock())
    }

    /// Returns the number of tokens that are kept, and their size in bytes.
    #[cfg(test)]
    pub(super) fn load(&self) -> (usize, usize) {
        let sets = self.sets.iter().map(|set| set.lock());
        sets.fold((0, 0), |(count, bytes), set| (count + set.entries.len(), bytes + set.bytes()))
    }
}

impl<C: CachedClaims> Set<C> {
    /// Takes entries out until there is room for one more of that account, of so many bytes.
    fn make_room(&mut self, account: &str, bytes: usize) {
        while self.entries.len() >= WAYS || self.bytes() + bytes > SET_BYTES {
            let own = || self.entries.iter().filter(|entry| entry.claims.account() == account);
            let own_bytes: usize = own().map(|entry| entry.bytes).sum();
            let has_its_share = own().count() >= SHARE || own_bytes + bytes > SET_BYTES / 2;
            let may_go = |entry: &Entry<C>| !has_its_share || entry.claims.account() == account;
            let candidates = self.entries.iter().enumerate().filter(|(_, entry)| may_go(entry));
            let Some((oldest, _)) = candidates.min_by_key(|(_, entry)| entry.used) else { return };
            self.entries.swap_remove(oldest);
        }
    }

    fn bytes(&self) -> usize {
        self.entries.iter().map(|entry| entry.bytes).sum()
    }
}

/// Returns the bytes that texts take on the heap, each in a list of them.
pub(super) fn heap<'a>(texts: impl IntoIterator<Item = &'a String>) -> usize {
    texts.into_iter().map(|text| size_of::<String>() + text.len() + ALLOCATION).sum()
}

/// Reveals nothing about the accounts whose tokens it holds.
impl<C> fmt::Debug for Memory<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Held(&'static str, usize);

    impl CachedClaims for Held {
        fn account(&self) -> &str {
            self.0
        }

        fn bytes(&self) -> usize {
            self.1
        }
    }

    fn memory(sets: usize) -> Memory<Held> {
        Memory::new(hmac::Key::new(hmac::HMAC_SHA256, b"secret"), sets)
    }

    fn keep(memory: &Memory<Held>, token: &str, account: &'static str, bytes: usize) {
        memory.keep(memory.digest(token).unwrap(), &Arc::new(Held(account, bytes)));
    }

    fn knows(memory: &Memory<Held>, token: &str) -> bool {
        memory.recall(memory.digest(token).unwrap()).is_some()
    }

    #[test]
    fn a_token_is_known_as_a_whole_and_to_its_own_memory() {
        let (ours, other) = (memory(4), Memory::new(hmac::Key::new(hmac::HMAC_SHA256, b"other"), 4));
        keep(&ours, "token", "alice", 100);
        assert!(knows(&ours, "token") && !knows(&ours, "tokeN") && !knows(&ours, "token "));
        assert!(ours.digest("token") != other.digest("token"));
        keep(&other, "else", "alice", 100);
        assert!(!knows(&other, "token"));
    }

    #[test]
    fn what_is_kept_is_bounded_in_entries_and_in_bytes() {
        for (bytes, most) in [(10, 4 * WAYS), (3000, 4 * WAYS)] {
            let memory = memory(4);
            for token in 0..1000 {
                // Each of another account, so that no account reaches its share.
                keep(&memory, &token.to_string(), Box::leak(token.to_string().into()), bytes);
                let (count, kept) = memory.load();
                assert!(count <= most && kept <= 4 * SET_BYTES, "{count} entries of {kept} bytes");
            }
            assert!(knows(&memory, "999"), "the newest finds room");
        }
        let memory = memory(4);
        keep(&memory, "large", "alice", SET_BYTES / 2);
        assert!(!knows(&memory, "large"));
        assert!(memory.digest(&"x".repeat(LONGEST + 1)).is_none());
    }

    #[test]
    fn an_account_with_many_tokens_leaves_those_of_others() {
        for bytes in [10, 3000, 8000] {
            let memory = memory(1);
            let others: Vec<String> = (0..WAYS).map(|i| format!("other{i}")).collect();
            for name in &others {
                keep(&memory, name, Box::leak(name.clone().into()), 1000);
            }
            for token in 0..1000 {
                keep(&memory, &token.to_string(), "greedy", bytes);
            }
            let left = others.iter().filter(|token| knows(&memory, token)).count();
            assert!(left >= WAYS / 4, "{left} are left beside tokens of {bytes} bytes");
        }
    }

    #[test]
    fn what_was_not_used_for_the_longest_goes_first() {
        let memory = memory(1);
        let accounts = ["a", "b", "c", "d", "e", "f", "g", "h"];
        for account in accounts {
            keep(&memory, account, account, 10);
        }
        assert!(knows(&memory, "a"));
        keep(&memory, "new", "new", 10);
        assert!(knows(&memory, "a") && knows(&memory, "new") && !knows(&memory, "b"));
    }
}
