//! A property of every stream of bytes on an HTTP/1.1 connection, checked by `fuzz/` and the unit tests. hyper behind
//! the head guard sees no request that a strict reader of RFC 9112 does not see, in that order. Compiled for them only.
#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a property fails by a panic"
)]

use std::{cell::RefCell, convert::Infallible, time::Duration};

use http_body_util::{BodyExt, Empty};
use hyper::{Request, Response, body::Bytes, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{io::AsyncReadExt, runtime::Runtime};

use super::head_guard::{HeadGuard, HeadSize};

/// A request: method, target, and the body when it is whole.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    method: String,
    target: String,
    body: Option<Vec<u8>>,
}

/// A byte that says where the stream is cut in two, then the stream.
pub fn requests(data: &[u8]) {
    let Some((cut, stream)) = data.split_first() else { return };
    let (first, rest) = stream.split_at(usize::from(*cut).min(stream.len()));
    let (seen, strict) = (seen(first, rest), strict(stream));
    let shown = String::from_utf8_lossy(stream);
    for (index, request) in seen.iter().enumerate() {
        let Some(expected) = strict.get(index) else { panic!("smuggled: {request:?} in {shown:?}") };
        // Other forms are written anew by the HTTP library, and refused later on.
        let same_target = request.target == expected.target || !expected.target.starts_with('/');
        let same = same_target && request.method == expected.method;
        assert!(same, "{request:?} for {expected:?} in {shown:?}");
        // After a body in which the strict reader gives up, the request may be read in any way, and is the last; one
        // that hyper gives up is not served.
        let either = expected.body.is_none() || request.body.is_none();
        assert!(either || request.body == expected.body, "{request:?}, {expected:?} in {shown:?}");
    }
}

/// Returns the requests that hyper hands on and the guard does not object to.
fn seen(first: &[u8], rest: &[u8]) -> Vec<Seen> {
    thread_local! {
        static RUNTIME: Runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    }
    let seen = RefCell::new(Vec::new());
    RUNTIME.with(|runtime| {
        runtime.block_on(async {
            let guard = HeadGuard::new(
                tokio::io::join(first.chain(rest), tokio::io::sink()),
                Duration::from_secs(600),
                HeadSize { bytes: 32 << 10, headers: 100 },
            );
            let verdict = guard.verdict();
            let service = service_fn(async |request: Request<Incoming>| {
                let (head, body) = request.into_parts();
                let mut response = Response::new(Empty::<Bytes>::new());
                if verdict.refused().is_some() {
                    response.headers_mut().insert("connection", "close".parse().unwrap());
                    return Ok::<_, Infallible>(response);
                }
                let body = body.collect().await.ok().map(|body| body.to_bytes().to_vec());
                let (method, target) = (head.method.to_string(), head.uri.to_string());
                seen.borrow_mut().push(Seen { method, target, body });
                Ok(response)
            });
            let connection = http1::Builder::new()
                .header_read_timeout(None)
                .half_close(true)
                .serve_connection(TokioIo::new(guard), service);
            let _ = connection.await;
        });
    });
    seen.into_inner()
}

/// The requests up to the first byte that RFC 9112 does not allow, or that may be read in two ways.
fn strict(mut stream: &[u8]) -> Vec<Seen> {
    let mut seen = Vec::new();
    while let Some((head, rest)) = head(stream) {
        let whole = body(&head, rest);
        let (body, rest) = whole.map_or((None, None), |(body, rest)| (Some(body), Some(rest)));
        seen.push(Seen { method: head.method, target: head.target, body });
        let Some(rest) = rest else { break };
        stream = rest;
    }
    seen
}

struct Head {
    method: String,
    target: String,
    framing: Framing,
}

enum Framing {
    Length(usize),
    Chunked,
}

fn head(mut stream: &[u8]) -> Option<(Head, &[u8])> {
    while let Some(rest) = stream.strip_prefix(b"\r\n") {
        stream = rest;
    }
    let (request_line, mut rest) = line(stream)?;
    let mut words = request_line.split(' ');
    let (method, target, version) = (words.next()?, words.next()?, words.next()?);
    let is_old = version == "HTTP/1.0";
    let known = words.next().is_none() && (is_old || version == "HTTP/1.1");
    if !known || !is_token(method) || target.is_empty() || target.contains('#') {
        return None;
    }
    let (mut lengths, mut encodings) = (Vec::new(), Vec::new());
    loop {
        let (text, after) = line(rest)?;
        rest = after;
        if text.is_empty() {
            break;
        }
        let (name, value) = text.split_once(':').filter(|(name, _)| is_token(name))?;
        match &*name.to_ascii_lowercase() {
            "content-length" => lengths.push(value.trim_matches([' ', '\t']).to_owned()),
            "transfer-encoding" => encodings.push(value.trim_matches([' ', '\t']).to_owned()),
            _ => {}
        }
    }
    let framing = match (&*lengths, &*encodings) {
        ([], []) => Framing::Length(0),
        ([length], []) if length.bytes().all(|b| b.is_ascii_digit()) => Framing::Length(length.parse().ok()?),
        ([], [encoding]) if !is_old && encoding.eq_ignore_ascii_case("chunked") => Framing::Chunked,
        _ => return None,
    };
    Some((Head { method: method.to_owned(), target: text(target)?, framing }, rest))
}

fn body<'a>(head: &Head, mut rest: &'a [u8]) -> Option<(Vec<u8>, &'a [u8])> {
    let mut body = Vec::new();
    match head.framing {
        Framing::Length(length) => {
            let (all, rest) = rest.split_at_checked(length)?;
            return Some((all.to_vec(), rest));
        }
        Framing::Chunked => loop {
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
        },
    }
    // The trailers.
    loop {
        let (text, after) = line(rest)?;
        rest = after;
        match text.split_once(':') {
            _ if text.is_empty() => return Some((body, rest)),
            Some((name, _)) if is_token(name) => {}
            _ => return None,
        }
    }
}

/// The text before CR LF, one character a byte, without any control byte but the tab.
fn line(stream: &[u8]) -> Option<(String, &[u8])> {
    let end = stream.windows(2).position(|two| two == b"\r\n")?;
    let text: String = stream[..end].iter().copied().map(char::from).collect();
    let is_plain = stream[..end].iter().all(|b| *b == b'\t' || !b.is_ascii_control());
    is_plain.then_some((text, &stream[end + 2..]))
}

/// The UTF-8 text that these bytes are.
fn text(bytes: &str) -> Option<String> {
    String::from_utf8(bytes.chars().map(u8::try_from).collect::<Result<_, _>>().ok()?).ok()
}

fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

#[cfg(test)]
mod tests {
    use crate::mutation::for_many;

    #[test]
    fn rule_10_no_request_is_seen_that_a_strict_reader_does_not_see() {
        for_many(include_str!("../../fuzz/seeds/head_guard.txt"), 5_000, super::requests);
    }
}
