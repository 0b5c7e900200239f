//! The audit log: one line for each decision, each token and each finished transfer, with documented fields and without
//! secrets; a file that survives rotation and a full disk.
//!
//! Needs: curl, docker-registry, htpasswd.

use std::{collections::BTreeSet, fs, io::Read as _, os::unix::fs::PermissionsExt as _, path::Path};

use serde_json::{Value, json};

use crate::support::{
    audit::{self, TO_FILE, line_with},
    command,
    curl::{Request, Response, curl},
    distribution::{MANIFEST, push_blob, push_image},
    image::random_bytes,
    in_process::in_process,
    misbehaving_registry::{Fault, misbehaving},
    portwarden::{ADMIN, TEST, TEST2, USER, User, portwarden, portwarden_at},
    process::{PATIENCE, eventually},
    raw,
    registry::registry,
    token_exchange,
};

#[test]
fn each_decision_and_each_transfer_leaves_its_line() {
    let registry = registry();
    let acl = r#"
  - match: {account: "admin"}
    actions: ["*"]
    comment: "Operators"
  - match: {account: "test2", name: "team/*"}
    actions: ["pull", "push"]"#;
    let warden = portwarden(&registry).acl(acl).with(TO_FILE).start();
    let log = warden.file("audit.log");
    let digest = push_image(&curl(&warden).user(ADMIN), "team/app", "1");

    let accept = format!("Accept: {MANIFEST}");
    let pulled = curl(&warden).user(ADMIN).header(&accept).get("/v2/team/app/manifests/1").is(200);
    let id = pulled.header("x-request-id").unwrap().to_owned();
    let decision = line_with(&log, &[("event", "decision"), ("request_id", &id)]);
    for (name, value) in [
        ("decision", "allowed"),
        ("rule", "rule 1, line 19 (Operators)"),
        ("account", "admin"),
        ("source", "users"),
        ("credentials", "password"),
        ("address", "127.0.0.1"),
        ("method", "GET"),
        ("route", "manifest"),
        ("repository", "team/app"),
        ("reference", "1"),
    ] {
        // The line of the rule depends on what the harness writes above it.
        let is = decision[name].as_str().unwrap_or_default();
        let same = if name == "rule" {
            is.starts_with("rule 1, line ") && is.ends_with(" (Operators)")
        } else {
            is == value
        };
        assert!(same, "{name}: {decision}");
    }
    let transfer = line_with(&log, &[("event", "transfer"), ("request_id", &id)]);
    assert_eq!(transfer["status"], 200, "{transfer}");
    assert_eq!(transfer["ended"], "complete", "{transfer}");
    assert_eq!(transfer["bytes_out"], pulled.body.len(), "{transfer}");
    assert_eq!(transfer["digest"], digest.as_str(), "{transfer}");
    assert!(transfer["duration_ms"].as_f64().unwrap() > 0.0, "{transfer}");

    let put = line_with(&log, &[("event", "transfer"), ("method", "PUT"), ("route", "manifest")]);
    assert!(put["bytes_in"].as_u64().unwrap() > 100 && put["status"] == 201, "{put}");

    let denied = curl(&warden).user(TEST2).get("/v2/other/app/manifests/1").is(401);
    let denied = line_with(&log, &[("request_id", denied.header("x-request-id").unwrap())]);
    assert_eq!(
        (&denied["decision"], &denied["rule"]),
        (&"denied".into(), &"no rule matches".into()),
        "{denied}"
    );
    assert!(
        denied["reason"].as_str().unwrap().contains("may not pull from repository other/app"),
        "{denied}"
    );

    curl(&warden).get("/v2/team/app/tags/list").is(401);
    line_with(&log, &[("decision", "challenged"), ("route", "tags"), ("credentials", "none")]);
    curl(&warden).bearer("nonsense").get("/v2/team/app/tags/list").is(401);
    line_with(&log, &[("decision", "unauthenticated"), ("credentials", "token")]);
    curl(&warden).option(&["-u", "admin:wrong"]).get("/v2/").is(401);
    line_with(&log, &[("decision", "unauthenticated"), ("account", "admin"), ("credentials", "password")]);
    curl(&warden).user(ADMIN).send("TRACE", "/v2/team/app/tags/list").is(405);
    line_with(&log, &[("decision", "refused"), ("method", "TRACE")]);
}

