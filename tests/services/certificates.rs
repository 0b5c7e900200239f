//! Logins with a client certificate: with curl and skopeo, over connections that outlive a reload or are resumed, and
//! what ends one. Behind docker, containerd and podman see `tests/system/certificates.rs`.
//!
//! Needs: curl, docker-registry, htpasswd, skopeo.

use std::{fs, os::unix::fs::PermissionsExt as _, time::Duration};

use hyper::Method;
use rcgen::{DnType, ExtendedKeyUsagePurpose, SanType, date_time_ymd};
use serde_json::json;

use crate::support::{
    audit,
    certificates::{ACCOUNT, ClientAuthority, Machine, SECTION},
    client::{Client, PROTOCOLS, Protocol, run},
    command,
    content::Content,
    curl::{Request, Response, curl},
    distribution::push_blob,
    image::Image,
    metrics,
    portwarden::{ADMIN, Portwarden, User, portwarden, program},
    registry::registry,
    token_exchange::{claims, token},
    waiting::pause,
    workload::member,
};

const LIST: &str = "/v2/acme/app/tags/list";

fn ask(request: Request) -> Response {
    request.get("/auth?service=registry.test&scope=repository:acme/app:pull,push")
}

fn list(request: Request) -> u16 {
    request.get(LIST).status
}

#[test]
fn rule_46_a_certificate_is_a_login_at_the_token_endpoint_and_on_v2() {
    let (registry, clients) = (registry(), ClientAuthority::new("clients"));
    let warden = clients.trusted(portwarden(&registry)).start();
    let (app, other) = (clients.machine("ci/app"), clients.machine("ci/other"));
    assert_eq!(list(app.asks(curl(&warden))), 404, "the registry has no such repository");
    // Answered, docker would never show a password, and take any for right.
    let challenge = app.asks(curl(&warden)).get("/v2/").is(401);
    assert!(challenge.header("www-authenticate").unwrap().starts_with("Bearer realm="), "{challenge:?}");
    push_blob(&app.asks(curl(&warden)), "acme/app", b"a layer");
    // Another machine has the label, and may pull only.
    app.asks(curl(&warden)).get("/v2/acme/other/tags/list").denial();
    other.asks(curl(&warden)).body(b"").send("POST", "/v2/acme/app/blobs/uploads/").denial();
    assert_eq!(list(other.asks(curl(&warden))), 404);
    // Without one, all is as it was.
    curl(&warden).get("/v2/").is(401);
    ask(curl(&warden)).is(401);
    curl(&warden).user(ADMIN).get("/v2/").is(200);

    let answer = ask(app.asks(curl(&warden))).is(200).json();
    assert!(answer["refresh_token"].is_null(), "{answer}");
    let bound = member(&answer, "token");
    let said = claims(&bound);
    assert_eq!((&said["sub"], &said["access"]), (&json!(ACCOUNT), &json!([])));
    assert_eq!(said["grants"][0]["actions"], json!(["pull", "push"]));
    assert_eq!(said["cnf"]["x5t#S256"].as_str().unwrap().len(), 43);
    push_blob(&app.asks(curl(&warden)).bearer(&bound), "acme/app", b"another layer");
    app.asks(curl(&warden)).bearer(&bound).get("/v2/").is(200);
}

#[test]
fn rule_46_a_token_of_a_certificate_is_refused_without_it() {
    let (registry, clients) = (registry(), ClientAuthority::new("clients"));
    let warden = clients.trusted(portwarden(&registry)).start();
    let (app, twin) = (clients.machine("ci/app"), clients.machine("ci/app"));
    let bound = member(&ask(app.asks(curl(&warden))).json(), "token");
    assert_eq!(list(app.asks(curl(&warden)).bearer(&bound)), 404);
    for stolen in [curl(&warden), twin.asks(curl(&warden)), clients.machine("b").asks(curl(&warden))] {
        let refused = stolen.bearer(&bound).get(LIST).is(401);
        let challenge = refused.header("www-authenticate").unwrap();
        assert!(challenge.contains("invalid_token") && challenge.contains("bound to a client certificate"));
    }
    // It is a ceiling: what was asked for less is less.
    let pull = app.asks(curl(&warden)).get("/auth?service=registry.test&scope=repository:acme/app:pull");
    let pull = member(&pull.json(), "token");
    app.asks(curl(&warden)).bearer(&pull).body(b"").send("POST", "/v2/acme/app/blobs/uploads/").denial();
}

