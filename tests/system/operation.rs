//! The program as an operator runs it: command line, listening, TLS, reload, stop, and what the log says.
//!
//! Needs: curl, docker-registry, htpasswd, openssl, prlimit.

use std::{
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    os::unix::{fs::symlink, net::UnixStream},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use crate::support::{
    command::{self, Output},
    curl::{curl, curl_at},
    misbehaving_registry::no_registry,
    pki::{self, Authority},
    portwarden::{ADMIN, Portwarden, TEST, USER, port_after, portwarden, portwarden_at},
    process::{PATIENCE, Process, eventually},
    raw,
    registry::registry,
};

const PROGRAM: &str = env!("CARGO_BIN_EXE_portwarden");
const RULES: &str = "users: {admin: {password: $2y$05$LO.vzwpWC5LZGqThvEfznu8qhb5SGqvBSWY1J3yZ4AxtMRZ3kN5jC}}\nacl: [{match: {account: admin}, actions: ['*']}]\n";

/// A directory with a certificate and `auth_config.yml`: plain HTTP with `server: {}`, `tls: true` for TLS.
fn installed(server: &str, rest: &str) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    pki::authority().write_server_certificate(directory.path());
    let config = format!(
        "server: {{addr: \"127.0.0.1:0\"{server}}}\n\
         token: {{issuer: Acme, expiration: 900, certificate: tls.crt, key: tls.key}}\n{RULES}{rest}"
    );
    fs::write(directory.path().join("auth_config.yml"), config).unwrap();
    directory
}

fn config_of(directory: &Path) -> String {
    directory.join("auth_config.yml").display().to_string()
}

/// `portwarden serve` with more arguments, and what it says when it is ready.
fn serve(directory: &Path, arguments: &[&str]) -> (Process, String) {
    let config = config_of(directory);
    let all: Vec<&str> =
        ["serve", "--config", &config].into_iter().chain(arguments.iter().copied()).collect();
    let mut process = Process::start(PROGRAM, &all, &[], &directory.join("log"));
    let ready = process.wait_for_log(0, "listening on");
    (process, ready)
}

fn run(arguments: &[&str]) -> Output {
    command::run(PROGRAM, arguments, &[])
}

fn status(address: &str, request: &[u8]) -> u16 {
    raw::exchange(address.parse().unwrap(), request).expect("an answer").status
}

#[test]
fn the_command_line_says_what_it_can_do_and_how_it_ended() {
    for arguments in [&["--version"][..], &["--help"], &["serve", "--help"], &["hash", "--help"]] {
        assert_eq!(run(arguments).status, Some(0), "{arguments:?}");
    }
    assert!(run(&["--help"]).stdout.contains("portwarden serve /etc/portwarden/auth_config.yml"));
    assert_eq!(run(&["--version"]).stdout, concat!("portwarden ", env!("CARGO_PKG_VERSION"), "\n"));
    for arguments in
        [&[][..], &["nonsense"], &["serve"], &["check", "--confg", "x"], &["hash", "--cost", "3"]]
    {
        assert_eq!(run(arguments).status, Some(2), "{arguments:?}");
    }
}

#[test]
fn rule_22_check_names_file_line_key_and_what_to_do() {
    let directory = installed("", "");
    let config = config_of(directory.path());
    let good = run(&["check", "--config", &config]);
    assert_eq!((good.status, good.stdout), (Some(0), format!("{config}: ok: 1 user, 1 rule\n")));
    for (from, to, line, said) in [
        (
            "{account: admin}, ",
            "{acount: admin}, ",
            4,
            "acl[0].match.acount: unknown key. Did you mean `account`?",
        ),
        (
            "expiration: 900",
            "expiration: soon",
            2,
            "token.expiration: expected a whole number without quotes, found text",
        ),
        ("$2y$05$LO", "$2y$05$L", 3, "users.admin.password: the bcrypt hash is cut short"),
        ("key: tls.key", "key: missing.key", 2, "token.key: "),
        ("['*']", "pull", 4, "acl[0].actions: expected a list, found text"),
    ] {
        let good = fs::read_to_string(&config).unwrap();
        assert!(good.contains(from), "{from}");
        fs::write(&config, good.replace(from, to)).unwrap();
        let bad = run(&["check", "--config", &config]);
        assert_eq!(bad.status, Some(1), "{bad:?}");
        let told = bad.stderr.lines().find(|told| told.starts_with(&format!("{config}:{line}:")));
        assert!(
            told.is_some_and(|told| told.contains(said)),
            "want {line}: {said}
got {}",
            bad.stderr
        );
        assert!(!bad.stderr.contains("LO.vzwpWC5LZGqThvEfznu8"), "no hash may be printed");
        assert_eq!(run(&["serve", "--config", &config]).status, Some(1), "nor is it served");
        fs::write(&config, good).unwrap();
    }
    assert_eq!(run(&["check", "--config", "/nonexistent.yml"]).status, Some(1));
}

