//! The security rules over the wire, one test or more for each, named after it.
//!
//! Rules on pure functions have their tests beside the code as well (`rule_NN_…` there); tokens and routes are also
//! held against thousands of recorded cases (`tests/fast/cases_*.rs`).
//!
//! Needs: no other program.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr},
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use crate::support::{
    backoff::guesses_in_a_row,
    in_process::{InProcess, in_process},
    raw::{self, Response, Sink, exchange, latin1, request},
    waiting::{PATIENCE, eventually},
};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

/// Every password is `badmin`. `admin` may do everything; `pusher` may push to `team/…` and pull `shared/…`.
const CONFIG: &str = r#"
server: {addr: ":0"}
token: {issuer: Acme auth server, expiration: 900, certificate: "@CERT@", key: "@KEY@"}
users:
  admin: {password: "$2y$05$LO.vzwpWC5LZGqThvEfznu8qhb5SGqvBSWY1J3yZ4AxtMRZ3kN5jC"}
  pusher: {password: "$2y$05$LO.vzwpWC5LZGqThvEfznu8qhb5SGqvBSWY1J3yZ4AxtMRZ3kN5jC"}
  "*": {password: "$2y$05$LO.vzwpWC5LZGqThvEfznu8qhb5SGqvBSWY1J3yZ4AxtMRZ3kN5jC"}
acl:
  - {match: {account: admin}, actions: ["*"]}
  - {match: {account: pusher, name: "team/*"}, actions: [pull, push]}
  - {match: {account: pusher, name: "shared/*"}, actions: [pull]}
  - {match: {ip: 10.0.0.0/8, name: "internal/*"}, actions: [pull]}
  - {match: {name: "${account}/*"}, actions: [pull]}
"#;

fn start(answer: &str) -> (InProcess, Sink) {
    start_with(CONFIG, answer)
}

fn start_with(config: &str, answer: &str) -> (InProcess, Sink) {
    let sink = raw::sink(answer);
    (in_process(config, &sink.url()), sink)
}

/// [`CONFIG`] with TLS, for more sections to follow.
fn with_tls() -> String {
    CONFIG.replace("addr: \":0\"", "addr: \":0\", certificate: \"@CERT@\", key: \"@KEY@\"")
}

/// [`CONFIG`] with refresh tokens.
fn with_refresh_tokens() -> String {
    CONFIG.replace("expiration: 900", "expiration: 900, refresh_tokens: true")
}

fn basic(account: &str) -> String {
    format!("Authorization: Basic {}\r\n", STANDARD.encode(format!("{account}:badmin")))
}

fn ask(portwarden: &InProcess, method: &str, target: &str, headers: &str) -> Response {
    exchange(portwarden.address, &request(method, target, headers)).expect("an answer")
}

fn ask_as(portwarden: &InProcess, account: &str, method: &str, target: &str) -> Response {
    ask(portwarden, method, target, &basic(account))
}

/// A token of the account for the scopes, from the token endpoint.
fn token(portwarden: &InProcess, account: &str, query: &str) -> String {
    let response = ask_as(portwarden, account, "GET", &format!("/auth?{query}"));
    assert_eq!(response.status, 200, "{response:?}");
    let answer: Value = serde_json::from_str(&response.text()).unwrap();
    answer["token"].as_str().unwrap().to_owned()
}

const OURS: &str = "service=Docker%20registry";

#[test]
fn rule_01_only_six_methods_reach_the_registry() {
    let (portwarden, sink) = start(OK);
    for method in ["OPTIONS", "TRACE", "CONNECT", "get", "Get", "PROPFIND", "GETX", "COPY", "M-SEARCH"] {
        let response = ask_as(&portwarden, "admin", method, "/v2/a/manifests/latest");
        assert_eq!(response.status, 405, "{method}");
        assert_eq!(response.header("allow"), Some("GET, HEAD, POST, PUT, PATCH, DELETE"), "{method}");
    }
    assert_eq!(sink.take(), Vec::<String>::new());
    for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"] {
        assert_eq!(ask_as(&portwarden, "admin", method, "/v2/a/manifests/latest").status, 200, "{method}");
    }
    // Before a tag is deleted, it is asked what it names.
    let method = |head: &String| head.split(' ').next().unwrap_or_default().to_owned();
    let arrived: std::collections::BTreeSet<String> = sink.take().iter().map(method).collect();
    assert_eq!(arrived.into_iter().collect::<Vec<_>>(), ["DELETE", "GET", "HEAD", "PATCH", "POST", "PUT"]);
}

#[test]
fn rule_02_targets_are_paths() {
    let (portwarden, sink) = start(OK);
    for target in [
        "http://registry.example/v2/",
        "HTTPS://registry.example/v2/a/tags/list",
        "http://registry.example/auth",
        "registry.example:443",
        "*",
        "v2/",
        "?x",
    ] {
        assert_eq!(ask_as(&portwarden, "admin", "GET", target).status, 400, "{target}");
    }
    assert_eq!(sink.take(), Vec::<String>::new());
}

#[test]
fn rule_03_paths_are_decoded_once_and_must_be_plain() {
    let (portwarden, sink) = start(OK);
    for target in [
        "/v2/a%00b/tags/list",
        "/v2/a%0ab/tags/list",
        "/v2/caf%c3%a9/tags/list",
        "/v2/a%252Fb/tags/list",
        "/v2/a%3Fb/tags/list",
        "/v2/a%23b/tags/list",
        "/v2/a/tags/list#x",
        "/v2/a;b/tags/list",
        "/v2/a%5Cb/tags/list",
        "/v2//a/tags/list",
        "/v2/a/./tags/list",
        "/v2/a/../b/tags/list",
        "/v2/a%2F..%2Fb/tags/list",
        "/v2/a/tags/list/.",
        "/v2/%zz/tags/list",
        "/v2/a%2/tags/list",
    ] {
        assert_eq!(ask_as(&portwarden, "admin", "GET", target).status, 400, "{target}");
    }
    for target in ["//v2/a/tags/list", "/V2/a/tags/list", "/v2/a/tags/list/"] {
        assert_eq!(ask_as(&portwarden, "admin", "GET", target).status, 404, "{target}");
    }
    assert_eq!(sink.take(), Vec::<String>::new());
    assert_eq!(ask(&portwarden, "GET", "/v2", "").header("location"), Some("/v2/"));
}

/// The first line of what reached the registry.
fn forwarded(sink: &Sink) -> String {
    let seen = sink.take();
    assert_eq!(seen.len(), 1, "{seen:?}");
    seen[0].lines().next().unwrap().to_owned()
}

#[test]
fn rule_04_paths_are_matched_from_the_right() {
    let (portwarden, sink) = start(OK);
    for (target, scope) in [
        ("/v2/a/blobs/uploads/manifests/latest", "repository:a/blobs/uploads:pull"),
        ("/v2/tags/list/tags/list", "repository:tags/list:pull"),
        ("/v2/a/manifests/b/manifests/c", "repository:a/manifests/b:pull"),
        ("/v2/a/blobs/uploads/blobs/uploads/", "repository:a/blobs/uploads:pull"),
    ] {
        assert_eq!(
            ask(&portwarden, "GET", target, "").challenge("scope").as_deref(),
            Some(scope),
            "{target}"
        );
    }
    assert_eq!(sink.take(), Vec::<String>::new());
}

#[test]
fn rule_05_what_is_forwarded_is_written_anew() {
    let (portwarden, sink) = start(OK);
    for (target, line) in [
        ("/%76%32/a%2Fb/tags%2flist", "GET /v2/a/b/tags/list HTTP/1.1"),
        ("/v2/a/blobs/sha256%3Aab", "GET /v2/a/blobs/sha256:ab HTTP/1.1"),
        ("/v2/a/tags/list?", "GET /v2/a/tags/list HTTP/1.1"),
        ("/v2/a/tags/list?&%6E=2&&x=%41%2B+", "GET /v2/a/tags/list?n=2&x=A%2B%20 HTTP/1.1"),
    ] {
        assert_eq!(ask_as(&portwarden, "admin", "GET", target).status, 200, "{target}");
        assert_eq!(forwarded(&sink), line);
    }
}

#[test]
fn rule_06_ambiguous_queries_are_refused() {
    let (portwarden, sink) = start(OK);
    for query in [
        "from=a;x",
        "a=1;b=2",
        "a=%zz",
        "digest=a&digest=b",
        "n=1&n=2",
        "last=a&l%61st=b",
        "mount=a&mount=b",
        "from=A//b",
    ] {
        let target = format!("/v2/a/blobs/uploads/?{query}");
        assert_eq!(ask_as(&portwarden, "admin", "POST", &target).status, 400, "{query}");
    }
    assert_eq!(sink.take(), Vec::<String>::new());
}

