//! Measures the web pages and the filtered catalogue with 10,000 repositories, on one connection: the time at the client,
//! the processor time of Portwarden, and the bytes of the answer.
//!
//! The goal: the first page takes 50 ms of processor time, on the first visit too, which asks the registry for all names.
//! It says whether it is met, and fails when it is not. A machine that does other work at the time slows the clock at the
//! client, and hardly the processor time.
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
    process::ExitCode,
    time::{Duration, Instant},
};

use support::{
    client::{Client, Protocol, basic, run},
    portwarden::{ADMIN, Portwarden, USER, User, portwarden},
    registry::registry,
};

const REPOSITORIES: usize = 10_000;
const ROUNDS: usize = 40;
const GOAL: Duration = Duration::from_millis(50);
/// For the filtered account: a rule that is found by its index, and one that has to be looked at.
const ACL: &str = "
  - {match: {account: admin}, actions: ['*']}
  - {match: {account: user, name: '*/app*'}, actions: [pull]}
";
const PAGES: [&str; 5] = ["/", "/?q=app99", "/?page=50", "/-/access", "/v2/_catalog?n=1000"];

fn main() -> ExitCode {
    let registry = registry();
    let names: Vec<String> = (0..REPOSITORIES).map(|n| format!("team{}/app{n:05}", n % 100)).collect();
    registry.add_repositories(&names);
    println!(
        "{REPOSITORIES} repositories; median time (least to most) of {ROUNDS}, mean processor time, bytes:"
    );
    let mut is_met = true;
    for user in [ADMIN, USER] {
        // The next one is a first visit too.
        let warden = portwarden(&registry).acl(ACL).start();
        is_met &= run(measure(&warden, user));
    }
    println!("the goal for / is {GOAL:?} of processor time: {}", if is_met { "met" } else { "missed" });
    if is_met { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Prints the times of an account; whether the goal is met.
async fn measure(warden: &Portwarden, user: User) -> bool {
    let mut connection = Client::new(warden, Protocol::Http1).connect().await.unwrap();
    let authorization = basic(user);
    let mut timed = async |page: &str| {
        let began = Instant::now();
        let answer = connection.get(page, &authorization).await.unwrap();
        assert_eq!(answer.status, 200, "{page}");
        (began.elapsed(), answer.bytes)
    };
    println!("{}:", user.name);
    // The password is known from here on: hashing it takes longer than a page.
    timed("/-/sign-in").await;
    timed("/v2/").await;
    let before = warden.cpu_time();
    let (time, _) = timed("/").await;
    let cpu = warden.cpu_time() - before;
    println!("  {:22} {time:.1?}; {cpu:.1?}", "the first visit of /");
    let mut is_met = cpu <= GOAL;
    for page in PAGES {
        let (mut times, mut bytes) = (Vec::new(), 0);
        let before = warden.cpu_time();
        for _ in 0..ROUNDS {
            let (time, length) = timed(page).await;
            times.push(time);
            bytes = length;
        }
        let cpu = (warden.cpu_time() - before) / u32::try_from(ROUNDS).unwrap();
        times.sort_unstable();
        let (median, least, most) = (times[ROUNDS / 2], times[0], times[ROUNDS - 1]);
        println!("  {page:22} {median:.1?} ({least:.1?} to {most:.1?}); {cpu:.1?}; {bytes}");
        is_met &= page != "/" || cpu <= GOAL;
    }
    is_met
}
