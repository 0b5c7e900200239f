//! The limits on load: connections, heads, requests to the registry, requests for tokens. A request beyond them gets an
//! error and a time to come again; requests that have begun go on; one address cannot take everything.
//!
//! Deadlines and single bounds are in `tests/services/security.rs` (rules 24 and 25), floods of HTTP/2 in
//! `tests/services/http2_floods.rs`.
//!
//! Needs: curl, docker-registry, htpasswd.

use std::{
    io::{Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    process::Child,
    thread,
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::support::{
    curl::{Request, Response, curl, curl_at},
    distribution::push_blob,
    h2::{self, Frames},
    image::{random_bytes, sha256},
    in_process::{InProcess, in_process},
    misbehaving_registry::{Fault, misbehaving},
    portwarden::{ADMIN, Portwarden, USER, portwarden, portwarden_at},
    process::{PATIENCE, eventually},
    raw::{self, request},
    registry::registry,
};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
const HERE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 1);
const ELSEWHERE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
const PROXY: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 3);
/// More than the sockets on the way hold, so that a pull that is not read is not over.
const LARGE: usize = 24 << 20;

/// Without TLS; the password is `badmin`.
const CONFIG: &str = r#"
server: {addr: ":0", trusted_proxies: 127.0.0.3}
token: {issuer: Acme auth server, expiration: 900, certificate: "@CERT@", key: "@KEY@"}
users:
  admin: {password: "$2y$05$LO.vzwpWC5LZGqThvEfznu8qhb5SGqvBSWY1J3yZ4AxtMRZ3kN5jC"}
acl:
  - {match: {account: admin}, actions: ["*"]}
"#;

fn start(limits: &str) -> (InProcess, raw::Sink) {
    let sink = raw::sink(OK);
    (in_process(&format!("{CONFIG}{limits}\n"), &sink.url()), sink)
}

fn basic() -> String {
    format!("Authorization: Basic {}\r\n", STANDARD.encode("admin:badmin"))
}

fn ask(from: Ipv4Addr, address: SocketAddr, target: &str, headers: &str) -> raw::Response {
    let mut stream = raw::connect_from(from, address);
    let _ = stream.write_all(&request("GET", target, headers));
    raw::read_response(&mut stream).expect("an answer")
}

fn base(from: Ipv4Addr, address: SocketAddr) -> u16 {
    ask(from, address, "/v2/", &basic()).status
}

/// The registry's error object with that code, and a time to come again.
#[track_caller]
fn says_come_later(answer: &raw::Response, status: u16, code: &str) {
    assert_eq!(answer.status, status, "{answer:?}");
    let seconds = answer.header("retry-after").and_then(|value| value.parse::<u32>().ok());
    assert!(seconds.is_some_and(|seconds| seconds > 0), "{answer:?}");
    let json: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(json["errors"][0]["code"], code, "{json}");
    assert!(json["errors"][0]["message"].as_str().is_some_and(|message| !message.is_empty()), "{json}");
}

#[test]
fn an_address_has_its_share_of_connections_and_is_told_so() {
    let (portwarden, _sink) = start("limits: {connections_per_address: 3}");
    let held: Vec<TcpStream> = (0..3).map(|_| raw::connect_from(HERE, portwarden.address)).collect();
    for _ in 0..5 {
        says_come_later(&ask(HERE, portwarden.address, "/v2/", ""), 429, "TOOMANYREQUESTS");
    }
    assert_eq!(base(ELSEWHERE, portwarden.address), 200, "another address");
    let proxy: Vec<TcpStream> = (0..10).map(|_| raw::connect_from(PROXY, portwarden.address)).collect();
    assert_eq!(base(PROXY, portwarden.address), 200, "a proxy stands for many");
    drop((held, proxy));
    let again = || base(HERE, portwarden.address) == 200;
    assert!(eventually(PATIENCE, again), "the places did not come back");
}