#[test]
fn rule_07_forms_are_refused_on_every_method() {
    let (portwarden, sink) = start(OK);
    for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
        for content_type in
            ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "nonsense"]
        {
            let body = "mount=sha256:ab&from=secret/app";
            let length = body.len();
            let headers =
                format!("{}Content-Type: {content_type}\r\nContent-Length: {length}\r\n", basic("pusher"));
            let mut bytes = request(method, "/v2/team/app/blobs/uploads/", &headers);
            bytes.extend(body.as_bytes());
            let status = exchange(portwarden.address, &bytes).unwrap().status;
            assert_eq!(status, 415, "{method} {content_type}");
        }
    }
    let twice = format!(
        "{}Content-Type: text/plain\r\nContent-Type: application/x-www-form-urlencoded\r\n",
        basic("pusher")
    );
    assert_eq!(ask(&portwarden, "POST", "/v2/team/app/blobs/uploads/", &twice).status, 415);
    assert_eq!(sink.take(), Vec::<String>::new());
}

#[test]
fn rule_08_a_mount_needs_pull_on_its_source_or_becomes_a_plain_upload() {
    let (portwarden, sink) = start(OK);
    let start = "/v2/team/app/blobs/uploads/";
    for (query, line) in [
        (
            "mount=sha256:ab&from=shared/base",
            "POST /v2/team/app/blobs/uploads/?mount=sha256:ab&from=shared/base HTTP/1.1",
        ),
        ("mount=sha256:ab&from=secret/app", "POST /v2/team/app/blobs/uploads/ HTTP/1.1"),
        ("from=secret/app&mount=sha256:ab&x=1", "POST /v2/team/app/blobs/uploads/?x=1 HTTP/1.1"),
        ("mount=sha256:ab", "POST /v2/team/app/blobs/uploads/ HTTP/1.1"),
        ("mount=sha256:ab&from=", "POST /v2/team/app/blobs/uploads/ HTTP/1.1"),
        ("from=secret/app", "POST /v2/team/app/blobs/uploads/ HTTP/1.1"),
        ("from=shared/base", "POST /v2/team/app/blobs/uploads/ HTTP/1.1"),
    ] {
        assert_eq!(ask_as(&portwarden, "pusher", "POST", &format!("{start}?{query}")).status, 200, "{query}");
        assert_eq!(forwarded(&sink), line, "{query}");
    }
    // A token that does not list the source mounts nothing either, whatever its account may do.
    let mount = |scope: &str, query: &str| {
        let narrow = token(&portwarden, "pusher", &format!("{OURS}&scope={scope}"));
        ask(&portwarden, "POST", &format!("{start}?{query}"), &format!("Authorization: Bearer {narrow}\r\n"))
    };
    let target = "repository:team/app:pull,push";
    for (others, line) in [
        ("", "POST /v2/team/app/blobs/uploads/ HTTP/1.1"),
        (" repository:shared/base:push", "POST /v2/team/app/blobs/uploads/ HTTP/1.1"),
        (" repository:shared/other:pull", "POST /v2/team/app/blobs/uploads/ HTTP/1.1"),
        (
            " repository:shared/base:pull",
            "POST /v2/team/app/blobs/uploads/?mount=sha256:ab&from=shared/base HTTP/1.1",
        ),
    ] {
        let scope = format!("{target}{others}").replace(' ', "%20");
        assert_eq!(mount(&scope, "mount=sha256:ab&from=shared/base").status, 200, "{others}");
        assert_eq!(forwarded(&sink), line, "{others}");
    }
    // Without the target there is no upload at all; the client comes back with both scopes.
    for scope in ["repository:shared/base:pull", "repository:team/app:pull%20repository:shared/base:pull"] {
        let response = mount(scope, "mount=sha256:ab&from=shared/base");
        assert_eq!(response.status, 401);
        let both = "repository:team/app:pull,push repository:shared/base:pull";
        assert_eq!(response.challenge("scope").as_deref(), Some(both));
    }
    // Elsewhere `from` means nothing, and is asked for all the same, as the registry asks.
    assert_eq!(ask_as(&portwarden, "pusher", "GET", "/v2/team/app/tags/list?from=secret/app").status, 401);
    assert_eq!(sink.take(), Vec::<String>::new());
}

