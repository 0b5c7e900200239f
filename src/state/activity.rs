//! Activity: heard in memory, stored every few seconds, and read again for the pages, `portwarden activity` and
//! `portwarden prune`.
//!
//! No request waits for the file. What could not be stored is kept in memory, within bounds, and tried again.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::{State, follow::unix_now, sql::Store, stored::StoreError};
use crate::{
    activity::{Activity, Batch, Entry, Key, Tally},
    registry::{Digest, RepositoryName, Tag},
    retention::Pulls,
    telemetry::{Listener, RegistryEvent},
};

/// The interval between two times of storing.
const PAUSE: Duration = Duration::from_secs(5);
/// The most references that are stored or listed at a time: others who need the file get their turn between.
const AT_A_TIME: usize = 500;
/// The time for which a page waits for the file.
const PATIENCE: Duration = Duration::from_secs(1);
/// The time for which a command, or the end of the server, waits for it.
const LONG_PATIENCE: Duration = Duration::from_secs(30);
/// The time for which the end of the server waits for it.
const AT_THE_END: Duration = Duration::from_secs(5);

/// The activity that is not stored yet.
#[derive(Default)]
pub(super) struct ActivityNotes {
    tally: Mutex<Tally>,
    /// Held while it is stored, and while what is stored is read together with what waits. True once it was ended.
    writer: tokio::sync::Mutex<bool>,
    /// True from a failure on, until something is stored again.
    is_failing: AtomicBool,
    failures: AtomicU64,
}

impl Listener for ActivityNotes {
    fn hear(&self, event: &Arc<RegistryEvent>) {
        self.tally.lock().hear(event);
    }
}

impl ActivityNotes {
    /// Nothing has been heard since `latest`; up to `lost_at`, something may be missing. In seconds since 1970.
    pub(super) fn since(latest: u64, lost_at: u64) -> Self {
        Self { tally: Mutex::new(Tally::since(latest, lost_at)), ..Self::default() }
    }

    /// Stores all that waits; with `end`, as the last.
    async fn write(&self, store: &Store, end: bool) -> Result<(), StoreError> {
        let mut has_ended = self.writer.lock().await;
        if *has_ended {
            return Ok(());
        }
        self.write_all(store).await?;
        if end {
            store.end_activity(unix_now()).await?;
            *has_ended = true;
        }
        Ok(())
    }

    /// The same, by the holder of `writer`. Run it to its end: what it has taken out is lost otherwise.
    async fn write_all(&self, store: &Store) -> Result<(), StoreError> {
        loop {
            let batch = self.tally.lock().take(AT_A_TIME);
            let Some(batch) = batch else { return Ok(()) };
            let stored = store.note_activity(&batch).await;
            self.settle(batch, &stored);
            stored?;
        }
    }

    /// Notes what became of a batch. The log has the first failure, and the end of it.
    fn settle(&self, batch: Batch, stored: &Result<(), StoreError>) {
        match stored {
            Ok(()) => {
                self.tally.lock().stored(&batch);
                if self.is_failing.swap(false, Ordering::Relaxed) {
                    tracing::info!("activity is stored again");
                }
            }
            Err(error) => {
                self.tally.lock().put_back(batch);
                self.failures.fetch_add(1, Ordering::Relaxed);
                if !self.is_failing.swap(true, Ordering::Relaxed) {
                    tracing::error!(%error, "cannot store activity; it is kept in memory, and tried again");
                }
            }
        }
    }

    /// Reads the activity of these references, stored and not.
    async fn read(&self, store: &Store, keys: Vec<Key>) -> Result<HashMap<Key, Activity>, StoreError> {
        // Nothing is on its way to the file meanwhile: it would count twice, or not at all.
        let _writer = self.writer.lock().await;
        let stored = store.activity(&keys).await?;
        let tally = self.tally.lock();
        let whole = keys.into_iter().zip(stored).filter_map(|(key, stored)| {
            let activity = tally.complete(&key, stored)?;
            Some((key, activity))
        });
        Ok(whole.collect())
    }
}

