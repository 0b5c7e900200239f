//! Single flight: of requests that show the same credentials at the same time, one verifies them and the others wait for it.
//!
//! Twenty jobs that start at once with one account cost one bcrypt, and are no attempt at guessing. Wrong credentials
//! are still verified, and counted, one by one.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

use crate::authn::CredentialsDigest;

/// Who is at it, by what was shown.
#[derive(Debug, Default)]
pub(super) struct SingleFlight(Mutex<HashMap<CredentialsDigest, Weak<AsyncMutex<()>>>>);

/// From here on, entries that nobody waits for are looked for and dropped.
const SWEEP_AT: usize = 1024;

impl SingleFlight {
    /// Waits until nobody else shows these credentials. The turn ends when the guard is dropped.
    pub(super) async fn take(&self, credentials: CredentialsDigest) -> OwnedMutexGuard<()> {
        let turn = {
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
        };
        turn.lock_owned().await
    }
}