#[test]
fn rule_09_the_registry_sees_our_headers_not_the_clients() {
    let (portwarden, sink) = start(OK);
    let spoofed = "Cookie: c\r\nForwarded: for=1.1.1.1\r\nX-Forwarded-For: 10.0.0.1\r\nX-Forwarded-Proto: evil\r\n\
                   X-Forwarded-Host: evil\r\nX-Original-URL: /v2/secret\r\nX-Rewrite-URL: /x\r\nX-HTTP-Method-Override: DELETE\r\n\
                   TE: trailers\r\nAccept: a\r\nUpgrade: h2c\r\nConnection: x-forwarded-for, host, upgrade\r\n";
    let response = ask(&portwarden, "GET", "/v2/a/tags/list", &format!("{}{spoofed}", basic("admin")));
    assert_eq!(response.status, 200);
    let seen = sink.take().remove(0).to_lowercase();
    // The name of the request is another one each time; `tests/services/audit.rs` has its rules.
    let is_fixed = |line: &&str| !line.is_empty() && !line.starts_with("x-request-id: ");
    let mut lines: Vec<&str> = seen.lines().skip(1).filter(is_fixed).collect();
    lines.sort_unstable();
    let expected = [
        "accept: a",
        "host: registry.example",
        "x-forwarded-for: 127.0.0.1",
        "x-forwarded-host: registry.example",
        "x-forwarded-proto: http",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn rule_10_requests_that_can_be_read_in_two_ways_end_the_connection() {
    let (portwarden, sink) = start(OK);
    let admin = basic("admin");
    for head in [
        format!("GET /v2/a/tags/list HTTP/1.1\r\nHost: a\r\nHost: b\r\n{admin}\r\n"),
        format!("GET /v2/a/tags/list HTTP/1.1\r\nHost: a\r\n{admin}{admin}\r\n"),
        format!(
            "POST /v2/a/blobs/uploads/ HTTP/1.1\r\nHost: a\r\n{admin}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
        ),
        format!(
            "POST /v2/a/blobs/uploads/ HTTP/1.1\r\nHost: a\r\n{admin}Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n"
        ),
        format!("GET /v2/a/tags/list HTTP/1.1\nHost: a\n{admin}\r\n"),
        format!("GET /v2/a/tags/list HTTP/1.1\r\n{admin}\r\n"),
        format!("GET /v2/a/tags/list HTTP/1.1\r\nHost: a b\r\n{admin}\r\n"),
        format!("GET /v2/a/tags/list HTTP/1.1\r\nHost: user@a\r\n{admin}\r\n"),
        format!("GET /v2/a/tags/list HTTP/1.1\r\nHost : a\r\n{admin}\r\n"),
        format!("GET /v2/a/tags/list HTTP/1.1\r\nHost: a\r\n folded\r\n{admin}\r\n"),
    ] {
        let mut stream = raw::connect(portwarden.address);
        let smuggled = format!("{head}GET /v2/smuggled/tags/list HTTP/1.1\r\nHost: a\r\n{admin}\r\n");
        stream.write_all(&latin1(&smuggled)).unwrap();
        let response = raw::read_response(&mut stream).unwrap_or_else(|| panic!("no answer to {head}"));
        assert_eq!(response.status, 400, "{head}");
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
        assert!(rest.is_empty(), "{head}: the connection went on: {}", String::from_utf8_lossy(&rest));
    }
    assert_eq!(sink.take(), Vec::<String>::new());
    let twice = format!("{admin}{admin}");
    assert_eq!(ask(&portwarden, "GET", "/auth", &twice).status, 400, "at the token endpoint too");
}

#[test]
fn rule_11_only_trusted_proxies_are_believed() {
    let (portwarden, _sink) = start(OK);
    let forwarded = format!("{}X-Forwarded-For: 10.0.0.1\r\n", basic("pusher"));
    let target = "/v2/internal/app/tags/list";
    assert_eq!(ask(&portwarden, "GET", target, &forwarded).status, 401, "no proxy is trusted");
    let behind = |trusted: &str| {
        CONFIG.replace("addr: \":0\"", &format!("addr: \":0\", trusted_proxies: [{trusted}]"))
    };
    let (portwarden, sink) = start_with(&behind("127.0.0.1"), OK);
    assert_eq!(ask(&portwarden, "GET", target, &forwarded).status, 200, "the proxy says so");
    let seen = sink.take().remove(0).to_lowercase();
    assert!(seen.contains("x-forwarded-for: 10.0.0.1\r\n"), "{seen}");
    let claimed = format!("{}X-Forwarded-For: 10.0.0.1, 192.0.2.1\r\n", basic("pusher"));
    assert_eq!(
        ask(&portwarden, "GET", target, &claimed).status,
        401,
        "left of a stranger all is his own claim"
    );
    let odd = format!("{}X-Forwarded-For: é, 10.0.0.1\r\n", basic("pusher"));
    assert_eq!(ask(&portwarden, "GET", target, &odd).status, 200, "what the client wrote hides nothing");
    let nothing = format!("{}X-Forwarded-For: , ,\r\n", basic("pusher"));
    assert_eq!(
        ask(&portwarden, "GET", target, &nothing).status,
        400,
        "the proxy's own address opens nothing"
    );
    let named =
        behind("127.0.0.1").replace("trusted_proxies", "real_ip_header: X-Forwarded-For, trusted_proxies");
    let (portwarden, _sink) = start_with(&named, OK);
    let two_lines = format!("{}X-Forwarded-For: 10.0.0.1\r\nX-Forwarded-For: 192.0.2.1\r\n", basic("pusher"));
    assert_eq!(ask(&portwarden, "GET", target, &claimed).status, 401, "also with the header named");
    assert_eq!(ask(&portwarden, "GET", target, &two_lines).status, 401, "a proxy may add a line of its own");
    assert_eq!(ask(&portwarden, "GET", target, &forwarded).status, 200);
    let (portwarden, _sink) = start_with(&behind("192.0.2.0/24"), OK);
    assert_eq!(ask(&portwarden, "GET", target, &forwarded).status, 401, "the peer is not on the list");
}

#[test]
fn rule_12_no_location_leads_around_us() {
    for (answer, location) in [
        (
            "202 Accepted\r\nLocation: http://@HERE@/v2/a/blobs/uploads/1?_state=x",
            "/v2/a/blobs/uploads/1?_state=x",
        ),
        ("202 Accepted\r\nLocation: /v2/a/blobs/uploads/1", "/v2/a/blobs/uploads/1"),
        ("201 Created\r\nLocation: http://elsewhere/v2/a/blobs/sha256:ab", "/v2/a/blobs/sha256:ab"),
        ("307 Temporary Redirect\r\nLocation: http://@HERE@/v2/a/blobs/x", "/v2/a/blobs/x"),
        (
            "307 Temporary Redirect\r\nLocation: https://store.example/v2/x?sig=1",
            "https://store.example/v2/x?sig=1",
        ),
    ] {
        let (portwarden, _sink) = start(&format!("HTTP/1.1 {answer}\r\nContent-Length: 0\r\n\r\n"));
        let response = ask_as(&portwarden, "admin", "POST", "/v2/a/blobs/uploads/");
        assert_eq!(response.header("location"), Some(location), "{answer}");
    }
}

#[test]
fn rule_13_only_our_key_and_algorithm_open() {
    let (portwarden, sink) = start(OK);
    let good = token(&portwarden, "admin", &format!("{OURS}&scope=repository:a:pull"));
    let parts: Vec<&str> = good.split('.').collect();
    let none = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(r#"{"typ":"JWT","alg":"none"}"#);
    let (stranger, _sink) = start(OK);
    let elsewhere = in_process(&CONFIG.replace("Acme auth server", "Other issuer"), "http://127.0.0.1:1");
    let foreign = token(&elsewhere, "admin", &format!("{OURS}&scope=repository:a:pull"));
    drop(stranger);
    for bad in [
        format!("{none}.{}.", parts[1]),
        format!("{none}.{}.{}", parts[1], parts[2]),
        format!("{}.{}.", parts[0], parts[1]),
        format!("{}.{}.{}", parts[0], parts[1], parts[2].chars().rev().collect::<String>()),
        format!("{good}="),
        foreign,
        "x".to_owned(),
        "x".repeat(20_000),
    ] {
        let response =
            ask(&portwarden, "GET", "/v2/a/tags/list", &format!("Authorization: Bearer {bad}\r\n"));
        assert_eq!(
            (response.status, response.challenge("error").as_deref()),
            (401, Some("invalid_token")),
            "{bad}"
        );
        assert!(response.challenge("error_description").is_some_and(|why| !why.contains(&bad)));
    }
    assert_eq!(sink.take(), Vec::<String>::new());
    assert_eq!(
        ask(&portwarden, "GET", "/v2/a/tags/list", &format!("Authorization: Bearer {good}\r\n")).status,
        200
    );
}

#[test]
fn rule_14_a_token_is_a_ceiling_and_the_policy_of_now_decides() {
    let (portwarden, sink) = start(OK);
    let pull = token(&portwarden, "pusher", &format!("{OURS}&scope=repository:team/app:pull"));
    let headers = format!("Authorization: Bearer {pull}\r\n");
    let status = |method| ask(&portwarden, method, "/v2/team/app/manifests/x", &headers).status;
    assert_eq!(
        (status("GET"), status("PUT")),
        (200, 401),
        "the policy allows the push, the token does not list it"
    );
    portwarden.reload(
        &CONFIG.replace("  - {match: {account: pusher, name: \"team/*\"}, actions: [pull, push]}\n", ""),
    );
    assert_eq!(status("GET"), 401, "the right is gone, the token still says it");
    portwarden.reload(CONFIG);
    assert_eq!(status("GET"), 200);
    portwarden.reload(&CONFIG.replace("  pusher: {password", "  somebody: {password"));
    assert_eq!(status("GET"), 401, "the user is gone");
    assert_eq!(sink.take().len(), 2);
}

#[test]
fn rule_15_only_our_audience_opens_and_lifetimes_are_said() {
    let (portwarden, sink) = start(OK);
    let other = token(&portwarden, "admin", "service=other&scope=repository:a:pull");
    let response = ask(&portwarden, "GET", "/v2/a/tags/list", &format!("Authorization: Bearer {other}\r\n"));
    assert_eq!((response.status, response.challenge("error").as_deref()), (401, Some("invalid_token")));
    assert_eq!(sink.take(), Vec::<String>::new());
    let short = in_process(&CONFIG.replace("expiration: 900", "expiration: 1"), "http://127.0.0.1:1");
    let answer: Value = serde_json::from_str(&ask_as(&short, "admin", "GET", "/auth").text()).unwrap();
    assert_eq!(answer["expires_in"], 60, "clients assume 60 s when nothing is said");
    assert!(answer["issued_at"].as_str().is_some_and(|at| at.ends_with('Z') && at.len() == 20), "{answer}");
}

#[test]
fn rule_15_a_refresh_token_opens_nothing_and_dies_with_the_password() {
    let (portwarden, sink) = start_with(&with_refresh_tokens(), OK);
    let answer = ask_as(&portwarden, "pusher", "GET", &format!("/auth?{OURS}&offline_token=true"));
    let answer: Value = serde_json::from_str(&answer.text()).unwrap();
    let refresh = answer["refresh_token"].as_str().unwrap();
    let opened =
        ask(&portwarden, "GET", "/v2/team/app/tags/list", &format!("Authorization: Bearer {refresh}\r\n"));
    assert_eq!(opened.status, 401);
    let exchange_it = || {
        let form =
            format!("grant_type=refresh_token&{OURS}&scope=repository:team/app:pull&refresh_token={refresh}");
        let headers =
            format!("Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n", form.len());
        let mut bytes = request("POST", "/auth/token", &headers);
        bytes.extend(form.as_bytes());
        exchange(portwarden.address, &bytes).unwrap()
    };
    let renewed: Value = serde_json::from_str(&exchange_it().text()).unwrap();
    let access = renewed["access_token"].as_str().unwrap();
    assert_eq!(
        (&renewed["scope"], &renewed["refresh_token"]),
        (&"repository:team/app:pull".into(), &refresh.into())
    );
    let opened =
        ask(&portwarden, "GET", "/v2/team/app/tags/list", &format!("Authorization: Bearer {access}\r\n"));
    assert_eq!(opened.status, 200);
    let other_hash = "$2y$05$sGTWU18efATSJNTsxL6ue.D0f2QFg7HgID53g9p6CLdH1KvxzSFn.";
    let changed = CONFIG.replacen(
        "pusher: {password: \"$2y$05$LO.vzwpWC5LZGqThvEfznu8qhb5SGqvBSWY1J3yZ4AxtMRZ3kN5jC",
        &format!("pusher: {{password: \"{other_hash}"),
        1,
    );
    portwarden.reload(&changed);
    assert_eq!(exchange_it().status, 401, "another password");
    portwarden.reload(CONFIG);
    assert_eq!(exchange_it().status, 200);
    portwarden.reload(&CONFIG.replace("  pusher: {password", "  somebody: {password"));
    assert_eq!(exchange_it().status, 401, "no such user any more");
    assert_eq!(sink.take().len(), 1);
}

#[test]
fn rule_40_a_password_gets_no_refresh_token_unless_it_is_configured() {
    let (portwarden, sink) = start_with(&with_refresh_tokens(), OK);
    let by_get = || ask_as(&portwarden, "pusher", "GET", &format!("/auth?{OURS}&offline_token=true"));
    let by_post = |form: &str| {
        let headers =
            format!("Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n", form.len());
        let mut bytes = request("POST", "/auth/token", &headers);
        bytes.extend(form.as_bytes());
        exchange(portwarden.address, &bytes).unwrap()
    };
    let oauth =
        format!("grant_type=password&username=pusher&password=badmin&client_id=x&access_type=offline&{OURS}");
    let refresh_token = |response: Response| {
        assert_eq!(response.status, 200, "{response:?}");
        let answer: Value = serde_json::from_str(&response.text()).unwrap();
        assert!(answer["token"].is_string() && answer["expires_in"] == 900, "{answer}");
        answer["refresh_token"].as_str().map(str::to_owned)
    };
    let issued = refresh_token(by_get()).expect("it is configured");
    assert!(refresh_token(by_post(&oauth)).is_some());
    for config in
        [CONFIG.to_owned(), with_refresh_tokens().replace("refresh_tokens: true", "refresh_tokens: false")]
    {
        portwarden.reload(&config);
        assert_eq!(refresh_token(by_get()), None);
        assert_eq!(refresh_token(by_post(&oauth)), None);
        // One that a client keeps from before is as good as ever.
        let form =
            format!("grant_type=refresh_token&{OURS}&scope=repository:team/app:pull&refresh_token={issued}");
        assert_eq!(refresh_token(by_post(&form)).as_ref(), Some(&issued));
    }
    assert_eq!(sink.take(), Vec::<String>::new());
}

#[test]
fn rule_17_an_unknown_user_and_a_wrong_password_get_the_same_answer() {
    let (portwarden, _sink) = start(OK);
    let answer = |account: &str, target| {
        let credentials = STANDARD.encode(format!("{account}:wrong"));
        let mut response =
            ask(&portwarden, "GET", target, &format!("Authorization: Basic {credentials}\r\n"));
        response.headers.retain(|(name, _)| !matches!(&**name, "date" | "x-request-id"));
        (response.status, response.headers, response.body)
    };
    for target in ["/auth", "/v2/a/tags/list"] {
        let unknown = answer("nobody", target);
        assert_eq!(unknown.0, 401);
        assert_eq!(unknown, answer("admin", target), "{target}");
    }
}

/// A hash of `badmin` that takes a while.
fn slow_hash() -> String {
    let password = portwarden::authn::Secret::new("badmin");
    portwarden::authn::PasswordHash::create(&password, 12).unwrap()
}

#[test]
fn rule_18_a_full_password_pool_says_so_and_disturbs_no_token() {
    let limits = "limits: {password_checks: 1, password_queue: 6, remember_passwords: 0s}\n";
    let slow = slow_hash();
    let config =
        CONFIG.replacen("$2y$05$LO.vzwpWC5LZGqThvEfznu8qhb5SGqvBSWY1J3yZ4AxtMRZ3kN5jC", &slow, 1) + limits;
    let (portwarden, _sink) = start_with(&config, OK);
    let good = token(&portwarden, "pusher", &format!("{OURS}&scope=repository:team/app:pull"));
    let flood: Vec<_> = (0..12)
        .map(|n| {
            let address = portwarden.address;
            let headers = format!("Authorization: Basic {}\r\n", STANDARD.encode(format!("user{n}:x")));
            thread::spawn(move || exchange(address, &request("GET", "/auth", &headers)).unwrap())
        })
        .collect();
    for _ in 0..20 {
        let headers = format!("Authorization: Bearer {good}\r\n");
        assert_eq!(ask(&portwarden, "GET", "/v2/team/app/tags/list", &headers).status, 200);
    }
    assert!(flood.iter().any(|login| !login.is_finished()), "the pulls waited for all of the flood");
    let answers: Vec<Response> = flood.into_iter().map(|thread| thread.join().unwrap()).collect();
    let busy: Vec<&Response> = answers.iter().filter(|answer| answer.status == 503).collect();
    // The number that find it full depends on the machine: a check may end before the last of them have come.
    assert!(!busy.is_empty(), "{:?}", answers.iter().map(|a| a.status).collect::<Vec<_>>());
    assert!(busy.iter().all(|answer| answer.header("retry-after") == Some("1")), "{busy:?}");
}

#[test]
fn rule_18_a_right_password_goes_before_those_who_guess_at_other_addresses() {
    let limits = "limits: {password_checks: 1, password_queue: 4, remember_passwords: 0s}\n";
    let hash = "$2y$05$LO.vzwpWC5LZGqThvEfznu8qhb5SGqvBSWY1J3yZ4AxtMRZ3kN5jC";
    let (portwarden, _sink) = start_with(&(CONFIG.replacen(hash, &slow_hash(), 1) + limits), OK);
    let guess = |from: u8, name: String| {
        let headers = format!("Authorization: Basic {}\r\n", STANDARD.encode(format!("{name}:x")));
        let from = Ipv4Addr::new(127, 0, 0, from);
        ask_from(from, portwarden.address, &request("GET", "/auth", &headers)).status
    };
    for from in 10..16 {
        assert_eq!(guess(from, format!("first{from}")), 401);
    }
    let (is_over, refused) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        // They go on until the newcomer has its answer, so the queue is full whenever that comes.
        for n in 0..24_u8 {
            let (is_over, refused) = (&is_over, &refused);
            scope.spawn(move || {
                for attempt in 0.. {
                    let status = guess(10 + n % 6, format!("user{n}-{attempt}"));
                    refused.fetch_add(usize::from(status == 503), Ordering::Relaxed);
                    if is_over.load(Ordering::Relaxed) {
                        return;
                    }
                }
            });
        }
        let is_full = eventually(PATIENCE, || refused.load(Ordering::Relaxed) > 24);
        let newcomer = ask_from(
            Ipv4Addr::new(127, 0, 0, 2),
            portwarden.address,
            &request("GET", "/auth", &basic("admin")),
        );
        is_over.store(true, Ordering::Relaxed);
        assert!(is_full, "the queue was never full");
        assert_eq!(newcomer.status, 200, "{}", newcomer.text());
    });
}

#[test]
fn rule_19_a_remembered_password_is_no_oracle() {
    let (portwarden, _sink) = start(OK);
    assert_eq!(ask_as(&portwarden, "admin", "GET", "/auth").status, 200, "now it is remembered");
    let mut guesses = (0..).map(|n| guess(&portwarden, "admin", &format!("wrong{n}")).status);
    assert!(guesses.by_ref().take(100).any(|status| status == 429), "a hundred guesses without a wait");
    assert_eq!(
        ask_as(&portwarden, "admin", "GET", "/auth").status,
        429,
        "who guesses does not learn which one is right"
    );
}

#[test]
fn rule_19_many_right_logins_at_once_are_no_attack() {
    let config =
        CONFIG.replacen("$2y$05$LO.vzwpWC5LZGqThvEfznu8qhb5SGqvBSWY1J3yZ4AxtMRZ3kN5jC", &slow_hash(), 1);
    let (portwarden, _sink) = start_with(&config, OK);
    let logins: Vec<_> = (0..40)
        .map(|_| {
            let address = portwarden.address;
            thread::spawn(move || {
                exchange(address, &request("GET", "/auth", &basic("admin"))).unwrap().status
            })
        })
        .collect();
    let statuses: Vec<u16> = logins.into_iter().map(|login| login.join().unwrap()).collect();
    assert_eq!(statuses, [200; 40]);
}

#[test]
fn rule_19_who_has_logged_in_is_not_held_up_by_others_at_the_address() {
    let (portwarden, _sink) = start(OK);
    assert_eq!(ask_as(&portwarden, "pusher", "GET", "/auth").status, 200);
    let mut flood = 0;
    while ask_as(&portwarden, &format!("nobody{flood}"), "GET", "/auth").status == 401 {
        flood += 1;
        assert!(flood < 200, "an address may try as many names as it likes");
    }
    portwarden.reload(CONFIG);
    assert_eq!(
        ask_as(&portwarden, "pusher", "GET", "/auth").status,
        200,
        "not remembered, and let in all the same"
    );
    assert_eq!(ask_as(&portwarden, "admin", "GET", "/auth").status, 429, "who is new there waits");
}

#[test]
fn rule_19_failures_back_off_by_account_and_address_and_lock_nobody_out() {
    let attempt = |(portwarden, _): &(InProcess, Sink), n| match n {
        0..6 => guess(portwarden, "admin", &format!("wrong{n}")),
        _ => ask_as(portwarden, "admin", "GET", "/auth"),
    };
    let ((portwarden, _sink), mut answers) = guesses_in_a_row(|| start(OK), 7, attempt);
    let held_off = answers.pop().unwrap();
    let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
    assert_eq!(statuses, [401, 401, 401, 401, 429, 429], "some are free, then it waits");
    assert_eq!(held_off.status, 429, "the right password waits as well, or guessing would be free");
    let wait = held_off.header("retry-after").unwrap().parse::<u64>().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    assert_eq!(ask_as(&portwarden, "pusher", "GET", "/auth").status, 200, "another account");
    let from_elsewhere =
        ask_from(Ipv4Addr::new(127, 0, 0, 2), portwarden.address, &request("GET", "/auth", &basic("admin")));
    assert_eq!(from_elsewhere.status, 200, "another address");
}

fn guess(portwarden: &InProcess, account: &str, password: &str) -> Response {
    let credentials = STANDARD.encode(format!("{account}:{password}"));
    ask(portwarden, "GET", "/auth", &format!("Authorization: Basic {credentials}\r\n"))
}

/// Returns the parts by which a client could tell answers apart.
fn seen(mut response: Response) -> (u16, Vec<(String, String)>, Vec<u8>) {
    response.headers.retain(|(name, _)| !matches!(&**name, "date" | "x-request-id" | "retry-after"));
    (response.status, response.headers, response.body)
}

#[test]
fn rule_37_every_name_counts_alike_in_all_its_spellings() {
    for spellings in [
        ["ADMIN", "NOBODY"],
        ["Admin", "Nobody"],
        ["admin ", "nobody "],
        [" admin", " nobody"],
        ["ａｄｍｉｎ", "ｎｏｂｏｄｙ"],
        ["ad\u{200b}min", "no\u{200b}body"],
        ["admin\u{a0}", "nobody\u{a0}"],
    ] {
        let answers = |name: &str, spelling: &str| {
            let attempt = |(portwarden, _): &(InProcess, Sink), n| match n {
                0..4 => seen(guess(portwarden, name, &n.to_string())),
                _ => seen(guess(portwarden, spelling, "x")),
            };
            guesses_in_a_row(|| start(OK), 5, attempt).1
        };
        let (exists, does_not) = (answers("admin", spellings[0]), answers("nobody", spellings[1]));
        assert_eq!(exists, does_not, "{spellings:?}");
        assert_eq!(exists.iter().map(|(status, ..)| *status).collect::<Vec<_>>(), [401, 401, 401, 401, 429]);
    }
}

#[test]
fn rule_37_an_address_out_of_guesses_does_not_tell_who_signed_in_there() {
    let (portwarden, _sink) = start(OK);
    assert_eq!(ask_as(&portwarden, "pusher", "GET", "/auth").status, 200);
    assert!((0..200).any(|n| guess(&portwarden, &format!("nobody{n}"), "x").status == 429));
    // A guess comes back every five seconds: that may be between two of these, and then they are asked again.
    let answers = (0..10).map(|n| {
        let guesses = ["pusher", "admin", "nobody"].map(|name| guess(&portwarden, name, &format!("x{n}")));
        let right = ask_as(&portwarden, "pusher", "GET", "/auth");
        guesses.into_iter().chain([right]).map(seen).collect::<Vec<_>>()
    });
    let mut waiting = answers.filter(|answers| answers.iter().all(|(status, ..)| *status == 429));
    let waiting = waiting.next().expect("all wait, the right password as well");
    assert!(waiting.iter().all(|answer| *answer == waiting[0]), "one is told apart: {waiting:?}");
}

#[test]
fn rule_37_the_same_wrong_password_is_one_guess() {
    let (portwarden, _sink) = start(OK);
    for n in 0..1000 {
        assert_eq!(guess(&portwarden, "admin", "an old one").status, 401, "{n}");
    }
    assert_eq!(ask_as(&portwarden, "admin", "GET", "/auth").status, 200, "a colleague at the same address");
    assert_eq!(guess(&portwarden, "nobody", "x").status, 401, "nor has the address lost its guesses");
}

#[test]
fn rule_37_thousands_of_guesses_at_an_account_that_is_signed_in_gain_and_tell_nothing() {
    let (portwarden, _sink) = start(OK);
    assert_eq!(ask_as(&portwarden, "admin", "GET", "/auth").status, 200, "remembered from here on");
    let answers: Vec<_> = (0..2000).map(|n| seen(guess(&portwarden, "admin", &n.to_string()))).collect();
    let verified = answers.iter().filter(|(status, ..)| *status != 429).count();
    assert!(verified <= 16, "{verified} of two thousand were looked at");
    let waits = answers.iter().rfind(|(status, ..)| *status == 429).expect("a wait");
    let mut compared = 0;
    for n in 0..2000 {
        let began = Instant::now();
        let guessed = guess(&portwarden, "admin", &format!("again{n}"));
        // Rounded up. Where the wait is nearly over, the right password would not find it any more.
        let left = guessed.header("retry-after").map_or(0, |seconds| seconds.parse::<u64>().unwrap() - 1);
        if left == 0 {
            thread::sleep(Duration::from_millis(10));
            continue;
        }
        let right = seen(ask_as(&portwarden, "admin", "GET", "/auth"));
        if began.elapsed() < Duration::from_secs(left) {
            assert_eq!(&seen(guessed), waits);
            assert_eq!(&right, waits, "the right one");
            compared += 1;
        }
        if compared == 20 {
            break;
        }
    }
    assert_eq!(compared, 20, "too slow to tell");
    let elsewhere =
        ask_from(Ipv4Addr::new(127, 0, 0, 2), portwarden.address, &request("GET", "/auth", &basic("admin")));
    assert_eq!(elsewhere.status, 200, "another address");
}

#[test]
fn rule_33_a_page_of_another_site_logs_nobody_in_and_uses_up_no_tries() {
    let (portwarden, sink) = start(OK);
    let wrong = format!("Authorization: Basic {}\r\n", STANDARD.encode("admin:wrong"));
    let cross = "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: no-cors\r\nSec-Fetch-Dest: image\r\n";
    for n in 0..100 {
        // As `<img>` sends it; without Fetch Metadata, as an old browser does; with a password that the browser knows.
        let named = format!("/auth?account=admin&service=x&n={n}");
        let plain = ask(&portwarden, "GET", &named, "").status;
        assert!(plain == 401 || n >= 60 && plain == 429, "no password, time {n}: {plain}");
        for headers in
            [cross, "Sec-Fetch-Site: same-site\r\n", "Origin: https://evil.example\r\n", "Origin: null\r\n"]
        {
            for password in ["", &*wrong, &*basic("admin")] {
                let refused = ask(&portwarden, "GET", &named, &format!("{headers}{password}"));
                assert_eq!(refused.status, 403, "{headers} {password}");
                assert!(!refused.text().contains("token\""), "{}", refused.text());
            }
        }
        for target in ["/v2/", "/v2/a/tags/list", "/team/app"] {
            for headers in [cross, "Origin: https://evil.example\r\n", "Origin: null\r\n"] {
                let refused = ask(&portwarden, "GET", target, &format!("{headers}{wrong}"));
                assert_eq!(refused.status, 403, "{target} {headers}");
            }
        }
        let followed = "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\n";
        assert_eq!(ask(&portwarden, "GET", "/team/app", &format!("{followed}{wrong}")).status, 200, "a link");
    }
    assert_eq!(sink.take(), Vec::<String>::new());
    assert_eq!(ask_as(&portwarden, "admin", "GET", "/auth").status, 200, "nothing was counted");
    for fine in ["", "Sec-Fetch-Site: none\r\n", "Sec-Fetch-Site: same-origin\r\n"] {
        assert_eq!(
            ask(&portwarden, "GET", "/auth", &format!("{fine}{}", basic("admin"))).status,
            200,
            "{fine}"
        );
    }
}

/// Asks from another loopback address.
fn ask_from(source: Ipv4Addr, address: SocketAddr, request: &[u8]) -> Response {
    let mut stream = raw::connect_from(source, address);
    stream.write_all(request).unwrap();
    raw::read_response(&mut stream).unwrap()
}

#[test]
fn rule_19_who_hangs_up_with_the_right_password_has_failed_nothing() {
    let hash = "$2y$05$LO.vzwpWC5LZGqThvEfznu8qhb5SGqvBSWY1J3yZ4AxtMRZ3kN5jC";
    let (portwarden, _sink) = start_with(&CONFIG.replacen(hash, &slow_hash(), 1), OK);
    for _ in 0..6 {
        // As a client does that pushes layers side by side when the first one is denied; then something new is asked.
        let mut stream = raw::connect(portwarden.address);
        stream.write_all(&request("GET", "/auth", &basic("admin"))).unwrap();
        thread::sleep(Duration::from_millis(20));
        drop(stream);
        thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(ask_as(&portwarden, "admin", "GET", "/auth").status, 200);
}

#[test]
fn rule_20_a_remembered_password_is_forgotten_with_a_reload() {
    let slow = slow_hash();
    let config = CONFIG.replacen("$2y$05$LO.vzwpWC5LZGqThvEfznu8qhb5SGqvBSWY1J3yZ4AxtMRZ3kN5jC", &slow, 1);
    let (portwarden, _sink) = start_with(&config, OK);
    let time = || {
        let started = Instant::now();
        assert_eq!(ask_as(&portwarden, "admin", "GET", "/auth").status, 200);
        started.elapsed()
    };
    // Work takes its time at least; what takes none may have to wait for a processor, but not each time.
    let first = time();
    let second = (0..10).map(|_| time()).min().unwrap();
    assert!(second < first / 3, "remembered: {first:?}, then {second:?}");
    portwarden.reload(&config);
    let third = time();
    assert!(third > second * 3, "forgotten: {second:?}, then {third:?}");
    portwarden.reload(
        CONFIG
            .replace("badmin", "x")
            .replacen(
                "LO.vzwpWC5LZGqThvEfznu8qhb5SGqvBSWY1J3yZ4AxtMRZ3kN5jC",
                "sGTWU18efATSJNTsxL6ue.D0f2QFg7HgID53g9p6CLdH1KvxzSFn.",
                1,
            )
            .as_str(),
    );
    assert_eq!(ask_as(&portwarden, "admin", "GET", "/auth").status, 401, "the password was changed");
}

#[test]
fn rule_21_what_no_rule_allows_is_denied() {
    let (portwarden, sink) = start(OK);
    for (method, target) in [
        ("GET", "/v2/other/app/tags/list"),
        ("DELETE", "/v2/team/app/manifests/x"),
        ("PUT", "/v2/shared/app/manifests/x"),
        ("GET", "/v2/team/a/b/tags/list"),
    ] {
        let response = ask_as(&portwarden, "pusher", method, target);
        assert_eq!(
            (response.status, response.challenge("error").as_deref()),
            (401, Some("insufficient_scope")),
            "{method} {target}"
        );
    }
    let empty = CONFIG.split("acl:").next().unwrap().to_owned() + "acl: []\n";
    portwarden.reload(&empty);
    assert_eq!(ask_as(&portwarden, "admin", "GET", "/v2/a/tags/list").status, 401);
    assert_eq!(sink.take(), Vec::<String>::new());
}

#[test]
fn rule_23_an_account_called_star_opens_only_its_own() {
    let (portwarden, sink) = start(OK);
    for name in ["admin/app", "x/app"] {
        assert_eq!(ask_as(&portwarden, "*", "GET", &format!("/v2/{name}/tags/list")).status, 401, "{name}");
    }
    assert_eq!(sink.take(), Vec::<String>::new());
}

/// With every deadline at one second.
fn impatient(answer: &str) -> (InProcess, Sink) {
    let limits = "limits: {handshake_timeout: 1s, header_timeout: 1s, idle_timeout: 1s, idle_body: 1s}\n\
                  registry: {connect_timeout: 1s, response_timeout: 1s}\n";
    start_with(&(CONFIG.to_owned() + limits), answer)
}

/// Far longer than a deadline of a test, and shorter than those by default.
const SOON: Duration = Duration::from_secs(25);

/// Returns the time until the server ends the connection, and the bytes read.
fn time_to_end(mut stream: std::net::TcpStream) -> (Duration, Vec<u8>) {
    let started = Instant::now();
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest);
    (started.elapsed(), rest)
}

#[test]
fn rule_24_a_silent_or_slow_head_is_not_waited_for() {
    let (portwarden, _sink) = start_with(&(CONFIG.to_owned() + "limits: {header_timeout: 1s}\n"), OK);
    let silent = raw::connect(portwarden.address);
    let mut half = raw::connect(portwarden.address);
    half.write_all(b"GET /v2/ HTTP/1.1\r\nHost: a\r\n").unwrap();
    let mut second = raw::connect(portwarden.address);
    second.write_all(&latin1("GET /v2/ HTTP/1.1\r\nHost: a\r\n\r\n")).unwrap();
    assert_eq!(raw::read_response(&mut second).unwrap().status, 401);
    thread::sleep(Duration::from_millis(1500));
    second.write_all(b"GET /v2/ HTTP/1.1\r\n").expect("an idle connection is not a slow head");
    for (what, stream) in [("silent", silent), ("half a head", half), ("half a second head", second)] {
        let (time, _) = time_to_end(stream);
        assert!(time < SOON, "{what}: {time:?}");
    }
}

#[test]
fn rule_24_an_idle_connection_is_not_kept() {
    let (portwarden, _sink) = start_with(&(CONFIG.to_owned() + "limits: {idle_timeout: 1s}\n"), OK);
    let mut idle = raw::connect(portwarden.address);
    idle.write_all(&latin1("GET /v2/ HTTP/1.1\r\nHost: a\r\n\r\n")).unwrap();
    assert_eq!(raw::read_response(&mut idle).unwrap().status, 401);
    let (time, _) = time_to_end(idle);
    assert!(time < SOON, "it is looked at when it is due: {time:?}");
}

/// An idle connection over TLS is taken apart but for its session, and put together again.
#[test]
fn rule_24_a_connection_that_rests_goes_on_in_time_and_is_not_kept_otherwise() {
    let (portwarden, _sink) = start_with(&(with_tls() + "limits: {idle_timeout: 10s}\n"), OK);
    portwarden.block_on(async {
        let mut stream = crate::support::tls::connect(&portwarden, &[b"http/1.1"]).await;
        // A head that has begun does not rest.
        for pieces in [&[QUESTION] as &[&[u8]], &[QUESTION], &[&QUESTION[..10], &QUESTION[10..]]] {
            is_refused_and_rests(&mut stream, pieces).await;
        }
        let end = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut Vec::new())).await;
        assert_eq!(end.unwrap().unwrap(), 0, "closed in order");
    });
}

