//! Runs the streams of an HTTP/2 connection, each as a task of its own, and ends those whose client takes nothing.
//!
//! A client that keeps its window shut stalls a response without stalling the connection: nothing is being written, and
//! hyper does not ask the body for more. Without a limit one connection could hold as many connections to the registry
//! as it has streams.

use std::{future::Future, sync::Arc, time::Duration};

use hyper::rt::Executor;
use parking_lot::Mutex;
use tokio::time::{Instant, sleep, sleep_until};

use super::connection_driver::LEAST_LOOK;

/// Spawns streams; a response that is not asked for more within `limit` ends its stream.
#[derive(Debug, Clone)]
pub(super) struct StreamExecutor {
    pub(super) limit: Duration,
}

/// The time since which the client has had data of a response without making room for more; shared by a stream's task
/// and its response's body. `None` where it is not watched.
#[derive(Debug, Clone)]
pub(super) struct Delivery(Option<Arc<Mutex<Option<Instant>>>>);

tokio::task_local! {
    static DELIVERY: Delivery;
}

impl Delivery {
    /// The delivery of the stream whose task this is; an unwatched one on HTTP/1.1.
    pub(super) fn of_this_stream() -> Self {
        DELIVERY.try_with(Clone::clone).unwrap_or(Self(None))
    }

    fn watched() -> Self {
        Self(Some(Arc::default()))
    }

    /// The body gave data: now it is the client's turn.
    pub(super) fn client_turn(&self) {
        self.set(|| Some(Instant::now()));
    }

    /// The body has nothing to give yet, or nothing any more: the client is not to blame.
    pub(super) fn registry_turn(&self) {
        self.set(|| None);
    }

    fn set(&self, since: impl FnOnce() -> Option<Instant>) {
        if let Some(shared) = &self.0 {
            *shared.lock() = since();
        }
    }

    fn since(&self) -> Option<Instant> {
        *self.0.as_ref()?.lock()
    }

    /// Returns when the client has taken nothing for `limit`.
    async fn stalled(&self, limit: Duration) {
        loop {
            let since = self.since();
            let deadline = since.unwrap_or_else(Instant::now) + limit;
            if since.is_some() && deadline <= Instant::now() {
                // In the meantime, what came while this thread did not run is read.
                sleep(LEAST_LOOK).await;
                if self.since() == since {
                    return;
                }
                continue;
            }
            sleep_until(deadline).await;
        }
    }
}

impl<F> Executor<F> for StreamExecutor
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, stream: F) {
        let (limit, delivery) = (self.limit, Delivery::watched());
        let watched = delivery.clone();
        tokio::spawn(DELIVERY.scope(delivery, async move {
            tokio::select! {
                biased;
                () = stream => {}
                () = watched.stalled(limit) => tracing::debug!("a client took nothing of a response for too long"),
            }
        }));
    }
}
