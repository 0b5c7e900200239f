//! Activity: what requests, commands, pages and `portwarden prune` make of who pushed and pulled what.
//!
//! Needs: curl, docker-registry, faketime, htpasswd, skopeo.

use std::fs;

use serde_json::Value;

use super::tag_rules::{NAME, client, image, index};
use crate::support::{
    audit,
    clock::Clock,
    command::{self, Output},
    curl::{Request, curl, curl_at},
    distribution::push_image,
    metrics,
    page_client::Visitor,
    portwarden::{ADMIN, ANYBODY, Builder, Portwarden, TEST2, USER, portwarden, program},
    registry::{Registry, registry},
    skopeo::skopeo,
    waiting::{PATIENCE, eventually},
};

/// `user` may pull `1.*` of `acme/app`, a client without an account all of `acme/open`.
const ACL: &str = r#"
  - match: {account: "admin"}
    actions: ["*"]
  - match: {account: "test2"}
    actions: [pull]
  - match: {account: "user", name: "acme/app", tag: "1.*"}
    actions: [pull]
  - match: {account: "", name: "acme/open"}
    actions: [pull]
"#;
const STATE: &str = "state: {file: ./state.db}\ncontrol: {socket: ./control.sock}";
const RETENTION: &str = r#"
retention:
  - match: {name: "acme/*"}
    keep: [{pulled_within: 90d}]
"#;

fn open(registry: &Registry) -> Builder {
    let users = [ADMIN, USER, TEST2, ANYBODY];
    portwarden(registry).users(&users).acl(ACL).with(STATE).with(metrics::ON).with(audit::TO_FILE)
}

fn run(warden: &Portwarden, command: &str, args: &[&str]) -> Output {
    let socket = warden.file("control.sock");
    command::run(&program(), &[&[command], args, &["--socket", socket.to_str().unwrap()]].concat(), &[])
}

/// The records, and the time from which they are whole.
fn activity(warden: &Portwarden, args: &[&str]) -> (Vec<Value>, String) {
    let output = run(warden, "activity", &[&["--json"], args].concat()).succeeds();
    let mut lines: Vec<Value> =
        output.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let since = lines.pop().unwrap()["known_since"].as_str().unwrap().to_owned();
    (lines, since)
}

fn since(warden: &Portwarden) -> String {
    activity(warden, &[]).1
}

/// A record in words: who pushed, pulled and checked last, and the number of pulls.
fn words(record: &Value) -> String {
    let by = |what: &str| record[what]["account"].as_str().unwrap_or("-").to_owned();
    format!("{} {} {} {}", by("pushed"), by("pulled"), by("checked"), record["pulls_30d"])
}

fn record(warden: &Portwarden, reference: &str) -> Option<String> {
    let (all, _) = activity(warden, &[NAME]);
    let named = |record: &&Value| record["tag"] == reference || record["digest"] == reference;
    all.iter().find(named).map(words)
}

/// Waits for a record: a pull is recorded when its response has gone out.
#[track_caller]
fn has(warden: &Portwarden, reference: &str, expected: &str) {
    let is_there = eventually(PATIENCE, || record(warden, reference).as_deref() == Some(expected));
    assert!(is_there, "{reference}: {:?}, not {expected}", record(warden, reference));
}

fn manifest(reference: &str) -> String {
    format!("/v2/{NAME}/manifests/{reference}")
}

/// Pulls as docker does: `HEAD` of the tag, `GET` of its digest.
fn docker_pull(request: &Request, tag: &str) -> String {
    let head = request.clone().head(&manifest(tag)).is(200);
    let digest = head.header("docker-content-digest").unwrap().to_owned();
    request.clone().get(&manifest(&digest)).is(200);
    digest
}

#[test]
fn each_pull_and_push_counts_as_what_it_is() {
    let registry = registry();
    let warden = open(&registry).start();
    let (admin, test2) = (client(&warden).user(ADMIN), client(&warden).user(TEST2));
    let first = image(&admin, "1.0", &[b"one"]);
    has(&warden, "1.0", "admin - - 0");
    test2.clone().get(&manifest("1.0")).is(200);
    has(&warden, "1.0", "admin test2 test2 1");
    client(&warden).user(USER).head(&manifest("1.0")).is(200);
    has(&warden, "1.0", "admin test2 user 1");
    assert_eq!(docker_pull(&test2, "1.0"), first);
    has(&warden, "1.0", "admin test2 test2 2");
    has(&warden, &first, "- test2 test2 1");
    let platform = image(&admin, "platform", &[b"two"]);
    let whole = index(&admin, "index", &[&platform]);
    docker_pull(&test2, "index");
    test2.clone().get(&manifest(&platform)).is(200);
    has(&warden, "index", "admin test2 test2 1");
    has(&warden, &platform, "- test2 test2 1");
    // Nothing that was refused, is not there, or is no manifest.
    client(&warden).user(USER).get(&manifest("index")).is(404);
    test2.clone().get(&manifest("nothing")).is(404);
    test2.get(&format!("/v2/{NAME}/tags/list")).is(200);
    let (all, _) = activity(&warden, &[]);
    let mut references: Vec<&str> =
        all.iter().filter_map(|record| record["tag"].as_str().or(record["digest"].as_str())).collect();
    references.sort_unstable();
    let mut expected = ["1.0", "index", "platform", &*first, &*whole, &*platform];
    expected.sort_unstable();
    assert_eq!(references, expected);
    let count =
        |outcome: &str| metrics::value(&warden, &format!("portwarden_activity_total{{outcome={outcome:?}}}"));
    assert_eq!((count("lost"), count("not_stored")), (Some(0.0), Some(0.0)));
    // Deleted, it begins anew.
    admin.send("DELETE", &manifest("1.0")).is(202);
    assert!(eventually(PATIENCE, || record(&warden, "1.0").is_none()));
}

