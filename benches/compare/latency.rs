//! Measures the time that a proxy adds to a small request, one at a time: against the registry itself, without TLS.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    sync::Arc,
    time::Instant,
};

use crate::{
    blocking::{connect, head},
    client::tls_config,
    contenders::{Field, Setup},
    options::Options,
    pull::upload,
    report::{Goal, Report, quantile, sample},
    small::put_manifest,
    support::{client::Protocol, content::Content},
};

/// The goals, in microseconds.
const ADDED_P50: f64 = 100.0;
const ADDED_P99: f64 = 1000.0;

trait Stream: Read + Write {}
impl<S: Read + Write> Stream for S {}

/// Measures them. They take turns request by request.
pub fn run(options: &Options, report: &mut Report) {
    if !options.wants("latency") {
        return;
    }
    let field = Field::start(Setup::default());
    let manifest = put_manifest(&field, &upload(&field, &Content::made(8, 1000)));
    let config = Arc::new(tls_config(&field.authority, Protocol::Http1));
    let direct = field.registry.address();
    let socket = TcpStream::connect(direct).unwrap();
    socket.set_nodelay(true).unwrap();
    let mut all: Vec<(&'static str, SocketAddr, Box<dyn Stream>)> =
        vec![("direct", direct, Box::new(socket))];
    for contender in &field.contenders {
        all.push((contender.name, contender.address, Box::new(connect(contender.address, &config))));
    }
    let number = options.pick(4_000, 1_000);
    for round in 0..=options.rounds() {
        eprint!("\rlatency: round {round} of {}   ", options.rounds());
        let mut times = vec![Vec::with_capacity(number); all.len()];
        for request in 0..number {
            for turn in 0..all.len() {
                let place = (turn + request) % all.len();
                let (_, address, stream) = &mut all[place];
                let began = Instant::now();
                let status = head(stream, *address, &manifest.target, &field.authorization);
                times[place].push(began.elapsed().as_secs_f64() * 1e6);
                assert_eq!(status, 200);
            }
        }
        if round == 0 {
            continue;
        }
        let (p50, p99) = (quantile(&times[0], 0.5), quantile(&times[0], 0.99));
        report.add(
            "latency",
            "direct",
            vec![sample("p50 µs", Goal::None, p50), sample("p99 µs", Goal::None, p99)],
        );
        for ((name, ..), times) in all.iter().zip(&times).skip(1) {
            report.add(
                "latency",
                name,
                vec![
                    sample("added p50 µs", Goal::AtMost(ADDED_P50), quantile(times, 0.5) - p50),
                    sample("added p99 µs", Goal::AtMost(ADDED_P99), quantile(times, 0.99) - p99),
                ],
            );
        }
    }
    eprintln!();
}
