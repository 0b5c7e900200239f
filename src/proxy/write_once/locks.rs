//! Locks: one push of a tag at a time, and no deletion of a manifest in a repository while a write-once tag of it is
//! pushed.

use std::{sync::Arc, time::Duration};

use hyper::StatusCode;
use tokio::{
    sync::{OwnedMutexGuard, OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock},
    time::timeout,
};

use super::claims::Claims;
use crate::{
    limits::Slot,
    proxy::keyed_locks::KeyedLocks,
    registry::{Digest, ErrorCode, Refusal, RepositoryName, Tag},
    state::{NotHeld, SharedHold, State},
};

/// The time for which a request waits for those before it.
const PATIENCE: Duration = Duration::from_secs(30);
/// The time that the registry gets to end a deletion whose client is gone.
const SETTLE: Duration = Duration::from_secs(30);

/// A tag of a repository.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct TagKey {
    repository: Box<str>,
    tag: Box<str>,
}

impl TagKey {
    /// The key of a tag.
    pub(super) fn new(repository: &RepositoryName, tag: &Tag) -> Self {
        Self { repository: repository.as_str().into(), tag: tag.as_str().into() }
    }

    /// Returns true for a tag of this repository.
    pub(super) fn is_of(&self, name: &RepositoryName) -> bool {
        *self.repository == *name.as_str()
    }
}

/// The locks that requests hold.
#[derive(Default)]
pub(super) struct Locks {
    tags: KeyedLocks<TagKey, tokio::sync::Mutex<()>>,
    repositories: KeyedLocks<Box<str>, RwLock<()>>,
    /// The turn of an account in a repository: only one of its deletions waits for the lock of that, ahead of pushes.
    turns: KeyedLocks<(Box<str>, Box<str>), tokio::sync::Mutex<()>>,
    /// The requests of other replicas, where there are any.
    state: Arc<State>,
}

/// The part of a request that ends when its answer is known: its locks, and the claims of a push. Dropped before that, the
/// claims stay, and the lock of a deletion stays for a while.
#[derive(Default)]
pub(in crate::proxy) struct Passage(Option<Box<Parts>>);

/// The holds of a request; boxed, since most requests have none.
#[derive(Default)]
struct Parts {
    held: Option<Held>,
    /// The manifest that is pushed.
    pushed: Option<Digest>,
    /// For the manifest in memory.
    _slot: Option<Slot>,
    /// The place of the request among those of all replicas. Ended before the locks of this one.
    shared: Option<SharedHold>,
}

enum Held {
    Push {
        claims: Claims,
        name: RepositoryName,
        keys: Vec<TagKey>,
        digest: Digest,
        _tags: Vec<OwnedMutexGuard<()>>,
        _repository: OwnedRwLockReadGuard<()>,
    },
    /// A push of tags that are not write-once, or of none.
    Shared {
        _repository: OwnedRwLockReadGuard<()>,
    },
    Deletion {
        repository: OwnedRwLockWriteGuard<()>,
        turn: Option<OwnedMutexGuard<()>>,
        is_sent: bool,
    },
}

impl Locks {
    /// Those of all replicas that share a state.
    pub(super) fn sharing(state: Arc<State>) -> Self {
        Self { state, ..Self::default() }
    }

    /// The locks of a push of these tags.
    ///
    /// # Errors
    /// Others hold one of them for too long, or that is not known. 409 where another replica pushes one with another
    /// digest, or did and got no answer.
    pub(super) async fn for_push(
        &self,
        name: &RepositoryName,
        mut keys: Vec<TagKey>,
        claims: &Claims,
        digest: Digest,
    ) -> Result<Passage, Refusal> {
        // In one order, so that no two requests wait for each other.
        keys.sort();
        keys.dedup();
        let (repository, locks) = (self.repository(name), self.tags(&keys));
        let all = async {
            let repository = repository.read_owned().await;
            let mut tags = Vec::with_capacity(locks.len());
            for lock in locks {
                tags.push(lock.lock_owned().await);
            }
            (repository, tags)
        };
        let (repository, tags) = timeout(PATIENCE, all).await.map_err(|_| busy(name))?;
        let names = keys.iter().map(|key| key.tag.to_string()).collect();
        let shared = self.state.hold_push(name.as_str(), names, digest.as_str()).await;
        let shared = shared.map_err(|why| not_held(name, why))?;
        let (claims, name) = (claims.clone(), name.clone());
        let held = Held::Push { claims, name, keys, digest, _tags: tags, _repository: repository };
        Ok(Passage::holding(held, shared))
    }

