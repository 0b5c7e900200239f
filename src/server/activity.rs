//! What a connection is doing: how many requests are in flight, and since when there are none.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Shared between a connection and its requests.
#[derive(Debug, Clone)]
pub(super) struct Activity(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    in_flight: usize,
    used: bool,
    idle_since: Instant,
}

/// A request in flight: dropped once its response's body has been handed over to be written.
#[derive(Debug)]
pub(super) struct InFlight(Activity);

impl Activity {
    /// A connection without a request yet.
    pub(super) fn new() -> Self {
        Self(Arc::new(Mutex::new(State { in_flight: 0, used: false, idle_since: Instant::now() })))
    }

    /// Counts a request.
    pub(super) fn begin(&self) -> InFlight {
        self.update(|state| {
            state.in_flight += 1;
            state.used = true;
        });
        InFlight(self.clone())
    }

    /// Whether there ever was a request.
    pub(super) fn was_used(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).used
    }

    /// Whether there has been no request for `limit`.
    pub(super) fn is_idle_for(&self, limit: Duration) -> bool {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.in_flight == 0 && state.idle_since.elapsed() >= limit
    }

    fn update(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.update(|state| {
            state.in_flight = state.in_flight.saturating_sub(1);
            state.idle_since = Instant::now();
        });
    }
}
