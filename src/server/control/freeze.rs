//! `portwarden freeze` where other replicas share the state: it holds at all of them. And the file that keeps a freeze for
//! the next start.

use std::{fs, sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{ControlHandler, LONGEST_FREEZE, since_1970};
use crate::{
    proxy::NotFrozen,
    state::{FreezeBegin, FreezeConfirmation, State},
};

const ANOTHER: &str = "a freeze is about to begin already; see `portwarden status`";
const THAWED: &str = "it was thawed before it came into force";

/// The number of writes that were cut off, and that of the replicas, where there may be several.
type Frozen = (usize, Option<u64>);

impl ControlHandler {
    /// Freezes writes, at all replicas. Dropped early, it is called off.
    ///
    /// # Errors
    /// The reason, in words.
    pub(super) async fn freeze_all(&self, length: Duration, drain: Duration) -> Result<Frozen, String> {
        let state = self.service.state();
        let id = State::freeze_id().ok_or("the system gives no random bytes; see its log")?;
        // It may have begun without an answer. One that was in force already is not called off with the command that gives
        // it another end.
        let is_armed = state.is_shared() && !state.is_frozen();
        let mut call_off = CallOff { state: Arc::clone(&state), id, is_armed };
        let begun = state.begin_freeze(&call_off.id, length, drain).await.map_err(|error| {
            format!("the freeze cannot be stored for all replicas, so none begins; see `portwarden status`: {error}")
        })?;
        let was_frozen = match begun {
            None => {
                let frozen = self.freeze.freeze(length, drain).await;
                return frozen.map(|cut_off| (cut_off, None)).map_err(in_words);
            }
            Some(FreezeBegin::Another) => {
                call_off.is_armed = false;
                return Err(ANOTHER.to_owned());
            }
            Some(FreezeBegin::Begun { was_frozen }) => was_frozen,
        };
        call_off.is_armed = !was_frozen;
        let why = match state.confirm_freeze(&call_off.id, length, drain).await {
            Ok(FreezeConfirmation::Held { cut_off, replicas }) => {
                call_off.is_armed = false;
                return Ok((cut_off, Some(replicas)));
            }
            Ok(FreezeConfirmation::Gone) => return Err(THAWED.to_owned()),
            Ok(FreezeConfirmation::Waiting(replicas)) => {
                format!(
                    "of the replicas that share the state, {replicas} did not say in time that they take no writes"
                )
            }
            Err(error) => error.to_string(),
        };
        let then = match was_frozen {
            true => "writes stay frozen; some replicas may have the new end",
            false => {
                "it is called off; a replica that does not hear of that takes no writes until the freeze ends"
            }
        };
        Err(format!(
            "the freeze could not be confirmed at all replicas: {why}; {then}; see the log of each replica, then run \
             `portwarden freeze` again, or `portwarden thaw`"
        ))
    }

    /// Puts the freeze in force that a server before this one has left behind.
    pub(super) fn resume(self: &Arc<Self>) {
        let kept = fs::read_to_string(&self.kept).unwrap_or_default();
        let mut kept = kept.split_whitespace();
        let end = kept.next().and_then(|end| end.parse().ok()).map(Duration::from_secs);
        let left = end.and_then(|end| end.checked_sub(since_1970())).filter(|left| !left.is_zero());
        let state = self.service.state();
        let shared_id = kept.next().filter(|_| state.is_shared());
        let counts = |left: &Duration| shared_id.is_none_or(|id| state.resume_freeze(id, *left));
        if let Some(left) = left.map(|left| left.min(LONGEST_FREEZE)).filter(counts) {
            self.freeze.resume(left);
            tracing::warn!(seconds = left.as_secs(), "writes are still frozen; `portwarden thaw` ends it");
            if shared_id.is_none() {
                self.watch();
            }
        }
        if state.is_shared() {
            tokio::spawn(Arc::clone(self).keep_shared());
        }
    }

    /// Keeps each freeze of all replicas in the file, with its id: the database may be lost, or restored from a backup.
    async fn keep_shared(self: Arc<Self>) {
        let mut known = self.service.state().shared_freeze();
        loop {
            let shared = known.borrow_and_update().clone();
            if let Some(shared) = shared {
                self.keep(shared.until.saturating_duration_since(Instant::now()), Some(&shared.id));
            }
            if known.changed().await.is_err() {
                return;
            }
            if known.borrow().is_none() {
                let _ = fs::remove_file(&self.kept);
            }
        }
    }

    /// Keeps the end of a freeze in the file, and the id of one of all replicas.
    pub(super) fn keep(&self, length: Duration, id: Option<&str>) {
        let end = format!("{} {}", (since_1970() + length).as_secs(), id.unwrap_or_default());
        // In one step: half a number would be another one.
        let new = self.kept.with_extension("new");
        if let Err(error) = fs::write(&new, end.trim_end()).and_then(|()| fs::rename(&new, &self.kept)) {
            let path = self.kept.display();
            match id {
                None => {
                    tracing::warn!(%path, %error, "a restart would thaw the freeze: its end cannot be kept");
                }
                Some(_) => {
                    let what =
                        "the freeze cannot be kept in a file: if the database is lost, a restart thaws it";
                    tracing::warn!(%path, %error, "{what}");
                }
            }
        }
    }
}

fn in_words(not_frozen: NotFrozen) -> String {
    match not_frozen {
        NotFrozen::Another => ANOTHER.to_owned(),
        NotFrozen::Thawed => THAWED.to_owned(),
    }
}

/// Calls a freeze off that is not known to hold everywhere.
struct CallOff {
    state: Arc<State>,
    id: String,
    is_armed: bool,
}

impl Drop for CallOff {
    fn drop(&mut self) {
        if self.is_armed {
            self.state.call_freeze_off(std::mem::take(&mut self.id));
        }
    }
}
