//! The times of pushes, for `portwarden prune`.
//!
//! A push is noted before the registry gets it, so that no tag has a time before its last push. Several pushes at a time
//! are stored together. What could not be stored is kept in memory and tried again; until it is stored, no times are
//! answered.

use std::{
    collections::{HashMap, HashSet},
    mem,
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;

use super::{
    State,
    sql::Store,
    stored::{StoreError, StoredPush},
};
use crate::{
    registry::{Digest, RepositoryName, Tag},
    retention::PushTime,
};

/// The time for which a push waits for the file.
const PATIENCE: Duration = Duration::from_secs(1);
/// The time for which `portwarden prune` waits for it.
const LONG_PATIENCE: Duration = Duration::from_secs(30);
/// The most tags whose pushes wait in memory.
const MOST_WAITING: usize = 10_000;
/// The most tags that are stored or forgotten at a time: others who need the file get their turn between.
const AT_A_TIME: usize = 500;
/// The time after which a push is done, in seconds: until then, a record of a tag that is not there, or is another, may be
/// that of one under way.
const SETTLED: u64 = 3600;

/// The pushes that are not stored yet.
#[derive(Default)]
pub(super) struct PushNotes {
    waiting: Mutex<Waiting>,
    /// Held by the task that stores them: one at a time.
    writer: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Waiting {
    /// By repository and tag: the last push.
    pushes: HashMap<(String, String), StoredPush>,
    /// The number of pushes since the start.
    added: u64,
    /// So many of them are stored.
    stored: u64,
    /// The time of the last push that was not taken, since too many wait: any tag may be as young. 0 for none.
    lost_at: u64,
}

impl State {
    /// Notes that a tag is about to be given a manifest, at `at` in seconds since 1970. When this returns, it survives a
    /// crash. Without a state, nothing is noted.
    ///
    /// # Errors
    /// It is not stored within a second. It is tried again with the next one.
    pub async fn note_push(
        &self,
        repository: &RepositoryName,
        tag: &Tag,
        digest: &Digest,
        at: u64,
    ) -> Result<(), StoreError> {
        let Ok(store) = &self.store else { return Ok(()) };
        let push = stored(repository, (tag, digest), at, true);
        let mut added = self.pushes.waiting.lock().add(&push);
        if added.is_none() {
            // Too many wait: there is room only if they can be stored now.
            let stored = self.store_waiting(store, PATIENCE).await;
            let mut waiting = self.pushes.waiting.lock();
            added = waiting.add(&push);
            if added.is_none() {
                waiting.lost_at = waiting.lost_at.max(at);
                return stored.and_then(|()| Err(store.too_slow()));
            }
        }
        self.store_pushes(store, added.unwrap_or_default(), PATIENCE).await
    }

    /// Notes all tags that a repository has, with the manifest of each, at `at` in seconds since 1970. A tag without a
    /// record for its manifest was given it then or before. Records of tags that are gone are forgotten. What was
    /// pushed in the last hour is left alone: its push may not be done.
    ///
    /// # Errors
    /// Not all of it is stored.
    pub async fn note_seen(
        &self,
        repository: &RepositoryName,
        tags: &[(Tag, Digest)],
        at: u64,
    ) -> Result<(), StoreError> {
        let Ok(store) = &self.store else { return Ok(()) };
        let known = self.push_times(repository).await?;
        let is_new = |(tag, digest): &&(Tag, Digest)| known.get(tag).is_none_or(|(of, _)| of != digest);
        let new: Vec<_> = tags.iter().filter(is_new).collect();
        let there: HashSet<&Tag> = tags.iter().map(|(tag, _)| tag).collect();
        let gone: Vec<&Tag> = known.keys().filter(|tag| !there.contains(tag)).collect();
        let unsettled = at.saturating_sub(SETTLED)..=at;
        let mut without_room = 0;
        for new in new.chunks(AT_A_TIME) {
            let seen = new.iter().map(|(tag, digest)| stored(repository, (tag, digest), at, false));
            let (seen, unsettled) = (seen.collect::<Vec<_>>(), unsettled.clone());
            let note = async move |store: Arc<Store>| store.note_seen(&seen, &unsettled).await;
            without_room += self.ask(store, LONG_PATIENCE, note).await?;
        }
        for gone in gone.chunks(AT_A_TIME) {
            let tags = gone.iter().map(ToString::to_string).collect::<Vec<_>>();
            let (name, unsettled) = (repository.to_string(), unsettled.clone());
            let forget = async move |store: Arc<Store>| store.forget_pushes(&name, &tags, &unsettled).await;
            self.ask(store, LONG_PATIENCE, forget).await?;
        }
        if without_room > 0 { Err(store.no_room()) } else { Ok(()) }
    }

    /// Returns the records of a repository: the manifest that each tag was given, and when. A record about another manifest
    /// than the tag has now says nothing about it. Without a state there are none.
    ///
    /// # Errors
    /// They cannot be read, or a push since the start is not stored.
    pub async fn push_times(
        &self,
        repository: &RepositoryName,
    ) -> Result<HashMap<Tag, (Digest, PushTime)>, StoreError> {
        let Ok(store) = &self.store else { return Ok(HashMap::new()) };
        self.store_waiting(store, LONG_PATIENCE).await?;
        let name = repository.to_string();
        let read = async move |store: Arc<Store>| store.pushes(&name).await;
        let read = self.ask(store, LONG_PATIENCE, read).await?;
        let lost_at = self.pushes.waiting.lock().lost_at;
        let known = |StoredPush { tag, digest, at, is_exact, .. }: StoredPush| {
            let time = PushTime { at: at.max(lost_at), is_exact: is_exact && at > lost_at };
            Some((Tag::parse(&tag)?, (Digest::parse(&digest)?, time)))
        };
        Ok(read.into_iter().filter_map(known).collect())
    }

    async fn store_waiting(&self, store: &Arc<Store>, patience: Duration) -> Result<(), StoreError> {
        let last = self.pushes.waiting.lock().added;
        self.store_pushes(store, last, patience).await
    }

    async fn store_pushes(
        &self,
        store: &Arc<Store>,
        number: u64,
        patience: Duration,
    ) -> Result<(), StoreError> {
        let pushes = Arc::clone(&self.pushes);
        let write = async move |store: Arc<Store>| pushes.write(&store, number).await;
        let without_room = self.ask(store, patience, write).await?;
        if without_room > 0 { Err(store.no_room()) } else { Ok(()) }
    }
}

impl PushNotes {
    /// Stores all that wait, unless the first `number` pushes are stored already. Returns how many found no room.
    async fn write(&self, store: &Store, number: u64) -> Result<usize, StoreError> {
        let _writer = self.writer.lock().await;
        let (pushes, added) = {
            let mut waiting = self.waiting.lock();
            if waiting.stored >= number {
                return Ok(0);
            }
            (mem::take(&mut waiting.pushes), waiting.added)
        };
        let mut batch: Vec<StoredPush> = pushes.values().cloned().collect();
        batch.sort_by_key(|push| push.at);
        let stored = store.note_pushes(&batch).await;
        let mut waiting = self.waiting.lock();
        match &stored {
            Ok(_) => waiting.stored = added,
            Err(_) => waiting.put_back(pushes),
        }
        stored
    }
}

impl Waiting {
    /// Adds a push; returns its number. `None` if too many wait.
    fn add(&mut self, push: &StoredPush) -> Option<u64> {
        let key = (push.repository.clone(), push.tag.clone());
        if self.pushes.len() >= MOST_WAITING && !self.pushes.contains_key(&key) {
            return None;
        }
        self.pushes.insert(key, push.clone());
        self.added += 1;
        Some(self.added)
    }

    /// Takes pushes back that were not stored. A later one of the same tag stays.
    fn put_back(&mut self, pushes: HashMap<(String, String), StoredPush>) {
        for (key, push) in pushes {
            self.pushes.entry(key).or_insert(push);
        }
    }
}

fn stored(
    repository: &RepositoryName,
    (tag, digest): (&Tag, &Digest),
    at: u64,
    is_exact: bool,
) -> StoredPush {
    let (repository, tag, digest) = (repository.to_string(), tag.to_string(), digest.to_string());
    StoredPush { repository, tag, digest, at, is_exact }
}

#[cfg(test)]
mod tests;
