//! Tests of what the lines of an audit log say.

use serde_json::{Value, json};

use super::*;

const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// A line of a request by `ci`, in that minute of a morning, with these fields in place of the usual.
fn line(minute: u32, fields: Value) -> String {
    let mut line = json!({
        "time": format!("2026-11-02T08:{minute:02}:00.000000Z"), "event": "transfer", "account": "ci",
        "address": "192.0.2.7", "method": "GET", "route": "manifest", "repository": "team/app", "reference": "1.0",
        "status": 200, "digest": DIGEST, "ended": "complete", "duration_ms": 0.5,
    });
    let Value::Object(fields) = fields else { unreachable!() };
    line.as_object_mut().unwrap().extend(fields);
    line.to_string()
}

fn read(lines: &[String]) -> (Vec<Entry>, Reach) {
    let mut import = Import::default();
    lines.iter().for_each(|line| import.line(Some(line.as_bytes())));
    let (mut entries, reach) = import.end();
    entries.sort_by(|a, b| a.reference.cmp(&b.reference));
    (entries, reach)
}

/// The records, as `reference pushed pulled asked pulls`, with the minute of each.
fn records(lines: &[String]) -> Vec<String> {
    let minute = |last: &Option<super::super::Last>| {
        last.as_ref().map_or("-".to_owned(), |last| (last.at % 3600 / 60).to_string())
    };
    let record = |Entry { reference, activity, .. }: &Entry| {
        let Activity { pushed, pulled, asked, pulls, .. } = activity;
        let reference = if reference == DIGEST { "digest" } else { reference };
        let pulls = pulls.recent(activity.latest());
        format!("{reference} {} {} {} {pulls}", minute(pushed), minute(pulled), minute(asked))
    };
    read(lines).0.iter().map(record).collect()
}

#[test]
fn lines_count_as_the_events_that_they_record() {
    let put = line(1, json!({"method": "PUT", "status": 201, "tags": ["latest"]}));
    let head = line(2, json!({"method": "HEAD"}));
    let get = line(3, json!({"reference": DIGEST}));
    let by_tag = line(4, json!({}));
    assert_eq!(records(&[put, head, get, by_tag]), ["1.0 1 4 4 2", "latest 1 - - 0", "digest - 3 3 1"]);
}

#[test]
fn what_was_refused_broke_off_or_is_no_manifest_is_passed_over() {
    for fields in [
        json!({"status": 404}),
        json!({"ended": "client_gone"}),
        json!({"route": "blob", "reference": DIGEST}),
        json!({"event": "token"}),
        json!({"event": "decision", "ended": null, "status": null, "decision": "allowed"}),
        json!({"method": "PUT", "status": 400}),
        json!({"route": "tags", "reference": null}),
    ] {
        let (entries, reach) = read(&[line(1, fields.clone())]);
        assert_eq!((entries, reach.unreadable), (Vec::new(), 0), "{fields}");
    }
}

#[test]
fn what_was_deleted_since_has_no_record_whatever_the_order_of_the_files() {
    let delete = line(5, json!({"method": "DELETE", "status": 202}));
    let untag = line(5, json!({"event": "untag", "decision": "allowed", "method": null, "route": null}));
    let prune = line(5, json!({"event": "prune", "decision": "allowed", "reference": DIGEST}));
    let (before, after, pinned) =
        (line(1, json!({})), line(9, json!({"method": "HEAD"})), line(1, json!({"reference": DIGEST})));
    for gone in [&delete, &untag] {
        assert_eq!(records(&[before.clone(), gone.clone()]), [""; 0]);
        assert_eq!(records(&[gone.clone(), before.clone()]), [""; 0]);
        assert_eq!(
            records(&[gone.clone(), after.clone(), pinned.clone()]),
            ["1.0 - - 9 0", "digest - 1 1 1"]
        );
    }
    assert_eq!(records(&[pinned, before, prune]), ["1.0 - 1 1 1"]);
}

#[test]
fn a_log_is_whole_only_if_each_line_is_and_none_sums_up_pulls() {
    let seconds = |minute: u64| 1_793_577_600 + 8 * 3600 + minute * 60;
    let (first, last) = (line(1, json!({})), line(9, json!({})));
    let whole = |lines: &[String]| read(lines).1.whole();
    assert_eq!(whole(&[last.clone(), first.clone()]), Some((seconds(1), seconds(9))));
    for bad in [
        "no line".to_owned(),
        "{\"time\": \"2026-11-02T08:05:00Z\"}".to_owned(),
        line(2, json!({"time": "yesterday"})),
        line(2, json!({"truncated": ["account"]})),
        line(2, json!({"repository": "Not A Name"})),
    ] {
        assert_eq!(whole(&[first.clone(), bad.clone(), last.clone()]), None, "{bad}");
    }
    let summary = |counts: Value| line(5, json!({"event": "summary", "counts": counts, "reference": null}));
    let harmless = summary(json!({"challenged": 100, "refused": 3}));
    assert_eq!(whole(&[first.clone(), harmless, last.clone()]), Some((seconds(1), seconds(9))));
    for counts in [json!({"transfer": 1}), json!({"allowed": 1, "challenged": 5}), Value::Null] {
        let with = [first.clone(), summary(counts), last.clone()];
        assert_eq!(whole(&with), Some((seconds(5), seconds(9))));
    }
    assert_eq!(whole(&[line(2, json!({"truncated": ["user_agent"]}))]), Some((seconds(2), seconds(2))));
    let mut import = Import::default();
    import.line(None);
    assert_eq!((import.reach.whole(), import.reach.unreadable), (None, 1));
}
