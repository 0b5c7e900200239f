//! Certificates by ACME, of Let's Encrypt's pebble: both challenges, an authority that fails, hangs, forgets or refuses,
//! its time of renewal, and strangers that ask for certificates.
//!
//! Needs: curl, docker-registry, haproxy, htpasswd, openssl, pebble, postgresql, step-ca.

use std::{fs, os::unix::fs::PermissionsExt as _};

use serde_json::Value;

use crate::support::{
    acme::{BusyAuthority, DONE, EXTERNAL_ACCOUNT, HOST, Names, Pebble, PebbleSettings, by_acme, shown},
    certificates::ClientAuthority,
    command::{self, Output},
    curl::curl_at,
    metrics,
    ports::free_port,
    portwarden::{Portwarden, program},
    process::{PATIENCE, eventually},
    registry::registry,
};

mod demo;
mod replicas;
mod step_ca;

/// A time of renewal that is over.
const PAST: &str = r#"{"suggestedWindow": {"start": "2020-01-01T00:00:00Z", "end": "2020-01-02T00:00:00Z"}}"#;

fn status(warden: &Portwarden) -> Output {
    let socket = warden.file("control.sock");
    command::run(&program(), &["status", "--socket", socket.to_str().unwrap()], &[]).succeeds()
}

/// The member `certificate` of `status --json`.
fn reading(warden: &Portwarden) -> Value {
    let socket = warden.file("control.sock");
    let said = command::run(&program(), &["status", "--json", "--socket", socket.to_str().unwrap()], &[]);
    serde_json::from_str::<Value>(&said.succeeds().stdout).unwrap()["certificate"].take()
}

fn orders(warden: &Portwarden, outcome: &str) -> Option<f64> {
    metrics::value(warden, &format!("portwarden_acme_orders_total{{outcome=\"{outcome}\"}}"))
}

/// A connection with whatever name and protocols.
fn hello(warden: &Portwarden, name: &str, protocols: &str) -> Output {
    let address = warden.address().to_string();
    command::run("openssl", &["s_client", "-connect", &address, "-servername", name, "-alpn", protocols], &[])
}

/// A second reload is answered after the first is done with.
fn hang_up(warden: &mut Portwarden) {
    warden.reload(|same| same);
}

#[test]
fn http_01_is_answered_on_the_port_that_redirects_and_for_the_pending_token_alone() {
    let (registry, names, port) = (registry(), Names::start(), free_port());
    let pebble = Pebble::start(&names, PebbleSettings { http_port: port, ..PebbleSettings::default() });
    let warden = by_acme(&registry, 0, &pebble.section(", challenge: http-01"))
        .with_server("redirect_addr", &format!("'127.0.0.1:{port}'"))
        .start();
    warden.says(DONE);
    assert!(shown(&warden, &pebble.root()).is_some());
    assert!(!pebble.log().contains("tls-alpn-01 Challenge"), "{}", pebble.log());
    // Nothing is pending any more, and nothing is looked up.
    let plain = curl_at(&format!("http://127.0.0.1:{port}"));
    let answer = plain.clone().get("/.well-known/acme-challenge/token").is(308);
    assert!(answer.header("location").unwrap().starts_with("https://"), "{answer:?}");
    plain.get("/v2/").is(400);
}

#[test]
fn tls_alpn_01_needs_no_certificate_of_the_authority_where_clients_need_one() {
    let (registry, names, port) = (registry(), Names::start(), free_port());
    let environment = vec![("PEBBLE_VA_NOSLEEP", "0"), ("PEBBLE_VA_SLEEPTIME", "20")];
    let settings = PebbleSettings { tls_port: port, environment, ..PebbleSettings::default() };
    let pebble = Pebble::start(&names, settings);
    let clients = ClientAuthority::new("clients");
    let builder = by_acme(&registry, port, &pebble.section("")).with_server("client_auth", "required");
    let warden = clients.trusted(builder).start();
    // In TLS 1.3 the authority has its answer before it could be refused, so that it tells nothing of this.
    let challenge = || {
        let said = hello(&warden, HOST, "acme-tls/1").text();
        assert!(
            !said.contains("ALPN protocol: acme-tls/1")
                || said.contains("No client certificate CA names sent")
        );
        said.contains("ALPN protocol: acme-tls/1")
    };
    assert!(eventually(PATIENCE, challenge), "{}", warden.log());
    assert!(hello(&warden, HOST, "h2").text().contains("Acceptable client certificate CA names"));
    warden.says(DONE);
    let root = pebble.root_file();
    let ask = || {
        let at = curl_at(&format!("https://{HOST}:{port}"));
        at.option(&["--resolve", &format!("{HOST}:{port}:127.0.0.1"), "--cacert", root.to_str().unwrap()])
    };
    assert_eq!(ask().get("/v2/").status, 0, "no connection without a certificate");
    assert_eq!(clients.machine("ci/app").asks(ask()).get("/v2/").status, 401);
}

