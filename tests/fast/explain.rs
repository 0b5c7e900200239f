//! `portwarden explain` and `portwarden test-policy`, run as an operator runs them over the sample configuration.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::support::pem;

const PROGRAM: &str = env!("CARGO_BIN_EXE_portwarden");

/// The sample configuration with a certificate beside it.
pub(super) struct Sample(tempfile::TempDir);

impl Sample {
    pub(super) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        pem::write_pair(directory.path());
        let sample =
            fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("config/auth_config.yml")).unwrap();
        let sample = sample
            .replace("../certs/portwarden.crt", "cert.pem")
            .replace("../certs/portwarden.key", "key.pem");
        fs::write(directory.path().join("auth_config.yml"), sample).unwrap();
        Self(directory)
    }

    pub(super) fn write(&self, name: &str, text: &str) -> PathBuf {
        fs::write(self.0.path().join(name), text).unwrap();
        self.0.path().join(name)
    }

    /// Exit code and what was printed; `input` goes to standard input.
    pub(super) fn run(&self, command: &str, arguments: &[&str], input: &str) -> (i32, String) {
        let mut child = Command::new(PROGRAM)
            .args([command, "--config", "auth_config.yml"])
            .args(arguments)
            .current_dir(self.0.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.code().unwrap(), String::from_utf8(text).unwrap())
    }

    /// The sample with its rules replaced, and more behind it.
    pub(super) fn with_rules(rules: &str, more: &str) -> Self {
        let sample = Self::new();
        let text = fs::read_to_string(sample.0.path().join("auth_config.yml")).unwrap();
        let before = text.split("\nacl:").next().unwrap();
        sample.write("auth_config.yml", &format!("{before}\nacl:\n{rules}{more}"));
        sample
    }

    pub(super) fn explain(&self, arguments: &[&str]) -> (i32, String) {
        self.run("explain", arguments, "")
    }
}

/// The number of the sample's line with `text`.
fn line_of(text: &str) -> usize {
    let sample = include_str!("../../config/auth_config.yml");
    sample.lines().position(|line| line.contains(text)).unwrap() + 1
}

#[test]
fn explain_names_the_rule_and_what_a_request_needs() {
    let sample = Sample::new();
    let (code, text) =
        sample.explain(&["--account", "test2", "--request", "PUT /v2/team/app/manifests/1.0", "-v"]);
    let (admin, user, test2) =
        (line_of("account: \"admin\""), line_of("account: \"user\""), line_of("account: \"test2\""));
    let expected = format!(
        "account \"test2\", from no known address
needs repository:team/app:pull,push
  rule 1, line {admin}: match.account \"admin\" is not met by \"test2\"
  rule 2, line {user}: match.account \"user\" is not met by \"test2\"
  pull: allowed, by rule 3, auth_config.yml:{test2} (test2 may pull and push everything; a push needs both)
  push: allowed, by rule 3, auth_config.yml:{test2} (test2 may pull and push everything; a push needs both)
"
    );
    assert_eq!((code, text), (0, expected));
    let (code, text) = sample.explain(&["--account", "user", "--request", "PUT /v2/team/app/manifests/1.0"]);
    assert_eq!(code, 1);
    assert!(
        text.contains("  pull: allowed, by rule 2") && text.contains("  push: denied, by rule 2"),
        "{text}"
    );
    let (code, text) =
        sample.explain(&["--account", "test", "--scope", "repository:team/app:push", "--ip", "192.0.2.1"]);
    assert_eq!(code, 1);
    assert!(
        text.contains("from 192.0.2.1\n") && text.contains("  push: denied, no rule matches\n"),
        "{text}"
    );
    assert!(text.contains("note: docker asks for pull and push"), "{text}");
    let (_, text) = sample.explain(&["--account", "nobody", "--scope", "registry:catalog:*"]);
    assert!(text.contains("no such user in the configuration"), "{text}");
}

