//! The names of all repositories, kept for the pages: a registry reads its whole store to tell them, which takes seconds where
//! there are thousands.
//!
//! They are read when somebody looks, by one reader for all who wait, and used for a minute, or ten times as long as it took to
//! read them. What is pushed through us meanwhile is added at once. Who may see which name is asked anew for each page. A reading
//! that fails fails for all who wait for it: one after the other, they would keep the registry busy long after they have gone.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::Mutex as AsyncMutex;

use crate::{
    proxy::{catalog::Names, inquiry::Inquirer},
    registry::{ErrorCode, Refusal, RepositoryName},
};

/// The names, sorted.
#[derive(Debug, Clone)]
pub(super) struct AllNames {
    pub(super) names: Arc<Vec<RepositoryName>>,
    /// There are more than are kept.
    pub(super) incomplete: bool,
}

/// What is known of the names.
#[derive(Debug, Default)]
pub(super) struct KnownNames {
    state: Mutex<State>,
    /// Held by who reads.
    reading: Arc<AsyncMutex<()>>,
}

#[derive(Debug, Default)]
struct State {
    known: Option<Known>,
    /// When the last reading failed, and why.
    failed: Option<(Instant, Refusal)>,
    /// What was pushed since the reading that goes on began; the registry may have passed that place already.
    pushed: Vec<RepositoryName>,
    /// Counts the registries: what was read of another one is thrown away.
    registry: u64,
}

#[derive(Debug)]
struct Known {
    all: AllNames,
    until: Instant,
}

/// The most names that are kept: some 20 MiB.
const MOST: usize = 200_000;
/// How long they are used at the least, and at the least in times of what it took to read them.
const USED_FOR: Duration = Duration::from_secs(60);
const USED_TIMES: u32 = 10;

impl KnownNames {
    /// All names; read by the way of `registry` where they are not known.
    ///
    /// # Errors
    /// The registry gives no answer.
    pub(super) async fn all(self: &Arc<Self>, registry: &Inquirer) -> Result<AllNames, Refusal> {
        if let Some(known) = self.fresh() {
            return Ok(known);
        }
        // On its own: a visitor who does not wait must not make the next one begin anew.
        // And for nobody in particular: whoever came first must not make it fail by what else he asks.
        let (known, registry) = (Arc::clone(self), Inquirer { address: None, ..registry.clone() });
        let since = Instant::now();
        let read = tokio::spawn(async move {
            let _reading = Arc::clone(&known.reading).lock_owned().await;
            if let Some(all) = known.fresh() {
                return Ok(all);
            }
            if let Some(refusal) = known.failed_since(since) {
                return Err(refusal);
            }
            let read = known.read(&registry).await;
            known.lock().failed = read.as_ref().err().map(|refusal| (Instant::now(), refusal.clone()));
            read
        });
        read.await.unwrap_or_else(|_| Err(Refusal::new(ErrorCode::Internal, "reading the catalogue failed")))
    }

    /// Something was pushed to that repository.
    pub(super) fn pushed(&self, name: &RepositoryName) {
        let mut state = self.lock();
        if let Some(known) = &mut state.known {
            known.add(name);
        }
        // Without somebody who reads there is nobody to tell.
        if self.reading.try_lock().is_err() && state.pushed.len() < MOST {
            state.pushed.push(name.clone());
        }
    }

    /// Forgets all of it.
    pub(super) fn forget(&self) {
        let mut state = self.lock();
        state.known = None;
        state.registry += 1;
    }

    fn fresh(&self) -> Option<AllNames> {
        let state = self.lock();
        state.known.as_ref().filter(|known| Instant::now() < known.until).map(|known| known.all.clone())
    }

    fn failed_since(&self, since: Instant) -> Option<Refusal> {
        let state = self.lock();
        state.failed.as_ref().filter(|(when, _)| *when >= since).map(|(_, refusal)| refusal.clone())
    }

    async fn read(&self, registry: &Inquirer) -> Result<AllNames, Refusal> {
        let of = {
            let mut state = self.lock();
            state.pushed.clear();
            state.registry
        };
        let began = Instant::now();
        let all = read_all(registry).await?;
        let until = Instant::now() + (began.elapsed() * USED_TIMES).max(USED_FOR);
        let mut known = Known { all, until };
        let mut state = self.lock();
        for name in std::mem::take(&mut state.pushed) {
            known.add(&name);
        }
        let all = known.all.clone();
        if state.registry == of {
            state.known = Some(known);
        }
        Ok(all)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn add(&mut self, name: &RepositoryName) {
        let Err(place) = self.all.names.binary_search_by(|known| known.as_str().cmp(name.as_str())) else {
            return;
        };
        Arc::make_mut(&mut self.all.names).insert(place, name.clone());
    }
}

/// Reads as who may see all: what a visitor may see of it is asked for each.
async fn read_all(registry: &Inquirer) -> Result<AllNames, Refusal> {
    let mut all = Vec::new();
    let mut pages = Names::behind("");
    let mut incomplete = false;
    while let Some(page) = pages.next_page(registry).await? {
        all.extend(page);
        if all.len() > MOST {
            incomplete = true;
            break;
        }
    }
    all.truncate(MOST);
    all.sort_unstable_by(|a, b| a.as_str().cmp(b.as_str()));
    all.dedup();
    Ok(AllNames { names: Arc::new(all), incomplete })
}
