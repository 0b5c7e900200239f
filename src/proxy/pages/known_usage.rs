//! The room that the layers of repositories take, remembered: adding it up opens each blob.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use parking_lot::Mutex;

use super::{reader::Reader, visit::Request};
use crate::{registry::RepositoryName, storage::Usage};

/// The time for which it is used, also that it is not known.
const AGE: Duration = Duration::from_secs(600);
/// The most repositories: a few hundred bytes each.
const MOST: usize = 10_000;

/// The usage of repositories, with the time at which it was read; `None` for one that could not be looked through.
#[derive(Debug, Default)]
pub(super) struct KnownUsage(Mutex<HashMap<RepositoryName, (Instant, Option<Usage>)>>);

impl KnownUsage {
    fn get(&self, name: &RepositoryName) -> Option<Option<Usage>> {
        let known = self.0.lock();
        let (read, usage) = known.get(name)?;
        (read.elapsed() < AGE).then_some(*usage)
    }

    fn keep(&self, name: &RepositoryName, usage: Option<Usage>) {
        let mut known = self.0.lock();
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(name.clone(), (Instant::now(), usage));
    }

    /// The registry is another one.
    pub(super) fn forget_all(&self) {
        self.0.lock().clear();
    }
}

impl Request<'_> {
    /// Returns the room that a repository takes, for a visitor that may pull all of it; `None` where that is not known.
    pub(super) async fn usage(&self, reader: &Reader, name: &RepositoryName) -> Option<Usage> {
        let storage = reader.snapshot.storage.as_ref()?;
        if !reader.may_list(name).await.unwrap_or(false) {
            return None;
        }
        if let Some(known) = self.pages.usage.get(name) {
            return known;
        }
        let usage = storage.usage(name).await.ok();
        self.pages.usage.keep(name, usage);
        usage
    }
}
