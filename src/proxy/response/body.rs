//! A response's body on its way to the client: a short text of Portwarden, or the registry's as it arrives.

use std::{
    future::Future as _,
    pin::Pin,
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use http_body_util::Full;
use hyper::{
    StatusCode,
    body::{Body, Bytes, Frame, SizeHint},
};
use tokio::time::{Sleep, sleep};

use super::arriving::Arriving;
use crate::{
    limits::Slot,
    proxy::{
        body::{idle_timer::IdleTimer, request_body::BodyError},
        request_log::RequestLog,
    },
    telemetry::Ended,
};

/// A response's body: Portwarden's own, or the registry's as it arrives. While it goes out its request is observed.
pub struct ResponseBody {
    bytes: Source,
    log: Option<Box<RequestLog>>,
    /// Given back when it has gone out.
    slot: Option<Slot>,
}

enum Source {
    /// A short text of our own.
    Own(Full<Bytes>),
    /// The registry's.
    Upstream(Box<UpstreamBody>),
}

/// The registry's body on its way to the client.
///
/// The status always arrives, also where the registry announces another length than it sends (registry 2.8 does with
/// 416) or breaks off.
pub struct UpstreamBody {
    body: Arriving,
    idle: IdleTimer,
    /// True if it belongs to an error or a redirect: a text that explains the status, of which whatever comes is all.
    is_aside: bool,
    /// The reason why it is not whole, and the time at which the client's connection is broken off for that.
    broken: Option<(BodyError, Pin<Box<Sleep>>)>,
}

/// The delay before a client's connection is broken off after the registry's: earlier answers have to go out.
const BREAK_OFF_AFTER: Duration = Duration::from_millis(50);

impl UpstreamBody {
    /// Wraps the registry's body, which may stand still for `idle`.
    pub fn new(body: impl Into<Arriving>, status: StatusCode, idle: Duration) -> Self {
        Self { body: body.into(), idle: IdleTimer::new(idle), is_aside: !status.is_success(), broken: None }
    }

    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.broken.is_none() {
            match ready!(self.poll_body(cx)) {
                Some(Err(_)) if self.is_aside => return Poll::Ready(None),
                Some(Err(error)) => self.broken = Some((error, Box::pin(sleep(BREAK_OFF_AFTER)))),
                frame => return Poll::Ready(frame),
            }
        }
        if let Some((_, until)) = &mut self.broken {
            ready!(until.as_mut().poll(cx));
        }
        Poll::Ready(self.broken.take().map(|(error, _)| Err(error)))
    }

    fn is_end_stream(&self) -> bool {
        self.broken.is_none() && self.body.is_end_stream()
    }

    /// The length of an aside is announced only where all of it is there.
    fn size_hint(&self) -> SizeHint {
        let is_unknown = self.broken.is_some() || (self.is_aside && !self.body.is_here());
        if is_unknown { SizeHint::default() } else { self.body.size_hint() }
    }

    fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Poll::Ready(frame) = self.body.poll_frame(cx) else {
            ready!(self.idle.poll(cx));
            return Poll::Ready(Some(Err("the registry's body stood still for too long".into())));
        };
        self.idle.reset();
        Poll::Ready(frame)
    }
}

impl ResponseBody {
    /// The registry's body.
    pub fn upstream(body: UpstreamBody) -> Self {
        Self { bytes: Source::Upstream(Box::new(body)), log: None, slot: None }
    }

    /// The length of a text of our own; `None` for what comes from the registry.
    pub fn own_length(&self) -> Option<u64> {
        match &self.bytes {
            Source::Own(text) => text.size_hint().exact(),
            Source::Upstream(_) => None,
        }
    }

    /// Puts another text in the place of one of our own, if `with` has one; returns true if it has.
    pub(crate) fn replace_own(&mut self, with: impl FnOnce(&Bytes) -> Option<Bytes>) -> bool {
        let Source::Own(text) = &mut self.bytes else { return false };
        let mut cx = Context::from_waker(Waker::noop());
        // All of a text of our own is here from the start.
        let Poll::Ready(Some(Ok(frame))) = Pin::new(&mut *text).poll_frame(&mut cx) else { return false };
        let old = frame.into_data().unwrap_or_default();
        let new = with(&old);
        let is_replaced = new.is_some();
        *text = Full::new(new.unwrap_or(old));
        is_replaced
    }

    /// Keeps a slot for as long as it goes out.
    pub(crate) fn keep(&mut self, slot: Slot) {
        self.slot = Some(slot);
    }

    /// Tells the observer of the request how it goes out, and when it has.
    pub fn observe(&mut self, mut log: Box<RequestLog>) {
        if self.is_end_stream() {
            log.end(Ended::Complete);
        }
        self.log = Some(log);
    }
}

impl From<String> for ResponseBody {
    fn from(text: String) -> Self {
        Self { bytes: Source::Own(Full::new(text.into())), log: None, slot: None }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        let frame = ready!(match &mut this.bytes {
            Source::Own(body) =>
                Pin::new(body).poll_frame(cx).map(|frame| frame.map(|f| f.map_err(Into::into))),
            Source::Upstream(body) => body.poll_frame(cx),
        });
        // hyper asks no more once a body says that it has ended.
        let ended = this.is_end_stream();
        if let Some(log) = &mut this.log {
            match &frame {
                Some(Ok(frame)) => log.sent_out(frame.data_ref().map_or(0, Bytes::len)),
                Some(Err(_)) => log.end(Ended::UpstreamLost),
                None => log.end(Ended::Complete),
            }
            if ended && matches!(frame, Some(Ok(_))) {
                log.end(Ended::Complete);
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        match &self.bytes {
            Source::Own(body) => body.is_end_stream(),
            Source::Upstream(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.bytes {
            Source::Own(body) => body.size_hint(),
            Source::Upstream(body) => body.size_hint(),
        }
    }
}
