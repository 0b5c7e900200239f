//! Measures the effect of a flood of wrong passwords on clients that have a token, and on those that have the right
//! password.
//!
//! Quiet and attacked rounds take turns, so that what else the machine does falls on both. The attackers are a process
//! of their own at the lowest priority: elsewhere they are another machine, and what they need of this one's processors
//! would be taken for Portwarden's.
//!
//! The goals: the p99 of pulls with a token stays within twice its quiet value, and a right password from another
//! address is let in within two seconds. It says whether they are met, and fails when they are not.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    missing_docs,
    reason = "a benchmark may fail loudly, and prints what it measured"
)]

#[path = "../tests/support/mod.rs"]
mod support;

use std::{
    collections::BTreeMap,
    env, fs,
    net::{Ipv4Addr, SocketAddr},
    process::{Child, Command, ExitCode, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use support::{
    client::{Client, PROTOCOLS, Protocol, basic, run, wrong_password},
    content::Content,
    load::{Load, Pull},
    portwarden::{ADMIN, Portwarden, TEST2, portwarden},
    registry::registry,
};
use tokio::time::{sleep, timeout};

/// Rounds of each kind, and how long one takes.
const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_secs(6);
/// Addresses that attack, each with one connection per protocol.
const ATTACKERS: u8 = 50;
/// Between two attempts of one connection.
const ATTACK_PAUSE: Duration = Duration::from_millis(20);
/// The bcrypt cost of a password; Portwarden warns of less.
const COST: u32 = 10;
/// Pulling clients for each of four kinds.
const CLIENTS: usize = 2;
/// The goals.
const MOST_SLOWER: f64 = 2.0;
const LET_IN_WITHIN: Duration = Duration::from_secs(2);
/// Nothing is remembered: each login is checked, as that of a new client.
const SETTINGS: &str = "limits: {remember_passwords: 0s}";

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().collect();
    if let [_, flag, address, authority] = arguments.as_slice()
        && flag == "--flood"
    {
        flood(address.parse().unwrap(), &fs::read(authority).unwrap());
        return ExitCode::SUCCESS;
    }
    let registry = registry();
    let warden = portwarden(&registry).cost(COST).with(SETTINGS).start();
    let measured = run(measure(&warden));
    measured.report()
}

/// A value for each round.
#[derive(Default)]
struct Measured {
    quiet: Vec<Duration>,
    attacked: Vec<Duration>,
    pulls: usize,
    logins: Vec<Duration>,
    refused: usize,
    cpu: Duration,
}

async fn measure(warden: &Portwarden) -> Measured {
    let pulls = pulls(warden).await;
    // The first round of all finds everything cold.
    round(&pulls).await;
    let mut measured = Measured::default();
    for _ in 0..ROUNDS {
        let times = round(&pulls).await;
        measured.pulls += times.len();
        measured.quiet.push(p99(times));

        let mut attack = Attack::start(warden);
        sleep(Duration::from_secs(1)).await;
        let cpu = warden.cpu_time();
        let (times, logins) = tokio::join!(round(&pulls), log_in_all_the_time(warden));
        measured.cpu += warden.cpu_time() - cpu;
        attack.stop();
        measured.pulls += times.len();
        measured.attacked.push(p99(times));
        measured.refused += logins.1;
        measured.logins.extend(logins.0);
        // Requests that wait in the queue do not belong to the next round.
        sleep(Duration::from_secs(3)).await;
    }
    measured
}

async fn pulls(warden: &Portwarden) -> Vec<Pull> {
    let mut connection = Client::new(warden, Protocol::Http1).connect().await.unwrap();
    let authorization = connection.token(ADMIN, &["repository:team/app:pull,push"]).await.unwrap();
    let mut pulls = Vec::new();
    for protocol in PROTOCOLS {
        for size in [1_000, 64 << 10] {
            let content = Content::made(size, size);
            assert_eq!(connection.push("team/app", &authorization, &content).await.unwrap().status, 201);
            let digest = content.digest();
            pulls.push(Pull {
                client: Client::new(warden, protocol),
                authorization: authorization.clone(),
                target: format!("/v2/team/app/blobs/{digest}"),
                digest,
                requests: usize::MAX,
                pause: Duration::from_millis(10),
            });
        }
    }
    pulls
}

/// Returns the time that each pull of a round took.
async fn round(pulls: &[Pull]) -> Vec<Duration> {
    let load = Load::start(CLIENTS, pulls);
    sleep(ROUND).await;
    load.stop().await
}

/// A client with the right password, at an address that takes no part in the attack. Returns the time until each login
/// succeeds, trying again as the answers say, and the number of refusals.
async fn log_in_all_the_time(warden: &Portwarden) -> (Vec<Duration>, usize) {
    let client = Client::new(warden, Protocol::Http1).from(Ipv4Addr::new(127, 0, 0, 2));
    let (began, mut logins, mut refused) = (Instant::now(), Vec::new(), 0);
    while began.elapsed() < ROUND {
        let login = Instant::now();
        let mut connection = client.connect().await.unwrap();
        while login.elapsed() < ROUND {
            let answer = connection.get("/auth", &basic(TEST2)).await.unwrap();
            if answer.status == 200 {
                break;
            }
            refused += 1;
            let again = answer.headers.get("retry-after").expect("when to try again").to_str().unwrap();
            sleep(Duration::from_secs(again.parse().unwrap())).await;
        }
        logins.push(login.elapsed());
        sleep(Duration::from_millis(200)).await;
    }
    (logins, refused)
}

/// The attackers.
struct Attack(Child);

impl Attack {
    fn start(warden: &Portwarden) -> Self {
        let mut command = Command::new("nice");
        command.args(["-n", "19"]).arg(env::current_exe().unwrap()).arg("--flood");
        command.arg(warden.address().to_string()).arg(warden.authority_file());
        Self(command.stdin(Stdio::piped()).spawn().unwrap())
    }

    /// It ends when its input does.
    fn stop(&mut self) {
        drop(self.0.stdin.take());
        self.0.wait().unwrap();
    }
}

/// Wrong passwords for names that exist and for names that do not, from many addresses, until the input ends.
fn flood(address: SocketAddr, authority: &[u8]) {
    run(async {
        let answers = Arc::new(Mutex::new(BTreeMap::<String, usize>::new()));
        for number in 0..ATTACKERS {
            for protocol in PROTOCOLS {
                let client =
                    Client::trusting(address, protocol, authority).from(Ipv4Addr::new(127, 0, 1, number + 1));
                tokio::spawn(attack(client, number, Arc::clone(&answers)));
            }
        }
        let ended =
            tokio::task::spawn_blocking(|| std::io::copy(&mut std::io::stdin(), &mut std::io::sink()));
        ended.await.unwrap().unwrap();
        let all = answers.lock().unwrap().clone();
        println!("  the attackers were answered: {all:?}");
    });
}

async fn attack(client: Client, number: u8, answers: Arc<Mutex<BTreeMap<String, usize>>>) {
    let names = ["admin", "test2", "nobody"];
    for attempt in 0_usize.. {
        let Ok(mut connection) = client.connect().await else { continue };
        for turn in 0..20 {
            let name = names
                .get((attempt + turn) % 4)
                .map_or_else(|| format!("n{attempt}-{turn}"), |n| (*n).to_owned());
            let guess = wrong_password(&name, &format!("{number}-{attempt}-{turn}"));
            let answered = timeout(Duration::from_secs(20), connection.get("/auth", &guess)).await;
            let how = match answered {
                Ok(Ok(answer)) => answer.status.to_string(),
                Ok(Err(_)) => "broken off".to_owned(),
                Err(_) => "none".to_owned(),
            };
            *answers.lock().unwrap().entry(how).or_default() += 1;
            sleep(ATTACK_PAUSE).await;
        }
    }
}

impl Measured {
    fn report(mut self) -> ExitCode {
        let (quiet, attacked) = (Spread::of(&mut self.quiet), Spread::of(&mut self.attacked));
        let logins = Spread::of(&mut self.logins);
        let ratio = attacked.median.as_secs_f64() / quiet.median.as_secs_f64();
        let busy = self.cpu.as_secs_f64() / (ROUND.as_secs_f64() * ROUNDS as f64);
        println!("{} pulls with a token, p99 of each round, median of {ROUNDS} rounds:", self.pulls);
        println!("  quiet     {quiet}");
        println!("  attacked  {attacked}; Portwarden used {busy:.2} processors");
        println!("  ratio     {ratio:.2}; the goal is at most {MOST_SLOWER}");
        println!("{} right passwords from another address while it was attacked:", self.logins.len());
        println!("  let in within {logins}; refused {} times; the goal is {LET_IN_WITHIN:?}", self.refused);
        if ratio <= MOST_SLOWER && logins.most <= LET_IN_WITHIN {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }
}

/// A median, the least and the most.
struct Spread {
    median: Duration,
    least: Duration,
    most: Duration,
}

impl Spread {
    fn of(times: &mut [Duration]) -> Self {
        times.sort_unstable();
        Self { median: times[times.len() / 2], least: times[0], most: times[times.len() - 1] }
    }
}

impl std::fmt::Display for Spread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.1?} ({:.1?} to {:.1?})", self.median, self.least, self.most)
    }
}

fn p99(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() * 99 / 100]
}
