//! The way to the registry: keep-alive HTTP/1.1 over TCP or a Unix socket.
//!
//! A connection carries one request at a time, and is given back only when both bodies have ended; whatever breaks
//! off closes it, so that the registry sees that the client has gone.

use std::{
    fmt,
    net::IpAddr,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use hyper::{
    Method, Request, Response, StatusCode, Uri,
    body::{Body, Incoming},
    client::conn::http1::{self, SendRequest},
    header::{self, HeaderValue},
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
    time::{Instant, timeout, timeout_at},
};

use super::{
    UpstreamAddress, UpstreamSettings, WriteDeadline,
    places::{Place, Places},
    request_body::{ClientFault, Progress, RequestBody},
};

/// The registry, with the connections that wait for their next request.
#[derive(Debug, Clone)]
pub struct Upstream(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    settings: UpstreamSettings,
    places: Places,
    idle: Mutex<Vec<Idle>>,
    /// Whether a task looks after those that nobody uses again.
    swept: AtomicBool,
}

#[derive(Debug)]
struct Idle {
    sender: SendRequest<RequestBody>,
    since: Instant,
}

/// A connection in use. Dropped, it closes once its request is over.
pub struct Lease {
    upstream: Upstream,
    sender: SendRequest<RequestBody>,
    request: Arc<Progress>,
    _place: Place,
}

/// How many requests are with the registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UpstreamLoad {
    /// With it now; each has a connection of its own.
    pub requests: usize,
    /// Waiting for a place (`limits.upstream_requests`).
    pub waiting: usize,
    /// Refused because they got none, since the settings of the registry last changed.
    pub refused: u64,
    /// Connections that are kept for the next requests.
    pub idle_connections: usize,
}

/// Why the registry did not answer.
#[derive(Debug)]
pub enum UpstreamError {
    /// It was not asked: too many requests are with it.
    Busy,
    /// No connection: it is down, or the address is wrong.
    Connect(std::io::Error),
    /// No connection in time.
    ConnectTimeout,
    /// No head of a response in time.
    ResponseTimeout,
    /// The connection broke, or what came is not HTTP.
    Broken(hyper::Error),
    /// The client's body ended early.
    Client(ClientFault),
}

/// The head of a response, the connection that its body comes on, and what became of the request's body.
type Answer = (Response<Incoming>, SendRequest<RequestBody>, Arc<Progress>);

/// The most connections that are kept for reuse. More may be open: each request in flight has one.
const MAX_IDLE: usize = 256;

/// What is read ahead of one response, so that a client that does not read costs little.
const READ_BUFFER: usize = 128 << 10;

impl Upstream {
    /// The registry at `settings.address`; connects when the first request comes.
    pub fn new(settings: UpstreamSettings) -> Self {
        let places = Places::new(settings.requests, "requests to the registry: limits.upstream_requests");
        Self(Arc::new(Inner { settings, places, idle: Mutex::default(), swept: AtomicBool::new(false) }))
    }

    /// Where the registry is, as the configuration has it.
    pub fn address(&self) -> &UpstreamAddress {
        &self.0.settings.address
    }

    /// How busy it is.
    pub fn load(&self) -> UpstreamLoad {
        let places = &self.0.places;
        let idle = self.0.idle.lock().unwrap_or_else(PoisonError::into_inner);
        UpstreamLoad {
            requests: places.taken(),
            waiting: places.waiting(),
            refused: places.refused(),
            idle_connections: idle.len(),
        }
    }

    /// The status of the registry's answer to `/v2/`, on a connection of its own.
    ///
    /// # Errors
    /// The registry is down, slow, or broken.
    pub async fn ping(&self) -> Result<StatusCode, UpstreamError> {
        let mut request = Request::new(RequestBody::empty());
        *request.uri_mut() = Uri::from_static("/v2/");
        request.headers_mut().insert(header::HOST, HeaderValue::from_static("localhost"));
        let progress = request.body().progress();
        let (response, ..) =
            self.exchange(self.connect().await?, request, progress).await.map_err(|(error, _)| error)?;
        Ok(response.status())
    }

    /// A place for a request of this client, waited for a short while.
    ///
    /// # Errors
    /// [`UpstreamError::Busy`].
    pub async fn place(&self, client: Option<IpAddr>) -> Result<Place, UpstreamError> {
        self.0.places.take(client).await.map_err(|_| UpstreamError::Busy)
    }

    /// Sends a client's request in its place, and waits for the head of the response. The lease belongs
    /// to the response's body.
    ///
    /// A request that never left, or one without a body that met a connection the registry had just closed, is sent
    /// again on a new connection.
    ///
    /// # Errors
    /// The registry is down, slow, or broken, or the client's body ended early.
    pub async fn send(
        &self,
        request: Request<RequestBody>,
        place: Place,
    ) -> Result<(Response<Incoming>, Lease), UpstreamError> {
        let (response, sender, request) = self.send_now(request).await?;
        Ok((response, Lease { upstream: self.clone(), sender, request, _place: place }))
    }

    async fn send_now(&self, request: Request<RequestBody>) -> Result<Answer, UpstreamError> {
        let progress = request.body().progress();
        let again = replay(&request);
        let Some(sender) = self.take_idle() else {
            return self.exchange(self.connect().await?, request, progress).await.map_err(|(error, _)| error);
        };
        match self.exchange(sender, request, Arc::clone(&progress)).await {
            Ok(answer) => Ok(answer),
            Err((error, unsent)) => match unsent.or(again) {
                Some(request) if matches!(error, UpstreamError::Broken(_)) => {
                    let sender = self.connect().await?;
                    self.exchange(sender, request, progress).await.map_err(|(error, _)| error)
                }
                _ => Err(error),
            },
        }
    }

