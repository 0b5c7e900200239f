//! Ten thousand connections that had one request and stay: what they take of memory, and of the time of a pull beside
//! them.

use std::{sync::Arc, thread, time::Duration};

use crate::{
    blocking::{Tls, connect, head},
    client::tls_config,
    contenders::{Contender, Field, Setup},
    options::Options,
    pull::{Transfer, upload},
    report::{Goal, NGINX, Report, sample},
    small::put_manifest,
    support::{client::Protocol, content::Content, process::pause},
    usage,
};

/// Clients that connect at the same time.
const THREADS: usize = 2;
/// A pull beside idle connections, by one without.
const SLOWER: f64 = 1.1;
/// Before memory is looked at: the last ones are to be as idle as the first.
const SETTLE: Duration = Duration::from_secs(3);
/// Pulls of which the fastest counts, with and without.
const PULLS: usize = 3;

/// Measures them. Every contender is started anew for each round: memory that was once taken is not always given back.
pub fn run(options: &Options, report: &mut Report) {
    if !options.wants("idle") {
        return;
    }
    let number = options.pick(10_000, 2_000);
    let rounds = options.few_rounds();
    for round in 0..rounds {
        let field = Field::start(Setup::default());
        let blob = upload(&field, &Content::made(6, options.pick(512 << 20, 64 << 20)));
        let manifest = put_manifest(&field, &blob);
        let pull = Transfer { protocol: Protocol::Http1, streams: 1, blob: &blob };
        for place in 0..field.contenders.len() {
            eprint!("\ridle: round {} of {rounds}   ", round + 1);
            let contender = &field.contenders[(place + round) % field.contenders.len()];
            let time = || {
                let times = (0..PULLS).map(|_| pull.pull(&field, contender, &contender.processes).spent.wall);
                times.fold(f64::INFINITY, f64::min)
            };
            let alone = time();
            let before = usage::memory(&contender.processes);
            let idle = connect_all(&field, contender, &manifest.target, number);
            pause(SETTLE);
            let memory = usage::memory(&contender.processes);
            let beside = time();
            drop(idle);
            let mib = f64::from(1 << 20);
            report.add(
                "idle",
                contender.name,
                vec![
                    sample("memory MiB", Goal::TimesOf(1.0, NGINX), memory as f64 / mib),
                    sample(
                        "KiB/connection",
                        Goal::None,
                        memory.saturating_sub(before) as f64 / 1024.0 / number as f64,
                    ),
                    sample("pull slower by ×", Goal::AtMost(SLOWER), beside / alone),
                ],
            );
        }
    }
    eprintln!();
}

/// Each has had its answer.
pub fn connect_all(field: &Field, contender: &Contender, target: &str, number: usize) -> Vec<Tls> {
    let config = Arc::new(tls_config(&field.authority, Protocol::Http1));
    let one = || {
        let mut stream = connect(contender.address, &config);
        assert_eq!(head(&mut stream, contender.address, target, &field.authorization), 200);
        stream
    };
    thread::scope(|scope| {
        let threads: Vec<_> =
            (0..THREADS).map(|_| scope.spawn(|| (0..number / THREADS).map(|_| one()).collect())).collect();
        threads.into_iter().flat_map(|thread| -> Vec<Tls> { thread.join().unwrap() }).collect()
    })
}
