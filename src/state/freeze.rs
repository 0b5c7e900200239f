//! A freeze of writes that holds at all replicas that share a state.
//!
//! It is stored before it begins. Each replica drains by itself, and notes in the store that no write passes there; the
//! command has its answer when all have. Times count by the clock of the store: those of the replicas may differ. What
//! is known here holds until its end, whatever becomes of the store: a store that was lost or restored gets it again.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::{
    sync::watch,
    time::{Instant, sleep},
};

use super::{
    State,
    revocations::random_id,
    sql::Store,
    stored::{StoreError, StoredFreeze},
};

/// The time that a question to the store takes at most.
const ANSWER: Duration = Duration::from_secs(2);
/// The interval between two questions.
const PAUSE: Duration = Duration::from_millis(200);
/// The time behind the drain in which all replicas have to answer: one that has crashed is forgotten after a minute.
pub(super) const GRACE: Duration = Duration::from_secs(75);

/// A freeze of all replicas, as it is known here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedFreeze {
    /// Its id.
    pub id: String,
    /// The end of the time for pushes under way.
    pub drains_until: Instant,
    /// Its end.
    pub until: Instant,
}

impl From<StoredFreeze> for SharedFreeze {
    fn from(stored: StoredFreeze) -> Self {
        let now = Instant::now();
        Self { id: stored.id, drains_until: now + stored.drain, until: now + stored.left }
    }
}

/// The answer to a freeze that is to begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FreezeBegin {
    /// It has begun at all replicas.
    Begun {
        /// True if writes were frozen before.
        was_frozen: bool,
    },
    /// Another one is about to begin.
    Another,
}

/// The answer to the question whether a freeze is in force at all replicas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FreezeConfirmation {
    /// It is.
    Held {
        /// The number of writes that were cut off, at all replicas.
        cut_off: usize,
        /// The number of replicas.
        replicas: u64,
    },
    /// So many have not said so.
    Waiting(u64),
    /// It was thawed.
    Gone,
}

impl State {
    /// The freeze of all replicas. Each change wakes the receiver, also a thaw where nothing was frozen.
    pub fn shared_freeze(&self) -> watch::Receiver<Option<SharedFreeze>> {
        self.follower.freeze.subscribe()
    }

    /// An id for a freeze; `None` if the system gives no random bytes.
    pub fn freeze_id() -> Option<String> {
        random_id()
    }

    /// Begins a freeze of this id at all replicas, which ends this long behind its drain; `None` where there are no others.
    /// A caller that gives up calls it off.
    ///
    /// # Errors
    /// The store gives no answer: it may have begun or not.
    pub async fn begin_freeze(
        &self,
        id: &str,
        length: Duration,
        drain: Duration,
    ) -> Result<Option<FreezeBegin>, StoreError> {
        let Some(store) = self.shared_store() else { return Ok(None) };
        let of = id.to_owned();
        let begin = async move |store: Arc<Store>| store.begin_freeze(&of, length, drain).await;
        let begun = self.ask(&store, ANSWER, begin).await?;
        self.follow().await;
        Ok(Some(begun))
    }

    /// Waits until the freeze of this id is in force at all replicas, and lets it end this long from then on.
    ///
    /// # Errors
    /// The store gave no answer to the end.
    pub async fn confirm_freeze(
        &self,
        id: &str,
        length: Duration,
        drain: Duration,
    ) -> Result<FreezeConfirmation, StoreError> {
        let Some(store) = self.shared_store() else { return Ok(FreezeConfirmation::Gone) };
        let began = Instant::now();
        loop {
            let of = id.to_owned();
            let confirm = async move |store: Arc<Store>| store.confirm_freeze(&of, length).await;
            let answer = self.ask(&store, ANSWER, confirm).await;
            let is_open = matches!(answer, Err(_) | Ok(FreezeConfirmation::Waiting(_)));
            if !is_open || began.elapsed() > drain + GRACE {
                return answer;
            }
            sleep(PAUSE).await;
        }
    }

    /// Notes that no write passes here, in the freeze of this id: again and again until that is stored.
    pub async fn note_frozen(&self, id: &str, cut_off: usize) {
        let Some(store) = self.shared_store() else { return };
        loop {
            let of = id.to_owned();
            let note = async move |store: Arc<Store>| store.note_frozen(&of, cut_off).await;
            if self.ask(&store, ANSWER, note).await.is_ok() {
                return;
            }
            sleep(PAUSE).await;
        }
    }

