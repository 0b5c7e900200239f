//! MariaDB as Debian installs it (`apt-get install mariadb-server`), in a directory of its own, on a free port, as a
//! user without rights.

use std::{fs, path::Path};

use tempfile::TempDir;

use super::{
    command, pki,
    ports::free_port,
    process::Process,
    programs,
    unprivileged::{give_away, unprivileged},
};

const READY: &str = "ready for connections";

/// A running server with one database, `registry`, and one login, `reader`, with the password [`PASSWORD`].
pub struct MariaDb {
    process: Process,
    port: u16,
    directory: TempDir,
}

/// The password of `reader`, which may log in with or without TLS.
pub const PASSWORD: &str = "a/b:c@d?e";

impl MariaDb {
    /// Starts one; TLS is offered with a certificate by the tests' authority.
    pub fn start() -> Self {
        let directory = tempfile::Builder::new().prefix("portwarden-mariadb-").tempdir().unwrap();
        pki::authority().write_server_certificate(directory.path());
        give_away(directory.path());
        let data = format!("--datadir={}", directory.path().join("data").display());
        let install = ["--no-defaults", &data, "--auth-root-authentication-method=normal", "--skip-test-db"];
        let (program, args) = unprivileged(&tool("/usr/bin/mariadb-install-db"), &install);
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        command::run(&program, &args, &[temporary_files(&directory.path().display().to_string())]).succeeds();
        let port = free_port();
        let process = run(directory.path(), port);
        let server = Self { process, port, directory };
        server.client("mysql", "CREATE DATABASE registry CHARACTER SET utf8mb4");
        server.client("mysql", &format!("CREATE USER reader@'%' IDENTIFIED BY '{PASSWORD}'"));
        server.client("mysql", "GRANT SELECT ON registry.* TO reader@'%'");
        server
    }

    /// Runs SQL as the administrator.
    #[track_caller]
    pub fn execute(&self, sql: &str) {
        self.client("registry", sql);
    }

    /// The driver's notation, over TCP, with parameters.
    pub fn tcp(&self, parameters: &str) -> String {
        format!("reader:{PASSWORD}@tcp(127.0.0.1:{})/registry?{parameters}", self.port)
    }

    /// The driver's notation, over its Unix socket.
    pub fn unix(&self) -> String {
        format!("reader:{PASSWORD}@unix({})/registry", self.directory.path().join("socket").display())
    }

    /// Ends it at once, connections and all.
    pub fn crash(&mut self) {
        self.process.kill();
    }

    /// Starts it again, at the same address.
    pub fn start_again(&mut self) {
        self.process = run(self.directory.path(), self.port);
    }

    /// Stops it in the middle of what it does.
    pub fn hang(&self) {
        self.process.signal("STOP");
    }

    /// Lets it go on.
    pub fn go_on(&self) {
        self.process.signal("CONT");
    }

    #[track_caller]
    fn client(&self, database: &str, sql: &str) {
        let socket = format!("--socket={}", self.directory.path().join("socket").display());
        let args = [
            "--no-defaults",
            &socket,
            // Since 11.4 the client asks for a certificate that it can verify, on the socket too.
            "--skip-ssl",
            "--user=root",
            "--default-character-set=utf8mb4",
            database,
            "-e",
            sql,
        ];
        command::run(&tool("/usr/bin/mariadb"), &args, &[]).succeeds();
    }
}

impl Drop for MariaDb {
    fn drop(&mut self) {
        self.go_on();
    }
}

fn run(directory: &Path, port: u16) -> Process {
    let path = |name: &str| directory.join(name).display().to_string();
    let args = [
        "--no-defaults".to_owned(),
        format!("--datadir={}", path("data")),
        format!("--socket={}", path("socket")),
        format!("--pid-file={}", path("pid")),
        format!("--port={port}"),
        "--bind-address=127.0.0.1".to_owned(),
        "--skip-name-resolve".to_owned(),
        "--innodb-buffer-pool-size=16M".to_owned(),
        "--innodb-flush-log-at-trx-commit=2".to_owned(),
        format!("--ssl-cert={}", path("tls.crt")),
        format!("--ssl-key={}", path("tls.key")),
    ];
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let (program, args) = unprivileged(&tool("/usr/sbin/mariadbd"), &args);
    let log = directory.join("log");
    let from = fs::metadata(&log).map_or(0, |data| usize::try_from(data.len()).unwrap());
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let mut process =
        Process::start(&program, &args, &[temporary_files(&directory.display().to_string())], &log);
    process.wait_for_log(from, READY);
    process
}

/// A server that starts deletes every temporary table it finds, another server's in `/tmp` too.
fn temporary_files(directory: &str) -> (&str, &str) {
    ("TMPDIR", directory)
}

fn tool(path: &str) -> String {
    programs::require(path);
    path.to_owned()
}
