//! A limit on standing still. There is none on the whole time of a transfer.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use crate::net::Deadline;

/// Elapses when a body stood still for the limit. It is armed only while there is nothing to read, so a busy body pays
/// nothing.
pub(crate) struct IdleTimer {
    limit: Duration,
    deadline: Option<Deadline>,
    armed: bool,
}

impl IdleTimer {
    pub(crate) fn new(limit: Duration) -> Self {
        Self { limit, deadline: None, armed: false }
    }

    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let deadline = self.deadline.get_or_insert_with(|| Deadline::after(self.limit));
        if !std::mem::replace(&mut self.armed, true) {
            deadline.restart();
        }
        Pin::new(deadline).poll(cx)
    }

    pub(crate) fn reset(&mut self) {
        self.armed = false;
    }
}
