//! A second look at the raw heads of HTTP/1.1 requests.
//!
//! hyper reads some malformed heads in the one safe way and hides that they were malformed: `Content-Length` beside
//! `Transfer-Encoding` disappears, a `#fragment` in the target is cut off, a bare line feed ends a line. Another program
//! on the way could read them in the other way, which is what request smuggling lives on (RFC 9112 section 11.2). The
//! guard follows the framing of what is read, only to say "refuse": hyper's reading stays the one that counts. Once it
//! has lost the thread it refuses as well.

use std::{
    future::Future,
    io,
    mem::MaybeUninit,
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Sleep, sleep},
};

/// An HTTP/1.1 connection whose heads are looked at as they are read.
pub(super) struct HeadGuard<I> {
    io: I,
    scan: Scan,
    verdict: Verdict,
    limit: Duration,
    size: HeadSize,
    /// When the head must be complete: from the start of the connection, then from the first byte of each next head.
    deadline: Option<Pin<Box<Sleep>>>,
}

/// How large a head may be. hyper has to let larger ones through, or its answer does not say which limit it was.
#[derive(Debug, Clone, Copy)]
pub(super) struct HeadSize {
    /// Bytes: `limits.header_bytes`.
    pub(super) bytes: usize,
    /// Headers that hyper reads; more of them it refuses by itself.
    pub(super) headers: usize,
}

/// Whether a head of this connection was bad; set before hyper hands the request on.
#[derive(Debug, Clone, Default)]
pub(super) struct Verdict(Arc<OnceLock<BadHead>>);

/// What was wrong with a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BadHead {
    /// Others could read it differently.
    Malformed(&'static str),
    /// It has more bytes than it may have.
    TooLarge,
}

impl Verdict {
    /// Why every request from now on is refused.
    pub(super) fn refused(&self) -> Option<BadHead> {
        self.0.get().copied()
    }
}

impl From<&'static str> for BadHead {
    fn from(why: &'static str) -> Self {
        Self::Malformed(why)
    }
}

/// Where in the stream of requests the next byte stands.
#[derive(Debug, PartialEq, Eq)]
enum Scan {
    /// In a head: what has come of it.
    Head(Vec<u8>),
    /// In a body: bytes left.
    Body(u64),
    /// In a chunk's size line: what has come of it.
    ChunkSize(Vec<u8>),
    /// In a chunk: bytes left, with the line end behind it.
    Chunk(u64),
    /// In the trailer section: what has come of its line.
    Trailer(Vec<u8>),
    /// Nothing more is looked at: the connection ends with the request that is under way.
    Done,
}

/// Larger heads are refused by hyper; larger chunk-size and trailer lines nobody sends.
const MAX_HEAD: usize = 2 << 20;
const MAX_LINE: usize = 8 << 10;

/// What is made room for, in bytes and in headers, before it is known that more is needed.
const USUAL_HEAD: usize = 2 << 10;
const USUAL_HEADERS: usize = 32;

impl<I> HeadGuard<I> {
    /// Guards a connection from its first byte; a head must be complete within `limit`.
    pub(super) fn new(io: I, limit: Duration, size: HeadSize) -> Self {
        let deadline = Some(Box::pin(sleep(limit)));
        Self { io, scan: Scan::Head(Vec::new()), verdict: Verdict::default(), limit, size, deadline }
    }

    /// The verdict, which changes while the connection is read.
    pub(super) fn verdict(&self) -> Verdict {
        self.verdict.clone()
    }

    /// Whether the head should have been complete by now; wakes the task when it should.
    fn is_late(&mut self, cx: &mut Context<'_>) -> bool {
        self.deadline.as_mut().is_some_and(|deadline| deadline.as_mut().poll(cx).is_ready())
    }

    fn look_at(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() && self.scan != Scan::Done {
            match self.scan.advance(&mut bytes, self.size) {
                Ok(()) => {}
                Err(why) => {
                    let _ = self.verdict.0.set(why);
                    self.scan = Scan::Done;
                }
            }
        }
        match &self.scan {
            Scan::Head(head) if !head.is_empty() => {
                self.deadline.get_or_insert_with(|| Box::pin(sleep(self.limit)));
            }
            _ => self.deadline = None,
        }
    }
}

impl Scan {
    /// Takes what belongs to the present state off the front of `bytes`.
    fn advance(&mut self, bytes: &mut &[u8], size: HeadSize) -> Result<(), BadHead> {
        match self {
            Self::Head(head) => {
                take_line(head, bytes, MAX_HEAD)?;
                if head.len() > size.bytes {
                    return Err(BadHead::TooLarge);
                }
                if let Some(next) = after_head(head, size.headers)? {
                    *self = next;
                }
            }
            Self::Body(left) => {
                skip(left, bytes);
                if *left == 0 {
                    *self = Self::Head(Vec::new());
                }
            }
            Self::ChunkSize(line) => {
                if take_line(line, bytes, MAX_LINE)? {
                    *self = match chunk_size(line)? {
                        0 => Self::Trailer(Vec::new()),
                        size => Self::Chunk(size.checked_add(2).ok_or("the chunk is too large")?),
                    };
                }
            }
            Self::Chunk(left) => {
                skip(left, bytes);
                if *left == 0 {
                    *self = Self::ChunkSize(Vec::new());
                }
            }
            Self::Trailer(line) => {
                if take_line(line, bytes, MAX_LINE)? {
                    *self = if line == b"\r\n" { Self::Head(Vec::new()) } else { Self::Trailer(Vec::new()) };
                }
            }
            Self::Done => {}
        }
        Ok(())
    }
}