#[test]
fn explain_says_how_to_ask() {
    let sample = Sample::new();
    for (arguments, code, said) in [
        (&["--account", "a", "--scope", "nonsense"][..], 1, "write a scope as repository:team/app:pull,push"),
        (
            &["--account", "a", "--scope", ""],
            1,
            "the scope is empty: write a scope as repository:team/app:pull,push",
        ),
        (&["--everyone", "--scope", ""], 1, "the scope is empty"),
        (&["--account", "a", "--scope", "", "--json"], 1, "the scope is empty"),
        (&["--account", "a", "--request", "GET"], 1, "write a request as 'PUT /v2/team/app/manifests/1.0'"),
        (&["--account", "a", "--request", "OPTIONS /v2/"], 1, "\"OPTIONS\" is not one of"),
        (&["--account", "a", "--label", "x", "--scope", "a:b:c"], 1, "write name=value"),
        (&["--account", "a"], 2, "--scope"),
        (&["--scope", "a:b:c"], 2, "--account"),
    ] {
        let (got, text) = sample.explain(arguments);
        assert_eq!(got, code, "{arguments:?}: {text}");
        assert!(text.contains(said), "{arguments:?}: {text}");
    }
}

#[test]
fn explain_answers_json_lines() {
    let sample = Sample::new();
    let question = |account: &str, rest: &str| {
        format!(
            "{{\"account\":\"{account}\",\"type\":\"repository\",\"name\":\"a\",\"service\":\"s\",\"actions\":[\"push\",\"pull\"]{rest}}}\n"
        )
    };
    let input = question("admin", "")
        + &question("user", ",\"ip\":null,\"labels\":null")
        + &question("test", ",\"ip\":\"10.0.0.1\",\"labels\":{\"g\":[\"x\"],\"h\":null}");
    let (code, text) = sample.run("explain", &["--json"], &input);
    let expected = "{\"actions\":[\"push\",\"pull\"],\"rule\":0}\n{\"actions\":[\"pull\"],\"rule\":1}\n{\"actions\":[],\"rule\":null}\n";
    assert_eq!((code, text.as_str()), (0, expected));
    let (code, text) = sample.run("explain", &["--json"], "{\"acount\":\"x\"}\n");
    assert_eq!(code, 1);
    assert!(text.contains("line 1: unknown field `acount`"), "{text}");
}

