//! Requests of which the log does not tell enough: undecided, and counted.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::super::*;
use crate::authz::RuleSettings;

fn rule(actions: &[&str]) -> RuleSettings {
    let actions = actions.iter().map(|action| (*action).to_owned()).collect();
    RuleSettings { name: Some("team/*".to_owned()), actions, ..RuleSettings::default() }
}

fn labelled() -> RuleSettings {
    let labels = BTreeMap::from([("team".to_owned(), "dev".to_owned())]);
    RuleSettings { labels, ..rule(&["pull"]) }
}

/// Replays `lines` against rules beside `ldap_auth`.
fn replayed(acl: &[RuleSettings], has_anonymous: bool, has_backend: bool, lines: &[Value]) -> Replay {
    let mut accounts = Accounts { sections: vec!["ldap_auth"], ..Accounts::default() };
    if has_anonymous {
        accounts.users.insert(String::new(), BTreeMap::new());
    }
    let service = "registry".to_owned();
    let settings = RulesSettings { acl, ceilings: &[], accounts, service, has_backend };
    let mut replay = Replay::new(Rules::new(settings).unwrap(), 0);
    for line in lines {
        replay.line(Place { file: 0, line: 1 }, Some(line.to_string().as_bytes()));
    }
    replay
}

/// A pull by an account of `ldap_auth`, with `changes`.
fn pull(changes: Value) -> Value {
    let mut line = json!({
        "time": "2026-11-28T10:00:00Z", "event": "decision", "account": "bob", "source": "ldap_auth",
        "credentials": "token", "method": "GET", "route": "manifest", "repository": "team/app",
        "reference": "1", "requested": ["repository:team/app:pull"], "decision": "denied",
    });
    let Value::Object(changes) = changes else { panic!("an object") };
    line.as_object_mut().unwrap().extend(changes);
    line
}

const ONE_DENIED: Open = Open { allowed: 0, denied: 1 };

/// `gain`, `lose`, the reason why it is undecided, or `same`.
fn found(replay: &Replay) -> &'static str {
    let Report { differences, undecided, counts, .. } = replay.report();
    assert_eq!((counts.foreign, counts.unreadable), (0, 0));
    match (differences.keys().next(), undecided.first()) {
        (Some(subject), None) => match subject.kind {
            Kind::Gain => "gain",
            Kind::Lose => "lose",
        },
        (None, Some((why, _))) => why.word(),
        (None, None) => "same",
        both => panic!("{both:?}"),
    }
}

#[test]
fn rule_55_what_a_back_end_would_decide_is_undecided() {
    let token = json!({"event": "token", "decision": "allowed", "granted": []});
    for line in [pull(json!({})), pull(token)] {
        let beside = |acl: &[RuleSettings], has_backend| {
            replayed(acl, false, has_backend, std::slice::from_ref(&line))
        };
        assert_eq!(beside(&[], true).report().undecided, [(Undecided::Backend, ONE_DENIED)], "{line}");
        assert_eq!(found(&beside(&[], false)), "same", "{line}");
        assert_eq!(found(&beside(&[rule(&["pull"])], true)), "gain", "{line}");
        assert_eq!(found(&beside(&[rule(&[])], true)), "same", "{line}");
    }
}

#[test]
fn rule_55_without_recorded_labels_rules_that_look_at_them_leave_it_open() {
    for (acl, labels, expected) in [
        (labelled(), json!({}), "labels"),
        (labelled(), json!({"labels": {"team": ["ops", "dev"]}}), "gain"),
        (labelled(), json!({"labels": {"team": ["ops"]}}), "same"),
        (labelled(), json!({"labels": {}}), "same"),
        (RuleSettings { account: Some("${labels:team}".to_owned()), ..rule(&["pull"]) }, json!({}), "labels"),
        (rule(&["pull"]), json!({}), "gain"),
    ] {
        let replay = replayed(&[acl], false, false, &[pull(labels.clone())]);
        assert_eq!(found(&replay), expected, "{labels}");
    }
}

#[test]
fn rule_55_strangers_that_were_summed_up_gain_something_only_as_the_anonymous_account() {
    let summary = |numbers: Value| {
        let mut line = json!({"time": "2026-11-28T10:00:00Z", "event": "summary"});
        line.as_object_mut().unwrap().extend(numbers.as_object().unwrap().clone());
        line
    };
    let all = json!({"lines": 17, "counts":
        {"allowed": 4, "token_allowed": 1, "denied": 2, "challenged": 3, "unauthenticated": 7}});
    let denied = json!({"lines": 5, "counts": {"denied": 2, "challenged": 3}});
    for (numbers, has_anonymous, expected) in [
        (&all, true, Some((5, 5))),
        (&all, false, Some((5, 0))),
        (&denied, true, Some((0, 5))),
        (&denied, false, None),
        (&json!({"lines": 6}), true, Some((0, 6))),
    ] {
        let replay = replayed(&[rule(&["pull"])], has_anonymous, false, &[summary(numbers.clone())]);
        let expected = expected.map(|(allowed, denied)| (Undecided::SummedUp, Open { allowed, denied }));
        assert_eq!(replay.report().undecided, Vec::from_iter(expected), "{numbers} {has_anonymous}");
    }
}

#[test]
fn rule_55_of_404_only_what_the_rules_hid_is_a_gain() {
    for (acl, was, expected) in [
        (rule(&["pull"]), "rule 1, for some tags", "gain"),
        (rule(&["pull"]), "no rule matches", "gain"),
        (rule(&["pull"]), "rule 1", "same"),
        (rule(&["pull"]), "rule 7", "not_found"),
        (labelled(), "rule 1", "labels"),
        (rule(&[]), "rule 1, for some tags", "same"),
    ] {
        let line = pull(json!({"decision": "refused", "status": 404, "rule": was}));
        assert_eq!(found(&replayed(&[acl], false, false, &[line])), expected, "{was}");
    }
    // Nothing was asked of the rules, or nothing was read.
    for refused in [json!({"status": 404}), json!({"status": 503, "rule": "rule 7"})] {
        let mut line = pull(refused);
        line["decision"] = "refused".into();
        assert_eq!(found(&replayed(&[rule(&["pull"])], false, false, &[line])), "same");
    }
}
