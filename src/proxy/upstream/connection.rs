//! A connection to the registry and the exchange on it: one request, one response, both bodies streamed, all in the
//! task of the caller. Nothing is spawned and nothing is queued between tasks, so that a piece of a body goes from one
//! socket to the other while the processor still has it at hand.

use std::{
    fmt,
    future::{Future, poll_fn},
    io,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, Waker, ready},
};

use bytes::{BufMut, Bytes, BytesMut};
use hyper::{Response, body::Frame};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

use super::{
    Broken, UpstreamError,
    decoder::Decoder,
    head::{self, Head},
    request::UpstreamRequest,
    sender::{SendError, Sender},
};
use crate::{
    proxy::body::request_body::{BodyError, Progress, RequestBody},
    registry::Method,
};

/// A connection that waits for its next request.
pub(super) struct Connection {
    io: Box<dyn Io>,
    /// Bytes that were read and belong to no response yet.
    buffer: BytesMut,
    /// True if it may have more room than a head needs.
    is_large: bool,
}

/// A TCP or Unix socket with a deadline for writing.
pub(super) trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<I: AsyncRead + AsyncWrite + Send + Unpin> Io for I {}

/// A response's body as it arrives, on the connection that it comes on. While it is read, what is left of the request's
/// body is sent.
pub(super) struct Transfer {
    connection: Connection,
    sender: Option<Sender>,
    decoder: Decoder,
    keep_alive: bool,
    request: Arc<Progress>,
}

/// Bytes of a head that are read at a time. Most answers fit, with their bodies.
const HEAD_PIECE: usize = 8 << 10;

impl Connection {
    pub(super) fn new(io: Box<dyn Io>) -> Self {
        Self { io, buffer: BytesMut::new(), is_large: false }
    }

    /// Returns true if the registry has neither closed it nor sent anything unrequested.
    pub(super) fn is_open(&mut self) -> bool {
        let mut byte = [0; 1];
        let read = Pin::new(&mut self.io)
            .poll_read(&mut Context::from_waker(Waker::noop()), &mut ReadBuf::new(&mut byte));
        self.buffer.is_empty() && read.is_pending()
    }

    /// Sends a request, and reads the head of its response.
    ///
    /// # Errors
    /// The connection broke, or the client's body did; with the request where it may be sent again: none of it has
    /// left, or repeating it is safe (RFC 9110 section 9.2.2) and it has no body to lose.
    pub(super) async fn exchange(
        mut self,
        request: Box<UpstreamRequest>,
    ) -> Result<Response<Box<Transfer>>, (UpstreamError, Option<Box<UpstreamRequest>>)> {
        let is_repeatable = request.is_repeatable();
        let UpstreamRequest { method, head, framing, body } = *request;
        let progress = body.progress();
        let mut sender = Some(Sender::new(head.clone(), body, framing));
        let answered = poll_fn(|cx| self.poll_answer(cx, &mut sender, method)).await;
        match answered {
            Ok(Head { status, headers, body: decoder, keep_alive }) => {
                let transfer = Transfer { connection: self, sender, decoder, keep_alive, request: progress };
                // Boxed, since it is moved many times before it is read.
                let mut response = Response::new(Box::new(transfer));
                *response.status_mut() = status;
                *response.headers_mut() = headers;
                Ok(response)
            }
            Err(error) => {
                let unsent = sender.and_then(Sender::into_unsent);
                let body = unsent.or_else(|| is_repeatable.then(RequestBody::empty));
                Err((error, body.map(|body| Box::new(UpstreamRequest { method, head, framing, body }))))
            }
        }
    }