#[test]
fn rule_46_credentials_of_another_account_beside_a_certificate_are_refused() {
    let (registry, clients) = (registry(), ClientAuthority::new("clients"));
    let warden = clients.trusted(portwarden(&registry)).start();
    let app = clients.machine("ci/app");
    let both = |request: Request| app.asks(request);
    let said = both(curl(&warden)).user(ADMIN).get("/v2/").is(400).error().1;
    assert!(said.contains("certificate is of the account \"cert:ci/app\""), "{said}");
    ask(both(curl(&warden)).user(ADMIN)).is(400);
    both(curl(&warden)).bearer(&token(&warden, ADMIN, &[])).get("/v2/").is(400);
    let robot = User { name: "x", password: "pwt_x" };
    both(curl(&warden)).user(robot).get("/v2/").is(400);
    let post = |form: &str| both(curl(&warden)).option(&["--data", form]).send("POST", "/auth").status;
    assert_eq!(post("grant_type=refresh_token&service=registry.test&refresh_token=x"), 400);
    assert_eq!(post("grant_type=password&service=registry.test&username=admin&password=badmin"), 400);
    assert_eq!(post("grant_type=password&service=registry.test"), 200);
    assert_eq!(both(curl(&warden)).get("/auth?service=registry.test&account=admin").status, 400);
    // Its own name is no other account: some clients must have a name and a password. Basic has no names with a colon.
    let own = User { name: "cert", password: "any" };
    both(curl(&warden)).user(own).get("/v2/").is(200);
    ask(both(curl(&warden)).user(own)).is(200);
    assert_eq!(
        both(curl(&warden)).get(&format!("/auth?service=registry.test&account={ACCOUNT}")).status,
        200
    );
    let form = format!("grant_type=password&service=registry.test&username={ACCOUNT}&password=any");
    assert_eq!(post(&form), 200);
    assert_eq!(post(&form.replace(ACCOUNT, "cert:ci/other")), 400);
    let alone = curl(&warden).option(&["--data", &form]).send("POST", "/auth").status;
    assert_eq!(alone, 401);
    // It proves nothing by itself, and other schemes are no login either.
    curl(&warden).user(own).get("/v2/").is(401);
    ask(curl(&warden).user(own)).is(401);
    both(curl(&warden)).header("Authorization: Digest x").get("/v2/").is(401);
}

#[test]
fn rule_46_a_certificate_that_is_not_trusted_ends_in_the_handshake() {
    let (registry, clients) = (registry(), ClientAuthority::new("clients"));
    let warden = clients.trusted(portwarden(&registry)).start();
    let other = ClientAuthority::new("clients");
    let with = |change: fn(&mut rcgen::CertificateParams)| clients.sign(change);
    for (machine, why) in [
        (with(|params| params.not_after = date_time_ymd(2020, 1, 1)), "it has expired"),
        (with(|params| params.not_before = date_time_ymd(4000, 1, 1)), "it is not valid yet"),
        (
            with(|params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth]),
            "it is not for clients",
        ),
        (other.machine("ci/app"), "it is from no authority in server.client_ca"),
    ] {
        // One line a second.
        pause(Duration::from_millis(1100));
        let refused = machine.asks(curl(&warden)).user(ADMIN).get("/v2/");
        assert_eq!(refused.status, 0, "{why}: {refused:?}");
        let line = warden.says(why);
        assert!(line.contains("a client certificate is refused"), "{line}");
    }
    curl(&warden).user(ADMIN).get("/v2/").is(200);
}

