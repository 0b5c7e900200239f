//! The commands about robots: `token new`, and what `check`, `explain` and `test-policy` say of a configuration with
//! them.

use std::{fs, process::Command};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::pem;

const ONE: &str = "60e05bd1b195af2f94112fa7197a5c88289058840ce7c6df9693756bc6250f55";

const ACL: &str = r#"acl:
  - match: {account: "ci", name: "acme/*"}
    actions: [pull, push]
  - match: {account: "people", name: "acme/*"}
    actions: [pull]
"#;

/// A directory with a configuration that has these robots.
fn configuration(robots: &str) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    pem::write_pair(directory.path());
    let text = format!(
        "server: {{addr: ':443', certificate: cert.pem, key: key.pem}}\ntoken: {{issuer: Acme, expiration: 900}}\n\
         users:\n  people: {{password: \"$2y$10$lfIkMm1jPw8Is./rthy5auKvJeeuH7pJMDm4K.KmbODdBR31EC/am\"}}\n\
         robots:\n{robots}{ACL}"
    );
    fs::write(directory.path().join("f.yml"), text).unwrap();
    directory
}

fn robot(keys: &str) -> TempDir {
    configuration(&format!("  ci: {{{keys}}}\n"))
}

/// The exit code and what was printed.
fn run(directory: &TempDir, arguments: &[&str]) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_portwarden"));
    let output = command.current_dir(directory).args(arguments).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap(), String::from_utf8(text).unwrap())
}

fn check(directory: &TempDir) -> (i32, String) {
    run(directory, &["check", "f.yml"])
}

fn explain(directory: &TempDir, arguments: &[&str]) -> (i32, String) {
    run(directory, &[&["explain", "-c", "f.yml"], arguments].concat())
}

fn token_new(arguments: &[&str]) -> (i32, String) {
    run(&tempfile::tempdir().unwrap(), &[&["token", "new"], arguments].concat())
}

#[test]
fn a_new_token_is_printed_once_with_its_line_and_check_takes_the_line() {
    let (code, text) = token_new(&["--robot", "ci", "--expires", "2999-03-01", "--comment", "cluster \"A\""]);
    assert_eq!(code, 0, "{text}");
    let (token, rest) = text.split_once('\n').unwrap();
    assert!(token.starts_with("pwt_") && token.len() == 88, "{token}");
    let (_, robots) = rest.split_once("robots:\n").unwrap();
    assert!(robots.contains("expires: 2999-03-01, comment: \"cluster \\\"A\\\"\""), "{robots}");
    assert!(robots.contains(&token[4..16]) && !robots.contains(&token[16..80]), "{robots}");
    let (code, said) = check(&configuration(robots));
    assert_eq!((code, said.trim()), (0, "f.yml: ok: 1 user, 1 robot, 2 rules"));
}

#[test]
fn a_new_token_as_json() {
    let (code, text) = token_new(&["--robot", "ci", "--json"]);
    let made: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((code, &made["robot"], &made["expires"]), (0, &"ci".into(), &Value::Null));
    let sha256 = made["sha256"].as_str().unwrap();
    assert_eq!(made["id"], sha256[..12]);
    assert!(made["token"].as_str().unwrap().starts_with(&format!("pwt_{}", &sha256[..12])));
    assert_ne!(token_new(&["--robot", "ci", "--json"]).1, text);
}

#[test]
fn token_new_takes_what_the_configuration_takes() {
    for (arguments, said) in [
        (&["--robot", "a:b"][..], "--robot: a name that signs in has no colon"),
        (&["--robot", ""], "--robot: the robot has no name"),
        (&["--robot", "pwt_x"], "--robot: expected the name of the robot, found"),
        (&["--robot", "ci", "--expires", "soon"], "--expires: write the last day"),
        (&["--robot", "ci", "--expires", "2027-02-30"], "--expires: write the last day"),
        (&["--robot", "ci", "--comment", "pwt_0123"], "--comment: a token stands here in the clear"),
    ] {
        let (code, text) = token_new(arguments);
        assert!(code == 1 && text.contains(said) && !text.contains("sha256:"), "{arguments:?}: {text}");
    }
    let (code, text) = token_new(&[]);
    assert!(code == 2 && text.contains("--robot"), "{text}");
    // What it was before goes on.
    let (code, text) = run(&tempfile::tempdir().unwrap(), &["token"]);
    assert!(code == 2 && text.contains("--registry"), "{text}");
}

