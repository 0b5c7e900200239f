//! One connection from its handshake to its end: protocol, limits, deadlines, and a graceful stop.

use std::{
    convert::Infallible,
    io,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use hyper::{
    Method, Request, Response,
    body::{Body, Bytes, Frame, Incoming, SizeHint},
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::{ServerConfig, ServerConnection};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::watch,
};
use tokio_rustls::{LazyConfigAcceptor, TlsAcceptor};

use super::{
    ConnectionLimits, Tls,
    activity::{Activity, RequestGuard},
    admission::ConnectionSlot,
    connection_driver::{ConnectionDriver, Ended},
    head_guard::{BadHead, HeadGuard, HeadSize, Verdict},
    listener::{Accepted, Stream},
    plain_http,
    stream_executor::{Delivery, StreamExecutor},
    tls::H2,
    tls_stream::{Backpressure, Output, TlsStream},
};
use crate::{
    acme::{ACME_TLS, Acme},
    authn::{ClientCertificate, Untrusted},
    limits::count_suppressed,
    net::{Deadline, Lingering, WriteDeadline},
    proxy::{BodyError, Peer, ResponseBody, Service},
    registry::ErrorCode,
};

/// The context that every connection needs.
#[derive(Clone)]
pub(super) struct Connections {
    pub(super) service: Arc<Service>,
    pub(super) tls: Arc<Tls>,
    pub(super) limits: Arc<ConnectionLimits>,
    pub(super) stop: watch::Receiver<bool>,
    /// On a port that only redirects to HTTPS: the port of that.
    pub(super) redirects_to: Option<u16>,
    /// Of one connection: the certificate that its client has shown.
    pub(super) certificate: Option<Arc<ClientCertificate>>,
}

impl Connections {
    /// The TLS that a new connection is to speak; `None` for plain HTTP.
    pub(super) fn tls(&self) -> Option<Arc<ServerConfig>> {
        self.tls.current().filter(|_| self.redirects_to.is_none())
    }

    /// Serves one connection until it ends.
    pub(super) async fn serve(self, accepted: Accepted, address: Option<SocketAddr>, slot: ConnectionSlot) {
        let _counted = self.service.telemetry().metrics.connected();
        let stream = match accepted.here() {
            Ok(stream) => stream,
            Err(error) => {
                tracing::debug!(?address, %error, "a connection broke before it began");
                return;
            }
        };
        let stream = stream.bounded(self.service.budget().clone());
        // State that only one of these needs is not kept while another is under way.
        let Some(config) = self.tls() else {
            let peer = Peer { address, tls: false };
            let stream = self.socket(stream);
            return Box::pin(self.serve_http1(stream, None::<Output<Socket>>, peer, &slot)).await;
        };
        let Some((io, session)) = Box::pin(self.shake_hands(config, stream, address, &slot)).await else {
            return;
        };
        // The handshake was all that the authority asked for (RFC 8737 section 3).
        if session.alpn_protocol() == Some(ACME_TLS) {
            return;
        }
        let peer = Peer { address, tls: true };
        let is_http2 = session.alpn_protocol() == Some(H2);
        // A resumed session has that of the one it resumes.
        let certificate = ClientCertificate::new(session.peer_certificates()).map(Arc::new);
        let this = Self { certificate, ..self };
        let (stream, output) = TlsStream::new(io, session, this.service.budget().clone());
        if is_http2 {
            Box::pin(this.serve_http2(stream, output, peer, &slot)).await;
        } else {
            Box::pin(this.serve_http1(stream, Some(output), peer, &slot)).await;
        }
    }

    /// `None` when it fails, takes too long, or the connection has to leave.
    async fn shake_hands(
        &self,
        config: Arc<ServerConfig>,
        stream: Stream,
        address: Option<SocketAddr>,
        slot: &ConnectionSlot,
    ) -> Option<(Socket, ServerConnection)> {
        tokio::select! {
            biased;
            accepted = self.accept_tls(config, stream) => match accepted {
                Ok(stream) => {
                    slot.activity.opened();
                    return Some(stream.into_inner());
                }
                Err(error) => self.handshake_failed(address, &error),
            },
            () = Deadline::after(self.limits.handshake_timeout) => {
                tracing::debug!(?address, "a TLS handshake took too long");
            }
            () = slot.asked_to_leave() => {}
        }
        None
    }

    /// A client certificate that is not trusted is a login that failed: there is no request to say so.
    fn handshake_failed(&self, address: Option<SocketAddr>, error: &io::Error) {
        let inner = error.get_ref().and_then(|error| error.downcast_ref::<rustls::Error>());
        let Some(error @ rustls::Error::InvalidCertificate(_)) = inner else {
            tracing::debug!(?address, %error, "a TLS handshake failed");
            return;
        };
        self.service.telemetry().metrics.login("failed");
        if let Some(suppressed) = self.tls.refused_certificates().due("certificate", Instant::now()) {
            let (why, suppressed) = (Untrusted::from(error), count_suppressed(suppressed));
            tracing::info!(?address, suppressed, "a client certificate is refused: it {why}");
        }
    }

    async fn accept_tls(
        &self,
        config: Arc<ServerConfig>,
        stream: Stream,
    ) -> io::Result<tokio_rustls::server::TlsStream<Socket>> {
        let is_plain = stream.begins_as_http().await?;
        let stream = self.socket(stream);
        if is_plain {
            plain_http::refuse(stream).await?;
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the client speaks plain HTTP"));
        }
        match self.tls.acme().filter(|acme| acme.awaits_handshake()) {
            Some(acme) => accept_challenge(acme, config, stream).await,
            None => TlsAcceptor::from(config).accept(stream).await,
        }
    }

    fn socket(&self, stream: Stream) -> Socket {
        Lingering::new(WriteDeadline::new(stream, self.limits.idle_body))
    }

    fn head_size(&self) -> HeadSize {
        HeadSize {
            bytes: usize::try_from(self.limits.header_bytes).unwrap_or(usize::MAX),
            headers: usize::try_from(self.limits.header_count).unwrap_or(usize::MAX).saturating_mul(2),
        }
    }

    async fn serve_http1<I, O>(&self, stream: I, output: Option<Output<O>>, peer: Peer, slot: &ConnectionSlot)
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        O: AsyncRead + AsyncWrite + Unpin,
    {
        let size = self.head_size();
        let mut guard = HeadGuard::new(stream, self.limits.header_timeout, size);
        let verdict = guard.verdict();
        let pressure = output.as_ref().map(Output::pressure);
        // A journey is large, and bodies outlast it.
        let answer =
            |request| Box::pin(self.answer(request, peer, &verdict, &slot.activity, pressure.clone()));
        let mut builder = http1::Builder::new();
        builder
            // The head guard has the deadline for a head: hyper's also ends connections that are merely idle.
            .header_read_timeout(None)
            // Beyond Portwarden's limits, so that its own answer says which one it was; further beyond, hyper answers
            // 431 without a word. With more than a hundred headers it would allocate room for each request.
            .max_headers(size.headers)
            .max_header_size(size.bytes.saturating_mul(2))
            .max_buf_size(size.bytes.saturating_mul(4).max(READ_BUFFER));
        let drive = ConnectionDriver {
            stop: &self.stop,
            limits: &self.limits,
            slot,
            output: output.as_ref(),
            http2_heads: None,
        };
        loop {
            let connection = Box::pin(builder.serve_connection(TokioIo::new(&mut guard), service_fn(answer)));
            let ended = drive.run(connection, http1::Connection::graceful_shutdown, Some(&verdict)).await;
            if ended != Ended::Idle || !drive.rest().await {
                return;
            }
        }
    }

    async fn serve_http2<I: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
        &self,
        stream: TlsStream<I>,
        output: Output<I>,
        peer: Peer,
        slot: &ConnectionSlot,
    ) {
        let stream = HeadGuard::http2(stream, self.head_size());
        let verdict = stream.verdict();
        let shared = (self.clone(), slot.activity.clone(), verdict.clone());
        let service = service_fn(move |request| {
            let (this, activity, verdict) = shared.clone();
            async move { this.answer(request, peer, &verdict, &activity, None).await }
        });
        let connection = http2::Builder::new(StreamExecutor { limit: self.limits.idle_body })
            .timer(TokioTimer::new())
            .max_concurrent_streams(self.limits.streams)
            .max_header_list_size(self.limits.header_bytes)
            .initial_stream_window_size(STREAM_WINDOW)
            .max_frame_size(FRAME)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_send_buf_size(SEND_BUFFER)
            .max_pending_accept_reset_streams(usize::try_from(self.limits.streams).unwrap_or(usize::MAX))
            .max_local_error_reset_streams(ERROR_RESETS)
            .keep_alive_interval(KEEP_ALIVE_INTERVAL)
            .serve_connection(TokioIo::new(stream), service);
        let (output, http2_heads) = (Some(&output), Some(&verdict));
        let drive = ConnectionDriver { stop: &self.stop, limits: &self.limits, slot, output, http2_heads };
        drive.run(Box::pin(connection), http2::Connection::graceful_shutdown, None).await;
    }

    async fn answer(
        &self,
        mut request: Request<Incoming>,
        peer: Peer,
        verdict: &Verdict,
        activity: &Activity,
        pressure: Option<Backpressure>,
    ) -> Result<Response<InFlightBody>, Infallible> {
        let in_flight = activity.begin();
        if let Some(certificate) = &self.certificate {
            request.extensions_mut().insert(Arc::clone(certificate));
        }
        let response = match verdict.refused() {
            Some(BadHead::Malformed(why)) => {
                self.service.refuse_head(request, peer, ErrorCode::BadRequest, why)
            }
            Some(BadHead::TooLarge) => {
                let why = "the head of the request is larger than limits.header_bytes";
                self.service.refuse_head(request, peer, ErrorCode::HeadTooLarge, why)
            }
            None if request.headers().len() > self.limits.header_count as usize => {
                let why = "the request has more headers than limits.header_count";
                self.service.refuse_head(request, peer, ErrorCode::HeadTooLarge, why)
            }
            None => match self.redirects_to {
                Some(port) => {
                    let acme = self.tls.acme().filter(|_| *request.method() == Method::GET);
                    let answer = match acme {
                        Some(acme) => acme.challenge_answer(request.uri().path()).await,
                        None => None,
                    };
                    match answer {
                        Some(answer) => self.service.answer_challenge(request, peer, answer),
                        None => self.service.redirect(request, peer, port),
                    }
                }
                // Boxed: each move of a future copies all the room that it reserves.
                None => Box::pin(self.service.respond(request, peer, activity.at_registry())).await,
            },
        };
        let delivery = Delivery::of_this_stream();
        // The head is data too: a client without room for it is not waited for either.
        delivery.client_turn();
        Ok(response.map(|body| InFlightBody { body, delivery, in_flight, pressure }))
    }
}

