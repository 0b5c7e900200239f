//! Records that all replicas of a shared state read, and that one of them writes: the one that has its lease.
//!
//! A lease ends by the clock of the store, unless its holder prolongs it. A replica that is cut off takes it for ended
//! before the store does. What is written is read with the other changes, so no reader asks the store.

use std::{collections::HashMap, sync::Arc, time::Duration};

use parking_lot::{Mutex, RwLock};
use tokio::{
    sync::watch,
    time::{Instant, sleep, timeout_at},
};

use super::{State, sql::Store, stored::StoreError};

/// The time after which the lease of a replica that is gone ends, in seconds.
const LEASE: u64 = 10;
/// The interval at which its holder prolongs it.
const PROLONG: Duration = Duration::from_secs(3);

/// The records, as far as the changes of the store were followed.
#[derive(Default)]
pub(super) struct LeasedRecords {
    known: RwLock<HashMap<String, Arc<str>>>,
    changed: watch::Sender<()>,
}

/// The right to write a record, as long as it lasts. Dropped, it ends by itself after a while.
pub struct Lease {
    store: Arc<Store>,
    name: String,
    /// It is taken for ended from then on.
    until: Mutex<Instant>,
}

impl LeasedRecords {
    pub(super) fn replace(&self, records: Vec<(String, String)>) {
        *self.known.write() = records.into_iter().map(|(name, content)| (name, content.into())).collect();
        self.changed.send_replace(());
    }

    /// Another content of a record, or none.
    pub(super) fn follow(&self, name: String, content: Option<String>) {
        let mut known = self.known.write();
        match content {
            Some(content) => drop(known.insert(name, content.into())),
            None => drop(known.remove(&name)),
        }
        drop(known);
        self.changed.send_replace(());
    }
}

impl State {
    /// The content of a record, as it was last read.
    pub fn record(&self, name: &str) -> Option<Arc<str>> {
        self.follower.records.known.read().get(name).cloned()
    }

    /// Tells of each change of a record.
    pub fn record_changes(&self) -> watch::Receiver<()> {
        self.follower.records.changed.subscribe()
    }

    /// Waits until all that is stored now is known here. Causes no question to the store: it waits for the next reading
    /// of the changes, so without an answer of the store it does not end.
    pub async fn caught_up(&self) {
        let (now, mut read) = (Instant::now(), self.follower.read_at.subscribe());
        if read.wait_for(|at| *at > now).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Takes the lease of a record, and reads its content. `None` while another replica has it, or where there is no
    /// shared state.
    ///
    /// # Errors
    /// The store gives no answer: a lease that was taken ends by itself.
    pub async fn lease(&self, name: &str) -> Result<Option<(Lease, Option<String>)>, StoreError> {
        let Some(store) = self.shared_store() else { return Ok(None) };
        let until = Instant::now() + Duration::from_secs(LEASE);
        let taken = timeout_at(until, store.take_lease(name, LEASE)).await;
        let taken = taken.unwrap_or_else(|_| Err(store.too_slow()))?;
        let lease = |content| (Lease { store, name: name.to_owned(), until: Mutex::new(until) }, content);
        Ok(taken.map(lease))
    }
}

impl Lease {
    /// Writes the record.
    ///
    /// # Errors
    /// The lease has ended, or the store gives no answer: it may be written or not.
    pub async fn write(&self, content: &str) -> Result<(), StoreError> {
        self.hold(Some(content), LEASE).await
    }

    /// Ends the lease.
    ///
    /// # Errors
    /// The lease has ended, or the store gives no answer: it ends by itself.
    pub async fn end(self) -> Result<(), StoreError> {
        self.hold(None, 0).await
    }

    /// Prolongs the lease; returns when it has ended all the same, with the reason.
    pub async fn keep(&self) -> StoreError {
        loop {
            sleep(PROLONG).await;
            match self.hold(None, LEASE).await {
                Err(error) if Instant::now() >= *self.until.lock() => return error,
                // The store may answer again in time.
                Ok(()) | Err(_) => {}
            }
        }
    }

    async fn hold(&self, content: Option<&str>, seconds: u64) -> Result<(), StoreError> {
        let (asked, until) = (Instant::now(), *self.until.lock());
        if until <= asked {
            return Err(self.store.lost_lease());
        }
        let held = timeout_at(until, self.store.hold_lease(&self.name, content, seconds)).await;
        let is_held = held.unwrap_or_else(|_| Err(self.store.too_slow()))?;
        *self.until.lock() = if is_held { asked + Duration::from_secs(seconds) } else { asked };
        if is_held { Ok(()) } else { Err(self.store.lost_lease()) }
    }
}
