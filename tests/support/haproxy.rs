//! HAProxy before several Portwardens, without stickiness: each connection goes to the next one.

use std::{fmt::Write as _, fs};

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
    _directory: TempDir,
}

/// Starts one before these replicas. One that takes no connection is left out, and its connections go to the next.
pub fn haproxy(replicas: &[&Portwarden]) -> Haproxy {
    let directory = tempfile::Builder::new().prefix("portwarden-haproxy-").tempdir().unwrap();
    let port = free_port();
    let mut text = format!(
        "defaults\n mode tcp\n timeout connect 5s\n timeout client 60s\n timeout server 60s\n retries 3\n \
         option redispatch 1\nfrontend all\n bind 127.0.0.1:{port}\n default_backend replicas\n\
         backend replicas\n balance roundrobin\n"
    );
    for (n, replica) in replicas.iter().enumerate() {
        writeln!(text, " server replica{n} {} check inter 200ms", replica.address()).unwrap();
    }
    let file = directory.path().join("haproxy.cfg");
    fs::write(&file, text).unwrap();
    let log = directory.path().join("log");
    let process = Process::start("haproxy", &["-db", "-f", file.to_str().unwrap()], &[], &log);
    let authority = replicas[0].authority_file().to_str().unwrap().to_owned();
    Haproxy { port, authority, _process: process, _directory: directory }
}

impl Haproxy {
    /// `https://<host>`.
    pub fn url(&self) -> String {
        format!("https://{}:{}", pki::ADDRESS, self.port)
    }

    /// A request, on a connection of its own.
    pub fn curl(&self) -> Request {
        curl_at(&self.url()).option(&["--cacert", &self.authority, "--retry-connrefused", "--retry", "5"])
    }
}
