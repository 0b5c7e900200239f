//! Authorities that speak ACME: Let's Encrypt's pebble with its server of names, and step-ca. On loopback ports.

use std::{
    fs,
    io::{self, Read, Write},
    net::TcpListener,
    path::PathBuf,
    sync::Arc,
    thread,
};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose,
    date_time_ymd,
};
use rustls::{ServerConnection, StreamOwned};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{
    client::{Client, Protocol, run},
    collector::tls_with,
    curl::{Request, curl_at},
    pki, ports,
    portwarden::{Builder, Portwarden, portwarden},
    process::{PATIENCE, Process, eventually},
    programs,
    registry::Registry,
};

/// The name that the tests order a certificate for.
pub const HOST: &str = "registry.test";
/// The line of Portwarden's log when a certificate has come.
pub const DONE: &str = "a certificate of the authority is in use";
/// An account that pebble knows, and its key.
pub const EXTERNAL_ACCOUNT: (&str, &str) =
    ("kid-1", "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W");

/// A name server that gives the address of this machine for every name, unless a test changes that.
pub struct Names {
    port: u16,
    management: u16,
    directory: TempDir,
    _process: Process,
}

impl Names {
    /// Starts it.
    pub fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (port, management) = (ports::free_port(), ports::free_port());
        let program = programs::fetched("pebble/current/pebble-challtestsrv", "pebble");
        let arguments = [
            "-dnsserver",
            &format!("127.0.0.1:{port}"),
            "-management",
            &format!("127.0.0.1:{management}"),
            "-http01=",
            "-https01=",
            "-doh=",
            "-tlsalpn01=",
            "-defaultIPv6=",
        ];
        let log = directory.path().join("log");
        let process = Process::start(program.to_str().unwrap(), &arguments, &[], &log);
        process.says("Starting challenge servers");
        assert!(eventually(PATIENCE, || ports::listeners(port) == 1), "{}", process.log());
        Self { port, management, directory, _process: process }
    }

    /// Sends the name of the tests to another address of this machine.
    pub fn lead_to(&self, address: &str) {
        let body = json!({"host": format!("{HOST}."), "addresses": [address]}).to_string();
        let url = format!("http://127.0.0.1:{}", self.management);
        let post = |path: &str| curl_at(&url).body(body.as_bytes()).send("POST", path).status == 200;
        // Else it has both addresses.
        let is_up = || post("/clear-a") && post("/add-a");
        assert!(
            eventually(PATIENCE, is_up),
            "{}",
            fs::read_to_string(self.directory.path().join("log")).unwrap()
        );
    }

    /// `address:port`, for programs.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }
}

/// The settings of a pebble.
pub struct PebbleSettings {
    /// The port for `tls-alpn-01`.
    pub tls_port: u16,
    /// The port for `http-01`.
    pub http_port: u16,
    /// The life of its certificates, in seconds.
    pub life: u64,
    /// True if it makes accounts for [`EXTERNAL_ACCOUNT`] only.
    pub external: bool,
    /// Variables of its environment.
    pub environment: Vec<(&'static str, &'static str)>,
}

impl Default for PebbleSettings {
    fn default() -> Self {
        Self { tls_port: 1, http_port: 1, life: 90 * 24 * 3600, external: false, environment: Vec::new() }
    }
}

/// A running pebble.
pub struct Pebble {
    port: u16,
    management: u16,
    directory: TempDir,
    process: Process,
    environment: Vec<(&'static str, &'static str)>,
    names: String,
}

impl Pebble {
    /// Starts it.
    pub fn start(names: &Names, settings: PebbleSettings) -> Self {
        let directory = tempfile::tempdir().unwrap();
        pki::authority().write_server_certificate(directory.path());
        fs::write(directory.path().join("ca.pem"), pki::authority().pem()).unwrap();
        let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
        let (port, management) = (ports::free_port(), ports::free_port());
        let configuration = json!({"pebble": {
            "listenAddress": format!("127.0.0.1:{port}"),
            "managementListenAddress": format!("127.0.0.1:{management}"),
            "certificate": path("tls.crt"),
            "privateKey": path("tls.key"),
            "httpPort": settings.http_port,
            "tlsPort": settings.tls_port,
            "externalAccountBindingRequired": settings.external,
            "externalAccountMACKeys": {EXTERNAL_ACCOUNT.0: EXTERNAL_ACCOUNT.1},
            "retryAfter": {"authz": 1, "order": 1},
            "keyAlgorithm": "ecdsa",
            "profiles": {"default": {"description": "of the tests", "validityPeriod": settings.life}},
        }});
        fs::write(directory.path().join("pebble.json"), configuration.to_string()).unwrap();
        let names = names.address();
        let process = run_pebble(&directory, &names, &settings.environment);
        Self { port, management, directory, process, environment: settings.environment, names }
    }

