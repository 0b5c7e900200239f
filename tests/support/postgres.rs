//! PostgreSQL as Debian installs it (`apt-get install postgresql`), in a directory of its own, on a free port, as a
//! user without rights: it does not run as root.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    path::PathBuf,
};

use tempfile::TempDir;

use super::{
    command::{self, Output},
    pki::{self, Authority},
    ports::free_port,
    process::{PATIENCE, Process, eventually},
    programs,
    unprivileged::{give_away, unprivileged},
};

const READY: &str = "database system is ready to accept connections";
const ADMIN: (&str, &str) = ("admin", "the administrator's");

/// A running server with one database, `registry`, and one login, `reader`, with the password [`PASSWORD`].
pub struct Postgres {
    process: Process,
    port: u16,
    directory: TempDir,
}

/// The password of `reader`.
pub const PASSWORD: &str = "it's a se\\cret";

/// For [`Postgres::fill_state`]: personal tokens, two of each account, with texts as people write them.
pub const PERSONAL_TOKENS: &str = "INSERT INTO personal_tokens SELECT left(d, 12), d, 'person' || n / 2 || '@example.com', 'users', \
    NULL, NULL, 'repository:team' || n % 100 || '/*:pull,push', 'the laptop at home', $now, $now + 7776000, 0, \
    (SELECT id FROM state), 0 FROM (SELECT n, encode(sha256(n::text::bytea), 'hex') AS d FROM $numbers) AS one";
/// The same for people who signed in at a provider, with two groups and a sealed token.
pub const SIGN_INS: &str = "INSERT INTO sign_ins SELECT name, 'oidc_auth', 'https://accounts.example.com', 'subject' || n, \
    name, '{\"groups\": [\"team' || n % 100 || '\", \"everyone\"]}', repeat('s', 43), $now, NULL, repeat('k', 120) \
    FROM (SELECT n, 'person' || n || '@example.com' AS name FROM $numbers) AS one";
/// The same for sessions and tokens that were ended one by one.
pub const REVOKED_TOKENS: &str =
    "INSERT INTO revoked_tokens SELECT encode(sha256(n::text::bytea), 'hex'), $now FROM $numbers";

impl Postgres {
    /// Starts one; passwords are checked by SCRAM, and TLS is offered with a certificate by the tests' authority.
    pub fn start() -> Self {
        let directory = tempfile::Builder::new().prefix("portwarden-postgres-").tempdir().unwrap();
        pki::authority().write_server_certificate(directory.path());
        fs::write(directory.path().join("ca.crt"), pki::authority().pem()).unwrap();
        fs::write(directory.path().join("other.crt"), Authority::new("Somebody else").pem()).unwrap();
        fs::write(directory.path().join("password"), ADMIN.1).unwrap();
        give_away(directory.path());
        let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
        let (program, args) = unprivileged(
            &tool("initdb"),
            &[
                "-D",
                &path("data"),
                "-U",
                ADMIN.0,
                "-A",
                "scram-sha-256",
                "--pwfile",
                &path("password"),
                "-N",
                "-E",
                "UTF8",
            ],
        );
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        command::run(&program, &args, &[("LC_ALL", "C")]).succeeds();
        let port = free_port();
        let process = run(directory.path(), port);
        let server = Self { process, port, directory };
        let quoted = PASSWORD.replace('\'', "''");
        server.psql("postgres", &format!("CREATE ROLE reader LOGIN PASSWORD '{quoted}'"));
        server.psql("postgres", "CREATE DATABASE registry");
        server
    }

    /// Runs SQL as the administrator.
    #[track_caller]
    pub fn execute(&self, sql: &str) {
        self.psql("registry", sql);
    }

    /// `postgres://…`, with more parameters.
    pub fn url(&self, parameters: &str) -> String {
        let password = PASSWORD.replace('\'', "%27").replace('\\', "%5C").replace(' ', "%20");
        format!("postgres://reader:{password}@127.0.0.1:{}/registry?{parameters}", self.port)
    }

    /// `postgres://…` of an empty database of its own, which `reader` may change: for a state. Any that was there goes.
    pub fn state_url(&self) -> String {
        self.psql("postgres", "DROP DATABASE IF EXISTS state WITH (FORCE)");
        self.psql("postgres", "CREATE DATABASE state OWNER reader");
        self.url("sslmode=disable").replace("/registry?", "/state?")
    }

    /// Runs SQL in that database as the administrator.
    #[track_caller]
    pub fn in_state(&self, sql: &str) {
        self.psql("state", sql);
    }

    /// Returns true if a query of that database has rows.
    pub fn state_has(&self, query: &str) -> bool {
        let said = self.run_psql("state", &format!("SELECT 'yes' WHERE EXISTS ({query})")).succeeds();
        said.stdout.contains("yes")
    }

    /// All that the database of a state holds, as SQL.
    pub fn dump_state(&self) -> String {
        let (host, port) = (self.directory.path().to_str().unwrap(), self.port.to_string());
        let args = ["-h", host, "-p", &port, "-U", ADMIN.0, "state"];
        command::run(&tool("pg_dump"), &args, &[("PGPASSWORD", ADMIN.1)]).succeeds().stdout
    }