#[test]
fn hash_makes_what_htpasswd_verifies() {
    let hash = |password: &str, arguments: &[&str]| {
        let mut command = Command::new(PROGRAM);
        command
            .arg("hash")
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(password.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    };
    let output = hash("pass word\n", &["--cost", "5"]);
    let line = String::from_utf8(output.stdout).unwrap();
    assert!(line.starts_with("$2y$05$") && line.ends_with('\n') && line.len() == 61, "{line:?}");
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("htpasswd").display().to_string();
    fs::write(&file, format!("bob:{line}")).unwrap();
    command::run("htpasswd", &["-vb", &file, "bob", "pass word"], &[]).succeeds();
    command::run("htpasswd", &["-vb", &file, "bob", "password"], &[]).fails();
    for bad in ["", "\n", &format!("{}\n", "x".repeat(73))] {
        let output = hash(bad, &["--cost", "5"]);
        assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0), "{bad:?}");
    }
}

#[test]
fn every_address_serves_everything() {
    let directory = installed("", "registry: {url: \"http://127.0.0.1:1\"}\n");
    let text = fs::read_to_string(config_of(directory.path())).unwrap();
    let two = text.replace("addr: \"127.0.0.1:0\"", "addr: [\"127.0.0.1:0\", \"[::1]:0\"]");
    fs::write(config_of(directory.path()), two).unwrap();
    let (_process, ready) = serve(directory.path(), &[]);
    assert!(ready.ends_with("; registry http://127.0.0.1:1; 1 user, 1 rule"), "{ready}");
    let addresses: Vec<&str> =
        ready.split("http://").skip(1).take(2).map(|a| a.split([',', ';']).next().unwrap()).collect();
    for address in addresses {
        assert_eq!(status(address, &raw::request("GET", "/v2/", "")), 401, "{address}");
        assert_eq!(status(address, &raw::request("GET", "/auth", "")), 401, "{address}");
    }
}

#[test]
fn a_port_that_is_taken_is_named_with_what_to_do() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let directory = installed("", "");
    let output = run(&["serve", "--config", &config_of(directory.path()), "--listen", &address]);
    assert_eq!(output.status, Some(1));
    assert!(output.stderr.contains(&format!("cannot listen on {address}")), "{}", output.stderr);
    assert!(output.stderr.contains("ss -ltnp"), "{}", output.stderr);
}

