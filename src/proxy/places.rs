//! How many requests may be on their way to the registry, in all and from one address.
//!
//! A request waits a short while for its place and keeps it until its response's body has ended, so that what has begun
//! goes on. One address holds or waits for half of all places at most: the others find the other half.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use crate::quota::{Complaints, Network, Shares};

/// The places before one registry.
#[derive(Debug)]
pub(super) struct Places {
    all: usize,
    wait: Duration,
    free: Arc<Semaphore>,
    halves: Halves,
    waiting: Shares,
    refused: AtomicU64,
    complaints: Complaints,
}

/// A request's place. Free again when it is dropped.
#[derive(Debug)]
pub struct Place {
    _in_all: OwnedSemaphorePermit,
    _of_half: OwnedSemaphorePermit,
    _half: Half,
}

/// No place came free in time, or too many wait for one already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NoPlace;

/// How long a request waits for a place. Short of what clients wait for the head of an answer.
const WAIT: Duration = Duration::from_secs(5);

impl Places {
    /// So many places, at least one.
    pub(super) fn new(all: usize) -> Self {
        Self::with(all.max(1), WAIT)
    }

    fn with(all: usize, wait: Duration) -> Self {
        Self {
            all,
            wait,
            free: Arc::new(Semaphore::new(all)),
            halves: Halves::default(),
            waiting: Shares::default(),
            refused: AtomicU64::new(0),
            complaints: Complaints::default(),
        }
    }

    /// A place for a request from that address. Who comes through a Unix socket without an address may be many, and is not
    /// held to half.
    ///
    /// # Errors
    /// None came free within five seconds, or as many requests of this address as there are places wait already.
    pub(super) async fn take(&self, from: Option<IpAddr>) -> Result<Place, NoPlace> {
        let from = Network::from(from);
        let Some(_waiting) = self.waiting.take(from, self.all) else { return Err(self.refuse(from)) };
        let taken = timeout(self.wait, async {
            let most = if from == Network::Unknown { self.all } else { self.all.div_ceil(2) };
            let half = self.halves.of(from, most);
            let of_half = Arc::clone(&half.free).acquire_owned().await.ok()?;
            let in_all = Arc::clone(&self.free).acquire_owned().await.ok()?;
            Some(Place { _in_all: in_all, _of_half: of_half, _half: half })
        });
        taken.await.ok().flatten().ok_or_else(|| self.refuse(from))
    }

    /// Requests that have a place now.
    pub(super) fn taken(&self) -> usize {
        self.all.saturating_sub(self.free.available_permits())
    }

    /// Requests that wait for one.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.held()
    }

    /// Requests that got none.
    pub(super) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    fn refuse(&self, from: Network) -> NoPlace {
        self.refused.fetch_add(1, Ordering::Relaxed);
        if let Some(unsaid) = self.complaints.due(from, Instant::now()) {
            tracing::warn!(
                %from, all = self.all, unsaid,
                "no place among the requests to the registry (limits.upstream_requests, half of them for one address): refused"
            );
        }
        NoPlace
    }
}

/// The half of each address that has or wants places. Who has none is not in memory.
#[derive(Debug, Clone, Default)]
struct Halves(Arc<Mutex<InUse>>);

/// With the number of those who hold or want a place of it.
type InUse = HashMap<Network, (Arc<Semaphore>, usize)>;

/// The half of one address, in use.
#[derive(Debug)]
struct Half {
    halves: Halves,
    of: Network,
    free: Arc<Semaphore>,
}

impl Halves {
    fn of(&self, of: Network, size: usize) -> Half {
        let mut all = self.lock();
        let (free, users) = all.entry(of).or_insert_with(|| (Arc::new(Semaphore::new(size)), 0));
        *users += 1;
        Half { halves: self.clone(), of, free: Arc::clone(free) }
    }

    fn lock(&self) -> MutexGuard<'_, InUse> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Half {
    fn drop(&mut self) {
        let mut all = self.halves.lock();
        match all.get_mut(&self.of) {
            Some((_, users)) if *users > 1 => *users -= 1,
            _ => drop(all.remove(&self.of)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(last: u8) -> Option<IpAddr> {
        Some([10, 0, 0, last].into())
    }

    #[tokio::test]
    async fn an_address_gets_half_and_waits_a_bounded_time_for_more() {
        let places = Places::with(4, Duration::from_millis(300));
        let first = places.take(ip(1)).await.unwrap();
        let second = places.take(ip(1)).await.unwrap();
        let started = Instant::now();
        assert_eq!(places.take(ip(1)).await.unwrap_err(), NoPlace);
        assert!(started.elapsed() >= Duration::from_millis(300), "{:?}", started.elapsed());
        assert_eq!(places.refused(), 1);
        let others = [places.take(ip(2)).await.unwrap(), places.take(ip(2)).await.unwrap()];
        assert_eq!((places.taken(), places.waiting()), (4, 0));
        assert_eq!(places.take(ip(3)).await.unwrap_err(), NoPlace, "all are taken");
        let (again, ()) = tokio::join!(places.take(ip(1)), async {
            tokio::task::yield_now().await;
            drop(first);
        });
        assert!(again.is_ok(), "it came free while it was waited for");
        drop((others, again, second));
        assert_eq!(places.taken(), 0);
        assert!(places.halves.lock().is_empty());
    }

    #[tokio::test]
    async fn those_who_wait_are_bounded_and_take_no_place_of_others() {
        let places = Places::with(2, Duration::from_millis(100));
        let _held = places.take(ip(1)).await.unwrap();
        let (one, two, three, other) =
            tokio::join!(places.take(ip(1)), places.take(ip(1)), places.take(ip(1)), places.take(ip(2)));
        assert!(one.is_err() && two.is_err() && three.is_err() && other.is_ok());
        assert_eq!((places.refused(), places.waiting()), (3, 0));
        drop(other);
        // Who gives up leaves nothing behind.
        let _ = timeout(Duration::from_millis(10), places.take(ip(1))).await;
        assert_eq!((places.taken(), places.waiting()), (1, 0));
    }
}
