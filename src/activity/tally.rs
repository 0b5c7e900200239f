//! The activity that is not stored yet, in memory and within bounds.

use std::{
    collections::{HashMap, hash_map},
    time::UNIX_EPOCH,
};

use serde::{Deserialize, Serialize};

use super::{
    Activity,
    effect::{Asked, Effect, effects},
};
use crate::telemetry::RegistryEvent;

/// The most references that wait.
const MOST: usize = 20_000;
/// The most bytes that they take, about.
const MOST_BYTES: usize = 16 << 20;

/// A repository and a reference: a tag, or the digest of a manifest that was pulled by it.
pub type Key = (String, String);

/// A reference with its activity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The repository.
    pub repository: String,
    /// A tag, or the digest of a manifest that was pulled by it.
    pub reference: String,
    /// Its activity.
    pub activity: Activity,
}

/// A part of what waits, on its way to the store.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch {
    /// The records that go, before anything is added.
    pub forget: Vec<Key>,
    /// The additions.
    pub add: Vec<Entry>,
    /// The latest time so far, in seconds since 1970.
    pub latest: u64,
    /// The time of the last event that found no room in memory; 0 for none.
    pub lost_at: u64,
}

/// The activity that is not stored yet.
///
/// No time is earlier than one before it: a clock that went back would make what is used look unused.
#[derive(Debug, Default)]
pub struct Tally {
    waiting: HashMap<Key, Waiting>,
    bytes: usize,
    asked: Asked,
    latest: u64,
    lost_at: u64,
    heard: u64,
    lost: u64,
}

#[derive(Debug, Default)]
struct Waiting {
    /// True if the stored record goes first.
    forget: bool,
    activity: Activity,
}

impl Tally {
    /// Begins behind `latest`, the latest time that is stored; up to `lost_at`, events may be missing, and that is not stored
    /// yet. In seconds since 1970; 0 for none.
    pub fn since(latest: u64, lost_at: u64) -> Self {
        Self { latest, lost_at, ..Self::default() }
    }

    /// Takes an event.
    pub fn hear(&mut self, event: &RegistryEvent) {
        let at = event.time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()).max(self.latest);
        let effects = effects(event, at, &mut self.asked);
        if !effects.is_empty() {
            self.latest = at;
            self.heard += 1;
        }
        for (reference, effect) in effects {
            self.note((event.repository.clone(), reference), effect, at);
        }
    }

    fn note(&mut self, key: Key, effect: Effect, at: u64) {
        let is_full = self.waiting.len() >= MOST || self.bytes >= MOST_BYTES;
        if is_full && !self.waiting.contains_key(&key) {
            // A record that stays too long is no loss.
            if let Effect::Add(_) = effect {
                self.lost += 1;
                self.lost_at = self.lost_at.max(at);
            }
            return;
        }
        let length = key.0.len() + key.1.len();
        let waiting = match self.waiting.entry(key) {
            hash_map::Entry::Occupied(entry) => {
                self.bytes = self.bytes.saturating_sub(length + entry.get().activity.bytes());
                entry.into_mut()
            }
            hash_map::Entry::Vacant(entry) => entry.insert(Waiting::default()),
        };
        match effect {
            Effect::Add(activity) => waiting.activity.add(&activity),
            Effect::Forget => *waiting = Waiting { forget: true, activity: Activity::default() },
        }
        self.bytes += length + waiting.activity.bytes();
    }

    /// Takes so many references out, to be stored; `None` if there is nothing to store.
    pub fn take(&mut self, most: usize) -> Option<Batch> {
        if self.waiting.is_empty() && self.lost_at == 0 {
            return None;
        }
        let keys: Vec<Key> = self.waiting.keys().take(most).cloned().collect();
        let mut batch = Batch { latest: self.latest, lost_at: self.lost_at, ..Batch::default() };
        for key in keys {
            let Some(Waiting { forget, activity }) = self.waiting.remove(&key) else { continue };
            self.bytes = self.bytes.saturating_sub(key.0.len() + key.1.len() + activity.bytes());
            if forget {
                batch.forget.push(key.clone());
            }
            if activity != Activity::default() {
                let (repository, reference) = key;
                batch.add.push(Entry { repository, reference, activity });
            }
        }
        Some(batch)
    }

    /// The batch is stored.
    pub fn stored(&mut self, batch: &Batch) {
        if self.lost_at == batch.lost_at {
            self.lost_at = 0;
        }
    }

    /// Takes a batch back that was not stored. What happened since is added to it.
    pub fn put_back(&mut self, batch: Batch) {
        for Entry { repository, reference, activity } in batch.add {
            let since = self.waiting.entry((repository, reference)).or_default();
            if !since.forget {
                since.activity.add(&activity);
            }
        }
        for key in batch.forget {
            self.waiting.entry(key).or_default().forget = true;
        }
        let all = self.waiting.iter();
        self.bytes = all.map(|(key, waiting)| key.0.len() + key.1.len() + waiting.activity.bytes()).sum();
    }

    /// Adds what waits to what is stored of a reference.
    pub fn complete(&self, key: &Key, stored: Option<Activity>) -> Option<Activity> {
        let Some(Waiting { forget, activity }) = self.waiting.get(key) else { return stored };
        let mut whole = stored.filter(|_| !forget).unwrap_or_default();
        whole.add(activity);
        Some(whole).filter(|whole| *whole != Activity::default())
    }

    /// Returns the time up to which events may be missing that are not stored as missing yet; 0 for none.
    pub fn lost_at(&self) -> u64 {
        self.lost_at
    }

    /// An event was lost at that time.
    #[cfg(test)]
    pub(crate) fn lost_at_for_tests(&mut self, at: u64) {
        self.lost_at = at;
    }

    /// Returns the numbers of events since the start that were taken, and that found no room.
    pub fn counts(&self) -> (u64, u64) {
        (self.heard, self.lost)
    }
}

#[cfg(test)]
mod tests;
