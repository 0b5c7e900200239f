//! One connection from its handshake to its end: protocol, limits, deadlines, and a graceful stop.

use std::{convert::Infallible, future::Future, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use hyper::{
    Request, Response,
    body::{Body, Bytes, Frame, Incoming, SizeHint},
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::watch,
    time::{Instant, interval_at, timeout},
};
use tokio_rustls::TlsAcceptor;

use super::{
    Limits, Tls,
    activity::{Activity, InFlight},
    admission::Place,
    head_guard::{BadHead, HeadGuard, HeadSize, Verdict},
    lingering::Lingering,
    listener::{Accepted, Stream},
    stream_executor::{Delivery, StreamExecutor},
    tls::H2,
    tls_stream::{Output, Pressure, TlsStream},
};
use crate::{
    proxy::{BodyError, Peer, ResponseBody, Service, WriteDeadline},
    registry::ErrorCode,
};

/// What every connection needs.
#[derive(Clone)]
pub(super) struct Connections {
    pub(super) service: Arc<Service>,
    pub(super) tls: Arc<Tls>,
    pub(super) limits: Arc<Limits>,
    pub(super) stop: watch::Receiver<bool>,
}

impl Connections {
    /// Serves one connection until it ends.
    pub(super) async fn serve(self, accepted: Accepted, address: Option<SocketAddr>, place: Place) {
        let _counted = self.service.telemetry().metrics.connected();
        let stream = match accepted.here() {
            Ok(stream) => stream,
            Err(error) => {
                tracing::debug!(?address, %error, "a connection broke before it began");
                return;
            }
        };
        let stream = Lingering::new(WriteDeadline::new(stream, self.limits.idle_body));
        let Some(config) = self.tls.current() else {
            let peer = Peer { address, tls: false };
            return self.serve_http1(stream, None::<Output<Socket>>, peer, &place).await;
        };
        let accepted = tokio::select! {
            accepted = timeout(self.limits.handshake_timeout, TlsAcceptor::from(config).accept(stream)) => accepted,
            () = place.asked_to_leave() => return,
        };
        match accepted {
            Ok(Ok(stream)) => {
                let peer = Peer { address, tls: true };
                let (io, session) = stream.into_inner();
                let is_http2 = session.alpn_protocol() == Some(H2);
                let (stream, output) = TlsStream::new(io, session, self.service.allowance().clone());
                if is_http2 {
                    self.serve_http2(stream, output, peer, &place).await;
                } else {
                    self.serve_http1(stream, Some(output), peer, &place).await;
                }
            }
            Ok(Err(error)) => tracing::debug!(?address, %error, "a TLS handshake failed"),
            Err(_) => tracing::debug!(?address, "a TLS handshake took too long"),
        }
    }

    async fn serve_http1<I, O>(self, stream: I, output: Option<Output<O>>, peer: Peer, place: &Place)
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        O: AsyncRead + AsyncWrite + Unpin,
    {
        let size = HeadSize {
            bytes: usize::try_from(self.limits.header_bytes).unwrap_or(usize::MAX),
            headers: usize::try_from(self.limits.header_count).unwrap_or(usize::MAX).saturating_mul(2),
        };
        let guard = HeadGuard::new(stream, self.limits.header_timeout, size);
        let verdict = guard.verdict();
        let pressure = output.as_ref().map(Output::pressure);
        let service = service_fn(|request| {
            self.answer(request, peer, Some(&verdict), &place.activity, pressure.clone())
        });
        let connection = http1::Builder::new()
            // The head guard has the deadline for a head: hyper's also ends connections that are merely idle.
            .header_read_timeout(None)
            // Beyond our own limits, so that the answer is ours and says which one it was; further beyond, hyper
            // answers 431 without a word.
            .max_headers(size.headers)
            .max_header_size(size.bytes.saturating_mul(2))
            .max_buf_size(size.bytes.saturating_mul(4).max(READ_BUFFER))
            .serve_connection(TokioIo::new(guard), service);
        self.drive(connection, output, place, http1::Connection::graceful_shutdown).await;
    }

    async fn serve_http2<I: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
        self,
        stream: TlsStream<I>,
        output: Output<I>,
        peer: Peer,
        place: &Place,
    ) {
        let (this, shared) = (self.clone(), place.activity.clone());
        let service = service_fn(move |request| {
            let (this, activity) = (this.clone(), shared.clone());
            async move { this.answer(request, peer, None, &activity, None).await }
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
        self.drive(connection, Some(output), place, http2::Connection::graceful_shutdown).await;
    }

    /// Runs a connection until it ends by itself, is idle for too long, makes room for another, or the server stops.
    async fn drive<C, E, O>(
        &self,
        connection: C,
        output: Option<Output<O>>,
        place: &Place,
        shut_down: fn(std::pin::Pin<&mut C>),
    ) where
        C: Future<Output = Result<(), E>>,
        E: std::fmt::Display,
        O: AsyncRead + AsyncWrite + Unpin,
    {
        let mut connection = pin!(connection);
        let mut stop = self.stop.clone();
        let mut stopping = false;
        let activity = &place.activity;
        // A connection that was told to stop ends by itself once all is written, which may take its client as long as a
        // body may stand still.
        let grace = self.limits.idle_body;
        let mut leaving = false;
        let mut ticks = interval_at(Instant::now() + IDLE_TICK, IDLE_TICK);
        loop {
            tokio::select! {
                ended = run(connection.as_mut(), output.as_ref()) => {
                    if let Some(Err(error)) = ended {
                        tracing::debug!(%error, "a connection broke");
                    }
                    return;
                }
                _ = stop.wait_for(|stop| *stop), if !stopping => {
                    stopping = true;
                    shut_down(connection.as_mut());
                    ticks.reset_after(STOP_GRACE);
                }
                () = place.floods() => {
                    tracing::debug!("a client gives up too many of its requests: its connection is closed");
                    return;
                }
                () = place.asked_to_leave(), if !stopping => {
                    (stopping, leaving) = (true, true);
                    shut_down(connection.as_mut());
                    ticks.reset_after(STOP_GRACE);
                }
                _ = ticks.tick() => {
                    // One that never had a request has nothing to write, and without its client's preface hyper would
                    // keep an HTTP/2 connection for ever.
                    let grace = if activity.was_used() { grace } else { STOP_GRACE };
                    if stopping && activity.is_idle_for(grace) || leaving && activity.is_expendable_for(LEAVE_GRACE) {
                        return;
                    }
                    if activity.is_idle_for(self.limits.idle_timeout) {
                        stopping = true;
                        shut_down(connection.as_mut());
                        ticks.reset_after(STOP_GRACE);
                    }
                }
            }
        }
    }

    async fn answer(
        &self,
        mut request: Request<Incoming>,
        peer: Peer,
        verdict: Option<&Verdict>,
        activity: &Activity,
        pressure: Option<Pressure>,
    ) -> Result<Response<InFlightBody>, Infallible> {
        let in_flight = activity.begin();
        request.extensions_mut().insert(activity.at_registry().clone());
        let response = match verdict.and_then(Verdict::refused) {
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
            None => self.service.respond(request, peer).await,
        };
        let delivery = Delivery::of_this_stream();
        // The head is data too: a client without room for it is not waited for either.
        delivery.client_turn();
        Ok(response.map(|body| InFlightBody { body, delivery, in_flight, pressure }))
    }
}

/// A client's socket, which lingers at its end and is not waited for without end.
type Socket = Lingering<WriteDeadline<Stream>>;

/// Runs a connection with what it has to send; `None` when that cannot be sent.
async fn run<C: Future, O: AsyncRead + AsyncWrite + Unpin>(
    connection: std::pin::Pin<&mut C>,
    output: Option<&Output<O>>,
) -> Option<C::Output> {
    match output {
        Some(output) => output.drive(connection).await,
        None => Some(connection.await),
    }
}

/// What is read ahead of one upload, and written behind one download, on HTTP/1.1.
const READ_BUFFER: usize = 256 << 10;
/// How long a connection that never had a request may take to end.
const STOP_GRACE: Duration = Duration::from_secs(1);
/// How long after its last request a connection that is to make room may take to end what is not with the registry.
const LEAVE_GRACE: Duration = Duration::from_secs(10);
/// How often an idle connection is looked at.
const IDLE_TICK: Duration = Duration::from_secs(5);
/// HTTP/2 flow control: what one upload, and all on one connection, may send before we have forwarded it.
/// The largest frame of an upload.
const FRAME: u32 = 64 << 10;
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 4 << 20;
/// What is buffered of one HTTP/2 download.
const SEND_BUFFER: usize = 128 << 10;
/// HTTP/2 streams that are reset because of what came on them (malformed heads, data for streams that are gone): with more of
/// them the connection ends. h2's own bound is 1024; nobody needs so many. Those that their client resets are bounded
/// before they are looked at by `limits.streams` (h2's own 20 would end the connection of a client that is interrupted),
/// and then counted by `activity`; continuation frames and empty frames by h2, which has no settings for them.
const ERROR_RESETS: usize = 128;
/// How often a silent HTTP/2 peer is asked whether it is still there.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(30);

/// A response's body that keeps its request counted while it goes out.
struct InFlightBody {
    body: ResponseBody,
    delivery: Delivery,
    in_flight: InFlight,
    /// That of an HTTP/1.1 connection: what the client has no room for is not read from the registry. HTTP/2 has windows.
    pressure: Option<Pressure>,
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
        if self.pressure.as_ref().is_some_and(Pressure::is_on) {
            // Who drives the connection asks again once there is room.
            return std::task::Poll::Pending;
        }
        let polled = std::pin::Pin::new(&mut self.body).poll_frame(cx);
        match &polled {
            std::task::Poll::Ready(Some(Ok(_))) => self.delivery.client_turn(),
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
