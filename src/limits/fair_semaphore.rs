//! Limits the requests that are on their way to the registry, or have a page made for them, in all and from one
//! address.
//!
//! A request waits a short while for its slot and keeps it until its response's body has ended, so that every request
//! that has begun goes on. An address may hold at most as many slots as are still free: a lone one gets half, two get a
//! third each, and the next address finds some free. This is the dynamic threshold of Choudhury and Hahne, 1998, with a
//! factor of 1. The same holds for waiting requests.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use tokio::{sync::oneshot, time::timeout};

use super::{
    LogThrottle, Network, Share, Shares,
    in_flight::{InFlight, InFlightGuard},
};

/// The slots before one registry, or for pages.
#[derive(Debug, Clone)]
pub(crate) struct FairSemaphore(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    all: usize,
    /// Their purpose, with the key in the configuration, for the log.
    what: &'static str,
    wait: Duration,
    queue: Mutex<Queue>,
    held: Shares,
    waiting: Shares,
    refused: AtomicU64,
    log_throttle: LogThrottle,
}

#[derive(Debug)]
struct Queue {
    free: usize,
    /// In the order of their coming.
    waiting: BTreeMap<u64, (Network, oneshot::Sender<Slot>)>,
    arrivals: u64,
}

/// A request's slot. Dropped, it goes to the next request that may have it.
#[derive(Debug)]
pub struct Slot {
    semaphore: FairSemaphore,
    share: Option<Share>,
    present: Option<InFlightGuard>,
}

/// No slot came free in time, or too many requests wait for one already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Overloaded;

/// The time for which a request waits for a slot. Short of the time that clients wait for the head of an answer.
const WAIT: Duration = Duration::from_secs(5);

impl FairSemaphore {
    /// So many slots, at least one; as many requests may wait for one.
    pub(crate) fn new(all: usize, what: &'static str) -> Self {
        Self::with(all.max(1), what, WAIT)
    }

    fn with(all: usize, what: &'static str, wait: Duration) -> Self {
        Self(Arc::new(Inner {
            all,
            what,
            wait,
            queue: Mutex::new(Queue { free: all, waiting: BTreeMap::new(), arrivals: 0 }),
            held: Shares::default(),
            waiting: Shares::default(),
            refused: AtomicU64::new(0),
            log_throttle: LogThrottle::default(),
        }))
    }

    /// Takes a slot for a request from that address. An unknown address, as through a Unix socket, may stand for many
    /// clients, and gets any free slot.
    ///
    /// # Errors
    /// None came free within five seconds, or too many wait already.
    pub(crate) async fn take(&self, from: Option<IpAddr>) -> Result<Slot, Overloaded> {
        let from = Network::from(from);
        let mut waits = {
            let mut queue = self.0.queue.lock();
            if let Some(slot) = self.free_for(from, &mut queue) {
                return Ok(slot);
            }
            let room = self.0.all - queue.waiting.len();
            match self.0.waiting.take(from, most(from, room)) {
                Some(share) => self.wait(from, share, &mut queue),
                None => return Err(self.refuse(from)),
            }
        };
        let came_free = timeout(self.0.wait, &mut waits.slot).await;
        came_free.ok().and_then(Result::ok).ok_or_else(|| self.refuse(from))
    }

    /// Takes a slot for a request from that address, if it need not wait for one.
    pub(crate) fn try_take(&self, from: Option<IpAddr>) -> Option<Slot> {
        self.free_for(Network::from(from), &mut self.0.queue.lock())
    }

    /// Requests that hold a slot now.
    pub(crate) fn taken(&self) -> usize {
        self.0.all - self.0.queue.lock().free
    }

    /// Requests that wait for one.
    pub(crate) fn waiting(&self) -> usize {
        self.0.queue.lock().waiting.len()
    }

    /// Requests that got none.
    pub(crate) fn refused(&self) -> u64 {
        self.0.refused.load(Ordering::Relaxed)
    }

    fn free_for(&self, from: Network, queue: &mut Queue) -> Option<Slot> {
        let share = self.0.held.take(from, most(from, queue.free))?;
        queue.free -= 1;
        Some(self.slot(share))
    }