#[test]
fn with_tls_a_connection_too_many_is_closed_before_its_handshake_and_logged_once() {
    let registry = registry();
    let warden =
        portwarden(&registry).with("limits: {connections_per_address: 2, handshake_timeout: 1h}").start();
    let address: SocketAddr =
        format!("127.0.0.1:{}", warden.host().rsplit_once(':').unwrap().1).parse().unwrap();
    let held: Vec<TcpStream> = (0..2).map(|_| raw::connect_from(HERE, address)).collect();
    for _ in 0..20 {
        let mut refused = raw::connect_from(HERE, address);
        let mut all = Vec::new();
        // Closed at once; the handshake alone would be waited for for an hour.
        let ended = refused.read_to_end(&mut all);
        assert!(all.is_empty() && !ended.is_err_and(|error| raw::is_time_out(&error)), "{all:?}");
    }
    let elsewhere = || from(ELSEWHERE, curl(&warden).user(USER));
    elsewhere().get("/v2/").is(200);
    drop(held);
    warden.says("limits.connections_per_address");
    let lines = warden.log().matches("limits.connections_per_address").count();
    assert_eq!(lines, 1, "{}", warden.log());
}

/// Slowloris: connections that never get to a request hold all slots, and other clients still get in.
#[test]
fn idle_connections_make_room_and_pulls_go_on() {
    let registry = registry();
    let warden = portwarden(&registry).with("limits: {connections: 8}").start();
    let (blob, digest) = large_blob(&warden);
    let user = curl(&warden).user(USER);
    let pulls = [pull(&user, &blob), pull(&user.option(&["--http1.1"]), &blob)];
    let address: SocketAddr = warden.host().parse().unwrap();
    let mut silent: Vec<TcpStream> = Vec::new();
    for round in 0..4 {
        silent.extend((0..6).map(|_| raw::connect(address)));
        let answer = curl(&warden).user(USER).get("/v2/");
        assert_eq!(answer.status, 200, "round {round}: {answer:?}");
    }
    for pull in pulls {
        pull.finishes(&digest);
    }
}

/// Requests that are never over and never reach the registry are no reason to shut others out either.
#[test]
fn forms_that_never_end_make_room_and_pulls_go_on() {
    let registry = registry();
    let digest = push_blob(&curl_at(&registry.url()), "team/app", &random_bytes(LARGE));
    let portwarden = in_process(&format!("{CONFIG}limits: {{connections: 8}}\n"), &registry.url());
    let mut pull = raw::connect(portwarden.address);
    pull.write_all(&request("GET", &format!("/v2/team/app/blobs/{digest}"), &basic())).unwrap();
    let mut beginning = [0; 1];
    pull.read_exact(&mut beginning).unwrap();
    let form = "POST /auth HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\
                Content-Type: application/x-www-form-urlencoded\r\n\r\nservice=";
    let _forms: Vec<TcpStream> = (0..7)
        .map(|_| {
            let mut stream = raw::connect(portwarden.address);
            stream.write_all(&raw::latin1(form)).unwrap();
            stream
        })
        .collect();
    let served = || raw::exchange(portwarden.address, &request("GET", "/v2/", &basic()));
    assert!(eventually(PATIENCE, || served().is_some_and(|answer| answer.status == 200)));
    let pulled = raw::read_response(&mut beginning.as_slice().chain(pull)).unwrap();
    assert_eq!(sha256(&pulled.body), digest, "{} bytes", pulled.body.len());
}

/// A malformed head stops a connection, and its client keeps the window of the answer shut.
#[test]
fn rule_35_connections_that_stop_for_a_malformed_head_make_room_too() {
    let registry = registry();
    // No deadline of a body ends them in the meantime.
    let warden =
        portwarden(&registry).with("limits: {connections: 8, idle_body: 1h, drain_timeout: 1s}").start();
    let authorization = format!("Basic {}", STANDARD.encode(format!("{}:{}", USER.name, USER.password)));
    for _ in 0..8 {
        let mut frames = h2::connect(&warden, &[(h2::INITIAL_WINDOW, 0)]);
        let malformed = frames.get("/v2/#x", &authorization);
        frames.send(h2::HEADERS, h2::END_HEADERS | h2::END_STREAM, h2::stream(0), &malformed).unwrap();
        // Every PING is acknowledged, so that nothing else ends it.
        while frames.read_and_acknowledge().expect("an answer").kind != h2::HEADERS {}
        thread::spawn(move || frames.read_to_end());
    }
    let served = || curl(&warden).user(USER).get("/v2/").status == 200;
    assert!(eventually(PATIENCE, served), "8 connections that stop keep all others out");
}

