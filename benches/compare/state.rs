//! A state in PostgreSQL: tokens with and without it, and what a replica takes to start with, and to keep, a hundred
//! thousand of what people made and ended.

use std::{fs, time::Instant};

use crate::{
    contenders::{Contender, Setup, ours},
    options::Options,
    report::{Goal, OURS, Report, sample},
    support::{
        metrics,
        portwarden::{Builder, Portwarden},
        postgres::{PERSONAL_TOKENS, Postgres, REVOKED_TOKENS, SIGN_INS},
        process::{PATIENCE, eventually},
        registry::registry,
    },
    token::{Way, ask},
    usage,
};

/// Time for a token by that without a state: the token endpoint keeps 0.9 of its rate.
const SLOWER: f64 = 1.11;
/// Of a replica with all of it, more than of one with none, in MB.
const MEMORY: f64 = 60.0;
/// From the start of the program until it is ready, in seconds.
const READY: f64 = 2.0;

/// The contents of the database.
const CONTENTS: [(&str, &str); 3] =
    [("state-tokens", PERSONAL_TOKENS), ("state-people", SIGN_INS), ("state-ended", REVOKED_TOKENS)];
/// The ways to a token.
const WAYS: [(&str, Way); 2] = [("state-refresh", Way::Refresh), ("state-password", Way::Password)];

/// Measures them.
pub fn run(options: &Options, report: &mut Report) {
    let contents: Vec<_> = CONTENTS.iter().filter(|(case, _)| options.wants(case)).collect();
    let ways: Vec<_> = WAYS.iter().filter(|(case, _)| options.wants(case)).collect();
    if contents.is_empty() && ways.is_empty() {
        return;
    }
    let (registry, postgres) = (registry(), Postgres::start());
    let with = |url: &str| {
        let state = format!("state: {{url: \"{url}\"}}\n{}", metrics::ON);
        ours(&registry, Setup::default()).with(&state)
    };
    tokens(options, report, &ways, [with(&postgres.state_url()), ours(&registry, Setup::default())]);
    let number = options.pick(100_000, 10_000);
    for round in 0..options.few_rounds() {
        for &&(case, sql) in &contents {
            eprint!("\r{case}: round {} of {}   ", round + 1, options.few_rounds());
            let builder = with(&postgres.state_url());
            // The first one makes the tables.
            drop(builder.clone().start());
            let empty = Replica::start(&builder);
            // More people than that are refused.
            postgres.fill_state(sql, if case == "state-people" { number / 2 } else { number });
            let full = Replica::start(&builder);
            let samples = vec![
                sample("memory MB", Goal::None, full.memory),
                sample("memory MB, more than empty", Goal::AtMost(MEMORY), full.memory - empty.memory),
                sample("peak MB", Goal::None, full.peak),
                sample("ready s", Goal::AtMost(READY), full.wall),
                sample("ready CPU s", Goal::None, full.cpu),
                sample("ready CPU s, empty", Goal::None, empty.cpu),
            ];
            report.add(case, OURS, samples);
        }
    }
    eprintln!();
}

/// A refresh token and a password for a token, in turns.
fn tokens(options: &Options, report: &mut Report, ways: &[&(&str, Way)], builders: [Builder; 2]) {
    if ways.is_empty() {
        return;
    }
    let wardens = builders.map(Builder::start);
    let contender = |name: &'static str, warden: &Portwarden| Contender {
        name,
        address: warden.address(),
        processes: vec![warden.id()],
    };
    let contenders = [contender(OURS, &wardens[0]), contender("without state", &wardens[1])];
    let number = options.pick(20_000, 5_000);
    for (case, way) in ways {
        report.measure(case, &contenders, 2 * options.rounds(), |contender| {
            let position = contenders.iter().position(|other| other.name == contender.name).unwrap_or(0);
            let authority = fs::read(wardens[position].authority_file()).unwrap();
            let spent = ask(&authority, contender, *way, number);
            let each = 1e6 / number as f64;
            vec![
                sample("CPU µs/token", Goal::Times(SLOWER), spent.cpu * each),
                sample("wall µs/token", Goal::Times(SLOWER), spent.wall * each),
            ]
        });
    }
}

/// One that has just become ready.
struct Replica {
    wall: f64,
    cpu: f64,
    memory: f64,
    peak: f64,
}

impl Replica {
    fn start(builder: &Builder) -> Self {
        let began = Instant::now();
        let warden = builder.clone().start();
        assert!(eventually(PATIENCE, || metrics::watcher(&warden).get("/readyz").status == 200));
        let (wall, own) = (began.elapsed().as_secs_f64(), [warden.id()]);
        let [memory, peak] = [usage::memory(&own), usage::peak_memory(&own)].map(|bytes| bytes as f64 / 1e6);
        Self { wall, cpu: usage::cpu(&own).as_secs_f64(), memory, peak }
    }
}