#[test]
fn rule_24_connections_that_rest_make_room_and_do_not_hold_up_the_end() {
    let (portwarden, _sink) = start_with(&(with_tls() + "limits: {connections: 4}\n"), OK);
    let resting = portwarden.block_on(async {
        let mut resting = Vec::new();
        for _ in 0..3 {
            let mut stream = crate::support::tls::connect(&portwarden, &[b"http/1.1"]).await;
            is_refused_and_rests(&mut stream, &[QUESTION]).await;
            resting.push(stream);
        }
        // The last place: the one that has been idle for longest leaves, and the others go on.
        resting.push(crate::support::tls::connect(&portwarden, &[b"http/1.1"]).await);
        let mut longest = resting.remove(0);
        let mut rest = Vec::new();
        let end = tokio::time::timeout(PATIENCE, longest.read_to_end(&mut rest)).await;
        assert_eq!(end.expect("it makes room").unwrap(), 0, "closed in order");
        for stream in &mut resting {
            is_refused_and_rests(stream, &[QUESTION]).await;
        }
        resting
    });
    let (time, cut_off) = portwarden.stop();
    assert_eq!(cut_off, 0, "{time:?}");
    drop(resting);
}

/// A request whose answer has no body.
const QUESTION: &[u8] = b"HEAD /v2/ HTTP/1.1\r\nHost: a\r\n\r\n";

