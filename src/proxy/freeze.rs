//! Writes can be frozen for a while, so that the registry can collect its garbage: that deletes the layers of a push
//! whose manifest has not come yet. Pulls go on.
//!
//! A freeze begins by draining: pushes under way go on to their manifests, new ones are rejected. It ends by itself, so
//! that a job which dies does not leave a registry that takes nothing.

use std::{collections::HashMap, future::Future, pin::Pin, sync::Arc, time::Duration};

use parking_lot::{Mutex, MutexGuard};
use tokio::{
    sync::watch,
    time::{Instant, sleep, sleep_until},
};

use crate::registry::{ErrorCode, Method, Refusal, Route};

/// A push has ended when nothing was written to its repository for so long: between two of its requests a client reads
/// and compresses.
const PAUSE: Duration = Duration::from_secs(10);
/// The longest that a client is asked to wait before it tries again: most freezes are thawed long before their time.
const RETRY_AFTER: Duration = Duration::from_secs(15);
/// The time that the registry gets to finish requests that were cut off.
const SETTLE: Duration = Duration::from_secs(1);
/// The interval between counts of the writes while a freeze drains.
const LOOK: Duration = Duration::from_millis(100);
/// The number of repositories that are remembered before those whose pushes have ended are forgotten.
const REMEMBERED: usize = 1000;

/// The gate for writes. Clones share it.
#[derive(Debug, Clone)]
pub struct Freeze(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    state: Mutex<State>,
    /// Counts up when the writes in flight are cut off.
    cut_off: watch::Sender<u64>,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    /// Counts the freezes and thaws, so that each knows whether it is still its turn.
    number: u64,
    /// The last write to each repository.
    pushes: HashMap<Box<str>, Push>,
}

#[derive(Debug, Clone, Copy)]
enum Phase {
    Open,
    /// Only pushes that began before go on. Has no end of its own: the draining task ends it.
    Draining {
        since: Instant,
    },
    Frozen {
        until: Instant,
    },
}

#[derive(Debug, Clone, Copy)]
struct Push {
    began: Instant,
    last: Instant,
    in_flight: usize,
}

/// The state of a freeze.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FreezeStatus {
    /// Writes pass.
    Open,
    /// Pushes are still to end.
    Draining {
        /// Repositories that are being written to, or were a moment ago.
        pushes: usize,
    },
    /// No write passes for this long, unless it is thawed.
    Frozen {
        /// Until it thaws by itself.
        left: Duration,
    },
}

/// The reason why a freeze did not come into force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotFrozen {
    /// Another one is about to begin.
    Another,
    /// It was thawed while it drained.
    Thawed,
}

/// A write that passes; counted until it is dropped.
pub(super) struct Write {
    inner: Arc<Inner>,
    repository: Box<str>,
    cut_off: watch::Receiver<u64>,
}

impl Default for Freeze {
    fn default() -> Self {
        let state = State { phase: Phase::Open, number: 0, pushes: HashMap::new() };
        Self(Arc::new(Inner { state: Mutex::new(state), cut_off: watch::Sender::new(0) }))
    }
}

impl Freeze {
    /// Lets a request pass; `None` for one that writes nothing.
    ///
    /// # Errors
    /// 503 with `Retry-After` while writes are frozen.
    pub(super) fn admit(&self, route: &Route) -> Result<Option<Write>, Refusal> {
        if matches!(route.method(), Method::Get | Method::Head) {
            return Ok(None);
        }
        let repository = route.endpoint().repository().map_or("", |name| name.as_str());
        let (mut state, now) = (self.0.state.lock(), Instant::now());
        if let Some(left) = state.refuses(repository, now) {
            return Err(frozen(left));
        }
        state.begin(repository, now);
        let cut_off = self.0.cut_off.subscribe();
        Ok(Some(Write { inner: Arc::clone(&self.0), repository: repository.into(), cut_off }))
    }

    /// Freezes writes: waits until the pushes under way have ended, at most for `drain`, and then cuts off what is left
    /// of them. No write passes for `length` from when this returns, with the number of writes that were cut off.
    /// Dropped early, the freeze is called off. One that is in force gets this length, and no write passes in between.
    ///
    /// # Errors
    /// Another one is about to begin, or this one was thawed before it did.
    pub async fn freeze(&self, length: Duration, drain: Duration) -> Result<usize, NotFrozen> {
        let since = Instant::now();
        let number = {
            let mut state = self.0.state.lock();
            match state.status(since) {
                FreezeStatus::Draining { .. } => return Err(NotFrozen::Another),
                FreezeStatus::Frozen { .. } => return Ok(self.0.close(&mut state, since + length)),
                FreezeStatus::Open => state.enter(Phase::Draining { since }),
            }
        };
        let mut cancel = CancelOnDrop { freeze: self, number, armed: true };
        while self.own(number)?.pushes_under_way(since, Instant::now()) > 0 && since.elapsed() < drain {
            sleep(LOOK).await;
        }
        let cut_off = self.0.close(&mut *self.own(number)?, Instant::now() + length);
        if cut_off > 0 {
            self.settle(number).await?;
        }
        self.own(number)?.phase = Phase::Frozen { until: Instant::now() + length };
        cancel.armed = false;
        Ok(cut_off)
    }

    /// Waits for writes that were cut off: what had been sent in full, the registry may still be doing.
    async fn settle(&self, number: u64) -> Result<(), NotFrozen> {
        let began = Instant::now();
        while self.own(number)?.in_flight() > 0 && began.elapsed() < SETTLE {
            sleep(LOOK).await;
        }
        sleep(SETTLE).await;
        Ok(())
    }