#[test]
fn rule_46_a_certificate_without_the_named_field_is_no_login_and_the_answer_says_so() {
    let (registry, clients) = (registry(), ClientAuthority::new("clients"));
    let warden = clients.trusted(portwarden(&registry)).start();
    let uri = |text: &str| SanType::URI(text.try_into().unwrap());
    let two = [uri("spiffe://example.org/a"), uri("spiffe://example.org/b")];
    for (machine, why) in [
        (clients.sign(|_| ()), "the client certificate has no san:uri, so it is no login"),
        (clients.sign(|params| params.subject_alt_names = two.to_vec()), "has more than one san:uri"),
        (
            clients.sign(|params| params.subject_alt_names = vec![uri("spiffe://other.org/a")]),
            "does not begin with certificate_auth.strip",
        ),
        (
            clients.sign(|params| {
                params.subject_alt_names = vec![uri("spiffe://example.org/a")];
                params.distinguished_name = rcgen::DistinguishedName::new();
                params.distinguished_name.push(DnType::CommonName, "a");
            }),
            "has no subject:O",
        ),
    ] {
        let refused = machine.asks(curl(&warden)).get("/v2/").is(401);
        assert!(refused.header("www-authenticate").unwrap().contains(why), "{why}: {refused:?}");
        ask(machine.asks(curl(&warden))).is(401);
        // What it does not name it does not deny either.
        machine.asks(curl(&warden)).user(ADMIN).get("/v2/").is(200);
    }
}

#[test]
fn a_large_certificate_is_read_and_a_huge_one_ends_nothing_else() {
    let (registry, clients) = (registry(), ClientAuthority::new("clients"));
    let warden = clients.trusted(portwarden(&registry)).start();
    let with = |names: usize| {
        clients.sign(|params| {
            let name = |n| SanType::DnsName(format!("{n:060}.example").as_str().try_into().unwrap());
            params.subject_alt_names = (0..names).map(name).collect();
            let uri = "spiffe://example.org/ci/app".try_into().unwrap();
            params.subject_alt_names.push(SanType::URI(uri));
        })
    };
    assert_eq!(list(with(300).asks(curl(&warden))), 404);
    assert_eq!(list(with(2000).asks(curl(&warden))), 0);
    curl(&warden).user(ADMIN).get("/v2/").is(200);
}

fn connect(warden: &Portwarden, machine: &Machine, protocol: Protocol) -> Client {
    Client::new(warden, protocol).showing(&machine.certificate, &machine.key)
}

#[test]
fn rule_46_a_revoked_certificate_ends_on_the_next_request_of_an_open_connection() {
    for protocol in PROTOCOLS {
        let (registry, clients) = (registry(), ClientAuthority::new("clients"));
        let list = clients.revoke(&[]);
        let base = clients.trusted(portwarden(&registry)).with_server("client_crl", list.to_str().unwrap());
        let mut warden = base.start();
        let (app, other) = (clients.machine("ci/app"), clients.machine("ci/other"));
        run(async {
            let client = connect(&warden, &app, protocol);
            let (mut open, mut idle) = (client.connect().await.unwrap(), client.connect().await.unwrap());
            let mut others = connect(&warden, &other, protocol).connect().await.unwrap();
            let bound = ask(app.asks(curl(&warden))).is(200).json();
            let bound = format!("Bearer {}", member(&bound, "token"));
            for authorization in ["", &bound] {
                assert_eq!(open.get(LIST, authorization).await.unwrap().status, 404);
            }
            assert_eq!(others.get(LIST, "").await.unwrap().status, 404);
            clients.revoke(&[app.serial]);
            warden.reload(|builder| builder);
            let refused = open.get(LIST, &bound).await.unwrap();
            assert_eq!(refused.status, 403, "{protocol:?}");
            assert!(
                refused.json().to_string().contains("the client certificate has been revoked"),
                "{refused:?}"
            );
            assert_eq!(idle.get(LIST, "").await.unwrap().status, 403, "one that was idle meanwhile");
            assert_eq!(others.get(LIST, "").await.unwrap().status, 404, "another machine goes on");
            // The ticket of the session before is of no use.
            let again = client.connect().await;
            let refused = match again {
                Ok(mut connection) => connection.get(LIST, "").await.is_err(),
                Err(_) => true,
            };
            assert!(refused, "a handshake of a revoked certificate");
        });
    }
}

