//! From nothing to a certificate, and its renewal while clients pull: `make demo-acme`.
//!
//! Needs: curl, docker-registry, htpasswd, openssl, pebble.

use std::{fs, os::unix::fs::PermissionsExt as _, time::Duration};

use super::{PAST, orders, reading, shown, status};
use crate::support::{
    acme::{DONE, HOST, Names, Pebble, PebbleSettings, by_acme},
    client::{Client, PROTOCOLS, Protocol, basic, run},
    command,
    curl::{Request, curl_at},
    distribution::push_blob,
    load::{Load, Pull},
    metrics,
    ports::free_port,
    portwarden::{ADMIN, Portwarden, program},
    process::{PATIENCE, eventually},
    registry::registry,
};

/// A request to the name of the certificate, of a client that trusts its authority.
fn curl(warden: &Portwarden, pebble: &Pebble) -> Request {
    let (port, root) = (warden.address().port(), pebble.root_file());
    curl_at(&format!("https://{HOST}:{port}")).option(&[
        "--resolve",
        &format!("{HOST}:{port}:127.0.0.1"),
        "--cacert",
        root.to_str().unwrap(),
    ])
}

#[test]
fn from_nothing_to_a_certificate() {
    let (registry, names, port) = (registry(), Names::start(), free_port());
    let pebble = Pebble::start(&names, PebbleSettings { tls_port: port, ..PebbleSettings::default() });
    let mut warden = by_acme(&registry, port, &pebble.section("")).start();
    println!("it listens with a self-signed certificate, and orders one from {}", pebble.url());
    println!("{}", warden.says(DONE));
    let answer = curl(&warden, &pebble).user(ADMIN).get("/v2/").is(200);
    assert_eq!(answer.header("docker-distribution-api-version"), Some("registry/2.0"));
    println!("curl trusts it for {HOST}; {}", status(&warden).stdout.lines().last().unwrap());
    status(&warden).says(&format!("certificate for {HOST}: expires at "));

    let directory = warden.file("acme");
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&directory), 0o700);
    let mut files: Vec<_> = fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap()).collect();
    files.sort_by_key(fs::DirEntry::file_name);
    assert_eq!(files.iter().map(fs::DirEntry::file_name).collect::<Vec<_>>(), ["portwarden+account", HOST]);
    assert!(files.iter().all(|entry| mode(&entry.path()) == 0o600));
    assert_eq!(orders(&warden, "done"), Some(1.0));
    assert_eq!(metrics::value(&warden, "portwarden_acme_last_failure_timestamp_seconds"), Some(0.0));
    let expires = metrics::value(&warden, "portwarden_certificate_expiry_timestamp_seconds{use=\"server\"}");
    assert_eq!(expires, reading(&warden)["expires"].as_f64());
    command::run(&program(), &["check", "--config", warden.file("portwarden.yml").to_str().unwrap()], &[])
        .succeeds();

    // After a restart it is there at once, and nothing is ordered.
    let root = pebble.root();
    let before = shown(&warden, &root).unwrap();
    warden.crash_and_restart();
    assert_eq!(shown(&warden, &root), Some(before));
    let next = || reading(&warden)["next_order"].as_u64().unwrap();
    assert!(eventually(PATIENCE, || next() > 0));
    assert_eq!((orders(&warden, "done"), pebble.orders()), (Some(0.0), 1));
}

#[test]
fn a_renewal_costs_no_request_and_no_connection() {
    let (registry, names, port) = (registry(), Names::start(), free_port());
    let pebble =
        Pebble::start(&names, PebbleSettings { tls_port: port, life: 600, ..PebbleSettings::default() });
    let mut warden = by_acme(&registry, port, &pebble.section("")).start();
    warden.says(DONE);
    let digest = push_blob(&curl(&warden, &pebble).user(ADMIN), "team/app", &vec![7; 300_000]);
    let root = pebble.root();
    let pulls = PROTOCOLS.map(|protocol| Pull {
        client: Client::trusting(warden.address(), protocol, &root).calling(HOST),
        authorization: basic(ADMIN),
        target: format!("/v2/team/app/blobs/{digest}"),
        digest: digest.clone(),
        requests: 50,
        pause: Duration::from_millis(5),
    });
    let old = shown(&warden, &root).unwrap();
    run(async {
        let lasting = Client::trusting(warden.address(), Protocol::Http2, &root).calling(HOST);
        let mut lasting = lasting.connect().await.unwrap();
        let load = Load::start(3, &pulls);
        load.goes_on(50).await;
        // The authority wants it renewed, as after an incident; a reload asks it.
        let text = fs::read_to_string(warden.file("acme").join(HOST)).unwrap();
        pebble.suggest(&text[text.find("-----BEGIN CERTIFICATE").unwrap()..], PAST);
        tokio::task::block_in_place(|| {
            warden.reload(|same| same);
            let renewed = || reading(&warden)["done"] == 2;
            assert!(eventually(2 * PATIENCE, renewed), "{}", warden.log());
        });
        load.goes_on(50).await;
        let pulled = load.stop().await.len();
        let answer = lasting.get("/v2/", &basic(ADMIN)).await.unwrap();
        assert_eq!(answer.status, 200, "the connection from before the renewal goes on");
        println!("renewed under load: {pulled} pulls, none failed; a connection from before goes on");
    });
    assert_ne!(shown(&warden, &root), Some(old));
}
