//! Operations under load: certificates that change, a thousand reloads, a program that is killed and started again
//! behind a socket that another process holds. No pulling client notices.
//!
//! Needs: curl, docker-registry, htpasswd.

use std::{
    fs,
    io::ErrorKind,
    net::{SocketAddr, TcpListener},
    os::fd::OwnedFd,
    path::Path,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    task::spawn_blocking,
    time::{sleep, timeout},
};

use crate::support::{
    client::{Client, Failure, PROTOCOLS, Protocol, run},
    content::Content,
    curl::Request,
    load::{Load, Pull},
    metrics,
    pki::{self, Authority},
    portwarden::{ADMIN, Portwarden, portwarden, program},
    process::{PATIENCE, eventually},
    registry::registry,
};

/// The memory growth allowed between the first tenth of the reloads and the last.
const GROWTH_KIB: u64 = 12 << 10;

/// Pulls of a small and of a large blob over both protocols, with a new connection every few requests.
async fn pulls(warden: &Portwarden, trusted: &[u8]) -> Vec<Pull> {
    let client = |protocol| Client::trusting(warden.address(), protocol, trusted);
    let mut connection = client(Protocol::Http1).connect().await.unwrap();
    let authorization = connection.token(ADMIN, &["repository:team/app:pull,push"]).await.unwrap();
    let mut pulls = Vec::new();
    for (protocol, size) in PROTOCOLS.into_iter().flat_map(|protocol| [(protocol, 999), (protocol, 3 << 20)])
    {
        let content = Content::made(size, size);
        let pushed = connection.push("team/app", &authorization, &content).await.unwrap();
        assert_eq!(pushed.status, 201, "{pushed:?}");
        let digest = content.digest();
        pulls.push(Pull {
            client: client(protocol),
            authorization: authorization.clone(),
            target: format!("/v2/team/app/blobs/{digest}"),
            digest,
            requests: 15,
            pause: Duration::from_millis(5),
        });
    }
    pulls
}

#[test]
fn a_certificate_swapped_under_load_disturbs_nobody() {
    let registry = registry();
    let mut warden = portwarden(&registry).start();
    let authorities: Vec<Authority> = (0..4).map(|n| Authority::new(&format!("Number {n}"))).collect();
    let trusted: String = authorities.iter().map(Authority::pem).chain([pki::authority().pem()]).collect();
    run(async {
        let pulls = pulls(&warden, trusted.as_bytes()).await;
        let mut old = Vec::new();
        for pull in &pulls {
            old.push((pull, pull.client.connect().await.unwrap()));
        }
        let first = old[0].1.certificate().to_vec();
        let load = Load::start(2, &pulls);
        let mut seen = vec![first];
        for authority in &authorities {
            load.goes_on(10).await;
            tokio::task::block_in_place(|| {
                let from = warden.log().len();
                authority.write_server_certificate(warden.directory());
                warden.wait_for_log(from, "reloaded: ");
            });
            let new = pulls[0].client.connect().await.unwrap();
            assert!(
                !seen.iter().any(|seen| seen == new.certificate()),
                "an old certificate for a new connection"
            );
            seen.push(new.certificate().to_vec());
            for (pull, connection) in &mut old {
                let answer = connection.get(&pull.target, &pull.authorization).await.unwrap();
                assert_eq!((answer.status, answer.digest), (200, pull.digest.clone()), "an open connection");
            }
        }
        load.goes_on(100).await;
        load.stop().await;
    });
}

#[test]
fn a_thousand_reloads_under_load_disturb_nobody_and_leave_nothing_behind() {
    let registry = registry();
    let warden = portwarden(&registry).with(metrics::ON).start();
    let metrics = metrics::watcher(&warden);
    let file = warden.directory().join("portwarden.yml");
    let text = fs::read_to_string(&file).unwrap();
    let policies: Vec<String> = ["nobody", "nobody/else"]
        .map(|name| text.clone() + &format!("  - {{match: {{name: \"{name}\"}}, actions: [pull]}}\n"))
        .into();
    run(async {
        let pulls = pulls(&warden, pki::authority().pem().as_bytes()).await;
        let load = Load::start(1, &pulls);
        let mut held = Vec::new();
        for n in 0..1_000 {
            put(&file, &policies[n % 2]);
            hang_up(&warden);
            wait_for_reloads(&metrics, n + 1).await;
            held.push((warden.rss_kib(), warden.open_files()));
        }
        // And some without waiting: signals that come together may be one.
        for n in 0..200 {
            put(&file, &policies[n % 2]);
            hang_up(&warden);
        }
        load.goes_on(100).await;
        load.stop().await;
        let median = |held: &[(u64, usize)]| {
            let (mut memory, mut files): (Vec<_>, Vec<_>) = held.iter().copied().unzip();
            memory.sort_unstable();
            files.sort_unstable();
            (memory[memory.len() / 2], files[files.len() / 2])
        };
        let (early, late) = (median(&held[100..200]), median(&held[900..]));
        assert!(late.0 <= early.0 + GROWTH_KIB, "KiB and descriptors: {early:?}, then {late:?}");
        assert!(late.1 <= early.1 + 8, "KiB and descriptors: {early:?}, then {late:?}");
    });
    assert!(!warden.log().contains("not reloaded"), "{}", warden.log());
}