#[test]
fn rule_46_a_resumed_session_is_of_the_same_account() {
    let (registry, clients) = (registry(), ClientAuthority::new("clients"));
    let warden = clients.trusted(portwarden(&registry)).start();
    let app = clients.machine("ci/app");
    for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
        run(async {
            let client = connect(&warden, &app, Protocol::Http1).speaking(version);
            let mut first = client.connect().await.unwrap();
            assert!(!first.is_resumed());
            assert_eq!(first.get(LIST, "").await.unwrap().status, 404);
            let mut second = client.connect().await.unwrap();
            assert!(second.is_resumed(), "{version:?}");
            let target = "/v2/acme/app/blobs/uploads/";
            let upload = second.send(Method::POST, target, "", &Content::empty()).await.unwrap();
            assert_eq!(upload.status, 202, "{version:?}");
            let denied = second.get("/v2/acme/other/tags/list", "").await.unwrap();
            assert_eq!(denied.status, 401, "{version:?}");
        });
    }
}

#[test]
fn rule_46_logins_end_on_the_next_request_when_their_section_or_authority_is_removed() {
    let (registry, clients, newer) =
        (registry(), ClientAuthority::new("clients"), ClientAuthority::new("newer"));
    let base = portwarden(&registry);
    for (changed, status) in [
        (clients.asked_for(base.clone()), 401),
        (base.clone().acl(crate::support::certificates::ACL), 401),
        (newer.trusted(base.clone()), 403),
        (clients.trusted(base.clone()).acl("  - match: {account: admin}\n    actions: [\"*\"]"), 401),
        (clients.trusted(base.clone()), 404),
    ] {
        let mut warden = clients.trusted(base.clone()).start();
        let app = clients.machine("ci/app");
        let bound = format!("Bearer {}", member(&ask(app.asks(curl(&warden))).json(), "token"));
        run(async {
            for authorization in ["", &bound] {
                let mut open = connect(&warden, &app, Protocol::Http2).connect().await.unwrap();
                assert_eq!(open.get(LIST, authorization).await.unwrap().status, 404);
                let changed = changed.clone();
                warden.reload(|_| changed);
                assert_eq!(open.get(LIST, authorization).await.unwrap().status, status, "{authorization}");
                warden.reload(|_| clients.trusted(base.clone()));
            }
        });
    }
}

#[test]
fn rule_46_a_required_certificate_is_required_of_every_request() {
    let (registry, clients) = (registry(), ClientAuthority::new("clients"));
    let base = portwarden(&registry).with(metrics::ON);
    let mut warden = clients.asked_for(base.clone()).start();
    let app = clients.machine("ci/app");
    run(async {
        let mut open = Client::new(&warden, Protocol::Http1).connect().await.unwrap();
        let admin = crate::support::client::basic(ADMIN);
        assert_eq!(open.get("/v2/", &admin).await.unwrap().status, 200);
        let required = clients.asked_for(base.clone()).with_server("client_auth", "required");
        warden.reload(|_| required);
        let refused = open.get("/v2/", &admin).await.unwrap();
        assert_eq!(refused.status, 403, "{refused:?}");
        assert!(refused.json().to_string().contains("server.client_auth"), "{refused:?}");
    });
    assert_eq!(curl(&warden).user(ADMIN).get("/v2/").status, 0);
    // Here it is no login, and the password is needed beside it.
    app.asks(curl(&warden)).user(ADMIN).get("/v2/").is(200);
    app.asks(curl(&warden)).get("/v2/").is(401);
    assert_ne!(app.asks(curl(&warden)).get("/").status, 0);
    assert_eq!(curl(&warden).get("/").status, 0, "the pages too");
    metrics::watcher(&warden).get("/healthz").is(200);
    metrics::watcher(&warden).get("/metrics").is(200);
}

