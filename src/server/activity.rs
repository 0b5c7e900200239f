//! The activity of a connection: the number of its requests in flight and of those with the registry, the time for
//! which there are none, and the number that its client gives up.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::limits::{Bucket, InFlight, Rate};

/// Shared between a connection and its requests.
#[derive(Debug, Clone)]
pub(super) struct Activity(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    /// The rate at which a client may give up requests.
    abandoning: Rate,
    too_much: Notify,
    at_registry: InFlight,
}

#[derive(Debug)]
struct State {
    in_flight: usize,
    used: bool,
    began: Instant,
    idle_since: Instant,
    abandoned: Bucket,
}

/// A request in flight: dropped once its response's body has been handed over to be written, or its client has given
/// up.
#[derive(Debug)]
pub(super) struct RequestGuard {
    activity: Activity,
    answered: bool,
}

/// A request that is opened and reset costs its sender two frames, and Portwarden a question to the policy and perhaps
/// one to the registry (rapid reset, CVE-2023-44487). A client that is interrupted gives up all its streams at once,
/// twice perhaps, and then few: on a connection there may be so many more in a second.
const ABANDONED_A_SECOND: u32 = 10;

impl Activity {
    /// A connection without a request yet, which may have so many at the same time.
    pub(super) fn new(streams: u32) -> Self {
        let now = Instant::now();
        let abandoning = Rate {
            burst: streams.saturating_mul(2).max(20),
            interval: Duration::from_secs(1) / ABANDONED_A_SECOND,
        };
        let abandoned = Bucket::new(now);
        let state = State { in_flight: 0, used: false, began: now, idle_since: now, abandoned };
        let state = Mutex::new(state);
        Self(Arc::new(Shared {
            state,
            abandoning,
            too_much: Notify::new(),
            at_registry: InFlight::default(),
        }))
    }

    /// Counts the connection as idle from now on: it can have no request before its handshake is done.
    pub(super) fn opened(&self) {
        self.0.state.lock().idle_since = Instant::now();
    }

    /// Counts a request.
    pub(super) fn begin(&self) -> RequestGuard {
        let mut state = self.0.state.lock();
        state.in_flight += 1;
        state.used = true;
        state.began = Instant::now();
        RequestGuard { activity: self.clone(), answered: false }
    }

    /// Returns when the client has given up too many requests.
    pub(super) async fn abandons_too_much(&self) {
        self.0.too_much.notified().await;
    }

    /// Returns true if there ever was a request.
    pub(super) fn was_used(&self) -> bool {
        self.0.state.lock().used
    }

    /// For how long there has been no request; `None` while there is one.
    pub(super) fn idle_for(&self) -> Option<Duration> {
        let state = self.0.state.lock();
        (state.in_flight == 0).then(|| state.idle_since.elapsed())
    }

    /// Returns true if there has been no request for `limit`.
    pub(super) fn is_idle_for(&self, limit: Duration) -> bool {
        self.idle_for().is_some_and(|idle| idle >= limit)
    }

    /// The counter of its requests that are with the registry.
    pub(super) fn at_registry(&self) -> &InFlight {
        &self.0.at_registry
    }

    /// Returns the time since which it has done no useful work: its last request began or ended then, and none is with
    /// the registry, or on its way there with a slot. `None` while one is. A form that never ends, or an answer that is
    /// never read, keeps a connection in flight and costs its client nothing.
    pub(super) fn expendable_since(&self) -> Option<Instant> {
        let state = self.0.state.lock();
        (self.0.at_registry.count() == 0).then_some(state.began.max(state.idle_since))
    }

    /// Returns true if it has been so for `limit`.
    pub(super) fn is_expendable_for(&self, limit: Duration) -> bool {
        self.expendable_since().is_some_and(|since| since.elapsed() >= limit)
    }
}

impl RequestGuard {
    /// The whole response was handed over: what comes after is not given up.
    pub(super) fn answered(&mut self) {
        self.answered = true;
    }
}

impl Drop for RequestGuard {
    fn drop(&mut self) {
        let now = Instant::now();
        let mut state = self.activity.0.state.lock();
        state.in_flight = state.in_flight.saturating_sub(1);
        state.idle_since = now;
        if !self.answered && state.abandoned.take(self.activity.0.abandoning, now).is_err() {
            self.activity.0.too_much.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_gives_up_all_streams_twice_and_then_more_is_too_much() {
        let activity = Activity::new(10);
        let too_much = || tokio::time::timeout(Duration::ZERO, activity.abandons_too_much());
        for _ in 0..200 {
            activity.begin().answered();
        }
        for _ in 0..20 {
            drop(activity.begin());
        }
        assert!(too_much().await.is_err());
        drop(activity.begin());
        assert!(too_much().await.is_ok());
    }
}