#[test]
fn heads_with_too_many_or_too_large_headers_are_told_which_limit_it_was() {
    let registry = registry();
    let limits = "limits: {header_count: 20, header_bytes: 8KiB}";
    let warden = portwarden(&registry).with(limits).start();
    let ask = |protocol: &str, headers: &[String]| {
        let request = curl(&warden).user(USER).option(&[protocol]);
        headers.iter().fold(request, |request, header| request.header(header)).get("/v2/")
    };
    let headers = |count: usize| (0..count).map(|n| format!("X-{n}: x")).collect::<Vec<_>>();
    for protocol in ["--http1.1", "--http2"] {
        assert_eq!(ask(protocol, &headers(15)).status, 200);
        let answer = ask(protocol, &headers(25)).is(431);
        assert!(answer.text().contains("limits.header_count"), "{}", answer.text());
        // Too large for our own words too.
        assert!(matches!(ask(protocol, &headers(100)).status, 0 | 431));
    }
    let large = [format!("X-Large: {}", "x".repeat(9 << 10))];
    let answer = ask("--http1.1", &large).is(431);
    assert!(answer.text().contains("limits.header_bytes"), "{}", answer.text());
    // Over HTTP/2 the library answers by itself.
    ask("--http2", &large).is(431);
}

#[test]
fn an_address_has_as_many_requests_with_the_registry_as_it_leaves_and_pulls_keep_their_places() {
    let registry = registry();
    let warden = portwarden(&registry).with("limits: {upstream_requests: 4}").start();
    let (blob, digest) = large_blob(&warden);
    let here = || curl(&warden).user(USER);
    let elsewhere = || from(ELSEWHERE, curl(&warden).user(USER));
    let (first, second) = (pull(&here(), &blob), pull(&here(), &blob));
    let began = Instant::now();
    busy(here().get("/v2/"));
    assert!(began.elapsed() >= Duration::from_secs(4), "it did not wait for a place: {:?}", began.elapsed());
    elsewhere().get("/v2/").is(200);

    let third = pull(&elsewhere(), &blob);
    busy(elsewhere().get("/v2/"));
    let next = |last| from(Ipv4Addr::new(127, 0, 0, last), curl(&warden).user(USER));
    let fourth = pull(&next(4), &blob);
    busy(next(5).get("/v2/"));
    warden.says("limits.upstream_requests");

    // A client that vanishes leaves its place to the next.
    second.vanishes();
    let fifth = pull(&next(5), &blob);
    for pull in [first, third, fourth, fifth] {
        pull.finishes(&digest);
    }
    here().get("/v2/").is(200);
}

#[test]
fn a_registry_that_dies_gives_every_place_back() {
    for fault in [Fault::Close, Fault::Reset, Fault::Garbage, Fault::ShortBody] {
        let upstream = misbehaving(fault);
        let warden = portwarden_at(&upstream.url()).with("limits: {upstream_requests: 2}").start();
        for n in 0..6 {
            let answer = curl(&warden).user(ADMIN).get("/v2/team/app/tags/list");
            assert!(answer.status != 503 && answer.exit != 28, "{fault:?}, request {n}: {answer:?}");
        }
    }
}

#[test]
fn an_address_that_asks_for_too_many_tokens_is_told_when_to_come_again() {
    let (portwarden, _sink) = start("limits: {token_requests: 1}");
    let token = |from| ask(from, portwarden.address, "/auth?service=Docker+registry", &basic());
    let first = token(HERE);
    let json: serde_json::Value = serde_json::from_slice(&first.body).unwrap();
    let good = format!("Authorization: Bearer {}\r\n", json["token"].as_str().unwrap());
    let refused =
        (0..600).map(|_| token(HERE)).find(|answer| answer.status != 200).expect("tokens without end");
    says_come_later(&refused, 429, "TOOMANYREQUESTS");
    assert_eq!(ask(HERE, portwarden.address, "/v2/", &good).status, 200, "who has a token goes on");
    assert_eq!(token(ELSEWHERE).status, 200, "another address");
    let through_a_proxy = |client: &str| {
        let headers = format!("{}X-Forwarded-For: {client}\r\n", basic());
        ask(PROXY, portwarden.address, "/auth?service=Docker+registry", &headers).status
    };
    assert_eq!(through_a_proxy("203.0.113.1"), 200);
    let counts = (0..600).any(|_| through_a_proxy("127.0.0.1") == 429);
    assert!(counts, "it is the client's address that counts");
}

