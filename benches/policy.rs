//! How long a decision takes: many rules, and many labels.

#![allow(clippy::panic, reason = "a bench may fail loudly")]

use std::collections::BTreeMap;

use divan::{Bencher, black_box};
use portwarden::authz::{Policy, Question, RuleSettings};

fn main() {
    divan::main();
}

fn rule(account: &str, name: &str) -> RuleSettings {
    RuleSettings {
        account: Some(account.to_owned()),
        name: Some(name.to_owned()),
        actions: vec!["*".to_owned()],
        ..RuleSettings::default()
    }
}

fn ask(bencher: Bencher<'_, '_>, policy: &Policy, labels: &BTreeMap<String, Vec<String>>, name: &str) {
    let actions = ["pull".to_owned(), "push".to_owned()];
    let question = Question {
        account: "alice",
        labels,
        ip: None,
        service: "registry.example",
        resource_type: "repository",
        name,
        actions: &actions,
    };
    bencher.bench(|| policy.decide(black_box(&question)));
}

fn compiled(rules: &[RuleSettings]) -> Policy {
    Policy::compile(rules).unwrap_or_else(|errors| panic!("{errors:?}"))
}

/// One rule for each of many accounts and name prefixes; the last one matches.
#[divan::bench(args = [10, 1_000, 10_000])]
fn rules(bencher: Bencher<'_, '_>, count: usize) {
    let mut rules: Vec<_> = (1..count).map(|i| rule(&format!("user{i}"), &format!("team{i}/*"))).collect();
    rules.push(rule("alice", "${account}/*"));
    ask(bencher, &compiled(&rules), &BTreeMap::new(), "alice/app");
}

/// As above, with regular expressions on the name.
#[divan::bench(args = [10, 1_000])]
fn regex_rules(bencher: Bencher<'_, '_>, count: usize) {
    let mut rules: Vec<_> = (1..count).map(|i| rule("*", &format!("/^team{i}\\/.+$/"))).collect();
    rules.push(rule("alice", "/^${account}\\/.+$/"));
    ask(bencher, &compiled(&rules), &BTreeMap::new(), "alice/app");
}

const LABELS: [&str; 4] = [
    "${labels:a}/${labels:b}-${labels:c}",
    "*${labels:a}*${labels:b}*${labels:c}*",
    "/^${labels:a}\\/${labels:b}-${labels:c}$/",
    "${labels:a}/${labels:b}-${labels:a}",
];

/// Three labels of a hundred values: a million combinations.
#[divan::bench(args = LABELS)]
fn three_labels_of_a_hundred(bencher: Bencher<'_, '_>, name: &str) {
    let values = |label: &str| (0..100).map(|i| format!("{label}{i}")).collect::<Vec<_>>();
    let labels = ["a", "b", "c"].map(|label| (label.to_owned(), values(label))).into();
    ask(bencher, &compiled(&[rule("*", name)]), &labels, "a99/b99-c99");
}