/// Sends a request in pieces, reads its answer, and leaves after each the time that a connection needs to come to rest.
async fn is_refused_and_rests(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), pieces: &[&[u8]]) {
    let (last, first) = pieces.split_last().unwrap();
    let rest = Duration::from_millis(2500);
    for piece in first {
        stream.write_all(piece).await.unwrap();
        tokio::time::sleep(rest).await;
    }
    stream.write_all(last).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        assert!(stream.read_buf(&mut answer).await.unwrap() > 0, "closed");
    }
    assert!(answer.starts_with(b"HTTP/1.1 401 "), "{}", String::from_utf8_lossy(&answer));
    tokio::time::sleep(rest).await;
}

#[test]
fn rule_24_a_handshake_is_not_waited_for() {
    let (portwarden, _sink) = start_with(&(with_tls() + "limits: {handshake_timeout: 1s}\n"), OK);
    let (time, _) = time_to_end(raw::connect(portwarden.address));
    assert!(time >= Duration::from_secs(1) && time < SOON, "{time:?}");
}

#[test]
fn rule_24_an_upload_that_stands_still_ends_with_408() {
    let (portwarden, _sink) = impatient("");
    let headers = format!("{}Content-Length: 100\r\n", basic("admin"));
    let mut stream = raw::connect(portwarden.address);
    stream.write_all(&request("PATCH", "/v2/a/blobs/uploads/x", &headers)).unwrap();
    stream.write_all(b"some").unwrap();
    assert_eq!(raw::read_response(&mut stream).unwrap().status, 408);
}