#[test]
fn unix_sockets_on_both_sides() {
    let directory = installed("", "");
    let (theirs, ours) = (directory.path().join("registry.sock"), directory.path().join("portwarden.sock"));
    let settings = format!(
        "version: 0.1\nstorage: {{filesystem: {{rootdirectory: {}}}}}\nhttp: {{net: unix, addr: {}}}\n",
        directory.path().join("store").display(),
        theirs.display()
    );
    fs::write(directory.path().join("registry.yml"), settings).unwrap();
    let file = directory.path().join("registry.yml").display().to_string();
    let mut registry =
        Process::start("docker-registry", &["serve", &file], &[], &directory.path().join("registry.log"));
    registry.wait_for_log(0, "listening on");
    let listen = format!("unix:{}", ours.display());
    let upstream = format!("unix:{}", theirs.display());
    let (_process, ready) = serve(directory.path(), &["--listen", &listen, "--registry", &upstream]);
    assert!(ready.contains(&listen) && ready.contains(&upstream), "{ready}");
    let mut stream = UnixStream::connect(&ours).unwrap();
    let admin = "Authorization: Basic YWRtaW46YmFkbWlu\r\n";
    stream.write_all(&raw::request("GET", "/v2/_catalog", admin)).unwrap();
    let answer = raw::read_response(&mut stream).unwrap();
    assert_eq!((answer.status, answer.text().trim()), (200, r#"{"repositories":[]}"#));
}

#[test]
fn tls_1_2_and_1_3_with_both_protocols_and_every_form_of_key() {
    let registry = registry();
    let mut portwarden = portwarden(&registry).start();
    for (version, alpn) in [
        ("--tlsv1.2", "--http1.1"),
        ("--tlsv1.2", "--http2"),
        ("--tlsv1.3", "--http1.1"),
        ("--tlsv1.3", "--http2"),
    ] {
        let options = [version, "--tls-max", &version[6..], alpn];
        curl(&portwarden).option(&options).user(ADMIN).get("/v2/").is(200);
    }
    let refused = curl(&portwarden).option(&["--tlsv1.0", "--tls-max", "1.1"]).send("GET", "/v2/");
    assert_eq!(refused.status, 0, "TLS 1.1 is not spoken");
    assert!(portwarden.is_running());
    for (form, arguments) in [
        ("RSA PRIVATE KEY", &["genrsa", "-traditional", "2048"][..]),
        ("PRIVATE KEY", &["genpkey", "-algorithm", "RSA"]),
        ("EC PRIVATE KEY", &["ecparam", "-name", "prime256v1", "-genkey", "-noout"]),
        ("EC PRIVATE KEY", &["ecparam", "-name", "secp384r1", "-genkey", "-noout"]),
        ("PRIVATE KEY", &["genpkey", "-algorithm", "ed25519"]),
    ] {
        let directory = installed(", certificate: tls.crt, key: tls.key", "");
        let key = command::run("openssl", arguments, &[]).succeeds().stdout;
        assert!(key.contains(&format!("-----BEGIN {form}")), "{key}");
        fs::write(directory.path().join("tls.key"), key).unwrap();
        let file = |name: &str| directory.path().join(name).display().to_string();
        let subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2"];
        let (key, certificate) = (file("tls.key"), file("tls.crt"));
        let sign: Vec<&str> =
            ["req", "-x509", "-new", "-key", &key, "-out", &certificate].into_iter().chain(subject).collect();
        command::run("openssl", &sign, &[]).succeeds();
        let (_process, ready) = serve(directory.path(), &[]);
        let url = format!("https://127.0.0.1:{}", port_after(&ready, "listening on"));
        curl_at(&url).option(&["--cacert", &certificate]).get("/v2/").is(401);
    }
}

#[test]
fn tls_min_version_and_hsts_are_docker_auths() {
    let directory = installed(", certificate: tls.crt, key: tls.key, tls_min_version: TLS13, hsts: true", "");
    fs::write(directory.path().join("ca.crt"), pki::authority().pem()).unwrap();
    let (_process, ready) = serve(directory.path(), &[]);
    let url = format!("https://127.0.0.1:{}", port_after(&ready, "listening on"));
    let trust = directory.path().join("ca.crt").display().to_string();
    let answer = curl_at(&url).option(&["--cacert", &trust]).get("/v2/").is(401);
    assert_eq!(answer.header("strict-transport-security"), Some("max-age=63072000; includeSubDomains"));
    let refused = curl_at(&url).option(&["--cacert", &trust, "--tls-max", "1.2"]).send("GET", "/v2/");
    assert_eq!(refused.status, 0);
}

/// A server with TLS and a port that redirects to it: the process, its directory, the port of TLS and the other
/// address.
fn redirecting(server: &str, rest: &str) -> (Process, tempfile::TempDir, u16, SocketAddr) {
    let tls = ", certificate: tls.crt, key: tls.key, redirect_addr: \"127.0.0.1:0\"";
    let directory = installed(&format!("{tls}{server}"), rest);
    let (process, ready) = serve(directory.path(), &[]);
    let plain = SocketAddr::from(([127, 0, 0, 1], port_after(&ready, "redirecting")));
    (process, directory, port_after(&ready, "listening on"), plain)
}

/// The only response on a connection to `address`, which ends with it.
fn only_response(address: SocketAddr, request: &str) -> raw::Response {
    let mut stream = raw::connect(address);
    stream.write_all(request.as_bytes()).unwrap();
    let answer = raw::read_response(&mut stream).expect("an answer");
    assert_eq!(answer.header("connection"), Some("close"), "{request}: {answer:?}");
    assert_eq!(stream.read(&mut [0; 1]).unwrap(), 0, "{request}: the connection ends");
    answer
}

#[test]
fn a_port_of_plain_http_redirects_browsers_to_https() {
    let (_process, directory, tls, plain) = redirecting(", hsts: true", "");
    let url = format!("http://{plain}");
    for answer in
        [curl_at(&url).get("/team/app:1?a=b%0d%0aX:c"), curl_at(&url).head("/team/app:1?a=b%0d%0aX:c")]
    {
        let answer = answer.is(308);
        let location = format!("https://127.0.0.1:{tls}/team/app:1?a=b%0d%0aX:c");
        assert_eq!(answer.header("location"), Some(location.as_str()));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        // RFC 6797 section 7.2.
        assert_eq!(answer.header("strict-transport-security"), None);
        assert_eq!(answer.header("x"), None);
    }
    let trust = directory.path().join("ca.crt");
    fs::write(&trust, pki::authority().pem()).unwrap();
    let page = curl_at(&url).option(&["--location", "--cacert", trust.to_str().unwrap()]).get("/").is(200);
    assert!(page.header("strict-transport-security").is_some(), "over TLS: {page:?}");
    for (host, named) in [
        ("registry.example", "registry.example"),
        ("registry.example:8080", "registry.example"),
        ("[2001:db8::1]:80", "[2001:db8::1]"),
    ] {
        let answer = only_response(plain, &format!("GET //evil.example/a HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        let location = format!("https://{named}:{tls}//evil.example/a");
        assert_eq!((answer.status, answer.header("location")), (308, Some(location.as_str())));
    }
}

#[test]
fn a_port_that_redirects_refuses_clients_of_the_registry() {
    let (_process, _directory, tls, plain) = redirecting(", path_prefix: /pre", "");
    let refused = |request: &str| {
        let answer = only_response(plain, request);
        assert_eq!((answer.status, answer.header("location")), (400, None), "{request}: {answer:?}");
        answer.text()
    };
    for (method, target, header) in [
        ("GET", "/v2/", ""),
        ("GET", "/v2", ""),
        ("HEAD", "/v2/team/app/manifests/1", "Accept: text/html\r\n"),
        ("GET", "/pre/auth?service=a&scope=b", ""),
        ("GET", "/pre/auth/token", "Accept: text/html\r\n"),
        ("GET", "/", "Authorization: Basic YTpi\r\n"),
        ("GET", "/", "authorization:\r\n"),
        ("POST", "/-/sign-in", "Content-Length: 3\r\n"),
        ("PUT", "/", "Content-Length: 100000\r\nExpect: 100-continue\r\n"),
        ("OPTIONS", "/", ""),
    ] {
        let text = refused(&format!("{method} {target} HTTP/1.1\r\nHost: a\r\n{header}\r\n"));
        let json = text.is_empty() || text.contains(r#"{"errors":[{"code":"#);
        assert!(json && (method == "HEAD" || text.contains("use https://")), "{method} {target}: {text}");
    }
    for head in [
        "GET http://evil.example/ HTTP/1.1\r\nHost: a\r\n",
        "GET https://evil.example/ HTTP/1.1\r\nHost: evil.example\r\n",
        "GET * HTTP/1.1\r\nHost: a\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: a\r\n",
        "CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example:443\r\n",
        "GET / HTTP/1.1\r\n",
        "GET / HTTP/1.0\r\n",
        "GET / HTTP/1.1\r\nHost:\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n",
        "GET / HTTP/1.1\r\nHost: a, b\r\n",
        "GET / HTTP/1.1\r\nHost: a@evil.example\r\n",
        "GET / HTTP/1.1\r\nHost: evil.example/a\r\n",
        "GET / HTTP/1.1\r\nHost: evil.example?\r\n",
        "GET / HTTP/1.1\r\nHost: evil.example#\r\n",
        "GET / HTTP/1.1\r\nHost: a\\evil.example\r\n",
        "GET /# HTTP/1.1\r\nHost: a\r\n",
    ] {
        refused(&format!("{head}\r\n"));
    }
    // Below the prefix and elsewhere, what is neither the registry's nor a token's.
    for target in ["/auth", "/v2x/app", "/pre/team/app", "/pre/auth/"] {
        let answer = only_response(plain, &format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n"));
        assert_eq!(answer.header("location"), Some(format!("https://a:{tls}{target}").as_str()));
    }
}

#[test]
fn rule_35_a_port_that_redirects_has_the_limits_of_the_others() {
    let limits = "limits: {connections_per_address: 8, header_timeout: 1s, header_bytes: 8192}\n";
    let (_process, _directory, tls, plain) = redirecting("", limits);
    let large = format!("GET / HTTP/1.1\r\nHost: a\r\nA: {}\r\n\r\n", "x".repeat(9000));
    assert_eq!(only_response(plain, &large).status, 431);
    // Those of one address are counted together, wherever it connects.
    let _held: Vec<TcpStream> =
        (0..8).map(|_| raw::connect(SocketAddr::from(([127, 0, 0, 1], tls)))).collect();
    let request = raw::request("GET", "/", "");
    let status = || raw::exchange(plain, &request).map(|answer| answer.status);
    assert!(eventually(PATIENCE, || status() == Some(429)), "refused in plain HTTP");
    let mut slow = raw::connect_from([127, 0, 0, 2].into(), plain);
    slow.write_all(b"GET / HTTP/1.1\r\nHost").unwrap();
    let mut rest = Vec::new();
    slow.read_to_end(&mut rest).unwrap();
    assert!(rest.is_empty(), "a head that does not come is not waited for: {rest:?}");
}

#[test]
fn a_port_that_redirects_changes_with_a_restart() {
    let (mut process, directory, _, plain) = redirecting("", "");
    let config = config_of(directory.path());
    let text = fs::read_to_string(&config).unwrap();
    let from = process.log().len();
    fs::write(&config, text.replace(", redirect_addr: \"127.0.0.1:0\"", ", path_prefix: /pre")).unwrap();
    process.wait_for_log(
        from,
        "server.redirect_addr and the limits on password checks change with a restart only",
    );
    process.wait_for_log(from, "reloaded");
    let request = |target: &str| format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(only_response(plain, &request("/")).status, 308, "it goes on");
    assert_eq!(only_response(plain, &request("/pre/auth")).status, 400, "by the rules of now");
    assert_eq!(only_response(plain, &request("/auth")).status, 308);
}

#[test]
fn plain_http_is_warned_of_unless_it_is_local() {
    let directory = installed("", "");
    let (process, _) = serve(directory.path(), &[]);
    assert!(!process.log().contains("plain HTTP"), "{}", process.log());
    let directory = installed("", "");
    let (process, _) = serve(directory.path(), &["--listen", "0.0.0.0:0"]);
    process.says("plain HTTP: passwords and tokens can be read on the way");
}

const TARGET: &str = "/v2/team/app/tags/list";

#[test]
fn a_reload_reaches_open_connections_and_a_bad_one_changes_nothing() {
    let registry = registry();
    let mut portwarden = portwarden(&registry).start();
    let may = |portwarden: &Portwarden| curl(portwarden).user(TEST).get(TARGET).status == 404;
    assert!(!may(&portwarden));
    portwarden.reload(|builder| builder.acl("  - {match: {account: test}, actions: [pull]}"));
    assert!(may(&portwarden));
    for bad in
        ["  - {match: {acount: test}, actions: ['*']}", "  - {match: {name: 'a['}, actions: ['*']}", "  - ["]
    {
        let line = portwarden.try_reload(|builder| builder.acl(bad));
        assert!(line.contains("not reloaded, the old configuration stays in force"), "{line}");
        portwarden.says("portwarden.yml:");
        assert!(may(&portwarden), "the old policy stays");
        assert_eq!(curl(&portwarden).user(USER).get(TARGET).status, 401, "rule 21: nothing opens");
    }
    portwarden.reload(|builder| builder.acl("  []"));
    assert!(!may(&portwarden));
}

#[test]
fn an_open_connection_sees_the_new_policy() {
    let directory = installed("", "registry: {url: \"http://127.0.0.1:1\"}\n");
    let (mut process, ready) = serve(directory.path(), &[]);
    let address: SocketAddr = format!("127.0.0.1:{}", port_after(&ready, "listening on")).parse().unwrap();
    let mut stream = raw::connect(address);
    let request = raw::latin1(
        "GET /v2/a/tags/list HTTP/1.1\r\nHost: a\r\nAuthorization: Basic YWRtaW46YmFkbWlu\r\n\r\n",
    );
    let mut ask = || {
        stream.write_all(&request).unwrap();
        raw::read_response(&mut stream).expect("the connection stays open").status
    };
    assert_eq!(ask(), 503, "allowed, and the registry is down");
    let config = config_of(directory.path());
    let text = fs::read_to_string(&config).unwrap();
    let from = process.log().len();
    fs::write(&config, text.replace("['*']", "[]")).unwrap();
    let line = process.wait_for_log(from, "reloaded");
    assert!(line.contains("a changed file"), "without a signal: {line}");
    assert_eq!(ask(), 401);
}

#[test]
fn a_swapped_symlink_reloads() {
    let directory = installed("", "registry: {url: \"http://127.0.0.1:1\"}\n");
    let text = fs::read_to_string(config_of(directory.path())).unwrap();
    let version = |name: &str, text: &str| -> PathBuf {
        let place = directory.path().join(name);
        fs::create_dir(&place).unwrap();
        fs::write(place.join("auth_config.yml"), text).unwrap();
        for file in ["tls.crt", "tls.key"] {
            fs::copy(directory.path().join(file), place.join(file)).unwrap();
        }
        place
    };
    let (old, new) = (version("v1", &text), version("v2", &text.replace("['*']", "[]")));
    let current = directory.path().join("current");
    symlink(old, &current).unwrap();
    let config = config_of(&current);
    let arguments = ["serve", "--config", &config];
    let mut process = Process::start(PROGRAM, &arguments, &[], &directory.path().join("log"));
    let ready = process.wait_for_log(0, "listening on");
    let address = format!("127.0.0.1:{}", port_after(&ready, "listening on"));
    let request = raw::request("GET", "/v2/a/tags/list", "Authorization: Basic YWRtaW46YmFkbWlu\r\n");
    assert_eq!(status(&address, &request), 503);
    let from = process.log().len();
    symlink(new, directory.path().join("next")).unwrap();
    fs::rename(directory.path().join("next"), &current).unwrap();
    process.wait_for_log(from, "reloaded");
    assert_eq!(status(&address, &request), 401);
}

/// The first of the two versions ends between two lines: without the last condition of its rule it admits every
/// account.
#[test]
fn rule_38_a_file_that_lost_its_end_marker_is_not_put_in_force() {
    let directory = installed("", "registry: {url: \"http://127.0.0.1:1\"}\n...\n");
    let config = config_of(directory.path());
    let rule = "acl:\n- actions: ['*']\n  match:\n    account: admin\n    ip: 192.0.2.1\n";
    let closed =
        fs::read_to_string(&config).unwrap().replace("acl: ", "x-acl: ").replace("...\n", rule) + "...\n";
    fs::write(&config, &closed).unwrap();
    let (mut process, ready) = serve(directory.path(), &[]);
    let address = format!("127.0.0.1:{}", port_after(&ready, "listening on"));
    let request = raw::request("GET", "/v2/a/tags/list", "Authorization: Basic YWRtaW46YmFkbWlu\r\n");
    assert_eq!(status(&address, &request), 401);
    for cut in ["    ip: 192.0.2.1\n...\n", "...\n"] {
        let from = process.log().len();
        let short = closed.strip_suffix(cut).unwrap();
        fs::write(&config, short).unwrap();
        process.signal("HUP");
        let line = process.wait_for_log(from, "not reloaded, the old configuration stays in force");
        assert!(
            line.contains(&format!("{config}: the file may be cut short: the version in force ends with")),
            "{line}"
        );
        assert!(line.contains("`...` as its last line; to go on without the marker, restart"), "{line}");
        assert_eq!(status(&address, &request), 401, "{short}");
    }
    let from = process.log().len();
    fs::write(&config, closed.replace("    ip: 192.0.2.1\n", "")).unwrap();
    process.wait_for_log(from, "reloaded: ");
    assert_eq!(
        status(&address, &request),
        503,
        "the whole file is in force: allowed, and the registry is down"
    );
}

#[test]
fn a_new_certificate_serves_new_connections() {
    let directory = installed(", certificate: tls.crt, key: tls.key", "");
    let trust = |authority: &Authority, name: &str| {
        let path = directory.path().join(name);
        fs::write(&path, authority.pem()).unwrap();
        path.display().to_string()
    };
    let next = Authority::new("The next one");
    let (old, new) = (trust(pki::authority(), "old.crt"), trust(&next, "new.crt"));
    let (mut process, ready) = serve(directory.path(), &[]);
    let url = format!("https://127.0.0.1:{}", port_after(&ready, "listening on"));
    let status = |trust: &str| curl_at(&url).option(&["--cacert", trust]).send("GET", "/v2/").status;
    assert_eq!((status(&old), status(&new)), (401, 0));
    let from = process.log().len();
    next.write_server_certificate(directory.path());
    process.wait_for_log(from, "reloaded");
    assert_eq!((status(&old), status(&new)), (0, 401));
}

#[test]
fn a_reload_does_not_turn_tls_off() {
    let directory = installed(", certificate: tls.crt, key: tls.key", "");
    let (mut process, ready) = serve(directory.path(), &[]);
    let config = config_of(directory.path());
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, text.replacen(", certificate: tls.crt, key: tls.key", "", 1)).unwrap();
    process.wait_for_log(
        0,
        "not reloaded, the old configuration stays in force: TLS cannot be turned on or off by a reload",
    );
    let url = format!("https://127.0.0.1:{}", port_after(&ready, "listening on"));
    assert_eq!(curl_at(&url).option(&["-k"]).get("/v2/").status, 401);
}

#[test]
fn a_log_that_nobody_reads_stops_nothing() {
    let directory = installed("", "registry: {url: \"http://127.0.0.1:1\"}\n");
    let config = config_of(directory.path());
    let mut command = Command::new(PROGRAM);
    command.args(["serve", "--config", &config]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut ready = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(child.stdout.take().unwrap()), &mut ready)
        .unwrap();
    let address: SocketAddr = format!("127.0.0.1:{}", port_after(&ready, "listening on")).parse().unwrap();
    let denied = raw::latin1(
        "GET /v2/a/tags/list HTTP/1.1\r\nHost: a\r\nAuthorization: Basic YWRtaW46YmFkbWlu\r\n\r\n",
    );
    let mut stream = raw::connect(address);
    for n in 0..2000 {
        stream.write_all(&denied).unwrap();
        assert_eq!(raw::read_response(&mut stream).map(|answer| answer.status), Some(503), "request {n}");
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn sigterm_ends_idle_connections_and_exits_with_0() {
    let directory = installed("", "");
    let (mut process, ready) = serve(directory.path(), &[]);
    let address: SocketAddr = format!("127.0.0.1:{}", port_after(&ready, "listening on")).parse().unwrap();
    let mut idle = raw::connect(address);
    idle.write_all(b"GET /v2/ HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    assert_eq!(raw::read_response(&mut idle).unwrap().status, 401);
    process.signal("TERM");
    let mut rest = Vec::new();
    assert_eq!(idle.read_to_end(&mut rest).unwrap_or(0), 0, "closed without a byte");
    let gone = eventually(PATIENCE, || TcpStream::connect(address).is_err());
    assert!(gone, "it still accepts");
    assert_eq!(process.stop().expect("an exit").code(), Some(0));
}

#[test]
fn paused_downloads_are_whole_after_sigterm() {
    const SIZE: usize = 8 << 20;
    let sink = raw::sink(&format!("HTTP/1.1 200 OK\r\nContent-Length: {SIZE}\r\n\r\n{}", "x".repeat(SIZE)));
    let directory =
        installed("", &format!("limits: {{drain_timeout: 60s}}\nregistry: {{url: \"{}\"}}\n", sink.url()));
    let (mut process, ready) = serve(directory.path(), &[]);
    let address: SocketAddr = format!("127.0.0.1:{}", port_after(&ready, "listening on")).parse().unwrap();
    // Each stops reading elsewhere, so that for some the rest is in a buffer of Portwarden and for some in one of the
    // system.
    let mut paused: Vec<(TcpStream, usize)> = (0..24)
        .map(|n| {
            let mut stream = raw::connect(address);
            let request =
                raw::request("GET", "/v2/a/blobs/sha256:ab", "Authorization: Basic YWRtaW46YmFkbWlu\r\n");
            stream.write_all(&request).unwrap();
            let mut read = vec![0; 1 + n * (SIZE / 24)];
            stream.read_exact(&mut read).unwrap();
            (stream, read.len())
        })
        .collect();
    process.signal("TERM");
    let gone = eventually(PATIENCE, || TcpStream::connect(address).is_err());
    assert!(gone, "it still accepts");
    crate::support::process::pause(Duration::from_secs(3));
    for (n, (stream, read)) in paused.iter_mut().enumerate() {
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).unwrap_or_else(|error| panic!("{n}: {error}"));
        assert!(*read + rest.len() > SIZE, "{n}: {} of {SIZE} bytes and the head", *read + rest.len());
    }
    assert_eq!(process.stop().expect("an exit").code(), Some(0));
}

/// A Portwarden with that `drain_timeout`, and a request that its registry never answers.
fn with_a_stuck_transfer(drain_timeout: &str) -> (Process, TcpStream, tempfile::TempDir) {
    let sink = raw::sink("");
    let rest = format!("limits: {{drain_timeout: {drain_timeout}}}\nregistry: {{url: \"{}\"}}\n", sink.url());
    let directory = installed("", &rest);
    let (process, ready) = serve(directory.path(), &[]);
    let address: SocketAddr = format!("127.0.0.1:{}", port_after(&ready, "listening on")).parse().unwrap();
    let mut waiting = raw::connect(address);
    let request = raw::request("GET", "/v2/a/manifests/latest", "Authorization: Basic YWRtaW46YmFkbWlu\r\n");
    waiting.write_all(&request).unwrap();
    // Not the question of the start, whether a registry answers.
    let has_come = || sink.take().iter().any(|head| head.contains("/v2/a/manifests/latest"));
    assert!(eventually(PATIENCE, has_come), "the request is under way");
    (process, waiting, directory)
}

#[test]
fn a_second_sigterm_does_not_wait() {
    let (mut process, _waiting, _directory) = with_a_stuck_transfer("10m");
    process.signal("TERM");
    process.wait_for_log(0, "stopping: no new connections");
    assert!(process.is_running());
    assert_eq!(process.stop().expect("it ends by itself").code(), Some(0));
    process.says("second signal to stop");
}

#[test]
fn a_certificate_may_come_after_the_configuration_that_names_it() {
    let directory = installed(", certificate: tls.crt, key: tls.key", "");
    let (mut process, ready) = serve(directory.path(), &[]);
    let config = config_of(directory.path());
    let text = fs::read_to_string(&config).unwrap();
    fs::write(
        &config,
        text.replacen(
            "certificate: tls.crt, key: tls.key",
            "certificate: next/tls.crt, key: next/tls.key",
            1,
        ),
    )
    .unwrap();
    process.wait_for_log(0, "not reloaded, the old configuration stays in force");
    let from = process.log().len();
    crate::support::process::pause(Duration::from_secs(3));
    assert!(!process.log()[from..].contains("reloaded"), "said once, not every second: {}", process.log());
    let next = Authority::new("The next one");
    fs::create_dir(directory.path().join("next")).unwrap();
    next.write_server_certificate(&directory.path().join("next"));
    process.wait_for_log(from, "reloaded: 1 user, 1 rule");
    let trust = directory.path().join("next.crt");
    fs::write(&trust, next.pem()).unwrap();
    let url = format!("https://127.0.0.1:{}", port_after(&ready, "listening on"));
    curl_at(&url).option(&["--cacert", trust.to_str().unwrap()]).get("/v2/").is(401);
}

#[test]
fn a_transfer_that_does_not_end_is_cut_off_after_the_drain_timeout() {
    let (mut process, _waiting, _directory) = with_a_stuck_transfer("1s");
    assert_eq!(process.stop().expect("it ends by itself").code(), Some(0));
    process.says("some connections did not end within limits.drain_timeout");
}

#[test]
fn rule_16_no_secret_reaches_the_log() {
    let directory = installed("", "registry: {url: \"http://127.0.0.1:1\"}\nlog: {level: debug}\n");
    let config = config_of(directory.path());
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, text.replace("expiration: 900", "expiration: 900, refresh_tokens: true")).unwrap();
    let arguments = ["serve", "--config", config.as_str()];
    let mut process =
        Process::start(PROGRAM, &arguments, &[("RUST_LOG", "trace")], &directory.path().join("log"));
    let ready = process.wait_for_log(0, "listening on");
    let address: SocketAddr = format!("127.0.0.1:{}", port_after(&ready, "listening on")).parse().unwrap();
    let ask =
        |target: &str, headers: &str| raw::exchange(address, &raw::request("GET", target, headers)).unwrap();
    let answer = ask(
        "/auth?service=Docker+registry&offline_token=true&scope=repository:a:pull",
        "Authorization: Basic YWRtaW46YmFkbWlu\r\n",
    );
    let answer: serde_json::Value = serde_json::from_str(&answer.text()).unwrap();
    let (token, refresh) = (answer["token"].as_str().unwrap(), answer["refresh_token"].as_str().unwrap());
    for header in [
        format!("Authorization: Bearer {token}\r\n"),
        format!("Authorization: Bearer {refresh}\r\n"),
        "Authorization: Basic YWRtaW46c2VjcmV0LXdyb25nLXBhc3N3b3Jk\r\n".to_owned(),
        "Authorization: secret-nonsense\r\n".to_owned(),
    ] {
        ask("/v2/a/tags/list", &header);
        ask("/auth?password=secret-in-query", &header);
    }
    assert_eq!(process.stop().unwrap().code(), Some(0));
    let log = process.log();
    assert!(log.contains("refused"), "the log is at debug level: {log}");
    let signature = |token: &str| token.rsplit('.').next().unwrap().to_owned();
    for secret in
        ["badmin", "YWRtaW46", "secret", &signature(token), &signature(refresh), "$2y$", "PRIVATE KEY"]
    {
        assert!(!log.contains(secret), "{secret:?} is in the log:\n{log}");
    }
}

#[test]
fn rule_26_too_many_open_files_hold_up_and_do_not_end_the_server() {
    let directory = installed("", "");
    let config = config_of(directory.path());
    let arguments = ["--nofile=40", PROGRAM, "serve", "--config", &config];
    let mut process = Process::start("prlimit", &arguments, &[], &directory.path().join("log"));
    let ready = process.wait_for_log(0, "listening on");
    let address: SocketAddr = format!("127.0.0.1:{}", port_after(&ready, "listening on")).parse().unwrap();
    let held: Vec<TcpStream> = (0..60).map(|_| raw::connect(address)).collect();
    process.wait_for_log(0, "cannot accept a connection");
    drop(held);
    assert_eq!(raw::exchange(address, &raw::request("GET", "/v2/", "")).expect("it goes on").status, 401);
    assert!(process.is_running());
}

#[test]
fn a_registry_that_is_down_at_the_start_is_no_reason_not_to_start() {
    let registry = no_registry();
    let mut portwarden = portwarden_at(&registry).start();
    assert_eq!(curl(&portwarden).get("/v2/").status, 401);
    assert_eq!(curl(&portwarden).user(ADMIN).get("/v2/").status, 503);
    let named = || {
        portwarden
            .log()
            .lines()
            .any(|line| line.contains("no answer from the registry") && line.contains(&registry))
    };
    assert!(eventually(PATIENCE, named), "the log names the registry: {}", portwarden.log());
    assert_eq!(portwarden.stop().expect("an exit").code(), Some(0));
}
