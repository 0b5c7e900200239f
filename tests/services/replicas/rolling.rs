//! A rolling restart: each replica in turn is stopped by SIGTERM and started again, while clients pull and push.

use std::{
    fs,
    io::Read,
    net::TcpStream,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
    time::Instant,
};

use super::{token, two};
use crate::support::{
    command,
    curl::{Request, curl_at},
    distribution::{MANIFEST, push_blob, push_image, put_manifest, start_upload, with_digest},
    haproxy::{Haproxy, haproxy_by_readiness},
    image::{random_bytes, sha256},
    metrics,
    ports::free_port,
    portwarden::{ADMIN, Portwarden, portwarden},
    postgres::Postgres,
    process::{PATIENCE, eventually},
    registry::registry,
};

/// Gives a replica a fixed port for metrics and health.
fn with_health_at(warden: &mut Portwarden, port: u16) {
    let file = warden.file("portwarden.yml");
    let text = fs::read_to_string(&file).unwrap();
    let fixed = metrics::ON.replace(":0'", &format!(":{port}'"));
    fs::write(&file, text.replace(metrics::ON, &fixed)).unwrap();
    warden.stop();
    warden.crash_and_restart();
}

/// Each request is on a connection of its own, and none is tried again.
fn request(front: &Haproxy, token: &str) -> Request {
    curl_at(&front.url()).option(&front.authority()).bearer(token).header(&format!("Accept: {MANIFEST}"))
}

/// Pulls until `ended`, each time on a connection of its own. Returns the number of requests.
fn pulls(front: &Haproxy, token: &str, blob: &str, ended: &AtomicBool) -> usize {
    let mut count = 0;
    while !ended.load(Ordering::Relaxed) {
        request(front, token).get("/v2/acme/app/manifests/v1").is(200);
        request(front, token).get(blob).is(200);
        count += 2;
    }
    count
}

/// Pulls until `ended`, twenty times on each connection. Returns the number of requests.
fn pulls_on_one_connection(front: &Haproxy, token: &str, blob: &str, ended: &AtomicBool) -> usize {
    let mut count = 0;
    let (url, header) = (format!("{}{blob}", front.url()), format!("Authorization: Bearer {token}"));
    let mut arguments = vec!["-sS", "-w", "%{http_code} ", "--rate", "20/s", "-H", &header];
    arguments.extend(front.authority());
    arguments.extend(["-o", "/dev/null", &url].repeat(20));
    while !ended.load(Ordering::Relaxed) {
        let many = command::run("curl", &arguments, &[]).succeeds();
        assert_eq!(many.stdout, "200 ".repeat(20), "{}", many.stderr);
        count += 20;
    }
    count
}

/// Pushes until `ended`: each image with a layer whose upload takes a while. Returns the number of images.
fn pushes(front: &Haproxy, token: &str, ended: &AtomicBool) -> usize {
    let mut count = 0;
    while !ended.load(Ordering::Relaxed) {
        let push = request(front, token);
        let (config, layer) = (b"{}".to_vec(), random_bytes(400_000));
        push_blob(&push, "acme/app", &config);
        let location = start_upload(&push, "acme/app");
        let slow = push.clone().option(&["--limit-rate", "200K"]).body(&layer);
        slow.send("PUT", &with_digest(&location, &sha256(&layer))).is(201);
        put_manifest(&push, "acme/app", &format!("p{count}"), &config, &[&layer]).is(201);
        count += 1;
    }
    count
}

