//! The way to the registry: keep-alive HTTP/1.1 over TCP or a Unix socket.
//!
//! A connection carries one request at a time, and is given back only when both bodies have ended; whatever breaks off
//! closes it, so that the registry sees that the client has gone. Our own client and not a general one: it does what a
//! proxy needs in the task of the request, and no more. See [`connection`].

mod chunk_size;
mod connection;
mod decoder;
mod error;
#[cfg(any(test, fuzzing))]
pub(super) mod fuzzing;
mod head;
mod request;
mod sender;

use std::{
    net::IpAddr,
    pin::pin,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
    thread::{self, ThreadId},
    time::Duration,
};

use bytes::Bytes;
use hyper::{
    HeaderMap, Response, StatusCode,
    body::{Frame, SizeHint},
    header,
};
use parking_lot::Mutex;
use tokio::{
    net::{TcpStream, UnixStream},
    time::Instant,
};

use super::{
    UpstreamAddress, UpstreamSettings,
    body::request_body::{BodyError, Progress, RequestBody},
};
use crate::{
    limits::{FailureLog, FairSemaphore, Slot},
    net::{BudgetShare, BufferBudget, WriteDeadline, within},
    registry::Method,
};
pub(super) use chunk_size::ChunkSize;
use connection::{Connection, Transfer};
pub(super) use error::Broken;
pub use error::UpstreamError;
pub(super) use request::{RequestHead, UpstreamRequest};

/// The registry, with the connections that wait for their next request.
#[derive(Debug, Clone)]
pub struct Upstream(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    settings: UpstreamSettings,
    slots: FairSemaphore,
    /// For what is read from its files: each may hold one open for as long as its client takes.
    reads: FairSemaphore,
    budget: BufferBudget,
    failures: FailureLog,
    idle: Mutex<Vec<Idle>>,
    /// True if a task looks after those that are not used again.
    swept: AtomicBool,
}

#[derive(Debug)]
struct Idle {
    connection: Connection,
    /// The thread whose runtime watches it.
    thread: ThreadId,
    since: Instant,
}

/// The body of the registry's response, as it arrives. It keeps its slot until it has ended, and gives its connection
/// back then; dropped before, it closes it.
pub struct Incoming {
    upstream: Upstream,
    /// `None` once it has ended.
    under_way: Option<(Box<Transfer>, BudgetShare, Slot)>,
    chunk_size: ChunkSize,
}

/// The load on the registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UpstreamLoad {
    /// With it now; each has a connection of its own.
    pub requests: usize,
    /// Waiting for a slot (`limits.upstream_requests`).
    pub waiting: usize,
    /// Refused because they got none, since the settings of the registry last changed.
    pub refused: u64,
    /// Connections that are kept for the next requests.
    pub idle_connections: usize,
}

/// The most connections that are kept for reuse. More may be open: each request in flight has one.
const MAX_IDLE: usize = 256;
/// The interval between log lines about an outage that goes on.
const LOG_FAILURES_EVERY: Duration = Duration::from_secs(60);

impl Upstream {
    /// The registry at `settings.address`; connects when the first request comes.
    pub(crate) fn new(settings: UpstreamSettings, budget: BufferBudget) -> Self {
        let slots =
            FairSemaphore::new(settings.requests, "requests to the registry: limits.upstream_requests");
        let reads =
            FairSemaphore::new(settings.requests, "reads of registry.storage: limits.upstream_requests");
        let (idle, swept) = (Mutex::default(), AtomicBool::new(false));
        let failures = FailureLog::every(LOG_FAILURES_EVERY);
        Self(Arc::new(Inner { settings, slots, reads, budget, failures, idle, swept }))
    }

    /// Returns the address of the registry, as the configuration has it.
    pub fn address(&self) -> &UpstreamAddress {
        &self.0.settings.address
    }

    /// Returns the throttle for log lines about its failures.
    pub(super) fn failures(&self) -> &FailureLog {
        &self.0.failures
    }