#[test]
fn check_names_what_is_wrong_with_a_robot() {
    let good = format!("{{sha256: {ONE}}}");
    let other = format!("{{sha256: {}}}", ONE.replace('6', "7"));
    for (keys, said) in [
        (
            "tokens: [{sha256: 123}]".to_owned(),
            "f.yml:6:18: robots.ci.tokens[0].sha256: expected 64 hexadecimal digits",
        ),
        ("tokens: [{expires: 2999-01-01}]".to_owned(), "robots.ci.tokens[0].sha256: missing. Write the line"),
        (format!("tokens: [{good}, {good}]"), "robots.ci.tokens[1].sha256: the same token stands twice"),
        (
            format!("tokens: [{good}, {other}, {{sha256: 1}}]"),
            "robots.ci.tokens: a robot has at most 2 tokens, found 3",
        ),
        (
            format!("tokens: [{{sha256: {ONE}, expires: 2027-02-30}}]"),
            "tokens[0].expires: expected a day of the calendar",
        ),
        (format!("tokens: [{{sha256: {ONE}, expires: }}]"), "tokens[0].expires: the key has no value"),
        (format!("tokens: [{{sha256: {ONE}, expire: 1}}]"), "unknown key. Did you mean `expires`?"),
        ("scopes: [acme]".to_owned(), "robots.ci.scopes[0]: \"acme\" is no scope"),
        ("scopes: ['repository:acme/*:read']".to_owned(), "\"read\" is no action"),
        ("scopes: ".to_owned(), "robots.ci.scopes: the key has no value"),
        (
            "ip: [10.0.0.0/40]".to_owned(),
            "robots.ci.ip[0]: \"10.0.0.0/40\" is neither an address nor a CIDR block",
        ),
        ("ip: ".to_owned(), "robots.ci.ip: the key has no value"),
        ("scope: []".to_owned(), "robots.ci.scope: unknown key. Did you mean `scopes`?"),
        ("token: []".to_owned(), "robots.ci.token: unknown key. Did you mean `tokens`?"),
    ] {
        let (code, text) = check(&robot(&keys));
        assert!(code == 1 && text.contains(said), "{keys}: {text}");
    }
    let two = configuration(&format!("  ci: {{tokens: [{good}]}}\n  cd: {{tokens: [{good}]}}\n"));
    assert!(check(&two).1.contains("f.yml:7:18: robots.cd.tokens[0].sha256: the same token stands twice"));
    let users = configuration(&format!("  people: {{tokens: [{good}]}}\n"));
    assert!(
        check(&users)
            .1
            .contains("robots.people: the name is in `users`, on line 4, too. Give the robot a name")
    );
}

#[test]
fn rule_16_check_shows_no_token_that_stands_in_the_file() {
    let (_, made) = token_new(&["--robot", "ci", "--json"]);
    let made: Value = serde_json::from_str(&made).unwrap();
    let token = made["token"].as_str().unwrap();
    for keys in [
        format!("tokens: [{{sha256: {token}}}]"),
        format!("tokens: [{{sha256: {ONE}, comment: 'was {token}'}}]"),
        format!("tokens: [{token}]"),
        format!("tokens: [{{{token}: x}}]"),
        format!("tokens: {token}"),
        format!("{token}: x"),
        format!("ip: [{token}]"),
        format!("scopes: [{token}]"),
        format!("labels: {{team: [{token}]}}, tokens: [{{sha256: {token}}}]"),
    ] {
        let (code, text) = check(&robot(&keys));
        assert!(code == 1 && !text.contains(&token[4..20]), "{keys}: {text}");
    }
    let (_, text) = check(&robot(&format!("tokens: [{{sha256: {token}}}]")));
    assert!(text.contains("robots.ci.tokens[0].sha256: a token stands here in the clear"), "{text}");
    let (code, text) = check(&configuration(&format!("  {token}: {{}}\n")));
    assert!(code == 1 && !text.contains(&token[4..20]), "{text}");
}

#[test]
fn a_name_of_htpasswd_is_taken() {
    let directory = robot(&format!("tokens: [{{sha256: {ONE}}}]"));
    fs::write(
        directory.path().join("accounts"),
        "ci:$2y$10$lfIkMm1jPw8Is./rthy5auKvJeeuH7pJMDm4K.KmbODdBR31EC/am\n",
    )
    .unwrap();
    let text = fs::read_to_string(directory.path().join("f.yml")).unwrap() + "htpasswd: {file: accounts}\n";
    fs::write(directory.path().join("f.yml"), text).unwrap();
    let (code, said) = check(&directory);
    assert!(code == 1 && said.contains("robots.ci: the name is in the file of `htpasswd`, too"), "{said}");
}

