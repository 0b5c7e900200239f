//! Tokens: for a refresh token, and for a password that is remembered, with both kinds of key.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use aws_lc_rs::{
    rand::SystemRandom,
    rsa::KeySize,
    signature::{RSA_PKCS1_SHA256, RsaKeyPair},
};
use hyper::Method;
use serde_json::Value;

use crate::{
    client::{Answer, Ask, Client, all},
    contenders::{Contender, Field, REPOSITORY, Setup},
    options::Options,
    report::{Goal, Report, sample},
    support::{
        client::{Protocol, basic, run as block_on},
        content::Content,
        pki::KeyType,
        portwarden::{ADMIN, SERVICE},
    },
    usage::{Meter, Spent, cpu_of_this_thread},
};

/// Connections with a request all the time.
const CONNECTIONS: usize = 8;
/// Tokens for each second of a processor, with P-256.
const TOKENS: f64 = 10_000.0;
/// A token with RSA, by the bare signature.
const RSA: f64 = 1.1;

/// The way in which a token is asked for.
#[derive(Clone, Copy, PartialEq)]
pub enum Way {
    /// With a refresh token.
    Refresh,
    /// With a password that was verified before.
    Password,
}

const CASES: [(&str, KeyType, Way); 4] = [
    ("token-p256-refresh", KeyType::P256, Way::Refresh),
    ("token-p256-password", KeyType::P256, Way::Password),
    ("token-rsa-refresh", KeyType::Rsa, Way::Refresh),
    ("token-rsa-password", KeyType::Rsa, Way::Password),
];

/// Measures them.
pub fn run(options: &Options, report: &mut Report) {
    for token_key in [KeyType::P256, KeyType::Rsa] {
        let cases: Vec<_> =
            CASES.iter().filter(|(name, key, _)| *key == token_key && options.wants(name)).collect();
        if cases.is_empty() {
            continue;
        }
        let field = Field::start(Setup { token_key, ..Setup::default() });
        let number = options.pick(20_000, 2_000);
        for (case, _, way) in cases {
            // The first round finds everything cold.
            for round in 0..=options.rounds() {
                let bare = (token_key == KeyType::Rsa).then(|| bare_signature(number / 10));
                let spent = ask(&field.authority, &field.contenders[0], *way, number);
                let (cpu, wall) = (spent.cpu / number as f64, spent.wall / number as f64);
                if round == 0 {
                    continue;
                }
                let goal = if bare.is_some() { Goal::Times(RSA) } else { Goal::None };
                let mut ours = vec![sample("CPU µs/token", goal, cpu * 1e6)];
                if let Some(bare) = bare {
                    report.add(case, "bare signature", vec![sample("CPU µs/token", goal, bare * 1e6)]);
                } else {
                    ours.push(sample("tokens/CPU s", Goal::AtLeast(TOKENS), 1.0 / cpu));
                }
                ours.push(sample("tokens/s", Goal::None, 1.0 / wall));
                report.add(case, field.contenders[0].name, ours);
            }
        }
    }
}

/// Returns what so many tokens take.
pub fn ask(authority: &[u8], contender: &Contender, way: Way, number: usize) -> Spent {
    let client = Client::new(contender.address, Protocol::Http1, authority, &basic(ADMIN));
    block_on(async {
        let mut connections = client.streams(CONNECTIONS).await;
        let query = format!("/auth?service={SERVICE}&scope=repository:{REPOSITORY}:pull");
        // Checks the password for the first time; it is remembered from here.
        let first = connections[0].send(Ask::get(&format!("{query}&offline_token=true"))).await.unwrap();
        let refresh = if way == Way::Refresh { member(&first, "refresh_token") } else { String::new() };
        let form = format!(
            "grant_type=refresh_token&service={SERVICE}&client_id=docker&scope=repository:{REPOSITORY}:pull\
             &refresh_token={refresh}"
        );
        let left = Arc::new(AtomicUsize::new(number));
        let meter = Meter::start(&contender.processes);
        all(connections.into_iter().map(|mut connection| {
            let (left, query, form) = (Arc::clone(&left), query.clone(), form.clone());
            async move {
                while left
                    .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1))
                    .is_ok()
                {
                    let request = match way {
                        Way::Password => Ask::get(&query),
                        Way::Refresh => Ask {
                            authorization: Some(""),
                            ..Ask::new(Method::POST, "/auth").with(
                                Content::given(form.clone(), "application/x-www-form-urlencoded"),
                                "application/x-www-form-urlencoded",
                            )
                        },
                    };
                    let answer = connection.send(request).await.unwrap();
                    assert!(!member(&answer, "access_token").is_empty());
                }
            }
        }))
        .await;
        meter.stop()
    })
}

fn member(answer: &Answer, name: &str) -> String {
    assert_eq!(answer.status, 200, "{answer:?}");
    let json: Value = serde_json::from_str(&answer.text).unwrap();
    json[name].as_str().unwrap_or_else(|| panic!("no {name}: {answer:?}")).to_owned()
}

/// The processor's time for an RSA signature, in this process.
fn bare_signature(number: usize) -> f64 {
    let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let (random, mut signature) = (SystemRandom::new(), vec![0; pair.public_modulus_len()]);
    let mut sign = |number| {
        for _ in 0..number {
            pair.sign(&RSA_PKCS1_SHA256, &random, b"header.payload", &mut signature).unwrap();
        }
    };
    sign(10);
    let before = cpu_of_this_thread();
    sign(number);
    (cpu_of_this_thread() - before).as_secs_f64() / number as f64
}