#[test]
fn an_authority_that_rejects_nonces_and_reuses_authorizations_is_understood() {
    let (registry, names, port) = (registry(), Names::start(), free_port());
    let environment = vec![("PEBBLE_WFE_NONCEREJECT", "40"), ("PEBBLE_AUTHZREUSE", "100")];
    let settings = PebbleSettings { tls_port: port, environment, ..PebbleSettings::default() };
    let pebble = Pebble::start(&names, settings);
    let mut warden = by_acme(&registry, port, &pebble.section("")).start();
    let comes = |warden: &mut Portwarden| {
        eventually(PATIENCE, || {
            hang_up(warden);
            // It is stored a moment after it is in use.
            shown(warden, &pebble.root()).is_some() && warden.file("acme").join(HOST).exists()
        })
    };
    // Three rejections in a row are a failure, and tried again.
    assert!(comes(&mut warden), "{}", warden.log());
    // Another order of the same account: the authorization is valid already, and nothing is asked of the server. Until one
    // comes although a nonce was rejected: one request was sent twice.
    let was_rejected = || {
        let log = pebble.log();
        let order = log.rsplit("POST /order-plz").next().unwrap_or_default();
        order.matches("POST /finalize-order/").count() > 1 || order.matches("POST /certZ/").count() > 1
    };
    let overcomes = eventually(2 * PATIENCE, || {
        fs::remove_file(warden.file("acme").join(HOST)).unwrap();
        warden.crash_and_restart();
        comes(&mut warden) && was_rejected()
    });
    assert!(overcomes, "{}\n{}", warden.log(), pebble.log());
}

#[test]
fn a_failed_order_says_why_and_the_old_certificate_goes_on() {
    let (registry, names, port) = (registry(), Names::start(), free_port());
    let pebble = Pebble::start(&names, PebbleSettings { tls_port: port, ..PebbleSettings::default() });
    // There the authority finds no server.
    names.lead_to("127.0.0.9");
    let mut warden = by_acme(&registry, port, &pebble.section("")).start();
    let line = warden.says("no certificate: ");
    assert!(
        line.contains("the authority refuses it: ") && line.contains("Failed to connect to 127.0.0.9"),
        "{line}"
    );
    let ready = metrics::watcher(&warden).get("/readyz").is(200).text();
    assert!(
        ready.starts_with("ready\n") && ready.contains("degraded: the certificate is not renewed"),
        "{ready}"
    );
    status(&warden).says(&format!("certificate for {HOST}: not of the authority yet; next order at 2"));
    let said = reading(&warden);
    assert_eq!((&said["failed"], &said["is_of_authority"]), (&1.into(), &false.into()), "{said}");
    let pause = said["next_order"].as_u64().unwrap() - said["last_failure"].as_u64().unwrap();
    assert!((47..=73).contains(&pause), "{said}");
    assert_eq!(orders(&warden, "failed"), Some(1.0));
    assert_eq!(metrics::value(&warden, "portwarden_acme_order_failing"), Some(1.0));
    // The self-signed certificate serves, for those who look away.
    let insecure = curl_at(&format!("https://127.0.0.1:{port}")).option(&["--insecure"]);
    assert_eq!(insecure.get("/v2/").status, 401);
    // A reload does not wait for the end of the pause, which doubles each time.
    for failed in [2, 3] {
        hang_up(&mut warden);
        assert!(eventually(PATIENCE, || reading(&warden)["failed"] == failed), "{}", warden.log());
    }
    // Mended.
    names.lead_to("127.0.0.1");
    hang_up(&mut warden);
    warden.says(DONE);
    let ready = metrics::watcher(&warden).get("/readyz").is(200).text();
    assert_eq!(ready, "ready\n");
    assert_eq!(reading(&warden)["error"], Value::Null);
    assert_eq!(metrics::value(&warden, "portwarden_acme_order_failing"), Some(0.0));
}