impl State {
    /// Begins to record activity, and returns what has to hear of it; `None` without a state file. Within a tokio runtime.
    pub fn record_activity(&self) -> Option<Arc<dyn Listener>> {
        let store = Arc::clone(self.store.as_ref().ok()?);
        let activity = Arc::clone(&self.activity);
        tokio::spawn(async move {
            let mut ticks = interval(PAUSE);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                // A failure is logged and counted there. A hung disk holds this up, and nothing else.
                let _ = activity.write(&store, false).await;
            }
        });
        Some(Arc::clone(&self.activity) as Arc<dyn Listener>)
    }

    /// Stores all activity, and notes that nothing is missing: at an orderly end, when no request is served any more. Where
    /// it fails, or takes too long, the next start counts all tags as pulled until then.
    pub async fn end_activity(&self) {
        let Ok(store) = &self.store else { return };
        let (activity, store) = (Arc::clone(&self.activity), Arc::clone(store));
        let ended = tokio::spawn(async move { activity.write(&store, true).await });
        if !matches!(timeout(AT_THE_END, ended).await, Ok(Ok(Ok(())))) {
            tracing::warn!(
                "the end of activity could not be stored: every tag counts as pulled until the next start"
            );
        }
    }

    /// Returns the activity of these tags and digests of a repository; `None` where it is not known now, or there is no
    /// state. Waits a second at most.
    pub async fn activity(
        &self,
        repository: &RepositoryName,
        references: impl Iterator<Item = String>,
    ) -> Option<HashMap<String, Activity>> {
        let Ok(store) = &self.store else { return None };
        if self.activity.is_failing.load(Ordering::Relaxed) {
            return None;
        }
        let keys: Vec<Key> = references.map(|reference| (repository.to_string(), reference)).collect();
        let activity = Arc::clone(&self.activity);
        let read = async move |store: Arc<Store>| activity.read(&store, keys).await;
        let read = Self::in_turn(&self.page_turns, store, PATIENCE, read).await.ok()?;
        Some(read.into_iter().map(|((_, reference), activity)| (reference, activity)).collect())
    }

    /// Returns when the tags and manifests of a repository were asked for last. Without a state, nothing is known.
    ///
    /// # Errors
    /// It cannot be read, or not all of it is stored.
    pub async fn pulls(&self, repository: &RepositoryName) -> Result<Pulls, StoreError> {
        let Ok(store) = &self.store else { return Ok(Pulls::default()) };
        let name = repository.to_string();
        let asked = async move |store: Arc<Store>| store.asked(&name).await;
        let (asked, since) = self.after_writing(store, asked).await?;
        let mut pulls = Pulls { since: since.max(self.activity.tally.lock().lost_at()), ..Pulls::default() };
        for (reference, at) in asked {
            if let Some(digest) = Digest::parse(&reference) {
                pulls.manifests.insert(digest, at);
            } else if let Some(tag) = Tag::parse(&reference) {
                pulls.tags.insert(tag, at);
            }
        }
        Ok(pulls)
    }

    /// Returns the next records of activity behind this one, in order; none at the end.
    ///
    /// # Errors
    /// They cannot be read, there is no state, or not all of it is stored.
    pub async fn activity_behind(&self, after: Key) -> Result<Vec<Entry>, String> {
        let store = self.store.as_ref().map_err(Clone::clone)?;
        let read = async move |store: Arc<Store>| store.activity_behind(&after, AT_A_TIME as u64).await;
        self.after_writing(store, read).await.map_err(|error| error.to_string())
    }

    /// Returns the time from which on all requests are on record, in seconds since 1970, but for records that gave way to
    /// others of one repository.
    ///
    /// # Errors
    /// It cannot be read, or there is no state.
    pub async fn activity_since(&self) -> Result<u64, String> {
        let store = self.store.as_ref().map_err(Clone::clone)?;
        let read = self.ask(store, LONG_PATIENCE, async |store: Arc<Store>| store.asked("").await).await;
        read.map(|(_, since)| since).map_err(|error| error.to_string())
    }

    /// Joins records of another source, such as the audit log, with those that are stored. Done twice, nothing counts twice.
    ///
    /// # Errors
    /// They are not stored, or there is no state.
    pub async fn import_activity(&self, entries: Vec<Entry>) -> Result<(), String> {
        let store = self.store.as_ref().map_err(Clone::clone)?;
        let join = async move |store: Arc<Store>| store.join_activity(&entries).await;
        self.after_writing(store, join).await.map_err(|error| error.to_string())
    }

    /// Notes that every request from `from` to `until` is on record now, both in seconds since 1970; returns the time from
    /// which on all are.
    ///
    /// # Errors
    /// It is not stored, or there is no state.
    pub async fn extend_activity(&self, from: u64, until: u64) -> Result<u64, String> {
        let store = self.store.as_ref().map_err(Clone::clone)?;
        let extend = async move |store: Arc<Store>| store.extend_activity(from, until).await;
        self.after_writing(store, extend).await.map_err(|error| error.to_string())?;
        self.activity_since().await
    }

    /// Returns the number of events that were recorded and lost since the start, and of failures to store them.
    pub fn activity_counts(&self) -> [(&'static str, u64); 3] {
        let (recorded, lost) = self.activity.tally.lock().counts();
        let failures = self.activity.failures.load(Ordering::Relaxed);
        [("recorded", recorded), ("lost", lost), ("not_stored", failures)]
    }

    /// Stores what waits, then asks the store.
    async fn after_writing<T: Send + 'static, F>(
        &self,
        store: &Arc<Store>,
        question: impl FnOnce(Arc<Store>) -> F + Send + 'static,
    ) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, StoreError>> + Send + 'static,
    {
        let activity = Arc::clone(&self.activity);
        let asked = async move |store: Arc<Store>| {
            activity.write(&store, false).await?;
            question(store).await
        };
        self.ask(store, LONG_PATIENCE, asked).await
    }
}

#[cfg(test)]
mod tests;