#[test]
fn explain_shows_the_ceiling_and_what_it_takes_away() {
    let keys = format!(
        "tokens: [{{sha256: {ONE}}}], scopes: ['repository:acme/*:pull', 'registry:catalog:*'], ip: [10.0.0.0/8]"
    );
    let directory = robot(&keys);
    let ask = |ip: &str, scope: &str| explain(&directory, &["--account", "ci", "--ip", ip, "--scope", scope]);
    let (code, text) = ask("10.1.2.3", "repository:acme/app:pull,push");
    assert_eq!(
        (code, text.as_str()),
        (
            1,
            "account \"ci\", from 10.1.2.3\n\
             ceiling: scopes repository:acme/*:pull registry:catalog:*; ip 10.0.0.0/8\n\
             needs repository:acme/app:pull,push\n  \
               pull: allowed, by rule 1, f.yml:8\n  \
               push: denied, by the scopes of robot \"ci\", f.yml:6; the rules would grant it, by rule 1, f.yml:8\n"
        )
    );
    let (code, text) = ask("192.0.2.1", "repository:acme/app:pull");
    assert!(
        code == 1
            && text.contains("pull: denied, by the ip of robot \"ci\", f.yml:6; the rules would grant it"),
        "{text}"
    );
    let (code, text) = ask("10.1.2.3", "repository:acme/app:delete");
    assert!(code == 1 && text.contains("the rules do not grant it either, by rule 1"), "{text}");
    let (_, json) =
        explain(&directory, &["--account", "ci", "--scope", "repository:acme/app:pull", "--json"]);
    let answer: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&answer["allowed"], &answer["needs"][0]["by"]), (&false.into(), &"robots".into()), "{json}");
}

#[test]
fn explain_says_that_a_robot_without_a_token_in_force_cannot_sign_in() {
    for (tokens, shut_out) in [
        (String::new(), true),
        (format!("tokens: [{{sha256: {ONE}, expires: 2001-01-01}}]"), true),
        (format!("tokens: [{{sha256: {ONE}}}]"), false),
    ] {
        let directory = robot(&tokens);
        let ask = |more: &[&str]| {
            explain(&directory, &[&["--account", "ci", "--scope", "repository:acme/app:pull"], more].concat())
                .1
        };
        assert_eq!(ask(&[]).contains("no token of this robot is in force"), shut_out, "{tokens}");
        assert_eq!(ask(&["--json"]).contains("\"shut_out\":true"), shut_out, "{tokens}");
    }
}

#[test]
fn explain_everyone_and_test_policy_know_robots() {
    let directory = robot(&format!("tokens: [{{sha256: {ONE}}}], scopes: ['repository:acme/*:pull']"));
    let everyone = |scope: &str| explain(&directory, &["--everyone", "--scope", scope]).1;
    let may_pull = everyone("repository:acme/app:pull");
    assert!(
        may_pull.contains("ci: allowed, by rule 1") && may_pull.contains("2 of 2 accounts"),
        "{may_pull}"
    );
    assert!(everyone("repository:acme/app:push").contains("0 of 2 accounts"));
    let table = "- {account: ci, scope: 'repository:acme/app:pull', expect: allow}\n\
                 - {account: ci, scope: 'repository:acme/app:push', expect: deny}\n";
    fs::write(directory.path().join("table.yml"), table).unwrap();
    let (code, text) = run(&directory, &["test-policy", "-c", "f.yml", "table.yml"]);
    assert_eq!((code, text.trim()), (0, "table.yml: 2 of 2 expectations met"));
}

#[test]
fn explain_shows_what_a_personal_token_leaves_of_the_rules() {
    let file = robot("scopes: [\"repository:acme/*:pull\"]");
    let of = |account: &str, token: &[&str], scope: &str| {
        let with_token: Vec<&str> = token.iter().flat_map(|scope| ["--token-scope", scope]).collect();
        explain(&file, &[&["--account", account, "--scope", scope][..], &with_token].concat())
    };
    let pull = "repository:acme/app:pull";
    for (token, code, says) in [
        (&[][..], 0, "pull: allowed, by rule 2"),
        (&["repository:acme/*:pull"], 0, "pull: allowed, by rule 2"),
        (&["repository:other/*:pull", "repository:/.*/:pull"], 0, "pull: allowed, by rule 2"),
        (
            &["repository:other/*:pull"],
            1,
            "pull: denied, by the scopes of the personal token; the rules would grant it, by rule 2",
        ),
        (&["repository:acme/*:push"], 1, "by the scopes of the personal token"),
    ] {
        let (found, text) = of("people", token, pull);
        assert!(found == code && text.contains(says), "{token:?}: {found} {text}");
    }
    let (code, text) = of("people", &["acme/*"], pull);
    assert!(code == 2 && text.contains("is no scope"), "{code} {text}");
    let args = ["--account", "people", "--scope", pull, "--token-scope", "repository:other/*:pull", "--json"];
    let (code, text) = explain(&file, &args);
    let answer: Value = serde_json::from_str(text.trim()).unwrap();
    assert_eq!((code, &answer["allowed"]), (1, &false.into()), "{answer}");
}
