//! Portwarden as a service: the units are valid and tight, and the program speaks systemd's protocols.
//!
//! systemd itself is played by the tests: a datagram socket for notifications (sd_notify(3)), and
//! `systemd-socket-activate` for sockets that are handed over (sd_listen_fds(3)).
//!
//! Needs: systemd.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    os::unix::net::UnixDatagram,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::Instant,
};

use tempfile::TempDir;

use crate::support::{programs, waiting::PATIENCE};

const PROGRAM: &str = env!("CARGO_BIN_EXE_portwarden");

/// All that the package has.
const UNITS: [&str; 4] =
    ["portwarden.service", "portwarden.socket", "portwarden-prune.service", "portwarden-prune.timer"];

#[test]
fn the_units_are_valid() {
    let units = units_for_this_machine();
    let checked = run("systemd-analyze", |command| {
        command
            // The manual is the package's, and not installed here.
            .args(["verify", "--man=no"])
            .args(UNITS.map(|unit| units.path().join(unit)))
    });
    let complaints = String::from_utf8_lossy(&checked.stderr).into_owned();
    // systemd before 253 says this; the unit is written for it as well.
    let unexpected: Vec<&str> =
        complaints.lines().filter(|line| !line.ends_with("ignoring: notify-reload")).collect();
    assert!(checked.status.success() && unexpected.is_empty(), "{}", unexpected.join("\n"));
}

#[test]
fn the_services_are_hardened() {
    for name in ["portwarden.service", "portwarden-prune.service"] {
        let checked = run("systemd-analyze", |command| {
            command.args(["security", "--offline=true", "--threshold=20", "--no-pager"]).arg(unit(name))
        });
        let table = String::from_utf8_lossy(&checked.stdout).into_owned();
        assert!(checked.status.success(), "{name} is exposed by more than 2.0:\n{table}");
    }
}

#[test]
fn the_service_has_one_privilege() {
    let text = fs::read_to_string(unit("portwarden.service")).unwrap();
    for key in ["AmbientCapabilities", "CapabilityBoundingSet"] {
        assert_eq!(values(&text, key), ["CAP_NET_BIND_SERVICE"], "{key}");
    }
    for (key, value) in
        [("User", "portwarden"), ("NoNewPrivileges", "yes"), ("MemoryDenyWriteExecute", "yes")]
    {
        assert_eq!(values(&text, key), [value], "{key}");
    }
}