/// Moves bytes up to and including the next line feed to `line`; true when there was one.
fn take_line(line: &mut Vec<u8>, bytes: &mut &[u8], limit: usize) -> Result<bool, &'static str> {
    let end = bytes.iter().position(|&b| b == b'\n');
    if line.is_empty() {
        // Usually a whole head is there: its other lines go into the same allocation.
        line.reserve(bytes.len().min(USUAL_HEAD));
    }
    let (taken, rest) = bytes.split_at(end.map_or(bytes.len(), |end| end + 1));
    line.extend_from_slice(taken);
    *bytes = rest;
    if line.len() > limit {
        return Err("a line of the request is too long");
    }
    if end.is_some() && !line.ends_with(b"\r\n") {
        return Err("a line of the request ends without a carriage return");
    }
    Ok(end.is_some())
}

fn skip(left: &mut u64, bytes: &mut &[u8]) {
    let here = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
    *bytes = bytes.split_at(here).1;
    *left -= here as u64;
}

/// Where it goes on once the head is complete; `None` while it is not. What hyper refuses by itself is left to it.
fn after_head(head: &mut Vec<u8>, most: usize) -> Result<Option<Scan>, &'static str> {
    if head.as_slice() == b"\r\n" {
        // RFC 9112 section 2.2: an empty line before a request line is passed over.
        head.clear();
    }
    if !head.ends_with(b"\r\n\r\n") {
        return Ok(None);
    }
    let usual = most.min(USUAL_HEADERS);
    let mut headers = [const { MaybeUninit::uninit() }; USUAL_HEADERS];
    let read = match following(head, headers.get_mut(..usual).unwrap_or_default()) {
        Err(Unread::TooMany) if most > usual => {
            let mut headers = Vec::with_capacity(most);
            following(head, headers.spare_capacity_mut())
        }
        read => read,
    };
    match read {
        Ok(scan) => Ok(Some(scan)),
        Err(Unread::TooMany | Unread::Malformed) => Ok(Some(Scan::Done)),
        Err(Unread::Ambiguous(why)) => Err(why),
    }
}

/// Why it is not known where it goes on.
enum Unread {
    /// There are more headers than there is room for.
    TooMany,
    /// hyper refuses it as well.
    Malformed,
    /// Others could read it differently.
    Ambiguous(&'static str),
}

impl From<&'static str> for Unread {
    fn from(why: &'static str) -> Self {
        Self::Ambiguous(why)
    }
}

/// Where it goes on after a complete head.
fn following<'h>(head: &'h [u8], room: &mut [MaybeUninit<httparse::Header<'h>>]) -> Result<Scan, Unread> {
    let mut request = httparse::Request::new(&mut []);
    match request.parse_with_uninit_headers(head, room) {
        Ok(httparse::Status::Complete(_)) => {}
        Err(httparse::Error::TooManyHeaders) => return Err(Unread::TooMany),
        Ok(httparse::Status::Partial) | Err(_) => return Err(Unread::Malformed),
    }
    if request.path.is_some_and(|target| target.contains('#')) {
        return Err("the request target has a fragment".into());
    }
    let values = |name: &str| {
        let named = request.headers.iter().filter(move |header| header.name.eq_ignore_ascii_case(name));
        named.map(|header| header.value).collect::<Vec<_>>()
    };
    let (lengths, encodings) = (values("content-length"), values("transfer-encoding"));
    match (lengths.as_slice(), encodings.as_slice()) {
        ([], []) => Ok(Scan::Head(Vec::new())),
        ([length], []) => Ok(match decimal(length) {
            Some(0) => Scan::Head(Vec::new()),
            Some(length) => Scan::Body(length),
            None => Scan::Done,
        }),
        ([], [encoding]) if encoding.eq_ignore_ascii_case(b"chunked") => Ok(Scan::ChunkSize(Vec::new())),
        ([], [_]) => Err("the Transfer-Encoding is not chunked".into()),
        ([], _) => Err("the request has two Transfer-Encoding headers".into()),
        (_, []) => Err("the request has two Content-Length headers".into()),
        (_, _) => Err("the request has both Content-Length and Transfer-Encoding".into()),
    }
}

fn decimal(text: &[u8]) -> Option<u64> {
    let digits = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(text).ok().filter(|_| digits)?.parse().ok()
}

/// Whether there is a byte that no line of a request has: RFC 9110 section 5.5 knows the tab only.
fn has_control(text: &[u8]) -> bool {
    text.iter().any(|b| b.is_ascii_control() && *b != b'\t')
}

/// The size of a chunk: hexadecimal digits, then perhaps an extension.
fn chunk_size(line: &[u8]) -> Result<u64, &'static str> {
    let bad = "the size of a chunk is malformed";
    let text = std::str::from_utf8(line).map_err(|_| bad)?.trim_end_matches("\r\n");
    let digits = text.split(';').next().unwrap_or_default().trim_end_matches([' ', '\t']);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_hexdigit()) || has_control(text.as_bytes()) {
        return Err(bad);
    }
    u64::from_str_radix(digits, 16).map_err(|_| bad)
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
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