    /// The lines of a configuration that ask it.
    pub fn section(&self, more: &str) -> String {
        let authority = self.directory.path().join("ca.pem");
        let (url, authority) = (self.url(), authority.display());
        format!("{{directory: '{url}', ca_certificate: '{authority}'{more}}}")
    }

    /// The URL of its directory.
    pub fn url(&self) -> String {
        format!("https://127.0.0.1:{}/dir", self.port)
    }

    /// The certificate of the authority behind those that it issues, in PEM.
    pub fn root(&self) -> Vec<u8> {
        self.manage().get("/roots/0").is(200).body
    }

    /// Writes that certificate into a file.
    pub fn root_file(&self) -> PathBuf {
        let file = self.directory.path().join("root.pem");
        fs::write(&file, self.root()).unwrap();
        file
    }

    /// Has it answer so about the renewal of a certificate, in PEM.
    pub fn suggest(&self, certificate: &str, answer: &str) {
        let body = json!({"Certificate": certificate, "ARIResponse": answer}).to_string();
        self.manage().body(body.as_bytes()).send("POST", "/set-renewal-info/").is(200);
    }

    /// The number of orders that it was asked for.
    pub fn orders(&self) -> usize {
        self.process.log().lines().filter(|line| line.contains("POST /order-plz")).count()
    }

    /// The number of accounts that it was asked for.
    pub fn accounts(&self) -> usize {
        self.process.log().lines().filter(|line| line.contains("POST /sign-me-up")).count()
    }

    /// The number of connections that are open to it.
    pub fn connections(&self) -> usize {
        ports::connections(self.port)
    }

    /// Ends it at once. It forgets all accounts.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts it again at the same address, with another root and without accounts.
    pub fn restart(&mut self) {
        self.kill();
        self.process = run_pebble(&self.directory, &self.names, &self.environment);
    }

    /// Stops its threads, as on a machine that hangs.
    pub fn suspend(&self) {
        self.process.signal("STOP");
    }

    /// Lets it run again.
    pub fn resume(&self) {
        self.process.signal("CONT");
    }

    /// All it has printed.
    pub fn log(&self) -> String {
        self.process.log()
    }

    fn manage(&self) -> Request {
        let authority = self.directory.path().join("ca.pem");
        let request = curl_at(&format!("https://127.0.0.1:{}", self.management));
        request.option(&["--cacert", authority.to_str().unwrap()])
    }
}

fn run_pebble(directory: &TempDir, names: &str, environment: &[(&str, &str)]) -> Process {
    let program = programs::fetched("pebble/current/pebble", "pebble");
    let configuration = directory.path().join("pebble.json");
    let arguments = ["-config", configuration.to_str().unwrap(), "-dnsserver", names];
    let environment: Vec<_> =
        [("PEBBLE_VA_NOSLEEP", "1"), ("PEBBLE_VA_ALWAYS_VALID", "0"), ("PEBBLE_WFE_NONCEREJECT", "0")]
            .into_iter()
            .chain(environment.iter().copied())
            .collect();
    let log = directory.path().join("log");
    let from = fs::read(&log).map_or(0, |text| text.len());
    let mut process = Process::start(program.to_str().unwrap(), &arguments, &environment, &log);
    process.wait_for_log(from, "ACME directory available");
    // It says so before it listens.
    let port: u16 = {
        let configuration: Value = serde_json::from_slice(&fs::read(&configuration).unwrap()).unwrap();
        let address = configuration["pebble"]["listenAddress"].as_str().unwrap().to_owned();
        address.rsplit(':').next().unwrap().parse().unwrap()
    };
    assert!(eventually(PATIENCE, || ports::listeners(port) == 1), "{}", process.log());
    process
}

/// A Portwarden on `port` that fetches its certificate as `acme` says, with metrics and a control socket.
pub fn by_acme(registry: &Registry, port: u16, acme: &str) -> Builder {
    portwarden(registry)
        .by_acme()
        .on_port(port)
        .with_server("letsencrypt", &format!("{{host: {HOST}, email: ops@example.org, cache_dir: ./acme}}"))
        .with_server("acme", acme)
        .with("metrics: {addr: '127.0.0.1:0'}\ncontrol: {socket: ./control.sock}")
}

/// The server's own certificate, in DER, as a client sees it that trusts this authority; `None` if it does not trust it.
pub fn shown(warden: &Portwarden, root: &[u8]) -> Option<Vec<u8>> {
    let client = Client::trusting(warden.address(), Protocol::Http1, root).calling(HOST);
    run(async { client.connect().await.ok().map(|connection| connection.certificate().to_vec()) })
}