#[test]
fn a_rolling_restart_behind_haproxy_fails_no_request() {
    let (registry, postgres) = (registry(), Postgres::start());
    let mut replicas = two(&registry, &postgres.state_url(), "");
    let health = [free_port(), free_port()];
    for (warden, port) in replicas.iter_mut().zip(health) {
        with_health_at(warden, port);
    }
    let front = &haproxy_by_readiness(&replicas.each_ref(), &health);
    let all_up = || front.states() == ["UP", "UP"];
    assert!(eventually(PATIENCE, all_up), "{:?}", front.states());
    let token = &token(front.curl(), ADMIN);
    push_image(&request(front, token), "acme/app", "v1");
    let content = random_bytes(1_000_000);
    let blob = &push_blob(&request(front, token), "acme/app", &content);
    let blob = &format!("/v2/acme/app/blobs/{blob}");
    let (ended, pulled, pushed) = (AtomicBool::new(false), AtomicUsize::new(0), AtomicUsize::new(0));
    thread::scope(|scope| {
        let clients: Vec<_> = (0..8)
            .map(|n| {
                let (ended, pulled, pushed) = (&ended, &pulled, &pushed);
                let add = |to: &AtomicUsize, count| to.fetch_add(count, Ordering::Relaxed);
                scope.spawn(move || match n {
                    0..4 => add(pulled, pulls(front, token, blob, ended)),
                    4..6 => add(pulled, pulls_on_one_connection(front, token, blob, ended)),
                    _ => add(pushed, pushes(front, token, ended)),
                })
            })
            .collect();
        for warden in &mut replicas {
            let ended = warden.stop();
            assert!(ended.is_some_and(|status| status.success()), "{ended:?}: {}", warden.log());
            let began = Instant::now();
            warden.crash_and_restart();
            println!("ready again after {:?}", began.elapsed());
            assert!(eventually(PATIENCE, all_up), "{:?}", front.states());
        }
        ended.store(true, Ordering::Relaxed);
        for client in clients {
            client.join().unwrap();
        }
    });
    println!("{pulled:?} pulls and {pushed:?} pushes");
}

/// Connections that the kernel has taken and the program has not.
fn waiting(port: u16) -> usize {
    let table = fs::read_to_string("/proc/net/tcp").unwrap();
    let listens = format!(":{port:04X} 00000000:0000 0A ");
    let line = table.lines().find(|line| line.contains(&listens)).unwrap();
    let queue = line.split_whitespace().nth(4).and_then(|queues| queues.split(':').nth(1)).unwrap();
    usize::from_str_radix(queue, 16).unwrap()
}

#[test]
fn connections_that_wait_when_a_server_stops_are_taken_first() {
    let registry = registry();
    let warden = portwarden(&registry).with("limits: {handshake_timeout: 1s}").start();
    warden.suspend();
    let clients: Vec<_> = (0..400).map(|_| TcpStream::connect(warden.address()).unwrap()).collect();
    assert!(eventually(PATIENCE, || waiting(warden.address().port()) == clients.len()));
    warden.begin_stop();
    warden.resume();
    for mut client in clients {
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        // Those that nothing has taken are reset; the others end since their clients say nothing.
        assert_eq!(client.read(&mut [0; 100]).map_err(|error| error.kind()), Ok(0));
    }
}

#[test]
fn a_replica_reads_100_000_tokens_at_its_start() {
    let (registry, postgres) = (registry(), Postgres::start());
    let [_a, b] = &mut two(&registry, &postgres.state_url(), "");
    postgres.in_state(
        "INSERT INTO personal_tokens SELECT substr(digest, 1, 12), digest, 'account-' || n / 20, 'users', NULL, NULL, \
         'acme/*:pull', 'a comment', 1800000000, 1900000000, 0, (SELECT id FROM state), 0 \
         FROM (SELECT n, encode(sha256(n::text::bytea), 'hex') AS digest FROM generate_series(1, 100000) n) tokens",
    );
    let before = b.rss_kib();
    b.stop();
    let began = Instant::now();
    b.crash_and_restart();
    assert!(eventually(PATIENCE, || metrics::watcher(b).get("/readyz").status == 200));
    println!("ready after {:?}, with {} KiB more", began.elapsed(), b.rss_kib().saturating_sub(before));
}
