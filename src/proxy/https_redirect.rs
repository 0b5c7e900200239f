//! The answers of a port of `server.redirect_addr`: it leads browsers from plain HTTP to HTTPS, and shows the authority of
//! a certificate by ACME the answer of the pending challenge (RFC 8555 section 8.3).
//!
//! Clients of the registry are refused instead. One that was redirected would work, and send its password in the clear
//! first each time.

use std::net::Ipv6Addr;

use hyper::{
    Method, Request, Response,
    body::Incoming,
    header::{self, HeaderValue},
    http::request::Parts,
};

use super::{
    Peer, ResponseBody, Service, Settings,
    request::{context::require_plain, target::Target},
    request_log::{RequestLog, Subject},
    response::{
        caching,
        error_response::refuse,
        local_response::{plain_text, redirect_to},
    },
};
use crate::registry::{ErrorCode, Refusal};

const USE_HTTPS: &str = "this port only redirects browsers, and the request came in plain HTTP: use https://";
const NO_HOST: &str = "the request must have one Host header, with the name or the address of a host";

impl Service {
    /// Answers a request in plain HTTP: with a redirect to the same URL at the `port` that speaks TLS, or 400. It is
    /// counted, and not written down. The connection ends with it.
    pub fn redirect(&self, request: Request<Incoming>, peer: Peer, port: u16) -> Response<ResponseBody> {
        let settings = &self.snapshot().settings;
        let (head, _) = request.into_parts();
        let mut log = RequestLog::begin(self.telemetry(), &head, peer, Subject::Other, None);
        let location = location(&head, settings, port);
        let refusal = location.as_ref().err().cloned();
        let response = location.map_or_else(|refusal| refuse(&refusal, settings, None), redirect_to);
        log.concluded(refusal.as_ref(), response.status());
        closing(response, log)
    }

    /// Answers the authority's request for a pending challenge.
    pub fn answer_challenge(
        &self,
        request: Request<Incoming>,
        peer: Peer,
        answer: String,
    ) -> Response<ResponseBody> {
        let (head, _) = request.into_parts();
        let mut log = RequestLog::begin(self.telemetry(), &head, peer, Subject::Other, None);
        let response = plain_text(answer);
        log.concluded(None, response.status());
        closing(response, log)
    }
}

/// The response, with which the connection ends.
fn closing(mut response: Response<ResponseBody>, log: Box<RequestLog>) -> Response<ResponseBody> {
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    caching::by_default(headers);
    response.body_mut().observe(log);
    response
}

fn location(head: &Parts, settings: &Settings, port: u16) -> Result<HeaderValue, Refusal> {
    let bad = |why| Refusal::new(ErrorCode::BadRequest, why);
    require_plain(head)?;
    if !is_of_browser(head, settings) {
        return Err(bad(USE_HTTPS));
    }
    let mut hosts = head.headers.get_all(header::HOST).iter();
    let host = match (hosts.next(), hosts.next()) {
        (Some(host), None) => host.to_str().ok().and_then(host_of).ok_or_else(|| bad(NO_HOST))?,
        _ => return Err(bad(NO_HOST)),
    };
    let port = if port == 443 { String::new() } else { format!(":{port}") };
    let target = head.uri.path_and_query().map_or("/", |target| target.as_str());
    HeaderValue::try_from(format!("https://{host}{port}{target}"))
        .map_err(|_| bad("the request target must be a path"))
}

/// Returns whether it may be a browser's, and nothing of it is for the registry or its tokens.
fn is_of_browser(head: &Parts, settings: &Settings) -> bool {
    let path = head.uri.path();
    let target = Target::classify(head, &settings.path_prefix, settings.ui.enabled);
    matches!(head.method, Method::GET | Method::HEAD)
        && !head.headers.contains_key(header::AUTHORIZATION)
        && !(path == "/v2" || path.starts_with("/v2/"))
        && target != Target::Token
}

/// The host of an authority, without its port; `None` where that is anything but a plain name or an address.
fn host_of(authority: &str) -> Option<&str> {
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port),
        _ => (authority, ""),
    };
    let bracketed = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let is_label_byte = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    let is_label = |label: &str| (1..=63).contains(&label.len()) && label.bytes().all(is_label_byte);
    let is_host = match bracketed {
        Some(address) => address.parse::<Ipv6Addr>().is_ok(),
        None => host.len() <= 253 && host.split('.').all(is_label),
    };
    (is_host && port.len() <= 5 && port.bytes().all(|b| b.is_ascii_digit())).then_some(host)
}

#[cfg(test)]
mod tests {
    use super::host_of;

    #[test]
    fn a_host_is_a_plain_name_or_an_address() {
        for (authority, host) in [
            ("registry.example", "registry.example"),
            ("registry.example:80", "registry.example"),
            ("registry.example:", "registry.example"),
            ("192.0.2.1:8080", "192.0.2.1"),
            ("my_host-1", "my_host-1"),
            ("[::1]", "[::1]"),
            ("[2001:db8::1]:80", "[2001:db8::1]"),
        ] {
            assert_eq!(host_of(authority), Some(host), "{authority}");
        }
        for authority in [
            "",
            ":80",
            ".",
            "a..b",
            "a.",
            "a@b",
            "a:b@c",
            "a/b",
            "a?b",
            "a#b",
            "a\\b",
            "a b",
            "a\tb",
            "a%2eb",
            "a,b",
            "::1",
            "[::1",
            "[::1]x",
            "[fe80::1%eth0]",
            "[a]",
            "a:80:80",
            "a:8x",
            "a:123456",
            "é.example",
            "a;b",
            "a:+1",
            "[[::1]]",
        ] {
            assert_eq!(host_of(authority), None, "{authority}");
        }
        assert_eq!(host_of(&"a".repeat(64)), None);
        assert_eq!(host_of(&vec!["a"; 128].join(".")), None);
    }
}