/// A request is written in one line if it has ended before its decision is; how soon that is depends on the machine.
#[test]
fn a_request_that_ends_at_once_has_one_line_with_all_of_both() {
    let registry = registry();
    let warden = portwarden(&registry).with("audit: {to: ./audit.log, labels: true}").start();
    let log = warden.file("audit.log");
    let is_one_line = || {
        let answer = curl(&warden).user(ADMIN).get("/v2/_catalog").is(200);
        let id = answer.header("x-request-id").unwrap().to_owned();
        line_with(&log, &[("event", "transfer"), ("request_id", &id)]);
        audit::written_lines(&log)
            .into_iter()
            .find(|line| line["request_id"] == *id && audit::is_of_both(line))
    };
    let mut found = None;
    assert!(eventually(PATIENCE, || {
        found = is_one_line();
        found.is_some()
    }));
    let line = found.unwrap();
    for field in ["account", "labels", "requested", "decision", "rule", "status", "bytes_out", "duration_ms"]
    {
        assert!(!line[field].is_null(), "{field}: {line}");
    }
    assert_eq!((&line["ended"], &line["requested"]), (&"complete".into(), &json!(["registry:catalog:*"])));
    let id = line["request_id"].as_str().unwrap();
    let of_it = audit::written_lines(&log).into_iter().filter(|line| line["request_id"] == id);
    assert_eq!(of_it.count(), 1, "{line}");
}

