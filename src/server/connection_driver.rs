//! Keeps a connection until it ends by itself, was idle for too long, has to make room, or the server stops.

use std::{
    fmt,
    future::{self, Future},
    io, mem,
    pin::{Pin, pin},
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::watch,
    time::sleep,
};

use super::{ConnectionLimits, admission::ConnectionSlot, head_guard::Verdict, tls_stream::Output};

/// The means to drive a connection.
pub(super) struct ConnectionDriver<'a, O> {
    pub(super) stop: &'a watch::Receiver<bool>,
    pub(super) limits: &'a ConnectionLimits,
    pub(super) slot: &'a ConnectionSlot,
    /// The output of TLS.
    pub(super) output: Option<&'a Output<O>>,
    /// The verdict on the heads of an HTTP/2 connection. It is one for all streams, so after a malformed head the
    /// connection ends with the answers under way: requests that come later do not share in its refusal for ever.
    pub(super) http2_heads: Option<&'a Verdict>,
}

/// The reason why a connection is not driven any longer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ended<T> {
    /// It came to its own end.
    Itself(T),
    /// It broke, or is to be dropped.
    Broken,
    /// It waits for its next request, and may rest until that comes.
    Idle,
}

/// The time in which a connection that never had a request may end.
const STOP_GRACE: Duration = Duration::from_secs(1);
/// The time after its last request within which a connection that is to make room may end what is not with the
/// registry.
const LEAVE_GRACE: Duration = Duration::from_secs(10);
/// The least between two looks at a connection.
pub(super) const LEAST_LOOK: Duration = Duration::from_millis(10);
/// The time after its last request at which a connection rests: clients that send one request after the other do not
/// wait for it to be set up again.
const REST_AFTER: Duration = Duration::from_secs(1);

impl<O: AsyncRead + AsyncWrite + Unpin> ConnectionDriver<'_, O> {
    /// Runs a connection. One with `heads`, those of HTTP/1.1, may come back idle: dropped then, it loses nothing.
    pub(super) async fn run<C, T, E>(
        &self,
        mut connection: Pin<Box<C>>,
        shut_down: fn(Pin<&mut C>),
        heads: Option<&Verdict>,
    ) -> Ended<T>
    where
        C: Future<Output = Result<T, E>>,
        E: fmt::Display,
    {
        let mut stop = self.stop.clone();
        let mut stopping = false;
        let activity = &self.slot.activity;
        // A connection that was told to stop ends by itself once all is written, which may take its client as long as a
        // body may stand still.
        let grace = self.limits.idle_body;
        let mut leaving = false;
        let mut is_due = false;
        let may_rest = heads.is_some() && self.output.is_some();
        let mut look = pin!(sleep(self.next_look(may_rest)));
        loop {
            tokio::select! {
                // The connection first: what has come is seen before a deadline that passed while this task did not
                // run.
                biased;
                ended = self.poll(connection.as_mut()) => {
                    return match ended {
                        Some(Ok(end)) => Ended::Itself(end),
                        Some(Err(error)) => {
                            tracing::debug!(%error, "a connection broke");
                            Ended::Broken
                        }
                        None => Ended::Broken,
                    };
                }
                () = self.has_to_stop(&mut stop), if !stopping => {
                    stopping = true;
                    shut_down(connection.as_mut());
                    look.set(sleep(STOP_GRACE));
                }
                () = self.slot.floods() => {
                    tracing::debug!("a client gives up too many of its requests: its connection is closed");
                    return Ended::Broken;
                }
                // One that stops already, for a malformed head, has to make room as any other.
                () = self.slot.asked_to_leave(), if !leaving => {
                    leaving = true;
                    if !mem::replace(&mut stopping, true) {
                        shut_down(connection.as_mut());
                    }
                    look.set(sleep(STOP_GRACE));
                }
                () = look.as_mut() => {
                    // One that never had a request has nothing to write, and without its client's preface hyper would
                    // keep an HTTP/2 connection for ever.
                    let grace = if activity.was_used() { grace } else { STOP_GRACE };
                    if stopping && activity.is_idle_for(grace) || leaving && activity.is_expendable_for(LEAVE_GRACE) {
                        return Ended::Broken;
                    }
                    if !stopping {
                        let was_due = mem::replace(&mut is_due, activity.is_idle_for(self.limits.idle_timeout));
                        // Between two looks, what came while this thread did not run is read.
                        if is_due && was_due {
                            stopping = true;
                            shut_down(connection.as_mut());
                        } else if heads.is_some_and(Verdict::is_between_requests)
                            && activity.was_used()
                            && activity.is_idle_for(REST_AFTER)
                            && self.output.is_some_and(Output::is_empty)
                        {
                            return Ended::Idle;
                        }
                    }
                    look.set(sleep(if stopping { STOP_GRACE } else { self.next_look(may_rest) }));
                }
            }
        }
    }

    /// Waits until the server stops, or a head on an HTTP/2 connection was malformed.
    async fn has_to_stop(&self, stop: &mut watch::Receiver<bool>) {
        // Needs no waker: heads are read while the connection is polled, in the same task and before this.
        let was_malformed = future::poll_fn(|_| match self.http2_heads.and_then(Verdict::refused) {
            Some(_) => Poll::Ready(()),
            None => Poll::Pending,
        });
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => {}
            () = was_malformed => {}
        }
    }

    /// Returns the time to the next look at a connection: not before it can have been idle for too long, for there may
    /// be many thousands of idle ones. One that may rest is seen to sooner.
    fn next_look(&self, may_rest: bool) -> Duration {
        let idle = self.slot.activity.idle_for().unwrap_or_default();
        let left = self.limits.idle_timeout.saturating_sub(idle).max(LEAST_LOOK);
        if may_rest { left.min(REST_AFTER) } else { left }
    }

    /// Keeps an idle connection, of which no more is left than its session and its socket, until there is something to
    /// read. Says whether it can go on.
    pub(super) async fn rest(&self) -> bool {
        let Some(output) = self.output else { return false };
        let resting = Box::pin(Resting { output, ends: false });
        self.run(resting, |mut resting| resting.ends = true, None).await == Ended::Itself(true)
    }

    /// Runs a connection with what it has to send; `None` when that cannot be sent.
    async fn poll<C: Future>(&self, connection: Pin<&mut C>) -> Option<C::Output> {
        match self.output {
            Some(output) => output.drive(connection).await,
            None => Some(connection.await),
        }
    }
}

/// A connection that waits for something to read, or for its end.
struct Resting<'a, O> {
    output: &'a Output<O>,
    ends: bool,
}

impl<O: AsyncRead + AsyncWrite + Unpin> Future for Resting<'_, O> {
    /// True if there is something to read, be it the end.
    type Output = io::Result<bool>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if self.ends {
            return self.output.poll_close(cx).map_ok(|()| false);
        }
        self.output.poll_readable(cx).map_ok(|()| true)
    }
}