#[test]
fn rule_24_a_registry_that_does_not_answer_is_not_waited_for() {
    let (portwarden, _sink) = impatient("");
    let response = ask_as(&portwarden, "admin", "GET", "/v2/a/tags/list");
    assert_eq!((response.status, response.header("retry-after")), (504, Some("5")));
    assert!(response.text().contains("UNAVAILABLE"), "{}", response.text());
}

#[test]
fn rule_24_an_http2_connection_without_a_preface_is_not_waited_for() {
    let (portwarden, _sink) = start_with(&(with_tls() + "limits: {idle_timeout: 1s}\n"), OK);
    portwarden.block_on(async {
        let mut stream = crate::support::tls::connect(&portwarden, &[b"h2"]).await;
        let mut rest = Vec::new();
        let end = tokio::time::timeout(SOON, stream.read_to_end(&mut rest)).await;
        assert!(end.is_ok(), "it is kept");
    });
}

#[test]
fn rule_24_an_http2_client_that_takes_nothing_loses_its_stream_and_nothing_else() {
    let body = "x".repeat(1 << 20);
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let (portwarden, _sink) = start_with(&(with_tls() + "limits: {idle_body: 1s}\n"), &answer);
    portwarden.block_on(async {
        let stream = crate::support::tls::connect(&portwarden, &[b"h2"]).await;
        let (mut client, connection) =
            hyper::client::conn::http2::Builder::new(hyper_util::rt::TokioExecutor::new())
                .initial_stream_window_size(1000)
                .handshake(hyper_util::rt::TokioIo::new(stream))
                .await
                .unwrap();
        tokio::spawn(connection);
        let mut get = |target: &str| {
            let request = hyper::Request::get(format!("https://registry.example{target}"));
            let request =
                request.header("authorization", format!("Basic {}", STANDARD.encode("admin:badmin")));
            client.send_request(request.body(http_body_util::Empty::<hyper::body::Bytes>::new()).unwrap())
        };
        let stalled = get("/v2/a/blobs/sha256:ab").await.unwrap();
        tokio::time::sleep(Duration::from_secs(10)).await;
        let ended = http_body_util::BodyExt::collect(stalled.into_body()).await;
        assert!(ended.is_err(), "the stream was held for a client that takes nothing");
        // On a busy machine a stream may stand still for a second without the client's doing; the connection goes on.
        for attempt in 1.. {
            let fine = get("/v2/a/blobs/sha256:ab").await.expect("the connection goes on");
            match http_body_util::BodyExt::collect(fine.into_body()).await {
                Ok(body) => {
                    assert_eq!(body.to_bytes().len(), 1 << 20);
                    break;
                }
                Err(error) => assert!(attempt < 20, "{error}"),
            }
        }
    });
}

