//! The headers that pass in each direction (RFC 9110 section 7.6, security rules on hop-by-hop and forwarding headers).

use std::net::IpAddr;

use hyper::header::{self, HeaderMap, HeaderName};

use crate::{
    proxy::{
        request::{
            origin::{Origin, REQUEST_ID},
            trace_context::{self, TRACEPARENT, TRACESTATE},
        },
        upstream::RequestHead,
    },
    telemetry::RequestId,
};

/// The client's headers that the registry may see: an allow-list, so that nothing it might trust slips through. The
/// framing is not among them: it is written anew from the body.
static TO_REGISTRY: [HeaderName; 16] = [
    header::ACCEPT,
    header::ACCEPT_ENCODING,
    header::CACHE_CONTROL,
    header::CONTENT_ENCODING,
    header::CONTENT_RANGE,
    header::CONTENT_TYPE,
    header::IF_MATCH,
    header::IF_MODIFIED_SINCE,
    header::IF_NONE_MATCH,
    header::IF_RANGE,
    header::IF_UNMODIFIED_SINCE,
    header::RANGE,
    header::USER_AGENT,
    HeaderName::from_static("docker-content-digest"),
    HeaderName::from_static("docker-distribution-api-version"),
    HeaderName::from_static("docker-upload-uuid"),
];

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// The registry's headers that a client may see: an allow-list too. Portwarden decides which pages may read an answer,
/// what a browser keeps (cookies, other sites' rules for this one) and where it goes next. A proxy in front of
/// Portwarden obeys headers such as `X-Accel-Redirect`. `Location`, `Link` and `Cache-Control` are written anew.
static TO_CLIENT: [HeaderName; 28] = [
    header::ACCEPT_RANGES,
    header::AGE,
    header::ALLOW,
    header::CACHE_CONTROL,
    header::CONTENT_DISPOSITION,
    header::CONTENT_ENCODING,
    header::CONTENT_LANGUAGE,
    header::CONTENT_LENGTH,
    header::CONTENT_RANGE,
    header::CONTENT_TYPE,
    header::DATE,
    header::ETAG,
    header::LAST_MODIFIED,
    header::LINK,
    header::LOCATION,
    header::RANGE,
    header::RETRY_AFTER,
    header::TRAILER,
    header::VARY,
    header::WARNING,
    HeaderName::from_static("docker-content-digest"),
    HeaderName::from_static("docker-distribution-api-version"),
    HeaderName::from_static("docker-upload-uuid"),
    HeaderName::from_static("oci-chunk-max-length"),
    HeaderName::from_static("oci-chunk-min-length"),
    HeaderName::from_static("oci-filters-applied"),
    HeaderName::from_static("oci-subject"),
    HeaderName::from_static("oci-tag"),
];

/// Gives a request for the registry its headers: the client's that are allowed, less those its `Connection` names, those
/// of a trace that is named by the rules, and Portwarden's own, which the client cannot take away.
pub(crate) fn to_registry(
    head: &mut RequestHead,
    client: &HeaderMap,
    origin: &Origin,
    address: Option<IpAddr>,
    id: &RequestId,
) {
    let named: Vec<&str> = connection_options(client).collect();
    let is_traced = trace_context::trace_id(client).is_some();
    // A client sends fewer headers than there are on the list.
    for (name, value) in client {
        let is_named = || named.iter().any(|option| option.eq_ignore_ascii_case(name.as_str()));
        let is_of_trace = || is_traced && [TRACEPARENT, TRACESTATE].contains(name);
        if (TO_REGISTRY.contains(name) || is_of_trace()) && !is_named() {
            head.append(name, value);
        }
    }
    head.append_text(&header::HOST, &origin.host);
    head.append_text(&X_FORWARDED_PROTO, origin.scheme);
    head.append_text(&X_FORWARDED_HOST, &origin.host);
    if let Some(address) = address {
        head.append_text(&X_FORWARDED_FOR, &address.to_string());
    }
    head.append_text(&REQUEST_ID, id.as_str());
}

/// Leaves of the registry's headers those that a client may see, less those that its `Connection` names.
pub(super) fn from_registry(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = connection_options(headers).filter_map(|name| name.parse().ok()).collect();
    let hidden = |name: &&HeaderName| !TO_CLIENT.contains(*name) || named.contains(*name);
    let hidden: Vec<HeaderName> = headers.keys().filter(hidden).cloned().collect();
    for name in &hidden {
        headers.remove(name);
    }
}