/// While an authority may ask for a challenge: looks at the head of the handshake first. Any other client gets `usual`.
async fn accept_challenge(
    acme: &Acme,
    usual: Arc<ServerConfig>,
    stream: Socket,
) -> io::Result<tokio_rustls::server::TlsStream<Socket>> {
    let start = LazyConfigAcceptor::new(rustls::server::Acceptor::default(), stream).await?;
    let hello = start.client_hello();
    let protocols: Vec<&[u8]> = hello.alpn().into_iter().flatten().collect();
    let challenge = acme.challenge_tls(hello.server_name(), &protocols).await;
    start.into_stream(challenge.unwrap_or(usual)).await
}

/// A client's socket, which lingers at its end and is not waited for without end.
type Socket = Lingering<WriteDeadline<Stream>>;

/// Bytes that are read ahead of one upload, and written behind one download, on HTTP/1.1.
const READ_BUFFER: usize = 256 << 10;
/// The largest frame of an upload over HTTP/2.
const FRAME: u32 = 64 << 10;
/// HTTP/2 flow control: the bytes that one upload, and all on one connection, may send before they are forwarded.
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 4 << 20;
/// Bytes that are buffered of one HTTP/2 download.
const SEND_BUFFER: usize = 128 << 10;
/// HTTP/2 streams that are reset because of their input (malformed heads, data for streams that are gone): with more of
/// them the connection ends. h2's own bound is 1024; no real client needs so many. Streams that their client resets are
/// bounded by `limits.streams` before they are looked at, and then counted by `activity`: h2's own 20 would end the
/// connection of a client that is interrupted. Continuation frames and empty frames are bounded by h2, which has no
/// settings for them.
const ERROR_RESETS: usize = 128;
/// The interval between pings to a silent HTTP/2 peer.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(30);

