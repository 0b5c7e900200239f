//! The recorded routes over the wire: what is demanded or refused, and that nothing refused reaches the registry.

use std::collections::{BTreeMap, BTreeSet};

use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper_util::rt::{TokioExecutor, TokioIo};
use portwarden::registry::{Endpoint, Route};
use serde_json::Value;

use crate::support::{
    in_process::{InProcess, in_process},
    raw::{self, Response, latin1},
    routes::{is_canonical, recorded_access, rows},
};

/// Without the web pages, which neither docker_auth nor the registry has: `tests/services/pages.rs`.
const CONFIG: &str = "
ui: {enabled: false}
server: {addr: ':0', certificate: '@CERT@', key: '@KEY@'}
token: {issuer: Acme auth server, expiration: 900}
users: {admin: {password: $2y$05$LO.vzwpWC5LZGqThvEfznu8qhb5SGqvBSWY1J3yZ4AxtMRZ3kN5jC}}
acl: [{match: {account: admin}, actions: ['*']}]
";

#[test]
fn over_http1_every_recorded_request_is_demanded_the_same_or_refused() {
    let sink = raw::sink("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    let plain = CONFIG.replace("certificate: '@CERT@', key: '@KEY@'", "");
    let plain = plain.replace("expiration: 900", "expiration: 900, certificate: '@CERT@', key: '@KEY@'");
    let portwarden = in_process(&plain, &sink.url());
    let judge = |row: &Value| verdict(row, raw::exchange(portwarden.address, &bytes(row)));
    report(&rows().iter().map(|row| (row.clone(), judge(row))).collect::<Vec<_>>(), 1700);
    assert_eq!(sink.take(), Vec::<String>::new(), "nothing may reach the registry without credentials");
}

#[test]
fn over_http2_every_recorded_request_is_demanded_the_same_or_refused() {
    let sink = raw::sink("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    let portwarden = in_process(CONFIG, &sink.url());
    let judged = portwarden.block_on(async {
        let mut client = http2(&portwarden).await;
        let mut judged = Vec::new();
        for row in rows().into_iter().filter(fits_http2) {
            let Some(request) = http2_request(&row) else { continue };
            let response = client.send_request(request).await.unwrap();
            let (head, body) = response.into_parts();
            let headers =
                head.headers.iter().map(|(n, v)| (n.to_string(), v.to_str().unwrap().to_owned())).collect();
            let body = body.collect().await.unwrap().to_bytes().to_vec();
            judged.push((
                row.clone(),
                verdict(&row, Some(Response { status: head.status.as_u16(), headers, body })),
            ));
        }
        judged
    });
    report(&judged, 1200);
    assert_eq!(sink.take(), Vec::<String>::new());
}

/// Prints the counts and fails with every wrong row.
fn report(judged: &[(Value, &'static str)], at_least: usize) {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for (_, verdict) in judged {
        *counts.entry(verdict).or_default() += 1;
    }
    println!("{counts:#?}");
    let wrong: Vec<String> =
        judged.iter().filter(|(_, v)| v.starts_with("WRONG")).map(|(row, v)| format!("{v}: {row}")).collect();
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
    assert!(judged.len() > at_least, "only {} rows", judged.len());
    assert!(counts["the same access"] > 900, "{counts:?}");
}

fn verdict(row: &Value, response: Option<Response>) -> &'static str {
    let recorded = recorded_access(row);
    let canonical = is_canonical(row);
    let Some(response) = response else {
        return if canonical { "WRONG: no answer" } else { "refused: connection closed" };
    };
    match (response.status, &recorded) {
        (401, Some(recorded)) if demanded(&response) == *recorded => "the same access",
        (401, None)
            if row["target"].as_str().unwrap().to_lowercase().contains("referrers") || is_referrers(row) =>
        {
            "referrers, which registry 2.8 has not"
        }
        (401, None) if row["target"] == "/auth" => "our own token endpoint",
        (401, _) => "WRONG access",
        (308, _) if row["target"].as_str().unwrap().trim_end_matches('?').starts_with("/v2") => {
            "redirect of /v2"
        }
        // Outside of /v2 there is nothing of the registry.
        (200, None) if row["outcome"] == "open" => "our own page",
        (400..=499, _) if canonical && row.get("body").is_none() => "WRONG refusal of a canonical request",
        (400..=499, _) => "refused",
        _ => "WRONG status",
    }
}

fn is_referrers(row: &Value) -> bool {
    let target = row["target"].as_str().unwrap();
    let path = target.split(['?', '#']).next().unwrap();
    Route::parse("GET", path, None).is_ok_and(|route| matches!(route.endpoint(), Endpoint::Referrers(..)))
}

fn demanded(response: &Response) -> BTreeSet<String> {
    let scope = response.challenge("scope").unwrap_or_default();
    let mut all = BTreeSet::new();
    for scope in scope.split(' ').filter(|scope| !scope.is_empty()) {
        let (resource, actions) = scope.rsplit_once(':').unwrap();
        all.extend(actions.split(',').map(|action| format!("{resource}:{action}")));
    }
    all
}

/// The request as it was recorded.
fn bytes(row: &Value) -> Vec<u8> {
    let text = |key: &str| row.get(key).and_then(Value::as_str);
    let mut head = format!(
        "{} {} {}\r\n",
        text("method").unwrap(),
        text("target").unwrap(),
        text("version").unwrap_or("HTTP/1.1")
    );
    let headers: Vec<(String, String)> = row
        .get("headers")
        .map(|headers| serde_json::from_value(headers.clone()).unwrap())
        .unwrap_or_default();
    if row.get("no_host").is_none() && !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
        head += "Host: registry.example\r\n";
    }
    for (name, value) in &headers {
        head += &format!("{name}: {value}\r\n");
    }
    if let Some(content_type) = text("content_type") {
        head += &format!("Content-Type: {content_type}\r\n");
    }
    let body = latin1(text("body").unwrap_or_default());
    let mut framed = Vec::new();
    match (text("framing"), body.len()) {
        (Some("chunked"), length) => {
            head += "Transfer-Encoding: chunked\r\n";
            framed.extend(format!("{length:x}\r\n").into_bytes());
            framed.extend(&body);
            framed.extend(b"\r\n0\r\n\r\n");
        }
        (_, 0) => {}
        (_, length) => {
            head += &format!("Content-Length: {length}\r\n");
            framed.extend(&body);
        }
    }
    let mut bytes = latin1(&format!("{head}Connection: close\r\n\r\n"));
    bytes.extend(framed);
    bytes
}

/// Rows whose meaning is in the HTTP/1.1 text itself (versions, absolute targets, no host, fragments, which an HTTP/2
/// client library cannot even write) have no counterpart.
fn fits_http2(row: &Value) -> bool {
    let target = row["target"].as_str().unwrap();
    let http1_only = ["version", "no_host", "framing", "headers"].iter().any(|key| row.get(*key).is_some());
    target.starts_with('/') && !target.contains('#') && !http1_only && row["method"] != "CONNECT"
}

fn http2_request(row: &Value) -> Option<hyper::Request<Empty<Bytes>>> {
    let target = latin1(row["target"].as_str().unwrap());
    let path = hyper::http::uri::PathAndQuery::from_maybe_shared(target).ok()?;
    let uri = hyper::Uri::builder()
        .scheme("https")
        .authority("registry.example")
        .path_and_query(path)
        .build()
        .ok()?;
    let mut request = hyper::Request::builder().method(row["method"].as_str().unwrap()).uri(uri);
    if let Some(content_type) = row.get("content_type").and_then(Value::as_str) {
        request = request.header("content-type", content_type);
    }
    request.body(Empty::new()).ok()
}

async fn http2(portwarden: &InProcess) -> hyper::client::conn::http2::SendRequest<Empty<Bytes>> {
    let stream = crate::support::tls::connect(portwarden, &[b"h2"]).await;
    let (client, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    client
}
