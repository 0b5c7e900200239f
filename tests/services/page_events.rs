//! The page of events over a whole audit log: older lines, filters, what was rotated, and files of it.
//!
//! Needs: curl, docker-registry, htpasswd.

use std::fs;

use serde_json::{Value, json};

use super::page_details::text;
use crate::support::{
    audit,
    curl::curl,
    distribution::push_image,
    page_client::Visitor,
    portwarden::{ADMIN, ANYBODY, Portwarden, USER, portwarden},
    process::{PATIENCE, eventually},
    registry::registry,
};

/// A line as the audit log has it, of a minute of the 2nd of January 2026.
fn line(minute: usize, account: &str, repository: &str, decision: &str) -> String {
    let time = format!("2026-01-02T{:02}:{:02}:00.000000Z", minute / 60, minute % 60);
    let line = json!({"event": "decision", "request_id": format!("r{minute}"), "address": "192.0.2.7", "account": account,
        "source": "users", "method": "GET", "route": "manifest", "repository": repository, "reference": format!("t{minute}"),
        "requested": [format!("repository:{repository}:pull")], "decision": decision, "rule": "rule 1"});
    format!("{{\"time\":\"{time}\",{}\n", &line.to_string()[1..])
}

/// Puts lines before those that are written from now on.
fn with_past(warden: &Portwarden, older: &str, rotated: &str) {
    let file = warden.file("audit.log");
    fs::write(warden.file("audit.log.2.gz"), "compressed").unwrap();
    fs::write(warden.file("audit.log.1"), rotated).unwrap();
    let now = fs::read_to_string(&file).unwrap();
    // As `copytruncate` of a rotation does: in place.
    fs::write(&file, format!("{older}{now}")).unwrap();
}

/// The address behind a word of a page.
fn link(page: &str, word: &str) -> Option<String> {
    let (before, _) = page.split_once(&format!("\">{word}</a>"))?;
    Some(before.rsplit_once("href=\"")?.1.split('"').next()?.replace("&amp;", "&"))
}

/// The pages from `path` on, by their links to older lines.
fn pages(visitor: &Visitor<'_>, path: &str) -> Vec<String> {
    let mut pages = vec![visitor.get(path).is(200).text()];
    while let Some(older) = link(pages.last().unwrap(), "Older") {
        pages.push(visitor.get(&older).is(200).text());
        assert!(pages.len() < 50, "{older}");
    }
    pages
}

#[test]
fn older_lines_are_found_page_by_page_also_in_a_file_that_was_rotated() {
    let registry = registry();
    let warden = portwarden(&registry).with(audit::TO_FILE).start();
    push_image(&curl(&warden).user(ADMIN), "team/app", "1");
    let visitor = Visitor::signed_in(&warden, ADMIN);
    let of_day = |from: usize, to: usize, account: &str| -> String {
        (from..to).map(|minute| line(minute, account, "team/old", "allowed")).collect()
    };
    let denied = line(3, "eve", "secret/app", "denied");
    let rotated = format!("{}{denied}{}", of_day(0, 3, "bob"), of_day(4, 600, "bob"));
    with_past(&warden, &of_day(600, 1200, "ann"), &rotated);

    let all = pages(&visitor, "/-/events");
    assert!(all.len() >= 4, "{}", all.len());
    let words: String = all.iter().map(|page| text(page)).collect::<Vec<_>>().join(" ");
    for minute in [0, 2, 4, 599, 600, 1199] {
        assert!(words.contains(&format!("old :t{minute} ")), "{minute}");
    }
    assert!(all[0].contains("team/app") && link(&all[0], "Newest").is_none());
    assert!(link(&all[1], "Newest").is_some() && link(all.last().unwrap(), "Older").is_none());

    let of_eve = pages(&visitor, "/-/events?account=eve&refused=1");
    assert_eq!(of_eve.len(), 1, "one reading finds it");
    assert!(text(&of_eve[0]).contains("wanted to pull secret/ app :t3"), "{}", text(&of_eve[0]));
    let before = visitor.get("/-/events?until=2026-01-02T10:00").is(200).text();
    assert!(
        text(&before).contains("old :t599 ") && !text(&before).contains("old :t600 "),
        "{}",
        text(&before)
    );
    assert!(
        text(&visitor.get("/-/events?until=2026-01-01T00:00").is(200).text()).contains("No event matches")
    );
    // Nor does what is recent lead into the past.
    let recent = pages(&visitor, "/-/events?minutes=60");
    assert_eq!(recent.len(), 1);
    assert!(!recent[0].contains("team/old"));

    let older = link(&all[0], "Older").unwrap();
    fs::remove_file(warden.file("audit.log.1")).unwrap();
    fs::remove_file(warden.file("audit.log")).unwrap();
    assert!(text(&visitor.get(&older).is(200).text()).contains("These lines are no longer there"));
    visitor.get("/-/events?from=../../etc/passwd").is(404);
    visitor.get("/-/events?from=1-99999999999999999999").is(404);
}

