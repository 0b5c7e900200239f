//! A response's body on its way to the client: a short text of ours, or the registry's as it arrives.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use http_body_util::Full;
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};

use super::{idle_timer::IdleTimer, request_body::BodyError, upstream::Lease};

/// A response's body: ours, or the registry's as it arrives.
pub enum ResponseBody {
    /// A short text of our own.
    Own(Full<Bytes>),
    /// The registry's.
    Upstream(UpstreamBody),
}

/// The registry's body on its way to the client. The connection it came on is given back once it has ended.
pub struct UpstreamBody {
    body: Incoming,
    idle: IdleTimer,
    lease: Option<Lease>,
}

impl UpstreamBody {
    /// Wraps the registry's body; `lease` is the connection it comes on.
    pub fn new(body: Incoming, idle: Duration, lease: Lease) -> Self {
        let mut wrapped = Self { body, idle: IdleTimer::new(idle), lease: Some(lease) };
        wrapped.give_back_at_end();
        wrapped
    }

    fn give_back_at_end(&mut self) {
        if self.body.is_end_stream()
            && let Some(lease) = self.lease.take()
        {
            lease.give_back();
        }
    }

    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) else {
            ready!(self.idle.poll(cx));
            return Poll::Ready(Some(Err("the registry's body stood still for too long".into())));
        };
        self.idle.reset();
        match &frame {
            Some(Ok(_)) => self.give_back_at_end(),
            Some(Err(_)) => self.lease = None,
            None => {
                if let Some(lease) = self.lease.take() {
                    lease.give_back();
                }
            }
        }
        Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
    }
}

impl From<String> for ResponseBody {
    fn from(text: String) -> Self {
        Self::Own(Full::new(text.into()))
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.get_mut() {
            Self::Own(body) => {
                Pin::new(body).poll_frame(cx).map(|frame| frame.map(|f| f.map_err(Into::into)))
            }
            Self::Upstream(body) => body.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Own(body) => body.is_end_stream(),
            Self::Upstream(body) => body.body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Own(body) => body.size_hint(),
            Self::Upstream(body) => body.body.size_hint(),
        }
    }
}
