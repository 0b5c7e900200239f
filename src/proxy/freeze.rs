//! Writes can be frozen for a while, so that the registry can collect its garbage: that deletes the layers of a push
//! whose manifest has not come yet. Pulls go on.
//!
//! A freeze begins by draining: pushes under way go on to their manifests, new ones are turned away. It ends by itself, so
//! that a job which dies does not leave a registry that takes nothing.

use std::{
    collections::HashMap,
    future::Future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

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
/// How often the writes are counted while a freeze drains.
const LOOK: Duration = Duration::from_millis(100);
/// How many repositories are remembered before those whose pushes have ended are forgotten.
const REMEMBERED: usize = 1000;

/// Whether writes may pass. Clones are of the same.
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
    /// The last write to each repository.
    pushes: HashMap<Box<str>, Push>,
}

#[derive(Debug, Clone, Copy)]
enum Phase {
    Open,
    /// Only pushes that began before go on.
    Draining {
        since: Instant,
        until: Instant,
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

/// Where a freeze stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FreezeStatus {
    /// Writes pass.
    Open,
    /// So many pushes are still to end.
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

/// A write that passes; counted until it is dropped.
pub(super) struct Write {
    inner: Arc<Inner>,
    repository: Box<str>,
    cut_off: watch::Receiver<u64>,
}

impl Default for Freeze {
    fn default() -> Self {
        let state = State { phase: Phase::Open, pushes: HashMap::new() };
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
        let (mut state, now) = (self.0.state(), Instant::now());
        if let Some(left) = state.refuses(repository, now) {
            return Err(frozen(left));
        }
        state.begin(repository, now);
        let cut_off = self.0.cut_off.subscribe();
        Ok(Some(Write { inner: Arc::clone(&self.0), repository: repository.into(), cut_off }))
    }

    /// Freezes writes for so long from now: waits until the pushes under way have ended, at most for `drain`, then cuts
    /// off what is left of them. Returns the number of writes that were cut off. Dropped early, the freeze is called off.
    /// One that is in force gets this length, and no write passes in between.
    pub async fn freeze(&self, length: Duration, drain: Duration) -> usize {
        let since = Instant::now();
        let until = since + length;
        if matches!(self.status(), FreezeStatus::Frozen { .. }) {
            return self.freeze_now(until);
        }
        self.0.state().phase = Phase::Draining { since, until };
        let mut calls_off = CallsOff { freeze: self, armed: true };
        while self.0.state().pushes_under_way(since, Instant::now()) > 0 && since.elapsed() < drain {
            sleep(LOOK).await;
        }
        calls_off.armed = false;
        self.freeze_now(until)
    }

    /// Freezes writes for so long, without waiting for any: after a restart in the middle of a freeze.
    pub fn resume(&self, left: Duration) {
        self.freeze_now(Instant::now() + left);
    }

    fn freeze_now(&self, until: Instant) -> usize {
        let mut state = self.0.state();
        state.phase = Phase::Frozen { until };
        let in_flight = state.pushes.values().map(|push| push.in_flight).sum();
        self.0.cut_off.send_modify(|count| *count += 1);
        in_flight
    }

    /// Lets writes pass again. False when they did.
    pub fn thaw(&self) -> bool {
        let mut state = self.0.state();
        let was_open = state.status(Instant::now()) == FreezeStatus::Open;
        state.phase = Phase::Open;
        !was_open
    }

    /// Waits for the end of the freeze that is now. True when its time was over; false when it was thawed, or another one
    /// had come.
    pub async fn expired(&self) -> bool {
        let Phase::Frozen { until } = self.0.state().phase else { return false };
        sleep_until(until).await;
        let mut state = self.0.state();
        let is_same = matches!(state.phase, Phase::Frozen { until: now } if now == until);
        if is_same {
            state.phase = Phase::Open;
        }
        is_same
    }

    /// Where it stands.
    pub fn status(&self) -> FreezeStatus {
        self.0.state().status(Instant::now())
    }
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// How long a write to this repository has to wait; `None` when it may pass.
    fn refuses(&self, repository: &str, now: Instant) -> Option<Duration> {
        let (until, since) = match self.phase {
            Phase::Open => return None,
            Phase::Draining { since, until } => (until, Some(since)),
            Phase::Frozen { until } => (until, None),
        };
        let left = until.checked_duration_since(now)?;
        let under_way = |since| self.pushes.get(repository).is_some_and(|push| push.is_under_way(since, now));
        (!since.is_some_and(under_way)).then_some(left)
    }

    fn status(&self, now: Instant) -> FreezeStatus {
        match self.phase {
            Phase::Draining { since, until } if until > now => {
                FreezeStatus::Draining { pushes: self.pushes_under_way(since, now) }
            }
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

    /// Whether it began before a freeze and has not ended.
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
        outcome: impl Future<Output = T>,
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
        self.inner.state().end(&self.repository, Instant::now());
    }
}

/// Calls a freeze off that was not waited for to its end.
struct CallsOff<'f> {
    freeze: &'f Freeze,
    armed: bool,
}

impl Drop for CallsOff<'_> {
    fn drop(&mut self) {
        if self.armed {
            self.freeze.thaw();
        }
    }
}

fn frozen(left: Duration) -> Refusal {
    let message = "this registry takes no changes for a while, because its storage is being cleaned up; pulls work; \
                   try again later";
    Refusal::new(ErrorCode::Unavailable, message).retry_after(left.min(RETRY_AFTER))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admit(freeze: &Freeze, request: &str) -> Result<Option<Write>, Refusal> {
        let (method, path) = request.split_once(' ').unwrap();
        freeze.admit(&Route::parse(method, path, None).unwrap())
    }

    const LONG: Duration = Duration::from_secs(1800);
    const PUSH: &str = "POST /v2/a/blobs/uploads/";

    #[tokio::test(start_paused = true)]
    async fn pulls_pass_and_writes_wait_until_it_is_thawed() {
        let freeze = Freeze::default();
        assert!(admit(&freeze, PUSH).unwrap().is_some());
        assert_eq!(freeze.freeze(LONG, Duration::ZERO).await, 0);
        assert!(matches!(freeze.status(), FreezeStatus::Frozen { left } if left <= LONG));
        for request in
            [PUSH, "PUT /v2/a/manifests/1", "DELETE /v2/a/manifests/1", "PATCH /v2/a/blobs/uploads/x"]
        {
            let refusal = admit(&freeze, request).err().unwrap();
            assert_eq!((refusal.code.status(), refusal.retry_after), (503, Some(15)), "{request}");
        }
        assert!(admit(&freeze, "GET /v2/a/manifests/1").unwrap().is_none());
        // To give it more time opens nothing, not even for a push of a moment ago.
        let more = freeze.clone();
        let longer = tokio::spawn(async move { more.freeze(LONG, LONG).await });
        sleep(LOOK).await;
        assert!(admit(&freeze, PUSH).is_err() && longer.is_finished());
        assert!(freeze.thaw() && !freeze.thaw());
        assert!(admit(&freeze, PUSH).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_push_under_way_goes_on_to_its_end_and_no_other_begins() {
        let freeze = Freeze::default();
        let upload = admit(&freeze, PUSH).unwrap();
        let freezing = tokio::spawn({
            let freeze = freeze.clone();
            async move { freeze.freeze(LONG, LONG).await }
        });
        sleep(Duration::from_secs(1)).await;
        assert_eq!(freeze.status(), FreezeStatus::Draining { pushes: 1 });
        assert!(admit(&freeze, "PUT /v2/other/manifests/1").is_err());
        drop(upload);
        sleep(PAUSE / 2).await;
        assert!(admit(&freeze, "PUT /v2/a/manifests/1").is_ok(), "the push writes its manifest");
        sleep(PAUSE + LOOK * 2).await;
        assert!(matches!(freeze.status(), FreezeStatus::Frozen { .. }), "{:?}", freeze.status());
        assert_eq!(freezing.await.unwrap(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn what_does_not_end_in_time_is_cut_off() {
        let freeze = Freeze::default();
        let mut upload = admit(&freeze, PUSH).unwrap();
        let waits = Write::unless_cut_off(upload.as_mut(), std::future::pending::<()>());
        let (cut, refused) = tokio::join!(freeze.freeze(LONG, Duration::from_secs(5)), waits);
        assert_eq!((cut, refused.unwrap_err().close), (1, true));
    }

    #[tokio::test(start_paused = true)]
    async fn it_thaws_by_itself_and_when_nobody_waits_for_it_to_drain() {
        let freeze = Freeze::default();
        freeze.resume(Duration::from_secs(2));
        assert!(admit(&freeze, PUSH).is_err());
        assert!(freeze.expired().await);
        assert_eq!(freeze.status(), FreezeStatus::Open);
        let _upload = admit(&freeze, PUSH).unwrap();
        let gave_up = tokio::time::timeout(Duration::from_secs(3), freeze.freeze(LONG, LONG)).await;
        assert!(gave_up.is_err());
        assert_eq!(freeze.status(), FreezeStatus::Open);
    }
}
