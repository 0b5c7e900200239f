//! A deadline for a peer that counts only time in which this program could have heard of it.
//!
//! While a machine is overloaded or a process is suspended, what a peer sends waits in the kernel. When the program
//! runs again, its timers may fire before it has read any of that.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::time::{Instant, Sleep, sleep};

/// Elapses after a duration, which is counted in steps: a time without a processor is one of them, however long it was,
/// and what came in it is seen before the next.
pub(crate) struct Deadline {
    step: Duration,
    left: u32,
    sleep: Pin<Box<Sleep>>,
}

const STEPS: u32 = 10;

impl Deadline {
    /// Begins to count.
    pub(crate) fn after(limit: Duration) -> Self {
        let step = limit / STEPS;
        Self { step, left: STEPS, sleep: Box::pin(sleep(step)) }
    }

    /// Begins to count again.
    pub(crate) fn restart(&mut self) {
        self.left = STEPS;
        self.sleep.as_mut().reset(Instant::now() + self.step);
    }
}

impl Future for Deadline {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        while self.left > 0 {
            ready!(self.sleep.as_mut().poll(cx));
            self.left -= 1;
            let next = Instant::now() + self.step;
            self.sleep.as_mut().reset(next);
        }
        Poll::Ready(())
    }
}

/// Waits for `future` until a [`Deadline`]; `None` when that came first.
pub(crate) async fn within<F: Future>(limit: Duration, future: F) -> Option<F::Output> {
    tokio::select! {
        biased;
        output = future => Some(output),
        () = Deadline::after(limit) => None,
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(10);

    #[tokio::test(start_paused = true)]
    async fn it_elapses_after_its_time() {
        let began = Instant::now();
        let mut deadline = Deadline::after(LIMIT);
        (&mut deadline).await;
        assert!((LIMIT..LIMIT + LIMIT / 10).contains(&began.elapsed()), "{:?}", began.elapsed());
        deadline.restart();
        deadline.await;
        assert!(began.elapsed() >= 2 * LIMIT, "{:?}", began.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_time_without_a_processor_is_one_step() {
        let mut deadline = Deadline::after(LIMIT);
        assert!(tokio::time::timeout(Duration::ZERO, &mut deadline).await.is_err());
        advance(10 * LIMIT).await;
        let resumed = Instant::now();
        deadline.await;
        assert!(resumed.elapsed() >= LIMIT / 10 * 9, "{:?}", resumed.elapsed());
    }
}