#[test]
fn a_token_leaves_a_line_with_what_it_grants() {
    let registry = registry();
    let warden = portwarden(&registry).with(TO_FILE).start();
    let log = warden.file("audit.log");
    let issued =
        token_exchange::ask(&warden, Some(USER), &["repository:team/app:pull,push", "repository:b:push"])
            .is(200);
    let line = line_with(&log, &[("request_id", issued.header("x-request-id").unwrap())]);
    let texts = |value: &Value| {
        value.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(line["event"], "token", "{line}");
    assert_eq!(line["service"], "registry.test", "{line}");
    assert_eq!(texts(&line["requested"]), ["repository:team/app:pull,push", "repository:b:push"], "{line}");
    assert_eq!(texts(&line["granted"]), ["repository:team/app:pull"], "{line}");
    assert_eq!((&line["account"], &line["decision"]), (&"user".into(), &"allowed".into()), "{line}");
    let refused = curl(&warden).option(&["-u", "user:wrong"]).get("/auth?service=registry.test").is(401);
    let line = line_with(&log, &[("request_id", refused.header("x-request-id").unwrap())]);
    assert_eq!((&line["decision"], &line["account"]), (&"unauthenticated".into(), &"user".into()), "{line}");
}

#[test]
fn a_transfer_says_whether_the_client_or_the_registry_broke_it_off() {
    let registry = registry();
    let warden = portwarden(&registry).with(TO_FILE).start();
    let log = warden.file("audit.log");
    let blob = random_bytes(48 << 20);
    let digest = push_blob(&curl(&warden).user(ADMIN), "team/big", &blob);
    let files = tempfile::tempdir().unwrap();
    for protocol in ["--http1.1", "--http2"] {
        let request = curl(&warden).user(ADMIN).option(&[protocol, "-H", &format!("User-Agent: {protocol}")]);
        let mut child = request.start(&format!("/v2/team/big/blobs/{digest}"), files.path());
        let mut some = [0; 1 << 16];
        child.stdout.as_mut().unwrap().read_exact(&mut some).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let gone = || {
        let is_gone = |line: &Value| line["ended"] == "client_gone" && line["reference"] == digest.as_str();
        audit::lines(&log).into_iter().filter(is_gone).collect::<Vec<_>>()
    };
    assert!(eventually(PATIENCE, || gone().len() == 2), "{:#?}", gone());
    assert!(
        gone().iter().all(|line| line["bytes_out"].as_u64().unwrap() < blob.len() as u64),
        "{:#?}",
        gone()
    );

    let cut = misbehaving(Fault::ShortBody);
    let warden = portwarden_at(&cut.url()).with(TO_FILE).start();
    let log = warden.file("audit.log");
    curl(&warden).user(ADMIN).get("/v2/team/app/manifests/1");
    let lost = line_with(&log, &[("ended", "upstream_lost")]);
    assert_eq!((&lost["status"], &lost["bytes_out"]), (&200.into(), &10.into()), "{lost}");
    let down = portwarden_at(&crate::support::misbehaving_registry::no_registry()).with(TO_FILE).start();
    curl(&down).user(ADMIN).get("/v2/team/app/manifests/1").is(503);
    let lost = line_with(&down.file("audit.log"), &[("ended", "upstream_lost")]);
    assert_eq!((&lost["status"], &lost["decision"]), (&503.into(), &"allowed".into()), "{lost}");
}

#[test]
fn the_file_survives_rotation_and_no_line_is_lost() {
    let registry = registry();
    let warden = portwarden(&registry).with(TO_FILE).start();
    let (log, rotated) = (warden.file("audit.log"), warden.file("audit.log.1"));
    let mut ids = BTreeSet::new();
    for round in 0..20 {
        let answer = curl(&warden).user(ADMIN).get("/v2/_catalog").is(200);
        ids.insert(answer.header("x-request-id").unwrap().to_owned());
        if round == 10 {
            fs::rename(&log, &rotated).unwrap();
        }
    }
    let transfers = || {
        let both = audit::lines(&log).into_iter().chain(audit::lines(&rotated));
        let ids = both.filter(|line| line["event"] == "transfer").map(|line| line["request_id"].clone());
        ids.map(|id| id.as_str().unwrap().to_owned()).collect::<BTreeSet<_>>()
    };
    assert!(eventually(PATIENCE, || transfers() == ids), "{:?}", transfers());
    assert!(!audit::lines(&log).is_empty() && !audit::lines(&rotated).is_empty());
}

#[test]
fn a_full_disk_stops_no_request_and_what_is_lost_is_counted() {
    let registry = registry();
    let warden = portwarden(&registry).with("audit: {to: /dev/full}\nmetrics: {addr: '127.0.0.1:0'}").start();
    for _ in 0..10 {
        curl(&warden).user(ADMIN).get("/v2/_catalog").is(200);
    }
    warden.says("the audit log cannot be written; requests go on without it");
    let lost = || crate::support::metrics::value(&warden, "portwarden_audit_lines_lost_total");
    // A request has one line or two.
    let all_lost = || lost().is_some_and(|lost| (10.0..=20.0).contains(&lost));
    assert!(eventually(PATIENCE, all_lost), "{:?}", lost());
}

#[test]
fn it_goes_to_standard_output_unless_it_is_told_otherwise_and_stops_with_the_server() {
    let registry = registry();
    let mut warden = portwarden(&registry).start();
    let answer = curl(&warden).user(ADMIN).get("/v2/_catalog").is(200);
    let id = answer.header("x-request-id").unwrap().to_owned();
    warden.stop();
    let log = warden.log();
    let lines = log.lines().filter_map(|line| serde_json::from_str(line).ok());
    let lines: Vec<Value> = lines.flat_map(audit::apart).collect();
    let events: Vec<&str> = lines
        .iter()
        .filter(|line| line["request_id"] == *id)
        .map(|line| line["event"].as_str().unwrap())
        .collect();
    assert_eq!(events, ["decision", "transfer"], "{log}");
    let mut silent = portwarden(&registry).with("audit: {to: none}").start();
    curl(&silent).user(ADMIN).get("/v2/_catalog").is(200);
    silent.stop();
    assert!(!silent.log().contains("\"event\""), "{}", silent.log());
}

#[test]
fn the_name_of_a_request_goes_to_the_registry_and_only_a_trusted_proxy_chooses_it() {
    let sink = raw::sink("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-Request-Id: theirs\r\n\r\n");
    let config = |trusted: &str| {
        format!(
            "server: {{addr: '127.0.0.1:0'{trusted}}}\ntoken: {{issuer: i, expiration: 900, certificate: '@CERT@', key: '@KEY@'}}\n\
             users: {{'': {{}}}}\nacl: [{{match: {{}}, actions: ['*']}}]\n"
        )
    };
    let ask = |local: &crate::support::in_process::InProcess, given: &str| {
        let request = raw::request("GET", "/v2/a/tags/list", &format!("X-Request-Id: {given}\r\n"));
        let answer = raw::exchange(local.address, &request).unwrap();
        let sent = sink.take().pop().unwrap().to_lowercase();
        let upstream = sent.lines().find_map(|line| line.strip_prefix("x-request-id: ")).unwrap().to_owned();
        let told = answer.header("x-request-id").unwrap().to_owned();
        assert_eq!(told, upstream, "the client and the registry know it by one name");
        told
    };
    let plain = in_process(&config(""), &sink.url());
    assert_ne!(ask(&plain, "mine"), "mine");
    let behind = in_process(&config(", trusted_proxies: ['127.0.0.1']"), &sink.url());
    assert_eq!(ask(&behind, "mine-1.2"), "mine-1.2");
    assert_eq!(ask(&behind, "no name").len(), 32);
}

#[test]
fn the_trace_of_a_client_goes_to_the_registry_and_into_each_line_if_it_is_valid() {
    let answer =
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nDocker-Distribution-Api-Version: registry/2.0\r\n\r\n";
    let sink = raw::sink(answer);
    let warden = portwarden_at(&sink.url()).with(TO_FILE).start();
    let log = warden.file("audit.log");
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let valid = format!("00-{trace}-00f067aa0ba902b7-01");
    for (parent, state, is_valid) in [(&valid, "one=1", true), (&valid.to_uppercase(), "two=2", false)] {
        let ask = |request: Request| {
            request.header(&format!("traceparent: {parent}")).header(&format!("tracestate: {state}"))
        };
        let expected = if is_valid { Value::from(trace) } else { Value::Null };
        let line = |event: &str, answer: &Response| {
            line_with(&log, &[("event", event), ("request_id", answer.header("x-request-id").unwrap())])
        };
        let forwarded = ask(curl(&warden).user(ADMIN)).get("/v2/team/app/tags/list").is(200);
        assert_eq!(line("decision", &forwarded)["trace_id"], expected);
        assert_eq!(line("transfer", &forwarded)["trace_id"], expected);
        let token = ask(curl(&warden).user(ADMIN)).get("/auth?service=registry.test").is(200);
        assert_eq!(line("token", &token)["trace_id"], expected);
        let sent = sink.take().into_iter().find(|head| head.contains("/v2/team/app/tags/list")).unwrap();
        let has = |text: &str| sent.to_lowercase().contains(text);
        assert_eq!(has(&format!("traceparent: {valid}\r\n")), is_valid, "{sent}");
        assert_eq!(has(&format!("tracestate: {state}\r\n")), is_valid, "{sent}");
        assert_eq!(has("traceparent"), is_valid, "{sent}");
    }
    assert!(!fs::read_to_string(&log).unwrap().contains(&trace.to_uppercase()));
}

#[test]
fn what_a_stranger_claims_takes_little_room() {
    let registry = registry();
    let warden = portwarden(&registry).with(TO_FILE).start();
    curl(&warden).option(&["-u", &format!("{}:wrong", "x".repeat(2000))]).get("/auth").is(401);
    let line = line_with(&warden.file("audit.log"), &[("event", "token"), ("decision", "unauthenticated")]);
    assert_eq!(line["account"], "x".repeat(256));
    // Any word is a method.
    let answer = curl(&warden).option(&["-X", &"M".repeat(20_000)]).get("/v2/").is(405);
    assert!(answer.text().len() < 500, "{}", answer.text());
    let line = line_with(&warden.file("audit.log"), &[("event", "decision"), ("decision", "refused")]);
    assert_eq!(line["method"], "M".repeat(32));
    assert!(line.to_string().len() < 500, "{line}");
}

#[test]
fn a_decision_says_what_was_needed_and_which_client_asked() {
    let registry = registry();
    let warden = portwarden(&registry).with(TO_FILE).start();
    let agent = format!("evil/1 \"é\u{9b}{}", "x".repeat(2000));
    let ask = curl(&warden).user(ADMIN).header(&format!("User-Agent: {agent}"));
    let id = ask.body(b"").send("POST", "/v2/a/blobs/uploads/?from=b&mount=sha256:0").is(202);
    let id = id.header("x-request-id").unwrap();
    let decision = line_with(&warden.file("audit.log"), &[("event", "decision"), ("request_id", id)]);
    let needs: Vec<&str> =
        decision["requested"].as_array().unwrap().iter().filter_map(|scope| scope.as_str()).collect();
    assert_eq!(needs, ["repository:a:pull,push", "repository:b:pull"], "{decision}");
    let begins: String = agent.chars().take(256).collect();
    assert_eq!(decision["user_agent"], begins);
}

/// Anyone may send these, and the journal splits lines at 48 KiB.
#[test]
fn rule_35_a_line_about_a_stranger_is_bounded() {
    let registry = registry();
    let warden = portwarden(&registry).with(TO_FILE).start();
    let scopes: String = (0..100).map(|n| format!("&scope=repository:{}{n}:pull", "x".repeat(500))).collect();
    let form = format!("grant_type=password&service=registry.test&username=u&password=p{scopes}");
    curl(&warden).option(&["--data", &form]).send("POST", "/auth").is(401);
    let line = line_with(&warden.file("audit.log"), &[("event", "token")]);
    assert!(line.to_string().len() < 10_000, "{}", line.to_string().len());
    assert_eq!(line["truncated"], serde_json::json!(["requested"]), "{line}");
}

/// A command that accepts every account: `many` with more labels than a line holds, `some` with more than a token
/// carries itself, others with two.
fn accepts_all(directory: &Path) -> String {
    let script = directory.join("accepts_all");
    let text = r#"#!/bin/sh
read -r account password
case $account in
many) values=$(seq -s ', ' 100000 101000) ;;
some) values=$(seq -s ', ' 100000 100099) ;;
*) values='"db", "web"' ;;
esac
printf '{"labels": {"site": ["ulm"], "team": [%s]}}' "$values" | sed 's/\(1[0-9]\{5\}\)/"\1"/g'
"#;
    fs::write(&script, text).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    format!("ext_auth: {{command: {script:?}}}")
}

