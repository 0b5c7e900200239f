//! A second look at the raw heads of requests.
//!
//! hyper reads some malformed heads in the one safe way and hides that they were malformed: `Content-Length` beside
//! `Transfer-Encoding` disappears, a `#fragment` in the target is cut off, a bare line feed ends a line. Another
//! program on the way could read them in the other way, and request smuggling lives on that (RFC 9112 section 11.2).
//! The guard follows the framing of the input only to say "refuse": hyper's reading stays the one that counts. Once the
//! guard has lost the thread it refuses as well.

mod http2;
mod scan;

use std::{
    future::Future,
    io,
    pin::Pin,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::net::{Deadline, pass_on};
use http2::Frames;
use scan::Scan;
pub(super) use scan::{BadHead, HeadSize};

/// A connection whose heads are looked at as they are read.
pub(super) struct HeadGuard<I> {
    io: I,
    scan: Scan,
    verdict: Verdict,
    limit: Duration,
    size: HeadSize,
    /// A head is to come, or to be completed: from the start of the connection, then from the first byte of each next
    /// head.
    awaits_head: bool,
    /// The time by which it must be complete: `limit` after the first wait for it. hyper may have its first bytes
    /// long before, while it is not asked for more because the last request is not answered yet.
    deadline: Option<Deadline>,
}

/// The verdict on the heads of a connection. A bad one is recorded before hyper hands the request on.
#[derive(Debug, Clone, Default)]
pub(super) struct Verdict(Arc<Seen>);

#[derive(Debug, Default)]
struct Seen {
    bad: OnceLock<BadHead>,
    between_requests: AtomicBool,
}

impl Verdict {
    /// Returns the reason why every request from now on is refused.
    pub(super) fn refused(&self) -> Option<BadHead> {
        self.0.bad.get().copied()
    }

    /// Returns true if all input belongs to whole requests.
    pub(super) fn is_between_requests(&self) -> bool {
        self.0.between_requests.load(Ordering::Relaxed)
    }
}

impl<I> HeadGuard<I> {
    /// Guards a connection from its first byte; a head must be complete within `limit`.
    pub(super) fn new(io: I, limit: Duration, size: HeadSize) -> Self {
        let (scan, verdict) = (Scan::Head(Vec::new()), Verdict::default());
        Self { io, scan, verdict, limit, size, awaits_head: true, deadline: None }
    }

    /// Guards a connection of HTTP/2, which has deadlines of its own.
    pub(super) fn http2(io: I, size: HeadSize) -> Self {
        let scan = Scan::Http2(Frames::new(size.bytes));
        let (limit, verdict) = (Duration::ZERO, Verdict::default());
        Self { io, scan, verdict, limit, size, awaits_head: false, deadline: None }
    }

    /// The verdict, which changes while the connection is read.
    pub(super) fn verdict(&self) -> Verdict {
        self.verdict.clone()
    }

    /// Returns true if the head should have been complete by now; wakes the task when it should.
    fn is_late(&mut self, cx: &mut Context<'_>) -> bool {
        if !self.awaits_head {
            return false;
        }
        let deadline = self.deadline.get_or_insert_with(|| Deadline::after(self.limit));
        Pin::new(deadline).poll(cx).is_ready()
    }

    fn look_at(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() && self.scan != Scan::Done {
            match self.scan.advance(&mut bytes, self.size) {
                Ok(()) => {}
                Err(why) => {
                    let _ = self.verdict.0.bad.set(why);
                    self.scan = Scan::Done;
                }
            }
            self.awaits_head = matches!(&self.scan, Scan::Head(head) if !head.is_empty());
            if !self.awaits_head {
                self.deadline = None;
            }
        }
        let between_requests = matches!(&self.scan, Scan::Head(head) if head.is_empty());
        self.verdict.0.between_requests.store(between_requests, Ordering::Relaxed);
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for HeadGuard<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.io).poll_read(cx, buf);
        match (&polled, buf.filled().get(before..)) {
            (Poll::Pending, _) if self.is_late(cx) => {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            (Poll::Ready(_), Some(read)) if !read.is_empty() => self.look_at(read),
            _ => {}
        }
        polled
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for HeadGuard<I> {
    pass_on!(io: write, flush, shutdown);
}

#[cfg(test)]
mod tests {
    use super::{scan::USUAL_HEADERS, *};

    /// Feeds `bytes` in pieces of `size`, and says what the verdict is.
    fn verdict(bytes: &[u8], size: usize) -> Option<BadHead> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let _entered = runtime.enter();
        let mut guard = HeadGuard::new((), Duration::from_secs(1), HeadSize { bytes: 200, headers: 10 });
        bytes.chunks(size).for_each(|piece| guard.look_at(piece));
        guard.verdict.refused()
    }

    #[test]
    fn rule_10_heads_that_can_be_read_in_two_ways_are_refused() {
        let bad: [&[u8]; 9] = [
            b"GET /v2/ HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"GET /v2/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n",
            b"GET /v2/ HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
            b"GET /v2/ HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
            b"GET /v2/#x HTTP/1.1\r\n\r\n",
            b"GET /v2/ HTTP/1.1\nHost: x\r\n\r\n",
            b"POST /v2/ HTTP/1.1\r\nContent-Length: 3\r\n\r\nabcGET /v2/?a#x HTTP/1.1\r\n\r\n",
            b"POST /v2/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nT: 1\r\n\r\nGET /# HTTP/1.1\r\n\r\n",
            b"POST /v2/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\nabc\r\n0\r\n\r\n",
        ];
        for head in bad {
            for size in [1, 3, 1000] {
                assert!(verdict(head, size).is_some(), "{}", String::from_utf8_lossy(head));
            }
        }
    }

    #[test]
    fn rule_10_the_last_of_many_headers_counts_as_well() {
        for count in [0, USUAL_HEADERS - 2, USUAL_HEADERS - 1, USUAL_HEADERS, 3 * USUAL_HEADERS] {
            let end = "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n";
            let head = format!("GET /v2/ HTTP/1.1\r\n{}{end}", "A: b\r\n".repeat(count));
            let size = HeadSize { bytes: 1 << 20, headers: 4 * USUAL_HEADERS };
            let mut scan = Scan::Head(Vec::new());
            let mut bytes = head.as_bytes();
            let mut seen = Ok(());
            while !bytes.is_empty() && seen.is_ok() {
                seen = scan.advance(&mut bytes, size);
            }
            assert!(seen.is_err(), "{count} others");
        }
    }

    #[test]
    fn a_large_head_is_known_before_it_ends() {
        let head = |filler: usize| format!("GET /v2/ HTTP/1.1\r\nA: {}\r\n\r\n", "x".repeat(filler));
        assert_eq!(verdict(head(174).as_bytes(), 7), None);
        assert_eq!(verdict(head(175).as_bytes(), 7), Some(BadHead::TooLarge));
        assert_eq!(verdict(&head(500).as_bytes()[..300], 7), Some(BadHead::TooLarge));
    }

    #[test]
    fn a_whole_head_is_judged_as_one_in_pieces_is() {
        let filled = |filler: usize| format!("GET /v2/ HTTP/1.1\r\nA: {}\r\n\r\n", "x".repeat(filler));
        let (fits, too_large) = (filled(174), filled(175));
        let heads: [&[u8]; 9] = [
            fits.as_bytes(),
            too_large.as_bytes(),
            b"\r\n\r\nGET /v2/ HTTP/1.1\r\n\r\n",
            b"GET /v2/ HTTP/1.1\r\nA: b\n\r\n",
            b"GET /v2/ HTTP/1.1\r\n\n\r\n",
            b"\nGET /v2/ HTTP/1.1\r\n\r\n",
            b"GET /v2/ HTTP/1.1\r\n\r\nGET /#x HTTP/1.1\r\n\r\n",
            b"GET /v2/ HTTP/1.1\r\n\r\nGET /v2/ HTTP/1.1\r\nA: b\n",
            b"GET /v2/ HTTP/1.1\r\nA: \r\r\n\r\n",
        ];
        for head in heads {
            let whole = verdict(head, head.len());
            (1..head.len()).for_each(|size| {
                assert_eq!(verdict(head, size), whole, "{} in {size}", String::from_utf8_lossy(head));
            });
        }
        assert_eq!(
            [verdict(fits.as_bytes(), 300), verdict(too_large.as_bytes(), 300)],
            [None, Some(BadHead::TooLarge)]
        );
    }

    /// Quadratic work would take minutes.
    #[test]
    fn a_head_without_an_end_is_searched_once() {
        let head = format!("GET /v2/ HTTP/1.1\r\n{}", "A:\r\n".repeat(1 << 18));
        let size = HeadSize { bytes: 2 << 20, headers: 10 };
        let (mut scan, mut bytes) = (Scan::Head(Vec::new()), head.as_bytes());
        while !bytes.is_empty() {
            assert_eq!(scan.advance(&mut bytes, size), Ok(()));
        }
        assert!(matches!(scan, Scan::Head(begun) if begun == head.as_bytes()));
    }

    #[test]
    fn bodies_are_not_taken_for_heads() {
        let good: [&[u8]; 3] = [
            b"\r\nGET /v2/ HTTP/1.1\r\nHost: x\r\n\r\nGET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n",
            b"POST /v2/ HTTP/1.1\r\nContent-Length: 20\r\n\r\nGET /# HTTP/1.1\r\n\r\n.GET / HTTP/1.1\r\n\r\n",
            b"POST /v2/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n13\r\nGET /# HTTP/1.1\r\n\r\n\r\n0\r\n\r\n",
        ];
        for stream in good {
            for size in [1, 3, 1000] {
                assert_eq!(verdict(stream, size), None, "{}", String::from_utf8_lossy(stream));
            }
        }
    }
}
