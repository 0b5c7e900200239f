//! A property of every stream of bytes that a registry may answer with, checked by `fuzz/` and the unit tests. Compiled
//! for them only.
//!
//! A body is what its framing says, to the byte; it does not matter how the bytes arrive; nothing that follows it
//! reaches the next response; and hyper's own client reads the same, where it reads the response at all.
#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a property fails by a panic"
)]

use std::{
    future::poll_fn,
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Empty};
use hyper::{HeaderMap, Request, StatusCode, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf, duplex},
    runtime::Runtime,
};

use super::{
    connection::Connection,
    head,
    request::{RequestHead, UpstreamRequest},
};
use crate::{proxy::body::request_body::RequestBody, registry::Method};

/// A response as it was read.
#[derive(Debug, PartialEq, Eq)]
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
    trailers: HeaderMap,
    /// The end of the body came.
    is_whole: bool,
}

/// More are refused.
const MOST_TRAILERS: usize = 32;

/// A byte with the size of the pieces in which the stream arrives, above 127 for an answer to HEAD, then the stream.
pub fn responses(data: &[u8]) {
    let Some((how, stream)) = data.split_first() else { return };
    let method = if *how > 127 { Method::Head } else { Method::Get };
    let piece = usize::from(how & 127) + 1;
    let shown = String::from_utf8_lossy(stream);

    let start = start(stream, piece, method);
    let Some(answer) = read(stream, piece, method) else {
        assert!(start.is_none(), "not read: {shown:?}");
        return;
    };
    let start = start.unwrap_or_else(|| panic!("a head in {shown:?}"));
    assert_eq!(read(stream, stream.len(), method).as_ref(), Some(&answer), "{piece} in {shown:?}");
    let framed = framed(&answer, method, &stream[start..]);
    match &framed {
        Some((body, _)) => assert!(answer.is_whole && answer.body == *body, "{answer:?} in {shown:?}"),
        None => assert!(!answer.is_whole, "{answer:?} in {shown:?}"),
    }
    if let Some((status, body)) = read_by_hyper(stream, method) {
        let same = answer.status == status && answer.body == body;
        assert!(same || !answer.is_whole, "{answer:?} for {status} {body:?} in {shown:?}");
    }
    if let Some((read, is_open)) = reused(stream, piece, method) {
        let end = start + framed.unwrap_or_else(|| panic!("reused in {shown:?}")).1;
        assert_eq!((read, is_open), (end, end == stream.len()), "reused in {shown:?}");
    }
}

/// Returns the length of the head. It is there with the first piece that completes it, or never; once refused, it is
/// refused with whatever follows.
fn start(stream: &[u8], piece: usize, method: Method) -> Option<usize> {
    let read = |length: usize| {
        let mut buffer = BytesMut::from(&stream[..length]);
        let head = head::read(&mut buffer, method).map_err(|_| ())?;
        Ok::<_, ()>(head.map(|_| length - buffer.len()))
    };
    let whole = read(stream.len());
    for length in (0..stream.len()).step_by(piece) {
        let part = read(length);
        let waits = part == Ok(None);
        assert!(waits || part == whole, "{part:?}, {whole:?}: {:?}", String::from_utf8_lossy(stream));
    }
    whole.ok().flatten()
}

/// Returns the response, unless its head is refused or cut short.
fn read(stream: &[u8], piece: usize, method: Method) -> Option<Answer> {
    on_runtime(async {
        let (connection, _) = connection(stream, piece);
        let (head, mut body) = connection.exchange(request(method)).await.ok()?.into_parts();
        let (mut bytes, mut trailers) = (Vec::new(), HeaderMap::new());
        let is_whole = loop {
            match poll_fn(|cx| body.poll_frame(cx, 32 << 10)).await {
                None => break true,
                Some(Err(_)) => break false,
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => bytes.extend_from_slice(&data),
                    Err(frame) => trailers = frame.into_trailers().unwrap(),
                },
            }
        };
        Some(Answer { status: head.status, headers: head.headers, body: bytes, trailers, is_whole })
    })
}

/// Returns how many bytes were read when the connection may carry another request, and whether it still may when it is
/// looked at before that. From then on the registry sends what is left, and does not close the connection.
fn reused(stream: &[u8], piece: usize, method: Method) -> Option<(usize, bool)> {
    on_runtime(async {
        let (connection, wire) = connection(stream, piece);
        let mut body = connection.exchange(request(method)).await.ok()?.into_body();
        while let Some(Ok(_)) = poll_fn(|cx| body.poll_frame(cx, piece)).await {}
        let mut connection = body.into_connection()?;
        wire.stays_open.store(true, Ordering::Relaxed);
        let read = wire.read.load(Ordering::Relaxed);
        Some((read, connection.is_open()))
    })
}

