//! A client's body on its way to the registry: streamed with back-pressure, observed, and collected only where it is
//! small and must be known first.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use http_body_util::BodyExt;
use hyper::{
    Method,
    body::{Body, Bytes, Frame, Incoming, SizeHint},
    header,
    http::request::Parts,
};
use parking_lot::Mutex;
use tokio::time::{Instant, timeout};

use super::idle_timer::IdleTimer;
use crate::{
    proxy::Settings,
    registry::{ErrorCode, Refusal},
    telemetry::{Direction, Telemetry},
};

/// The error of a body that ends early.
pub type BodyError = Box<dyn std::error::Error + Send + Sync>;

/// Bounds on the time, and on the bytes, for which a refused upload is read on, so that the refusal reaches a client
/// that is still writing.
const DRAIN_TIME: Duration = Duration::from_secs(5);
const DRAIN_BYTES: usize = 64 << 20;

/// A client's body on its way to the registry.
///
/// It ends with an error when it stands still for too long. It may be dropped early, when Portwarden or the registry
/// refused. Then the rest is read and thrown away for a bounded while: an immediate close would reset the connection
/// and take the answer along (RFC 9112 section 9.6).
pub(crate) struct RequestBody {
    body: Option<Incoming>,
    /// Bytes that were collected, and are to be sent.
    held: Option<Bytes>,
    idle: IdleTimer,
    progress: Arc<Progress>,
    /// The client waits for `100 Continue`, which hyper sends when the body is first asked for.
    waits_to_send: bool,
    telemetry: Option<Arc<Telemetry>>,
}

/// The progress of a request's body, shared with the task that waits for the response.
#[derive(Debug)]
pub(crate) struct Progress {
    state: Mutex<ProgressState>,
    bytes: AtomicU64,
}

#[derive(Debug, Clone, Copy)]
struct ProgressState {
    last: Instant,
    ended: bool,
    fault: Option<ClientFault>,
}

/// The reason why a client's body ended early.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientFault {
    /// Nothing came for the whole of the idle limit.
    Idle,
    /// The connection or the framing broke.
    Broken,
}

impl Progress {
    fn new(ended: bool) -> Arc<Self> {
        let state = ProgressState { last: Instant::now(), ended, fault: None };
        Arc::new(Self { state: Mutex::new(state), bytes: AtomicU64::new(0) })
    }

    /// Returns the time at which the body last moved, or ended.
    pub(crate) fn last(&self) -> Instant {
        self.read().last
    }

    /// Returns true if the whole body was read.
    pub(crate) fn ended(&self) -> bool {
        self.read().ended
    }

    /// Returns the number of bytes that have come.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Returns the reason why the body ended early, if it is the client's doing.
    pub(crate) fn fault(&self) -> Option<ClientFault> {
        self.read().fault
    }

    fn read(&self) -> ProgressState {
        *self.state.lock()
    }

    fn update(&self, change: impl FnOnce(&mut ProgressState)) {
        let mut state = self.state.lock();
        state.last = Instant::now();
        change(&mut state);
    }
}

impl RequestBody {
    /// Wraps a client's body; `expects_continue` when the client waits for `100 Continue` before it sends it. Its bytes
    /// are counted as they come.
    pub(crate) fn new(
        body: Incoming,
        idle: Duration,
        expects_continue: bool,
        telemetry: Arc<Telemetry>,
    ) -> Self {
        let progress = Progress::new(body.is_end_stream());
        Self {
            body: Some(body),
            held: None,
            idle: IdleTimer::new(idle),
            progress,
            waits_to_send: expects_continue,
            telemetry: Some(telemetry),
        }
    }

    /// A body without bytes.
    pub(crate) fn empty() -> Self {
        let progress = Progress::new(true);
        let idle = IdleTimer::new(Duration::ZERO);
        Self { body: None, held: None, idle, progress, waits_to_send: false, telemetry: None }
    }

    /// A body of these bytes.
    pub(crate) fn of(bytes: Bytes) -> Self {
        let mut body = Self::empty();
        body.held = Some(bytes).filter(|bytes| !bytes.is_empty());
        body
    }

    /// Returns its progress.
    pub(crate) fn progress(&self) -> Arc<Progress> {
        Arc::clone(&self.progress)
    }

    fn count(&self, frame: &Frame<Bytes>) {
        let bytes = frame.data_ref().map_or(0, Bytes::len) as u64;
        self.progress.bytes.fetch_add(bytes, Ordering::Relaxed);
        if let Some(telemetry) = &self.telemetry {
            telemetry.metrics.moved(Direction::In, bytes);
        }
    }

    /// Reads the whole body, of at most `limit` bytes, so that it can be looked at: the bytes, and the same body to be sent.
    ///
    /// # Errors
    /// It is larger, stands still, or breaks off.
    pub(crate) async fn hold(self, limit: usize) -> Result<(Bytes, Self), Refusal> {
        let progress = self.progress();
        let bytes = self.collect(limit).await.ok_or_else(|| {
            let refuse = |code, why: String| Refusal::new(code, why).and_close();
            match progress.fault() {
                Some(ClientFault::Idle) => {
                    refuse(ErrorCode::Timeout, "the manifest took too long".to_owned())
                }
                Some(ClientFault::Broken) => {
                    refuse(ErrorCode::BadRequest, "the manifest broke off".to_owned())
                }
                None => refuse(ErrorCode::TooLarge, format!("the manifest has more than {limit} bytes")),
            }
        })?;
        let mut held = Self::of(bytes.clone());
        held.progress = progress;
        Ok((bytes, held))
    }

