//! Slow moments: a client that lags behind and a Portwarden that gets no time on a processor break no deadline that
//! their peer kept.
//!
//! A machine may be slow for longer than a test allows. Then the attempt proves nothing and is repeated.
//!
//! Needs: curl, docker-registry, htpasswd.

use std::{
    io::{Read as _, Write as _},
    net::TcpListener,
    thread,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tokio_rustls::client::TlsStream;

use crate::support::{
    client::{Client, PROTOCOLS, Protocol, run},
    curl::curl,
    distribution::start_upload,
    h2,
    image::random_bytes,
    in_process::in_process,
    metrics,
    misbehaving_registry::no_registry,
    portwarden::{ADMIN, Portwarden, portwarden, portwarden_at},
    process::{PATIENCE, eventually, pause},
    raw,
    registry::registry,
};

/// Requests that Portwarden answers alone.
const REQUEST: &[u8] = b"HEAD /v2/ HTTP/1.1\r\nHost: a\r\n\r\n";

/// The outcome of the first attempt that took less than `limit`; `None` is one that came too late.
fn in_time<T>(limit: Duration, mut attempt: impl FnMut(Instant) -> Option<T>) -> T {
    for _ in 0..20 {
        let began = Instant::now();
        if let Some(outcome) = attempt(began).filter(|_| began.elapsed() < limit) {
            return outcome;
        }
    }
    panic!("no attempt of twenty took less than {limit:?}");
}

#[test]
fn a_slow_handshake_takes_nothing_from_the_time_that_a_connection_may_be_idle() {
    let (idle_timeout, lag) = (Duration::from_secs(3), Duration::from_secs(4));
    let warden = portwarden_at(&no_registry()).with("limits: {idle_timeout: 3s}").start();
    for protocol in PROTOCOLS {
        let client = Client::new(&warden, protocol).lagging(lag);
        let answer = in_time(lag + idle_timeout, |_| {
            Some(run(async {
                let mut connection = client.connect().await?;
                tokio::time::sleep(Duration::from_millis(300)).await;
                connection.get("/v2/", "").await
            }))
        });
        assert_eq!(answer.expect("an answer").status, 401, "{protocol:?}");
    }
}

#[test]
fn a_handshake_goes_on_after_portwarden_stood_still() {
    let warden = portwarden_at(&no_registry()).with("limits: {handshake_timeout: 3s}").start();
    let client = Client::new(&warden, Protocol::Http1);
    run(async {
        let before = warden.open_files();
        let stream = in_time(Duration::from_secs(1), |began| {
            let stream = raw::connect(warden.address());
            let accepted = eventually(PATIENCE, || warden.open_files() > before);
            warden.suspend();
            if accepted && began.elapsed() < Duration::from_secs(1) {
                return Some(stream);
            }
            warden.resume();
            drop(stream);
            eventually(PATIENCE, || warden.open_files() == before);
            None
        });
        stream.set_nonblocking(true).unwrap();
        let handshake = client.shake_hands(TcpStream::from_std(stream).unwrap());
        let resumed = async {
            tokio::time::sleep(Duration::from_secs(4)).await;
            warden.resume();
        };
        let (shaken, ()) = tokio::join!(handshake, resumed);
        shaken.expect("the client did all it could");
    });
}

#[test]
fn requests_that_came_while_portwarden_stood_still_are_answered() {
    let idle_timeout = Duration::from_secs(4);
    let warden = portwarden_at(&no_registry()).with("limits: {idle_timeout: 4s}").start();
    // Connections over HTTP/1.1 rest after a second.
    for rest in [Duration::ZERO, Duration::from_secs(2)] {
        run(async {
            let mut connections = in_time(idle_timeout, |began| {
                let connections = tokio::task::block_in_place(|| Connections::used(&warden));
                pause(rest);
                warden.suspend();
                if began.elapsed() < idle_timeout {
                    return Some(connections);
                }
                warden.resume();
                None
            });
            connections.ask().await;
            tokio::time::sleep(idle_timeout + Duration::from_secs(1)).await;
            warden.resume();
            connections.are_answered().await;
        });
    }
}

#[test]
fn an_upload_that_came_while_portwarden_stood_still_is_taken() {
    let registry = registry();
    let limits = "limits: {idle_body: 3s}";
    let warden = portwarden(&registry).with(limits).with(metrics::ON).start();
    let moved = || metrics::value(&warden, "portwarden_transfer_bytes_total{direction=\"in\"}");
    for protocol in ["--http1.1", "--http2"] {
        let request = curl(&warden).user(ADMIN).option(&[protocol]);
        let location = start_upload(&request, "team/app");
        let before = moved();
        let answer = request.send_stream("PATCH", &location, |body| {
            body.write_all(&random_bytes(100_000))?;
            body.flush()?;
            assert!(eventually(PATIENCE, || moved() > before), "the first part is not on its way");
            warden.suspend();
            body.write_all(&random_bytes(100_000))?;
            body.flush()?;
            pause(Duration::from_secs(4));
            warden.resume();
            Ok(())
        });
        assert_eq!(answer.status, 202, "{protocol}: {answer:?}");
    }
}

#[test]
fn a_head_that_begins_before_the_answer_to_the_last_request_has_its_whole_time_after_it() {
    let (header_timeout, thinks) = (Duration::from_secs(2), Duration::from_secs(3));
    let registry = TcpListener::bind("127.0.0.1:0").unwrap();
    let config = "
server: {addr: ':0'}
token: {issuer: Acme, expiration: 900, certificate: '@CERT@', key: '@KEY@'}
users: {'': {}}
acl: [{match: {}, actions: ['*']}]
limits: {header_timeout: 2s}
";
    let portwarden = in_process(config, &format!("http://{}", registry.local_addr().unwrap()));
    thread::spawn(move || {
        for mut stream in registry.incoming().flatten() {
            let _ = stream.read(&mut [0; 4096]);
            pause(thinks);
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        }
    });
    let answer = in_time(thinks + header_timeout, |_| {
        let mut stream = raw::connect(portwarden.address);
        stream.write_all(b"GET /v2/a/tags/list HTTP/1.1\r\nHost: a\r\n\r\nBREW /v2/ HTTP/1.1\r\n").unwrap();
        assert_eq!(raw::read_response(&mut stream)?.status, 200);
        let _ = stream.write_all(b"Host: a\r\nConnection: close\r\n\r\n");
        Some(raw::read_response(&mut stream))
    });
    assert_eq!(answer.expect("an answer").status, 405);
}

/// Connections over both protocols.
struct Connections {
    http1: Vec<TlsStream<TcpStream>>,
    http2: Vec<h2::Frames>,
    asked: usize,
}

impl Connections {
    const EACH: usize = 12;

    /// Each has had one request.
    fn used(warden: &Portwarden) -> Self {
        let client = Client::new(warden, Protocol::Http1);
        tokio::runtime::Handle::current().block_on(async {
            let mut connections = Self { http1: Vec::new(), http2: Vec::new(), asked: 0 };
            for _ in 0..Self::EACH {
                connections.http1.push(client.connect_tls().await.unwrap());
                connections.http2.push(h2::connect(warden, &[]));
            }
            connections.ask().await;
            connections.are_answered().await;
            connections
        })
    }

    /// Sends a request on each; all have left when it returns.
    async fn ask(&mut self) {
        for stream in &mut self.http1 {
            stream.write_all(REQUEST).await.unwrap();
            stream.flush().await.unwrap();
        }
        for frames in &mut self.http2 {
            let (flags, stream, head) =
                (h2::END_STREAM | h2::END_HEADERS, h2::stream(self.asked), frames.get("/v2/", ""));
            frames.send(h2::HEADERS, flags, stream, &head).unwrap();
        }
        self.asked += 1;
    }

    async fn are_answered(&mut self) {
        for stream in &mut self.http1 {
            let mut answer = Vec::new();
            while !answer.ends_with(b"\r\n\r\n") {
                assert!(stream.read_buf(&mut answer).await.unwrap() > 0, "closed without an answer");
            }
        }
        for frames in &mut self.http2 {
            frames.read_until(h2::HEADERS).expect("an answer");
        }
    }
}