    /// Returns its load.
    pub fn load(&self) -> UpstreamLoad {
        let slots = &self.0.slots;
        let idle = self.0.idle.lock();
        UpstreamLoad {
            requests: slots.taken(),
            waiting: slots.waiting(),
            refused: slots.refused(),
            idle_connections: idle.len(),
        }
    }

    /// The head of the registry's answer to `/v2/`, on a connection of its own.
    ///
    /// # Errors
    /// The registry is down, slow, or broken.
    pub async fn ping(&self) -> Result<(StatusCode, HeaderMap), UpstreamError> {
        let connection = self.connect().await?;
        let mut head = RequestHead::new(Method::Get, "/v2/");
        head.append_text(&header::HOST, "localhost");
        let request = head.with(RequestBody::empty());
        let progress = request.body.progress();
        let response = self.exchange(connection, request, &progress).await.map_err(|(error, _)| error)?;
        Ok((response.status(), response.headers().clone()))
    }

    /// A slot for a request of this client, waited for a short while.
    ///
    /// # Errors
    /// [`UpstreamError::Busy`].
    pub async fn slot(&self, client: Option<IpAddr>) -> Result<Slot, UpstreamError> {
        self.0.slots.take(client).await.map_err(|_| UpstreamError::Busy)
    }

    /// A slot for an answer to this client from the registry's files; `None` where it has as many as it may have.
    pub(super) fn read_slot(&self, client: Option<IpAddr>) -> Option<Slot> {
        self.0.reads.try_take(client)
    }

    /// Sends a client's request in its slot, and waits for the head of the response.
    ///
    /// A request that never left, or one without a body that met a connection the registry had just closed, is sent
    /// again on a new connection.
    ///
    /// # Errors
    /// The registry is down, slow, or broken, or the client's body ended early.
    pub(super) async fn send(
        &self,
        request: Box<UpstreamRequest>,
        slot: Slot,
    ) -> Result<Response<Incoming>, UpstreamError> {
        let share = self.0.budget.share();
        let response = self.send_now(request).await?;
        Ok(response.map(|transfer| {
            let mut incoming = Incoming {
                upstream: self.clone(),
                under_way: Some((transfer, share, slot)),
                chunk_size: ChunkSize::default(),
            };
            incoming.give_back_at_end();
            incoming
        }))
    }

    async fn send_now(
        &self,
        request: Box<UpstreamRequest>,
    ) -> Result<Response<Box<Transfer>>, UpstreamError> {
        let progress = request.body.progress();
        let Some(connection) = self.take_idle() else {
            return self
                .exchange(self.connect().await?, request, &progress)
                .await
                .map_err(|(error, _)| error);
        };
        match self.exchange(connection, request, &progress).await {
            Ok(answer) => Ok(answer),
            Err((UpstreamError::Broken(_), Some(request))) => {
                let connection = self.connect().await?;
                self.exchange(connection, request, &progress).await.map_err(|(error, _)| error)
            }
            Err((error, _)) => Err(error),
        }
    }

    /// One request on one connection; gives the request back where it may be sent again.
    async fn exchange(
        &self,
        connection: Connection,
        request: Box<UpstreamRequest>,
        progress: &Progress,
    ) -> Result<Response<Box<Transfer>>, (UpstreamError, Option<Box<UpstreamRequest>>)> {
        let sent = Instant::now();
        let mut answer = pin!(connection.exchange(request));
        loop {
            // While the body is on its way, it has limits of its own.
            let waits_since = if progress.ended() { progress.last().max(sent) } else { Instant::now() };
            let deadline = waits_since + self.0.settings.response_timeout;
            match within(deadline.saturating_duration_since(Instant::now()), answer.as_mut()).await {
                Some(answered) => return answered,
                None if progress.ended() && progress.last() <= waits_since => {
                    return Err((UpstreamError::ResponseTimeout, None));
                }
                None => {}
            }
        }
    }

