//! The audit log in a real journal: what strangers send fills it with a bounded number of lines, and loses none about
//! an account. Needs root, since journald is started in a mount namespace.
//!
//! Needs: htpasswd, root, systemd.

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    net::TcpStream,
    process::{Child, Command, Stdio},
    time::Duration,
};

use crate::support::{
    command,
    journal::{Journal, outputs, unit},
    pem,
    process::eventually,
};

const UNIT: &str = "portwarden.service";
/// More than the journals of these tests take without what the unit says.
const MANY: usize = 3000;

#[test]
fn rule_36_a_flood_of_strangers_hides_no_deletion_in_the_journal() {
    let journal = Journal::start(UNIT, &unit(UNIT));
    let service = Service::start(&journal);
    service.send(&"GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n".repeat(MANY), MANY);
    let unread = "DELETE /v2/a/manifests/1 HTTP/1.1\r\nHost: x\r\n\r\n";
    service.send(&unread.repeat(MANY), MANY);
    service.send(&as_admin("DELETE", "/v2/team/app/manifests/deleted"), 1);
    let line = journal.line_with("\"reference\":\"deleted\"");
    assert!(line.contains("\"account\":\"admin\"") && line.contains("\"method\":\"DELETE\""), "{line}");
    service.stop();
    let summary = journal.line_with("\"event\":\"summary\"");
    let summary: serde_json::Value = serde_json::from_str(&summary).unwrap();
    let all = journal.lines();
    let written = all.lines().filter(|line| line.contains("\"decision\":\"challenged\"")).count();
    assert!(written < 200, "{written} lines about strangers");
    assert_eq!(summary["lines"], 2 * MANY - written, "each is counted: {summary}");
    assert_eq!(summary["clients"][0]["network"], "127.0.0.1", "{summary}");
    assert_eq!(summary["writes"], MANY, "{summary}");
}

#[test]
fn rule_36_the_journal_keeps_each_line_about_an_account() {
    let journal = Journal::start(UNIT, &unit(UNIT));
    let service = Service::start(&journal);
    service.send(&as_admin("GET", "/v2/a/tags/list").repeat(MANY), MANY);
    let allowed = |all: &str| {
        let is_decision = |line: &&str| line.contains("\"event\":\"decision\"") && line.contains("\"admin\"");
        all.lines().filter(is_decision).count()
    };
    let kept = eventually(Duration::from_secs(30), || allowed(&journal.lines()) == MANY);
    assert!(kept, "{} of {MANY} lines", allowed(&journal.lines()));
}

/// A request with the password of the admin.
fn as_admin(method: &str, path: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Basic YWRtaW46YmFkbWlu\r\n\r\n")
}

/// Portwarden, as systemd starts it: its output goes to the journal. There is no registry behind it.
struct Service {
    child: Child,
    address: String,
    _files: tempfile::TempDir,
}

impl Service {
    fn start(journal: &Journal) -> Self {
        let files = tempfile::tempdir().unwrap();
        pem::write_pair(files.path());
        let hash = command::run("htpasswd", &["-nbB", "-C", "4", "admin", "badmin"], &[]).succeeds();
        let hash = hash.stdout.trim().split_once(':').unwrap().1.to_owned();
        let config = format!(
            "server: {{addr: '127.0.0.1:0'}}\n\
             token: {{issuer: i, expiration: 900, certificate: cert.pem, key: key.pem}}\n\
             registry: {{url: '{}'}}\n\
             users: {{admin: {{password: '{hash}'}}}}\nacl: [{{match: {{account: admin}}, actions: ['*']}}]\n",
            crate::support::misbehaving_registry::no_registry()
        );
        let file = files.path().join("auth_config.yml");
        fs::write(&file, config).unwrap();
        let (stdout, stderr) = outputs(journal, UNIT);
        let child = Command::new(env!("CARGO_BIN_EXE_portwarden"))
            .args(["serve", "--config"])
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(stdout)
            .stderr(stderr)
            .spawn()
            .unwrap();
        let ready = journal.line_with("listening on http://");
        let address = ready.split("http://").nth(1).unwrap().split([';', ',']).next().unwrap().to_owned();
        Self { child, address, _files: files }
    }

    /// Sends requests on one connection, and reads the head of as many answers.
    fn send(&self, requests: &str, answers: usize) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let read = stream.try_clone().unwrap();
        std::thread::scope(|scope| {
            let reader = scope.spawn(move || {
                let lines = BufReader::new(read).split(b'\n').map_while(Result::ok);
                lines
                    .filter(|line| {
                        line.starts_with(b"HTTP/1.1 ") || line.windows(9).any(|part| part == b"HTTP/1.1 ")
                    })
                    .take(answers)
                    .count()
            });
            stream.write_all(requests.as_bytes()).unwrap();
            assert_eq!(reader.join().unwrap(), answers);
        });
    }

    fn stop(mut self) {
        let id = self.child.id().to_string();
        command::run("kill", &["-s", "TERM", &id], &[]).succeeds();
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
