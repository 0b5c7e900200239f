//! Changes of rules, accounts and robots by which an account gains something, held against lines of every kind.

mod undecided;

use serde_json::{Value, json};

use super::{Accounts, Kind, Place, Replay, Report, Robot, Rules, RulesSettings};
use crate::{
    authn::Labels,
    authz::{CeilingSettings, RuleSettings},
};

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
    let by_tag = with(summary, &json!({"counts": {"refused": 3}}));
    assert_eq!(replayed(&[], users(&[""]), &by_tag).undecided.first().map(|(_, open)| open.denied), Some(3));
}

/// A request of `bob`, who has a password here.
fn request(method: &str, changes: &Value) -> Value {
    let actions = if method == "DELETE" { "delete" } else { "pull,push" };
    let line = json!({
        "time": "2026-11-28T10:00:00Z", "event": "decision", "account": "bob", "source": "users",
        "credentials": "token", "method": method, "route": "manifest", "repository": "team/app", "reference": "1",
        "requested": [format!("repository:team/app:{actions}")], "decision": "denied",
    });
    with(line, changes)
}

/// Rules by tag are settled later, and refuse in other words.
#[test]
fn rule_55_writes_that_rules_by_tag_refused_are_gained() {
    const DIGEST: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000000";
    for (method, changes) in [
        (
            "DELETE",
            json!({"reference": DIGEST, "status": 404, "rule": "rule 1; no tag that it is for reaches this"}),
        ),
        ("DELETE", json!({"reference": DIGEST, "status": 403, "rule": "rule 1, for some tags (old)"})),
        ("PUT", json!({"status": 400, "rule": "rule 1, for some tags"})),
        (
            "PUT",
            json!({"status": 403, "rule": "rule 1", "reason": "account 'bob' may not push to repository team/app"}),
        ),
    ] {
        let line = request(method, &with(changes, &json!({"decision": "refused"})));
        let report = replayed(&[all_for("bob")], users(&["bob"]), &line);
        assert_eq!(differences(&report), [(Kind::Gain, "rule 1")], "{line}");
    }
    for (status, rule) in [(403, "tags.write_once[0]"), (503, "rule 1, for some tags"), (409, "rule 1")] {
        let line = request("PUT", &json!({"decision": "refused", "status": status, "rule": rule}));
        let report = replayed(&[all_for("bob")], users(&["bob"]), &line);
        assert!(!report.has_gains() && report.undecided.is_empty(), "{line}");
    }
}

/// The mount may have become an upload.
#[test]
fn rule_55_a_mount_by_rules_by_tag_does_not_tell_of_its_source() {
    let line = request(
        "POST",
        &json!({
            "route": "upload", "decision": "allowed", "from": "base/os", "rule": "rule 1, for some tags; rule 1, for some tags",
            "reference": "sha256:0000000000000000000000000000000000000000000000000000000000000000",
            "requested": ["repository:team/app:pull,push", "repository:base/os:pull"],
        }),
    );
    let report = replayed(&[all_for("bob")], users(&["bob"]), &line);
    assert_eq!(report.undecided.len(), 1, "{report:?}");
    let whole = with(line, &json!({"rule": "rule 1; rule 1"}));
    assert!(replayed(&[all_for("bob")], users(&["bob"]), &whole).undecided.is_empty());
}

/// A robot whose token was replaced.
fn robot() -> Accounts {
    let robot = Robot { tokens: vec!["0123456789ab".into()], ..Robot::default() };
    Accounts { robots: [("bob".to_owned(), robot)].into(), ..Accounts::default() }
}

#[test]
fn rule_55_an_account_gains_with_other_credentials_than_those_of_the_record() {
    let old_token = json!({"source": "robots", "robot_token": "ba9876543210"});
    let from_directory = json!({"source": "ldap_auth"});
    for (accounts, source, gone) in [
        (robot(), &old_token, "the robot's token is not in `robots`"),
        (robot(), &json!({}), "the account is not in `users`"),
        (robot(), &from_directory, "the account has moved to `users` or `robots`"),
        (users(&["bob"]), &old_token, "the robot is not in `robots`"),
        (users(&["bob"]), &from_directory, "the account has moved to `users` or `robots`"),
    ] {
        let accounts = Accounts { sections: vec!["ldap_auth"], ..accounts };
        let line = request("PUT", source);
        let acl = [all_for("bob")];
        let settings = |accounts| RulesSettings {
            acl: &acl,
            ceilings: &[],
            accounts,
            service: String::new(),
            has_backend: false,
        };
        let mut replay = Replay::new(Rules::new(settings(accounts)).unwrap(), 1_800_000_000);
        for line in [&line, &with(line.clone(), &json!({"decision": "allowed"}))] {
            replay.line(Place { file: 0, line: 1 }, Some(line.to_string().as_bytes()));
        }
        let mut found = differences(replay.report());
        found.sort_unstable();
        assert_eq!(found, [(Kind::Gain, "rule 1"), (Kind::Lose, gone)], "{line}");
    }
}

