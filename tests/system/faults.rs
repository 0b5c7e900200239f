//! Registries that fail: before an answer, in the middle of one, in the middle of an upload. The client gets an error
//! in the registry's own form, Portwarden goes on, and the next try succeeds.
//!
//! Needs: curl, docker-registry, htpasswd.

use std::{
    io::{Read as _, Write as _},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use crate::support::{
    curl::{Response, curl},
    distribution::{push_blob, start_upload, with_digest},
    image::{random_bytes, sha256},
    in_process::in_process,
    metrics,
    misbehaving_registry::{Fault, misbehaving, no_registry},
    portwarden::{ADMIN, Portwarden, portwarden, portwarden_at},
    process::{PATIENCE, eventually, pause},
    raw,
    registry::registry,
};

/// The setting that says how long the registry may think, and a value that a test can wait for.
const RESPONSE_TIMEOUT: (&str, &str) = ("response_timeout", "1s");
/// Both protocols: a fault ends a connection in one and a stream in the other.
const PROTOCOLS: [&str; 2] = ["--http1.1", "--http2"];
/// More than all buffers on the way hold, so that a transfer of it is still under way.
const LARGE: usize = 48 << 20;

#[test]
fn a_registry_that_is_down_is_a_502_or_503_and_when_to_try_again() {
    let upstream = no_registry();
    let mut warden = portwarden_at(&upstream).start();
    for protocol in PROTOCOLS {
        let answer = ask(&warden, protocol);
        assert!(matches!(answer.status, 502 | 503), "{protocol}: {answer:?}");
        assert!(answer.header("retry-after").is_some_and(|value| value.parse::<u32>().is_ok()), "{answer:?}");
        tells_only_that_the_registry_failed(&answer, &upstream);
    }
    assert!(warden.is_running());
}

#[test]
fn a_registry_that_never_answers_is_a_504() {
    let upstream = misbehaving(Fault::Silence);
    let (key, value) = RESPONSE_TIMEOUT;
    let mut warden = portwarden_at(&upstream.url()).registry_setting(key, value).start();
    for protocol in PROTOCOLS {
        let answer = ask(&warden, protocol).is(504);
        tells_only_that_the_registry_failed(&answer, &upstream.url());
    }
    assert!(warden.is_running());
}

#[test]
fn a_registry_that_answers_garbage_or_hangs_up_is_a_502() {
    for fault in [Fault::Garbage, Fault::Close, Fault::Reset] {
        let upstream = misbehaving(fault);
        let mut warden = portwarden_at(&upstream.url()).start();
        for protocol in PROTOCOLS {
            let answer = ask(&warden, protocol);
            assert_eq!(answer.status, 502, "{fault:?} {protocol}: {answer:?}");
            tells_only_that_the_registry_failed(&answer, &upstream.url());
        }
        assert!(warden.is_running(), "{fault:?}");
    }
}

#[test]
fn a_body_cut_short_by_the_registry_is_not_passed_off_as_whole() {
    let upstream = misbehaving(Fault::ShortBody);
    let mut warden = portwarden_at(&upstream.url()).start();
    for protocol in PROTOCOLS {
        let answer = ask(&warden, protocol);
        // The head may or may not have been on its way when the body ended: a matter of timing.
        assert!(answer.exit != 0 || answer.status == 502, "{protocol}: {answer:?}");
    }
    assert!(warden.is_running());
}

#[test]
fn a_registry_killed_in_the_middle_of_a_pull_ends_the_pull_and_nothing_else() {
    let mut registry = registry();
    let warden = portwarden(&registry).start();
    let content = random_bytes(LARGE);
    let blob = format!("/v2/team/app/blobs/{}", push_blob(&curl(&warden).user(ADMIN), "team/app", &content));

    for protocol in PROTOCOLS {
        let files = tempfile::tempdir().unwrap();
        let mut pull = curl(&warden).user(ADMIN).option(&[protocol]).start(&blob, files.path());
        let mut body = pull.stdout.take().unwrap();
        body.read_exact(&mut [0; 1 << 16]).unwrap();
        registry.kill();
        let rest = body.read_to_end(&mut Vec::new()).unwrap();
        let exit = pull.wait().unwrap().code().unwrap_or(-1);
        // 28: curl itself gave up.
        assert!(
            ![0, 28].contains(&exit) && rest + (1 << 16) < LARGE,
            "{protocol}: curl took {rest} more bytes and said {exit}"
        );

        // Portwarden itself still answers, and the pull works once the registry is back.
        assert!(matches!(ask(&warden, protocol).status, 502 | 503));
        registry.restart();
        let again = curl(&warden).user(ADMIN).option(&[protocol]).get(&blob).is(200);
        assert!(again.body == content, "{protocol}: another blob");
    }
}

#[test]
fn a_registry_killed_in_the_middle_of_a_push_is_a_502_and_the_next_push_succeeds() {
    let mut registry = registry();
    let warden = portwarden(&registry).with(metrics::ON).start();
    let moved =
        || metrics::value(&warden, "portwarden_transfer_bytes_total{direction=\"in\"}").unwrap_or(0.0);
    for protocol in PROTOCOLS {
        let request = curl(&warden).user(ADMIN).option(&[protocol]);
        let location = start_upload(&request, "team/app");
        let before = moved();
        let answer = request.clone().send_stream("PATCH", &location, |body| {
            body.write_all(&random_bytes(1 << 20))?;
            body.flush()?;
            assert!(eventually(PATIENCE, || moved() > before), "the first part is not on its way");
            registry.kill();
            // Small enough that curl has sent all of it before it reads the answer.
            body.write_all(&random_bytes(1 << 10))
        });
        assert_eq!(answer.status, 502, "{protocol}: {answer:?}");
        tells_only_that_the_registry_failed(&answer, &registry.url());

        registry.restart();
        let content = random_bytes(1 << 20);
        let location = start_upload(&request, "team/app");
        request.body(&content).send("PUT", &with_digest(&location, &sha256(&content))).is(201);
    }
}

#[test]
fn a_registry_that_was_restarted_is_met_on_a_new_connection() {
    let mut registry = registry();
    let warden = portwarden(&registry).start();
    for round in 0..5 {
        // An idle connection to the old process is waiting to be used again.
        curl(&warden).user(ADMIN).get("/v2/").is(200);
        registry.kill();
        registry.restart();
        let answer = curl(&warden).user(ADMIN).get("/v2/");
        assert_eq!(answer.status, 200, "round {round}: {answer:?}");
    }
}

#[test]
fn a_client_that_vanishes_in_the_middle_of_a_pull_leaves_nothing_behind() {
    let registry = registry();
    let warden = portwarden(&registry).start();
    let content = random_bytes(LARGE);
    let blob = format!("/v2/team/app/blobs/{}", push_blob(&curl(&warden).user(ADMIN), "team/app", &content));
    let before = warden.open_files();
    for protocol in PROTOCOLS {
        let files = tempfile::tempdir().unwrap();
        let mut pull = curl(&warden).user(ADMIN).option(&[protocol]).start(&blob, files.path());
        pull.stdout.take().unwrap().read_exact(&mut [0; 1 << 16]).unwrap();
        pull.kill().unwrap();
        pull.wait().unwrap();
    }
    let closed = eventually(PATIENCE, || warden.open_files() <= before + 1);
    assert!(closed, "{} open files, {before} before", warden.open_files());
    curl(&warden).user(ADMIN).get("/v2/").is(200);
}

#[test]
fn a_registry_does_not_send_on_for_a_client_that_has_gone() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let upstream = format!("http://{}", listener.local_addr().unwrap());
    let sent = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&sent);
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let _ = stream.read(&mut [0; 4096]).unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000000\r\n\r\n").unwrap();
        while stream.write_all(&[0; 65_536]).is_ok() {
            count.fetch_add(65_536, Ordering::Relaxed);
        }
    });
    let config = "