    /// One request on one connection; gives the request back where it never left.
    async fn exchange(
        &self,
        mut sender: SendRequest<RequestBody>,
        request: Request<RequestBody>,
        progress: Arc<Progress>,
    ) -> Result<Answer, (UpstreamError, Option<Request<RequestBody>>)> {
        let sent = Instant::now();
        let mut answer = Box::pin(sender.try_send_request(request));
        let answered = loop {
            // While the body is on its way, it has limits of its own.
            let waits_since = if progress.ended() { progress.last().max(sent) } else { Instant::now() };
            let deadline = waits_since + self.0.settings.response_timeout;
            match timeout_at(deadline, &mut answer).await {
                Ok(answered) => break answered,
                Err(_) if progress.ended() && progress.last() <= waits_since => {
                    return Err((UpstreamError::ResponseTimeout, None));
                }
                Err(_) => {}
            }
        };
        drop(answer);
        match answered {
            Ok(response) => Ok((response, sender, progress)),
            Err(mut error) => {
                let unsent = error.take_message();
                let error = progress
                    .fault()
                    .map_or_else(|| UpstreamError::Broken(error.into_error()), UpstreamError::Client);
                Err((error, unsent))
            }
        }
    }

    /// The connection that was used last, so that those beyond the need grow old and close.
    fn take_idle(&self) -> Option<SendRequest<RequestBody>> {
        let mut idle = self.0.idle.lock().unwrap_or_else(PoisonError::into_inner);
        self.0.drop_old(&mut idle);
        let position = idle.iter().rposition(|entry| entry.sender.is_ready())?;
        Some(idle.remove(position).sender)
    }

    async fn connect(&self) -> Result<SendRequest<RequestBody>, UpstreamError> {
        let settings = &self.0.settings;
        let connected = timeout(settings.connect_timeout, async {
            match &settings.address {
                UpstreamAddress::Tcp(authority) => {
                    let stream =
                        TcpStream::connect(authority.as_str()).await.map_err(UpstreamError::Connect)?;
                    stream.set_nodelay(true).map_err(UpstreamError::Connect)?;
                    self.handshake(stream).await
                }
                UpstreamAddress::Unix(path) => {
                    let stream = UnixStream::connect(path).await.map_err(UpstreamError::Connect)?;
                    self.handshake(stream).await
                }
            }
        });
        connected.await.unwrap_or(Err(UpstreamError::ConnectTimeout))
    }

    async fn handshake<I>(&self, io: I) -> Result<SendRequest<RequestBody>, UpstreamError>
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let io = TokioIo::new(WriteDeadline::new(io, self.0.settings.idle_body));
        let connecting = http1::Builder::new().max_buf_size(READ_BUFFER).handshake(io);
        let (sender, connection) = connecting.await.map_err(UpstreamError::Broken)?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection to the registry ended");
            }
        });
        Ok(sender)
    }
}

impl Lease {
    /// Keeps the connection for another request, if the request's own body has ended too.
    pub fn give_back(self) {
        if !self.request.ended() || self.sender.is_closed() {
            return;
        }
        let mut idle = self.upstream.0.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < MAX_IDLE {
            idle.push(Idle { sender: self.sender, since: Instant::now() });
        }
        if !self.upstream.0.swept.swap(true, Ordering::Relaxed) {
            tokio::spawn(sweep(Arc::downgrade(&self.upstream.0), self.upstream.0.settings.idle_timeout));
        }
    }
}

impl Inner {
    /// Closes what is too old to be used again, or closed already.
    fn drop_old(&self, idle: &mut Vec<Idle>) {
        idle.retain(|entry| entry.since.elapsed() < self.settings.idle_timeout && !entry.sender.is_closed());
    }
}

/// Closes idle connections in time also when no request comes; ends with the last of them.
async fn sweep(upstream: Weak<Inner>, every: Duration) {
    loop {
        tokio::time::sleep(every).await;
        let Some(inner) = upstream.upgrade() else { return };
        let mut idle = inner.idle.lock().unwrap_or_else(PoisonError::into_inner);
        inner.drop_old(&mut idle);
        if idle.is_empty() {
            inner.swept.store(false, Ordering::Relaxed);
            return;
        }
    }
}

impl fmt::Display for UpstreamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Busy => f.write_str("too many requests are with it (limits.upstream_requests)"),
            Self::Connect(error) => write!(f, "cannot connect: {error}"),
            Self::ConnectTimeout => f.write_str("cannot connect in time (registry.connect_timeout)"),
            Self::ResponseTimeout => f.write_str("no response in time (registry.response_timeout)"),
            Self::Broken(error) => match std::error::Error::source(error) {
                Some(source) => write!(f, "{error}: {source}"),
                None => error.fmt(f),
            },
            Self::Client(ClientFault::Idle) => {
                f.write_str("the client's body stood still (limits.idle_body)")
            }
            Self::Client(ClientFault::Broken) => f.write_str("the client went away"),
        }
    }
}

impl std::error::Error for UpstreamError {}

/// The same request once more, where repeating it is safe (RFC 9110 section 9.2.2) and it has no body to lose.
fn replay(request: &Request<RequestBody>) -> Option<Request<RequestBody>> {
    let is_safe = matches!(*request.method(), Method::GET | Method::HEAD);
    if !is_safe || !request.body().is_end_stream() {
        return None;
    }
    let mut again = Request::new(RequestBody::empty());
    *again.method_mut() = request.method().clone();
    *again.uri_mut() = request.uri().clone();
    *again.headers_mut() = request.headers().clone();
    Some(again)
}

/// How long a client is asked to wait before it tries again.
pub(super) const RETRY_AFTER: Duration = Duration::from_secs(5);
