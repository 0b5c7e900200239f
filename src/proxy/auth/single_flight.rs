//! Single flight: of requests that show the same credentials at the same time, one verifies them and the others wait for it.
//!
//! Twenty jobs that start at once with one account cost one bcrypt, and are no attempt at guessing. Wrong credentials
//! are verified one by one, and counted once. Where nobody could say, all who waited are told so: to ask one after the
//! other would make the last wait for twenty times the time of a back end that hangs.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Instant,
};

use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

use crate::{authn::CredentialsDigest, registry::Refusal};

/// How the last one ended who got no answer.
type Unanswered = Option<(Instant, Refusal)>;

/// Who is at it, by what was shown.
#[derive(Debug, Default)]
pub(super) struct SingleFlight(Mutex<HashMap<CredentialsDigest, Weak<AsyncMutex<Unanswered>>>>);

/// Nobody else shows these credentials now. Ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Turn {
    last: OwnedMutexGuard<Unanswered>,
    asked_for: Instant,
}

/// From here on, entries that nobody waits for are looked for and dropped.
const SWEEP_AT: usize = 1024;

impl SingleFlight {
    /// Waits until nobody else shows these credentials.
    pub(crate) async fn take(&self, credentials: CredentialsDigest) -> Turn {
        let asked_for = Instant::now();
        let last = self.entry(credentials).lock_owned().await;
        Turn { last, asked_for }
    }

    fn entry(&self, credentials: CredentialsDigest) -> Arc<AsyncMutex<Unanswered>> {
        let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
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

impl Turn {
    /// What somebody was told who got no answer while this one waited.
    pub(super) fn unanswered_meanwhile(&self) -> Option<Refusal> {
        self.last.as_ref().filter(|(when, _)| *when >= self.asked_for).map(|(_, refusal)| refusal.clone())
    }

    /// There was no answer: whoever waits is told the same.
    pub(crate) fn unanswered(mut self, refusal: &Refusal) {
        *self.last = Some((Instant::now(), refusal.clone()));
    }
}