    /// The lock of a tag: no push of it is under way at this server.
    ///
    /// # Errors
    /// Pushes hold it for too long.
    pub(super) async fn of_tag(
        &self,
        name: &RepositoryName,
        key: TagKey,
    ) -> Result<OwnedMutexGuard<()>, Refusal> {
        timeout(PATIENCE, self.tags.of(key).lock_owned()).await.map_err(|_| busy(name))
    }

    /// The lock of a push that keeps deletions waiting, and no other push.
    ///
    /// # Errors
    /// A deletion holds it for too long.
    pub(super) async fn shared(&self, name: &RepositoryName, digest: &Digest) -> Result<Passage, Refusal> {
        let lock = self.repository(name);
        let repository = timeout(PATIENCE, lock.read_owned()).await.map_err(|_| busy(name))?;
        let shared = match self.state.hold_push(name.as_str(), Vec::new(), digest.as_str()).await {
            // Deletions are refused meanwhile, and pushes go on.
            Err(NotHeld::Unavailable) => None,
            shared => shared.map_err(|why| not_held(name, why))?,
        };
        Ok(Passage::holding(Held::Shared { _repository: repository }, shared))
    }

    /// The lock of a deletion by an account. Its other deletions there wait for it to end before they ask for the lock: a
    /// push waits for one of them at most.
    ///
    /// # Errors
    /// Others hold it for too long.
    pub(super) async fn for_deletion(
        &self,
        name: &RepositoryName,
        account: &str,
    ) -> Result<Passage, Refusal> {
        let (turns, lock) = (self.turns.of((name.as_str().into(), account.into())), self.repository(name));
        let both = async {
            let turn = turns.lock_owned().await;
            (turn, lock.write_owned().await)
        };
        let (turn, repository) = timeout(PATIENCE, both).await.map_err(|_| busy(name))?;
        let shared = self.state.hold_deletion(name.as_str(), PATIENCE).await;
        let shared = shared.map_err(|why| not_held(name, why))?;
        let held = Held::Deletion { repository, turn: Some(turn), is_sent: false };
        Ok(Passage::holding(held, shared))
    }

    /// The same, if others let it go within that time.
    pub(super) async fn deletion_within(&self, name: &RepositoryName, patience: Duration) -> Option<Passage> {
        let repository = timeout(patience, self.repository(name).write_owned()).await.ok()?;
        let shared = self.state.hold_deletion(name.as_str(), patience).await.ok()?;
        Some(Passage::holding(Held::Deletion { repository, turn: None, is_sent: false }, shared))
    }

    fn repository(&self, name: &RepositoryName) -> Arc<RwLock<()>> {
        self.repositories.of(name.as_str().into())
    }

    fn tags(&self, keys: &[TagKey]) -> Vec<Arc<tokio::sync::Mutex<()>>> {
        keys.iter().map(|key| self.tags.of(key.clone())).collect()
    }
}

impl Passage {
    fn holding(held: Held, shared: Option<SharedHold>) -> Self {
        Self(Some(Box::new(Parts { held: Some(held), pushed: None, _slot: None, shared })))
    }

    /// The same of a push of this manifest, with a slot, which it keeps to its end.
    pub(super) fn pushing(mut self, digest: Digest, slot: Slot) -> Self {
        let parts = self.0.get_or_insert_default();
        (parts.pushed, parts._slot) = (Some(digest), Some(slot));
        self
    }

    /// Returns the manifest that is pushed; `None` for another request.
    pub(in crate::proxy) fn pushed(&self) -> Option<&Digest> {
        self.0.as_ref()?.pushed.as_ref()
    }

