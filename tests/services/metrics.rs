//! Metrics and health on a listener of their own: the numbers are right, the dashboard asks for what there is, and
//! "ready" means that the registry answers.
//!
//! Needs: curl, docker-registry, htpasswd.

use std::{
    collections::BTreeSet,
    fs,
    io::{Read as _, Write as _},
    net::TcpListener,
    sync::{Arc, Mutex},
    thread,
};

use serde_json::Value;

use crate::support::{
    curl::curl,
    distribution::{push_blob, push_image},
    image::random_bytes,
    metrics::{ON, scrape, value, watcher},
    portwarden::{ADMIN, TEST, USER, portwarden, portwarden_at},
    process::{PATIENCE, eventually},
    raw::sink,
    registry::registry,
    token_exchange,
};

#[test]
fn requests_decisions_tokens_and_bytes_are_counted() {
    let registry = registry();
    let warden = portwarden(&registry).with(ON).start();
    push_image(&curl(&warden).user(ADMIN), "team/app", "1");
    let blob = random_bytes(3 << 20);
    let digest = push_blob(&curl(&warden).user(ADMIN), "team/app", &blob);
    for _ in 0..2 {
        curl(&warden).user(ADMIN).get(&format!("/v2/team/app/blobs/{digest}")).is(200);
    }
    curl(&warden).user(TEST).get("/v2/team/app/tags/list").is(401);
    curl(&warden).get("/v2/").is(401);
    token_exchange::token(&warden, USER, &["repository:team/app:pull"]);
    curl(&warden).option(&["-u", "user:wrong"]).get("/auth?service=registry.test").is(401);

    let is = |metric: &str, expected: f64| {
        let same = || value(&warden, metric) == Some(expected);
        assert!(eventually(PATIENCE, same), "{metric} is {:?}, not {expected}", value(&warden, metric));
    };
    is(r#"portwarden_requests_total{route="blob",method="GET",status="200"}"#, 2.0);
    is(r#"portwarden_requests_total{route="manifest",method="PUT",status="201"}"#, 1.0);
    is(r#"portwarden_requests_total{route="tags",method="GET",status="401"}"#, 1.0);
    is(r#"portwarden_decisions_total{decision="denied"}"#, 1.0);
    is(r#"portwarden_decisions_total{decision="challenged"}"#, 1.0);
    is(r#"portwarden_tokens_total{outcome="allowed"}"#, 1.0);
    is(r#"portwarden_tokens_total{outcome="unauthenticated"}"#, 1.0);
    is(r#"portwarden_logins_total{outcome="failed"}"#, 1.0);
    is("portwarden_active_requests", 0.0);
    is("portwarden_frozen", 0.0);
    is(r#"portwarden_upstream_latency_seconds_count{route="blob"}"#, 2.0);
    let moved = |direction| {
        value(&warden, &format!("portwarden_transfer_bytes_total{{direction=\"{direction}\"}}")).unwrap()
    };
    let size = blob.len() as f64;
    assert!(moved("out") >= 2.0 * size && moved("out") < 2.1 * size, "{}", moved("out"));
    assert!(moved("in") >= size && moved("in") < 1.1 * size, "{}", moved("in"));
    let ends = value(&warden, r#"portwarden_certificate_expiry_timestamp_seconds{use="server"}"#).unwrap();
    assert!(ends > 1.7e9, "{ends}");
}

/// Scrapers that do not know OpenMetrics cannot read its kinds and its end mark.
#[test]
fn openmetrics_is_for_those_that_ask_for_it() {
    let registry = registry();
    let warden = portwarden(&registry).with(ON).start();
    let plain = scrape(&warden);
    assert_eq!(plain.header("content-type").unwrap(), "text/plain; version=0.0.4; charset=utf-8");
    let text = plain.text();
    assert!(text.contains("# TYPE portwarden_decisions_total counter\n"), "{text}");
    assert!(!text.contains("# EOF") && !text.contains("# UNIT"), "{text}");
    let ask = watcher(&warden).header("Accept: application/openmetrics-text;version=1.0.0,text/plain;q=0.5");
    let open = ask.get("/metrics").is(200);
    assert_eq!(
        open.header("content-type").unwrap(),
        "application/openmetrics-text; version=1.0.0; charset=utf-8"
    );
    assert!(
        open.text().contains("# TYPE portwarden_decisions counter\n") && open.text().ends_with("# EOF\n")
    );
}

#[test]
fn a_reload_and_one_that_fails_are_counted() {
    let registry = registry();
    let mut warden = portwarden(&registry).with(ON).start();
    warden.reload(|builder| builder);
    let told = warden.try_reload(|builder| builder.acl("  - match: {acount: x}\n    actions: []"));
    assert!(told.contains("not reloaded"), "{told}");
    // The changed file is noticed as well, sooner or later.
    assert!(value(&warden, r#"portwarden_reloads_total{outcome="done"}"#) >= Some(1.0));
    assert!(value(&warden, r#"portwarden_reloads_total{outcome="failed"}"#) >= Some(1.0));
}

#[test]
fn ready_means_that_the_registry_answers() {
    let mut registry = registry();
    let warden = portwarden(&registry).with(ON).start();
    assert_eq!(watcher(&warden).get("/healthz").is(200).text(), "alive\n");
    assert_eq!(watcher(&warden).get("/readyz").is(200).text(), "ready\n");
    registry.kill();
    watcher(&warden).get("/healthz").is(200);
    let not_ready = watcher(&warden).get("/readyz").is(503).text();
    assert!(
        not_ready.starts_with("not ready: no answer from the registry at http://127.0.0.1:"),
        "{not_ready}"
    );
    registry.restart();
    watcher(&warden).get("/readyz").is(200);
    watcher(&warden).get("/v2/").is(404);
    watcher(&warden).send("POST", "/metrics").is(405);
    curl(&warden).user(ADMIN).get("/metrics").is(404);
}

/// The server at the registry's address changes: each change is logged, and `/readyz` and the metric follow it.
#[test]
fn each_change_of_what_answers_is_logged_and_an_outage_is_logged_once() {
    let registry = "200 OK\r\nDocker-Distribution-Api-Version: registry/2.0";
    let upstream = StandIn::start();
    let becomes = |answer: Option<&str>| *upstream.says.lock().unwrap() = answer.map(str::to_owned);
    becomes(Some(registry));
    let warden = portwarden_at(&upstream.url).with(ON).start();
    assert!(eventually(PATIENCE, || warden.log().contains("a registry answers at")));
    let is = |up: bool, says: &str| {
        let answer = watcher(&warden).get("/readyz").is(if up { 200 } else { 503 }).text();
        assert!(answer.contains(says), "{says} is not in {answer}");
        assert_eq!(value(&warden, "portwarden_registry_up"), Some(f64::from(up)), "{says}");
    };
    let (ready, silent, other) = ("ready", "no answer from the registry at", "answers 404 Not Found to /v2/");
    let web_server = Some("404 Not Found");
    is(true, ready);
    for (answer, says) in [
        (None, silent),
        (web_server, other),
        (None, silent),
        (Some(registry), ready),
        (web_server, other),
        (Some(registry), ready),
    ] {
        becomes(answer);
        for _ in 0..2 {
            is(says == ready, says);
        }
    }
    let changes = || {
        let kinds = [("a registry answers at", ready), (silent, silent), (other, other)];
        let kind = |line: &str| kinds.iter().find(|(text, _)| line.contains(text)).map(|(_, kind)| *kind);
        warden.log().lines().filter_map(kind).collect::<Vec<_>>()
    };
    let expected = [ready, silent, other, silent, ready, other, ready];
    assert!(eventually(PATIENCE, || changes() == expected), "{:?}", changes());

    becomes(None);
    for _ in 0..20 {
        curl(&warden).user(ADMIN).get("/v2/team/app/tags/list").is(502);
    }
    is(false, silent);
    becomes(Some(registry));
    is(true, ready);
    let is_over = |line: &str| line.contains("a registry answers at") && line.contains("suppressed=19");
    assert!(eventually(PATIENCE, || warden.log().lines().any(is_over)), "{}", warden.log());
    let said = warden.log().matches("no answer from the registry; see whether").count();
    assert_eq!(said, 1, "{}", warden.log());
}

/// A service whose answer may change; without one it closes each connection after the request.
struct StandIn {
    url: String,
    says: Arc<Mutex<Option<String>>>,
}

impl StandIn {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let says = Arc::new(Mutex::new(None::<String>));
        let current = Arc::clone(&says);
        thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                // A head, which comes in one piece.
                let read = stream.read(&mut [0; 16 << 10]);
                let answer = current.lock().unwrap().clone();
                if let (Some(answer), Ok(1..)) = (answer, read) {
                    let end = "Connection: close\r\nContent-Length: 2\r\n\r\n{}";
                    let _ = stream.write_all(format!("HTTP/1.1 {answer}\r\n{end}").as_bytes());
                }
            }
        });
        Self { url, says }
    }
}

/// Any kind of server may answer there: a web server, a registry with an `auth` section, one behind TLS.
#[test]
fn what_is_no_registry_is_named_in_the_log_by_readyz_and_by_a_metric() {
    let version = "Docker-Distribution-Api-Version: registry/2.0\r\n";
    let answer = |status: &str, headers: &str| {
        format!("HTTP/1.1 {status}\r\nConnection: close\r\n{headers}Content-Length: 2\r\n\r\n{{}}")
    };
    for (answer, says) in [
        (
            answer("200 OK", "Content-Type: text/html\r\n"),
            "answers 200 OK to /v2/; expected 200 of a plain registry: without Docker-Distribution-Api-Version",
        ),
        (answer("404 Not Found", ""), "answers 404 Not Found to /v2/"),
        (answer("302 Found", "Location: /login\r\n"), "a redirect to \"/login\""),
        (answer("401 Unauthorized", version), "remove the `auth` section"),
        (answer("400 Bad Request", ""), "remove `http.tls`"),
        (answer("500 Internal Server Error", version), "see its own log"),
        ("\u{15}\u{3}\u{1}\u{0}\u{2}\u{2}\u{46}".to_owned(), "no answer from the registry"),
    ] {
        let upstream = sink(&answer);
        let warden = portwarden_at(&upstream.url()).with(ON).start();
        let not_ready = watcher(&warden).get("/readyz").is(503).text();
        assert!(not_ready.contains(says), "{says} is not in {not_ready}");
        let logged = || warden.log().lines().any(|line| line.contains("ERROR") && line.contains(says));
        assert!(eventually(PATIENCE, logged), "{says} is not in\n{}", warden.log());
        assert_eq!(value(&warden, "portwarden_registry_up"), Some(0.0), "{says}");
    }
    let real = registry();
    let warden = portwarden(&real).with(ON).start();
    let up = || value(&warden, "portwarden_registry_up") == Some(1.0);
    assert!(eventually(PATIENCE, up));
    assert!(warden.log().contains("a registry answers at http://127.0.0.1:"), "{}", warden.log());
}

#[test]
fn the_dashboard_asks_for_metrics_that_exist_and_all_are_documented() {
    let registry = registry();
    let warden = portwarden(&registry).with(ON).start();
    curl(&warden).user(ADMIN).get("/v2/_catalog").is(200);
    token_exchange::token(&warden, USER, &[]);
    let scraped = watcher(&warden).header("Accept: application/openmetrics-text").get("/metrics").is(200);
    let text = scraped.text();
    let exported: BTreeSet<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next())
        .filter(|name| name.starts_with("portwarden_"))
        .collect();
    assert!(exported.len() > 15, "{exported:?}");
    let docs = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/");
    let dashboard = fs::read_to_string(format!("{docs}grafana-dashboard.json")).unwrap();
    let dashboard: Value = serde_json::from_str(&dashboard).unwrap();
    let asked: BTreeSet<String> = expressions(&dashboard).iter().flat_map(|text| names(text)).collect();
    assert!(asked.len() > 10, "{asked:?}");
    let base = |name: &str| {
        let ends = ["_total", "_bucket", "_sum", "_count", "_info"];
        ends.iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name).to_owned()
    };
    let unknown: Vec<_> = asked.iter().filter(|name| !exported.contains(&*base(name))).collect();
    assert!(unknown.is_empty(), "the dashboard asks for {unknown:?}; there are {exported:?}");
    let table = fs::read_to_string(format!("{docs}monitoring.md")).unwrap();
    let silent: Vec<_> = exported.iter().filter(|name| !table.contains(&format!("| `{name}"))).collect();
    assert!(silent.is_empty(), "docs/monitoring.md does not say what these are: {silent:?}");
}

/// Every `expr` in it.
fn expressions(value: &Value) -> Vec<String> {
    match value {
        Value::Array(values) => values.iter().flat_map(expressions).collect(),
        Value::Object(fields) => {
            let own = fields.get("expr").and_then(Value::as_str).map(str::to_owned);
            own.into_iter().chain(fields.values().flat_map(expressions)).collect()
        }
        _ => Vec::new(),
    }
}

/// Portwarden's metrics in a query.
fn names(expression: &str) -> Vec<String> {
    let words = expression.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("portwarden_")).map(str::to_owned).collect()
}
