//! The cost of a robot's token, and the memory of 10,000 robots with two tokens each.
//!
//! A login by token must stay under 5 µs, so that it needs no queue. The table with its ceilings must stay under 30 MB:
//! see `max alloc` of [`table`].

#![allow(clippy::panic, clippy::unwrap_used, missing_docs, reason = "a bench may fail loudly")]

use std::collections::BTreeMap;

use divan::{AllocProfiler, Bencher, black_box};
use portwarden::{
    authn::{Labels, NewToken, RobotSettings, RobotTokenSettings, RobotVerdict, Robots, Secret},
    authz::{
        AuthorizationBackendSettings, Authorizers, CeilingSettings, Ceilings, Policy, Question, RuleSettings,
    },
};

#[global_allocator]
static ALLOCATIONS: AllocProfiler = AllocProfiler::system();

const ROBOTS: usize = 10_000;
const NOW: u64 = 1_800_000_000;

fn main() {
    divan::main();
}

/// A robot with two tokens, one of which is known.
fn robot(number: usize, token: &NewToken) -> RobotSettings {
    let entry = |sha256: String| RobotTokenSettings {
        sha256,
        expires: Some("2099-12-31".to_owned()),
        comment: Some("cluster A, of the team web".to_owned()),
    };
    RobotSettings {
        name: format!("ci-deploy-{number}"),
        tokens: vec![entry(token.digest.to_string()), entry(NewToken::random().unwrap().digest.to_string())],
        labels: Labels::from([("team".to_owned(), vec!["web".to_owned()])]),
        line: number,
    }
}

fn ceiling(number: usize) -> CeilingSettings {
    let scopes = ["repository:acme/*:pull".to_owned(), format!("repository:acme/app-{number}:push")];
    CeilingSettings {
        account: format!("ci-deploy-{number}"),
        scopes: Some(scopes.to_vec()),
        ip: Some(vec!["10.0.0.0/8".to_owned()]),
        line: number,
    }
}

fn robots() -> (Robots, Secret) {
    let first = NewToken::random().unwrap();
    let rest = (1..ROBOTS).map(|number| robot(number, &NewToken::random().unwrap()));
    let settings: Vec<RobotSettings> = std::iter::once(robot(0, &first)).chain(rest).collect();
    (Robots::build(&settings).unwrap(), first.token)
}

fn ceilings() -> Ceilings {
    Ceilings::compile(&(0..ROBOTS).map(ceiling).collect::<Vec<_>>()).unwrap()
}

/// A right token.
#[divan::bench]
fn accepted(bencher: Bencher<'_, '_>) {
    let (robots, token) = robots();
    assert!(matches!(robots.verify("ci-deploy-0", &token, NOW), RobotVerdict::Accepted(_)));
    bencher.bench(|| robots.verify(black_box("ci-deploy-0"), &token, NOW));
}

/// A token of another robot, or of none.
#[divan::bench(args = ["ci-deploy-1", "unknown"])]
fn wrong(bencher: Bencher<'_, '_>, name: &str) {
    let (robots, token) = robots();
    bencher.bench(|| robots.verify(black_box(name), &token, NOW));
}

/// A decision below a ceiling, beside one without.
#[divan::bench(args = ["ci-deploy-7", "alice"])]
fn decide(bencher: Bencher<'_, '_>, account: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let all = RuleSettings { actions: vec!["*".to_owned()], ..RuleSettings::default() };
    let policy = Policy::compile(&[all]).unwrap();
    let authorizers = Authorizers::new(policy, ceilings(), AuthorizationBackendSettings::default(), None);
    let (labels, actions) = (BTreeMap::new(), ["pull".to_owned(), "push".to_owned()]);
    let question = Question {
        account,
        labels: &labels,
        ip: Some("10.1.2.3".parse().unwrap()),
        service: "registry.example",
        resource_type: "repository",
        name: "acme/app-7",
        tag: None,
        actions: &actions,
        token_scopes: None,
        now: 0,
    };
    bencher.bench_local(|| runtime.block_on(authorizers.decide(black_box(&question))).unwrap());
}

/// The table of all robots and their ceilings. Its settings are made before, and are not part of it.
#[divan::bench(sample_count = 5, sample_size = 1)]
fn table(bencher: Bencher<'_, '_>) {
    let tokens: Vec<NewToken> = (0..ROBOTS).map(|_| NewToken::random().unwrap()).collect();
    let settings: Vec<RobotSettings> = tokens.iter().enumerate().map(|(n, token)| robot(n, token)).collect();
    let bounds: Vec<CeilingSettings> = (0..ROBOTS).map(ceiling).collect();
    bencher.bench_local(|| (Robots::build(&settings).unwrap(), Ceilings::compile(&bounds).unwrap()));
}
