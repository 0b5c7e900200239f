//! The end of a client's connection: not before the client has ended its side as well, for a bounded while.
//!
//! Closing with bytes unread (a window update, the rest of a refused upload) resets the connection, and the client
//! loses what it has not read yet (RFC 9112 section 9.6). The registry's side needs none of it: there, closing at once
//! is what tells that a client has gone.

use std::{
    future::Future,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep_until},
};

use super::pass_on;

/// A connection that lingers after its shutdown.
pub(crate) struct Lingering<I> {
    io: I,
    state: Option<Linger>,
}

struct Linger {
    deadline: Instant,
    sleep: Pin<Box<Sleep>>,
    bytes_left: usize,
}

/// Bounds on the time, and on the bytes that are read and discarded.
const TIME: Duration = Duration::from_secs(2);
const BYTES: usize = 4 << 20;

impl<I: AsyncRead + Unpin> Lingering<I> {
    /// Guards the end of a connection.
    pub(crate) fn new(io: I) -> Self {
        Self { io, state: None }
    }

    fn linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let state = self.state.get_or_insert_with(|| {
            let deadline = Instant::now() + TIME;
            Linger { deadline, sleep: Box::pin(sleep_until(deadline)), bytes_left: BYTES }
        });
        let mut scratch = [0; 4096];
        // The clock is asked too: a peer that always has more to send would use up the task's budget before the timer.
        while state.bytes_left > 0 && Instant::now() < state.deadline {
            let mut discarded = ReadBuf::new(&mut scratch);
            match Pin::new(&mut self.io).poll_read(cx, &mut discarded) {
                Poll::Ready(Ok(())) if !discarded.filled().is_empty() => {
                    state.bytes_left = state.bytes_left.saturating_sub(discarded.filled().len());
                }
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => return state.sleep.as_mut().poll(cx),
            }
        }
        Poll::Ready(())
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Lingering<I> {
    pass_on!(io: read);
}

impl<I: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Lingering<I> {
    pass_on!(io: write, flush);

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.state.is_none() {
            ready!(Pin::new(&mut self.io).poll_shutdown(cx))?;
        }
        self.linger(cx).map(Ok)
    }
}
