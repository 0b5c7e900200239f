//! A limit on standing still. There is none on the whole time of a transfer.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::{Instant, Sleep};

/// Elapses when a body stood still for the limit. It is armed only while there is nothing to read, so a busy body pays nothing.
pub(super) struct IdleTimer {
    limit: Duration,
    sleep: Option<Pin<Box<Sleep>>>,
    armed: bool,
}

impl IdleTimer {
    pub(super) fn new(limit: Duration) -> Self {
        Self { limit, sleep: None, armed: false }
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let deadline = Instant::now() + self.limit;
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        if !std::mem::replace(&mut self.armed, true) {
            sleep.as_mut().reset(deadline);
        }
        sleep.as_mut().poll(cx)
    }

    pub(super) fn reset(&mut self) {
        self.armed = false;
    }
}
