//! Changes of rules, accounts and robots by which an account gains something, held against lines of every kind.

mod undecided;

use serde_json::{Value, json};

use super::{Accounts, Kind, Place, Replay, Report, Rules, RulesSettings};
use crate::{authn::Labels, authz::RuleSettings};

/// Rules that allow everything that `account` asks for.
fn all_for(account: &str) -> RuleSettings {
    RuleSettings {
        account: Some(account.to_owned()),
        actions: vec!["*".to_owned()],
        ..RuleSettings::default()
    }
}

/// A replay of one line.
fn replayed(acl: &[RuleSettings], accounts: Accounts, line: &Value) -> Report {
    let settings = RulesSettings { acl, ceilings: &[], accounts, service: String::new(), has_backend: false };
    let mut replay = Replay::new(Rules::new(settings).unwrap(), 1_800_000_000);
    replay.line(Place { file: 0, line: 1 }, Some(line.to_string().as_bytes()));
    replay.report
}

/// The differences, as the kind with the rule or reason.
fn differences(report: &Report) -> Vec<(Kind, &str)> {
    report.differences.keys().map(|subject| (subject.kind, &*subject.by)).collect()
}

/// `users` with these names.
fn users(names: &[&str]) -> Accounts {
    let users = names.iter().map(|name| ((*name).to_owned(), Labels::new()));
    Accounts { users: users.collect(), ..Accounts::default() }
}

fn with(mut line: Value, changes: &Value) -> Value {
    for (key, value) in changes.as_object().unwrap() {
        line[key] = value.clone();
    }
    line
}

/// docker asks for a token before it asks for anything else, and goes no further without one.
#[test]
fn rule_55_strangers_gain_the_tokens_that_they_were_refused() {
    let line = json!({
        "time": "2026-11-28T10:00:00Z", "event": "token", "credentials": "none", "decision": "challenged",
        "requested": ["repository:team/app:pull"], "granted": [],
    });
    let open = replayed(&[all_for("")], users(&[""]), &line);
    assert_eq!(differences(&open), [(Kind::Gain, "rule 1")]);
    assert!(!replayed(&[all_for("")], users(&["bob"]), &line).has_gains(), "there is no anonymous account");
    let summary = json!({
        "time": "2026-11-28T10:00:00Z", "event": "summary", "lines": 7, "counts": {"token_challenged": 7},
    });
    assert_eq!(replayed(&[], users(&[""]), &summary).undecided.first().map(|(_, open)| open.denied), Some(7));
}
