//! A request on its way out: the head, then the body as it comes, in as few writes as it allows.

use std::{
    collections::VecDeque,
    io::{self, IoSlice},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use hyper::body::Body;
use tokio::io::AsyncWrite;

use super::request::Framing;
use crate::proxy::body::request_body::{ClientFault, Progress, RequestBody};

/// The rest of a request that is still to be sent.
pub(super) struct Sender {
    /// `None` once it has ended.
    body: Option<RequestBody>,
    framing: Framing,
    queue: VecDeque<Bytes>,
    queued: usize,
    /// Nothing of it has left, nor was anything taken from the body.
    untouched: bool,
    progress: Arc<Progress>,
}

/// The reason why a request could not be sent.
#[derive(Debug)]
pub(super) enum SendError {
    /// The client's body ended early.
    Client(ClientFault),
    /// The registry takes no more.
    Registry(io::Error),
}

/// Bytes of a body that are gathered for one write.
const GATHERED: usize = 256 << 10;
/// The most pieces in one write.
const SLICES: usize = 64;

impl Sender {
    pub(super) fn new(head: Bytes, body: RequestBody, framing: Framing) -> Self {
        let progress = body.progress();
        let queued = head.len();
        let queue = VecDeque::from([head]);
        let body = Some(body);
        Self { body, framing, queue, queued, untouched: true, progress }
    }

    /// The body, if nothing has become of it.
    pub(super) fn into_unsent(self) -> Option<RequestBody> {
        self.body.filter(|_| self.untouched)
    }

    /// Sends until all is sent, or the registry takes no more for now, or the client has no more for now.
    pub(super) fn poll<I: AsyncWrite + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        io: &mut I,
    ) -> Poll<Result<(), SendError>> {
        loop {
            self.gather(cx).map_err(SendError::Client)?;
            if self.queue.is_empty() {
                return if self.body.is_none() { Poll::Ready(Ok(())) } else { Poll::Pending };
            }
            let mut slices = [IoSlice::new(&[]); SLICES];
            for (slice, piece) in slices.iter_mut().zip(&self.queue) {
                *slice = IoSlice::new(piece);
            }
            let slices = slices.get(..self.queue.len()).unwrap_or(&slices);
            let written = ready!(Pin::new(&mut *io).poll_write_vectored(cx, slices));
            match written {
                Ok(0) => return Poll::Ready(Err(SendError::Registry(io::ErrorKind::WriteZero.into()))),
                Ok(written) => self.advance(written),
                Err(error) => return Poll::Ready(Err(SendError::Registry(error))),
            }
        }
    }

    /// Takes what the body has ready.
    fn gather(&mut self, cx: &mut Context<'_>) -> Result<(), ClientFault> {
        let before = self.queue.len();
        let mut bytes = 0;
        while self.queued + bytes < GATHERED
            && self.queue.len() < SLICES
            && let Some(body) = &mut self.body
        {
            if body.is_end_stream() {
                self.body = None;
                break;
            }
            match Pin::new(body).poll_frame(cx) {
                Poll::Pending => break,
                Poll::Ready(Some(Ok(frame))) => {
                    self.untouched = false;
                    // The registry reads no trailers.
                    let Ok(data) = frame.into_data() else { continue };
                    if !data.is_empty() {
                        bytes += data.len();
                        self.queue.push_back(data);
                    }
                }
                Poll::Ready(Some(Err(_))) => {
                    self.untouched = false;
                    return Err(self.progress.fault().unwrap_or(ClientFault::Broken));
                }
                Poll::Ready(None) => self.body = None,
            }
        }
        self.queued += bytes;
        match &mut self.framing {
            Framing::Empty => {}
            Framing::Length(left) => {
                *left = left.checked_sub(bytes as u64).ok_or(ClientFault::Broken)?;
                if self.body.is_none() && *left > 0 {
                    return Err(ClientFault::Broken);
                }
            }
            Framing::Chunked => self.frame(before, bytes),
        }
        Ok(())
    }

    /// Makes one chunk of what was gathered behind `before`, and the last one at the end.
    fn frame(&mut self, before: usize, bytes: usize) {
        if bytes > 0 {
            let size = format!("{bytes:x}\r\n");
            self.queued += size.len();
            self.queue.insert(before, size.into());
            self.push(b"\r\n");
        }
        if self.body.is_none() {
            self.push(b"0\r\n\r\n");
            self.framing = Framing::Empty;
        }
    }

    fn push(&mut self, text: &'static [u8]) {
        self.queued += text.len();
        self.queue.push_back(Bytes::from_static(text));
    }

    fn advance(&mut self, mut written: usize) {
        self.untouched = false;
        self.queued -= written;
        while let Some(piece) = self.queue.front_mut() {
            if piece.len() > written {
                piece.advance(written);
                return;
            }
            written -= piece.len();
            self.queue.pop_front();
        }
    }
}