/// In one step: what is half written would be refused.
fn put(file: &Path, text: &str) {
    let next = file.with_extension("next");
    fs::write(&next, text).unwrap();
    fs::rename(next, file).unwrap();
}

fn hang_up(warden: &Portwarden) {
    kill_process(Pid::from_raw(warden.id() as i32).unwrap(), Signal::HUP).unwrap();
}

/// By the metric: the log has a bounded number of lines like one another.
async fn wait_for_reloads(metrics: &Request, times: usize) {
    const DONE: &str = "portwarden_reloads_total{outcome=\"done\"} ";
    let began = Instant::now();
    loop {
        let metrics = metrics.clone();
        let text = spawn_blocking(move || metrics.get("/metrics").is(200).text()).await.unwrap();
        let done = text.lines().find_map(|line| line.strip_prefix(DONE)?.parse::<usize>().ok());
        if done.is_some_and(|done| done >= times) {
            return;
        }
        assert!(began.elapsed() < PATIENCE, "{done:?} of {times} reloads");
        sleep(Duration::from_millis(2)).await;
    }
}

#[test]
fn a_kill_and_a_restart_behind_a_held_socket_refuse_no_connection() {
    let directory = tempfile::tempdir().unwrap();
    pki::authority().write_server_certificate(directory.path());
    let config = "server: {addr: \"192.0.2.1:1\", certificate: tls.crt, key: tls.key}\n\
                  token: {issuer: Acme, expiration: 900, certificate: tls.crt, key: tls.key}\nusers: {}\nacl: []\n";
    fs::write(directory.path().join("auth_config.yml"), config).unwrap();
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let mut service = Service::start(&socket, directory.path());
    let stopped = Arc::new(AtomicBool::new(false));
    run(async {
        let answered: Vec<_> = (0..8).map(|_| Arc::new(AtomicUsize::new(0))).collect();
        let counts = || answered.iter().map(|count| count.load(Ordering::SeqCst)).collect::<Vec<_>>();
        let clients: Vec<_> = (0..8)
            .map(|n| (client(address, PROTOCOLS[n % 2]), Arc::clone(&stopped), Arc::clone(&answered[n])))
            .map(|(client, stopped, answered)| tokio::spawn(ask_until(client, stopped, answered)))
            .collect();
        for _ in 0..5 {
            let before = counts();
            let each_was_answered = || before.iter().zip(counts()).all(|(before, now)| now > *before);
            let served = tokio::task::block_in_place(|| eventually(PATIENCE, each_was_answered));
            assert!(served, "{before:?} answers, then {:?}", counts());
            service.kill();
            // No process is there; the connection waits.
            let waiting = tokio::spawn(async move { ask(&client(address, Protocol::Http2)).await });
            sleep(Duration::from_millis(500)).await;
            assert!(!waiting.is_finished(), "by whom?");
            service = Service::start(&socket, directory.path());
            let answered = timeout(PATIENCE, waiting).await.expect("an answer").unwrap();
            assert_eq!(answered.unwrap(), 401);
        }
        stopped.store(true, Ordering::Relaxed);
        for client in clients {
            client.await.unwrap();
        }
    });
}

fn client(address: SocketAddr, protocol: Protocol) -> Client {
    Client::trusting(address, protocol, pki::authority().pem().as_bytes())
}

/// Asks on a new connection each time, and counts how often it was answered. Cut off it may be, twice in a row it may
/// not, and refused never.
async fn ask_until(client: Client, stopped: Arc<AtomicBool>, answered: Arc<AtomicUsize>) {
    let mut cut_off = 0;
    while !stopped.load(Ordering::Relaxed) {
        match ask(&client).await {
            Ok(status) => {
                assert_eq!(status, 401);
                answered.fetch_add(1, Ordering::SeqCst);
                cut_off = 0;
            }
            Err(failure) => {
                let refused = failure.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
                assert_ne!(refused, Some(ErrorKind::ConnectionRefused), "{failure}");
                cut_off += 1;
                assert!(cut_off < 2, "twice in a row: {failure}");
            }
        }
        sleep(Duration::from_millis(5)).await;
    }
}

async fn ask(client: &Client) -> Result<u16, Failure> {
    Ok(client.connect().await?.get("/v2/", "").await?.status)
}

/// Portwarden on a socket that outlives it, as systemd hands it over (sd_listen_fds(3)).
struct Service(Child);

impl Service {
    fn start(socket: &TcpListener, directory: &Path) -> Self {
        let mut command = Command::new("setpriv");
        // A shell moves the socket from standard input to where systemd puts it, and knows its own process id.
        command.args(["--pdeathsig", "KILL", "--", "sh", "-c"]);
        command.arg(r#"exec 3<&0 0</dev/null; export LISTEN_FDS=1 LISTEN_PID=$$; exec "$@""#);
        command.args(["sh", &program(), "serve", "--config"]).arg(directory.join("auth_config.yml"));
        let socket = OwnedFd::from(socket.try_clone().unwrap());
        let log = fs::File::options().create(true).append(true).open(directory.join("log")).unwrap();
        Self(command.stdin(Stdio::from(socket)).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap())
    }

    fn kill(&mut self) {
        self.0.kill().unwrap();
        let gone = eventually(PATIENCE, || self.0.try_wait().unwrap().is_some());
        assert!(gone, "it survived SIGKILL");
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
