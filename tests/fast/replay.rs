//! `portwarden replay` and `portwarden unused`, run as an operator runs them.

use std::{fs, io::Write};

use flate2::{Compression, write::GzEncoder};
use portwarden::token::TokenError;
use serde_json::{Value, json};

use super::explain::Sample;

const RULES: &str = r#"  - match: {account: "admin"}
    actions: ["*"]
  - match: {account: "test2", name: "team/*"}
    actions: [pull]
  - match: {account: "user"}
    actions: [pull]
"#;

fn sample() -> Sample {
    Sample::with_rules(RULES, "")
}

/// The line of a request for a manifest.
fn line(account: &str, method: &str, name: &str, decision: &str) -> Value {
    let actions = if method == "PUT" { "pull,push" } else { "pull" };
    json!({
        "time": "2026-11-28T10:00:00.000000Z", "event": "decision", "address": "192.0.2.7", "account": account,
        "source": "users", "credentials": "token", "method": method, "route": "manifest", "repository": name,
        "reference": "1.0", "requested": [format!("repository:{name}:{actions}")], "decision": decision,
        "rule": "rule 5, line 40",
    })
}

fn with(mut line: Value, changes: &Value) -> String {
    for (key, value) in changes.as_object().unwrap() {
        line[key] = value.clone();
    }
    format!("{line}\n")
}

fn replay(sample: &Sample, log: &str, options: &[&str]) -> (i32, String) {
    sample.run("replay", &[&["--audit", "-"], options].concat(), log)
}

#[test]
fn rule_55_a_gain_is_named_and_fails() {
    let sample = sample();
    let gain = with(line("test2", "GET", "team/app", "denied"), &json!({}));
    let (code, text) = replay(&sample, &gain.repeat(12), &[]);
    assert_eq!(code, 1, "{text}");
    assert!(
        text.contains("gain: test2 may pull team/app: 12 times, last 2026-11-28T10:00:00Z, by rule 2, line "),
        "{text}"
    );
    assert!(text.contains("; was denied by rule 5, line 40\nlose: none\n"), "{text}");
    let loss = with(line("test2", "PUT", "team/app", "allowed"), &json!({}));
    let (code, text) = replay(&sample, &loss, &[]);
    assert_eq!(code, 0, "{text}");
    assert!(
        text.starts_with("gain: none\nlose: test2 may not pull and push team/app: 1 time, last "),
        "{text}"
    );
    let (code, text) = replay(&sample, &(gain + &loss), &["--json"]);
    let rows: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let kinds: Vec<&str> = rows.iter().map(|row| row["kind"].as_str().unwrap()).collect();
    assert_eq!((code, kinds), (1, vec!["gain", "lose", "counts"]), "{text}");
    assert_eq!((&rows[0]["count"], &rows[2]["requests"]), (&json!(1), &json!(2)));
}

/// The line does not name the robot, so it may be any.
#[test]
fn rule_55_a_robots_token_from_another_address_is_not_passed_over() {
    let line = json!({
        "time": "2026-11-28T10:00:00Z", "event": "decision", "address": "192.0.2.7", "credentials": "token",
        "method": "GET", "decision": "unauthenticated", "reason": TokenError::WrongAddress.to_string(),
    });
    let robots = format!("robots:\n  ci:\n    tokens: [{{sha256: \"{}\"}}]\n...\n", "0a".repeat(32));
    let (code, text) = replay(&Sample::with_rules(RULES, &robots), &with(line, &json!({})), &[]);
    assert!(code == 1 && text.contains("1 that were denied: a robot was refused for its address"), "{text}");
}

#[test]
fn rule_55_a_request_that_ended_at_once_has_one_line() {
    let one =
        with(line("test2", "PUT", "team/app", "allowed"), &json!({"event": "transfer", "ended": "complete"}));
    assert!(replay(&sample(), &one, &[]).1.contains("lose: test2 may not pull and push team/app: 1 time"));
    let mut second = line("test2", "PUT", "team/app", "allowed");
    second["event"] = "transfer".into();
    second.as_object_mut().unwrap().remove("requested");
    let (code, text) = replay(&sample(), &with(second, &json!({})), &[]);
    assert!(text.contains("lose: none") && text.contains("1 ends of requests"), "{text}");
    assert_eq!(code, 1, "gain: none, of nothing: {text}");
}

