//! The heads of one exchange with the registry (RFC 9112): the request's, written, and the response's, read.

use bytes::{Bytes, BytesMut};
use hyper::{
    Method, Request, StatusCode,
    body::Body,
    header::{self, HeaderMap, HeaderName, HeaderValue},
};

use super::{Broken, decoder::Decoder};

/// How a request's body is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// There is none.
    Empty,
    /// Of this length.
    Length(u64),
    /// In chunks.
    Chunked,
}

/// The head of a final response.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    /// How its body comes.
    pub(super) body: Decoder,
    /// Whether another request may follow on the connection.
    pub(super) keep_alive: bool,
}

/// The largest head of a response, and the most headers in it.
pub(super) const MAX_HEAD: usize = 128 << 10;
const MAX_HEADERS: usize = 100;

impl Framing {
    /// That of a request, by what is known of its body.
    pub(super) fn of<B: Body>(request: &Request<B>) -> Self {
        let body = request.body();
        if body.is_end_stream() {
            return Self::Empty;
        }
        body.size_hint().exact().map_or(Self::Chunked, Self::Length)
    }
}

/// The head of a request, whose headers have none about its framing.
pub(super) fn write<B>(request: &Request<B>, framing: Framing) -> Vec<u8> {
    let mut head = Vec::with_capacity(512);
    let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
    for part in [request.method().as_str(), " ", target, " HTTP/1.1\r\n"] {
        head.extend_from_slice(part.as_bytes());
    }
    for (name, value) in request.headers() {
        for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
            head.extend_from_slice(part);
        }
    }
    // RFC 9110 section 8.6: methods that are expected to have a body say that there is none.
    let expects_body = matches!(*request.method(), Method::POST | Method::PUT | Method::PATCH);
    match framing {
        Framing::Empty if expects_body => head.extend_from_slice(b"content-length: 0\r\n"),
        Framing::Empty => {}
        Framing::Length(length) => {
            head.extend_from_slice(format!("content-length: {length}\r\n").as_bytes());
        }
        Framing::Chunked => head.extend_from_slice(b"transfer-encoding: chunked\r\n"),
    }
    head.extend_from_slice(b"\r\n");
    head
}

/// Takes the head of the final response to a request off the front of `buffer`, once all of it is there; those of interim
/// responses are passed over.
///
/// # Errors
/// It is no head, or one that could be read in two ways.
pub(super) fn read(buffer: &mut BytesMut, method: &Method) -> Result<Option<Head>, Broken> {
    loop {
        let Some(head) = read_one(buffer, method)? else { return Ok(None) };
        // Nobody asked for another protocol: what answers so is refused later.
        if !head.status.is_informational() || head.status == StatusCode::SWITCHING_PROTOCOLS {
            return Ok(Some(head));
        }
    }
}

fn read_one(buffer: &mut BytesMut, method: &Method) -> Result<Option<Head>, Broken> {
    let mut parsed = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut response = httparse::Response::new(&mut parsed);
    let length = match response.parse(buffer) {
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
    // Where in the buffer each stands, so that values need no copy.
    let start = buffer.as_ptr() as usize;
    let spans: Vec<(HeaderName, usize, usize)> = response
        .headers
        .iter()
        .map(|header| {
            let name = HeaderName::from_bytes(header.name.as_bytes());
            let name = name.map_err(|_| Broken::Malformed("the name of a header is malformed"))?;
            Ok((name, header.value.as_ptr() as usize - start, header.value.len()))
        })
        .collect::<Result<_, Broken>>()?;
    let head: Bytes = buffer.split_to(length).freeze();
    let mut headers = HeaderMap::with_capacity(spans.len());
    for (name, at, length) in spans {
        let value = HeaderValue::from_maybe_shared(head.slice(at..at + length));
        headers.append(name, value.map_err(|_| Broken::Malformed("the value of a header is malformed"))?);
    }
    if !is_1_1 && headers.contains_key(header::TRANSFER_ENCODING) {
        // RFC 9112 section 6.1: what the framing is cannot be told.
        return Err(Broken::Malformed("it is HTTP/1.0 and has a Transfer-Encoding"));
    }
    let (body, is_delimited) = body_of(method, status, &headers)?;
    let keep_alive =
        is_delimited && stays_open(&headers, is_1_1) && status != StatusCode::SWITCHING_PROTOCOLS;
    Ok(Some(Head { status, headers, body, keep_alive }))
}

/// How the body comes (RFC 9112 section 6.3), and whether its end shows without the connection's.
fn body_of(method: &Method, status: StatusCode, headers: &HeaderMap) -> Result<(Decoder, bool), Broken> {
    let is_bodiless = *method == Method::HEAD
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

    fn parse(text: &str, method: &Method) -> Result<Option<Head>, Broken> {
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
            let parsed = parse(&format!("HTTP/1.1 200 OK\r\n{headers}\r\n"), &Method::GET);
            assert!(parsed.is_err(), "{headers:?}: {parsed:?}");
        }
        assert!(parse("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", &Method::GET).is_err());
    }

    #[test]
    fn a_body_is_framed_as_its_head_says() {
        let framed = |text: &str, method: &Method| {
            let head = parse(&format!("HTTP/1.{text}\r\n\r\n"), method).unwrap().unwrap();
            (head.body.left(), head.keep_alive)
        };
        let get = &Method::GET;
        assert_eq!(framed("1 200 OK\r\nContent-Length: 3", get), (Some(3), true));
        assert_eq!(framed("1 200 OK\r\nContent-Length: 3\r\nContent-Length: 3", get), (Some(3), true));
        assert_eq!(framed("1 200 OK\r\nContent-Length: 3", &Method::HEAD), (Some(0), true));
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
        assert!(read(&mut buffer, &Method::PUT).unwrap().is_none());
        buffer.extend_from_slice(b"reated\r\nContent-Length: 2\r\nA: x\r\n\r\nab");
        let head = read(&mut buffer, &Method::PUT).unwrap().unwrap();
        assert_eq!((head.status, &buffer[..]), (StatusCode::CREATED, &b"ab"[..]));
        assert_eq!(head.headers["a"], "x");
        assert_eq!(parse("HTTP/1.1 101 S\r\n\r\n", &Method::GET).unwrap().unwrap().status, 101);
    }

    #[test]
    fn a_head_has_a_bound() {
        let long = format!("HTTP/1.1 200 OK\r\nA: {}", "x".repeat(MAX_HEAD));
        assert!(parse(&long, &Method::GET).is_err());
        let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "A: b\r\n".repeat(MAX_HEADERS + 1));
        assert!(parse(&many, &Method::GET).is_err());
    }

    #[test]
    fn a_request_says_how_its_body_comes() {
        let written = |method: Method, framing| {
            let request =
                Request::builder().method(method).uri("/v2/a?b=c").header("host", "h").body(()).unwrap();
            String::from_utf8(write(&request, framing)).unwrap()
        };
        assert_eq!(written(Method::GET, Framing::Empty), "GET /v2/a?b=c HTTP/1.1\r\nhost: h\r\n\r\n");
        assert!(written(Method::POST, Framing::Empty).ends_with("\r\ncontent-length: 0\r\n\r\n"));
        assert!(written(Method::PUT, Framing::Length(7)).ends_with("\r\ncontent-length: 7\r\n\r\n"));
        assert!(written(Method::PATCH, Framing::Chunked).ends_with("\r\ntransfer-encoding: chunked\r\n\r\n"));
    }
}