server: {addr: ':0'}
token: {issuer: Acme, expiration: 900, certificate: '@CERT@', key: '@KEY@'}
users: {'': {}}
acl: [{match: {}, actions: ['*']}]
";
    let portwarden = in_process(config, &upstream);
    let mut client = raw::connect(portwarden.address);
    client.write_all(&raw::request("GET", "/v2/a/blobs/sha256:ab", "")).unwrap();
    client.read_exact(&mut vec![0; 20 << 20]).unwrap();
    drop(client);
    let before = sent.load(Ordering::Relaxed);
    pause(Duration::from_secs(3));
    let after = sent.load(Ordering::Relaxed);
    assert!(after - before < 32 << 20, "{} bytes were sent to no reader", after - before);
}

#[test]
fn an_upload_that_the_registry_stops_reading_ends_over_http1() {
    an_upload_that_the_registry_stops_reading_ends("--http1.1");
}

#[test]
fn an_upload_that_the_registry_stops_reading_ends_over_http2() {
    an_upload_that_the_registry_stops_reading_ends("--http2");
}

/// A registry that is alive and reads nothing: its kernel answers for ever, so that only a deadline ends the upload.
fn an_upload_that_the_registry_stops_reading_ends(protocol: &str) {
    let upstream = misbehaving(Fault::Silence);
    let (key, value) = RESPONSE_TIMEOUT;
    let limits = "limits: {idle_body: 1s, idle_timeout: 1s}";
    let mut warden = portwarden_at(&upstream.url()).registry_setting(key, value).with(limits).start();
    let before = warden.open_files();
    let upload = "/v2/team/app/blobs/uploads/00000000-0000-0000-0000-000000000000";
    let request = curl(&warden).user(ADMIN).option(&[protocol]);
    let answer = request.send_stream("PATCH", upload, |body| body.write_all(&random_bytes(LARGE)));
    // Which deadline is first, the one for the answer or the one for the write, is not the client's business.
    assert!(matches!(answer.status, 502 | 504), "{answer:?}");
    tells_only_that_the_registry_failed(&answer, &upstream.url());

    let closed = eventually(PATIENCE, || warden.open_files() <= before);
    assert!(closed, "{} open files, {before} before", warden.open_files());
    assert!(warden.stop().is_some_and(|status| status.success()), "had to be killed");
}