#[test]
fn labels_are_written_whole_where_they_are_known_and_wanted() {
    const LENA: User = User { name: "lena", password: "any" };
    const SOME: User = User { name: "some", password: "any" };
    const MANY: User = User { name: "many", password: "any" };
    let (registry, directory) = (registry(), tempfile::tempdir().unwrap());
    let acl = "\n  - match: {account: admin}\n    actions: ['*']\n  - match: {labels: {team: web}}\n    actions: [pull]";
    let all = json!({"site": ["ulm"], "team": ["db", "web"]});
    for is_on in [true, false] {
        let audit = format!("audit: {{to: ./audit.log, labels: {is_on}}}\nstate: {{file: ./state.db}}");
        let section = accepts_all(directory.path());
        let warden = portwarden(&registry).acl(acl).with(&section).with(&audit).start();
        let log = warden.file("audit.log");
        let line = |event: &str, answer: &Response| {
            line_with(&log, &[("event", event), ("request_id", answer.header("x-request-id").unwrap())])
        };
        let known = |labels: &Value| if is_on { labels.clone() } else { Value::Null };
        let list = |request: Request| request.get("/v2/team/app/tags/list");
        let by_password = list(curl(&warden).user(LENA));
        assert_eq!(line("decision", &by_password)["labels"], known(&all));
        assert_eq!(line("transfer", &by_password)["labels"], Value::Null, "they stand in the decision");
        assert_eq!(line("decision", &list(curl(&warden).user(ADMIN)))["labels"], known(&json!({})));
        let issued = token_exchange::ask(&warden, Some(LENA), &["repository:team/app:pull"]).is(200);
        assert_eq!(line("token", &issued)["labels"], known(&all));
        let by_token = |user: User| {
            let token = token_exchange::token(&warden, user, &["repository:team/app:pull"]);
            let line = line("decision", &list(curl(&warden).bearer(&token)));
            assert_eq!((&line["account"], &line["truncated"]), (&user.name.into(), &Value::Null));
            line["labels"].clone()
        };
        assert_eq!(by_token(LENA), known(&all), "the token carries all labels for that");
        let stored: Vec<String> = (100_000..100_100).map(|n| n.to_string()).collect();
        assert_eq!(by_token(SOME), known(&json!({"site": ["ulm"], "team": stored})), "by their digest");
        // This one has the values that rules look at. Such a part must not be read as all.
        assert_eq!(by_token(MANY), Value::Null);
        let too_many = line("decision", &list(curl(&warden).user(MANY)));
        assert_eq!(too_many["labels"], Value::Null);
        assert_eq!(too_many["truncated"], known(&json!(["labels"])));
        assert_eq!(line("decision", &list(curl(&warden)))["labels"], Value::Null, "no account");
    }
}