#[test]
fn systemd_is_told_of_readiness_reloads_the_watchdog_and_the_end() {
    let mut service = Service::start();
    service.expect("READY=1");
    service.expect("WATCHDOG=1");
    service.expect("WATCHDOG=1");

    service.signal("HUP");
    let first = monotonic_microseconds(&service.expect("RELOADING=1"));
    service.expect("READY=1");
    assert!(first > 0 && first <= uptime_microseconds(), "{first} is not on the monotonic clock");

    fs::write(service.configuration(), "server: {}\n").unwrap();
    service.signal("HUP");
    let second = monotonic_microseconds(&service.expect("RELOADING=1"));
    service.expect("READY=1");
    assert!(second > first, "each reload has a time of its own: {first}, then {second}");
    service.expect("WATCHDOG=1");

    service.signal("TERM");
    service.expect("STOPPING=1");
    assert_eq!(service.child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_socket_that_systemd_holds_is_taken_over() {
    let files = configuration("192.0.2.1:1"); // No program can listen there.
    let text = fs::read_to_string(unit("portwarden.service")).unwrap();
    let started = values(&text, "ExecStart").join(" ");
    let arguments = started.split(' ').skip(1).map(|argument| match argument {
        "/etc/portwarden/auth_config.yml" => files.path().join("auth_config.yml").display().to_string(),
        other => other.to_owned(),
    });
    let arguments: Vec<String> = arguments.collect();
    let (mut activated, address) = activated(&arguments);

    let answer = get(&address.to_string(), "/v2/");
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
    assert!(
        answer.to_ascii_lowercase().contains("docker-distribution-api-version: registry/2.0"),
        "{answer}"
    );
    let mut said = BufReader::new(activated.0.stdout.take().unwrap());
    wait_for_line(&mut said, &format!("listening on http://{address};"));
}

/// The program behind a socket of `systemd-socket-activate`, and its address. That needs the number of a port, which
/// another program may take before it listens; then another port is tried.
fn activated(arguments: &[String]) -> (Ended, SocketAddr) {
    loop {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut command = programs::command("systemd-socket-activate");
        command.arg(format!("--listen={address}")).arg(PROGRAM).args(arguments);
        let mut activated = Ended(spawn(command.stdout(Stdio::piped()).stderr(Stdio::piped())));
        let mut told = BufReader::new(activated.0.stderr.take().unwrap());
        let mut said = String::new();
        while told.read_line(&mut said).unwrap() > 0 {
            if said.contains("Listening on") {
                // Read on, so that it never writes into a pipe without a reader.
                std::thread::spawn(move || std::io::copy(&mut told, &mut std::io::sink()));
                return (activated, address);
            }
        }
        assert!(said.contains("Address already in use"), "it does not listen: {said}");
    }
}

/// Portwarden, started as systemd starts a service, and the socket on which systemd hears it.
struct Service {
    child: Child,
    heard: UnixDatagram,
    files: TempDir,
}

impl Service {
    fn start() -> Self {
        let files = configuration("127.0.0.1:0");
        let socket = files.path().join("notify");
        let heard = UnixDatagram::bind(&socket).unwrap();
        heard.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut command = Command::new(PROGRAM);
        command.args(["serve", "--config"]).arg(files.path().join("auth_config.yml"));
        command.env("NOTIFY_SOCKET", &socket).env("WATCHDOG_USEC", "400000").env_remove("WATCHDOG_PID");
        let child = spawn(command.stdout(Stdio::null()).stderr(Stdio::null()));
        Self { child, heard, files }
    }

    fn configuration(&self) -> PathBuf {
        self.files.path().join("auth_config.yml")
    }

    fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(run("kill", |command| command.args(["-s", name, &id])).status.success());
    }

    /// The next message with `line` in it. In between, only the watchdog may be fed.
    fn expect(&self, line: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            let message = self.hear();
            if message.lines().any(|said| said == line) {
                return message;
            }
            assert_eq!(message.trim(), "WATCHDOG=1", "while waiting for {line}");
        }
        panic!("systemd did not hear {line}");
    }

    fn hear(&self) -> String {
        let mut message = [0; 4096];
        match self.heard.recv(&mut message) {
            Ok(length) => String::from_utf8_lossy(message.get(..length).unwrap()).into_owned(),
            Err(error) => panic!("systemd heard nothing: {error}"),
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

/// A child that does not outlive the test.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        end(&mut self.0);
    }
}

fn end(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}

/// A configuration without TLS that listens on `address`, and the key that it signs with.
fn configuration(address: &str) -> TempDir {
    let files = tempfile::Builder::new().prefix("portwarden-service-").tempdir().unwrap();
    let pair = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    fs::write(files.path().join("token.crt"), pair.cert.pem()).unwrap();
    fs::write(files.path().join("token.key"), pair.signing_key.serialize_pem()).unwrap();
    let text = format!(
        "server: {{addr: \"{address}\"}}
token: {{issuer: test, expiration: 900, certificate: token.crt, key: token.key}}
users: {{}}
acl: []
"
    );
    fs::write(files.path().join("auth_config.yml"), text).unwrap();
    files
}

/// The units as shipped, but with the program where it is here.
fn units_for_this_machine() -> TempDir {
    let directory = tempfile::Builder::new().prefix("portwarden-units-").tempdir().unwrap();
    for name in UNITS {
        let text = fs::read_to_string(unit(name))
            .unwrap()
            .replace("ExecStart=portwarden ", &format!("ExecStart={PROGRAM} "));
        fs::write(directory.path().join(name), text).unwrap();
    }
    directory
}

fn unit(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd").join(name)
}

/// Returns the values of a key in a unit.
fn values<'a>(unit: &'a str, key: &str) -> Vec<&'a str> {
    unit.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix('=')).collect()
}

fn monotonic_microseconds(message: &str) -> u64 {
    let value = message.lines().find_map(|line| line.strip_prefix("MONOTONIC_USEC="));
    value.unwrap_or_else(|| panic!("no MONOTONIC_USEC in {message:?}")).parse().unwrap()
}

/// Since the machine was started; like the monotonic clock, or more where the machine has slept.
fn uptime_microseconds() -> u64 {
    let text = fs::read_to_string("/proc/uptime").unwrap();
    let (seconds, hundredths) = text.split(' ').next().unwrap().split_once('.').unwrap();
    // One hundredth more, because the file does not show what is less.
    seconds.parse::<u64>().unwrap() * 1_000_000 + (hundredths.parse::<u64>().unwrap() + 1) * 10_000
}

fn get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn wait_for_line(from: &mut impl BufRead, text: &str) {
    let mut all = String::new();
    while !all.contains(text) {
        assert_ne!(from.read_line(&mut all).unwrap(), 0, "ended without {text:?}:\n{all}");
    }
}

fn run(program: &str, arguments: impl FnOnce(&mut Command) -> &mut Command) -> Output {
    let mut command = programs::command(program);
    command.env("SYSTEMD_COLORS", "0").env("LC_ALL", "C.UTF-8");
    arguments(&mut command).output().unwrap()
}

fn spawn(command: &mut Command) -> Child {
    command.stdin(Stdio::null()).spawn().unwrap()
}
