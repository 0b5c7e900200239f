//! The head of a response of the registry (RFC 9112), read.

use std::mem::MaybeUninit;

use bytes::{Buf, Bytes, BytesMut};
use hyper::{
    StatusCode,
    header::{self, HeaderMap, HeaderName, HeaderValue},
};

use super::{Broken, decoder::Decoder};
use crate::registry::Method;

/// The head of a final response.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    /// The framing of its body.
    pub(super) body: Decoder,
    /// True if another request may follow on the connection.
    pub(super) keep_alive: bool,
}

/// The largest head of a response, and the most headers in it.
pub(super) const MAX_HEAD: usize = 128 << 10;
const MAX_HEADERS: usize = 100;
/// Headers that a response gets here on its way out.
const ADDED: usize = 4;

/// Takes the head of the final response to a request off the front of `buffer`, once all of it is there; those of
/// interim responses are passed over.
///
/// # Errors
/// It is no head, or one that could be read in two ways.
pub(super) fn read(buffer: &mut BytesMut, method: Method) -> Result<Option<Head>, Broken> {
    loop {
        let Some(head) = read_one(buffer, method)? else { return Ok(None) };
        // No request asks for another protocol: such an answer is refused later.
        if !head.status.is_informational() || head.status == StatusCode::SWITCHING_PROTOCOLS {
            return Ok(Some(head));
        }
    }
}

fn read_one(buffer: &mut BytesMut, method: Method) -> Result<Option<Head>, Broken> {
    let mut parsed = [const { MaybeUninit::uninit() }; MAX_HEADERS];
    let mut response = httparse::Response::new(&mut []);
    let parser = httparse::ParserConfig::default();
    let length = match parser.parse_response_with_uninit_headers(&mut response, buffer, &mut parsed) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) if buffer.len() > MAX_HEAD => {
            return Err(Broken::Malformed("its head is too large"));
        }
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(_) => return Err(Broken::Malformed("its head is malformed")),
    };
    let status = response.code.and_then(|code| StatusCode::from_u16(code).ok());
    let status = status.ok_or(Broken::Malformed("its status is malformed"))?;
    let is_1_1 = response.version == Some(1);
    // One copy for all values, so that the room of the buffer is used again.
    let (start, head) =
        (buffer.as_ptr() as usize, Bytes::copy_from_slice(buffer.get(..length).unwrap_or_default()));
    let mut headers = HeaderMap::with_capacity(response.headers.len() + ADDED);
    for header in response.headers.iter() {
        let name = HeaderName::from_bytes(header.name.as_bytes());
        let at = header.value.as_ptr() as usize - start;
        let value = HeaderValue::from_maybe_shared(head.slice(at..at + header.value.len()));
        headers.append(
            name.map_err(|_| Broken::Malformed("the name of a header is malformed"))?,
            value.map_err(|_| Broken::Malformed("the value of a header is malformed"))?,
        );
    }
    buffer.advance(length);
    if !is_1_1 && headers.contains_key(header::TRANSFER_ENCODING) {
        // RFC 9112 section 6.1: what the framing is cannot be told.
        return Err(Broken::Malformed("it is HTTP/1.0 and has a Transfer-Encoding"));
    }
    let (body, is_delimited) = body_of(method, status, &headers)?;
    let keep_alive =
        is_delimited && stays_open(&headers, is_1_1) && status != StatusCode::SWITCHING_PROTOCOLS;
    Ok(Some(Head { status, headers, body, keep_alive }))
}

/// Returns the framing of the body (RFC 9112 section 6.3), and whether its end shows without the connection's.
fn body_of(method: Method, status: StatusCode, headers: &HeaderMap) -> Result<(Decoder, bool), Broken> {
    let is_bodiless = method == Method::Head
        || status.is_informational()
        || status == StatusCode::NO_CONTENT
        || status == StatusCode::NOT_MODIFIED;
    if is_bodiless {
        return Ok((Decoder::length(0), true));
    }
    let length = content_length(headers)?;
    let mut encodings = headers.get_all(header::TRANSFER_ENCODING).iter();
    match (encodings.next(), encodings.next(), length) {
        (None, _, Some(length)) => Ok((Decoder::length(length), true)),
        (None, _, None) => Ok((Decoder::until_close(), false)),
        (Some(encoding), None, None) if encoding.as_bytes().eq_ignore_ascii_case(b"chunked") => {
            Ok((Decoder::chunked(), true))
        }
        (Some(_), _, Some(_)) => Err(Broken::Malformed("it has both Content-Length and Transfer-Encoding")),
        _ => Err(Broken::Malformed("its Transfer-Encoding is not chunked")),
    }
}