#[test]
fn rule_16_no_secret_reaches_the_audit_log() {
    let registry = registry();
    let warden = portwarden(&registry).with(TO_FILE).with("log: {level: debug}").start();
    let secret = token_exchange::token(&warden, TEST2, &["repository:team/app:pull,push"]);
    let refresh = token_exchange::ask(&warden, Some(USER), &[]).is(200);
    curl(&warden).bearer(&secret).get("/v2/team/app/tags/list");
    curl(&warden).bearer(&secret[..secret.len() - 3]).get("/v2/team/app/tags/list").is(401);
    curl(&warden).option(&["-u", "test:a-very-secret-password"]).get("/v2/").is(401);
    curl(&warden).get("/auth?account=test&password=a-very-secret-password&service=registry.test");
    curl(&warden).user(TEST).get("/v2/team/app/blobs/uploads/x?_state=a-very-secret-password");
    line_with(&warden.file("audit.log"), &[("route", "upload")]);
    let all = fs::read_to_string(warden.file("audit.log")).unwrap() + &warden.log();
    let issued = refresh.json()["token"].as_str().unwrap().to_owned();
    for secret in [&*secret, &issued, "a-very-secret-password", "Basic ", "Bearer "] {
        assert!(!all.contains(secret), "{secret} is in:\n{all}");
    }
}

#[test]
fn a_destination_that_cannot_be_is_said_at_the_start() {
    let directory = tempfile::tempdir().unwrap();
    let program = env!("CARGO_BIN_EXE_portwarden");
    let sample = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/config/auth_config.yml")).unwrap();
    crate::support::pem::write_pair(directory.path());
    let sample =
        sample.replace("../certs/portwarden.crt", "cert.pem").replace("../certs/portwarden.key", "key.pem");
    let file = directory.path().join("config.yml");
    for (to, says) in [
        ("syslog", "audit.to: unknown destination"),
        ("/nowhere/audit.log", "audit.to: cannot write /nowhere/audit.log"),
    ] {
        fs::write(&file, format!("audit: {{to: {to}}}\n{sample}")).unwrap();
        let output = command::run(
            program,
            &["serve", "--config", file.to_str().unwrap(), "--listen", "127.0.0.1:0"],
            &[],
        );
        output.fails().says(says);
    }
}