/// A response's body that keeps its request counted while it goes out.
struct InFlightBody {
    body: ResponseBody,
    delivery: Delivery,
    in_flight: RequestGuard,
    /// The pressure of an HTTP/1.1 connection: bytes that the client has no room for are not read from the registry.
    /// HTTP/2 has windows.
    pressure: Option<Backpressure>,
}

/// A body that is empty, or whose length is known, is dropped once it has given all, without being asked for more.
impl Drop for InFlightBody {
    fn drop(&mut self) {
        if self.body.is_end_stream() {
            self.in_flight.answered();
        }
    }
}

impl Body for InFlightBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.pressure.as_ref().is_some_and(|pressure| !pressure.has_room()) {
            return std::task::Poll::Pending;
        }
        let polled = std::pin::Pin::new(&mut self.body).poll_frame(cx);
        match &polled {
            std::task::Poll::Ready(Some(Ok(frame))) => {
                if let (Some(pressure), Some(data)) = (&self.pressure, frame.data_ref()) {
                    pressure.gave(data.len());
                }
                self.delivery.client_turn();
            }
            std::task::Poll::Pending => self.delivery.registry_turn(),
            std::task::Poll::Ready(_) => {
                self.delivery.registry_turn();
                // The end, or the registry's fault: in no case the client's.
                self.in_flight.answered();
            }
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
