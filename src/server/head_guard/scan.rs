//! The framing of the requests of an HTTP/1.1 connection, followed byte by byte: where a head ends, and where the next
//! begins.

use std::mem::MaybeUninit;

use super::http2::Frames;

/// The largest head allowed. hyper has to let larger ones through, or its answer does not say which limit it was.
#[derive(Debug, Clone, Copy)]
pub(in crate::server) struct HeadSize {
    /// Bytes: `limits.header_bytes`.
    pub(in crate::server) bytes: usize,
    /// Headers that hyper reads; more of them it refuses by itself.
    pub(in crate::server) headers: usize,
}

/// The fault of a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::server) enum BadHead {
    /// Others could read it differently.
    Malformed(&'static str),
    /// It has more bytes than it may have.
    TooLarge,
}

impl From<&'static str> for BadHead {
    fn from(why: &'static str) -> Self {
        Self::Malformed(why)
    }
}

/// The position of the next byte in the stream of requests.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Scan {
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
    /// In the frames of HTTP/2.
    Http2(Frames),
    /// Nothing more is looked at: the connection ends with the request that is under way.
    Done,
}

/// Larger heads are refused by hyper; no real client sends larger chunk-size and trailer lines.
const MAX_HEAD: usize = 2 << 20;
const MAX_LINE: usize = 8 << 10;

/// The room made, in bytes and in headers, before it is known that more is needed.
const USUAL_HEAD: usize = 2 << 10;
pub(super) const USUAL_HEADERS: usize = 32;

impl Scan {
    /// Takes what belongs to the present state off the front of `bytes`.
    pub(super) fn advance(&mut self, bytes: &mut &[u8], size: HeadSize) -> Result<(), BadHead> {
        match self {
            Self::Head(head) => {
                // Only at the start of a head: searching the rest again for each line would be quadratic.
                if head.is_empty()
                    && let Some(whole) = whole_head(bytes, size.bytes.min(MAX_HEAD))
                {
                    *bytes = bytes.split_at(whole.len()).1;
                    *self = after_head(whole, size.headers)?;
                    return Ok(());
                }
                take_line(head, bytes, MAX_HEAD)?;
                if head.len() > size.bytes {
                    return Err(BadHead::TooLarge);
                }
                if head == b"\r\n" {
                    // RFC 9112 section 2.2: an empty line before a request line is passed over.
                    head.clear();
                } else if head.ends_with(b"\r\n\r\n") {
                    *self = after_head(head, size.headers)?;
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
            Self::Http2(frames) => frames.advance(bytes)?,
            Self::Done => {}
        }
        Ok(())
    }
}

/// Returns the complete head at the start of `bytes`, which is the usual case. Returns `None` if it is incomplete, larger
/// than `limit`, or has a malformed line end: reading it line by line then finds the reason.
fn whole_head(bytes: &[u8], limit: usize) -> Option<&[u8]> {
    let mut end = 0;
    loop {
        let line = bytes.get(end..)?;
        let line = line.get(..=memchr::memchr(b'\n', line)?)?;
        end += line.len();
        if !line.ends_with(b"\r\n") || end > limit {
            return None;
        }
        if line.len() == 2 {
            return bytes.get(..end).filter(|head| head.len() > 2);
        }
    }
}

/// Moves bytes up to and including the next line feed to `line`; true when there was one.
fn take_line(line: &mut Vec<u8>, bytes: &mut &[u8], limit: usize) -> Result<bool, &'static str> {
    let end = memchr::memchr(b'\n', bytes);
    if line.is_empty() {
        // The other lines of a head go into the same allocation.
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

/// Returns the position after a complete head. One that hyper refuses by itself is left to it.
fn after_head(head: &[u8], most: usize) -> Result<Scan, &'static str> {
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
        Ok(scan) => Ok(scan),
        Err(Unread::TooMany | Unread::Malformed) => Ok(Scan::Done),
        Err(Unread::Ambiguous(why)) => Err(why),
    }
}

/// The reason why the position after a head is not known.
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

/// Returns the position after a complete head.
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

/// Returns true if there is a byte that no line of a request has: RFC 9110 section 5.5 knows the tab only.
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