    /// The state, as long as it is that of the freeze of this number.
    fn own(&self, number: u64) -> Result<MutexGuard<'_, State>, NotFrozen> {
        let state = self.0.state.lock();
        if state.number == number { Ok(state) } else { Err(NotFrozen::Thawed) }
    }

    /// Freezes writes for so long at least, without waiting for any: after a restart in the middle of a freeze.
    pub fn resume(&self, left: Duration) {
        let (mut state, mut until) = (self.0.state.lock(), Instant::now() + left);
        if let Phase::Frozen { until: before } = state.phase {
            until = until.max(before);
        }
        state.enter(Phase::Open);
        self.0.close(&mut state, until);
    }

    /// Lets writes pass again. False when they did.
    pub fn thaw(&self) -> bool {
        let mut state = self.0.state.lock();
        let was_open = state.status(Instant::now()) == FreezeStatus::Open;
        state.enter(Phase::Open);
        !was_open
    }

    /// Waits for the end of the freeze that is now. True when its time was over; false when it was thawed, or another
    /// one had come.
    pub async fn expired(&self) -> bool {
        let Phase::Frozen { until } = self.0.state.lock().phase else { return false };
        sleep_until(until).await;
        let mut state = self.0.state.lock();
        let is_same = matches!(state.phase, Phase::Frozen { until: now } if now == until);
        if is_same {
            state.enter(Phase::Open);
        }
        is_same
    }

    /// Returns its state.
    pub fn status(&self) -> FreezeStatus {
        self.0.state.lock().status(Instant::now())
    }
}

impl Inner {
    /// From now on no write passes, and those in flight are cut off; returns their number.
    fn close(&self, state: &mut State, until: Instant) -> usize {
        state.phase = Phase::Frozen { until };
        self.cut_off.send_modify(|count| *count += 1);
        state.in_flight()
    }
}

impl State {
    /// Returns the time for which a write to this repository has to wait; `None` when it may pass.
    fn refuses(&self, repository: &str, now: Instant) -> Option<Duration> {
        match self.phase {
            Phase::Open => None,
            Phase::Draining { since } => {
                let push = self.pushes.get(repository);
                let goes_on = push.is_some_and(|push| push.is_under_way(since, now));
                (!goes_on).then_some(RETRY_AFTER)
            }
            Phase::Frozen { until } => until.checked_duration_since(now),
        }
    }

    /// Begins another phase; returns its number.
    fn enter(&mut self, phase: Phase) -> u64 {
        self.phase = phase;
        self.number += 1;
        self.number
    }

    fn in_flight(&self) -> usize {
        self.pushes.values().map(|push| push.in_flight).sum()
    }

    fn status(&self, now: Instant) -> FreezeStatus {
        match self.phase {
            Phase::Draining { since } => FreezeStatus::Draining { pushes: self.pushes_under_way(since, now) },
            Phase::Frozen { until } if until > now => {
                FreezeStatus::Frozen { left: until.duration_since(now) }
            }
            _ => FreezeStatus::Open,
        }
    }

    fn pushes_under_way(&self, since: Instant, now: Instant) -> usize {
        self.pushes.values().filter(|push| push.is_under_way(since, now)).count()
    }

    fn begin(&mut self, repository: &str, now: Instant) {
        if self.pushes.len() >= REMEMBERED {
            self.pushes.retain(|_, push| !push.has_ended(now));
        }
        let new = Push { began: now, last: now, in_flight: 0 };
        let push = self.pushes.entry(repository.into()).or_insert(new);
        if push.has_ended(now) {
            *push = new;
        }
        push.in_flight += 1;
    }

    fn end(&mut self, repository: &str, now: Instant) {
        if let Some(push) = self.pushes.get_mut(repository) {
            push.in_flight = push.in_flight.saturating_sub(1);
            push.last = now;
        }
    }
}

impl Push {
    fn has_ended(self, now: Instant) -> bool {
        self.in_flight == 0 && now.duration_since(self.last) >= PAUSE
    }

    /// Returns true if it began before a freeze and has not ended.
    fn is_under_way(self, since: Instant, now: Instant) -> bool {
        self.began <= since && !self.has_ended(now)
    }
}

impl Write {
    /// The outcome of the write, unless it is cut off before.
    ///
    /// # Errors
    /// 503 with `Retry-After`: the time to drain is over. The connection ends, since the upload does.
    pub(super) async fn unless_cut_off<T>(
        write: Option<&mut Self>,
        outcome: Pin<&mut impl Future<Output = T>>,
    ) -> Result<T, Refusal> {
        let Some(write) = write else { return Ok(outcome.await) };
        tokio::select! {
            outcome = outcome => Ok(outcome),
            Ok(()) = write.cut_off.changed() => Err(frozen(RETRY_AFTER).and_close()),
        }
    }
}

impl Drop for Write {
    fn drop(&mut self) {
        self.inner.state.lock().end(&self.repository, Instant::now());
    }
}

/// Calls a freeze off that was not waited for to its end.
struct CancelOnDrop<'f> {
    freeze: &'f Freeze,
    number: u64,
    armed: bool,
}

impl Drop for CancelOnDrop<'_> {
    fn drop(&mut self) {
        if self.armed
            && let Ok(mut state) = self.freeze.own(self.number)
        {
            state.enter(Phase::Open);
        }
    }
}

fn frozen(left: Duration) -> Refusal {
    let message = "this registry takes no changes for a while, because its storage is being cleaned up; pulls work; \
                   try again later";
    Refusal::new(ErrorCode::Unavailable, message).retry_after(left.min(RETRY_AFTER))
}

#[cfg(test)]
mod tests;