/// Each scope may start a command of `ext_authz`.
#[test]
fn the_scopes_of_a_stranger_count_as_requests_for_tokens() {
    let config = CONFIG.replace("users:", "users:\n  \"\": {}");
    let sink = raw::sink(OK);
    let portwarden = in_process(&format!("{config}limits: {{token_requests: 1}}\n"), &sink.url());
    let ask_for = |from, scopes: usize, headers: &str| {
        let scopes: String = (0..scopes).map(|n| format!("&scope=repository:team/app-{n}:pull")).collect();
        ask(from, portwarden.address, &format!("/auth?service=Docker+registry{scopes}"), headers)
    };
    assert_eq!(ask_for(HERE, 40, &basic()).status, 200, "of an account");
    says_come_later(&ask_for(HERE, 40, ""), 429, "TOOMANYREQUESTS");
    assert_eq!(ask_for(ELSEWHERE, 3, "").status, 200, "a few");
}

#[test]
fn rule_35_the_64s_of_one_48_ask_for_tokens_as_one_client() {
    let (portwarden, _sink) = start("limits: {token_requests: 1}");
    let began = Instant::now();
    let granted = |client: &str| {
        let headers = format!("{}X-Forwarded-For: {client}\r\n", basic());
        let ask = || ask(PROXY, portwarden.address, "/auth?service=Docker+registry", &headers).status;
        (0..40).filter(|_| ask() == 200).count()
    };
    let neighbours = ["0", "1", "ff", "100", "101", "2000", "ffff"].map(|net| format!("2001:db8:1:{net}::1"));
    let all: usize = neighbours.iter().map(|client| granted(client)).sum();
    let refilled = usize::try_from(began.elapsed().as_secs()).unwrap() + 1;
    assert!((30..=30 + refilled).contains(&all), "{all} of seven, where one client may have 30");
    assert!(granted("2001:db8:2::1") >= 20, "another /48");
}

#[test]
fn limits_change_with_a_reload() {
    let registry = registry();
    let mut warden = portwarden(&registry).start();
    // Over TLS: without a handshake they would be closed before a slow machine has asked for a third.
    let held: Vec<Frames> = (0..2).map(|_| h2::connect(&warden, &[])).collect();
    curl(&warden).user(USER).get("/v2/").is(200);
    let limits =
        "limits: {connections_per_address: 2, header_count: 20, upstream_requests: 2, token_requests: 1}";
    warden.reload(|builder| builder.with(limits));
    assert_eq!(curl(&warden).user(USER).get("/v2/").status, 0, "a third connection");
    drop(held);
    let answers = || curl(&warden).user(USER).get("/v2/").status == 200;
    assert!(eventually(PATIENCE, answers));
    assert!(!warden.log().contains("restart"), "{}", warden.log());
}

/// The same from another loopback address; the one in the URL is not one to connect to from there.
fn from(source: Ipv4Addr, request: Request) -> Request {
    request.option(&["--interface", &source.to_string(), "--connect-to", "::127.0.0.1:"])
}

fn large_blob(warden: &Portwarden) -> (String, String) {
    let digest = push_blob(&curl(warden).user(ADMIN), "team/app", &random_bytes(LARGE));
    (format!("/v2/team/app/blobs/{digest}"), digest)
}

/// A pull that has begun and is not read on.
struct Pull {
    curl: Child,
    content: Vec<u8>,
    _files: tempfile::TempDir,
}

fn pull(request: &Request, blob: &str) -> Pull {
    let files = tempfile::tempdir().unwrap();
    let mut curl = request.clone().start(blob, files.path());
    let mut content = vec![0; 1024];
    curl.stdout.as_mut().unwrap().read_exact(&mut content).unwrap();
    Pull { curl, content, _files: files }
}

impl Pull {
    /// Reads it to its end, and compares.
    #[track_caller]
    fn finishes(mut self, digest: &str) {
        self.curl.stdout.as_mut().unwrap().read_to_end(&mut self.content).unwrap();
        assert!(self.curl.wait().unwrap().success());
        assert_eq!(sha256(&self.content), digest, "{} bytes", self.content.len());
    }

    /// The client dies.
    fn vanishes(mut self) {
        self.curl.kill().unwrap();
        self.curl.wait().unwrap();
    }
}

#[track_caller]
fn busy(answer: Response) {
    let answer = answer.is(503);
    assert!(answer.header("retry-after").is_some(), "{answer:?}");
    assert_eq!(answer.error().0, "UNAVAILABLE");
}
