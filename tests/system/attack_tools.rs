//! Attack tools against the built program with a real registry behind it: `testssl.sh`, `slowhttptest` and `h2load`.
//!
//! `make test` runs what is quick, `make attack` the rest as well. The tools judge for themselves, and pulls of our own
//! must succeed throughout.
//!
//! Needs: curl, docker-registry, h2load, htpasswd, openssl, slowhttptest, testssl.

use std::{
    fs,
    sync::{
        MutexGuard,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{
    command,
    curl::curl,
    distribution::push_blob,
    image::random_bytes,
    portwarden::{ADMIN, ANYBODY, Portwarden, portwarden},
    process::pause,
    programs,
    registry::{Registry, registry},
};

/// The tools know no tokens: any client may pull the blobs that they request.
const ACL: &str = r#"
  - match: {account: ""}
    actions: ["pull"]
  - match: {account: "admin"}
    actions: ["*"]
"#;

/// The server, the blobs to pull, and the folder for the tools' files.
struct Scene {
    portwarden: Portwarden,
    _registry: Registry,
    /// Paths of two blobs, of 4 MiB and of 3 kB.
    large: String,
    small: String,
    files: TempDir,
    /// Last: the others are gone by then.
    _alone: MutexGuard<'static, ()>,
}

fn scene() -> Scene {
    let alone = crate::heavy_load();
    let registry = registry();
    let portwarden = portwarden(&registry).users(&[ANYBODY, ADMIN]).acl(ACL).start();
    let admin = curl(&portwarden).user(ADMIN);
    let push = |length| format!("/v2/lib/blobs/{}", push_blob(&admin, "lib", &random_bytes(length)));
    let (large, small) = (push(4 << 20), push(3000));
    Scene {
        _alone: alone,
        portwarden,
        _registry: registry,
        large,
        small,
        files: tempfile::tempdir().unwrap(),
    }
}

/// Another address than that of the tools, which come from 127.0.0.1; 0.0.0.0 cannot be reached from it.
const FROM_ELSEWHERE: [&str; 4] = ["--interface", "127.0.0.2", "--connect-to", "::127.0.0.1:"];

impl Scene {
    fn url(&self, path: &str) -> String {
        self.host_url() + path
    }

    /// By loopback: the tools need no name that clients verify.
    fn host_url(&self) -> String {
        self.portwarden.url().replace("0.0.0.0", "127.0.0.1")
    }

    /// Runs a tool while small blobs are pulled from another address, which has a share of its own
    /// of everything; every pull must succeed.
    fn attacked_by(&self, program: &str, args: &[&str]) -> String {
        let over = AtomicBool::new(false);
        let (output, pulls) = thread::scope(|scope| {
            let pulls = scope.spawn(|| {
                let mut pulls = 0;
                while !over.load(Ordering::Relaxed) {
                    let pull = curl(&self.portwarden).user(ADMIN).option(&FROM_ELSEWHERE);
                    pull.get(&self.small).is(200);
                    pulls += 1;
                    pause(Duration::from_millis(100));
                }
                pulls
            });
            let output = command::run(program, args, &[("TERM", "dumb"), ("HOME", "/nonexistent")]);
            over.store(true, Ordering::Relaxed);
            (output, pulls.join().unwrap())
        });
        assert!(pulls > 0, "{pulls} pulls only during {}", output.line);
        println!("{pulls} pulls succeeded during {}", output.line);
        output.text()
    }
}

/// Findings of testssl.sh above LOW that are no weakness of Portwarden: the `id`, the text, and the reason.
const NO_WEAKNESS: &[(&str, &str, &str)] = &[
    ("engine_problem", "", "about the tool: its openssl speaks no GOST"),
    ("cert_revocation", "", "the authority of the tests revokes nothing: neither CRL nor OCSP"),
    ("cert_validityPeriod", "", "the certificate of the tests is one for ever, so that the clock may jump"),
    (
        "sessionresumption_ticket",
        "check failed because of connect problem",
        "about the tool: over TLS 1.3 its openssl hangs up before the ticket comes, more often than not, and then has nothing \
         to resume with; `openssl_resumes_its_session` waits for it",
    ),
];

/// Runs testssl.sh with these sections; nothing it finds may be worse than LOW.
fn testssl(sections: &[&str], least: usize) {
    let scene = scene();
    let json = scene.files.path().join("found.json").display().to_string();
    let authority = scene.portwarden.authority_file().display().to_string();
    let target = scene.host_url().replace("https://", "");
    let common = [
        "--quiet",
        "--color",
        "0",
        "--warnings",
        "off",
        "--ip",
        "one",
        "--add-ca",
        &authority,
        "--jsonfile",
        &json,
    ];
    let args: Vec<&str> = common.iter().chain(sections).copied().chain([target.as_str()]).collect();
    // The package installs it as `testssl`.
    let output = scene.attacked_by("testssl", &args);
    let found = fs::read_to_string(&json).unwrap_or_else(|error| panic!("{error}:\n{output}"));
    let found: Vec<Value> = serde_json::from_str(&found).unwrap_or_else(|error| panic!("{error}:\n{found}"));
    let text = |finding: &Value, name: &str| finding[name].as_str().unwrap().to_owned();
    let bad: Vec<String> = found
        .iter()
        .filter(|finding| !["OK", "INFO", "LOW"].contains(&&*text(finding, "severity")))
        .filter(|finding| {
            let is_it = |(id, words, _): &(&str, &str, &str)| {
                text(finding, "id") == *id && text(finding, "finding").contains(words)
            };
            !NO_WEAKNESS.iter().any(is_it)
        })
        .map(ToString::to_string)
        .collect();
    assert!(bad.is_empty(), "testssl.sh complains:\n{}", bad.join("\n"));
    let ids: Vec<String> = found.iter().map(|finding| text(finding, "id")).collect();
    println!("{} findings, none above LOW", ids.len());
    assert!(ids.len() >= least, "testssl.sh looked at {ids:?} only:\n{output}");
    for protocol in ["TLS1_2", "TLS1_3"] {
        assert!(ids.iter().any(|id| id == protocol), "{protocol} was not tried: {ids:?}");
    }
}

#[test]
fn testssl_finds_only_modern_protocols_and_our_order() {
    testssl(&["--protocols", "--server-preference"], 10);
}

#[test]
#[ignore = "takes minutes: make attack"]
fn testssl_finds_nothing_above_low() {
    testssl(&[], 60);
}

/// Each protocol by itself, with time for the ticket to come.
#[test]
fn openssl_resumes_its_session() {
    let scene = scene();
    programs::require("openssl");
    let address = scene.host_url().replace("https://", "");
    for protocol in ["-tls1_2", "-tls1_3"] {
        let session = scene.files.path().join(protocol).display().to_string();
        let shake_hands = |session: &[&str]| {
            let line =
                format!("sleep 1 | openssl s_client -connect {address} {protocol} {}", session.join(" "));
            command::run("sh", &["-c", &line], &[])
        };
        shake_hands(&["-sess_out", &session]).says("\nNew, ");
        shake_hands(&["-sess_in", &session]).says("\nReused, ");
    }
}

/// A mode of slowhttptest: `seconds` long, `connections` at once.
fn slowhttptest(mode: &[&str], connections: usize, seconds: usize, path: impl Fn(&Scene) -> &str) {
    let scene = scene();
    let (url, report) = (scene.url(path(&scene)), scene.files.path().join("report").display().to_string());
    let (count, length) = (connections.to_string(), seconds.to_string());
    let common = ["-c", &count, "-l", &length, "-r", "200", "-p", "10", "-u", &url, "-g", "-o", &report];
    let args: Vec<&str> = mode.iter().chain(&common).copied().collect();
    let output = scene.attacked_by("slowhttptest", &args);
    let table = fs::read_to_string(report + ".csv").unwrap_or_else(|error| panic!("{error}:\n{output}"));
    let rows: Vec<Vec<usize>> = table
        .lines()
        .skip(1)
        .map(|line| line.split(',').map(|number| number.parse().unwrap()).collect())
        .collect();
    // Seconds, closed, pending, connected, available: the last is 0 while the tool's own probe gets no answer.
    let down: Vec<&Vec<usize>> = rows.iter().filter(|row| row[4] == 0).collect();
    assert!(down.is_empty(), "not available: {down:?} of\n{table}\n{output}");
    let attacked = rows.iter().map(|row| row[1] + row[3]).max().unwrap_or_default();
    println!("{mode:?}: {} s, {attacked} connections, available throughout", rows.len());
    assert!(attacked >= connections / 2, "only {attacked} of {connections} connections came about:\n{table}");
    assert!(
        rows.len() + 2 >= seconds || output.contains("No open connections left"),
        "it ended early:\n{table}\n{output}"
    );
}

#[test]
fn rule_24_slow_heads_leave_the_service_available() {
    slowhttptest(&["-H", "-i", "3", "-x", "24"], 200, 8, |_| "/v2/");
}

#[test]
#[ignore = "takes long: make attack"]
fn slow_heads_leave_the_service_available_for_long() {
    slowhttptest(&["-H", "-i", "10", "-x", "24"], 800, 60, |_| "/v2/");
}

#[test]
#[ignore = "takes long: make attack"]
fn slow_posts_leave_the_service_available() {
    let mode = ["-B", "-i", "10", "-s", "8192", "-t", "POST", "-x", "10"];
    slowhttptest(&mode, 800, 60, |_| "/auth/token");
}

#[test]
#[ignore = "takes long: make attack"]
fn ranges_leave_the_service_available() {
    slowhttptest(&["-R", "-a", "10", "-b", "3000", "-t", "GET"], 800, 60, |scene| &scene.large);
}

#[test]
#[ignore = "takes long: make attack"]
fn slow_reading_leaves_the_service_available() {
    let mode = ["-X", "-w", "1", "-y", "512", "-n", "5", "-z", "32", "-k", "3"];
    slowhttptest(&mode, 800, 60, |scene| &scene.large);
}

/// The most that a hostile client may make the program use, in KiB.
const MOST_MEMORY: u64 = 400 << 10;

/// Runs h2load with these arguments; whatever becomes of its own requests, the process stays small and the service
/// available.
fn h2load(args: &[&str], path: impl Fn(&Scene) -> &str) {
    let scene = scene();
    let url = scene.url(path(&scene));
    let args: Vec<&str> = args.iter().copied().chain([url.as_str()]).collect();
    let output = scene.attacked_by("h2load", &args);
    let peak = scene.portwarden.peak_rss_kib();
    let done =
        output.lines().find(|line| line.starts_with("requests:")).unwrap_or_else(|| panic!("{output}"));
    println!("{peak} KiB at most; {done}");
    assert!(!done.contains(" 0 started"), "{output}");
    assert!(peak < MOST_MEMORY, "{peak} KiB resident at most; {done}");
}

#[test]
fn rule_25_tiny_windows_of_http2_leave_the_service_available() {
    let tiny = [
        "-c",
        "20",
        "-m",
        "100",
        "-n",
        "2000",
        "-w",
        "1",
        "-W",
        "1",
        "--header-table-size=0",
        "-T",
        "8",
        "-N",
        "8",
    ];
    h2load(&tiny, |scene| &scene.small);
}

#[test]
#[ignore = "takes long: make attack"]
fn tiny_windows_on_large_blobs_leave_the_service_available() {
    // By the clock: byte by byte, no number of large blobs would ever be done.
    let tiny = ["-c", "50", "-m", "100", "-D", "40", "-w", "1", "-W", "30", "-T", "60", "-N", "60"];
    h2load(&tiny, |scene| &scene.large);
}

#[test]
#[ignore = "takes long: make attack"]
fn more_streams_than_allowed_leave_the_service_available() {
    let many =
        ["-c", "100", "-m", "10000", "-D", "30", "--header-table-size=0", "--encoder-header-table-size=0"];
    h2load(&many, |_| "/v2/");
}

#[test]
#[ignore = "takes long: make attack"]
fn many_connections_leave_the_service_available() {
    h2load(&["-c", "800", "-m", "10", "-D", "30", "-w", "4", "-W", "4"], |scene| &scene.small);
}