#[test]
fn rule_24_a_slow_but_moving_upload_is_not_cut_off() {
    let (portwarden, sink) = start_with(&(CONFIG.to_owned() + "limits: {idle_body: 5s}\n"), OK);
    let headers = format!("{}Content-Length: 8\r\n", basic("admin"));
    let mut stream = raw::connect(portwarden.address);
    stream.write_all(&request("PUT", "/v2/a/manifests/x", &headers)).unwrap();
    for _ in 0..8 {
        thread::sleep(Duration::from_secs(1));
        stream.write_all(b"x").unwrap();
    }
    assert_eq!(
        raw::read_response(&mut stream).unwrap().status,
        200,
        "eight seconds in all, never five without a byte"
    );
    assert_eq!(sink.take().len(), 1);
}

#[test]
fn rule_25_heads_and_token_bodies_are_bounded() {
    let (portwarden, sink) =
        start_with(&(CONFIG.to_owned() + "limits: {header_bytes: 8KiB, token_body: 1KiB}\n"), OK);
    let large = format!("{}X-Large: {}\r\n", basic("admin"), "x".repeat(9 << 10));
    let answer = exchange(portwarden.address, &request("GET", "/v2/a/tags/list", &large));
    assert!(answer.is_none_or(|answer| answer.status == 431), "a large head");
    let many = format!("{}{}", basic("admin"), "A: b\r\n".repeat(500));
    let answer = exchange(portwarden.address, &request("GET", "/v2/a/tags/list", &many));
    assert!(answer.is_none_or(|answer| answer.status == 431), "many headers");
    let body = "x".repeat(2 << 10);
    let headers =
        format!("Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n", body.len());
    let mut bytes = request("POST", "/auth", &headers);
    bytes.extend(body.as_bytes());
    assert_eq!(exchange(portwarden.address, &bytes).unwrap().status, 413);
    assert_eq!(sink.take(), Vec::<String>::new());
}

#[test]
fn rule_25_connections_are_bounded_and_the_next_one_waits() {
    let (portwarden, _sink) = start_with(&(CONFIG.to_owned() + "limits: {connections: 2}\n"), OK);
    // At work: each has an upload that has not ended.
    let upload = request("PUT", "/v2/a/manifests/x", &format!("{}Content-Length: 8\r\n", basic("admin")));
    let held: Vec<_> = (0..2)
        .map(|_| {
            let mut stream = raw::connect(portwarden.address);
            stream.write_all(&upload).unwrap();
            stream
        })
        .collect();
    thread::sleep(Duration::from_millis(500));
    let address = portwarden.address;
    let waiting = thread::spawn(move || exchange(address, &request("GET", "/v2/", "")).unwrap().status);
    thread::sleep(Duration::from_millis(1500));
    assert!(!waiting.is_finished(), "a third connection was served");
    drop(held);
    assert_eq!(waiting.join().unwrap(), 401);
}

#[test]
fn rule_26_broken_connections_and_a_dying_registry_end_nothing_else() {
    let (portwarden, _sink) = start_with(&with_tls(), OK);
    for garbage in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0; 100], &[0x16, 3, 1, 0xff, 0xff], b""] {
        let mut stream = raw::connect(portwarden.address);
        let _ = stream.write_all(garbage);
    }
    portwarden.block_on(crate::support::tls::connect(&portwarden, &[b"h2"]));
    for answer in ["nonsense\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfour"] {
        let (portwarden, _sink) = impatient(answer);
        let _ = ask_as(&portwarden, "admin", "GET", "/v2/a/tags/list");
        assert_eq!(ask(&portwarden, "GET", "/v2/", "").status, 401, "it goes on");
    }
}

#[test]
fn rule_26_a_panic_unwinds_and_so_ends_one_task_only() {
    let manifest = include_str!("../../Cargo.toml");
    assert!(
        !manifest.contains("panic = \"abort\""),
        "with abort, a panic in one request would end the server"
    );
}

#[test]
fn rule_27_a_refusal_reaches_a_client_that_is_still_uploading() {
    let (portwarden, sink) = start(OK);
    let body = vec![b'x'; 24 << 20];
    for framing in ["Content-Length: 25165824\r\n", "Transfer-Encoding: chunked\r\n"] {
        let mut stream = raw::connect(portwarden.address);
        stream.write_all(&request("PATCH", "/v2/a/blobs/uploads/x", framing)).unwrap();
        if framing.starts_with('T') {
            write!(stream, "{:x}\r\n", body.len()).unwrap();
        }
        stream.write_all(&body).expect("the connection is not reset while the body is sent");
        if framing.starts_with('T') {
            stream.write_all(b"\r\n0\r\n\r\n").unwrap();
        }
        assert_eq!(raw::read_response(&mut stream).expect("the refusal").status, 401, "{framing}");
    }
    assert_eq!(sink.take(), Vec::<String>::new());
}

#[test]
fn rule_27_a_client_that_asks_first_is_refused_before_it_sends() {
    let (portwarden, _sink) = start(OK);
    let mut stream = raw::connect(portwarden.address);
    let headers = "Content-Length: 1000000\r\nExpect: 100-continue\r\n";
    stream.write_all(&request("PATCH", "/v2/a/blobs/uploads/x", headers)).unwrap();
    assert_eq!(raw::read_response(&mut stream).expect("no 100 Continue, but the refusal").status, 401);
}

#[test]
fn rule_27_an_answer_in_the_middle_of_an_upload_reaches_the_client() {
    let (portwarden, _sink) =
        start("HTTP/1.1 400 Bad Request\r\nContent-Length: 3\r\nConnection: close\r\n\r\nwhy");
    for expect in ["", "Expect: 100-continue\r\n"] {
        let mut stream = raw::connect(portwarden.address);
        let headers = format!("{}Content-Length: 25165824\r\n{expect}", basic("admin"));
        stream.write_all(&request("PATCH", "/v2/a/blobs/uploads/x", &headers)).unwrap();
        if !expect.is_empty() {
            let mut interim = [0; 25];
            stream.read_exact(&mut interim).unwrap();
            assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");
        }
        stream.write_all(&vec![b'x'; 24 << 20]).expect("the connection is not reset while the body is sent");
        let response = raw::read_response(&mut stream).expect("the registry's answer");
        assert_eq!((response.status, response.text().as_str()), (400, "why"), "{expect}");
    }
}

#[test]
fn anonymous_users_are_served_what_is_theirs_and_told_that_they_can_log_in() {
    let public = CONFIG
        .replace("users:\n", "users:\n  \"\": {}\n")
        .replace("acl:\n", "acl:\n  - {match: {account: \"\", name: \"public/*\"}, actions: [pull]}\n");
    let (portwarden, sink) = start_with(&public, OK);
    assert_eq!(ask(&portwarden, "GET", "/v2/public/app/tags/list", "").status, 200);
    assert_eq!(sink.take().len(), 1);
    for (method, target) in
        [("GET", "/v2/"), ("PUT", "/v2/public/app/manifests/x"), ("GET", "/v2/team/app/tags/list")]
    {
        let response = ask(&portwarden, method, target, "");
        assert_eq!((response.status, response.challenge("error")), (401, None), "{method} {target}");
        assert!(response.challenge("realm").is_some());
    }
    let nonsense = ask(&portwarden, "GET", "/v2/public/app/tags/list", "Authorization: Nonsense x\r\n");
    assert_eq!(nonsense.status, 401, "credentials that cannot be read are not none");
    let response = ask(&portwarden, "GET", &format!("/auth?{OURS}&scope=repository:team/app:pull"), "");
    let answer: Value = serde_json::from_str(&response.text()).unwrap();
    let headers = format!("Authorization: Bearer {}\r\n", answer["token"].as_str().unwrap());
    assert_eq!(ask(&portwarden, "GET", "/v2/", &headers).status, 200, "an anonymous token is a token");
    let denied = ask(&portwarden, "GET", "/v2/team/app/tags/list", &headers);
    let why = "anonymous users may not pull from repository team/app; log in first";
    assert_eq!(denied.challenge("error_description").as_deref(), Some(why));
    assert_eq!(sink.take().len(), 1);
}

#[test]
fn the_challenge_names_the_host_that_the_client_named() {
    let (portwarden, _sink) = start(OK);
    let realm = |portwarden: &InProcess, headers: &str| {
        let bytes = latin1(&format!("GET /v2/ HTTP/1.1\r\nConnection: close\r\n{headers}\r\n"));
        exchange(portwarden.address, &bytes).unwrap().challenge("realm").unwrap()
    };
    assert_eq!(realm(&portwarden, "Host: [::1]:8443\r\n"), "http://[::1]:8443/auth");
    let claims = "Host: hub.example\r\nX-Forwarded-Host: other.example:8443\r\nX-Forwarded-Proto: https\r\n";
    assert_eq!(realm(&portwarden, claims), "http://hub.example/auth", "no proxy is trusted");
    let config =
        CONFIG.replace("addr: \":0\"", "addr: \":0\", path_prefix: /pre, trusted_proxies: [127.0.0.1]");
    let (portwarden, _sink) = start_with(&config, OK);
    assert_eq!(realm(&portwarden, claims), "https://other.example:8443/pre/auth");
    let config = CONFIG.replace("expiration: 900", "expiration: 900, realm: \"https://token.example/x\"");
    let (portwarden, _sink) = start_with(&config, OK);
    assert_eq!(realm(&portwarden, claims), "https://token.example/x");
}

