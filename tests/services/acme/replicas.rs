//! Certificates by ACME of several Portwardens that share a state: one account, one order and one certificate, whichever
//! of them is asked, killed or cut off from the database.
//!
//! Needs: curl, docker-registry, haproxy, htpasswd, openssl, pebble, postgresql.

use std::{fs, os::unix::fs::PermissionsExt as _, path::PathBuf, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use rustls::pki_types::{PrivateKeyDer, pem::PemObject as _};
use serde_json::Value;
use tempfile::TempDir;

use super::{PAST, hang_up, hello, orders, reading, shown};
use crate::support::{
    acme::{DONE, HOST, Names, Pebble, PebbleSettings, by_acme},
    client::{Client, PROTOCOLS, basic, run},
    command,
    curl::curl_at,
    distribution::push_blob,
    haproxy::haproxy_at,
    load::{Load, Pull},
    metrics,
    ports::{free_port, listeners},
    portwarden::{ADMIN, Builder, Portwarden, program},
    postgres::Postgres,
    process::{PATIENCE, eventually},
    registry::{Registry, registry},
};

/// A database, and the file of the key that seals what is stored there.
struct SharedState {
    postgres: Postgres,
    url: String,
    directory: TempDir,
}

impl SharedState {
    fn start() -> Self {
        let (postgres, directory) = (Postgres::start(), tempfile::tempdir().unwrap());
        let this = Self { url: postgres.state_url(), postgres, directory };
        this.key("state.key", 7);
        this
    }

    /// Writes a key into a file.
    fn key(&self, name: &str, byte: u8) -> PathBuf {
        let file = self.directory.path().join(name);
        fs::write(&file, BASE64.encode([byte; 32])).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        file
    }

    /// The row of the certificate; empty where there is none.
    fn record(&self) -> String {
        let dump = self.postgres.dump_state();
        dump.lines().find(|line| line.starts_with("acme ")).unwrap_or_default().to_owned()
    }

    /// A replica with its state there.
    fn replica(&self, registry: &Registry, port: u16, acme: &str) -> Builder {
        let key = self.directory.path().join("state.key");
        let state = format!("state: {{url: \"{}\", key_file: '{}'}}", self.url, key.display());
        by_acme(registry, port, acme).with(&state).with("log: {level: debug}")
    }
}

fn ready(warden: &Portwarden) -> String {
    metrics::watcher(warden).get("/readyz").is(200).text()
}

/// The secrets in the files of a replica: each key in the forms in which it could be stored.
fn secrets(warden: &Portwarden) -> Vec<String> {
    let pem = fs::read_to_string(warden.file("acme").join(HOST)).unwrap();
    let account: Value =
        serde_json::from_slice(&fs::read(warden.file("acme/portwarden+account")).unwrap()).unwrap();
    let of_account = account["key_pkcs8"].as_str().unwrap().to_owned();
    let der = PrivateKeyDer::from_pem_slice(pem.as_bytes()).unwrap().secret_der().to_vec();
    let hex: String = der.iter().map(|byte| format!("{byte:02x}")).collect();
    let lines = pem.lines().skip_while(|line| !line.contains("PRIVATE KEY")).skip(1);
    let line = lines.map(str::to_owned).next().unwrap();
    vec![of_account, hex, line, "PRIVATE KEY".to_owned(), "BEGIN".to_owned(), "key_pkcs8".to_owned()]
}

#[test]
fn rule_64_replicas_have_one_account_one_order_and_one_certificate_that_is_sealed_in_the_database() {
    let (registry, names, front) = (registry(), Names::start(), free_port());
    let state = SharedState::start();
    let pebble = Pebble::start(&names, PebbleSettings { tls_port: front, ..PebbleSettings::default() });
    // It answers when both are there.
    pebble.suspend();
    let builder = state.replica(&registry, 0, &pebble.section(""));
    let a = builder.clone().start();
    let mut b = builder.clone().start_beside(&a);
    let _balancer = haproxy_at(front, &[&a, &b]);
    assert!(eventually(PATIENCE, || listeners(front) == 1));
    pebble.resume();
    let root = || pebble.root();
    assert!(eventually(PATIENCE, || [&a, &b].iter().all(|warden| shown(warden, &root()).is_some())));
    let certificate = shown(&a, &root());
    assert_eq!(shown(&b, &root()), certificate);
    assert_eq!((pebble.accounts(), pebble.orders()), (1, 1), "{}", pebble.log());
    assert_eq!([&a, &b].map(|warden| orders(warden, "done").unwrap()).iter().sum::<f64>(), 1.0);
    assert_eq!([&a, &b].map(ready), ["ready\n", "ready\n"].map(str::to_owned));
    assert!(eventually(PATIENCE, || reading(&a)["next_order"] == reading(&b)["next_order"]));

    // No key is anywhere but in files of their owner, the same at both.
    assert_eq!(secrets(&a), secrets(&b));
    let dump = state.postgres.dump_state();
    assert!(dump.contains(&format!("acme {HOST} {}", pebble.url())), "{dump}");
    for secret in secrets(&a) {
        assert!(!dump.contains(&secret), "{secret}");
        assert!(!a.log().contains(&secret) && !b.log().contains(&secret), "{secret}");
    }
    let mode = |name: &str| fs::metadata(b.file("acme").join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!([mode(HOST), mode("portwarden+account")], [0o600, 0o600]);

    // A third one has it from the start, and one with another key does not start.
    let c = builder.start_beside(&a);
    assert_eq!(shown(&c, &root()), certificate);
    assert_eq!(secrets(&c), secrets(&a));
    let text = fs::read_to_string(c.file("portwarden.yml")).unwrap();
    let other = c.file("other.yml");
    state.key("other.key", 8);
    fs::write(&other, text.replace("state.key", "other.key")).unwrap();
    let said = command::run(&program(), &["serve", "--config", other.to_str().unwrap()], &[]).fails();
    let said = said.says("state.key_file: the certificate in the shared state was sealed with another key");
    // What stops one that goes on: that of the third has its socket.
    assert!(!said.text().contains("control.socket"), "{}", said.text());

    // The database is lost, and made again by one that starts: the others store what they have.
    state.postgres.state_url();
    b.crash_and_restart();
    assert!(eventually(PATIENCE, || !state.record().is_empty()));
    let d = c;
    assert!(eventually(PATIENCE, || [&a, &b, &d].map(ready).iter().all(|ready| ready == "ready\n")));
    assert_eq!([&a, &b, &d].map(|warden| shown(warden, &root())), [(); 3].map(|()| certificate.clone()));
    assert_eq!((pebble.accounts(), pebble.orders()), (1, 1), "{}", pebble.log());
}

#[test]
fn rule_64_any_replica_answers_the_challenges_of_the_one_that_orders() {
    let (registry, names) = (registry(), Names::start());
    for challenge in ["tls-alpn-01", "http-01"] {
        let (state, port, plain) = (SharedState::start(), free_port(), free_port());
        // The authority reaches the second one only.
        let settings = PebbleSettings { tls_port: port, http_port: plain, ..PebbleSettings::default() };
        let pebble = Pebble::start(&names, settings);
        let section = pebble.section(&format!(", challenge: {challenge}"));
        let redirecting = |port: u16| {
            let replica = state.replica(&registry, 0, &section);
            replica.with_server("redirect_addr", &format!("'127.0.0.1:{port}'"))
        };
        pebble.suspend();
        let a = redirecting(free_port()).start();
        assert!(eventually(PATIENCE, || pebble.connections() > 0), "it orders");
        let b = redirecting(plain).on_port(port).start();
        pebble.resume();
        a.says(DONE);
        b.says(DONE);
        assert_eq!(pebble.orders(), 1, "{challenge}: {}", pebble.log());
        assert_eq!([&a, &b].map(|warden| orders(warden, "done")), [Some(1.0), Some(0.0)], "{challenge}");
        assert_eq!(shown(&a, &pebble.root()), shown(&b, &pebble.root()), "{challenge}");
        // Nothing is answered any more, and no stranger waits for long while the database hangs.
        state.postgres.hang();
        assert!(!hello(&b, HOST, "acme-tls/1").text().contains("ALPN protocol: acme-tls/1"));
        let path = "/.well-known/acme-challenge/token";
        curl_at(&format!("http://127.0.0.1:{plain}")).seconds(20).get(path).is(308);
    }
}

#[test]
fn rule_64_where_the_replica_that_orders_is_killed_another_one_orders() {
    let (registry, names, port) = (registry(), Names::start(), free_port());
    let state = SharedState::start();
    let pebble = Pebble::start(&names, PebbleSettings { tls_port: port, ..PebbleSettings::default() });
    pebble.suspend();
    let mut a = state.replica(&registry, 0, &pebble.section("")).start();
    assert!(eventually(PATIENCE, || pebble.connections() > 0), "it orders");
    let b = state.replica(&registry, 0, &pebble.section("")).on_port(port).start_beside(&a);
    pebble.resume();
    // It asks for the outcome a second after the order.
    assert!(eventually(PATIENCE, || pebble.orders() == 1), "{}", a.log());
    pebble.suspend();
    a.kill();
    assert!(!a.log().contains(DONE));
    pebble.resume();
    b.says(DONE);
    assert_eq!((pebble.accounts(), pebble.orders()), (1, 2), "{}", pebble.log());
    assert_eq!(orders(&b, "done"), Some(1.0));
    // What the first had begun is not in its way when it comes back.
    a.crash_and_restart();
    assert_eq!(shown(&a, &pebble.root()), shown(&b, &pebble.root()));
}

#[test]
fn rule_64_a_failed_order_is_a_pause_for_all_replicas() {
    let (registry, names, port) = (registry(), Names::start(), free_port());
    let state = SharedState::start();
    let pebble = Pebble::start(&names, PebbleSettings { tls_port: port, ..PebbleSettings::default() });
    // There the authority finds no server.
    names.lead_to("127.0.0.9");
    let a = state.replica(&registry, port, &pebble.section("")).start();
    a.says("no certificate: ");
    let mut b = state.replica(&registry, 0, &pebble.section("")).on_port(free_port()).start_beside(&a);
    let both = |said: &dyn Fn(&Portwarden) -> Value| [said(&a), said(&b)];
    let next = |warden: &Portwarden| reading(warden)["next_order"].clone();
    assert!(eventually(PATIENCE, || both(&next)[0] == both(&next)[1] && both(&next)[0] != 0));
    assert!(ready(&b).contains("Failed to connect to 127.0.0.9"), "{}", ready(&b));
    assert_eq!(pebble.orders(), 1);
    assert_eq!(orders(&b, "failed"), Some(0.0));
    names.lead_to("127.0.0.1");
    hang_up(&mut b);
    b.says(DONE);
    a.says(DONE);
    assert_eq!((pebble.accounts(), pebble.orders()), (1, 2), "{}", pebble.log());
    assert!(eventually(PATIENCE, || [&a, &b].map(ready).iter().all(|ready| ready == "ready\n")));
}

#[test]
fn rule_64_a_renewal_waits_for_the_database_and_costs_no_request() {
    let (registry, names, front) = (registry(), Names::start(), free_port());
    let mut state = SharedState::start();
    let settings = PebbleSettings { tls_port: front, life: 300, ..PebbleSettings::default() };
    let pebble = Pebble::start(&names, settings);
    pebble.suspend();
    let builder = state.replica(&registry, 0, &pebble.section(""));
    let mut a = builder.clone().start();
    let mut b = builder.start_beside(&a);
    let balancer = haproxy_at(front, &[&a, &b]);
    assert!(eventually(PATIENCE, || listeners(front) == 1));
    pebble.resume();
    for warden in [&a, &b] {
        warden.says(DONE);
    }
    let root = pebble.root();
    let old = shown(&a, &root).unwrap();
    let address = format!("127.0.0.1:{}", balancer.port).parse().unwrap();
    let direct = curl_at(&format!("https://{HOST}:{front}")).option(&[
        "--resolve",
        &format!("{HOST}:{front}:127.0.0.1"),
        "--cacert",
        pebble.root_file().to_str().unwrap(),
    ]);
    let digest = push_blob(&direct.user(ADMIN), "team/app", &vec![7; 300_000]);
    let pulls = PROTOCOLS.map(|protocol| Pull {
        client: Client::trusting(address, protocol, &root).calling(HOST),
        authorization: basic(ADMIN),
        target: format!("/v2/team/app/blobs/{digest}"),
        digest: digest.clone(),
        requests: 50,
        pause: Duration::from_millis(5),
    });
    let backup = state.record();
    state.postgres.back_state_up();
    run(async {
        let load = Load::start(3, &pulls);
        load.goes_on(50).await;
        tokio::task::block_in_place(|| {
            state.postgres.crash();
            let text = fs::read_to_string(a.file("acme").join(HOST)).unwrap();
            pebble.suggest(&text[text.find("-----BEGIN CERTIFICATE").unwrap()..], PAST);
            for warden in [&mut a, &mut b] {
                hang_up(warden);
            }
            let waits = "degraded: the certificate is not renewed: the shared state cannot be used: ";
            for warden in [&a, &b] {
                assert!(eventually(PATIENCE, || ready(warden).contains(waits)), "{}", warden.log());
                assert_eq!(shown(warden, &root).as_ref(), Some(&old));
            }
            assert_eq!(pebble.orders(), 1);
            state.postgres.start_again();
            let renewed = || {
                let now = [&a, &b].map(|warden| shown(warden, &root));
                now[0] == now[1] && now[0].as_ref() != Some(&old)
            };
            assert!(eventually(2 * PATIENCE, renewed), "{}\n{}", a.log(), b.log());
        });
        load.goes_on(50).await;
        let pulled = load.stop().await.len();
        println!("renewed after the database came back: {pulled} pulls, none failed");
    });
    assert!(eventually(PATIENCE, || [&a, &b].map(ready).iter().all(|ready| ready == "ready\n")));
    // A backup has the old one, which comes back nowhere.
    let new = shown(&a, &root);
    state.postgres.restore_state();
    assert!(eventually(PATIENCE, || ![String::new(), backup.clone()].contains(&state.record())));
    assert_eq!([&a, &b].map(|warden| shown(warden, &root)), [new.clone(), new]);
    assert_eq!((pebble.accounts(), pebble.orders()), (1, 2), "{}", pebble.log());
}
