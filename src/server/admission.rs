//! Admission of connections: limits on their number in all and from one address, and the choice of those that make room
//! for others.
//!
//! Near the limit, connections without a request to the registry are asked to leave, the longest idle first, as nginx
//! does with its reusable connections. A client that only holds connections open (slowloris, a form that never ends,
//! answers that are never read) shuts no other client out. A client whose idle connection was closed makes another. The
//! requests of a connection that leaves may end within a few seconds. Pulls and pushes are never ended for it;
//! `limits.upstream_requests` bounds them. Where all connections are at work, accepting waits, as HAProxy does: a burst
//! is then served a moment later, with the system's queue before it.
//!
//! One address has a share only, so that it does not hold them all at work. Proxies whose word is taken, and Unix
//! sockets, stand for many clients and are not counted.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::{ConnectionLimits, activity::Activity};
use crate::limits::{LogThrottle, Network, Share, Shares};

/// The connections that are open, and the limits in force for the next one.
pub struct Admission {
    limits: ArcSwap<ConnectionLimits>,
    shares: Shares,
    table: Mutex<Table>,
    ended: Notify,
    refusals: LogThrottle,
    pressure: LogThrottle,
    refused: AtomicU64,
    closed_idle: AtomicU64,
    closed_flooding: AtomicU64,
}

#[derive(Default)]
struct Table {
    open: HashMap<u64, Open>,
    next: u64,
    looked: Option<Instant>,
}

struct Open {
    activity: Activity,
    leave: Arc<Notify>,
    leaving: bool,
}

/// A connection's slot. Free again when it is dropped.
pub(super) struct ConnectionSlot {
    admission: Arc<Admission>,
    number: u64,
    pub(super) activity: Activity,
    leave: Arc<Notify>,
    _share: Option<Share>,
}

/// The interval between searches for idle connections.
const LOOK: Duration = Duration::from_millis(100);
/// The time without a request to the registry after which a connection counts as idle: a client that has just connected
/// has to get through its handshake.
const IDLE: Duration = Duration::from_secs(1);

impl Admission {
    /// No connections yet.
    pub fn new(limits: ConnectionLimits) -> Arc<Self> {
        Arc::new(Self {
            limits: ArcSwap::from_pointee(limits),
            shares: Shares::default(),
            table: Mutex::default(),
            ended: Notify::new(),
            refusals: LogThrottle::default(),
            pressure: LogThrottle::default(),
            refused: AtomicU64::new(0),
            closed_idle: AtomicU64::new(0),
            closed_flooding: AtomicU64::new(0),
        })
    }

    /// Puts other limits in force, for connections that come after this. Those that are open keep theirs.
    pub fn replace(&self, limits: ConnectionLimits) {
        self.limits.store(Arc::new(limits));
    }

    /// Connections that are open now.
    pub fn open(&self) -> usize {
        self.table.lock().open.len()
    }

    /// Returns the number refused because their address had all that it may have.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Returns the number of idle ones that were closed to make room.
    pub fn closed_idle(&self) -> u64 {
        self.closed_idle.load(Ordering::Relaxed)
    }

    /// Returns the number closed because their clients opened requests only to give them up.
    pub fn closed_flooding(&self) -> u64 {
        self.closed_flooding.load(Ordering::Relaxed)
    }

    /// Returns the limits in force.
    pub(super) fn limits(&self) -> Arc<ConnectionLimits> {
        self.limits.load_full()
    }

    /// Returns when there is room for another connection. Several listeners may each get one more than there may be.
    pub(super) async fn room(&self) {
        loop {
            let ended = self.ended.notified();
            if self.has_room() {
                return;
            }
            let _ = tokio::time::timeout(LOOK, ended).await;
        }
    }

    /// A slot for a connection from there; `None` where its address has all that it may have. `counts` is false for a
    /// peer that stands for many clients.
    pub(super) fn admit(self: &Arc<Self>, peer: Option<SocketAddr>, counts: bool) -> Option<ConnectionSlot> {
        let of = peer.filter(|_| counts).map(|peer| Network::from(Some(peer.ip())));
        let limits = self.limits.load();
        let most = limits.connections_per_address;
        let share = match of {
            Some(of) => Some(self.shares.take(of, most).or_else(|| self.refuse(of, most))?),
            None => None,
        };
        let (activity, leave) = (Activity::new(limits.streams), Arc::new(Notify::new()));
        let mut table = self.table.lock();
        let number = table.next;
        table.next += 1;
        let open = Open { activity: activity.clone(), leave: Arc::clone(&leave), leaving: false };
        table.open.insert(number, open);
        Some(ConnectionSlot { admission: Arc::clone(self), number, activity, leave, _share: share })
    }

    /// Returns when the last connection has ended.
    pub(super) async fn all_ended(&self) {
        loop {
            let ended = self.ended.notified();
            if self.open() == 0 {
                return;
            }
            ended.await;
        }
    }

    fn refuse(&self, from: Network, most: usize) -> Option<Share> {
        self.refused.fetch_add(1, Ordering::Relaxed);
        if let Some(suppressed) = self.refusals.due(from, Instant::now()) {
            tracing::warn!(
                %from, most, suppressed,
                "too many connections from one address (limits.connections_per_address): further ones are rejected"
            );
        }
        None
    }

