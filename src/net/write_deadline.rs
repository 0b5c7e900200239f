//! A deadline for a peer that does not read, client or registry. A body that stands still holds a connection on the
//! other side as well, and hyper polls neither while it waits to write.

use std::{
    future::Future,
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::io::{AsyncRead, AsyncWrite};

use super::{Deadline, pass_on};

/// A connection whose writes fail when none got through for `limit`.
pub(crate) struct WriteDeadline<I> {
    io: I,
    limit: Duration,
    stalled: Option<Deadline>,
}

impl<I> WriteDeadline<I> {
    /// Guards a connection.
    pub(crate) fn new(io: I, limit: Duration) -> Self {
        Self { io, limit, stalled: None }
    }

    /// Passes on what was written; while nothing is, watches the clock.
    fn or_stalled<T>(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let stalled = self.stalled.get_or_insert_with(|| Deadline::after(self.limit));
        Pin::new(stalled).poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for WriteDeadline<I> {
    pass_on!(io: read);
}

impl<I: AsyncWrite + Unpin> AsyncWrite for WriteDeadline<I> {
    pass_on!(io through or_stalled: write, flush, shutdown);
}
