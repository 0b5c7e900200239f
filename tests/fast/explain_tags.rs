//! `portwarden explain` and `portwarden test-policy` about tags: rules with `tag`, and write-once tags.

use serde_json::{Value, json};

use super::explain::Sample;

/// `user` may pull `1.*`; `test2` may do all with `pr-<n>`.
const RULES: &str = r#"  - match: {account: "admin"}
    actions: ["*"]
  - match: {account: "user", name: "team/app", tag: "1.*"}
    actions: [pull]
  - match: {account: "test2", name: "team/app", tag: ["/^pr-[0-9]+$/", "main"]}
    actions: [pull, push, delete]
"#;
const WRITE_ONCE: &str = "tags:\n  write_once:\n    - match: {name: \"team/*\", tag: [main, 1.*]}\n";

fn sample() -> Sample {
    Sample::with_rules(RULES, WRITE_ONCE)
}

#[test]
fn explain_tells_what_depends_on_the_tag() {
    let sample = sample();
    let ask = |arguments: &[&str]| sample.explain(&[&["--account", "user"], arguments].concat());
    let request = |request| ask(&["--request", request]);
    let (code, text) = request("GET /v2/team/app/manifests/1.2");
    assert!(code == 0 && text.contains("pull: allowed, by rule 2"), "{text}");
    let (code, text) = request("GET /v2/team/app/manifests/2.0");
    assert!(code == 1 && text.contains("pull: denied, no rule matches"), "{text}");
    for whole in [&["--request", "GET /v2/team/app/tags/list"][..], &["--scope", "repository:team/app:pull"]]
    {
        let (code, text) = ask(whole);
        assert!(
            code == 1 && text.contains("pull: depends on the tag, by rule 2, auth_config.yml:"),
            "{text}"
        );
        assert!(text.contains("; name one with --tag"), "{text}");
    }
    let of_tag = |tag| ask(&["--scope", "repository:team/app:pull", "--tag", tag, "-v"]);
    assert_eq!(of_tag("1.9").0, 0);
    let (code, text) = of_tag("2.0");
    assert!(code == 1 && text.contains("match.tag [\"1.*\"] is not met by \"2.0\""), "{text}");
    assert_eq!(ask(&["--request", "GET /v2/", "--tag", "1.0"]).0, 2);
    let (code, text) = of_tag("a/b");
    assert!(code == 2 && text.contains("is no tag"), "{text}");
}

#[test]
fn explain_lists_everyone_who_may_use_some_tags() {
    let (code, text) = sample().explain(&["--everyone", "--scope", "repository:team/app:pull"]);
    assert!(code == 0 && text.contains("  user: allowed for some tags, by rule 2"), "{text}");
    assert!(text.contains("  admin: allowed, by rule 1"), "{text}");
    let of_tag = sample().explain(&["--everyone", "--scope", "repository:team/app:pull", "--tag", "1.0"]).1;
    assert!(of_tag.contains("  user: allowed, by rule 2") && !of_tag.contains("test2"), "{of_tag}");
}

#[test]
fn explain_says_which_entries_make_tags_of_a_repository_write_once() {
    let sample = sample();
    let said = |arguments: &[&str]| {
        let (code, text) = sample.explain(&[&["--account", "admin"], arguments].concat());
        (code, text.lines().find(|line| line.contains("write-once")).map(str::to_owned))
    };
    let scope = |name: &str, action: &str| said(&["--scope", &format!("repository:{name}:{action}")]).1;
    let note = scope("team/app", "pull,push").unwrap();
    assert!(note.starts_with("note: team/app has write-once tags by tags.write_once[0], line "), "{note}");
    assert!(note.ends_with(": a push or deletion that would change one is denied"), "{note}");
    assert_eq!(scope("team/app", "delete"), Some(note));
    assert_eq!((scope("team/app", "pull"), scope("other/app", "push")), (None, None));

    let request = |request| said(&["--request", request]);
    let (code, line) = request("PUT /v2/team/app/manifests/main");
    assert!(
        code == 0
            && line.unwrap().ends_with("it is denied if it would change a write-once tag that is there")
    );
    let (code, line) = request("DELETE /v2/team/app/manifests/main");
    let line = line.unwrap();
    assert!(
        code == 1 && line.ends_with("it would delete or hollow out a write-once tag, so it is denied"),
        "{line}"
    );
    assert_eq!(request("PUT /v2/team/app/manifests/latest"), (0, None));
    assert_eq!(request("GET /v2/team/app/manifests/main"), (0, None));
}

#[test]
fn programs_are_told_of_tags() {
    let sample = sample();
    let answer = |arguments: &[&str]| -> Value {
        let (_, text) = sample.explain(&[&["--json"], arguments].concat());
        serde_json::from_str(&text).unwrap()
    };
    let some = answer(&["--account", "user", "--scope", "repository:team/app:pull,push"]);
    assert_eq!(
        (&some["allowed"], &some["needs"][0]["some_tags"]),
        (&json!(false), &json!(["pull"])),
        "{some}"
    );
    let denied = answer(&["--account", "test2", "--request", "DELETE /v2/team/app/manifests/main"]);
    assert_eq!(
        (&denied["allowed"], &denied["needs"][0]["allowed"]),
        (&json!(false), &json!(true)),
        "{denied}"
    );
    assert_eq!(
        (&denied["write_once"]["entry"], &denied["write_once"]["outcome"]),
        (&json!(0), &json!("denied"))
    );
    let push = answer(&["--account", "test2", "--request", "PUT /v2/team/app/manifests/main"]);
    assert_eq!(
        (&push["allowed"], &push["write_once"]["outcome"]),
        (&json!(true), &json!("denied_if_it_changes_one"))
    );
    let line = |tag: &str| {
        let question = json!({"account": "user", "type": "repository", "name": "team/app", "service": "s",
                              "actions": ["pull"], "tag": tag});
        sample.run("explain", &["--json"], &question.to_string()).1
    };
    assert!(line("1.0").contains("\"actions\":[\"pull\"]") && line("2.0").contains("\"actions\":[]"));
}

#[test]
fn test_policy_asks_about_tags() {
    let sample = sample();
    let rows = |rows: &str| {
        sample.write("rows.yml", rows);
        sample.run("test-policy", &["rows.yml"], "")
    };
    let right = "- {account: user, scope: 'repository:team/app:pull', tag: '1.0', expect: allow}
- {account: user, scope: 'repository:team/app:pull', tag: '2.0', expect: deny}
- {account: user, scope: 'repository:team/app:pull', expect: deny}
- {account: test2, request: 'PUT /v2/team/app/manifests/pr-1', expect: allow}
- {account: test2, request: 'DELETE /v2/team/app/manifests/pr-1', expect: allow}
- {account: test2, request: 'DELETE /v2/team/app/manifests/main', expect: deny}
";
    let (code, text) = rows(right);
    assert!(code == 0 && text.contains("6 of 6 expectations met"), "{text}");
    let (code, text) = rows("- {account: user, scope: 'repository:team/app:pull', expect: allow}\n");
    assert!(
        code == 1 && text.contains("repository:team/app:pull is allowed for some tags only, by rule 2"),
        "{text}"
    );
    let (_, text) =
        rows("- {account: test2, request: 'DELETE /v2/team/app/manifests/main', expect: allow}\n");
    assert!(text.contains("it would delete or hollow out a write-once tag"), "{text}");
    let (code, text) = rows("- {account: user, request: 'GET /v2/', tag: '1.0', expect: allow}\n");
    assert!(code == 1 && text.contains("write tag with a scope only"), "{text}");
}
