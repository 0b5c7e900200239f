//! Times a decision, over the number of rules and users, and counts its allocations.

#![allow(clippy::panic, reason = "a bench may fail loudly")]

use std::collections::BTreeMap;

use divan::{AllocProfiler, Bencher, black_box};
use portwarden::{
    authn::{UserSettings, Users},
    authz::{
        AuthorizationBackendSettings, Authorizers, Caller, Ceilings, LeftOut, NextRules, NotPermitted,
        Permit, Policy, Question, RuleSettings, at_once, authorize,
    },
    registry::Route,
};

#[global_allocator]
static ALLOCATIONS: AllocProfiler = AllocProfiler::system();

const COUNTS: [usize; 4] = [10, 100, 1_000, 10_000];
const MANY: [usize; 5] = [10, 100, 1_000, 10_000, 100_000];

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

fn numbered(count: usize, rule: impl Fn(usize) -> RuleSettings) -> Vec<RuleSettings> {
    (1..=count).map(rule).collect()
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
        tag: None,
        actions: &actions,
        token_scopes: None,
        now: 0,
    };
    assert!(policy.decide(&question).rule == policy.len().checked_sub(1), "the last rule is to match");
    bencher.bench(|| policy.decide(black_box(&question)));
}

fn compiled(rules: &[RuleSettings]) -> Policy {
    Policy::compile(rules).unwrap_or_else(|errors| panic!("{errors:?}"))
}

/// An account in each rule; the last one matches, here and below.
#[divan::bench(args = MANY)]
fn a_rule_for_each_account(bencher: Bencher<'_, '_>, count: usize) {
    let mut rules = numbered(count - 1, |i| rule(&format!("user{i}"), "${account}/*"));
    rules.push(rule("alice", "${account}/*"));
    ask(bencher, &compiled(&rules), &BTreeMap::new(), "alice/app");
}

/// A glob with a prefix of its own in each rule.
#[divan::bench(args = MANY)]
fn a_glob_for_each_team(bencher: Bencher<'_, '_>, count: usize) {
    let rules = numbered(count, |i| rule("*", &format!("team{i}/*")));
    ask(bencher, &compiled(&rules), &BTreeMap::new(), &format!("team{count}/app"));
}

/// An anchored expression in each rule.
#[divan::bench(args = COUNTS)]
fn an_anchored_regex_for_each_team(bencher: Bencher<'_, '_>, count: usize) {
    let rules = numbered(count, |i| rule("/.+/", &format!("/^team{i}\\/.+$/")));
    ask(bencher, &compiled(&rules), &BTreeMap::new(), &format!("team{count}/app"));
}

/// A value of a label in each rule.
fn label_rules(count: usize) -> Vec<RuleSettings> {
    let labels = |i| BTreeMap::from([("a".to_owned(), format!("a{i}"))]);
    numbered(count, |i| RuleSettings { labels: labels(i), ..rule("/.+/", "*/app") })
}

#[divan::bench(args = MANY)]
fn a_rule_for_each_label_value(bencher: Bencher<'_, '_>, count: usize) {
    let labels = BTreeMap::from([("a".to_owned(), vec![format!("a{count}")])]);
    ask(bencher, &compiled(&label_rules(count)), &labels, "team/app");
}

/// The account has three labels of a hundred values.
#[divan::bench(args = COUNTS)]
fn a_rule_for_each_label_value_many_values(bencher: Bencher<'_, '_>, count: usize) {
    let labels = three_labels(|label, i| format!("{label}{}", count + i));
    ask(bencher, &compiled(&label_rules(count)), &labels, "team/app");
}

/// Nothing that an index could know: the worst case.
#[divan::bench(args = COUNTS)]
fn globs_without_a_prefix(bencher: Bencher<'_, '_>, count: usize) {
    let rules = numbered(count, |i| rule("*", &format!("*-team{i}")));
    ask(bencher, &compiled(&rules), &BTreeMap::new(), &format!("app-team{count}"));
}

#[divan::bench(args = COUNTS)]
fn regexes_without_an_anchor(bencher: Bencher<'_, '_>, count: usize) {
    let rules = numbered(count, |i| rule("*", &format!("/-team{i}$/")));
    ask(bencher, &compiled(&rules), &BTreeMap::new(), &format!("app-team{count}"));
}

/// Rules for accounts and for teams, and at the end what every installation has.
#[divan::bench(args = COUNTS)]
fn a_mixture(bencher: Bencher<'_, '_>, count: usize) {
    let mut rules = numbered(count - 1, |i| match i % 4 {
        0 => rule(&format!("user{i}"), "/.*/"),
        1 => rule("/.+/", &format!("team{i}/*")),
        2 => rule("/.+/", &format!("/^project{i}\\/.+$/")),
        _ => rule(&format!("user{i}"), &format!("shared/app{i}")),
    });
    rules.push(rule("/.+/", "${account}/*"));
    ask(bencher, &compiled(&rules), &BTreeMap::new(), "alice/app");
}

