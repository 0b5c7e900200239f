//! Pushes and deletions of manifests that exclude each other at all replicas that share a state.
//!
//! A plain registry cannot write only if nothing is there. So each push of a write-once tag claims it for its digest
//! before the registry is asked whether the tag is there, and no time ends the claim of a push whose answer was lost: it
//! may be done at any moment. It ends when the registry refuses the push, or shows the tag.

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, sleep};

pub use super::stored::PushClaim;
use super::{
    State,
    revocations::random_id,
    sql::Store,
    stored::{HoldAnswer, PushHold, StoreError},
};

/// The most pushes of write-once tags without an answer.
pub const MOST_PUSH_CLAIMS: u64 = 10_000;
/// Those of one repository: others find room, whatever becomes of its pushes.
pub const PUSH_CLAIMS_SHARE: u64 = MOST_PUSH_CLAIMS / 10;
/// The time after which the registry has ended a push whose answer was lost, as far as can be told.
pub const PUSH_SETTLED: Duration = Duration::from_secs(600);

/// The time for which a request waits for those of other replicas.
const PATIENCE: Duration = Duration::from_secs(30);
/// The time for which a push waits for one of the same tag with another digest.
const CLAIM_PATIENCE: Duration = Duration::from_secs(3);
/// The time that a question to the store takes at most.
const ANSWER: Duration = Duration::from_secs(2);
/// The interval between two tries.
const PAUSE: Duration = Duration::from_millis(100);
/// The time that the registry gets to end a deletion whose client is gone.
const SETTLE: Duration = Duration::from_secs(30);

/// The place of a request among those of all replicas. Dropped, it ends, unless it may still be done.
pub struct SharedHold {
    store: Arc<Store>,
    holder: String,
    kind: Kind,
    /// True from when the registry may have the request until its answer is known.
    is_sent: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Of tags that may move: it ends whatever the answer was.
    Push,
    /// Of write-once tags: without an answer, it stays.
    Claim,
    /// It stays for a while without an answer.
    Deletion,
}

/// The reason why a request has no place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotHeld {
    /// A push of another digest has one of the tags.
    Claimed {
        /// The tag.
        tag: String,
        /// The digest.
        digest: String,
    },
    /// Others are under way.
    Busy,
    /// Too many pushes of write-once tags are without an answer, of all repositories or of this one.
    Full,
    /// The store gives no answer.
    Unavailable,
}

impl State {
    /// Begins a push of a manifest, of these write-once tags or none; `None` where no other replica can push.
    ///
    /// # Errors
    /// [`NotHeld`].
    pub async fn hold_push(
        &self,
        repository: &str,
        tags: Vec<String>,
        digest: &str,
    ) -> Result<Option<SharedHold>, NotHeld> {
        let Some(store) = self.shared_store() else { return Ok(None) };
        let kind = if tags.is_empty() { Kind::Push } else { Kind::Claim };
        let push = PushHold { repository: repository.to_owned(), tags, digest: digest.to_owned() };
        let began = Instant::now();
        // Dropped on the way, it ends: it may have begun.
        let hold = SharedHold::new(Arc::clone(&store), new_holder()?, kind);
        loop {
            let (holder, push) = (hold.holder.clone(), push.clone());
            let begin = async move |store: Arc<Store>| store.begin_push(&holder, &push).await;
            let answer = self.ask(&store, ANSWER, begin).await;
            let (refused, patience) = match answer {
                Ok(HoldAnswer::Held) => return Ok(Some(hold)),
                Ok(HoldAnswer::Claimed { tag, digest }) => (NotHeld::Claimed { tag, digest }, CLAIM_PATIENCE),
                Ok(HoldAnswer::Full) => return Err(NotHeld::Full),
                Ok(HoldAnswer::Busy) => (NotHeld::Busy, PATIENCE),
                Err(_) => return Err(NotHeld::Unavailable),
            };
            if began.elapsed() > patience {
                return Err(refused);
            }
            sleep(PAUSE).await;
        }
    }