#[test]
fn explain_and_test_policy_speak_json() {
    let sample = Sample::new();
    let line = line_of("account: \"user\"");
    let (code, text) =
        sample.explain(&["--account", "user", "--scope", "repository:a:pull,push", "--json", "-v"]);
    let answer: serde_json::Value = serde_json::from_str(&text).unwrap();
    let need = serde_json::json!({
        "scope": "repository:a:pull,push", "allowed": false, "actions": ["pull"], "rule": 1, "line": line,
        "comment": answer["needs"][0]["comment"], "not_met": answer["needs"][0]["not_met"],
    });
    let whole = serde_json::json!({
        "account": "user", "labels": {}, "ip": null, "service": answer["service"], "allowed": false, "needs": [need],
    });
    assert_eq!((code, &answer), (1, &whole));
    assert!(answer["needs"][0]["not_met"][0].as_str().unwrap().starts_with("rule 1, line "), "{text}");

    let json = |text: &str| -> Vec<serde_json::Value> {
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let everyone = ["--everyone", "--request", "PUT /v2/team/app/manifests/1.0", "--json"];
    let (code, text) = sample.explain(&everyone);
    let accounts: Vec<_> = json(&text).iter().map(|a| (a["account"].clone(), a["allowed"].clone())).collect();
    assert_eq!((code, accounts), (0, vec![("admin".into(), true.into()), ("test2".into(), true.into())]));
    let (_, text) = sample.explain(&[&everyone[..], &["-v"]].concat());
    assert_eq!(json(&text).len(), 4);

    sample.write("table.yml", "- {account: admin, scope: 'repository:a:pull', expect: allow}\n- {account: test, scope: 'repository:a:pull', expect: allow}\n");
    let (code, text) = sample.run("test-policy", &["table.yml", "--json"], "");
    let rows = json(&text);
    let met: Vec<_> = rows.iter().map(|row| (row["expectation"].clone(), row["met"].clone())).collect();
    assert_eq!((code, met), (1, vec![(1.into(), true.into()), (2.into(), false.into())]));
    assert_eq!(
        (&rows[1]["account"], &rows[1]["needs"][0]["rule"]),
        (&"test".into(), &serde_json::Value::Null)
    );

    for (arguments, said) in [
        (&["--json", "--account", "a"][..], "--scope"),
        (&["--json", "--scope", "a:b:c"], "--account"),
        (&["--json", "-v"], "--scope"),
    ] {
        let (code, text) = sample.explain(arguments);
        assert!(code == 2 && text.contains(said), "{arguments:?}: {text}");
    }
}

#[test]
fn explain_names_a_rule_that_may_match_or_not() {
    let sample = Sample::new();
    let denies = "acl:\n  - match: {name: \"${labels:hidden}/*\"}\n    actions: []\n    comment: kept away\n";
    let text = fs::read_to_string(sample.0.path().join("auth_config.yml")).unwrap();
    sample.write("auth_config.yml", &text.replace("acl:\n", denies));
    let line = line_of("acl:") + 1;
    let ask = ["--account", "admin", "--label", "hidden=internal-*", "--scope"];
    let (code, text) = sample.explain(&[&ask[..], &["repository:internal-x/app:pull", "-v"]].concat());
    let expected = format!(
        "account \"admin\", hidden: internal-*, from no known address
needs repository:internal-x/app:pull
  rule 1, line {line}: match.name \"${{labels:hidden}}/*\" may be met by \"internal-x/app\" or not: a value has characters that docker_auth reads as part of the pattern
  pull: denied, by rule 1, auth_config.yml:{line} (kept away), which may match or not
"
    );
    assert_eq!((code, text), (1, expected));
    let (code, text) = sample.explain(&[&ask[..], &["repository:public/app:pull"]].concat());
    assert_eq!(code, 0, "{text}");
}

#[test]
fn test_policy_prints_what_differs() {
    let sample = Sample::new();
    let good = "- {account: test2, request: 'PUT /v2/team/app/manifests/1.0', expect: allow}\n- {account: user, scope: 'repository:a:pull,push', expect: deny}\n";
    sample.write("good.yml", good);
    assert_eq!(
        sample.run("test-policy", &["good.yml"], ""),
        (0, "good.yml: 2 of 2 expectations met\n".to_owned())
    );
    sample
        .write("bad.yml", &format!("{good}- {{account: test, scope: 'repository:a:pull', expect: allow}}\n"));
    let (code, text) = sample.run("test-policy", &["bad.yml"], "");
    let said = "bad.yml: expectation 3: account \"test\", from no known address: repository:a:pull is denied, no rule matches\n";
    assert_eq!((code, text), (1, format!("{said}bad.yml: 2 of 3 expectations met\n")));
    for (table, said) in [
        ("- {acount: x}\n", "unknown field `acount`"),
        ("[]\n", "wrong.yml: there is no expectation in it"),
        ("- {account: x, scope: 'repository:a:pull', ip: , expect: deny}\n", "ip"),
        ("- {account: x, scope: 'repository:a:pull', tag: , expect: deny}\n", "tag"),
        ("- {account: x, expect: allow}\n", "expectation 1: write either scope or request"),
        ("- {account: x, scope: 'a:b:c', expect: maybe}\n", "unknown variant `maybe`"),
        ("- {account: x, scope: '', expect: allow}\n", "expectation 1: the scope is empty"),
        // Met by any rules, and so by those that allow what was meant.
        (
            "- {account: x, scope: 'repository:a:pul', expect: deny}\n",
            "no request asks for \"pul\" of a repository",
        ),
        (
            "- {account: x, scope: 'repository:a:pull,', expect: deny}\n",
            "no request asks for \"\" of a repository",
        ),
    ] {
        sample.write("wrong.yml", table);
        let (code, text) = sample.run("test-policy", &["wrong.yml"], "");
        assert_eq!(code, 1);
        assert!(text.contains(said), "{text}");
    }
}

#[test]
fn explain_lists_everyone_who_may() {
    let sample = Sample::new();
    let (code, text) = sample.explain(&["--everyone", "--scope", "repository:team/app:pull,push"]);
    let (admin, test2) = (line_of("account: \"admin\""), line_of("account: \"test2\""));
    let expected = format!(
        "needs repository:team/app:pull,push
  admin: allowed, by rule 1, auth_config.yml:{admin} (Admin may do everything)
  test2: allowed, by rule 3, auth_config.yml:{test2} (test2 may pull and push everything; a push needs both)
2 of 4 accounts
"
    );
    assert_eq!((code, text), (0, expected));

    let (code, text) =
        sample.explain(&["--everyone", "--request", "DELETE /v2/team/app/manifests/1.0", "-v"]);
    assert_eq!(code, 0);
    for line in
        ["  admin: allowed, by rule 1", "  user: denied, by rule 2", "  test: denied, no rule matches"]
    {
        assert!(text.contains(line), "{text}");
    }
    sample.write(
        "auth_config.yml",
        &fs::read_to_string(sample.0.path().join("auth_config.yml"))
            .unwrap()
            .replace("account: \"admin\"", "account: \"nobody\""),
    );
    let (code, text) = sample.explain(&["--everyone", "--request", "DELETE /v2/team/app/manifests/1.0"]);
    assert_eq!((code, text.lines().last()), (1, Some("0 of 4 accounts")), "{text}");
}

/// The sample with rules for a time.
fn with_times() -> Sample {
    let sample = Sample::new();
    let text = fs::read_to_string(sample.0.path().join("auth_config.yml")).unwrap();
    let rules = text.split_once("\nacl:").unwrap().0;
    let acl = r#"
acl:
  - {match: {account: "user", name: "acme/secret"}, actions: [], from: 2031-01-01, until: 2031-12-31}
  - {match: {account: "user", name: "acme/*"}, actions: [pull], until: 2031-06-30T12:00:00Z, comment: "half a year"}
  - {match: {account: "user", name: "acme/*"}, actions: [pull, push], from: 2031-07-01}
"#;
    sample.write("auth_config.yml", &format!("{rules}{acl}"));
    sample
}

#[test]
fn explain_says_until_when_a_rule_holds_and_asks_at_another_time() {
    let sample = with_times();
    let line = fs::read_to_string(sample.0.path().join("auth_config.yml")).unwrap().lines().count();
    let ask = |at: &str, scope: &str| {
        let (code, text) = sample.explain(&["--account", "user", "--scope", scope, "--at", at]);
        (code, text.lines().skip(1).map(str::to_owned).collect::<Vec<_>>().join("\n"))
    };
    let pull = "repository:acme/app:pull";
    let half = format!(
        "by rule 2, auth_config.yml:{} (half a year), which holds until 2031-06-30T12:00:00Z",
        line - 1
    );
    assert_eq!(ask("2031-06-30T11:59:59Z", pull), (0, format!("needs {pull}\n  pull: allowed, {half}")));
    let ended = format!("  rule 2, line {}: would match, but it held until 2031-06-30T12:00:00Z", line - 1);
    let later = format!("  rule 3, line {line}: would match, but it holds from 2031-07-01T00:00:00Z on");
    assert_eq!(
        ask("2031-06-30T12:00:00Z", pull),
        (1, format!("needs {pull}\n{ended}\n{later}\n  pull: denied, no rule matches"))
    );
    let third = format!("by rule 3, auth_config.yml:{line}");
    assert_eq!(ask("2031-07-01", pull), (0, format!("needs {pull}\n{ended}\n  pull: allowed, {third}")));
    // A rule that denies for a year.
    let secret = "repository:acme/secret:pull";
    let until = format!("by rule 1, auth_config.yml:{}, which holds until 2032-01-01T00:00:00Z", line - 2);
    for at in ["2031-01-01", "2031-12-31T23:59:59Z", "2032-01-01T00:30:00+01:00"] {
        assert_eq!(ask(at, secret), (1, format!("needs {secret}\n  pull: denied, {until}")), "{at}");
    }
    assert_eq!(ask("2030-12-31", secret).0, 0);
    assert_eq!(ask("2032-01-01", secret).0, 0);
    let (code, text) = sample.explain(&["--account", "user", "--scope", pull, "--at", "2031-07-01"]);
    assert_eq!(
        (code, text.lines().next()),
        (0, Some("account \"user\", from no known address, at 2031-07-01T00:00:00Z"))
    );
}

#[test]
fn explain_asks_at_another_time_about_everyone_and_in_json() {
    let sample = with_times();
    let everyone =
        |at: &str| sample.explain(&["--everyone", "--scope", "repository:acme/app:pull,push", "--at", at]);
    let (code, text) = everyone("2031-07-01");
    assert!(code == 0 && text.contains("user: allowed, by rule 3"), "{text}");
    let (code, text) = everyone("2031-01-01");
    assert!(code == 1 && text.contains("0 of 4 accounts"), "{text}");
    let json = |at: &str| {
        let (_, text) = sample.explain(&[
            "--account",
            "user",
            "--scope",
            "repository:acme/app:pull",
            "--json",
            "--at",
            at,
        ]);
        serde_json::from_str::<serde_json::Value>(&text).unwrap()
    };
    let answer = json("2031-01-01");
    assert_eq!(answer["at"], "2031-01-01T00:00:00Z");
    assert_eq!(answer["needs"][0]["until"], "2031-06-30T12:00:00Z");
    let answer = json("2031-06-30T12:00:00Z");
    assert_eq!(answer["needs"][0]["not_met"].as_array().unwrap().len(), 2, "{answer}");
    let line = |at: &str| {
        format!(
            "{{\"account\":\"user\",\"type\":\"repository\",\"name\":\"acme/app\",\"service\":\"x\",\
             \"actions\":[\"pull\"],\"at\":\"{at}\"}}\n"
        )
    };
    let (code, text) = sample.run("explain", &["--json"], &(line("2031-01-01") + &line("2031-07-01")));
    assert_eq!(
        (code, text.as_str()),
        (0, "{\"actions\":[\"pull\"],\"rule\":1}\n{\"actions\":[\"pull\"],\"rule\":2}\n")
    );
    for (expected, (code, said)) in [
        (1, sample.run("explain", &["--json"], &line("soon"))),
        (2, sample.explain(&["--account", "user", "--scope", "repository:acme/app:pull", "--at", "soon"])),
    ] {
        let form = "\"soon\" is neither a day nor a time; write a day in UTC, as 2026-12-31, or a time, as 2026-12-31T18:00:00Z";
        assert!(code == expected && said.contains(form), "{code} {said}");
    }
}

#[test]
fn test_policy_asks_at_other_times() {
    let sample = with_times();
    let row = |at: &str, expect: &str| {
        format!("- {{account: user, scope: 'repository:acme/app:pull', at: {at}, expect: {expect}}}\n")
    };
    let good = row("2031-06-30T11:59:59Z", "allow")
        + &row("2031-06-30T12:00:00Z", "deny")
        + &row("2031-07-01", "allow");
    sample.write("expectations.yml", &good);
    let test = || sample.run("test-policy", &["expectations.yml"], "");
    assert_eq!(test(), (0, "expectations.yml: 3 of 3 expectations met\n".to_owned()));
    sample.write("expectations.yml", &row("2031-06-30T12:00:00Z", "allow"));
    let (code, said) = test();
    let expected = "expectations.yml: expectation 1: account \"user\", from no known address, at 2031-06-30T12:00:00Z: \
                    repository:acme/app:pull is denied, no rule matches";
    assert!(code == 1 && said.starts_with(expected), "{said}");
    sample.write("expectations.yml", &row("soon", "allow"));
    let (code, said) = test();
    assert!(code == 1 && said.contains("expectation 1: \"soon\" is neither a day nor a time"), "{said}");
}