/// The whole body by RFC 9112 section 6.3, and the number of bytes that it takes.
fn framed(answer: &Answer, method: Method, rest: &[u8]) -> Option<(Vec<u8>, usize)> {
    let length = answer.headers.get(header::CONTENT_LENGTH);
    if method == Method::Head || [101, 204, 304].contains(&answer.status.as_u16()) {
        Some((Vec::new(), 0))
    } else if answer.headers.contains_key(header::TRANSFER_ENCODING) {
        chunks(rest)
    } else if let Some(length) = length {
        let length: usize = length.to_str().unwrap().parse().ok()?;
        Some((rest.get(..length)?.to_vec(), length))
    } else {
        Some((rest.to_vec(), rest.len()))
    }
}

fn chunks(stream: &[u8]) -> Option<(Vec<u8>, usize)> {
    let (mut body, mut rest) = (Vec::new(), stream);
    loop {
        let (text, after) = line(rest)?;
        let digits = text.split(';').next()?.trim_end_matches([' ', '\t']);
        let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_hexdigit());
        let size = usize::from_str_radix(digits, 16).ok().filter(|_| plain)?;
        rest = after;
        if size == 0 {
            break;
        }
        let (chunk, after) = rest.split_at_checked(size)?;
        body.extend_from_slice(chunk);
        rest = after.strip_prefix(b"\r\n")?;
    }
    for _ in 0..=MOST_TRAILERS {
        let (text, after) = line(rest)?;
        rest = after;
        if text.is_empty() {
            return Some((body, stream.len() - rest.len()));
        }
        let (name, value) = text.split_once(':')?;
        let is_name = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
        let is_value = |c: char| c == '\t' || !c.is_ascii_control();
        if name.is_empty() || !name.bytes().all(is_name) || !value.chars().all(is_value) {
            return None;
        }
    }
    None
}

/// The text before the first line feed and the carriage return that must precede it, one character a byte.
fn line(stream: &[u8]) -> Option<(String, &[u8])> {
    let end = stream.iter().position(|b| *b == b'\n')?;
    let text = stream[..end].strip_suffix(b"\r").filter(|text| !text.contains(&b'\r'))?;
    Some((text.iter().copied().map(char::from).collect(), &stream[end + 1..]))
}

/// Returns the status and the whole body as hyper's client reads them.
fn read_by_hyper(stream: &[u8], method: Method) -> Option<(StatusCode, Vec<u8>)> {
    on_runtime(async {
        let (near, mut far) = duplex(1 << 20);
        let registry = async {
            // An answer before the request would be none to it.
            let _ = far.read(&mut [0; 1024]).await;
            let _ = far.write_all(stream).await;
            let _ = far.shutdown().await;
        };
        let client = async {
            let (mut sender, connection) = http1::handshake(TokioIo::new(near)).await.ok()?;
            let request = Request::builder().method(method.as_str()).uri("/").body(Empty::<Bytes>::new());
            let answered = async {
                let (head, body) = sender.send_request(request.unwrap()).await.ok()?.into_parts();
                Some((head.status, body.collect().await.ok()?.to_bytes().to_vec()))
            };
            tokio::join!(connection, answered).1
        };
        tokio::join!(registry, client).1
    })
}

fn on_runtime<T>(future: impl Future<Output = T>) -> T {
    thread_local! {
        static RUNTIME: Runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    }
    RUNTIME.with(|runtime| runtime.block_on(future))
}

fn request(method: Method) -> Box<UpstreamRequest> {
    RequestHead::new(method, "/").with(RequestBody::empty())
}

/// The registry's side of a stream: whether it stays open at its end, and the number of bytes read from it.
#[derive(Default)]
struct Wire {
    stays_open: AtomicBool,
    read: AtomicUsize,
}

struct Registry {
    stream: Vec<u8>,
    piece: usize,
    wire: Arc<Wire>,
}

fn connection(stream: &[u8], piece: usize) -> (Connection, Arc<Wire>) {
    let wire = Arc::<Wire>::default();
    let registry = Registry { stream: stream.to_vec(), piece, wire: Arc::clone(&wire) };
    (Connection::new(Box::new(registry)), wire)
}

impl AsyncRead for Registry {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let at = self.wire.read.load(Ordering::Relaxed);
        let left = &self.stream[at..];
        if left.is_empty() && self.wire.stays_open.load(Ordering::Relaxed) {
            return Poll::Pending;
        }
        let length = left.len().min(self.piece).min(buf.remaining());
        buf.put_slice(&left[..length]);
        self.wire.read.store(at + length, Ordering::Relaxed);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Registry {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use crate::mutation::for_many;

    #[test]
    fn responses_are_read_as_their_framing_says_however_they_arrive() {
        for_many(include_str!("../../../fuzz/seeds/upstream_response.txt"), 5_000, super::responses);
    }
}
