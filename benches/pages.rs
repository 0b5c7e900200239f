//! Times the web pages and the filtered catalogue with 10,000 repositories, at the client, on one connection.
//!
//! The goal: the first page within 300 ms once the registry's names are known. It says whether it is met, and fails
//! when it is not. The first reading, which asks the registry for all names, is printed beside it.
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
const GOAL: Duration = Duration::from_millis(300);
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
    let warden = portwarden(&registry).acl(ACL).start();
    println!("{REPOSITORIES} repositories; median (least to most) of {ROUNDS}:");
    let mut is_met = true;
    for user in [ADMIN, USER] {
        is_met &= run(measure(&warden, user));
    }
    println!("the goal for / is {GOAL:?}: {}", if is_met { "met" } else { "missed" });
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
        began.elapsed()
    };
    println!("{}:", user.name);
    println!("  {:22} {:.1?}", "the first request", timed("/").await);
    let mut is_met = true;
    for page in PAGES {
        let mut times = Vec::new();
        for _ in 0..ROUNDS {
            times.push(timed(page).await);
        }
        times.sort_unstable();
        let (median, least, most) = (times[ROUNDS / 2], times[0], times[ROUNDS - 1]);
        println!("  {page:22} {median:.1?} ({least:.1?} to {most:.1?})");
        is_met &= page != "/" || median <= GOAL;
    }
    is_met
}