#[test]
fn rule_55_what_is_no_decision_of_rules_is_counted_and_not_replayed() {
    let denied = || line("test2", "GET", "team/app", "denied");
    for (changes, counted) in [
        (json!({"rule": "the token does not list it"}), "1 denied by a token"),
        (json!({"decision": "unauthenticated"}), "1 unauthenticated"),
        (json!({"decision": "refused", "status": 503}), "1 refused for other reasons"),
        (json!({"event": "freeze"}), "1 not of rules"),
        (json!({"requested": ["repository:team/app:push"]}), "1 foreign"),
        (json!({"repository": "team/%61pp", "requested": ["repository:team/app:pull"]}), "1 foreign"),
        (json!({"source": "elsewhere"}), "1 foreign"),
        (json!({"address": "nowhere"}), "1 unreadable"),
    ] {
        let same = with(line("test2", "GET", "team/app", "allowed"), &json!({}));
        let (code, text) = replay(&sample(), &(with(denied(), &changes) + &same), &[]);
        assert!(code == 0 && text.contains("gain: none\nlose: none"), "{changes}: {text}");
        assert!(text.contains(counted), "{changes}: {text}");
    }
}

#[test]
fn rule_55_tokens_catalogues_and_strangers_are_replayed_as_they_were_decided() {
    let token = json!({
        "event": "token", "requested": ["repository:team/app:pull,push"], "granted": ["repository:team/app:push"],
        "decision": "allowed",
    });
    let (code, text) = replay(&sample(), &with(line("test2", "GET", "team/app", ""), &token), &[]);
    assert!(code == 1 && text.contains("gain: test2 gets a token to pull team/app: 1 time"), "{text}");
    assert!(text.contains("lose: test2 gets no token to push team/app: 1 time"), "{text}");
    let mut catalog = line("admin", "GET", "", "allowed");
    catalog.as_object_mut().unwrap().remove("repository");
    catalog.as_object_mut().unwrap().remove("reference");
    let part = json!({"route": "catalog", "requested": ["registry:catalog:*"], "rule": "the names that may be pulled; not all: no rule matches"});
    let (code, text) = replay(&sample(), &with(catalog, &part), &[]);
    assert!(code == 1 && text.contains("gain: admin may list all repositories: 1 time"), "{text}");
    let mut stranger = line("", "GET", "team/app", "challenged");
    stranger.as_object_mut().unwrap().remove("source");
    stranger.as_object_mut().unwrap().remove("rule");
    let stranger = with(stranger, &json!({"credentials": "none"}));
    let text = replay(&sample(), &stranger, &[]).1;
    assert!(text.starts_with("gain: none\nlose: none\n"), "the sample has no rule for strangers: {text}");
}

#[test]
fn rule_55_an_account_that_is_gone_loses_and_what_cannot_be_told_fails() {
    let gone = with(line("nemo", "GET", "team/app", "allowed"), &json!({}));
    let (code, text) = replay(&sample(), &gone, &[]);
    assert!(code == 0 && text.contains("lose: nemo may not pull team/app: 1 time, last"), "{text}");
    assert!(text.contains(", the account is not in `users`; was allowed"), "{text}");
    for changes in [json!({"truncated": ["repository"]}), json!({"truncated": ["labels"]})] {
        let cut = with(line("test2", "GET", "team/app", "denied"), &changes);
        let (code, text) = replay(&sample(), &cut, &[]);
        assert!(
            code == 1 && text.contains("undecided: 0 that were allowed, 1 that were denied: a field"),
            "{text}"
        );
        assert_eq!(replay(&sample(), &cut, &["--allow-undecided"]).0, 0);
    }
    let by_tag =
        Sample::with_rules("  - match: {account: \"user\", tag: \"1.*\"}\n    actions: [pull]\n", "");
    let list = json!({"route": "blob", "reference": format!("sha256:{}", "0".repeat(64))});
    let (code, text) = replay(&by_tag, &with(line("user", "GET", "team/app", "denied"), &list), &[]);
    assert!(code == 1 && text.contains("1 that were denied: the rules grant some tags only"), "{text}");
    let tag = with(line("user", "GET", "team/app", "denied"), &json!({"reference": "1.5"}));
    assert!(replay(&by_tag, &tag, &[]).1.contains("gain: user may pull team/app"));
}

#[test]
fn rule_55_a_gain_that_begins_later_is_a_gain() {
    let rules =
        "  - match: {account: \"user\"}\n    from: 2027-01-01\n    until: 2027-02-01\n    actions: [pull]\n";
    let sample = Sample::with_rules(rules, "");
    let denied = with(line("user", "GET", "team/app", "denied"), &json!({}));
    for (at, says) in [
        ("2026-12-01", "by rule 1, line "),
        ("2026-12-01", ", from 2027-01-01T00:00:00Z, by rule 1"),
        ("2027-01-05", "gain: user may pull team/app: 1 time, last 2026-11-28T10:00:00Z, by rule 1"),
    ] {
        let (code, text) = replay(&sample, &denied, &["--at", at]);
        assert!(code == 1 && text.contains(says), "{at}: {text}");
    }
    assert_eq!(replay(&sample, &denied, &["--at", "2027-02-02"]).0, 0);
    assert_eq!(replay(&sample, &denied, &["--at", "2026-08-01"]).0, 0, "more than 90 days before");
}

