//! TLS over a connection, in large pieces: many records are sealed before the socket is written to, and many are read
//! from it at once.
//!
//! Data that hyper wants flushed is held until the connection has nothing more to say for now, and then [`Output`]
//! sends it. HTTP/2 flushes after each frame, and a system call for each 16 KiB costs more than their encryption does.
//! Until then only full records are sealed.

mod backpressure;
mod read_buffer;

use std::{
    future::{Future, poll_fn},
    io::{self, BufRead, IoSlice, Write},
    mem,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::{Buf, BufMut, BytesMut};
use parking_lot::Mutex;
use rustls::ServerConnection;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

use crate::net::{BudgetShare, BufferBudget};
pub(super) use backpressure::Backpressure;

/// The plaintext side of a TLS connection.
pub(super) struct TlsStream<I>(Arc<Mutex<Inner<I>>>);

/// The same connection for the code that drives it: the bytes still to send, and the arrival of new ones.
pub(super) struct Output<I>(Arc<Mutex<Inner<I>>>, Backpressure);

struct Inner<I> {
    io: I,
    session: ServerConnection,
    budget: BufferBudget,
    pressure: Backpressure,
    /// Plaintext that does not fill a record yet.
    staged: Vec<u8>,
    /// Ciphertext that rustls has and the socket has not, in bytes.
    sealed: usize,
    /// Ciphertext that the socket gave and rustls does not have yet.
    ahead: BytesMut,
    /// It has more room than the thread would keep.
    is_large: bool,
    /// The number of bytes that the socket is asked for next.
    reads: usize,
    /// The peer sends no more.
    ended: bool,
    /// Its share of the budget while it holds bytes that its peer does not take. Any client can bring that about,
    /// known or not: many such clients leave little for each.
    holds: Option<BudgetShare>,
}

/// The plaintext of a full record (RFC 8446 section 5.1), and what a record adds to it at most (section 5.2).
const RECORD: usize = 16 << 10;
const OVERHEAD: usize = 256;
/// The size of the first read, and of the smallest: more than a request. Otherwise twice the size of the last read, or
/// four times as much where there was more.
const FIRST_READ: usize = 4 << 10;

impl<I: AsyncRead + AsyncWrite + Unpin> TlsStream<I> {
    /// A connection whose handshake is done. What is held of it is bounded by the budget, in each direction.
    pub(super) fn new(io: I, mut session: ServerConnection, budget: BufferBudget) -> (Self, Output<I>) {
        // The bound is set here.
        session.set_buffer_limit(None);
        let pressure = Backpressure::new(budget.clone());
        let inner = Inner {
            io,
            session,
            budget,
            pressure: pressure.clone(),
            staged: Vec::new(),
            sealed: 0,
            ahead: BytesMut::new(),
            is_large: false,
            reads: FIRST_READ,
            ended: false,
            holds: None,
        };
        let inner = Arc::new(Mutex::new(inner));
        (Self(Arc::clone(&inner)), Output(inner, pressure))
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin> Output<I> {
    /// Runs a connection that writes to this, and sends what it wrote whenever it waits, and at its end; `None` when
    /// that cannot be sent.
    pub(super) async fn drive<C: Future>(&self, mut connection: Pin<&mut C>) -> Option<C::Output> {
        poll_fn(|cx| {
            let polled = connection.as_mut().poll(cx);
            let waited = self.1.take_waited() || self.1.is_on();
            let sent = self.0.lock().poll_send_all(cx);
            if let Poll::Ready(ended) = polled {
                return Poll::Ready(Some(ended));
            }
            match sent {
                Poll::Ready(Err(_)) => return Poll::Ready(None),
                // There is room again, once other connections have had their turn.
                Poll::Ready(Ok(())) if waited => cx.waker().wake_by_ref(),
                Poll::Ready(Ok(())) | Poll::Pending => {}
            }
            Poll::Pending
        })
        .await
    }

    /// Returns true if there is nothing left to send.
    pub(super) fn is_empty(&self) -> bool {
        let inner = self.0.lock();
        inner.staged.is_empty() && inner.sealed == 0 && !inner.session.wants_write()
    }

    /// Ready when there is plaintext to read, or its end has come. Nothing of it is taken.
    pub(super) fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.lock().poll_readable(cx)
    }

    /// Says that nothing more is sent, and ends the connection.
    pub(super) fn poll_close(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.lock().poll_close(cx)
    }

    /// The pressure on bodies of the connection.
    pub(super) fn pressure(&self) -> Backpressure {
        self.1.clone()
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin> Inner<I> {
    /// Takes plaintext, of which full records are sealed; 0 when there is no room.
    fn take(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        let room = self.budget.piece().saturating_sub(self.sealed).next_multiple_of(RECORD);
        let offered = pieces.iter().map(|piece| piece.len()).sum::<usize>();
        let staged = self.staged.len();
        let sealed = (staged + offered).min(room) / RECORD * RECORD;
        if sealed == 0 {
            if room == 0 {
                return Ok(0);
            }
            self.staged.reserve(offered.min(RECORD - staged));
            return Ok(self.stage(pieces, RECORD - staged));
        }
        let mut left = sealed - staged;
        let mut slices = Vec::with_capacity(pieces.len() + 1);
        slices.push(IoSlice::new(&self.staged));
        for piece in pieces {
            let here = piece.get(..left).unwrap_or(piece);
            left -= here.len();
            slices.push(IoSlice::new(here));
        }
        if self.session.writer().write_vectored(&slices)? != sealed {
            return Err(io::Error::other("a connection has used up its keys"));
        }
        self.sealed += sealed;
        self.staged.clear();
        let taken = sealed - staged;
        let rest = offered - taken;
        if rest >= RECORD {
            return Ok(taken);
        }
        // Behind the last full record.
        let mut skip = taken;
        for piece in pieces {
            let here = skip.min(piece.len());
            skip -= here;
            self.staged.extend_from_slice(piece.get(here..).unwrap_or_default());
        }
        Ok(offered)
    }

    fn stage(&mut self, pieces: &[IoSlice<'_>], room: usize) -> usize {
        let mut left = room;
        for piece in pieces {
            let here = piece.get(..left).unwrap_or(piece);
            self.staged.extend_from_slice(here);
            left -= here.len();
        }
        room - left
    }

    /// Takes its share, or gives it back.
    fn weigh(&mut self) {
        let holds = !self.ahead.is_empty() || self.pressure.is_on();
        if holds != self.holds.is_some() {
            self.holds = holds.then(|| self.budget.share());
        }
    }

    /// Writes what is sealed to the socket.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let sent = self.poll_write_out(cx);
        self.pressure.set(sent.is_pending());
        self.weigh();
        sent
    }

    fn poll_write_out(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.session.wants_write() {
            let written = self.session.write_tls(&mut Blocking { io: &mut self.io, cx });
            match written {
                Ok(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Ok(written) => self.sealed = self.sealed.saturating_sub(written),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Poll::Pending,
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        self.sealed = 0;
        Poll::Ready(Ok(()))
    }

    /// Seals what is staged, and writes everything.
    fn poll_send_all(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.staged.is_empty() {
            self.session.writer().write_all(&self.staged)?;
            self.sealed += self.staged.len() + OVERHEAD;
            self.staged = Vec::new();
        }
        ready!(self.poll_send(cx))?;
        Pin::new(&mut self.io).poll_flush(cx)
    }

    /// Gives plaintext to `buf` as far as it has come.
    fn poll_take(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        loop {
            match self.session.reader().fill_buf() {
                Ok([]) => return Poll::Ready(Ok(())),
                Ok(plain) => {
                    let taken = plain.len().min(buf.remaining());
                    buf.put_slice(plain.get(..taken).unwrap_or_default());
                    self.session.reader().consume(taken);
                    if buf.remaining() == 0 {
                        return Poll::Ready(Ok(()));
                    }
                    // rustls takes no more before all of what it has opened is taken.
                    continue;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) if buf.filled().len() > before => return Poll::Ready(Ok(())),
                Err(error) => return Poll::Ready(Err(error)),
            }
            let has_some = buf.filled().len() > before;
            if self.ahead.is_empty() {
                // Data at hand is worth more than another look at the socket.
                if has_some {
                    return Poll::Ready(Ok(()));
                }
                ready!(self.poll_fill(cx))?;
            }
            self.open(cx)?;
        }
    }

    /// Opens records until one has plaintext, or says that none follows.
    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while matches!(self.session.reader().fill_buf(), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
        {
            if self.ahead.is_empty() {
                ready!(self.poll_fill(cx))?;
            }
            self.open(cx)?;
        }
        Poll::Ready(Ok(()))
    }

    /// Sends everything, and ends the connection.
    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.staged.is_empty() {
            ready!(self.poll_send_all(cx))?;
        }
        self.session.send_close_notify();
        ready!(self.poll_send(cx))?;
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    /// Reads ciphertext from the socket.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.ended {
            return Poll::Ready(Ok(()));
        }
        let wanted = self.reads.min(self.budget.piece());
        // Not `reserve`, which copies what was read before.
        if !self.ahead.try_reclaim(wanted) {
            (self.ahead, self.is_large) = (read_buffer::take(wanted), wanted > read_buffer::LARGEST);
        }
        let mut room = (&mut self.ahead).limit(wanted);
        let Poll::Ready(read) = pin!(self.io.read_buf(&mut room)).poll(cx) else {
            // A waiting connection holds nothing.
            let room = mem::take(&mut self.ahead);
            if !self.is_large {
                read_buffer::give_back(room);
            }
            return Poll::Pending;
        };
        let read = read?;
        self.ended = read == 0;
        self.reads = if read == wanted { wanted * 4 } else { (read * 2).max(FIRST_READ) };
        Poll::Ready(Ok(()))
    }

    /// Hands ciphertext to rustls: a record's worth at most.
    fn open(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        if self.ahead.is_empty() && !self.ended {
            return Ok(());
        }
        let mut ahead = (&mut self.ahead).reader();
        self.session.read_tls(&mut ahead)?;
        if let Err(error) = self.session.process_new_packets() {
            // The peer gets an alert, if there is room.
            let _ = self.poll_send(cx);
            return Err(io::Error::new(io::ErrorKind::InvalidData, error));
        }
        Ok(())
    }
}

/// A socket as rustls writes to it: `WouldBlock` when it takes no more, and then the task is woken.
struct Blocking<'a, 'c, I> {
    io: &'a mut I,
    cx: &'a mut Context<'c>,
}

impl<I: AsyncWrite + Unpin> Write for Blocking<'_, '_, I> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        would_block(Pin::new(&mut *self.io).poll_write(self.cx, buf))
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        would_block(Pin::new(&mut *self.io).poll_write_vectored(self.cx, bufs))
    }

    fn flush(&mut self) -> io::Result<()> {
        would_block(Pin::new(&mut *self.io).poll_flush(self.cx))
    }
}

fn would_block<T>(polled: Poll<io::Result<T>>) -> io::Result<T> {
    match polled {
        Poll::Ready(done) => done,
        Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin> AsyncRead for TlsStream<I> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut inner = self.0.lock();
        let taken = inner.poll_take(cx, buf);
        inner.weigh();
        taken
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin> AsyncWrite for TlsStream<I> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if bufs.iter().all(|buf| buf.is_empty()) {
            return Poll::Ready(Ok(0));
        }
        let mut inner = self.0.lock();
        loop {
            let taken = inner.take(bufs)?;
            if taken > 0 {
                return Poll::Ready(Ok(taken));
            }
            ready!(inner.poll_send(cx))?;
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// Nothing yet: [`Output::drive`] does it.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.lock().poll_close(cx)
    }
}

#[cfg(test)]
mod tests;