#[test]
fn rule_32_a_file_of_events_has_what_the_filter_leaves_and_no_formula() {
    let registry = registry();
    let warden = portwarden(&registry).with(audit::TO_FILE).start();
    let visitor = Visitor::signed_in(&warden, ADMIN);
    let bob: String = (0..500).map(|minute| line(minute, "bob", "team/old", "allowed")).collect();
    let odd = line(501, "=cmd|' /C calc'!A0", "team/old", "denied");
    let claimed = line(502, "hunter2", "team/old", "unauthenticated").replace(",\"source\":\"users\"", "");
    with_past(&warden, "", &format!("{bob}{odd}{claimed}not json\n"));
    let lines = visitor.get("/-/events?repository=team/old&format=jsonl").is(200);
    assert_eq!(lines.header("content-type"), Some("application/jsonl; charset=utf-8"));
    let rows: Vec<Value> = lines.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(rows.len(), 502);
    assert_eq!((&rows[2]["account"], &rows[2]["reference"]), (&json!("bob"), &json!(":t499")));
    let csv = visitor.get("/-/events?repository=team/old&format=csv").is(200);
    assert_eq!(csv.header("content-disposition"), Some("attachment; filename=\"events.csv\""));
    let csv = csv.text();
    assert_eq!(csv.lines().count(), 503);
    let head = csv.lines().take(3).collect::<Vec<_>>().join("\n");
    assert!(csv.contains("\"'=cmd|"), "{head}");
    assert!(!csv.contains("hunter2") && !lines.text().contains("hunter2"), "{head}");
    let refused = visitor.get("/-/events?repository=team/old&refused=1&format=csv").is(200).text();
    assert_eq!(refused.lines().count(), 3, "{refused}");
    for path in ["/-/events?format=csv", "/-/events?from=1-1"] {
        Visitor::signed_in(&warden, USER).get(path).is(403);
        Visitor::new(&warden).get(path).is(303);
    }
}

/// Addresses and names of accounts are kept from strangers, also if the anonymous account may do everything.
#[test]
fn rule_58_events_are_for_those_who_have_signed_in() {
    let registry = registry();
    let acl = concat!(
        "\n  - match: {account: \"admin\"}\n    actions: [\"*\"]",
        "\n  - match: {account: \"\"}\n    actions: [\"*\"]\n",
    );
    let warden = portwarden(&registry).users(&[ADMIN, ANYBODY]).acl(acl).with(audit::TO_FILE).start();
    let (admin, anybody) = (Visitor::signed_in(&warden, ADMIN), Visitor::new(&warden));
    for path in ["/-/events", "/-/events?format=csv", "/-/events?format=jsonl", "/-/shadow"] {
        admin.get(path).is(200);
        assert!(!anybody.get(path).is(403).text().contains("admin"), "{path}");
    }
}

#[test]
fn a_log_on_standard_output_shows_its_last_lines() {
    let registry = registry();
    let warden = portwarden(&registry).start();
    push_image(&curl(&warden).user(ADMIN), "team/app", "1");
    let visitor = Visitor::signed_in(&warden, ADMIN);
    let shown = || text(&visitor.get("/-/events").is(200).text());
    assert!(eventually(PATIENCE, || shown().contains("pushed team/ app :1")), "{}", shown());
    assert!(shown().contains("where the standard output of Portwarden goes"), "{}", shown());
    let csv = visitor.get("/-/events?format=csv").is(200).text();
    assert!(csv.contains("team/app"), "{csv}");
}
