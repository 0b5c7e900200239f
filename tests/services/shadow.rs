//! The next rules beside those in force (`shadow`): what is recorded of a live request, and that no answer changes.
//!
//! Needs: curl, docker-registry, faketime, htpasswd.

use std::{fs, path::Path};

use serde_json::{Value, json};

use crate::support::{
    audit::{TO_FILE, line_with, lines},
    clock::Clock,
    command::run,
    curl::{Response, curl},
    distribution::push_image,
    metrics::{self, value},
    page_client::Visitor,
    portwarden::{ADMIN, Builder, Portwarden, USER, portwarden, program},
    registry::{Registry, registry},
};

/// Only the admin may push; `user` pulls from `acme/app`.
const NOW: &str = "  - {match: {account: admin}, actions: ['*']}\n  - {match: {account: user, name: acme/app}, actions: [pull]}";
/// `user` pulls from `acme/new` instead, and only some tags of `acme/tags`.
const NEXT: &str = "acl:\n  - {match: {account: admin}, actions: ['*']}\n\
                    \x20 - {match: {account: user, name: acme/new}, actions: [pull], comment: moved}\n\
                    \x20 - {match: {account: user, name: acme/tags, tag: v*}, actions: [pull]}\n";
const UNTIL: &str = "2999-12-31";

fn shadow(file: &Path, until: &str) -> String {
    format!("shadow: {{acl_file: '{}', until: '{until}'}}", file.display())
}

fn reporting(registry: &Registry) -> Builder {
    portwarden(registry).acl(NOW).with(metrics::ON).with(TO_FILE)
}

/// A Portwarden whose next rules are in a file of this directory.
fn beside(registry: &Registry, next: &tempfile::TempDir) -> Portwarden {
    let file = next.path().join("next.yml");
    fs::write(&file, NEXT).unwrap();
    reporting(registry).with(&shadow(&file, UNTIL)).start()
}

fn count(warden: &Portwarden, outcome: &str) -> f64 {
    value(warden, &format!("portwarden_shadow_total{{outcome=\"{outcome}\"}}")).unwrap()
}

/// The line of a decision about this repository, by this rule of now.
fn decision(warden: &Portwarden, repository: &str) -> Value {
    let fields = [("event", "decision"), ("account", "user"), ("repository", repository)];
    line_with(&warden.file("audit.log"), &fields)
}

fn pull(warden: &Portwarden, repository: &str) -> Response {
    curl(warden).user(USER).get(&format!("/v2/{repository}/tags/list"))
}

#[test]
fn a_difference_is_in_the_audit_log_and_the_metrics() {
    let (registry, directory) = (registry(), tempfile::tempdir().unwrap());
    let warden = beside(&registry, &directory);
    for repository in ["acme/app", "acme/new"] {
        push_image(&curl(&warden).user(ADMIN), repository, "1");
    }
    let same = count(&warden, "same");
    assert!(same > 0.0, "the pushes of the admin");
    pull(&warden, "acme/app").is(200);
    pull(&warden, "acme/new").is(401);
    pull(&warden, "acme/none").is(401);
    for (repository, shadow, rule) in [
        ("acme/app", Value::from("denied"), Value::from("no rule matches")),
        ("acme/new", Value::from("allowed"), Value::from("rule 2, line 3 (moved)")),
        ("acme/none", Value::Null, Value::Null),
    ] {
        let line = decision(&warden, repository);
        assert_eq!((&line["shadow"], &line["shadow_rule"]), (&shadow, &rule), "{line}");
    }
    assert_eq!((count(&warden, "loss"), count(&warden, "gain")), (1.0, 1.0));
    assert_eq!(count(&warden, "same"), same + 1.0);
    let end = value(&warden, "portwarden_shadow_until_timestamp_seconds");
    assert_eq!(end, Some(32_503_680_000.0));
    let transfers = lines(&warden.file("audit.log")).into_iter().filter(|line| line["event"] == "transfer");
    assert!(transfers.into_iter().all(|line| line["shadow"].is_null()), "it belongs to the decision");
}

#[test]
fn what_depends_on_tags_is_undecided() {
    let (registry, directory) = (registry(), tempfile::tempdir().unwrap());
    let warden = beside(&registry, &directory);
    let digest = push_image(&curl(&warden).user(ADMIN), "acme/tags", "v1");
    let asked = curl(&warden).user(USER).get(&format!("/v2/acme/tags/manifests/{digest}"));
    asked.is(401);
    assert_eq!(decision(&warden, "acme/tags")["shadow"], "undecided");
    assert_eq!(count(&warden, "undecided"), 1.0);
}

/// The rows of the page, without their tags.
fn page_text(warden: &Portwarden) -> String {
    let page = Visitor::signed_in(warden, ADMIN).get("/-/shadow").is(200).text();
    page.split('<')
        .filter_map(|part| part.split_once('>'))
        .map(|(_, text)| text)
        .collect::<Vec<_>>()
        .join("|")
}

