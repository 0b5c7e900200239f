//! Clients that go away without a word, or say that they have said all: nothing of them is left behind, neither here
//! nor at the registry.
//!
//! Needs: curl, docker-registry, htpasswd.

use std::{
    io::Write as _,
    sync::Arc,
    time::{Duration, Instant},
};

use hyper::Method;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    sync::Semaphore,
    time::timeout,
};

use crate::support::{
    client::{Client, Failure, PROTOCOLS, Protocol, basic, run},
    content::Content,
    in_process::in_process,
    portwarden::{ADMIN, Portwarden, portwarden},
    process::{PATIENCE, eventually},
    raw,
    registry::{Registry, registry},
};

const SETTINGS: &str = "limits: {idle_timeout: 2s}";
/// At once, as an office behind one address would vanish.
const AT_ONCE: usize = 25;
/// Growth that a thousand may leave: the allocator keeps some of the memory that it was asked for.
const GROWTH_KIB: u64 = 8 << 10;
/// Longer than a connection to the registry is kept.
const QUIET: Duration = Duration::from_secs(3);

#[test]
fn a_thousand_clients_that_vanish_in_the_middle_of_an_upload_leave_nothing_behind() {
    let registry = registry();
    let mut warden = portwarden(&registry).registry_setting("idle_timeout", "1s").with(SETTINGS).start();
    vanish(&warden, 200);
    let before = Held::after_a_while(&warden, &registry);
    vanish(&warden, 1_000);
    let after = Held::after_a_while(&warden, &registry);
    assert!(after.ours <= before.ours + 2, "{before:?}, then {after:?}");
    assert!(after.the_registrys <= before.the_registrys + 2, "{before:?}, then {after:?}");
    assert!(after.memory_kib <= before.memory_kib + GROWTH_KIB, "{before:?}, then {after:?}");
    run(async {
        let mut connection = Client::new(&warden, Protocol::Http2).connect().await.unwrap();
        let token = connection.token(ADMIN, &["repository:team/app:pull,push"]).await.unwrap();
        let answer = connection.push("team/app", &token, &Content::made(1, 1 << 20)).await.unwrap();
        assert_eq!(answer.status, 201, "{answer:?}");
    });
    assert!(warden.is_running());
}

/// The resources held on behalf of clients.
#[derive(Debug)]
struct Held {
    ours: usize,
    the_registrys: usize,
    memory_kib: u64,
}

impl Held {
    /// Once nothing more is given up.
    fn after_a_while(warden: &Portwarden, registry: &Registry) -> Self {
        let now = || (warden.open_files(), registry.open_files());
        let (mut last, mut since) = (now(), Instant::now());
        eventually(PATIENCE, || {
            let held = now();
            if held != last {
                (last, since) = (held, Instant::now());
            }
            since.elapsed() > QUIET
        });
        Self { ours: last.0, the_registrys: last.1, memory_kib: warden.rss_kib() }
    }
}

/// So many uploads that never end: over both protocols, by an end and by a reset of the connection, and over HTTP/2 by
/// giving up the request alone.
fn vanish(warden: &Portwarden, times: usize) {
    run(async {
        let client = |protocol| Client::new(warden, protocol);
        let mut first = client(Protocol::Http1).connect().await.unwrap();
        let token = first.token(ADMIN, &["repository:team/app:pull,push"]).await.unwrap();
        let places = Arc::new(Semaphore::new(AT_ONCE));
        let mut uploads = Vec::new();
        for number in 0..times {
            let client = client(PROTOCOLS[number % 2]);
            let client = if number % 4 < 2 { client } else { client.resetting() };
            let (token, places) = (token.clone(), Arc::clone(&places));
            uploads.push(tokio::spawn(async move {
                let _place = places.acquire().await.unwrap();
                vanish_once(&client, &token).await.map_err(|error| error.to_string())
            }));
        }
        for upload in uploads {
            upload.await.unwrap().unwrap();
        }
    });
}

async fn vanish_once(client: &Client, token: &str) -> Result<(), Failure> {
    let mut connection = client.connect().await?;
    let begun =
        connection.send(Method::POST, "/v2/team/app/blobs/uploads/", token, &Content::empty()).await?;
    let location = begun.location().ok_or("no Location")?;
    // The first request alone is given up, where that is possible; then the connection, with another one.
    for _ in 0..2 {
        let (content, stalled) = Content::made(1, 4 << 20).stalling(300_000);
        tokio::select! {
            answer = connection.begin(Method::PATCH, &location, token, &content) => {
                // HTTP/1.1: giving up the first request has ended the connection.
                return answer.map(drop).or(Ok(()));
            }
            () = stalled.notified() => {}
        }
    }
    Ok(())
}

#[test]
fn no_task_outlives_its_client() {
    let sink = raw::sink("");
    let config = "
server: {addr: ':0'}
token: {issuer: Acme, expiration: 900, certificate: '@CERT@', key: '@KEY@'}
users: {'': {}}
acl: [{match: {}, actions: ['*']}]
";
    let portwarden = in_process(config, &sink.url());
    let before = portwarden.tasks();
    let upload = raw::latin1(
        "PATCH /v2/a/blobs/uploads/1 HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nthe beginning",
    );
    for number in 0..200 {
        let mut client = raw::connect(portwarden.address);
        client.write_all(&upload).unwrap();
        if number % 2 == 0 {
            socket2::SockRef::from(&client).set_linger(Some(Duration::ZERO)).unwrap();
        }
    }
    let ended = eventually(PATIENCE, || portwarden.tasks() <= before);
    assert!(ended, "{} tasks, {before} before", portwarden.tasks());
}

#[test]
fn who_ends_his_side_after_the_request_gets_the_answer_or_the_end_and_leaves_nothing_behind() {
    let registry = registry();
    let warden = portwarden(&registry).registry_setting("idle_timeout", "2s").with(SETTINGS).start();
    let basic = basic(ADMIN);
    let blob = Content::made(1, 16 << 20);
    let digest = blob.digest();
    let before = warden.open_files();
    run(async {
        let client = Client::new(&warden, Protocol::Http1);
        let mut connection = client.connect().await.unwrap();
        assert_eq!(connection.push("team/app", &basic, &blob).await.unwrap().status, 201);
        let head = |line: &str| format!("{line} HTTP/1.1\r\nHost: a\r\nAuthorization: {basic}\r\n");
        for (what, request) in [
            ("a small answer", head("GET /v2/") + "\r\n"),
            ("a large one", head(&format!("GET /v2/team/app/blobs/{digest}")) + "\r\n"),
            ("no end of the body", head("POST /v2/team/app/blobs/uploads/") + "Content-Length: 9\r\n\r\nabc"),
            ("no end of the head", head("GET /v2/")),
        ] {
            for _ in 0..10 {
                let mut stream = client.connect_tls().await.unwrap();
                stream.write_all(request.as_bytes()).await.unwrap();
                stream.shutdown().await.unwrap();
                // The answer, part of it, or nothing; but an end.
                let end = timeout(PATIENCE, stream.read_to_end(&mut Vec::new())).await;
                assert!(end.is_ok(), "{what}: the connection is kept");
            }
        }
    });
    let closed = eventually(PATIENCE, || warden.open_files() <= before + 1);
    assert!(closed, "{} open files, {before} before", warden.open_files());
}