#[test]
fn rule_61_an_authority_gets_the_pause_that_it_asks_for_and_a_day_at_most() {
    let registry = registry();
    for (asked, gets) in [("7200", 7200), ("999999999999", 24 * 3600)] {
        let authority = BusyAuthority::start(asked);
        let warden = by_acme(&registry, 0, &authority.section()).start();
        let line = warden.says("no certificate: ");
        assert!(line.contains("too many orders (rateLimited)"), "{line}");
        let failed = |said: &Value| said["failed"] == 1 && said["next_order"] != 0;
        assert!(eventually(PATIENCE, || failed(&reading(&warden))), "{}", warden.log());
        let said = reading(&warden);
        let pause = said["next_order"].as_u64().unwrap() - said["last_failure"].as_u64().unwrap();
        assert!((gets - 5..=gets + 5).contains(&pause), "{asked}: {said}");
    }
}

#[test]
fn an_authority_that_is_gone_hangs_or_was_set_up_again_costs_no_request() {
    let (registry, names, port) = (registry(), Names::start(), free_port());
    let mut pebble = Pebble::start(&names, PebbleSettings { tls_port: port, ..PebbleSettings::default() });
    let mut warden = by_acme(&registry, port, &pebble.section("")).start();
    warden.says(DONE);
    let (old_root, old) = (pebble.root(), shown(&warden, &pebble.root()).unwrap());
    // Its certificate is as it was, but for being renewed at once.
    let file = warden.file("acme").join(HOST);
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace(&pebble.url(), "https://other.example/directory")).unwrap();
    pebble.kill();
    warden.crash_and_restart();
    warden.says("no certificate: no answer from the authority at 127.0.0.1:");
    assert_eq!(shown(&warden, &old_root), Some(old.clone()), "the old one goes on");
    // Another authority at the same address, which does not know the account.
    pebble.restart();
    let account = fs::read(warden.file("acme/portwarden+account")).unwrap();
    pebble.suspend();
    hang_up(&mut warden);
    assert_eq!(shown(&warden, &old_root), Some(old), "nothing waits for an authority that hangs");
    pebble.resume();
    let renewed = || shown(&warden, &pebble.root()).is_some();
    assert!(eventually(PATIENCE, renewed), "{}", warden.log());
    assert_ne!(fs::read(warden.file("acme/portwarden+account")).unwrap(), account);
}

#[test]
fn an_external_account_is_bound_and_its_key_is_in_no_log() {
    let (registry, names, port) = (registry(), Names::start(), free_port());
    let settings = PebbleSettings { tls_port: port, external: true, ..PebbleSettings::default() };
    let pebble = Pebble::start(&names, settings);
    let warden = by_acme(&registry, port, &pebble.section("")).start();
    assert!(warden.says("no certificate: ").contains("(externalAccountRequired)"), "{}", warden.log());
    drop(warden);
    let directory = tempfile::tempdir().unwrap();
    let key = directory.path().join("eab.key");
    fs::write(&key, format!("{}\n", EXTERNAL_ACCOUNT.1)).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    let eab = format!(", eab: {{kid: {}, key_file: '{}'}}", EXTERNAL_ACCOUNT.0, key.display());
    let warden = by_acme(&registry, port, &pebble.section(&eab)).with("log: {level: debug}").start();
    warden.says(DONE);
    assert!(shown(&warden, &pebble.root()).is_some());
    assert!(!warden.log().contains(EXTERNAL_ACCOUNT.1), "{}", warden.log());
    assert!(!warden.log().contains("PRIVATE"), "{}", warden.log());
}

