//! The claims about an account that are too long for its token: stored under their digest, which the token carries.
//!
//! A lost set of claims is never an empty one: without its labels, a rule that denies would not match. So a token whose
//! claims are gone is refused, and where they cannot be read now, the request is.

use std::{
    collections::HashMap,
    mem,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use aws_lc_rs::digest;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL};
use parking_lot::Mutex;

use super::{State, sql::Store, stored::StoredClaims};
use crate::authn::{Labels, RequiredClaims};

/// The longest claims of an account that are stored, in bytes: some 3,000 groups.
const LONGEST: usize = 128 << 10;
/// Bytes of claims that each of the two halves of the memory holds.
const HALF: usize = 4 << 20;
/// Bytes that a set of claims takes beside its texts, about.
const OVERHEAD: usize = 256;
/// Bytes that a text takes beside its characters, about.
const TEXT_OVERHEAD: usize = 40;
/// The time that a request waits for the file.
const PATIENCE: Duration = Duration::from_secs(1);
/// The time by which claims outlive the tokens for which they are stored, in seconds, so that a client that logs in again
/// and again causes a write once in that time.
const KEPT_LONGER: u64 = 3600;

/// The answer of a login about an account that cannot be asked again.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AccountClaims {
    /// The labels that the rules of then look at.
    pub labels: Arc<Labels>,
    /// The names, and what is known, of the labels that were left out.
    pub left_out: Arc<Labels>,
    /// The claims that a session of `workload_auth` needs; empty for other accounts.
    pub required: Arc<RequiredClaims>,
}

/// SHA-256 of an account's name and its claims.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ClaimsDigest([u8; digest::SHA256_OUTPUT_LEN]);

/// The reason why a digest stands for no claims.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoClaims {
    /// They are not stored, or no longer.
    Unknown,
    /// The store gives no answer.
    Unavailable,
}

/// The outcomes for claims that were to be stored or read, since the start.
#[derive(Debug, Default)]
struct Counts {
    stored: AtomicU64,
    no_room: AtomicU64,
    not_stored: AtomicU64,
    read: AtomicU64,
    unknown: AtomicU64,
    unavailable: AtomicU64,
}

/// The claims in memory. Outlives reloads.
#[derive(Default)]
pub(super) struct ClaimsMemory {
    known: Mutex<Halves>,
    counts: Counts,
}

/// Claims that were used lately. When one half is full, it becomes the older one, whose content goes.
#[derive(Default)]
struct Halves {
    recent: HashMap<ClaimsDigest, Known>,
    older: HashMap<ClaimsDigest, Known>,
    /// Bytes of the recent ones.
    bytes: usize,
}

#[derive(Clone)]
struct Known {
    claims: AccountClaims,
    /// The time until which they are stored, in seconds since 1970.
    until: u64,
}

impl AccountClaims {
    /// Bytes of all texts, each with its quotes and comma in JSON.
    pub fn text_bytes(&self) -> usize {
        self.texts().map(|text| text.len() + 3).sum()
    }

    /// Bytes that they take in memory, about.
    pub fn bytes(&self) -> usize {
        self.texts().map(|text| text.len() + TEXT_OVERHEAD).sum()
    }

    fn texts(&self) -> impl Iterator<Item = &String> {
        let labels = self.labels.iter().chain(&*self.left_out);
        let labels = labels.flat_map(|(name, values)| std::iter::once(name).chain(values));
        labels.chain(self.required.iter().flat_map(|(name, value)| [name, value]))
    }

    /// The same text for the same claims.
    fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(&(&*self.labels, &*self.left_out, &*self.required)).unwrap_or_default()
    }

    fn decode(text: &[u8]) -> Option<Self> {
        let (labels, left_out, required) =
            serde_json::from_slice::<(Labels, Labels, RequiredClaims)>(text).ok()?;
        Some(Self { labels: labels.into(), left_out: left_out.into(), required: required.into() })
    }
}

impl ClaimsDigest {
    fn of(account: &str, claims: &[u8]) -> Self {
        let mut context = digest::Context::new(&digest::SHA256);
        // The length keeps `a` + `bc` and `ab` + `c` apart.
        context.update(&(account.len() as u64).to_be_bytes());
        context.update(account.as_bytes());
        context.update(claims);
        let mut bytes = [0; digest::SHA256_OUTPUT_LEN];
        bytes.copy_from_slice(context.finish().as_ref());
        Self(bytes)
    }

