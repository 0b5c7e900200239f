//! Portwarden within the test process: a listener on a free loopback port, a given configuration, any upstream.
//!
//! For tests that send thousands of requests or need bytes that no client sends. The built program is started by
//! `support::portwarden`.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use portwarden::{
    cli::assemble,
    config::Config,
    proxy::Service,
    server::{self, Admission, Listener, Tls, Workers},
};
use tokio::{runtime::Runtime, sync::watch, task::JoinHandle};

use super::pem;

/// A small configuration for `in_process`: `admin`, whose password is `badmin`, may do everything, and pulls from `public/`
/// need no account.
pub const CONFIG: &str = r#"
server: {addr: ":0"}
token: {issuer: Acme auth server, expiration: 900, certificate: "@CERT@", key: "@KEY@"}
users:
  "": {}
  admin: {password: "$2y$05$LO.vzwpWC5LZGqThvEfznu8qhb5SGqvBSWY1J3yZ4AxtMRZ3kN5jC"}
acl:
  - {match: {account: admin}, actions: ["*"]}
  - {match: {account: "", name: "public/*"}, actions: [pull]}
"#;

/// A running Portwarden. Stops when dropped.
pub struct InProcess {
    pub address: SocketAddr,
    pub service: Arc<Service>,
    stop: watch::Sender<bool>,
    server: Option<JoinHandle<usize>>,
    workers: Arc<Workers>,
    runtime: Runtime,
    directory: tempfile::TempDir,
    upstream: String,
}

/// Starts one with the text of a configuration, in which `@CERT@` and `@KEY@` stand for files, plain HTTP unless the
/// configuration says otherwise, in front of `upstream` (a URL as for `--registry`).
pub fn in_process(config: &str, upstream: &str) -> InProcess {
    start(config, upstream, pem::write_pair)
}

/// The same with a signing key of the caller's; `@CERT@` is then a certificate of that key.
pub fn in_process_with_key(config: &str, key: &str, upstream: &str) -> InProcess {
    start(config, upstream, |directory| pem::write_pair_of(directory, key))
}

fn start(config: &str, upstream: &str, write_keys: impl FnOnce(&Path)) -> InProcess {
    let directory = tempfile::tempdir().unwrap();
    write_keys(directory.path());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let config = read(config, directory.path(), upstream);
    let assembly = {
        let _on_the_runtime = runtime.enter();
        assemble(&config, None).unwrap()
    };
    let service = Arc::new(Service::new(assembly.snapshot, Arc::default()));
    let (stop, stopped) = watch::channel(false);
    let workers = Arc::new(Workers::start().unwrap());
    let (address, server) = runtime.block_on(async {
        let listener = Listener::bind(&config.server.addresses[0]).unwrap();
        let address = listener.address().unwrap().parse().unwrap();
        let tls = Arc::new(Tls::new(assembly.tls, None));
        let admission = Admission::new(config.server.limits);
        let listening = vec![workers.listen(listener).unwrap()];
        let run = server::run(listening, Arc::clone(&service), tls, admission, Arc::clone(&workers), stopped);
        (address, tokio::spawn(run))
    });
    // The server and the task that accepts for it: until both are there, a count of tasks is one too low.
    while runtime.metrics().num_alive_tasks() + workers.tasks() < 2 {
        std::thread::yield_now();
    }
    InProcess {
        address,
        service,
        stop,
        server: Some(server),
        workers,
        runtime,
        directory,
        upstream: upstream.to_owned(),
    }
}

impl InProcess {
    /// Puts another configuration in force, as a reload does.
    pub fn reload(&self, config: &str) {
        let config = read(config, self.directory.path(), &self.upstream);
        let _on_the_runtime = self.runtime.enter();
        let before = self.service.snapshot();
        self.service.replace(assemble(&config, Some(&before)).unwrap().snapshot);
    }

    /// Runs a future on its runtime.
    pub fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    /// Returns the number of tasks that have not ended.
    pub fn tasks(&self) -> usize {
        self.runtime.metrics().num_alive_tasks() + self.workers.tasks()
    }

    /// Tells it to stop; returns how long that took and how many connections were cut off.
    pub fn stop(mut self) -> (Duration, usize) {
        let started = Instant::now();
        self.stop.send(true).unwrap();
        let cut_off = self.runtime.block_on(self.server.take().unwrap()).unwrap();
        (started.elapsed(), cut_off)
    }

    /// The certificate it serves and signs with, in PEM.
    pub fn certificate(&self) -> PathBuf {
        self.directory.path().join("cert.pem")
    }

    /// The key, in PEM.
    pub fn key(&self) -> PathBuf {
        self.directory.path().join("key.pem")
    }
}

fn read(config: &str, directory: &Path, upstream: &str) -> Config {
    let path = |name: &str| directory.join(name).display().to_string();
    let text = config.replace("@CERT@", &path("cert.pem")).replace("@KEY@", &path("key.pem"));
    let mut config =
        Config::parse(&text, "test.yml", directory).unwrap_or_else(|findings| panic!("{findings}")).config;
    config.override_with(&["127.0.0.1:0".to_owned()], Some(upstream)).unwrap();
    config
}