/// An authority that refuses every request for now, with this `Retry-After` (RFC 8555 section 6.6).
pub struct BusyAuthority {
    port: u16,
    directory: TempDir,
}

impl BusyAuthority {
    /// Starts it; its threads end with the process.
    pub fn start(retry_after: &'static str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        pki::authority().write_server_certificate(directory.path());
        fs::write(directory.path().join("ca.pem"), pki::authority().pem()).unwrap();
        let tls = tls_with(directory.path());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let connection = ServerConnection::new(Arc::clone(&tls)).unwrap();
                let _ = refuse(StreamOwned::new(connection, stream), retry_after);
            }
        });
        Self { port, directory }
    }

    /// The lines of a configuration that ask it.
    pub fn section(&self) -> String {
        let authority = self.directory.path().join("ca.pem");
        format!(
            "{{directory: 'https://127.0.0.1:{}/dir', ca_certificate: '{}'}}",
            self.port,
            authority.display()
        )
    }
}

fn refuse(mut stream: impl Read + Write, retry_after: &str) -> io::Result<()> {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    let problem = r#"{"type": "urn:ietf:params:acme:error:rateLimited", "detail": "too many orders"}"#;
    write!(
        stream,
        "HTTP/1.1 429 Too Many Requests\r\nContent-Type: application/problem+json\r\nConnection: close\r\n\
         Retry-After: {retry_after}\r\nContent-Length: {}\r\n\r\n{problem}",
        problem.len()
    )?;
    stream.flush()
}

/// step-ca, with an authority of its own.
pub struct StepCa {
    port: u16,
    directory: TempDir,
    process: Process,
}

impl StepCa {
    /// Starts it; it looks for challenges at these ports.
    pub fn start(names: &Names, tls_port: u16, http_port: u16) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
        let (root, intermediate) = authorities();
        for (name, text) in [
            ("root.crt", root.pem()),
            ("intermediate.crt", intermediate.pem()),
            ("intermediate.key", intermediate.key().serialize_pem()),
        ] {
            fs::write(path(name), text).unwrap();
        }
        let port = ports::free_port();
        let configuration = json!({
            "root": path("root.crt"),
            "crt": path("intermediate.crt"),
            "key": path("intermediate.key"),
            "address": format!("127.0.0.1:{port}"),
            "dnsNames": ["127.0.0.1"],
            "logger": {"format": "text"},
            "db": {"type": "badgerv2", "dataSource": path("db")},
            "authority": {"provisioners": [{"type": "ACME", "name": "acme"}]},
        });
        fs::write(path("ca.json"), configuration.to_string()).unwrap();
        let program = programs::fetched_by("test-acme", "step-ca/current/step-ca", "step-ca");
        let arguments = [
            &path("ca.json"),
            "--resolver",
            &names.address(),
            "--insecure",
            &format!("--acme-tls-port={tls_port}"),
            &format!("--acme-http-port={http_port}"),
        ];
        let environment = [("HOME", &*path("")), ("STEPPATH", &*path("step"))];
        let mut process = Process::start(
            program.to_str().unwrap(),
            &arguments,
            &environment,
            &directory.path().join("log"),
        );
        process.wait_for_log(0, "Serving HTTPS");
        Self { port, directory, process }
    }

    /// The lines of a configuration that ask it.
    pub fn section(&self, more: &str) -> String {
        let url = format!("https://127.0.0.1:{}/acme/acme/directory", self.port);
        format!("{{directory: '{url}', ca_certificate: '{}'{more}}}", self.root_file().display())
    }

    /// The certificate of the authority behind those that it issues, and behind its own.
    pub fn root_file(&self) -> PathBuf {
        self.directory.path().join("root.crt")
    }

    /// All it has printed.
    pub fn log(&self) -> String {
        self.process.log()
    }
}

/// It would wait for a minute for connections to end.
impl Drop for StepCa {
    fn drop(&mut self) {
        self.process.kill();
    }
}

fn authorities() -> (CertifiedIssuer<'static, KeyPair>, CertifiedIssuer<'static, KeyPair>) {
    let params = |name: &str, constraint| {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(constraint);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2120, 1, 1));
        params
    };
    let root = params("Root of step-ca", BasicConstraints::Constrained(1));
    let root = CertifiedIssuer::self_signed(root, KeyPair::generate().unwrap()).unwrap();
    let own = params("Intermediate of step-ca", BasicConstraints::Constrained(0));
    let own = CertifiedIssuer::signed_by(own, KeyPair::generate().unwrap(), &root).unwrap();
    (root, own)
}
