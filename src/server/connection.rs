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
    head_guard::{HeadGuard, Verdict},
    lingering::Lingering,
    listener::Stream,
    stream_executor::{Delivery, StreamExecutor},
    tls::H2,
};
use crate::proxy::{BodyError, Peer, ResponseBody, Service, WriteDeadline};

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
    pub(super) async fn serve(self, stream: Stream, address: Option<SocketAddr>) {
        let _counted = self.service.telemetry().metrics.connected();
        let stream = Lingering::new(WriteDeadline::new(stream, self.limits.idle_body));
        let Some(config) = self.tls.current() else {
            return self.serve_http1(stream, Peer { address, tls: false }).await;
        };
        match timeout(self.limits.handshake_timeout, TlsAcceptor::from(config).accept(stream)).await {
            Ok(Ok(stream)) => {
                let peer = Peer { address, tls: true };
                if stream.get_ref().1.alpn_protocol() == Some(H2) {
                    self.serve_http2(stream, peer).await;
                } else {
                    self.serve_http1(stream, peer).await;
                }
            }
            Ok(Err(error)) => tracing::debug!(?address, %error, "a TLS handshake failed"),
            Err(_) => tracing::debug!(?address, "a TLS handshake took too long"),
        }
    }

    async fn serve_http1<I: AsyncRead + AsyncWrite + Unpin + Send + 'static>(self, stream: I, peer: Peer) {
        let guard = HeadGuard::new(stream, self.limits.header_timeout);
        let verdict = guard.verdict();
        let activity = Activity::new();
        let service = service_fn(|request| self.answer(request, peer, Some(&verdict), &activity));
        let connection = http1::Builder::new()
            // The head guard has the deadline for a head: hyper's also ends connections that are merely idle.
            .header_read_timeout(None)
            .max_header_size(usize::try_from(self.limits.header_bytes).unwrap_or(usize::MAX))
            .serve_connection(TokioIo::new(guard), service);
        self.drive(connection, &activity, http1::Connection::graceful_shutdown).await;
    }

    async fn serve_http2<I: AsyncRead + AsyncWrite + Unpin + Send + 'static>(self, stream: I, peer: Peer) {
        let activity = Activity::new();
        let (this, shared) = (self.clone(), activity.clone());
        let service = service_fn(move |request| {
            let (this, activity) = (this.clone(), shared.clone());
            async move { this.answer(request, peer, None, &activity).await }
        });
        let connection = http2::Builder::new(StreamExecutor { limit: self.limits.idle_body })
            .timer(TokioTimer::new())
            .max_concurrent_streams(self.limits.streams)
            .max_header_list_size(self.limits.header_bytes)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_send_buf_size(SEND_BUFFER)
            .keep_alive_interval(KEEP_ALIVE_INTERVAL)
            .serve_connection(TokioIo::new(stream), service);
        self.drive(connection, &activity, http2::Connection::graceful_shutdown).await;
    }

    /// Runs a connection until it ends by itself, is idle for too long, or the server stops.
    async fn drive<C, E>(&self, connection: C, activity: &Activity, shut_down: fn(std::pin::Pin<&mut C>))
    where
        C: Future<Output = Result<(), E>>,
        E: std::fmt::Display,
    {
        let mut connection = pin!(connection);
        let mut stop = self.stop.clone();
        let mut stopping = false;
        let mut ticks = interval_at(Instant::now() + IDLE_TICK, IDLE_TICK);
        loop {
            tokio::select! {
                ended = connection.as_mut() => {
                    if let Err(error) = ended {
                        tracing::debug!(%error, "a connection broke");
                    }
                    return;
                }
                _ = stop.wait_for(|stop| *stop), if !stopping => {
                    stopping = true;
                    shut_down(connection.as_mut());
                    ticks.reset_after(STOP_GRACE);
                }
                _ = ticks.tick() => {
                    // A connection that was told to stop ends by itself once all is written, which may take its
                    // client as long as a body may stand still. One that never had a request has nothing to write,
                    // and without its client's preface hyper would keep an HTTP/2 connection for ever.
                    let grace = if activity.was_used() { self.limits.idle_body } else { STOP_GRACE };
                    if stopping && activity.is_idle_for(grace) {
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
        request: Request<Incoming>,
        peer: Peer,
        verdict: Option<&Verdict>,
        activity: &Activity,
    ) -> Result<Response<InFlightBody>, Infallible> {
        let in_flight = activity.begin();
        let response = match verdict.and_then(Verdict::refused) {
            Some(why) => self.service.refuse_malformed(request, peer, why),
            None => self.service.respond(request, peer).await,
        };
        let delivery = Delivery::of_this_stream();
        // The head is data too: a client without room for it is not waited for either.
        delivery.client_turn();
        Ok(response.map(|body| InFlightBody { body, delivery, _in_flight: in_flight }))
    }
}

/// How long a connection that never had a request may take to end.
const STOP_GRACE: Duration = Duration::from_secs(1);
/// How often an idle connection is looked at.
const IDLE_TICK: Duration = Duration::from_secs(5);
/// HTTP/2 flow control: what one upload, and all on one connection, may send before we have forwarded it.
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 4 << 20;
/// What is buffered of one HTTP/2 download.
const SEND_BUFFER: usize = 128 << 10;
/// How often a silent HTTP/2 peer is asked whether it is still there.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(30);

/// A response's body that keeps its request counted while it goes out.
struct InFlightBody {
    body: ResponseBody,
    delivery: Delivery,
    _in_flight: InFlight,
}

impl Body for InFlightBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let polled = std::pin::Pin::new(&mut self.body).poll_frame(cx);
        match &polled {
            std::task::Poll::Ready(Some(Ok(_))) => self.delivery.client_turn(),
            _ => self.delivery.registry_turn(),
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