/// Patterns, and a name that matches with the last values.
const LABELS: [(&str, &str); 4] = [
    ("${labels:a}/${labels:b}-${labels:c}", "a99/b99-c99"),
    ("*${labels:a}*${labels:b}*${labels:c}*", "a99.b99-c99"),
    ("/^${labels:a}\\/${labels:b}-${labels:c}$/", "a99/b99-c99"),
    ("${labels:a}/${labels:b}-${labels:a}", "a99/b99-a99"),
];

fn three_labels(value: impl Fn(&str, usize) -> String) -> BTreeMap<String, Vec<String>> {
    let values = |label: &str| (0..100).map(|i| value(label, i)).collect::<Vec<_>>();
    ["a", "b", "c"].map(|label| (label.to_owned(), values(label))).into()
}

/// Three labels of a hundred values: a million combinations.
#[divan::bench(args = [0, 1, 2, 3])]
fn three_labels_of_a_hundred(bencher: Bencher<'_, '_>, pattern: usize) {
    let labels = three_labels(|label, i| format!("{label}{i}"));
    let Some((pattern, name)) = LABELS.get(pattern) else { return };
    ask(bencher, &compiled(&[rule("*", pattern)]), &labels, name);
}

#[divan::bench(args = [10, 1_000, 100_000])]
fn users(bencher: Bencher<'_, '_>, count: usize) {
    let hash = "$2y$05$WuwBasGDAgr.QCbGIjKJaep4dhxeai9gNZdmBnQXqpKly57oNutya";
    let user =
        |i| UserSettings { name: format!("user{i}"), password: Some(hash.into()), ..UserSettings::default() };
    let settings: Vec<UserSettings> = (0..count).map(user).collect();
    let users = Users::build(&settings).unwrap_or_else(|errors| panic!("{errors:?}"));
    let last = format!("user{}", count - 1);
    bencher.bench(|| users.identity(black_box(&last)));
}

/// The cost of a reload: time, and under "max alloc" the most memory on the way.
#[divan::bench(args = [10_000, 100_000], sample_count = 5, sample_size = 1)]
fn compile_a_glob_for_each_account(bencher: Bencher<'_, '_>, count: usize) {
    let rules = numbered(count, |i| rule(&format!("user{i}"), &format!("team{i}/*")));
    bencher.bench(|| compiled(black_box(&rules)));
}

#[divan::bench(args = [10_000], sample_count = 3, sample_size = 1)]
fn compile_an_anchored_regex_for_each_team(bencher: Bencher<'_, '_>, count: usize) {
    let rules = numbered(count, |i| rule("/.+/", &format!("/^team{i}\\/.+$/")));
    bencher.bench(|| compiled(black_box(&rules)));
}

/// A pull that the last of the rules allows.
fn pull(count: usize, bench: impl FnOnce(&Authorizers, &NextRules, Caller<'_>, &Route)) {
    let rules = || compiled(&numbered(count, |i| rule("*", &format!("team{i}/*"))));
    let none = AuthorizationBackendSettings::default();
    let authorizers = Authorizers::new(rules(), Ceilings::default(), none, None);
    let next = NextRules::new(rules(), &authorizers);
    let (labels, left_out) = (BTreeMap::new(), LeftOut::new());
    let caller = Caller {
        account: "alice",
        labels: &labels,
        left_out: &left_out,
        ip: None,
        service: "registry.example",
        ceiling: None,
        token_scopes: None,
        now: 0,
    };
    let path = format!("/v2/team{count}/app/manifests/1.0");
    let route = Route::parse("GET", &path, None).unwrap_or_else(|error| panic!("{error}"));
    bench(&authorizers, &next, caller, &route);
}

#[expect(clippy::result_large_err, reason = "as `authorize` itself")]
fn decided(authorizers: &Authorizers, caller: Caller<'_>, route: &Route) -> Result<Permit, NotPermitted> {
    at_once(authorize(authorizers, caller, route.clone()))
        .unwrap_or_else(|| panic!("there is no back end to wait for"))
}

/// The decision on a request.
#[divan::bench(args = COUNTS)]
fn a_request(bencher: Bencher<'_, '_>, count: usize) {
    pull(count, |authorizers, _, caller, route| {
        bencher.bench_local(|| decided(authorizers, black_box(caller), route).is_ok());
    });
}

/// The comparison that `shadow` adds to it.
#[divan::bench(args = COUNTS)]
fn a_request_put_to_the_next_rules(bencher: Bencher<'_, '_>, count: usize) {
    pull(count, |authorizers, next, caller, route| {
        let in_force = decided(authorizers, caller, route);
        bencher.bench_local(|| next.compare(black_box(caller), route.clone(), &in_force));
    });
}