#[test]
fn the_authority_says_when_to_renew_and_two_thirds_of_the_life_are_the_rule_without() {
    let (registry, names, port) = (registry(), Names::start(), free_port());
    let settings = PebbleSettings { tls_port: port, life: 600, ..PebbleSettings::default() };
    let pebble = Pebble::start(&names, settings);
    let mut warden = by_acme(&registry, port, &pebble.section("")).start();
    warden.says(DONE);
    let own = || {
        let text = fs::read_to_string(warden.file("acme").join(HOST)).unwrap();
        text[text.find("-----BEGIN CERTIFICATE").unwrap()..].to_owned()
    };
    let first = own();
    pebble.suggest(&first, "not JSON");
    hang_up(&mut warden);
    let by_life = |reading: &Value| {
        let left = reading["expires"].as_u64().unwrap() - reading["next_order"].as_u64().unwrap();
        (198..=202).contains(&left)
    };
    assert!(eventually(PATIENCE, || by_life(&reading(&warden))), "{}", reading(&warden));
    // In the past: at once, but not sooner than a thirtieth of its life after it came.
    pebble.suggest(&first, PAST);
    hang_up(&mut warden);
    let renewed = || reading(&warden)["done"] == 2;
    assert!(eventually(2 * PATIENCE, renewed), "{}", warden.log());
    assert!(pebble.log().contains("is a replacement of"), "{}", pebble.log());
}

#[test]
fn a_certificate_of_another_directory_is_replaced() {
    let (registry, names, port) = (registry(), Names::start(), free_port());
    let [staging, other] = [(); 2]
        .map(|()| Pebble::start(&names, PebbleSettings { tls_port: port, ..PebbleSettings::default() }));
    let mut warden = by_acme(&registry, port, &staging.section("")).start();
    warden.says(DONE);
    let (old, new) = (staging.section(""), other.section(""));
    // A reload cannot do it, and says so.
    let file = warden.file("portwarden.yml");
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.contains(&old));
    warden.reload(|builder| builder.replacing_server(&old, &new));
    warden.says("server.letsencrypt, server.acme and state.key_file change with a restart only");
    assert!(shown(&warden, &staging.root()).is_some());
    warden.crash_and_restart();
    assert!(eventually(PATIENCE, || shown(&warden, &other.root()).is_some()), "{}", warden.log());
    // TLS from files is another thing.
    let line = warden.try_reload(|builder| builder.with_files());
    assert!(line.contains("server.letsencrypt cannot be added or removed by a reload"), "{line}");
}

#[test]
fn rule_61_nothing_that_a_stranger_sends_causes_an_order_or_is_answered() {
    let (registry, names) = (registry(), Names::start());
    let (port, plain) = (free_port(), free_port());
    // It looks for the challenge where nothing is, and for as long the order is pending.
    let environment = vec![("PEBBLE_VA_NOSLEEP", "0"), ("PEBBLE_VA_SLEEPTIME", "20")];
    let settings = PebbleSettings { tls_port: port, environment, ..PebbleSettings::default() };
    let pebble = Pebble::start(&names, settings);
    let warden = by_acme(&registry, port, &pebble.section(""))
        .with_server("redirect_addr", &format!("'127.0.0.1:{plain}'"))
        .with("log: {level: debug}")
        .start();
    let is_challenge = |said: &Output| said.text().contains("ALPN protocol: acme-tls/1");
    assert!(eventually(PATIENCE, || is_challenge(&hello(&warden, HOST, "acme-tls/1"))), "{}", warden.log());
    assert_eq!(pebble.orders(), 1);
    // While it is pending: other names, other protocols beside it, and the path of the other challenge.
    for (name, protocols) in
        [("other.test", "acme-tls/1"), (HOST, "acme-tls/1,h2"), (HOST, "http/1.1,acme-tls/1")]
    {
        let said = hello(&warden, name, protocols);
        assert!(!is_challenge(&said), "{name} {protocols}: {said:?}");
    }
    let at = |path: &str| curl_at(&format!("http://127.0.0.1:{plain}")).get(path);
    at("/.well-known/acme-challenge/token").is(308);
    for n in 0..20 {
        let said = hello(&warden, &format!("host{n}.test"), "h2");
        assert!(said.text().contains("BEGIN CERTIFICATE"), "{said:?}");
    }
    assert_eq!(pebble.orders(), 1, "{}", pebble.log());
    warden.says(DONE);
    let said = hello(&warden, HOST, "acme-tls/1");
    assert!(!is_challenge(&said), "it is answered no longer: {said:?}");
    assert_eq!(pebble.orders(), 1);
}