    /// Reads at most `limit` bytes: for our own small endpoints. `None` when there are more, or the body breaks off.
    pub(crate) async fn collect(self, limit: usize) -> Option<Bytes> {
        let collected = http_body_util::Limited::new(self, limit).collect().await.ok()?;
        Some(collected.to_bytes())
    }
}

impl RequestBody {
    /// The form of a request to one of Portwarden's own endpoints that may have one, as Go's `ParseForm`: POST, PUT and
    /// PATCH with a form's content type. `None` where there is none.
    ///
    /// # Errors
    /// It is too large (`limits.token_body`), stands still, breaks off, or is not UTF-8; or there is a body that is no
    /// form, whose sender would be answered as if it had not sent it.
    pub(crate) async fn form(self, head: &Parts, settings: &Settings) -> Result<Option<String>, Refusal> {
        let bytes = self.whole(settings).await?;
        if !has_form(head) {
            return if bytes.is_empty() { Ok(None) } else { Err(no_form(head)) };
        }
        String::from_utf8(bytes.into())
            .map(Some)
            .map_err(|_| Refusal::new(ErrorCode::BadRequest, "the form is not UTF-8"))
    }

    /// The bytes of a request to one of Portwarden's own endpoints.
    async fn whole(self, settings: &Settings) -> Result<Bytes, Refusal> {
        let refuse = |code, why| Refusal::new(code, why).and_close();
        let progress = self.progress();
        let collected = timeout(settings.idle_body, self.collect(settings.token_body)).await;
        match (collected, progress.fault()) {
            (Ok(Some(bytes)), _) => Ok(bytes),
            (Err(_), _) | (_, Some(ClientFault::Idle)) => {
                Err(refuse(ErrorCode::Timeout, "the token request took too long"))
            }
            (_, Some(ClientFault::Broken)) => {
                Err(refuse(ErrorCode::BadRequest, "the token request broke off"))
            }
            (Ok(None), None) => Err(refuse(ErrorCode::TooLarge, "the token request is too large")),
        }
    }
}

const FORM: &str = "application/x-www-form-urlencoded";

/// Returns whether the body of such a request is a form that Go reads.
fn has_form(head: &Parts) -> bool {
    let takes_form = [Method::POST, Method::PUT, Method::PATCH].contains(&head.method);
    let media_type = content_type(head).split(';').next().unwrap_or_default().trim();
    takes_form && media_type.eq_ignore_ascii_case(FORM)
}

fn content_type(head: &Parts) -> &str {
    head.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// The most letters of a client's content type that are said back.
const LONGEST_TYPE: usize = 60;

fn no_form(head: &Parts) -> Refusal {
    let sent = match content_type(head) {
        "" => "no Content-Type".to_owned(),
        sent => format!("the Content-Type {:?}", sent.chars().take(LONGEST_TYPE).collect::<String>()),
    };
    let why = format!(
        "expected a body only with POST and the Content-Type {FORM}, found {} with {sent}; with curl, write \
         --data-urlencode in place of -F or --json",
        head.method
    );
    Refusal::new(ErrorCode::UnsupportedMediaType, why)
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.waits_to_send = false;
        if let Some(bytes) = self.held.take() {
            return Poll::Ready(Some(Ok(Frame::data(bytes))));
        }
        let Some(body) = self.body.as_mut() else { return Poll::Ready(None) };
        let Poll::Ready(frame) = Pin::new(body).poll_frame(cx) else {
            ready!(self.idle.poll(cx));
            self.progress.update(|state| state.fault = Some(ClientFault::Idle));
            self.body = None;
            return Poll::Ready(Some(Err("the request body stood still for too long".into())));
        };
        self.idle.reset();
        match frame {
            Some(Ok(frame)) => {
                let ended = self.body.as_ref().is_some_and(Body::is_end_stream);
                self.progress.update(|state| state.ended = ended);
                self.count(&frame);
                Poll::Ready(Some(Ok(frame)))
            }
            Some(Err(error)) => {
                self.progress.update(|state| state.fault = Some(ClientFault::Broken));
                self.body = None;
                Poll::Ready(Some(Err(error.into())))
            }
            None => {
                self.progress.update(|state| state.ended = true);
                self.body = None;
                Poll::Ready(None)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.held.is_none() && self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let held = self.held.as_ref().map_or(0, Bytes::len) as u64;
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(held), Body::size_hint)
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        let Some(body) = self.body.take().filter(|body| !body.is_end_stream()) else { return };
        // A client that waits to send sends nothing once it is refused, and asking for it would be wrong.
        if let Ok(runtime) = tokio::runtime::Handle::try_current()
            && !self.waits_to_send
        {
            runtime.spawn(async move { tokio::time::timeout(DRAIN_TIME, drain(body)).await });
        }
    }
}

async fn drain(mut body: Incoming) {
    let mut left = DRAIN_BYTES;
    while let Some(Ok(frame)) = body.frame().await {
        left = left.saturating_sub(frame.data_ref().map_or(0, Bytes::len));
        if left == 0 {
            return;
        }
    }
}