#[test]
fn a_transfer_goes_on_to_its_end_when_portwarden_is_told_to_stop() {
    let registry = registry();
    for protocol in PROTOCOLS {
        let mut warden = portwarden(&registry).start();
        let admin = curl(&warden).user(ADMIN).option(&[protocol]);
        let blob = format!("/v2/team/app/blobs/{}", push_blob(&admin, "team/app", &random_bytes(LARGE)));
        let files = tempfile::tempdir().unwrap();
        let mut pull = admin.clone().start(&blob, files.path());
        let mut body = pull.stdout.take().unwrap();
        body.read_exact(&mut [0; 1 << 16]).unwrap();

        warden.begin_stop();
        let refused = || admin.clone().get("/v2/").status == 0;
        assert!(eventually(PATIENCE, refused), "{protocol}: new connections are taken");
        assert_eq!(body.read_to_end(&mut Vec::new()).unwrap(), LARGE - (1 << 16), "{protocol}");
        assert!(pull.wait().unwrap().success(), "{protocol}");
        assert!(warden.stop().is_some_and(|status| status.success()), "{protocol}: had to be killed");
    }
}

fn ask(warden: &Portwarden, protocol: &str) -> Response {
    curl(warden).user(ADMIN).option(&[protocol]).get("/v2/team/app/tags/list")
}

/// The registry's own error object, and nothing about where the registry is.
#[track_caller]
fn tells_only_that_the_registry_failed(answer: &Response, upstream: &str) {
    let (code, message) = answer.error();
    assert!(!code.is_empty() && !message.is_empty(), "{}", answer.text());
    let address = upstream.trim_start_matches("http://");
    let leaks =
        answer.text().contains(address) || answer.headers.iter().any(|(_, value)| value.contains(address));
    assert!(!leaks, "the registry's address is told: {answer:?} {}", answer.text());
}