#[test]
fn rule_46_what_a_proxy_or_a_browser_passes_on_is_no_login() {
    let (registry, clients) = (registry(), ClientAuthority::new("clients"));
    let base = clients.trusted(portwarden(&registry));
    let warden = base.clone().start();
    let app = clients.machine("ci/app");
    assert_eq!(list(app.asks(curl(&warden))), 404);
    for line in ["Sec-Fetch-Site: cross-site", "Sec-Fetch-Site: same-origin", "Origin: https://other.example"]
    {
        assert_eq!(list(app.asks(curl(&warden)).header(line)), 401, "{line}");
        app.asks(curl(&warden)).header(line).body(b"").send("POST", "/v2/acme/app/blobs/uploads/").is(401);
        assert_ne!(ask(app.asks(curl(&warden)).header(line)).status, 200, "{line}");
    }
    let behind = base.with_server("trusted_proxies", "[127.0.0.1]").start();
    assert_eq!(list(app.asks(curl(&behind))), 401);
    assert_eq!(list(app.asks(curl(&behind)).header("X-Forwarded-For: 192.0.2.1")), 401);
    ask(app.asks(curl(&behind))).is(401);
    app.asks(curl(&behind)).user(ADMIN).get("/v2/").is(200);
}

#[test]
fn rule_46_names_of_certificates_reach_no_back_end() {
    let (registry, clients) = (registry(), ClientAuthority::new("clients"));
    let directory = tempfile::tempdir().unwrap();
    let seen = directory.path().join("seen");
    let script = directory.path().join("accept");
    fs::write(&script, format!("#!/bin/sh\ncat >> {}\nexit 0\n", seen.display())).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let command = format!("ext_auth: {{command: {:?}}}", script.display().to_string());
    let warden = clients.trusted(portwarden(&registry)).with(&command).start();
    for name in ["cert", "cert:anything", "CERT", " cert ", "ｃert"] {
        let user = User { name, password: "guess" };
        curl(&warden).user(user).get("/v2/").is(401);
        ask(curl(&warden).user(user)).is(401);
        let form = format!("grant_type=password&service=registry.test&username={name}:x&password=guess");
        assert_eq!(curl(&warden).option(&["--data", &form]).send("POST", "/auth").status, 401);
    }
    assert!(!seen.exists(), "{:?}", fs::read_to_string(&seen));
    ask(curl(&warden).user(User { name: "someone", password: "guess" })).is(200);
    assert!(seen.exists(), "the command is asked about others");
}

#[test]
fn the_audit_log_and_the_metrics_name_the_certificate() {
    let (registry, clients) = (registry(), ClientAuthority::new("clients"));
    let warden = clients.trusted(portwarden(&registry)).with(audit::TO_FILE).with(metrics::ON).start();
    let app = clients.machine("ci/app");
    let bound = member(&ask(app.asks(curl(&warden))).json(), "token");
    app.asks(curl(&warden)).bearer(&bound).get(LIST).is(404);
    app.asks(curl(&warden)).get(LIST).is(404);
    let file = warden.file("audit.log");
    for (event, credentials) in [("token", "certificate"), ("decision", "token"), ("decision", "certificate")]
    {
        let fields = [("event", event), ("credentials", credentials), ("account", ACCOUNT)];
        let line = audit::line_with(&file, &fields);
        assert_eq!(line["source"], "certificate_auth", "{line}");
        assert_eq!(line["certificate_serial"], "0A01", "{line}");
        assert_eq!(line["certificate_sha256"].as_str().unwrap().len(), 64, "{line}");
    }
    assert_eq!(metrics::value(&warden, "portwarden_logins_total{outcome=\"accepted\"}"), Some(3.0));
    clients.sign(|_| ()).asks(curl(&warden)).get("/v2/").is(401);
    ClientAuthority::new("clients").machine("a").asks(curl(&warden)).get("/v2/");
    assert_eq!(metrics::value(&warden, "portwarden_logins_total{outcome=\"failed\"}"), Some(2.0));
}