    /// Stores so many rows in the state, whose tables are there.
    pub fn fill_state(&self, rows: &str, number: usize) {
        let numbers = format!("generate_series(1, {number}) AS n");
        let sql = rows.replace("$numbers", &numbers).replace("$now", "extract(epoch FROM now())::bigint");
        self.in_state(&sql);
    }

    /// Puts the database of a state aside, as a backup would.
    pub fn back_state_up(&self) {
        self.copy("state", "backup");
    }

    /// Puts the database of a state back as it was then.
    pub fn restore_state(&self) {
        self.copy("backup", "state");
    }

    fn copy(&self, from: &str, to: &str) {
        self.psql("postgres", &format!("DROP DATABASE IF EXISTS {to} WITH (FORCE)"));
        // A template must have no connections: those of replicas come again at once.
        self.psql("postgres", &format!("ALTER DATABASE {from} ALLOW_CONNECTIONS false"));
        let end = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname";
        self.psql("postgres", &format!("{end} = '{from}'"));
        self.psql("postgres", &format!("CREATE DATABASE {to} TEMPLATE {from} OWNER reader"));
        self.psql("postgres", &format!("ALTER DATABASE {from} ALLOW_CONNECTIONS true"));
    }

    /// Ends the main process at once; the others notice, and have ended when this returns.
    pub fn kill(&mut self) {
        let others = self.children();
        self.process.kill();
        let is_gone = |id: &String| {
            let state = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
            state.rsplit(')').next().is_none_or(|rest| rest.is_empty() || rest.starts_with(" Z"))
        };
        assert!(eventually(PATIENCE, || others.iter().all(is_gone)), "processes of connections go on");
    }

    /// The address on which it listens.
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// `host=… …` over its Unix socket.
    pub fn key_value(&self) -> String {
        let password = PASSWORD.replace('\\', "\\\\").replace('\'', "\\'");
        let directory = self.directory.path().display();
        format!("host={directory} port={} user=reader password='{password}' dbname=registry", self.port)
    }

    /// The certificate of the authority behind its own, and one of another authority.
    pub fn authority_files(&self) -> [PathBuf; 2] {
        ["ca.crt", "other.crt"].map(|name| self.directory.path().join(name))
    }

    /// Ends it at once, connections and all.
    pub fn crash(&mut self) {
        self.process.signal("QUIT");
        self.process.stop();
    }

    /// Starts it again, at the same address.
    pub fn start_again(&mut self) {
        self.process = run(self.directory.path(), self.port);
    }

    /// Stops it and every process of a connection in the middle of what they do.
    pub fn hang(&self) {
        self.signal_all("STOP");
    }

    /// Lets them go on.
    pub fn go_on(&self) {
        self.signal_all("CONT");
    }

    fn signal_all(&self, signal: &str) {
        let ids: Vec<String> = [self.process.id().to_string()].into_iter().chain(self.children()).collect();
        let args: Vec<&str> = ["-s", signal].into_iter().chain(ids.iter().map(String::as_str)).collect();
        command::run("kill", &args, &[]);
    }

    fn children(&self) -> Vec<String> {
        let id = self.process.id();
        let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap();
        children.split_whitespace().map(str::to_owned).collect()
    }

    #[track_caller]
    fn psql(&self, database: &str, sql: &str) {
        self.run_psql(database, sql).succeeds();
    }

    fn run_psql(&self, database: &str, sql: &str) -> Output {
        let (host, port) = (self.directory.path().to_str().unwrap(), self.port.to_string());
        let args = [
            "-h",
            host,
            "-p",
            &port,
            "-U",
            ADMIN.0,
            "-d",
            database,
            "-v",
            "ON_ERROR_STOP=1",
            "-q",
            "-X",
            "-c",
            sql,
        ];
        command::run(&tool("psql"), &args, &[("PGPASSWORD", ADMIN.1)])
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if self.process.is_running() {
            self.go_on();
        }
        // SIGTERM would wait for connected clients.
        self.crash();
    }
}

fn run(directory: &Path, port: u16) -> Process {
    let path = |name: &str| directory.join(name).to_str().unwrap().to_owned();
    let settings = [
        format!("port={port}"),
        "listen_addresses=127.0.0.1".to_owned(),
        format!("unix_socket_directories={}", directory.display()),
        "fsync=off".to_owned(),
        "ssl=on".to_owned(),
        format!("ssl_cert_file={}", path("tls.crt")),
        format!("ssl_key_file={}", path("tls.key")),
    ];
    let data = path("data");
    let args = ["-D", &data].into_iter().chain(settings.iter().flat_map(|setting| ["-c", setting]));
    let (program, args) = unprivileged(&tool("postgres"), &args.collect::<Vec<_>>());
    let log = directory.join("log");
    let from = fs::metadata(&log).map_or(0, |data| usize::try_from(data.len()).unwrap());
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let mut process = Process::start(&program, &args, &[("LC_ALL", "C")], &log);
    process.wait_for_log(from, READY);
    process
}

/// A program of the newest version that is installed.
fn tool(name: &str) -> String {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let newest = versions
        .filter(|version| version.path().join("bin").join(name).exists())
        .max_by_key(|version| version.file_name().to_string_lossy().parse::<u32>().unwrap_or_default());
    let newest = newest.unwrap_or_else(|| panic!("{}", programs::missing(name)));
    newest.path().join("bin").join(name).to_str().unwrap().to_owned()
}