/// Returns true for a header of the registry that clients may see.
pub(in crate::proxy) fn is_for_clients(name: &HeaderName) -> bool {
    TO_CLIENT.contains(name)
}

fn connection_options(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let values = headers.get_all(header::CONNECTION).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{proxy::body::request_body::RequestBody, registry::Method};

    fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
        let parse =
            |(name, value): &(&str, &str)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        let mut map = HeaderMap::new();
        for (name, value) in pairs.iter().map(parse) {
            map.append(name, value);
        }
        map
    }

    #[test]
    fn rule_09_only_listed_headers_reach_the_registry() {
        let client = headers(&[
            ("accept", "a"),
            ("accept", "b"),
            ("authorization", "Bearer x"),
            ("cookie", "c"),
            ("forwarded", "for=1.2.3.4"),
            ("x-forwarded-for", "1.2.3.4"),
            ("x-forwarded-host", "evil"),
            ("x-original-url", "/v2/secret"),
            ("connection", "close, X-Forwarded-Proto, host, range"),
            ("range", "bytes=0-1"),
            ("te", "trailers"),
            ("transfer-encoding", "chunked"),
        ]);
        let origin = Origin { scheme: "https", host: "registry.example".to_owned() };
        let id = RequestId::random();
        let mut head = RequestHead::new(Method::Get, "/v2/");
        to_registry(&mut head, &client, &origin, Some("192.0.2.1".parse().unwrap()), &id);
        let sent = head.with(RequestBody::empty()).head;
        let expected = format!(
            "GET /v2/ HTTP/1.1\r\naccept: a\r\naccept: b\r\nhost: registry.example\r\n\
             x-forwarded-proto: https\r\nx-forwarded-host: registry.example\r\n\
             x-forwarded-for: 192.0.2.1\r\nx-request-id: {id}\r\n\r\n"
        );
        assert_eq!(String::from_utf8_lossy(&sent), expected);
    }

    #[test]
    fn a_trace_passes_unchanged_if_it_is_valid() {
        let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let origin = Origin { scheme: "https", host: "registry.example".to_owned() };
        let own =
            "host: registry.example\r\nx-forwarded-proto: https\r\nx-forwarded-host: registry.example\r\n";
        let state = [("tracestate", "a=1"), ("tracestate", "b=2, c=3")];
        let passed = format!("traceparent: {trace}\r\ntracestate: a=1\r\ntracestate: b=2, c=3\r\n");
        for (parents, passed) in [
            (vec![("traceparent", trace)], passed.as_str()),
            (vec![("traceparent", trace), ("traceparent", trace)], ""),
            (vec![("traceparent", &trace[1..])], ""),
            (vec![], ""),
        ] {
            let (mut head, id) = (RequestHead::new(Method::Get, "/v2/"), RequestId::random());
            to_registry(&mut head, &headers(&[&parents[..], &state].concat()), &origin, None, &id);
            let sent = head.with(RequestBody::empty()).head;
            let expected = format!("GET /v2/ HTTP/1.1\r\n{passed}{own}x-request-id: {id}\r\n\r\n");
            assert_eq!(String::from_utf8_lossy(&sent), expected);
        }
    }

    #[test]
    fn rule_09_only_listed_headers_of_the_registry_reach_a_client() {
        let mut answer = headers(&[
            ("connection", "ETag, x-internal"),
            ("x-internal", "1"),
            ("etag", "e"),
            ("upgrade", "h2c"),
            ("access-control-allow-origin", "*"),
            ("set-cookie", "portwarden=x"),
            ("refresh", "0; url=//evil.example"),
            ("content-location", "http://127.0.0.1:5000/x"),
            ("x-accel-redirect", "/secret"),
            ("alt-svc", "h3=\":1\""),
            ("clear-site-data", "*"),
            ("expires", "Thu, 01 Jan 2099 00:00:00 GMT"),
            ("docker-content-digest", "sha256:a"),
            ("oci-subject", "sha256:b"),
            ("oci-subject", "sha256:c"),
        ]);
        from_registry(&mut answer);
        let left =
            [("docker-content-digest", "sha256:a"), ("oci-subject", "sha256:b"), ("oci-subject", "sha256:c")];
        assert_eq!(answer, headers(&left));
    }
}
