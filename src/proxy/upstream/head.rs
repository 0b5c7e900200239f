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