#[test]
fn explain_says_whose_a_certificate_is_and_what_it_may_do() {
    let (registry, clients) = (registry(), ClientAuthority::new("clients"));
    let warden = clients.trusted(portwarden(&registry)).start();
    let file = warden.file("portwarden.yml");
    let explain = |machine: &Machine, more: &[&str]| {
        let certificate = machine.certificate.to_str().unwrap();
        let mut words = vec!["explain", "--config", file.to_str().unwrap(), "--certificate", certificate];
        words.extend(more);
        command::run(&program(), &words, &[])
    };
    let app = clients.machine("ci/app");
    let said = explain(&app, &[]).succeeds();
    assert_eq!(said.stdout, "the certificate is a login as cert:ci/app (serial 0A01)\n  org: acme\n");
    let push = ["--scope", "repository:acme/app:push"];
    explain(&app, &push).succeeds().says("push: allowed, by rule 2");
    explain(&clients.machine("b"), &push).fails().says("push: denied");
    let json = explain(&app, &["--json"]).succeeds().stdout;
    assert_eq!(json.trim(), r#"{"account":"cert:ci/app","labels":{"org":["acme"]}}"#);
    explain(&clients.sign(|_| ()), &[]).fails().says("no login: the certificate has no san:uri");
    let other = ClientAuthority::new("clients");
    explain(&other.machine("ci/app"), &[]).fails().says("is from no authority in server.client_ca");
    let bare = clients.asked_for(portwarden(&registry)).start();
    let bare = bare.file("portwarden.yml");
    let words = ["explain", "--config", bare.to_str().unwrap(), "--certificate"];
    let words = [&words[..], &[app.certificate.to_str().unwrap()]].concat();
    command::run(&program(), &words, &[]).fails().says("`certificate_auth`");
    assert!(SECTION.contains("san:uri"));
}

#[test]
fn skopeo_pushes_and_pulls_with_a_certificate_and_no_password() {
    let (registry, clients) = (registry(), ClientAuthority::new("clients"));
    let warden = clients.trusted(portwarden(&registry)).start();
    let directory = tempfile::tempdir().unwrap();
    let home = directory.path().to_str().unwrap();
    let folder = |machine: &Machine, name: &str| {
        let folder = directory.path().join(name);
        machine.write_directory(&warden, &folder);
        folder.to_str().unwrap().to_owned()
    };
    let (app, other) = (folder(&clients.machine("ci/app"), "app"), folder(&clients.machine("b"), "b"));
    let archive = Image::random(1, 20_000).archive("acme/app:1");
    let archive = format!("docker-archive:{}", archive.path());
    let remote = format!("docker://{}/acme/app:1", warden.host());
    let skopeo =
        |words: &[&str]| command::run("skopeo", &[&["--insecure-policy"], words].concat(), &[("HOME", home)]);
    let push = |folder: &str| skopeo(&["copy", "--quiet", "--dest-cert-dir", folder, &archive, &remote]);
    push(&other).fails();
    push(&app).succeeds();
    for folder in [&app, &other] {
        skopeo(&["inspect", "--cert-dir", folder, &remote]).succeeds().says("sha256:");
    }
}
