//! HAProxy before several Portwardens, without stickiness: each connection goes to the next one.

use std::{
    fmt::Write as _,
    fs,
    io::{Read, Write},
    os::unix::net::UnixStream,
};

use tempfile::TempDir;

use super::{
    curl::{Request, curl_at},
    pki,
    ports::free_port,
    portwarden::Portwarden,
    process::Process,
};

/// A running HAProxy, which passes TCP connections on.
pub struct Haproxy {
    /// The port on the loopback address.
    pub port: u16,
    authority: String,
    _process: Process,
    directory: TempDir,
}

/// Starts one before these replicas. One that takes no connection is left out, and its connections go to the next.
pub fn haproxy(replicas: &[&Portwarden]) -> Haproxy {
    haproxy_at(free_port(), replicas)
}

/// Starts one on that port.
pub fn haproxy_at(port: u16, replicas: &[&Portwarden]) -> Haproxy {
    start(port, replicas, |_| "check inter 200ms".to_owned())
}

/// Starts one that asks these ports of the replicas for `/readyz`, as docs/scaling.md says.
pub fn haproxy_by_readiness(replicas: &[&Portwarden], health: &[u16]) -> Haproxy {
    start(free_port(), replicas, |n| format!("check port {} inter 200ms", health[n]))
}

fn start(port: u16, replicas: &[&Portwarden], check: impl Fn(usize) -> String) -> Haproxy {
    let directory = tempfile::Builder::new().prefix("portwarden-haproxy-").tempdir().unwrap();
    let mut text = format!(
        "global\n stats socket {0}/stats level operator\ndefaults\n mode tcp\n timeout connect 5s\n timeout client 60s\n \
         timeout server 60s\n timeout check 10s\n retries 3\n option redispatch 1\nfrontend all\n bind 127.0.0.1:{port}\n default_backend replicas\n\
         backend replicas\n balance roundrobin\n",
        directory.path().display()
    );
    if check(0).contains("port") {
        text.push_str(" option httpchk GET /readyz\n");
    }
    for (n, replica) in replicas.iter().enumerate() {
        writeln!(text, " server replica{n} {} {}", replica.address(), check(n)).unwrap();
    }
    let file = directory.path().join("haproxy.cfg");
    fs::write(&file, text).unwrap();
    let log = directory.path().join("log");
    let process = Process::start("haproxy", &["-db", "-f", file.to_str().unwrap()], &[], &log);
    let authority = replicas[0].authority_file().to_str().unwrap().to_owned();
    Haproxy { port, authority, _process: process, directory }
}

impl Haproxy {
    /// `https://<host>`.
    pub fn url(&self) -> String {
        format!("https://{}:{}", pki::ADDRESS, self.port)
    }

    /// The state of each replica as it is known here: `UP`, `DOWN`…; none before it listens.
    pub fn states(&self) -> Vec<String> {
        let Ok(mut stats) = UnixStream::connect(self.directory.path().join("stats")) else {
            return Vec::new();
        };
        stats.write_all(b"show stat\n").unwrap();
        let mut text = String::new();
        stats.read_to_string(&mut text).unwrap();
        let servers = text.lines().filter(|line| line.starts_with("replicas,replica"));
        servers.map(|line| line.split(',').nth(17).unwrap().to_owned()).collect()
    }

    /// The options of curl that trust the replicas.
    pub fn authority(&self) -> [&str; 2] {
        ["--cacert", &self.authority]
    }

    /// A request, on a connection of its own.
    pub fn curl(&self) -> Request {
        curl_at(&self.url()).option(&["--cacert", &self.authority, "--retry-connrefused", "--retry", "5"])
    }
}