    /// Claims the tags of a push, where no shared state has done so. To be called right before it is sent.
    ///
    /// # Errors
    /// Too many tags are claimed.
    pub(in crate::proxy) fn begin(&mut self) -> Result<(), Refusal> {
        let Some(parts) = &mut self.0 else { return Ok(()) };
        if let Some(shared) = &mut parts.shared {
            shared.sent();
        }
        match &mut parts.held {
            None | Some(Held::Shared { .. }) => Ok(()),
            Some(Held::Push { .. }) if parts.shared.is_some() => Ok(()),
            Some(Held::Push { claims, name, keys, digest, .. }) => claims.claim(name, keys, digest),
            Some(Held::Deletion { is_sent, .. }) => {
                *is_sent = true;
                Ok(())
            }
        }
    }

    /// Returns true if it locks a repository for a deletion.
    pub(in crate::proxy) fn is_of_deletion(&self) -> bool {
        matches!(self.held(), Some(Held::Deletion { .. }))
    }

    /// Returns true if only the registry's answer ends it: whether its client is still there decides nothing.
    pub(in crate::proxy) fn needs_answer(&self) -> bool {
        matches!(self.held(), Some(Held::Deletion { .. } | Held::Push { .. }))
    }

    fn held(&self) -> Option<&Held> {
        self.0.as_ref()?.held.as_ref()
    }

    /// Ends it: the registry was never reached.
    pub(in crate::proxy) fn not_sent(&mut self) {
        self.answered(StatusCode::BAD_REQUEST);
    }

    /// Ends it with the registry's answer. An answer that says neither that it was done nor that it was refused settles
    /// nothing.
    pub(in crate::proxy) fn answered(&mut self, status: StatusCode) {
        if !status.is_success() && !status.is_client_error() {
            return;
        }
        let Some(parts) = &mut self.0 else { return };
        if let Some(mut shared) = parts.shared.take() {
            shared.answered();
        }
        match parts.held.take() {
            Some(Held::Push { claims, keys, .. }) => {
                for key in &keys {
                    claims.settle(key);
                }
            }
            Some(Held::Shared { .. } | Held::Deletion { .. }) | None => {}
        }
    }
}

impl Drop for Passage {
    fn drop(&mut self) {
        let held = self.0.take().and_then(|parts| parts.held);
        if let Some(Held::Deletion { repository, turn, is_sent: true }) = held
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            runtime.spawn(async move {
                tokio::time::sleep(SETTLE).await;
                drop((repository, turn));
            });
        }
    }
}

/// The answer to a request that has no place among those of other replicas.
fn not_held(name: &RepositoryName, why: NotHeld) -> Refusal {
    match why {
        NotHeld::Busy => busy(name),
        NotHeld::Full => full(name),
        NotHeld::Claimed { tag, digest } => claimed(name, &tag, &digest),
        NotHeld::Unavailable => {
            let why = "the state that this server shares with others cannot be used now, and it excludes pushes of \
                       write-once tags and deletions from each other; try again later";
            Refusal::new(ErrorCode::Unavailable, why).retry_after(crate::proxy::upstream::RETRY_AFTER)
        }
    }
}

/// The answer to a push of a write-once tag that an unfinished push of another digest holds.
pub(super) fn claimed(name: &RepositoryName, tag: &str, digest: &str) -> Refusal {
    let why = format!(
        "tag {tag} of {name} is write-once, and an unfinished push of {digest} holds it; push that one again, or another \
         tag; an operator can end it: portwarden tags release {name} {tag}"
    );
    Refusal::new(ErrorCode::Conflict, why)
}

/// The answer to a push of a write-once tag for whose claim there is no room.
pub(super) fn full(name: &RepositoryName) -> Refusal {
    let why = format!(
        "too many pushes of write-once tags of {name}, or of all repositories, are without an answer of the registry; see \
         its log, and push those again, or let an operator end them: portwarden tags release {name} <tag>"
    );
    Refusal::new(ErrorCode::Unavailable, why)
}

fn busy(name: &RepositoryName) -> Refusal {
    let why = format!("other pushes and deletions of {name} are under way; try again later");
    Refusal::new(ErrorCode::Unavailable, why).retry_after(crate::proxy::upstream::RETRY_AFTER)
}