    fn has_room(&self) -> bool {
        let all = self.limits.load().connections.max(1);
        let mut table = self.table.lock();
        let open = table.open.len();
        let now = Instant::now();
        let looked_lately = table.looked.is_some_and(|at| now.saturating_duration_since(at) < LOOK);
        if open >= all - all / 16 && !looked_lately {
            table.looked = Some(now);
            let asked = table.ask_the_idle_to_leave(all - (all / 8).max(1), now);
            self.closed_idle.fetch_add(asked as u64, Ordering::Relaxed);
            if let Some(suppressed) = self.pressure.due(Network::Unknown, now) {
                tracing::warn!(
                    open,
                    closed_idle = asked,
                    suppressed,
                    "nearly as many connections as limits.connections: idle ones are closed; when there are none left, new ones wait"
                );
            }
        }
        open < all
    }
}

impl Table {
    /// Asks idle connections to leave, so that `target` stay, if as many are idle; returns the number asked.
    fn ask_the_idle_to_leave(&mut self, target: usize, now: Instant) -> usize {
        let stay = self.open.values().filter(|open| !open.leaving).count();
        let since = |open: &Open| open.activity.expendable_since().filter(|_| !open.leaving);
        let is_idle = |since: &Instant| now.saturating_duration_since(*since) >= IDLE;
        let mut idle: Vec<(Instant, &mut Open)> =
            self.open.values_mut().filter_map(|open| Some((since(open).filter(is_idle)?, open))).collect();
        idle.sort_unstable_by_key(|(since, _)| *since);
        let asked = idle.into_iter().take(stay.saturating_sub(target));
        asked
            .map(|(_, open)| {
                open.leaving = true;
                open.leave.notify_one();
            })
            .count()
    }
}

impl ConnectionSlot {
    /// Returns when the connection is to make room for another.
    pub(super) async fn asked_to_leave(&self) {
        self.leave.notified().await;
    }

    /// Returns when the connection is to be closed because its client gives up too many requests; counts it.
    pub(super) async fn floods(&self) {
        self.activity.abandons_too_much().await;
        self.admission.closed_flooding.fetch_add(1, Ordering::Relaxed);
    }
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        self.admission.table.lock().open.remove(&self.number);
        self.admission.ended.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admission(connections: usize, connections_per_address: usize) -> Arc<Admission> {
        let second = Duration::from_secs(1);
        Admission::new(ConnectionLimits {
            connections,
            connections_per_address,
            streams: 1,
            header_bytes: 1,
            header_count: 1,
            handshake_timeout: second,
            header_timeout: second,
            idle_timeout: second,
            idle_body: second,
            drain_timeout: second,
        })
    }

    #[test]
    fn an_address_has_its_share_and_gets_it_back() {
        let admission = admission(100, 2);
        let admit = |peer: &str, counts| admission.admit(Some(peer.parse().unwrap()), counts);
        let held = [admit("[2001:db8::1]:1", true), admit("[2001:db8::2]:1", true)];
        assert!(held.iter().all(Option::is_some));
        assert!(admit("[2001:db8::3]:1", true).is_none());
        assert_eq!((admission.open(), admission.refused()), (2, 1));
        assert!(admit("[2001:db8::3]:1", false).is_some(), "a proxy");
        assert!(admission.admit(None, true).is_some(), "a Unix socket");
        assert!(admit("10.0.0.1:1", true).is_some());
        drop(held);
        assert!(admit("[2001:db8::3]:1", true).is_some());
        assert_eq!(admission.open(), 0);
    }

    #[test]
    fn rule_35_the_64s_of_one_48_have_the_connections_of_one_client() {
        let admission = admission(1000, 16);
        let admit =
            |net: u32| admission.admit(Some(format!("[2001:db8:1:{net:x}::1]:1").parse().unwrap()), true);
        let held: Vec<ConnectionSlot> = (0..7 * 16).filter_map(|n| admit(n / 16 * 0x81)).collect();
        assert_eq!(held.len(), 16);
        assert!(admission.admit(Some("[2001:db8:2::1]:1".parse().unwrap()), true).is_some(), "another /48");
    }

    #[test]
    fn the_longest_idle_leave_first_and_those_at_work_never() {
        let admission = admission(100, 100);
        let places: Vec<ConnectionSlot> = (0..4).map(|_| admission.admit(None, true).unwrap()).collect();
        let at_work = places[0].activity.at_registry().enter();
        drop(places[1].activity.begin());
        let never_read = places[2].activity.begin();
        places[3].activity.begin().answered();
        let mut table = admission.table.lock();
        let now = Instant::now();
        assert_eq!(table.ask_the_idle_to_leave(0, now), 0, "no connection is idle for a second");
        assert_eq!(table.ask_the_idle_to_leave(3, now + IDLE), 1);
        assert!(table.open[&1].leaving, "it has been idle for longest");
        assert_eq!(table.ask_the_idle_to_leave(0, now + IDLE), 2);
        assert!(!table.open[&0].leaving);
        drop((table, at_work, never_read));
    }
}
