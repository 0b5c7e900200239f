//! Single flight: of requests that show the same credentials at the same time, one verifies them and the others wait
//! for it.
//!
//! Twenty jobs that start at once with one account cost one bcrypt, and are no attempt at guessing. Wrong credentials
//! are verified one by one, and counted once. If a verification gave no answer, all waiting requests share its error:
//! to ask one after the other would make the last wait for twenty times the timeout of a back end that hangs.

use std::{
    collections::HashMap,
    sync::{Arc, Weak},
    time::Instant,
};

use parking_lot::Mutex;
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

use crate::{authn::CredentialsDigest, registry::Refusal};

/// The error of the last verification that gave no answer.
type Unanswered = Option<(Instant, Refusal)>;

/// The verifications under way, by the credentials shown.
#[derive(Debug, Default)]
pub(super) struct SingleFlight(Mutex<HashMap<CredentialsDigest, Weak<AsyncMutex<Unanswered>>>>);

/// The right to verify: no other request verifies these credentials now. Ends when it is dropped.
#[derive(Debug)]
pub(crate) struct FlightGuard {
    last: OwnedMutexGuard<Unanswered>,
    asked_for: Instant,
}

/// From this number on, entries that no request waits for are looked for and dropped.
const SWEEP_AT: usize = 1024;

impl SingleFlight {
    /// Waits until no other request verifies these credentials.
    pub(crate) async fn take(&self, credentials: CredentialsDigest) -> FlightGuard {
        let asked_for = Instant::now();
        let last = self.entry(credentials).lock_owned().await;
        FlightGuard { last, asked_for }
    }

    fn entry(&self, credentials: CredentialsDigest) -> Arc<AsyncMutex<Unanswered>> {
        let mut turns = self.0.lock();
        if turns.len() >= SWEEP_AT {
            turns.retain(|_, turn| turn.strong_count() > 0);
        }
        let entry = turns.entry(credentials).or_default();
        entry.upgrade().unwrap_or_else(|| {
            let turn = Arc::default();
            *entry = Arc::downgrade(&turn);
            turn
        })
    }
}

impl FlightGuard {
    /// Returns the error of a verification that gave no answer while this one waited.
    pub(super) fn unanswered_meanwhile(&self) -> Option<Refusal> {
        self.last.as_ref().filter(|(when, _)| *when >= self.asked_for).map(|(_, refusal)| refusal.clone())
    }

    /// Records that there was no answer: all waiting requests get the same error.
    pub(crate) fn unanswered(mut self, refusal: &Refusal) {
        *self.last = Some((Instant::now(), refusal.clone()));
    }
}
