//! The contenders: a registry, and before it Portwarden, nginx and HAProxy, all with the same certificate.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    time::Duration,
};

use tempfile::TempDir;

use crate::{
    client::Client,
    report::OURS,
    support::{
        client::Protocol,
        pki::KeyType,
        portwarden::{ADMIN, Builder, Portwarden, port_after, portwarden},
        process::{Process, eventually},
        registry::{Registry, registry, registry_alone},
        token_exchange::{ask, token},
    },
};

/// The repository of all that is transferred.
pub const REPOSITORY: &str = "team/app";
/// The contender that does not even encrypt: see `floor`.
pub const FLOOR: &str = "floor";
/// The contender of Portwarden's libraries alone: see `relay`.
pub const RELAY: &str = "relay";
/// Rules, the last of which holds.
const RULES: usize = 1_000;
/// Limits above those for one client, which a scenario needs: all of its clients come from one address. Idle
/// connections stay as long as those of the others do.
const LIMITS: &str = "limits: {connections: 30000, connections_per_address: 30000, upstream_requests: 20000, \
    token_requests: 100000, idle_timeout: 15m, remember_passwords: 1h}";

/// A measured server: its address and its processes.
#[derive(Clone)]
pub struct Contender {
    pub name: &'static str,
    pub address: SocketAddr,
    /// Its processes, without those that they started.
    pub processes: Vec<u32>,
}

impl AsRef<Self> for Contender {
    fn as_ref(&self) -> &Self {
        self
    }
}

/// A registry with all that stands before it.
pub struct Field {
    pub contenders: Vec<Contender>,
    /// The `Authorization` header that every request has, so that all get the same bytes.
    pub authorization: String,
    /// The certificate authority, in PEM.
    pub authority: Vec<u8>,
    pub warden: Portwarden,
    others: Vec<Process>,
    pub registry: Registry,
    /// The registry with TLS and tokens of its own, once it takes part.
    own_tls: Option<Registry>,
    directory: TempDir,
}

/// The setup of the contenders.
#[derive(Clone, Copy)]
pub struct Setup {
    /// The key for TLS.
    pub server_key: KeyType,
    /// The key that signs tokens.
    pub token_key: KeyType,
    /// True if Portwarden reads blobs from the registry's files.
    pub storage: bool,
    /// True if it answers from them without the registry.
    pub answers: bool,
}

impl Default for Setup {
    fn default() -> Self {
        Self { server_key: KeyType::P256, token_key: KeyType::P256, storage: false, answers: false }
    }
}

