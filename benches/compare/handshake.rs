//! Handshakes of TLS 1.3: full ones with both kinds of key, and resumed ones.

use std::{sync::Arc, thread};

use rustls::{ClientConfig, HandshakeKind, client::Resumption};

use crate::{
    blocking::handshake,
    client::tls_config,
    contenders::{Contender, Field, Setup},
    options::Options,
    report::{Goal, NGINX, Report, Sample, cpu_samples},
    support::{client::Protocol, pki::KeyType},
    usage::Meter,
};

/// Clients at the same time.
const THREADS: usize = 2;

/// A name, the server's key, the kind, and Portwarden's figure by nginx's.
const CASES: [(&str, KeyType, HandshakeKind, f64); 4] = [
    ("handshake-p256-full", KeyType::P256, HandshakeKind::Full, 0.5),
    ("handshake-p256-resumed", KeyType::P256, HandshakeKind::Resumed, 0.5),
    ("handshake-rsa-full", KeyType::Rsa, HandshakeKind::Full, 0.75),
    ("handshake-rsa-resumed", KeyType::Rsa, HandshakeKind::Resumed, 0.5),
];

/// Measures them.
pub fn run(options: &Options, report: &mut Report) {
    for server_key in [KeyType::P256, KeyType::Rsa] {
        let cases: Vec<_> =
            CASES.iter().filter(|(name, key, ..)| *key == server_key && options.wants(name)).collect();
        if cases.is_empty() {
            continue;
        }
        let field = Field::start(Setup { server_key, ..Setup::default() });
        let number = options.pick(2_000, 400);
        for (name, _, kind, times) in cases {
            report.measure(name, &field.contenders, options.rounds(), |contender| {
                shake_hands(&field, contender, *kind, number, *times)
            });
        }
    }
}

fn shake_hands(
    field: &Field,
    contender: &Contender,
    kind: HandshakeKind,
    number: usize,
    times: f64,
) -> Vec<Sample> {
    let configs: Vec<Arc<ClientConfig>> = (0..THREADS).map(|_| config(field, kind)).collect();
    // The first one of each brings the tickets for those that are measured.
    for config in &configs {
        handshake(contender.address, config);
    }
    let meter = Meter::start(&contender.processes);
    thread::scope(|scope| {
        for config in &configs {
            scope.spawn(|| {
                for _ in 0..number / THREADS {
                    assert_eq!(handshake(contender.address, config), kind);
                }
            });
        }
    });
    let goals = [Goal::TimesOf(times, NGINX)];
    cpu_samples("CPU µs/handshake", &goals, &meter.stop(), number as f64 / 1e6)
}

fn config(field: &Field, kind: HandshakeKind) -> Arc<ClientConfig> {
    let mut config = tls_config(&field.authority, Protocol::Http1);
    config.resumption = match kind {
        HandshakeKind::Resumed => Resumption::in_memory_sessions(8),
        _ => Resumption::disabled(),
    };
    Arc::new(config)
}