#[test]
fn a_pull_by_a_real_client_counts_once() {
    let registry = registry();
    let warden = open(&registry).start();
    image(&client(&warden).user(ADMIN), "1.0", &[b"one"]);
    skopeo(&warden, TEST2).pull(&format!("{NAME}:1.0")).succeeds();
    has(&warden, "1.0", "admin test2 test2 1");
}

#[test]
fn the_command_shows_what_is_asked_for() {
    let registry = registry();
    let warden = open(&registry).start();
    let admin = client(&warden).user(ADMIN);
    image(&admin, "1.0", &[b"one"]);
    image(&admin, "2.0", &[b"two"]);
    client(&warden).user(TEST2).get(&manifest("1.0")).is(200);
    has(&warden, "1.0", "admin test2 test2 1");
    let tags = |args: &[&str]| {
        let (all, _) = activity(&warden, args);
        all.iter().map(|record| record["tag"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(tags(&[]), ["1.0", "2.0"]);
    assert_eq!(tags(&["acme/app:2.0"]), ["2.0"]);
    assert_eq!(tags(&["--account", "TEST2"]), ["1.0"]);
    assert_eq!(tags(&["--account", "user"]), [""; 0]);
    assert_eq!(tags(&["acme/ap"]), [""; 0]);
    assert_eq!(tags(&["--since", "1h"]), ["1.0", "2.0"]);
    let table = run(&warden, "activity", &[]).succeeds();
    assert!(table.stdout.starts_with("REPOSITORY  TAG  PUSHED"), "{}", table.stdout);
    table.says("every request since 2");
    run(&warden, "activity", &["acme/other"]).succeeds().says("no activity is on record");
    let without = portwarden(&registry).with("control: {socket: ./control.sock}").start();
    run(&without, "activity", &[]).fails().says("no state file");
}

#[test]
fn records_outlive_a_stop_a_crash_and_a_reload_and_a_crash_is_a_gap() {
    let registry = registry();
    let mut warden = open(&registry).start();
    image(&client(&warden).user(ADMIN), "1.0", &[b"one"]);
    let pull = |warden: &Portwarden| drop(client(warden).user(TEST2).get(&manifest("1.0")).is(200));
    pull(&warden);
    has(&warden, "1.0", "admin test2 test2 1");
    let began = since(&warden);
    pull(&warden);
    warden.stop();
    warden.crash_and_restart();
    has(&warden, "1.0", "admin test2 test2 2");
    assert_eq!(since(&warden), began, "an orderly stop is no gap");
    warden.reload(|builder| builder);
    pull(&warden);
    has(&warden, "1.0", "admin test2 test2 3");
    // A second later at least.
    assert!(eventually(PATIENCE, || !run(&warden, "activity", &["--since", "1s"]).stdout.contains(NAME)));
    // That has stored it.
    warden.crash_and_restart();
    has(&warden, "1.0", "admin test2 test2 3");
    assert!(since(&warden) > began, "{} is not behind {began}", since(&warden));
}

#[test]
fn a_state_file_that_cannot_be_written_stops_no_request_and_loses_nothing() {
    let registry = registry();
    let warden = open(&registry).start();
    image(&client(&warden).user(ADMIN), "1.0", &[b"one"]);
    has(&warden, "1.0", "admin - - 0");
    let visitor = Visitor::signed_in(&warden, TEST2);
    assert!(visitor.get(&format!("/{NAME}")).is(200).text().contains("by <bdi>admin</bdi>"));
    let (file, away) = (warden.file("state.db"), warden.file("away.db"));
    fs::rename(&file, &away).unwrap();
    client(&warden).user(TEST2).get(&manifest("1.0")).is(200);
    let failures = || metrics::value(&warden, "portwarden_activity_total{outcome=\"not_stored\"}");
    assert!(eventually(PATIENCE, || failures() >= Some(2.0)));
    client(&warden).user(TEST2).get(&manifest("1.0")).is(200);
    run(&warden, "activity", &[]).fails().says("removed or replaced");
    let page = visitor.get(&format!("/{NAME}")).is(200).text();
    assert!(page.contains("1.0") && !page.contains("by <bdi>admin</bdi>"), "{page}");
    fs::rename(&away, &file).unwrap();
    warden.says("activity is stored again");
    has(&warden, "1.0", "admin test2 test2 2");
    assert_eq!(warden.log().matches("cannot store activity").count(), 1, "{}", warden.log());
}

#[test]
fn rule_58_pages_show_activity_of_what_the_visitor_may_pull_and_names_to_accounts_only() {
    let registry = registry();
    let warden = open(&registry).start();
    let admin = client(&warden).user(ADMIN);
    for tag in ["1.0", "2.0"] {
        image(&admin, tag, &[tag.as_bytes()]);
        client(&warden).user(TEST2).get(&manifest(tag)).is(200);
        has(&warden, tag, "admin test2 test2 1");
    }
    let text = |page: &str| page.replace("<bdi>", "").replace("</bdi>", "");
    let all = text(&Visitor::signed_in(&warden, TEST2).get(&format!("/{NAME}")).is(200).text());
    assert_eq!(all.matches(" in 30 days").count(), 2, "{all}");
    assert!(
        all.contains(" by admin") && all.contains("1 pull in 30 days") && all.contains(" by test2"),
        "{all}"
    );
    // Rules by tag: the other one is not there.
    let some = Visitor::signed_in(&warden, USER);
    let page = text(&some.get(&format!("/{NAME}")).is(200).text());
    assert_eq!(page.matches(" in 30 days").count(), 1, "{page}");
    let page = text(&some.get(&format!("/{NAME}:1.0")).is(200).text());
    assert!(page.contains("<dt>Pushed</dt>") && page.contains(" by admin"), "{page}");
    assert_eq!(some.get(&format!("/{NAME}:2.0")).status, 404);
    // Without an account, no names.
    push_image(&admin, "acme/open", "1");
    client(&warden).user(TEST2).get("/v2/acme/open/manifests/1").is(200);
    let is_known =
        || activity(&warden, &["acme/open"]).0.first().map(words).as_deref() == Some("admin test2 test2 1");
    assert!(eventually(PATIENCE, is_known));
    let page = text(&curl(&warden).get("/acme/open").is(200).text());
    assert!(page.contains("1 pull in 30 days"), "{page}");
    assert!(!page.contains("admin") && !page.contains("test2"), "{page}");
    // A tag that was moved past Portwarden was not pushed by that account.
    let direct = curl_at(&registry.url());
    image(&direct, "1.0", &[b"moved"]);
    let page = text(&some.get(&format!("/{NAME}:1.0")).is(200).text());
    assert!(!page.contains("<dt>Pushed</dt>") && page.contains("1 pull in 30 days"), "{page}");
}

#[test]
fn rule_58_the_list_of_repositories_counts_only_what_the_visitor_may_pull() {
    let registry = registry();
    let warden = open(&registry).start();
    let admin = client(&warden).user(ADMIN);
    image(&admin, "1.0", &[b"1.0"]);
    client(&warden).user(TEST2).get(&manifest("1.0")).is(200);
    has(&warden, "1.0", "admin test2 test2 1");
    // Pushed by another account, and later: the visitor may not know of it.
    image(&admin, "2.0", &[b"2.0"]);
    for _ in 0..3 {
        client(&warden).user(TEST2).get(&manifest("2.0")).is(200);
    }
    has(&warden, "2.0", "admin test2 test2 3");
    push_image(&admin, "acme/open", "1");
    let cells = |page: &str, name: &str| -> Vec<String> {
        let (_, row) = page.split_once(&format!("href=\"/{name}\"")).unwrap_or_else(|| panic!("no {name}"));
        let cells = row.split("</tr>").next().unwrap().split("data-label=\"").skip(1);
        let text = |cell: &str| {
            let words = cell.split('<').filter_map(|part| part.split_once('>')).map(|(_, text)| text);
            words.collect::<String>().split_whitespace().collect::<Vec<_>>().join(" ")
        };
        cells.map(text).collect()
    };
    let all = Visitor::signed_in(&warden, TEST2).get("/").is(200).text();
    assert_eq!(cells(&all, NAME), ["2", "just now by admin", "4"]);
    let some = Visitor::signed_in(&warden, USER).get("/").is(200).text();
    assert_eq!(cells(&some, NAME), ["1", "just now by admin", "1"]);
    let open = || cells(&curl(&warden).get("/").is(200).text(), "acme/open");
    assert!(eventually(PATIENCE, || open() == ["1", "just now", "0"]), "{:?}", open());
}

#[test]
fn rule_54_prune_keeps_what_was_pulled_or_may_have_been() {
    let (registry, clock) = (registry(), Clock::right());
    let mut warden = clock.of(open(&registry).with(RETENTION)).start();
    let (admin, test2) = (client(&warden).user(ADMIN), client(&warden).user(TEST2));
    let images: Vec<String> = ["pulled", "checked", "unused", "platform"]
        .iter()
        .map(|tag| image(&admin, tag, &[tag.as_bytes()]))
        .collect();
    index(&admin, "index", &[&images[3]]);
    let why = |warden: &Portwarden| {
        let plan = run(warden, "prune", &["--json", "-v"]).succeeds();
        let lines = plan.stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let word = |line: &Value, key: &str| line[key].as_str().unwrap_or_default().to_owned();
        let mut all: Vec<String> = lines
            .filter(|line| line["tag"].is_string())
            .map(|line| format!("{} {}: {}", word(&line, "tag"), word(&line, "what"), word(&line, "why")))
            .collect();
        all.sort();
        all
    };
    clock.set("+80d");
    test2.clone().get(&manifest("pulled")).is(200);
    test2.clone().head(&manifest("checked")).is(200);
    test2.get(&manifest(&images[3])).is(200);
    assert!(why(&warden).iter().all(|line| line.ends_with("(pulled_within: 90d)")), "{:?}", why(&warden));
    clock.set("+120d");
    let pulled = "kept: pulled 40 days ago (pulled_within: 90d)";
    let expected = [
        format!("checked {pulled}"),
        format!("index {pulled}"),
        format!("platform {pulled}"),
        format!("pulled {pulled}"),
        "unused tag_and_image: not kept by retention[0], line ".to_owned(),
    ];
    let plan = why(&warden);
    assert_eq!(plan[..4], expected[..4]);
    assert!(plan[4].starts_with(&expected[4]), "{plan:?}");
    // The last seconds before a crash are not on record: any tag may have been pulled.
    warden.crash_and_restart();
    let unknown =
        |line: &String| line.ends_with("kept: it is not known whether it was pulled (pulled_within: 90d)");
    assert!(why(&warden).iter().all(unknown), "{:?}", why(&warden));
    run(&warden, "prune", &["--apply"]).succeeds().says("deleted 0 of 5 tags");
    clock.set("+211d");
    run(&warden, "prune", &["--apply"]).succeeds().says("deleted 5 of 5 tags");
}

#[test]
fn an_import_of_the_audit_log_tells_what_was_lost_and_counts_nothing_twice() {
    let registry = registry();
    let mut warden = open(&registry).start();
    let admin = client(&warden).user(ADMIN);
    let digest = image(&admin, "1.0", &[b"one"]);
    image(&admin, "gone", &[b"two"]);
    client(&warden).user(TEST2).get(&manifest("1.0")).is(200);
    docker_pull(&client(&warden).user(TEST2), "1.0");
    admin.send("DELETE", &manifest("gone")).is(202);
    has(&warden, "1.0", "admin test2 test2 2");
    assert!(eventually(PATIENCE, || record(&warden, "gone").is_none()));
    let before = activity(&warden, &[]).0.len();
    // The first line is of another second than the new beginning.
    assert!(eventually(PATIENCE, || !run(&warden, "activity", &["--since", "1s"]).stdout.contains(NAME)));
    warden.stop();
    fs::remove_file(warden.file("state.db")).unwrap();
    warden.crash_and_restart();
    let log = warden.file("audit.log");
    let import = |warden: &Portwarden, file: &std::path::Path| {
        run(warden, "activity", &["import", "--audit", file.to_str().unwrap()])
    };
    let (nothing, beginning) = activity(&warden, &[]);
    assert!(nothing.is_empty(), "{nothing:?}");
    // The log reaches beyond the new beginning, once a second has passed.
    let is_whole = || {
        client(&warden).user(ADMIN).head(&manifest("1.0")).is(200);
        import(&warden, &log).text().contains("is on record") && since(&warden) < beginning
    };
    assert!(eventually(PATIENCE, is_whole), "{}", import(&warden, &log).text());
    import(&warden, &log).succeeds();
    has(&warden, "1.0", "admin test2 admin 2");
    has(&warden, &digest, "- test2 test2 1");
    assert_eq!((record(&warden, "gone"), activity(&warden, &[]).0.len()), (None, before));
    // A log that may lack something: its records count, its time does not.
    let torn = warden.file("torn.log");
    fs::write(&torn, [fs::read(&log).unwrap(), b"{\"time\": \"20".to_vec()].concat()).unwrap();
    import(&warden, &torn).fails().says("1 line cannot be read");
}