    /// The connection that was used last on this thread, so that those beyond the need grow old and close.
    fn take_idle(&self) -> Option<Connection> {
        let here = thread::current().id();
        loop {
            let Idle { mut connection, since, .. } = {
                let mut idle = self.0.idle.lock();
                let position = idle.iter().rposition(|entry| entry.thread == here)?;
                idle.swap_remove(position)
            };
            if since.elapsed() < self.0.settings.idle_timeout && connection.is_open() {
                return Some(connection);
            }
        }
    }

    async fn connect(&self) -> Result<Connection, UpstreamError> {
        let settings = &self.0.settings;
        let connected = within(settings.connect_timeout, async {
            match &settings.address {
                UpstreamAddress::Tcp(authority) => {
                    let stream =
                        TcpStream::connect(authority.as_str()).await.map_err(UpstreamError::Connect)?;
                    stream.set_nodelay(true).map_err(UpstreamError::Connect)?;
                    Ok(self.connection(stream))
                }
                UpstreamAddress::Unix(path) => {
                    let stream = UnixStream::connect(path).await.map_err(UpstreamError::Connect)?;
                    Ok(self.connection(stream))
                }
            }
        });
        connected.await.unwrap_or(Err(UpstreamError::ConnectTimeout))
    }

    fn connection<I: connection::Io + 'static>(&self, io: I) -> Connection {
        Connection::new(Box::new(WriteDeadline::new(io, self.0.settings.idle_body)))
    }

    /// Keeps a connection for another request.
    fn keep(&self, connection: Connection) {
        let mut idle = self.0.idle.lock();
        if idle.len() < MAX_IDLE {
            idle.push(Idle { connection, thread: thread::current().id(), since: Instant::now() });
        }
        drop(idle);
        if !self.0.swept.swap(true, Ordering::Relaxed) {
            tokio::spawn(sweep(Arc::downgrade(&self.0), self.0.settings.idle_timeout));
        }
    }
}

impl Incoming {
    /// The next piece, or the trailers; `None` at the end.
    pub(super) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Some((transfer, ..)) = &mut self.under_way else { return Poll::Ready(None) };
        let piece = self.chunk_size.next(self.upstream.0.budget.piece());
        let frame = ready!(transfer.poll_frame(cx, piece));
        self.chunk_size.yielded();
        if let Some(Err(_)) = frame {
            self.under_way = None;
        }
        self.give_back_at_end();
        Poll::Ready(frame)
    }

    fn give_back_at_end(&mut self) {
        if !self.under_way.as_ref().is_some_and(|(transfer, ..)| transfer.is_done()) {
            return;
        }
        let connection = self.under_way.take().and_then(|(transfer, ..)| transfer.into_connection());
        if let Some(connection) = connection {
            self.upstream.keep(connection);
        }
    }

    /// Returns true if all of it was taken.
    pub(super) fn is_end_stream(&self) -> bool {
        self.under_way.is_none()
    }

    /// Returns whether all of it has come, taken or not.
    pub(super) fn is_here(&self) -> bool {
        self.under_way.as_ref().is_none_or(|(transfer, ..)| transfer.is_here())
    }

    /// Returns the length of the rest, where that is known.
    pub(super) fn size_hint(&self) -> SizeHint {
        let left = self.under_way.as_ref().map_or(Some(0), |(transfer, ..)| transfer.left());
        left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

impl Inner {
    /// Closes what is too old to be used again, or closed already.
    fn drop_old(&self, idle: &mut Vec<Idle>) {
        idle.retain_mut(|entry| {
            entry.since.elapsed() < self.settings.idle_timeout && entry.connection.is_open()
        });
    }
}

/// Closes idle connections in time also when no request comes; ends with the last of them.
async fn sweep(upstream: Weak<Inner>, every: Duration) {
    loop {
        tokio::time::sleep(every).await;
        let Some(inner) = upstream.upgrade() else { return };
        let mut idle = inner.idle.lock();
        inner.drop_old(&mut idle);
        if idle.is_empty() {
            inner.swept.store(false, Ordering::Relaxed);
            return;
        }
    }
}

/// The time after which a client is asked to try again.
pub(super) const RETRY_AFTER: Duration = Duration::from_secs(5);