#[test]
fn the_page_shows_each_difference_to_those_who_may_see_the_whole_registry() {
    let (registry, directory) = (registry(), tempfile::tempdir().unwrap());
    let mut warden = beside(&registry, &directory);
    assert!(page_text(&warden).contains("No difference yet"));
    for _ in 0..3 {
        pull(&warden, "acme/app").is(404);
    }
    pull(&warden, "acme/new").is(401);
    let page = page_text(&warden);
    for text in ["next.yml", "no rule matches", "rule 2, line 3 (moved)", "|loses|", "|gains|", "|3|"] {
        assert!(page.contains(text), "no {text} in {page}");
    }
    assert!(page.find("acme/app") < page.find("acme/new"), "losses first: {page}");
    let refused = Visitor::signed_in(&warden, USER).get("/-/shadow").is(403).text();
    assert!(!refused.contains("acme/"), "{refused}");
    // The same rules go on, others begin anew.
    warden.reload(|builder| builder);
    assert!(page_text(&warden).contains("acme/app"));
    let file = directory.path().join("next.yml");
    fs::write(&file, NEXT.replace("moved", "moved again")).unwrap();
    warden.reload(|builder| builder);
    assert!(page_text(&warden).contains("No difference yet"));
    let without = reporting(&registry).start();
    assert!(page_text(&without).contains("No next rules are compared"));
}

#[test]
fn status_has_a_line_about_the_shadow() {
    let (registry, directory) = (registry(), tempfile::tempdir().unwrap());
    let (file, socket) = (directory.path().join("next.yml"), directory.path().join("control.sock"));
    fs::write(&file, NEXT).unwrap();
    let control = format!("control: {{socket: '{}'}}", socket.display());
    let warden = reporting(&registry).with(&control).with(&shadow(&file, UNTIL)).start();
    pull(&warden, "acme/app").is(404);
    let status = || run(&program(), &["status", "--socket", socket.to_str().unwrap()], &[]);
    let in_json = || run(&program(), &["status", "--json", "--socket", socket.to_str().unwrap()], &[]);
    let line = format!("shadow: {} until 3000-01-01T00:00:00Z: 0 gain, 1 lose, 0 undecided", file.display());
    status().succeeds().says("open: writes pass").says(&line);
    let expected = json!({
        "state": "open", "thawed": false,
        "shadow": {
            "file": file, "until": "3000-01-01T00:00:00Z", "gain": 0, "loss": 1, "undecided": 0,
        },
    });
    let said: Value = serde_json::from_str(&in_json().succeeds().stdout).unwrap();
    assert_eq!(said, expected);
    drop(warden);
    let _without = reporting(&registry).with(&control).start();
    status().succeeds().does_not_say("shadow");
    in_json().succeeds().does_not_say("shadow");
}

#[test]
fn rule_56_answers_are_the_same_with_a_shadow_and_without() {
    let (registry, directory) = (registry(), tempfile::tempdir().unwrap());
    let (with, without) = (beside(&registry, &directory), reporting(&registry).start());
    for repository in ["acme/app", "acme/new", "acme/tags"] {
        push_image(&curl(&with).user(ADMIN), repository, "1");
    }
    let shown = |response: Response, warden: &Portwarden| {
        let challenge =
            response.header("www-authenticate").unwrap_or_default().replace(&warden.host(), "host");
        (response.status, challenge, response.text())
    };
    let mut differences = 0.0;
    for account in [Some(ADMIN), Some(USER), None] {
        for (method, path) in [
            ("GET", "/v2/"),
            ("GET", "/v2/_catalog"),
            ("GET", "/v2/acme/app/tags/list"),
            ("GET", "/v2/acme/app/manifests/1"),
            ("GET", "/v2/acme/new/manifests/1"),
            ("GET", "/v2/acme/tags/manifests/1"),
            ("HEAD", "/v2/acme/none/manifests/1"),
            ("DELETE", "/v2/acme/new/manifests/none"),
        ] {
            let asked = |warden: &Portwarden| {
                let request = curl(warden);
                let request = account.map_or(request.clone(), |user| request.user(user));
                shown(request.send(method, path), warden)
            };
            assert_eq!(asked(&with), asked(&without), "{method} {path}");
            differences = count(&with, "gain") + count(&with, "loss");
        }
    }
    assert!(differences >= 3.0, "the rules differ: {differences}");
    let logged = lines(&without.file("audit.log"));
    assert!(logged.iter().all(|line| line["shadow"].is_null()));
}

#[test]
fn rule_56_a_broken_file_refuses_the_reload_and_the_old_one_stays() {
    let (registry, directory) = (registry(), tempfile::tempdir().unwrap());
    let mut warden = beside(&registry, &directory);
    fs::write(directory.path().join("next.yml"), "acl:\n  - {match: {acount: user}, actions: []}\n").unwrap();
    let line = warden.try_reload(|builder| builder);
    assert!(line.contains("not reloaded"), "{line}");
    assert!(warden.log().contains("next.yml:2:14: acl[0].match.acount: unknown key"), "{}", warden.log());
    pull(&warden, "acme/app").is(404);
    assert_eq!(decision(&warden, "acme/app")["shadow"], "denied");
}

#[test]
fn rule_56_the_shadow_ends_by_itself() {
    let (registry, directory, clock) = (registry(), tempfile::tempdir().unwrap(), Clock::right());
    let file = directory.path().join("next.yml");
    fs::write(&file, NEXT).unwrap();
    let end = std::time::SystemTime::now() + std::time::Duration::from_secs(3600);
    let until = humantime::format_rfc3339_seconds(end).to_string();
    let warden = clock.of(reporting(&registry).with(&shadow(&file, &until))).start();
    pull(&warden, "acme/app").is(404);
    assert_eq!(count(&warden, "loss"), 1.0);
    clock.set("+2h");
    for _ in 0..2 {
        pull(&warden, "acme/app").is(404);
    }
    assert_eq!(count(&warden, "loss"), 1.0);
    warden.says("the shadow has ended");
    assert_eq!(warden.log().matches("the shadow has ended").count(), 1);
}