    /// Begins a deletion in a repository, when no push and no other deletion is under way there; `None` where no other
    /// replica can push. Waits for them at most for `patience`.
    ///
    /// # Errors
    /// [`NotHeld`].
    pub async fn hold_deletion(
        &self,
        repository: &str,
        patience: Duration,
    ) -> Result<Option<SharedHold>, NotHeld> {
        let Some(store) = self.shared_store() else { return Ok(None) };
        let began = Instant::now();
        // Dropped on the way, it ends.
        let hold = SharedHold::new(Arc::clone(&store), new_holder()?, Kind::Deletion);
        let mut has_begun = false;
        loop {
            let (holder, name) = (hold.holder.clone(), repository.to_owned());
            if has_begun {
                let pushes = async move |store: Arc<Store>| store.has_pushes(&name).await;
                let answer = self.ask(&store, ANSWER, pushes).await;
                if !answer.map_err(|_| NotHeld::Unavailable)? {
                    return Ok(Some(hold));
                }
            } else {
                let begin = async move |store: Arc<Store>| store.begin_deletion(&holder, &name).await;
                let answer = self.ask(&store, ANSWER, begin).await;
                has_begun = answer.map_err(|_| NotHeld::Unavailable)? == HoldAnswer::Held;
                if has_begun {
                    continue;
                }
            }
            if began.elapsed() > patience {
                return Err(NotHeld::Busy);
            }
            sleep(PAUSE).await;
        }
    }

    /// Ends all pushes of a write-once tag at all replicas: the registry shows what became of them.
    ///
    /// # Errors
    /// They may have ended or not.
    pub async fn settle_pushes(&self, repository: &str, tag: &str) -> Result<(), StoreError> {
        let Some(store) = self.shared_store() else { return Ok(()) };
        let (repository, tag) = (repository.to_owned(), tag.to_owned());
        let settle = async move |store: Arc<Store>| store.settle_pushes(&repository, &tag).await;
        self.ask(&store, ANSWER, settle).await
    }

    /// Reads the claim of a write-once tag at all replicas.
    ///
    /// # Errors
    /// It cannot be read.
    pub async fn push_claim(&self, repository: &str, tag: &str) -> Result<Option<PushClaim>, StoreError> {
        let Some(store) = self.shared_store() else { return Ok(None) };
        let (repository, tag) = (repository.to_owned(), tag.to_owned());
        self.ask(&store, ANSWER, async move |store: Arc<Store>| store.push_claim(&repository, &tag).await)
            .await
    }

    /// Ends the claim of a write-once tag at all replicas, unless one of its pushes began less than [`PUSH_SETTLED`] ago; returns
    /// false if none was ended.
    ///
    /// # Errors
    /// It may have ended or not.
    pub async fn release_pushes(&self, repository: &str, tag: &str) -> Result<bool, StoreError> {
        let Some(store) = self.shared_store() else { return Ok(false) };
        let (repository, tag) = (repository.to_owned(), tag.to_owned());
        let release =
            async move |store: Arc<Store>| store.release_pushes(&repository, &tag, PUSH_SETTLED).await;
        self.ask(&store, ANSWER, release).await
    }

    /// Reads the digests of the manifests that were pushed to a repository at any replica in the last day; none where there
    /// are no other replicas.
    ///
    /// # Errors
    /// They cannot be read.
    pub async fn pushed_lately(&self, repository: &str) -> Result<Vec<String>, StoreError> {
        let Some(store) = self.shared_store() else { return Ok(Vec::new()) };
        let repository = repository.to_owned();
        self.ask(&store, ANSWER, async move |store: Arc<Store>| store.pushed_lately(&repository).await).await
    }

    pub(super) fn shared_store(&self) -> Option<Arc<Store>> {
        self.store.as_ref().ok().filter(|store| store.is_shared()).cloned()
    }
}

impl SharedHold {
    fn new(store: Arc<Store>, holder: String, kind: Kind) -> Self {
        Self { store, holder, kind, is_sent: false }
    }

    /// The registry is about to get the request.
    pub fn sent(&mut self) {
        self.is_sent = true;
    }

    /// The request was done, or was refused.
    pub fn answered(&mut self) {
        self.is_sent = false;
    }
}

impl Drop for SharedHold {
    fn drop(&mut self) {
        let wait = match (self.kind, self.is_sent) {
            (Kind::Claim, true) => return,
            (Kind::Deletion, true) => SETTLE,
            _ => Duration::ZERO,
        };
        let (store, holder) = (Arc::clone(&self.store), std::mem::take(&mut self.holder));
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        runtime.spawn(async move {
            sleep(wait).await;
            // What could not be ended is in the way of others until the registry shows the tag, or for ten minutes.
            if let Err(error) = store.end_hold(&holder).await {
                tracing::warn!(%error, "the end of a push or deletion could not be stored; others of its repository may wait");
            }
        });
    }
}

fn new_holder() -> Result<String, NotHeld> {
    random_id().ok_or(NotHeld::Unavailable)
}