    fn slot(&self, share: Share) -> Slot {
        Slot { semaphore: self.clone(), share: Some(share), present: None }
    }

    fn wait(&self, from: Network, share: Share, queue: &mut Queue) -> Waits {
        let (sender, slot) = oneshot::channel();
        let number = queue.arrivals;
        queue.arrivals += 1;
        queue.waiting.insert(number, (from, sender));
        Waits { semaphore: self.clone(), number, slot, _share: share }
    }

    /// Takes a slot back, and gives the free ones to requests in the queue that may have them. That may be two, for the
    /// address that gave it back holds less than before.
    fn give_back(&self, share: Option<Share>) {
        drop(share);
        self.0.queue.lock().free += 1;
        while let Some((waiting, slot)) = self.grant() {
            // If the receiver has just given up, it comes back here.
            drop(waiting.send(slot));
        }
    }

    fn grant(&self) -> Option<(oneshot::Sender<Slot>, Slot)> {
        let mut queue = self.0.queue.lock();
        let free = queue.free;
        let may = |of: Network| self.0.held.take(of, most(of, free));
        let next = queue.waiting.iter().find_map(|(number, (from, _))| Some((*number, may(*from)?)));
        let (number, share) = next?;
        let (_, waiting) = queue.waiting.remove(&number)?;
        queue.free -= 1;
        Some((waiting, self.slot(share)))
    }

    fn refuse(&self, from: Network) -> Overloaded {
        self.0.refused.fetch_add(1, Ordering::Relaxed);
        if let Some(suppressed) = self.0.log_throttle.due(from, Instant::now()) {
            tracing::warn!(
                %from, all = self.0.all, suppressed,
                "too many concurrent {} (one address holds half of the slots at most): rejected", self.0.what
            );
        }
        Overloaded
    }
}

/// Returns the most slots that one sender may have, where so many are left.
fn most(of: Network, left: usize) -> usize {
    match of {
        Network::Unknown if left > 0 => usize::MAX,
        _ => left,
    }
}

/// A request in the queue. Leaves it when dropped.
struct Waits {
    semaphore: FairSemaphore,
    number: u64,
    slot: oneshot::Receiver<Slot>,
    _share: Share,
}

impl Drop for Waits {
    fn drop(&mut self) {
        self.semaphore.0.queue.lock().waiting.remove(&self.number);
    }
}