#[test]
fn rule_55_files_are_read_whatever_state_they_are_in() {
    let sample = sample();
    let gain = with(line("test2", "GET", "team/app", "denied"), &json!({}));
    let packed = |text: &str| {
        let mut packer = GzEncoder::new(Vec::new(), Compression::default());
        packer.write_all(text.as_bytes()).unwrap();
        packer.finish().unwrap()
    };
    let log = sample.write("audit.log", &format!("{gain}{{\"event\": \nno json\n{gain}"));
    fs::write(log.with_extension("log.1.gz"), [packed(&gain), packed(&gain)].concat()).unwrap();
    let long: String = (0..2_000).map(|n| gain.replace("1.0", &format!("1.{}", n * 7919 % 5003))).collect();
    let cut = packed(&long);
    fs::write(log.with_extension("log.2.gz"), &cut[..cut.len() / 2]).unwrap();
    let (code, text) = sample.run("replay", &["--audit", "audit.log*"], "");
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("2 unreadable") && text.contains("foreign or unreadable: audit.log:2\n"), "{text}");
    assert!(text.contains("audit.log.2.gz: broken off behind line "), "{text}");
    let same = with(line("test2", "GET", "team/app", "allowed"), &json!({}));
    let long: String = (0..2_000).map(|n| same.replace("1.0", &format!("1.{}", n * 7919 % 5003))).collect();
    let cut = packed(&long);
    fs::write(log.with_file_name("broken.gz"), &cut[..cut.len() / 2]).unwrap();
    let code = |options: &[&str]| sample.run("replay", &[&["--audit", "broken.gz"], options].concat(), "").0;
    assert_eq!((code(&[]), code(&["--allow-undecided"])), (1, 0), "the rest may have a gain");
    let two = sample.run("replay", &["--audit", "audit.log", "audit.log.1.gz"], "").1;
    assert!(two.contains("team/app: 4 times"), "{two}");
    fs::write(log.with_extension("zst"), b"\x28\xb5\x2f\xfd rest").unwrap();
    let (code, text) = sample.run("replay", &["--audit", "audit.zst"], "");
    assert!(code == 1 && text.contains("type `zstdcat audit.zst | portwarden"), "{text}");
    let (code, text) = sample.run("replay", &["--audit", "none*"], "");
    assert!(code == 1 && text.contains("no file has such a name"), "{text}");
    let long = format!("{}\n{gain}", "x".repeat(70 << 10));
    assert!(replay(&sample, &long, &[]).1.contains("team/app: 1 time"));
}

#[test]
fn rule_55_text_of_the_log_cannot_steer_a_terminal() {
    let hostile = json!({"account": "eve\u{1b}[2J\u{202e}\u{9b}x", "source": "users", "rule": "\u{7}\r"});
    let (_, text) = replay(&sample(), &with(line("", "GET", "team/app", "allowed"), &hostile), &["-v"]);
    assert!(text.contains("lose: eve\\u{1b}[2J\\u{202e}\\u{9b}x may not pull team/app"), "{text}");
    assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{text:?}");
}

#[test]
fn unused_lists_rules_and_rights_that_no_request_used() {
    let rules = "  - match: {account: \"admin\"}\n    actions: [\"*\"]\n\
                 \x20 - match: {account: \"test2\", name: \"team/*\"}\n    actions: [pull, push]\n\
                 \x20 - match: {account: \"user\"}\n    actions: [pull]\n";
    let sample = Sample::with_rules(rules, "");
    let used = with(line("test2", "GET", "team/app", "allowed"), &json!({}));
    let was_denied = with(line("user", "GET", "team/app", "denied"), &json!({}));
    let (code, text) = sample.run("unused", &["--audit", "-"], &(used.clone() + &was_denied));
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("rule 1, line ") && text.contains(": decided nothing\n"), "{text}");
    assert!(
        text.contains("  grants pull, push; used: pull: `actions: [pull]` would have been enough\n"),
        "{text}"
    );
    assert!(text.contains("  accounts: test2\n  repositories: team/app\n"), "{text}");
    assert!(text.contains("  grants pull; used: none of it\n"), "a denied request uses nothing: {text}");
    assert!(text.contains("note: the log begins at 2026-11-28T10:00:00Z"), "{text}");
    let (_, text) = sample.run("unused", &["--audit", "-", "--since", "9999d"], &used);
    assert!(text.contains("note: the log begins at 2026-11-28T10:00:00Z only"), "{text}");
    let (_, text) = sample.run("unused", &["--audit", "-", "--since", "1s"], &used);
    assert_eq!(text.matches("decided nothing").count(), 3, "{text}");
    let (_, text) = sample.run("unused", &["--audit", "-", "--json"], &used);
    let rows: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(
        (rows.len(), &rows[1]["used"], &rows[0]["decided"]),
        (4, &json!(["pull"]), &json!(0)),
        "{text}"
    );
}