#[test]
fn a_token_request_whose_body_is_not_read_is_refused_with_the_reason() {
    let (portwarden, sink) = start_with(&CONFIG.replace("users:", "users:\n  \"\": {}"), OK);
    let send = |method: &str, headers: &str, body: &str| {
        let mut bytes = request(method, "/auth", &format!("{headers}Content-Length: {}\r\n", body.len()));
        bytes.extend(body.as_bytes());
        exchange(portwarden.address, &bytes).unwrap()
    };
    let of = |name: &str| format!("Content-Type: {name}\r\n");
    let form = "username=admin&password=badmin";
    let parts = "--b\r\nContent-Disposition: form-data; name=\"username\"\r\n\r\nadmin\r\n--b--\r\n";
    for (method, headers, body) in [
        ("POST", of("multipart/form-data; boundary=b"), parts),
        ("POST", of("application/json"), r#"{"username":"admin","password":"badmin"}"#),
        ("POST", of("text/plain"), form),
        ("POST", String::new(), form),
        ("GET", of("application/x-www-form-urlencoded"), form),
        ("DELETE", of("application/x-www-form-urlencoded"), form),
    ] {
        let refused = send(method, &headers, body);
        let told = refused.text();
        assert_eq!(refused.status, 415, "{method} {headers}: {told}");
        assert!(told.contains("application/x-www-form-urlencoded") && !told.contains("badmin"), "{told}");
    }
    for (method, headers, body) in [
        ("POST", of("application/x-www-form-urlencoded; charset=UTF-8"), form),
        ("POST", of("APPLICATION/X-WWW-Form-urlencoded;charset=iso-8859-1"), form),
        ("POST", format!("{}{}", basic("admin"), of("application/json")), ""),
        ("GET", basic("admin"), ""),
    ] {
        let answered = send(method, &headers, body);
        assert_eq!(answered.status, 200, "{method} {headers}: {}", answered.text());
    }
    // A header that cannot be decoded names no account, and is never taken for an anonymous request.
    for body in [
        "username=admin&password=%e4",
        "username=%ff&password=x",
        "username=admin&password=100%",
        "account=%zz",
    ] {
        let refused = send("POST", &of("application/x-www-form-urlencoded"), body);
        assert_eq!(refused.status, 400, "{body}: {}", refused.text());
    }
    assert_eq!(ask(&portwarden, "GET", "/auth?account=%ff", "").status, 400);
    assert_eq!(sink.take(), Vec::<String>::new());
}

#[test]
fn malformed_scopes_are_refused_as_docker_auth_refuses_them() {
    let (portwarden, _sink) = start(OK);
    let good = "scope=repository:team/app:pull";
    for (query, status) in [
        (good.to_owned(), 200),
        ("scope=".to_owned(), 200),
        ("scope=&scope=".to_owned(), 200),
        (format!("scope=&{good}"), 200),
        (format!("{good}&scope="), 400),
        (format!("{good}&scope=&scope=repository:a:pull"), 400),
        (format!("{good}%20"), 400),
        (format!("{good}%20%20repository:a:pull"), 400),
        (format!("{good}&scope=%20"), 400),
        ("scope=%20".to_owned(), 400),
        ("scope=repository".to_owned(), 400),
        ("scope=:a:pull".to_owned(), 400),
    ] {
        let answered = ask_as(&portwarden, "pusher", "GET", &format!("/auth?{OURS}&{query}"));
        assert_eq!(answered.status, status, "{query}: {}", answered.text());
    }
    for (count, status) in [(100, 200), (101, 400)] {
        let answered =
            ask_as(&portwarden, "pusher", "GET", &format!("/auth?{}", vec![good; count].join("&")));
        assert_eq!(answered.status, status, "{count} scopes");
    }
}

#[test]
fn a_failed_token_request_is_text_for_docker_auths_clients_and_json_for_others() {
    let (portwarden, _sink) = start(OK);
    let ask_by = |agent: &str, target: &str| {
        // Each as an account of its own, or the last ones would have to wait.
        let wrong = STANDARD.encode(format!("{}:wrong", agent.len()));
        let headers = format!("Authorization: Basic {wrong}\r\n{agent}");
        let answer = ask(&portwarden, "GET", target, &headers);
        assert_eq!(answer.header("www-authenticate").is_some(), answer.status == 401);
        (answer.status, answer.header("content-type").unwrap().to_owned(), answer.text())
    };
    for agent in ["", "User-Agent: curl/8.5.0\r\n", "User-Agent: docker/27.1 go/go1.22 UpstreamClient(x)\r\n"]
    {
        let text = (401, "text/plain; charset=utf-8".to_owned(), "Auth failed.\n".to_owned());
        assert_eq!(ask_by(agent, "/auth"), text, "{agent}");
    }
    for agent in ["oras/1.2.0", "oras-go", "regclient/regctl (v0.7)", "Helm/3.15.0", "containerd/1.7"] {
        let (status, content_type, body) = ask_by(&format!("User-Agent: {agent}\r\n"), "/auth");
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!((status, content_type.as_str()), (401, "application/json; charset=utf-8"), "{agent}");
        assert_eq!(body["errors"][0]["code"], "UNAUTHORIZED", "{agent}");
        assert_eq!(body["errors"][0]["message"], "Auth failed.", "{agent}");
    }
    let (status, _, body) = ask_by("User-Agent: oras/1.2.0\r\n", "/auth?scope=bad");
    assert_eq!(status, 400);
    assert!(body.contains("invalid scope") && serde_json::from_str::<Value>(&body).is_ok(), "{body}");
}

#[test]
fn the_oauth2_form_of_post_gives_what_it_promises() {
    let (portwarden, sink) = start_with(&with_refresh_tokens(), OK);
    let post = |form: &str| {
        let headers =
            format!("Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n", form.len());
        let mut bytes = request("POST", "/auth/token", &headers);
        bytes.extend(form.as_bytes());
        exchange(portwarden.address, &bytes).unwrap()
    };
    let form = format!(
        "grant_type=password&username=pusher&password=badmin&client_id=x&access_type=offline&{OURS}&scope=repository:team/app:push,pull+repository:secret:pull"
    );
    let answer: Value = serde_json::from_str(&post(&form).text()).unwrap();
    assert_eq!(answer["scope"], "repository:team/app:pull,push", "what was granted");
    assert!(answer["refresh_token"].is_string() && answer["expires_in"] == 900, "{answer}");
    let headers = format!("Authorization: Bearer {}\r\n", answer["access_token"].as_str().unwrap());
    assert_eq!(ask(&portwarden, "PUT", "/v2/team/app/manifests/x", &headers).status, 200);
    assert_eq!(sink.take().len(), 1);
    assert_eq!(post("grant_type=password&username=pusher&password=wrong").status, 401);
    assert_eq!(post("grant_type=client_credentials").status, 400);
    assert_eq!(
        post(&format!(
            "grant_type=refresh_token&refresh_token={}&service=other",
            answer["refresh_token"].as_str().unwrap()
        ))
        .status,
        401
    );
}

#[test]
fn a_registry_with_authentication_of_its_own_is_an_error_of_the_operator() {
    let (portwarden, _sink) = start(
        "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Bearer realm=\"x\"\r\nContent-Length: 0\r\n\r\n",
    );
    let response = ask_as(&portwarden, "admin", "GET", "/v2/a/tags/list");
    assert_eq!((response.status, response.header("www-authenticate")), (502, None));
}

#[test]
fn rule_25_a_token_request_has_a_bounded_number_of_scopes() {
    let (portwarden, _sink) = start(OK);
    let scopes = |n: usize| vec!["scope=repository:a:pull"; n].join("&");
    assert_eq!(ask_as(&portwarden, "admin", "GET", &format!("/auth?{}", scopes(100))).status, 200);
    let many = ask_as(&portwarden, "admin", "GET", &format!("/auth?{}", scopes(101)));
    assert_eq!(
        (many.status, many.text().as_str()),
        (400, "Bad request: 101 scopes in one request, more than 100\n")
    );
}

#[test]
fn rule_28_a_page_of_the_catalogue_is_bounded() {
    let (portwarden, sink) = start(OK);
    for (query, line) in [
        ("?n=5", "GET /v2/_catalog?n=5 HTTP/1.1"),
        ("?n=1000000000", "GET /v2/_catalog?n=1000 HTTP/1.1"),
        ("?n=99999999999999999999&last=a", "GET /v2/_catalog?last=a HTTP/1.1"),
        ("?n=-1", "GET /v2/_catalog HTTP/1.1"),
    ] {
        assert_eq!(ask_as(&portwarden, "admin", "GET", &format!("/v2/_catalog{query}")).status, 200);
        assert_eq!(forwarded(&sink), line);
    }
}
