//! A request for the registry (RFC 9112): its head as it is sent, and its body.

use bytes::Bytes;
use hyper::{
    body::Body,
    header::{HeaderName, HeaderValue},
};

use crate::{
    proxy::body::request_body::RequestBody,
    registry::{Method, percent_encode},
};

/// The head of a request, less what says how its body comes.
#[derive(Debug)]
pub(in crate::proxy) struct RequestHead {
    method: Method,
    text: Vec<u8>,
}

/// A request for the registry.
pub(in crate::proxy) struct UpstreamRequest {
    pub(super) method: Method,
    pub(in crate::proxy) head: Bytes,
    pub(super) framing: Framing,
    pub(super) body: RequestBody,
}

/// The framing of a request's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// There is none.
    Empty,
    /// A body of this length.
    Length(u64),
    /// In chunks.
    Chunked,
}

/// The capacity reserved for a head: more than clients send.
const USUAL_HEAD: usize = 1000;

impl RequestHead {
    /// A head without headers; `target` is in origin-form. A byte that would end it is percent-encoded.
    pub(in crate::proxy) fn new(method: Method, target: &str) -> Self {
        let mut text = Vec::with_capacity(USUAL_HEAD);
        text.extend_from_slice(method.as_str().as_bytes());
        text.push(b' ');
        if target.bytes().all(|byte| byte.is_ascii_graphic()) {
            text.extend_from_slice(target.as_bytes());
        } else {
            text.extend_from_slice(percent_encode(target).as_bytes());
        }
        text.extend_from_slice(b" HTTP/1.1\r\n");
        Self { method, text }
    }

    /// One more header.
    pub(in crate::proxy) fn append(&mut self, name: &HeaderName, value: &HeaderValue) {
        self.line(name, value.as_bytes());
    }

    /// One more header, of visible ASCII characters and spaces; left out where its value has others.
    pub(in crate::proxy) fn append_text(&mut self, name: &HeaderName, value: &str) {
        if value.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
            self.line(name, value.as_bytes());
        }
    }

    /// `value` has nothing that ends a line.
    fn line(&mut self, name: &HeaderName, value: &[u8]) {
        for part in [name.as_str().as_bytes(), b": ", value, b"\r\n"] {
            self.text.extend_from_slice(part);
        }
    }

    /// The same request with its body; boxed, since it is moved many times.
    pub(in crate::proxy) fn with(self, body: RequestBody) -> Box<UpstreamRequest> {
        let (method, framing) = (self.method, Framing::of(&body));
        Box::new(UpstreamRequest { method, head: self.framed(framing), framing, body })
    }

    /// The whole head, which says how the body comes.
    fn framed(self, framing: Framing) -> Bytes {
        let Self { method, mut text } = self;
        // RFC 9110 section 8.6: methods that are expected to have a body say that there is none.
        match framing {
            Framing::Empty if method.has_body() => text.extend_from_slice(b"content-length: 0\r\n"),
            Framing::Empty => {}
            Framing::Length(length) => {
                text.extend_from_slice(format!("content-length: {length}\r\n").as_bytes());
            }
            Framing::Chunked => text.extend_from_slice(b"transfer-encoding: chunked\r\n"),
        }
        text.extend_from_slice(b"\r\n");
        text.into()
    }
}

impl UpstreamRequest {
    /// Returns true if it may be sent twice (RFC 9110 section 9.2.2), and has no body to lose.
    pub(super) fn is_repeatable(&self) -> bool {
        self.framing == Framing::Empty && matches!(self.method, Method::Get | Method::Head)
    }
}

impl Framing {
    /// Chooses the framing by what is known of a body.
    fn of(body: &impl Body) -> Self {
        if body.is_end_stream() {
            return Self::Empty;
        }
        body.size_hint().exact().map_or(Self::Chunked, Self::Length)
    }
}

#[cfg(test)]
mod tests {
    use hyper::header;

    use super::*;

    fn text(head: RequestHead) -> String {
        String::from_utf8(head.with(RequestBody::empty()).head.to_vec()).unwrap()
    }

    #[test]
    fn a_head_is_written_as_it_is_sent() {
        let mut head = RequestHead::new(Method::Get, "/v2/a?b=c");
        head.append(&header::ACCEPT, &HeaderValue::from_static("a/b"));
        head.append_text(&header::HOST, "h:1");
        assert_eq!(text(head), "GET /v2/a?b=c HTTP/1.1\r\naccept: a/b\r\nhost: h:1\r\n\r\n");
    }

    #[test]
    fn a_head_says_how_the_body_comes() {
        for (method, framing, expected) in [
            (Method::Get, Framing::Empty, ""),
            (Method::Post, Framing::Empty, "content-length: 0\r\n"),
            (Method::Put, Framing::Length(7), "content-length: 7\r\n"),
            (Method::Patch, Framing::Chunked, "transfer-encoding: chunked\r\n"),
        ] {
            let head = RequestHead::new(method, "/").framed(framing);
            let expected = format!("{} / HTTP/1.1\r\n{expected}\r\n", method.as_str());
            assert_eq!(String::from_utf8_lossy(&head), expected);
        }
    }

    #[test]
    fn rule_09_nothing_ends_a_line_of_the_head() {
        let head = RequestHead::new(Method::Get, "/v2/ HTTP/1.1\r\nhost: x\0\u{e9}");
        assert_eq!(text(head), "GET /v2/%20HTTP/1.1%0D%0Ahost:%20x%00%C3%A9 HTTP/1.1\r\n\r\n");
        let mut head = RequestHead::new(Method::Get, "/");
        for value in ["a\r\nb: c", "\n", "\t", "\u{7f}", "\u{e9}"] {
            head.append_text(&header::HOST, value);
        }
        assert_eq!(text(head), "GET / HTTP/1.1\r\n\r\n");
    }
}