impl Slot {
    /// The slot of a request of that connection.
    pub(crate) fn of(mut self, connection: &InFlight) -> Self {
        self.present = Some(connection.enter());
        self
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.semaphore.give_back(self.share.take());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(last: u8) -> Option<IpAddr> {
        Some([10, 0, 0, last].into())
    }

    async fn several(semaphore: &FairSemaphore, from: Option<IpAddr>, wanted: usize) -> Vec<Slot> {
        let mut taken = Vec::new();
        for _ in 0..wanted {
            taken.extend(semaphore.take(from).await.ok());
        }
        taken
    }

    #[tokio::test]
    async fn an_address_gets_half_and_waits_a_bounded_time_for_more() {
        let semaphore = FairSemaphore::with(4, "requests", Duration::from_millis(300));
        let mut held = several(&semaphore, ip(1), 2).await;
        let started = Instant::now();
        assert_eq!(semaphore.take(ip(1)).await.unwrap_err(), Overloaded);
        assert!(started.elapsed() >= Duration::from_millis(300), "{:?}", started.elapsed());
        assert_eq!((held.len(), semaphore.refused()), (2, 1));
        let (again, ()) = tokio::join!(semaphore.take(ip(1)), async {
            tokio::task::yield_now().await;
            held.pop();
        });
        assert!(again.is_ok(), "it came free while it was waited for");
        assert_eq!((semaphore.taken(), semaphore.waiting()), (2, 0));
        drop((held, again));
        assert_eq!((semaphore.taken(), semaphore.0.held.held(), semaphore.0.waiting.held()), (0, 0, 0));
    }

    #[tokio::test]
    async fn several_addresses_leave_some_for_the_next() {
        let semaphore = FairSemaphore::with(60, "requests", Duration::ZERO);
        let first = several(&semaphore, ip(1), 60).await;
        let second = several(&semaphore, ip(2), 60).await;
        let third = several(&semaphore, ip(3), 60).await;
        assert_eq!((first.len(), second.len(), third.len()), (30, 15, 8));
        assert!(semaphore.take(ip(4)).await.is_ok());
        drop(first);
        assert_eq!(several(&semaphore, ip(1), 60).await.len(), 19, "as many as are then left");
    }

    #[tokio::test]
    async fn rule_35_seven_64s_of_one_48_take_no_more_than_one_client() {
        let semaphore = FairSemaphore::with(64, "requests", Duration::ZERO);
        let mut held = Vec::new();
        for net in [0, 1, 2, 0x100, 0x101, 0x2000, 0xffff] {
            let from = std::net::Ipv6Addr::new(0x2001, 0xdb8, 1, net, 0, 0, 0, 1);
            held.extend(several(&semaphore, Some(from.into()), 64).await);
        }
        assert_eq!(held.len(), 32);
        assert_eq!(several(&semaphore, ip(1), 64).await.len(), 16, "another address");
    }

    #[tokio::test]
    async fn who_comes_without_an_address_gets_whatever_is_free() {
        let semaphore = FairSemaphore::with(3, "requests", Duration::ZERO);
        assert_eq!(several(&semaphore, None, 4).await.len(), 3);
    }

    #[tokio::test]
    async fn those_who_wait_are_bounded_and_take_no_place_of_others() {
        let semaphore = FairSemaphore::with(4, "requests", Duration::from_millis(100));
        let held = several(&semaphore, ip(1), 2).await;
        let waits = |semaphore: FairSemaphore| tokio::spawn(async move { semaphore.take(ip(1)).await });
        let waiting = [(); 3].map(|()| waits(semaphore.clone()));
        tokio::task::yield_now().await;
        assert_eq!((semaphore.waiting(), semaphore.refused()), (2, 1), "they too leave as many as they take");
        assert!(semaphore.take(ip(2)).await.is_ok());
        for waits in waiting {
            assert!(waits.await.unwrap().is_err());
        }
        // A request that gives up leaves nothing behind.
        let _ = timeout(Duration::from_millis(10), semaphore.take(ip(1))).await;
        drop(held);
        assert_eq!((semaphore.taken(), semaphore.waiting()), (0, 0));
    }

    #[tokio::test]
    async fn one_place_that_comes_free_may_be_for_two() {
        let semaphore = FairSemaphore::with(3, "requests", Duration::from_secs(60));
        let mut first = several(&semaphore, ip(1), 1).await;
        let second = several(&semaphore, ip(2), 1).await;
        let waits = |from| {
            let semaphore = semaphore.clone();
            tokio::spawn(async move { semaphore.take(from).await })
        };
        let others = waits(ip(2));
        tokio::task::yield_now().await;
        let mine = waits(ip(1));
        tokio::task::yield_now().await;
        assert_eq!(semaphore.waiting(), 2);
        // One is free already, and then two: for the one because they are more, for the other because it holds less.
        first.pop();
        let (others, mine) = (others.await.unwrap(), mine.await.unwrap());
        assert!(matches!((others, mine), (Ok(_), Ok(_))));
        drop(second);
    }

    #[tokio::test]
    async fn a_place_passes_those_by_who_may_not_have_it() {
        let semaphore = FairSemaphore::with(3, "requests", Duration::from_secs(5));
        let mut greedy = several(&semaphore, ip(1), 2).await;
        let held = several(&semaphore, ip(2), 1).await;
        let (mine, other) = tokio::join!(timeout(Duration::from_millis(50), semaphore.take(ip(1))), async {
            tokio::task::yield_now().await;
            let other = async { semaphore.take(ip(3)).await };
            let (other, ()) = tokio::join!(other, async {
                tokio::task::yield_now().await;
                greedy.pop();
            });
            other
        });
        assert!(mine.is_err() && other.is_ok());
        drop(held);
    }
}