    /// As it stands in a token.
    pub fn encoded(&self) -> String {
        BASE64URL.encode(self.0)
    }

    /// Reads one from a token; `None` for anything else.
    pub fn decode(text: &str) -> Option<Self> {
        BASE64URL.decode(text).ok()?.try_into().ok().map(Self)
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl State {
    /// Stores the claims of an account at least until `until`, in seconds since 1970, so that they survive a crash from when
    /// this returns. `None` where they have to travel in the token: there is no state, no room for them (the account has
    /// its share), or the store does not take them within a second.
    pub async fn store_claims(
        &self,
        account: &str,
        claims: &AccountClaims,
        until: u64,
        now: u64,
    ) -> Option<ClaimsDigest> {
        let store = self.store.as_ref().ok()?;
        let text = claims.encode();
        if text.len() > LONGEST {
            return None;
        }
        let digest = ClaimsDigest::of(account, &text);
        if self.claims.known.lock().get(&digest).is_some_and(|known| known.until >= until) {
            return Some(digest);
        }
        let until = until.saturating_add(KEPT_LONGER);
        let row = StoredClaims { account: account.to_owned(), text, until };
        let keep = async move |store: Arc<Store>| store.keep_claims(digest, &row, now).await;
        let counts = &self.claims.counts;
        match self.ask(store, PATIENCE, keep).await {
            Ok(true) => {
                count(&counts.stored);
                self.claims.known.lock().insert(digest, Known { claims: claims.clone(), until });
                Some(digest)
            }
            Ok(false) => {
                count(&counts.no_room);
                tracing::warn!(
                    account,
                    "no room in the state file for the labels of an account, which travel in its token instead"
                );
                None
            }
            Err(error) => {
                count(&counts.not_stored);
                tracing::error!(%error, "cannot store the labels of an account, which travel in its token instead");
                None
            }
        }
    }

    /// The claims of an account that a digest stands for. Those that were used lately are in memory; others are read,
    /// which takes a second at most.
    ///
    /// # Errors
    /// They are unknown, or cannot be read now.
    pub async fn claims_of(&self, account: &str, digest: ClaimsDigest) -> Result<AccountClaims, NoClaims> {
        if let Some(known) = self.claims.known.lock().get(&digest) {
            return Ok(known.claims);
        }
        let counts = &self.claims.counts;
        let store = self.store.as_ref().map_err(|_| NoClaims::Unknown)?;
        let read = self.ask(store, PATIENCE, async move |store: Arc<Store>| store.claims(digest).await).await;
        let read = read.map_err(|error| {
            count(&counts.unavailable);
            tracing::error!(%error, "cannot read the labels of an account");
            NoClaims::Unavailable
        })?;
        let is_right =
            |row: &StoredClaims| row.account == account && ClaimsDigest::of(account, &row.text) == digest;
        let row = read.filter(is_right);
        let found =
            row.and_then(|row| Some(Known { claims: AccountClaims::decode(&row.text)?, until: row.until }));
        let Some(known) = found else {
            count(&counts.unknown);
            return Err(NoClaims::Unknown);
        };
        count(&counts.read);
        self.claims.known.lock().insert(digest, known.clone());
        Ok(known.claims)
    }

    /// The number of sets of claims since the start, by what became of them.
    pub fn claims_counts(&self) -> Vec<(&'static str, u64)> {
        let Counts { stored, no_room, not_stored, read, unknown, unavailable } = &self.claims.counts;
        let counts = [
            ("stored", stored),
            ("no_room", no_room),
            ("not_stored", not_stored),
            ("read", read),
            ("unknown", unknown),
            ("unavailable", unavailable),
        ];
        counts.map(|(outcome, count)| (outcome, count.load(Ordering::Relaxed))).into()
    }
}

impl Halves {
    fn get(&mut self, digest: &ClaimsDigest) -> Option<Known> {
        if let Some(known) = self.recent.get(digest) {
            return Some(known.clone());
        }
        let known = self.older.remove(digest)?;
        self.insert(*digest, known.clone());
        Some(known)
    }

    fn insert(&mut self, digest: ClaimsDigest, known: Known) {
        let bytes = known.claims.bytes() + OVERHEAD;
        if self.bytes + bytes > HALF {
            self.older = mem::take(&mut self.recent);
            self.bytes = 0;
        }
        if self.recent.insert(digest, known).is_none() {
            self.bytes += bytes;
        }
    }
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

#[cfg(test)]
mod tests;