/// One length, or the same several times.
fn content_length(headers: &HeaderMap) -> Result<Option<u64>, Broken> {
    let malformed = Broken::Malformed("its Content-Length is malformed");
    let mut length = None;
    for value in headers.get_all(header::CONTENT_LENGTH) {
        let digits = value.to_str().ok().filter(|text| text.bytes().all(|b| b.is_ascii_digit()));
        let Some(this) = digits.and_then(|digits| digits.parse::<u64>().ok()) else { return Err(malformed) };
        if length.is_some_and(|other| other != this) {
            return Err(malformed);
        }
        length = Some(this);
    }
    Ok(length)
}

fn stays_open(headers: &HeaderMap, is_1_1: bool) -> bool {
    let options = headers.get_all(header::CONNECTION).iter().filter_map(|value| value.to_str().ok());
    let mut options = options.flat_map(|value| value.split(',')).map(str::trim);
    if is_1_1 {
        !options.any(|option| option.eq_ignore_ascii_case("close"))
    } else {
        options.any(|option| option.eq_ignore_ascii_case("keep-alive"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str, method: Method) -> Result<Option<Head>, Broken> {
        read(&mut BytesMut::from(text), method)
    }

    #[test]
    fn a_head_that_could_be_read_in_two_ways_is_refused() {
        for headers in [
            "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: gzip, chunked\r\n",
            "Content-Length: 1\r\nContent-Length: 2\r\n",
            "Content-Length: 1, 1\r\n",
            "Content-Length: +1\r\n",
            "Content-Length: \r\n",
            "A: b\r\n c\r\n",
            "A : b\r\n",
        ] {
            let parsed = parse(&format!("HTTP/1.1 200 OK\r\n{headers}\r\n"), Method::Get);
            assert!(parsed.is_err(), "{headers:?}: {parsed:?}");
        }
        assert!(parse("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", Method::Get).is_err());
    }

    #[test]
    fn a_body_is_framed_as_its_head_says() {
        let framed = |text: &str, method: Method| {
            let head = parse(&format!("HTTP/1.{text}\r\n\r\n"), method).unwrap().unwrap();
            (head.body.left(), head.keep_alive)
        };
        let get = Method::Get;
        assert_eq!(framed("1 200 OK\r\nContent-Length: 3", get), (Some(3), true));
        assert_eq!(framed("1 200 OK\r\nContent-Length: 3\r\nContent-Length: 3", get), (Some(3), true));
        assert_eq!(framed("1 200 OK\r\nContent-Length: 3", Method::Head), (Some(0), true));
        assert_eq!(framed("1 304 Not Modified\r\nContent-Length: 3", get), (Some(0), true));
        assert_eq!(framed("1 204 No Content", get), (Some(0), true));
        assert_eq!(framed("1 200 OK\r\nTransfer-Encoding: Chunked", get), (None, true));
        assert_eq!(framed("1 200 OK", get), (None, false), "until the connection ends");
        assert_eq!(framed("1 200 OK\r\nContent-Length: 3\r\nConnection: x, Close", get), (Some(3), false));
        assert_eq!(framed("0 200 OK\r\nContent-Length: 3", get), (Some(3), false));
        assert_eq!(framed("0 200 OK\r\nContent-Length: 3\r\nConnection: keep-alive", get), (Some(3), true));
    }

    #[test]
    fn interim_responses_are_passed_over_and_what_follows_a_head_is_left() {
        let mut buffer =
            BytesMut::from("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nA: b\r\n\r\nHTTP/1.1 201 C");
        assert!(read(&mut buffer, Method::Put).unwrap().is_none());
        buffer.extend_from_slice(b"reated\r\nContent-Length: 2\r\nA: x\r\n\r\nab");
        let head = read(&mut buffer, Method::Put).unwrap().unwrap();
        assert_eq!((head.status, &buffer[..]), (StatusCode::CREATED, &b"ab"[..]));
        assert_eq!(head.headers["a"], "x");
        assert_eq!(parse("HTTP/1.1 101 S\r\n\r\n", Method::Get).unwrap().unwrap().status, 101);
    }

    #[test]
    fn a_head_has_a_bound() {
        let long = format!("HTTP/1.1 200 OK\r\nA: {}", "x".repeat(MAX_HEAD));
        assert!(parse(&long, Method::Get).is_err());
        let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "A: b\r\n".repeat(MAX_HEADERS + 1));
        assert!(parse(&many, Method::Get).is_err());
    }
}