impl Field {
    /// Starts all of them.
    pub fn start(setup: Setup) -> Self {
        let registry = registry();
        let builder = ours(&registry, setup);
        let mut field = Self::alone(registry, builder);
        for (name, start) in
            [("nginx", nginx as fn(&TempDir, &str, &Filling<'_>) -> Process), ("haproxy", haproxy)]
        {
            let filling = Filling { port: free_port(), registry: &field.registry, warden: &field.warden };
            let mut process = start(&field.directory, name, &filling);
            let address = (Ipv4Addr::LOCALHOST, filling.port).into();
            let listens = || TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_ok();
            assert!(
                eventually(Duration::from_secs(10), listens) && process.is_running(),
                "{}",
                process.log()
            );
            field.contenders.push(Contender { name, address, processes: vec![process.id()] });
            field.others.push(process);
        }
        field
    }

    /// Starts Portwarden alone.
    pub fn alone(registry: Registry, builder: Builder) -> Self {
        let warden = builder.start();
        let contenders =
            vec![Contender { name: OURS, address: warden.address(), processes: vec![warden.id()] }];
        let scope = format!("repository:{REPOSITORY}:pull,push");
        let authorization = format!("Bearer {}", token(&warden, ADMIN, &[&scope]));
        let authority = fs::read(warden.authority_file()).unwrap();
        Self {
            contenders,
            authorization,
            authority,
            warden,
            others: Vec::new(),
            registry,
            own_tls: None,
            directory: tempfile::Builder::new().prefix("portwarden-bench-").tempdir().unwrap(),
        }
    }

    /// Adds a program that does no more than move the bytes.
    pub fn add_floor(&mut self) {
        let registry = self.registry.address().to_string();
        self.add_ourselves(FLOOR, &["--floor", &registry]);
    }

    /// Adds a relay of the libraries alone.
    pub fn add_relay(&mut self) {
        let registry = self.registry.address().to_string();
        let [certificate, key] = ["tls.crt", "tls.key"].map(|file| self.warden.file(file));
        self.add_ourselves(
            RELAY,
            &["--relay", &registry, certificate.to_str().unwrap(), key.to_str().unwrap()],
        );
    }

    /// Starts this program again, as something else.
    fn add_ourselves(&mut self, name: &'static str, words: &[&str]) {
        let (program, log) = (std::env::current_exe().unwrap(), self.directory.path().join(name));
        let mut process = Process::start(program.to_str().unwrap(), words, &[], &log);
        let port = port_after(&process.wait_for_log(0, "listening on"), "listening on");
        let address = (Ipv4Addr::LOCALHOST, port).into();
        self.contenders.push(Contender { name, address, processes: vec![process.id()] });
        self.others.push(process);
    }

    /// Adds a registry with TLS and tokens of its own, and counts the time of the plain one with each of the rest.
    pub fn add_registry(&mut self) {
        self.contenders.iter_mut().for_each(|contender| contender.processes.push(self.registry.id()));
        let own = registry_alone(&self.warden);
        self.contenders.push(Contender {
            name: "registry",
            address: own.address(),
            processes: vec![own.id()],
        });
        self.own_tls = Some(own);
    }

    /// The registry that a contender stands before, or is.
    pub fn registry_of(&self, contender: &Contender) -> &Registry {
        self.own_tls.as_ref().filter(|_| contender.name == "registry").unwrap_or(&self.registry)
    }

    /// A client of a contender. The floor is asked without TLS, as HTTP/2 is not to be had without.
    pub fn client(&self, contender: &Contender, protocol: Protocol) -> Client {
        if contender.name == FLOOR {
            return Client::plain(contender.address, &self.authorization);
        }
        Client::new(contender.address, protocol, &self.authority, &self.authorization)
    }

    /// A new token: an old one ends after a quarter of an hour.
    pub fn renew(&mut self) {
        let scope = format!("repository:{REPOSITORY}:pull,push");
        let answer = ask(&self.warden, Some(ADMIN), &[&scope]).is(200).json();
        self.authorization = format!("Bearer {}", answer["token"].as_str().unwrap());
    }
}

/// Portwarden, with a thousand rules and the limits for one client.
pub fn ours(registry: &Registry, setup: Setup) -> Builder {
    let builder = portwarden(registry)
        .server_key(setup.server_key)
        .token_key(setup.token_key)
        .with_token("refresh_tokens", "true")
        .users(&[ADMIN])
        .acl(&rules(RULES))
        .with(LIMITS);
    if !setup.storage {
        return builder;
    }
    fs::create_dir_all(registry.store()).unwrap();
    let builder = builder.registry_setting("storage", &format!("'{}'", registry.store().display()));
    builder.registry_setting("storage_answers", if setup.answers { "true" } else { "false" })
}

/// So many rules, the last of which holds.
pub fn rules(number: usize) -> String {
    let other =
        |n| format!("  - match: {{account: \"team{n}\", name: \"team{n}/*\"}}\n    actions: [\"pull\"]\n");
    let others: String = (1..number).map(other).collect();
    others + "  - match: {account: \"admin\"}\n    actions: [\"*\"]\n"
}

/// Values for the words of a template.
struct Filling<'a> {
    port: u16,
    registry: &'a Registry,
    warden: &'a Portwarden,
}

impl Filling<'_> {
    fn fill(&self, directory: &TempDir, template: &str) -> String {
        let threads = std::thread::available_parallelism().map_or(2, usize::from);
        template
            .replace("@PORT@", &self.port.to_string())
            .replace("@REGISTRY@", &self.registry.address().to_string())
            .replace("@THREADS@", &threads.to_string())
            .replace("@DIRECTORY@", directory.path().to_str().unwrap())
            .replace("@CERTIFICATE@", self.warden.file("tls.crt").to_str().unwrap())
            .replace("@KEY@", self.warden.file("tls.key").to_str().unwrap())
            .replace("@PEM@", directory.path().join("both.pem").to_str().unwrap())
    }
}

fn nginx(directory: &TempDir, name: &str, filling: &Filling<'_>) -> Process {
    let text = filling.fill(directory, include_str!("nginx.conf"));
    let file = directory.path().join("nginx.conf");
    fs::write(&file, text).unwrap();
    let errors = directory.path().join("nginx-start.log");
    let words = ["-c", file.to_str().unwrap(), "-e", errors.to_str().unwrap()];
    Process::start(&daemon(name), &words, &[], &directory.path().join("nginx.log"))
}

fn haproxy(directory: &TempDir, name: &str, filling: &Filling<'_>) -> Process {
    let pem = ["tls.crt", "tls.key"].map(|part| fs::read_to_string(filling.warden.file(part)).unwrap());
    fs::write(directory.path().join("both.pem"), pem.concat()).unwrap();
    let text = filling.fill(directory, include_str!("haproxy.cfg"));
    let file = directory.path().join("haproxy.cfg");
    fs::write(&file, text).unwrap();
    let words = ["-db", "-f", file.to_str().unwrap()];
    Process::start(&daemon(name), &words, &[], &directory.path().join("haproxy.log"))
}

/// Daemons live where an ordinary user's PATH may not lead.
fn daemon(name: &str) -> String {
    let found = std::path::Path::new("/usr/sbin").join(name);
    if found.exists() { found.to_str().unwrap().to_owned() } else { name.to_owned() }
}

/// Neither of them says which port it was given.
pub fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}
