//! The names of all repositories: a registry reads its whole store to list them, which takes seconds where there are
//! thousands.
//!
//! They are read when a client asks, by one reader for all waiting requests. They are used for ten times as long as it
//! took to read them; for web pages a minute at least. So all requests together, from all clients, keep the registry
//! busy for a tenth of the time. Repositories that are pushed through Portwarden meanwhile are added at once. The names
//! that an account may see are decided for each answer. A reading that fails fails for all that wait for it: one after
//! the other, they would keep the registry busy long after they have gone.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use tokio::sync::Mutex as AsyncMutex;

use super::{catalog::Names, subrequest::Subrequest};
use crate::registry::{ErrorCode, Refusal, RepositoryName, by_path};

/// The names, in the order of the registry.
#[derive(Debug, Clone)]
pub(crate) struct AllNames {
    pub(crate) names: Arc<Vec<RepositoryName>>,
    /// There are more than are kept.
    pub(crate) incomplete: bool,
}

/// The known names.
#[derive(Debug, Default)]
pub(crate) struct KnownNames {
    state: Mutex<State>,
    /// Held during a reading.
    reading: Arc<AsyncMutex<()>>,
}

#[derive(Debug, Default)]
struct State {
    known: Option<ReadNames>,
    /// The time of the last reading that failed, and the reason.
    failed: Option<(Instant, Refusal)>,
    /// The pushes since the current reading began; the registry may have passed that place already.
    pushed: Vec<RepositoryName>,
    /// Counts the registries: what was read of another one is thrown away.
    registry: u64,
}

#[derive(Debug)]
struct ReadNames {
    all: AllNames,
    read: Instant,
    took: Duration,
}

/// The most names that are kept: some 20 MiB.
const MOST: usize = 200_000;
/// The time for which they are used, as a multiple of the time that reading them took.
const USED_TIMES: u32 = 10;
/// The time limit of a reading: far more than a store with [`MOST`] names takes.
const PATIENCE: Duration = Duration::from_secs(600);

impl KnownNames {
    /// All names; read by the way of `registry` where they are not known, or older than `age` and ten times as long as
    /// it took to read them.
    ///
    /// # Errors
    /// The registry gives no answer.
    pub(crate) async fn all(
        self: &Arc<Self>,
        registry: &Subrequest,
        age: Duration,
    ) -> Result<AllNames, Refusal> {
        if let Some(known) = self.fresh(age) {
            return Ok(known);
        }
        // On its own: a visitor that does not wait must not make the next one begin anew. And for no client in
        // particular: the other requests of the first one must not make it fail.
        let (known, registry) = (Arc::clone(self), Subrequest { address: None, ..registry.clone() });
        let since = Instant::now();
        let read = tokio::spawn(async move {
            let _reading = Arc::clone(&known.reading).lock_owned().await;
            if let Some(all) = known.fresh(age) {
                return Ok(all);
            }
            if let Some(refusal) = known.failed_since(since) {
                return Err(refusal);
            }
            let read = known.read(&registry).await;
            known.state.lock().failed = read.as_ref().err().map(|refusal| (Instant::now(), refusal.clone()));
            read
        });
        read.await.unwrap_or_else(|_| Err(Refusal::new(ErrorCode::Internal, "reading the catalogue failed")))
    }

    /// Records a push to that repository.
    pub(crate) fn pushed(&self, name: &RepositoryName) {
        let mut state = self.state.lock();
        if let Some(known) = &mut state.known {
            known.add(name);
        }
        // Only a reading that is under way has to learn of it.
        if self.reading.try_lock().is_err() && state.pushed.len() < MOST {
            state.pushed.push(name.clone());
        }
    }

    /// Forgets all of it.
    pub(crate) fn forget(&self) {
        let mut state = self.state.lock();
        state.known = None;
        state.registry += 1;
    }

    fn fresh(&self, age: Duration) -> Option<AllNames> {
        let state = self.state.lock();
        let is_fresh = |known: &&ReadNames| known.read.elapsed() < (known.took * USED_TIMES).max(age);
        state.known.as_ref().filter(is_fresh).map(|known| known.all.clone())
    }

    fn failed_since(&self, since: Instant) -> Option<Refusal> {
        let state = self.state.lock();
        state.failed.as_ref().filter(|(when, _)| *when >= since).map(|(_, refusal)| refusal.clone())
    }

    async fn read(&self, registry: &Subrequest) -> Result<AllNames, Refusal> {
        let of = {
            let mut state = self.state.lock();
            state.pushed.clear();
            state.registry
        };
        let began = Instant::now();
        let all = tokio::time::timeout(PATIENCE, read_all(registry)).await.unwrap_or_else(|_| {
            let why = "the registry behind this proxy takes too long to list its repositories";
            Err(Refusal::new(ErrorCode::GatewayTimeout, why))
        })?;
        let mut known = ReadNames { all, read: Instant::now(), took: began.elapsed() };
        let mut state = self.state.lock();
        for name in std::mem::take(&mut state.pushed) {
            known.add(&name);
        }
        let all = known.all.clone();
        if state.registry == of {
            state.known = Some(known);
        }
        Ok(all)
    }
}

impl ReadNames {
    fn add(&mut self, name: &RepositoryName) {
        if !self.all.names.contains(name) {
            let place = self.all.behind(name.as_str());
            Arc::make_mut(&mut self.all.names).insert(place, name.clone());
        }
    }
}

impl AllNames {
    /// The place behind a name, whether or not it is there.
    pub(crate) fn behind(&self, last: &str) -> usize {
        let names = &self.names;
        let order = if names.is_sorted_by(|a, b| by_path(a.as_str(), b.as_str()).is_le()) {
            by_path
        } else {
            <str as Ord>::cmp
        };
        let found = names.iter().position(|name| name.as_str() == last).map(|place| place + 1);
        let greater = || names.iter().position(|name| order(name.as_str(), last).is_gt());
        found.or_else(greater).unwrap_or(names.len())
    }
}

/// Reads as an account that may see all: what an account may see of it is decided for each name.
async fn read_all(registry: &Subrequest) -> Result<AllNames, Refusal> {
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
    Ok(AllNames { names: Arc::new(all), incomplete })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(names: &[&str]) -> AllNames {
        let names = names.iter().map(|name| RepositoryName::parse(name).unwrap()).collect();
        AllNames { names: Arc::new(names), incomplete: false }
    }

    #[test]
    fn the_place_behind_a_name_is_found_in_the_order_of_the_registry() {
        let walked = all(&["team1", "team1/app", "team1/app-3", "team1-x", "team2/b"]);
        for (last, place) in
            [("", 0), ("team1", 1), ("team1/zoo", 3), ("team1-x", 4), ("team2/a", 4), ("zebra", 5)]
        {
            assert_eq!(walked.behind(last), place, "{last}");
        }
        let sorted = all(&["team1", "team1-x", "team1/app"]);
        assert_eq!((sorted.behind("team1-y"), sorted.behind("team1-x"), sorted.behind("team1/a")), (2, 2, 2));
        assert_eq!(all(&["b", "a", "c"]).behind("b"), 1, "no order at all");
    }

    #[test]
    fn a_push_adds_a_name_once_in_its_place() {
        let all = all(&["team1", "team1/app", "team1-x"]);
        let mut known = ReadNames { all, read: Instant::now(), took: Duration::ZERO };
        for _ in 0..2 {
            known.add(&RepositoryName::parse("team1/b").unwrap());
        }
        let names: Vec<&str> = known.all.names.iter().map(RepositoryName::as_str).collect();
        assert_eq!(names, ["team1", "team1/app", "team1/b", "team1-x"]);
    }
}