    /// Sends what can be sent, and reads until the head of the response is there.
    fn poll_answer(
        &mut self,
        cx: &mut Context<'_>,
        sender: &mut Option<Sender>,
        method: Method,
    ) -> Poll<Result<Head, UpstreamError>> {
        let refused = match self.poll_send(cx, sender) {
            Poll::Ready(Err(SendError::Client(fault))) => {
                return Poll::Ready(Err(UpstreamError::Client(fault)));
            }
            Poll::Ready(Err(SendError::Registry(error))) => Some(error),
            _ => None,
        };
        loop {
            match head::read(&mut self.buffer, method) {
                Ok(Some(head)) => return Poll::Ready(Ok(head)),
                Ok(None) => {}
                Err(broken) => return Poll::Ready(Err(UpstreamError::Broken(broken))),
            }
            let read = match self.poll_fill(cx, HEAD_PIECE) {
                Poll::Ready(Ok(read)) if read > 0 => continue,
                Poll::Ready(read) => read,
                Poll::Pending if refused.is_none() => return Poll::Pending,
                Poll::Pending => Ok(0),
            };
            // A registry that takes no more of a request may have answered it before; only if not, that is the fault.
            let why = match (refused, read) {
                (Some(error), _) | (None, Err(error)) => Broken::Io(error),
                (None, Ok(_)) => Broken::Closed("before its answer"),
            };
            return Poll::Ready(Err(UpstreamError::Broken(why)));
        }
    }

    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        sender: &mut Option<Sender>,
    ) -> Poll<Result<(), SendError>> {
        let Some(sending) = sender else { return Poll::Ready(Ok(())) };
        ready!(sending.poll(cx, &mut self.io))?;
        *sender = None;
        Poll::Ready(Ok(()))
    }

    /// Reads at most `piece` bytes; 0 at the end.
    fn poll_fill(&mut self, cx: &mut Context<'_>, piece: usize) -> Poll<io::Result<usize>> {
        self.is_large |= piece > HEAD_PIECE;
        // The room of the last piece again, once that has been passed on.
        if !self.buffer.try_reclaim(piece) {
            let mut larger = BytesMut::with_capacity(self.buffer.len() + piece);
            larger.extend_from_slice(&self.buffer);
            self.buffer = larger;
        }
        let mut room = (&mut self.buffer).limit(piece);
        pin!(self.io.read_buf(&mut room)).poll(cx)
    }
}

impl Transfer {
    /// The next piece, at most so large; `None` at the end.
    pub(super) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
        piece: usize,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Poll::Ready(Err(error)) = self.connection.poll_send(cx, &mut self.sender) {
            self.sender = None;
            self.keep_alive = false;
            if let SendError::Client(_) = error {
                return Poll::Ready(Some(Err("the client went away in the middle of its request".into())));
            }
        }
        loop {
            match self.decoder.take(&mut self.connection.buffer) {
                Ok(Some(frame)) => return Poll::Ready(Some(Ok(frame))),
                Ok(None) if self.decoder.is_done() => return Poll::Ready(None),
                Ok(None) => {}
                Err(broken) => return Poll::Ready(Some(Err(broken.into()))),
            }
            let wanted = self.decoder.wanted(piece);
            match ready!(self.connection.poll_fill(cx, wanted)) {
                Ok(0) => {
                    if let Err(broken) = self.decoder.end() {
                        return Poll::Ready(Some(Err(broken.into())));
                    }
                }
                Ok(_) => {}
                Err(error) => return Poll::Ready(Some(Err(error.into()))),
            }
        }
    }

    /// Returns true if all of it was taken.
    pub(super) fn is_done(&self) -> bool {
        self.decoder.is_done()
    }

    /// Returns whether all that is left was read from the connection.
    pub(super) fn is_here(&self) -> bool {
        self.decoder.left().is_some_and(|left| left <= self.connection.buffer.len() as u64)
    }

    /// Returns the number of bytes left, where that is known.
    pub(super) fn left(&self) -> Option<u64> {
        self.decoder.left()
    }

    /// The connection, if another request may follow on it.
    pub(super) fn into_connection(self) -> Option<Connection> {
        let mut connection = self.connection;
        let is_over = self.sender.is_none() && self.request.ended() && self.decoder.is_done();
        if !is_over || !self.keep_alive || !connection.buffer.is_empty() {
            return None;
        }
        // One that waits holds no more than the next head needs.
        if connection.is_large {
            (connection.buffer, connection.is_large) = (BytesMut::new(), false);
        }
        Some(connection)
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connection")
    }
}