    /// Ends any freeze at all replicas, also one that the store has lost.
    ///
    /// # Errors
    /// The store gives no answer: it may have ended or not.
    pub async fn thaw(&self) -> Result<(), StoreError> {
        let Some(store) = self.shared_store() else { return Ok(()) };
        let known = self.known_freeze().map(|known| known.id);
        self.ask(&store, ANSWER, async move |store: Arc<Store>| store.thaw(known.as_deref()).await).await
    }

    /// Ends the freeze of this id at all replicas, in a task of its own, as soon as the store gives an answer.
    pub fn call_freeze_off(self: &Arc<Self>, id: String) {
        let Some(store) = self.shared_store() else { return };
        let (state, began) = (Arc::clone(self), Instant::now());
        tokio::spawn(async move {
            loop {
                let of = id.clone();
                let end = async move |store: Arc<Store>| store.call_freeze_off(&of).await;
                let Err(error) = state.ask(&store, ANSWER, end).await else { return };
                if began.elapsed() > GRACE {
                    tracing::error!(
                        %error,
                        "a freeze could not be called off: replicas that know of it take no writes until it ends; run \
                         `portwarden thaw` once the database answers"
                    );
                    return;
                }
                sleep(PAUSE).await;
            }
        });
    }

    /// Returns true if writes are frozen at all replicas, as far as is known.
    pub fn is_frozen(&self) -> bool {
        self.known_freeze().is_some()
    }

    /// The freeze that is in force here as far as is known.
    fn known_freeze(&self) -> Option<SharedFreeze> {
        self.follower.freeze.borrow().clone().filter(|known| known.until > Instant::now())
    }

    /// Puts the freeze of this id in force, which a process before this one knew. The store is asked soon whether it has
    /// ended since. Where one is in force by the store, that one counts, and false is returned.
    pub fn resume_freeze(&self, id: &str, left: Duration) -> bool {
        if self.is_frozen() {
            return false;
        }
        let now = Instant::now();
        let freeze = SharedFreeze { id: id.to_owned(), drains_until: now, until: now + left };
        self.follower.freeze.send_replace(Some(freeze));
        self.follower.is_freeze_unsettled.store(true, Ordering::Relaxed);
        true
    }

    /// Reads the freeze of all replicas. One that is in force here and not on record there is stored again: the store was
    /// lost, or restored from a backup. Only a record that it has ended ends it.
    ///
    /// # Errors
    /// The store gives no answer: what is in force stays.
    pub(super) async fn settle_freeze(&self, store: &Store) -> Result<(), StoreError> {
        // One that is resumed meanwhile sets it again, and is settled the next time.
        let is_unsettled = self.follower.is_freeze_unsettled.swap(false, Ordering::Relaxed);
        let settled = self.read_freeze(store).await;
        if settled.is_err() && is_unsettled {
            self.follower.is_freeze_unsettled.store(true, Ordering::Relaxed);
        }
        settled
    }

    async fn read_freeze(&self, store: &Store) -> Result<(), StoreError> {
        let before = self.follower.freeze.borrow().clone();
        let known = before.clone().filter(|known| known.until > Instant::now());
        let mut stored = store.freezes(known.as_ref().map(|known| &*known.id)).await?;
        if let Some(known) = known.filter(|_| !stored.is_on_record) {
            tracing::error!(
                "the shared state lacks the freeze of writes that is in force, so the database was lost or restored: \
                 the freeze is stored again; run `portwarden thaw` after the garbage collection"
            );
            let left = known.until.saturating_duration_since(Instant::now());
            store.restore_freeze(&known.id, left).await?;
            stored = store.freezes(None).await?;
        }
        let id = |freeze: &Option<SharedFreeze>| freeze.as_ref().map(|freeze| freeze.id.clone());
        self.follower.freeze.send_if_modified(|now| {
            let is_as_before = id(now) == id(&before);
            if is_as_before {
                *now = stored.current.map(SharedFreeze::from);
            }
            is_as_before
        });
        Ok(())
    }

    pub(super) fn apply_freeze(&self, freeze: Option<StoredFreeze>) {
        self.follower.freeze.send_replace(freeze.map(SharedFreeze::from));
    }
}