#[test]
fn rule_55_an_account_that_left_its_section_may_come_from_a_back_end() {
    let beside = |section| Accounts { sections: vec![section], ..Accounts::default() };
    let line = request("PUT", &json!({}));
    let of_label = RuleSettings { labels: [("team".to_owned(), "a".to_owned())].into(), ..all_for("bob") };
    for acl in [all_for("bob"), of_label] {
        let report = replayed(std::slice::from_ref(&acl), beside("ldap_auth"), &line);
        assert_eq!(report.undecided.first().map(|(why, _)| why.word()), Some("account"));
        assert!(replayed(&[acl], beside("certificate_auth"), &line).undecided.is_empty());
    }
    assert!(replayed(&[all_for("eve")], beside("ldap_auth"), &line).undecided.is_empty(), "by no name");
    let was_allowed = with(line, &json!({"decision": "allowed"}));
    let report = replayed(&[all_for("bob")], beside("ldap_auth"), &was_allowed);
    assert_eq!(differences(&report), [(Kind::Lose, "the account is not in `users`")]);
}

#[test]
fn rule_55_a_robot_that_may_come_from_more_addresses_is_not_passed_over() {
    let refused = json!({
        "decision": "unauthenticated", "address": "192.0.2.7", "credentials": "password", "status": 401,
        "reason": "robot 'bob' may not sign in from 192.0.2.7",
    });
    let mut line = request("PUT", &refused);
    line.as_object_mut().unwrap().remove("source");
    let mut by_token = with(line.clone(), &json!({"reason": super::line::OUTSIDE}));
    by_token.as_object_mut().unwrap().remove("account");
    for line in [&line, &with(line.clone(), &json!({"event": "token"})), &by_token] {
        for (accounts, ip, undecided) in [
            (robot(), "192.0.2.0/24", Some("address")),
            (robot(), "10.0.0.0/8", None),
            (users(&["bob"]), "192.0.2.0/24", None),
        ] {
            let bound = CeilingSettings {
                account: "bob".to_owned(),
                ip: Some(vec![ip.to_owned()]),
                ..CeilingSettings::default()
            };
            let settings = RulesSettings {
                acl: &[all_for("bob")],
                ceilings: &[bound],
                accounts,
                service: String::new(),
                has_backend: false,
            };
            let mut replay = Replay::new(Rules::new(settings).unwrap(), 1_800_000_000);
            replay.line(Place { file: 0, line: 1 }, Some(line.to_string().as_bytes()));
            assert_eq!(replay.report.undecided.first().map(|(why, _)| why.word()), undecided, "{ip} {line}");
        }
    }
}

/// The scopes of the token are not in the log: what they took away is no gain of other rules.
#[test]
fn rule_55_what_a_personal_token_did_not_grant_is_passed_over() {
    let by = |rule: &str| request("PUT", &json!({"personal_token": "ba9876543210", "rule": rule}));
    let accounts = || users(&["bob"]);
    let scopes = "the scopes of the personal token";
    for rule in [scopes.to_owned(), format!("the names that may be pulled; not all: {scopes}")] {
        assert!(differences(&replayed(&[all_for("bob")], accounts(), &by(&rule))).is_empty(), "{rule}");
    }
    let report = replayed(&[all_for("bob")], accounts(), &by("no rule matches"));
    assert_eq!(differences(&report), [(Kind::Gain, "rule 1")], "what the rules denied is decided as ever");
    let token = with(by("no rule matches"), &json!({"event": "token", "decision": "allowed", "granted": []}));
    assert!(differences(&replayed(&[all_for("bob")], accounts(), &token)).is_empty());
    let was_allowed = with(by("rule 1"), &json!({"decision": "allowed"}));
    let report = replayed(&[all_for("eve")], accounts(), &was_allowed);
    assert_eq!(differences(&report), [(Kind::Lose, "no rule matches")], "a loss is one for the token, too");
}
