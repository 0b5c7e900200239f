//! A pool of idle connections.
//!
//! Taking a connection moves it out of the pool, and an operation that fails or is dropped halfway drops it. So only a
//! connection whose use ended well comes back. Its last bind is not undone here: each use begins with a bind of its
//! own.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;

/// Idle timeout of a connection: shorter than the one at which directories and firewalls drop it silently.
const IDLE: Duration = Duration::from_secs(60);

/// Idle connections of kind `C`, at most `most`.
pub(super) struct Pool<C> {
    most: usize,
    state: Mutex<State<C>>,
}

struct State<C> {
    /// The one that came back last is at the end.
    idle: Vec<(C, Instant)>,
    swept: bool,
}

impl<C: Send + 'static> Pool<C> {
    pub(super) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most, state: Mutex::new(State { idle: Vec::new(), swept: false }) })
    }

    /// The connection that came back last.
    pub(super) fn take(&self) -> Option<C> {
        let mut state = self.state.lock();
        state.expire(Instant::now());
        state.idle.pop().map(|(connection, _)| connection)
    }

    /// Keeps a connection for the next use, or closes it when there are enough. Call it on a runtime.
    pub(super) fn put(self: &Arc<Self>, connection: C) {
        let mut state = self.state.lock();
        if state.idle.len() < self.most {
            state.idle.push((connection, Instant::now()));
        }
        if !state.swept {
            state.swept = true;
            let pool = Arc::downgrade(self);
            tokio::spawn(async move {
                loop {
                    tokio::time::sleep(IDLE).await;
                    // It ends with the pool, or when there is nothing left to close.
                    let Some(pool) = pool.upgrade() else { return };
                    if pool.state.lock().sweep(Instant::now()) {
                        return;
                    }
                }
            });
        }
    }
}

impl<C> State<C> {
    fn expire(&mut self, now: Instant) {
        self.idle.retain(|(_, since)| now.saturating_duration_since(*since) < IDLE);
    }

    /// Closes what waited too long; whether nothing is left.
    fn sweep(&mut self, now: Instant) -> bool {
        self.expire(now);
        self.swept = !self.idle.is_empty();
        !self.swept
    }
}

impl<C> fmt::Debug for Pool<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("most", &self.most).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_last_one_back_is_taken_first_and_no_more_are_kept_than_may_be() {
        let pool = Pool::new(2);
        [1, 2, 3].into_iter().for_each(|n| pool.put(n));
        assert_eq!([pool.take(), pool.take(), pool.take()], [Some(2), Some(1), None]);
    }

    #[tokio::test]
    async fn who_waits_too_long_is_closed() {
        let pool = Pool::new(2);
        pool.put(1);
        let then = Instant::now() + IDLE;
        assert!(!pool.state.lock().sweep(then - Duration::from_secs(2)), "not yet");
        assert!(pool.state.lock().sweep(then));
        assert_eq!(pool.take(), None);
        assert!(!pool.state.lock().swept, "the next one that comes back starts a sweep");
    }

    #[tokio::test]
    async fn the_sweep_does_not_keep_the_pool() {
        let pool = Pool::new(1);
        pool.put(());
        let weak = Arc::downgrade(&pool);
        drop(pool);
        tokio::task::yield_now().await;
        assert!(weak.upgrade().is_none());
    }
}
