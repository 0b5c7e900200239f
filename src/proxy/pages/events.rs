//! The audit log in words, for visitors that may see the whole registry.

use std::{
    collections::HashSet,
    time::{Duration, SystemTime},
};

use serde_json::Value;

use super::{
    answer::Answer,
    event_log::{EXPORT, Found, PAGE, as_csv, as_json_lines, read},
    page_error::{PageError, PageResult},
    visit::{Request, Visit},
};
use crate::ui::{EventAction, EventFilter, EventRow, Events, LogPart, views};

/// The page, or its rows as a file.
pub(super) async fn show(request: &Request<'_>, visit: &Visit) -> PageResult {
    if !request.sees_others(visit).await? {
        let why =
            "events are for those who have signed in and may see the whole catalogue (registry:catalog:*)";
        return Err(PageError::Denied(why.to_owned()));
    }
    let filter = EventFilter {
        account: request.parameter("account").trim().to_owned(),
        repository: request.parameter("repository").trim().to_owned(),
        action: EventAction::named(&request.parameter("action")),
        minutes: request.parameter("minutes").parse().ok(),
        until: timestamp(&format!("{}:00Z", request.parameter("until"))),
        refused: !request.parameter("refused").is_empty(),
        pages: !request.parameter("pages").is_empty(),
    };
    let nothing = || Found { rows: Vec::new(), part: LogPart::default() };
    let export = async || read(request, &filter, EXPORT).await.map(|found| found.unwrap_or_else(nothing));
    match request.parameter("format").as_str() {
        "jsonl" => {
            let text = as_json_lines(&export().await?);
            return Ok(Answer::download(text, "application/jsonl; charset=utf-8", "events.jsonl"));
        }
        "csv" => {
            let text = as_csv(&export().await?);
            return Ok(Answer::download(text, "text/csv; charset=utf-8", "events.csv"));
        }
        _ => {}
    }
    let (rows, part) = match read(request, &filter, PAGE).await? {
        Some(Found { rows, part }) => (Some(merged(rows)), part),
        None => (None, LogPart::default()),
    };
    Ok(Answer::page(views::events(&request.frame(), &Events { rows, filter, part })))
}

pub(super) fn since(filter: &EventFilter, now: SystemTime) -> Option<SystemTime> {
    now.checked_sub(Duration::from_secs(filter.minutes?.saturating_mul(60)))
}

pub(super) fn is_wanted(row: &EventRow, filter: &EventFilter, since: Option<SystemTime>) -> bool {
    // "anonymous" is how the page names the account without a name.
    let account = row.account.as_deref().map(|name| if name.is_empty() { "anonymous" } else { name });
    (filter.account.is_empty() || account == Some(filter.account.as_str()))
        && row.repository.contains(&filter.repository)
        && filter.action.is_none_or(|action| row.action == action)
        && (filter.pages || row.action != EventAction::Page || filter.action.is_some() || row.is_refused())
        && (!filter.refused || row.is_refused())
        && since.is_none_or(|since| row.time.is_some_and(|time| time >= since))
        && filter.until.is_none_or(|until| row.time.is_some_and(|time| time < until))
}

/// Requests that belong together become one row: a client sends a dozen of them for a pull.
fn merged(rows: Vec<EventRow>) -> Vec<EventRow> {
    let mut groups: Vec<Group> = Vec::new();
    for row in rows {
        match groups.iter_mut().find(|group| belongs(&row, group)) {
            Some(group) => group.take(row),
            None => groups.push(Group {
                oldest: row.time,
                requests: HashSet::from([row.request_id.clone()]),
                row,
            }),
        }
    }
    groups.into_iter().map(|group| EventRow { count: group.requests.len(), ..group.row }).collect()
}

/// Requests that belong together.
struct Group {
    row: EventRow,
    /// The time of the first.
    oldest: Option<SystemTime>,
    requests: HashSet<String>,
}

impl Group {
    /// Takes an older row in.
    fn take(&mut self, row: EventRow) {
        // A tag says more than a digest, and the answer more than the decision.
        if row.reference.starts_with(':') || self.row.reference.is_empty() {
            self.row.reference = row.reference;
        }
        self.row.status = self.row.status.or(row.status);
        self.oldest = row.time.or(self.oldest);
        self.requests.insert(row.request_id);
    }
}

/// Returns true if a row, which is older, is part of what a group shows.
fn belongs(row: &EventRow, Group { row: group, oldest, .. }: &Group) -> bool {
    let key = |row: &EventRow| {
        let EventRow { account, address, repository, action, decision, why, .. } = row.clone();
        (account, address, repository, action, decision, why)
    };
    // Different tags stay apart, and so does what has no repository.
    let tags = [&row.reference, &group.reference].map(|reference| reference.starts_with(':'));
    let is_other_tag = tags == [true, true] && row.reference != group.reference;
    let is_near = oldest
        .zip(row.time)
        .is_some_and(|(since, time)| since.duration_since(time).is_ok_and(|between| between <= TOGETHER));
    !row.repository.is_empty() && key(row) == key(group) && is_near && !is_other_tag
}

/// The longest time between requests that belong together.
const TOGETHER: Duration = Duration::from_secs(60);

/// A line of the log, by the names of its fields (`docs/monitoring.md`).
pub(super) fn row(line: &[u8]) -> Option<EventRow> {
    let line: Value = serde_json::from_slice(line).ok()?;
    let text = |name: &str| line.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let why = [text("reason"), text("rule")].into_iter().filter(|text| !text.is_empty());
    let reference = match text("reference") {
        reference if reference.is_empty() => reference,
        reference if reference.contains(':') => format!("@{reference}"),
        reference => format!(":{reference}"),
    };
    let reference = match line.get("requested") {
        Some(Value::Array(scopes)) if text("event") == "token" => {
            scopes.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" ")
        }
        _ => reference,
    };
    Some(EventRow {
        time: timestamp(&text("time")),
        event: text("event"),
        page: text("page"),
        action: match (text("route").as_str(), text("method").as_str()) {
            ("page", "POST") if text("page") == "sign-out" => EventAction::SignIn,
            ("page", "POST") => posted(!text("reference").is_empty(), &text("credentials")),
            (route, method) => action(&text("event"), route, method),
        },
        account: proved_account(&line),
        address: text("address"),
        method: text("method"),
        repository: if text("event") == "token" { String::new() } else { text("repository") },
        reference,
        decision: text("decision"),
        why: why.collect::<Vec<_>>().join("; "),
        status: line.get("status").and_then(Value::as_u64).and_then(|status| u16::try_from(status).ok()),
        request_id: text("request_id"),
        count: 1,
    })
}

/// The action of a form of a page: one about a manifest deletes it or its tag, and the one with a password signs in.
fn posted(is_about_manifest: bool, credentials: &str) -> EventAction {
    match credentials {
        _ if is_about_manifest => EventAction::Delete,
        "password" => EventAction::SignIn,
        _ => EventAction::Other,
    }
}

fn action(event: &str, route: &str, method: &str) -> EventAction {
    match (event, route, method) {
        ("token", ..) => EventAction::SignIn,
        ("untag", ..) => EventAction::Delete,
        ("decision" | "transfer", "page", _) => EventAction::Page,
        ("decision" | "transfer", "catalog" | "tags" | "referrers", _) => EventAction::List,
        ("decision" | "transfer", "manifest" | "blob" | "upload", "DELETE") => EventAction::Delete,
        ("decision" | "transfer", "upload", _) => EventAction::Push,
        ("decision" | "transfer", "manifest" | "blob", "GET" | "HEAD") => EventAction::Pull,
        ("decision" | "transfer", "manifest" | "blob", _) => EventAction::Push,
        ("decision" | "transfer", "base", _) => EventAction::SignIn,
        _ => EventAction::Other,
    }
}

/// The account that a request was proved to come from; empty for the anonymous one. A name that was only claimed may be
/// a password, typed in its place. `None` for such a name, and for a line without one.
fn proved_account(line: &Value) -> Option<String> {
    let text = |name: &str| line.get(name).and_then(Value::as_str);
    let account = text("account")?;
    // A line about an account names the section that knows it, and is otherwise about a claim, whatever became of the
    // request: the client may not have waited for the check. The anonymous account is in no section.
    let is_proved = match account {
        "" => !matches!(text("decision"), None | Some("unauthenticated" | "refused")),
        _ => text("source").is_some_and(|source| !source.is_empty()),
    };
    is_proved.then(|| account.to_owned())
}

pub(super) fn timestamp(text: &str) -> Option<SystemTime> {
    let time = humantime::parse_rfc3339_weak(text).ok()?;
    // To the second: that is all that a person reads.
    let since = time.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    Some(SystemTime::UNIX_EPOCH + Duration::from_secs(since.as_secs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_by_its_fields() {
        let line = br#"{"time":"2026-01-02T03:04:05.678901Z","event":"decision","account":"bob","repository":"team/app",
            "requested":["repository:team/app:pull"],"reference":"1.0","decision":"denied","rule":"rule 2","reason":"may not","status":401}"#;
        let row = row(line).unwrap();
        assert_eq!((row.repository.as_str(), row.reference.as_str()), ("team/app", ":1.0"));
        assert_eq!((row.why.as_str(), row.status, row.address.as_str()), ("may not; rule 2", Some(401), ""));
        assert_eq!(row.time, Some(SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_323_045)));
    }

    fn pull(seconds: u64, id: &str, account: &str, reference: &str) -> EventRow {
        EventRow {
            time: Some(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)),
            action: EventAction::Pull,
            account: Some(account.to_owned()),
            repository: "team/app".to_owned(),
            reference: reference.to_owned(),
            decision: "allowed".to_owned(),
            request_id: id.to_owned(),
            count: 1,
            ..EventRow::default()
        }
    }

    #[test]
    fn the_requests_of_a_pull_are_one_row_and_others_stay_apart() {
        let rows = merged(vec![
            pull(1000, "7", "ann", "@sha256:2"),
            pull(999, "6", "bob", "@sha256:2"),
            pull(999, "5", "ann", "@sha256:1"),
            pull(999, "5", "ann", "@sha256:1"),
            pull(998, "4", "ann", ":1.0"),
            pull(997, "3", "ann", ":2.0"),
            pull(930, "2", "ann", "@sha256:2"),
            EventRow { decision: "denied".to_owned(), ..pull(929, "1", "ann", "@sha256:2") },
        ]);
        let shown: Vec<(&str, &str, usize)> = rows
            .iter()
            .map(|row| (row.account.as_deref().unwrap(), row.reference.as_str(), row.count))
            .collect();
        assert_eq!(
            shown,
            [
                ("ann", ":1.0", 3),
                ("bob", "@sha256:2", 1),
                ("ann", ":2.0", 1),
                ("ann", "@sha256:2", 1),
                ("ann", "@sha256:2", 1)
            ]
        );
    }

    #[test]
    fn a_filter_leaves_what_it_names() {
        let rows = [
            pull(1000, "1", "ann", ":1"),
            EventRow {
                decision: "denied".to_owned(),
                action: EventAction::Push,
                ..pull(2000, "2", "", ":1")
            },
        ];
        let left = |filter: EventFilter| {
            let since = since(&filter, SystemTime::UNIX_EPOCH + Duration::from_secs(2060));
            let rows = rows.iter().filter(|row| is_wanted(row, &filter, since));
            rows.map(|row| row.request_id.clone()).collect::<String>()
        };
        let any = EventFilter::default;
        assert_eq!(left(any()), "12");
        assert_eq!(left(EventFilter { account: "ann".into(), ..any() }), "1");
        assert_eq!(left(EventFilter { account: "anonymous".into(), ..any() }), "2");
        assert_eq!(left(EventFilter { account: "an".into(), ..any() }), "");
        assert_eq!(left(EventFilter { repository: "app".into(), ..any() }), "12");
        assert_eq!(left(EventFilter { repository: "web".into(), ..any() }), "");
        assert_eq!(left(EventFilter { action: Some(EventAction::Push), ..any() }), "2");
        assert_eq!(left(EventFilter { refused: true, ..any() }), "2");
        assert_eq!(left(EventFilter { minutes: Some(1), ..any() }), "2");
        let until = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(2000));
        assert_eq!(left(EventFilter { until, ..any() }), "1");
        assert_eq!(left(EventFilter { minutes: Some(u64::MAX), ..any() }), "12");
    }

    #[test]
    fn a_form_is_told_by_what_it_is_about() {
        for (fields, expected) in [
            (r#""reference":"1.0","credentials":"session""#, EventAction::Delete),
            (r#""credentials":"password""#, EventAction::SignIn),
            (r#""credentials":"session","repository":"team/app""#, EventAction::Other),
        ] {
            let line = format!(r#"{{"event":"decision","route":"page","method":"POST",{fields}}}"#);
            assert_eq!(row(line.as_bytes()).unwrap().action, expected, "{fields}");
        }
    }

    #[test]
    fn tokens_are_told_by_what_was_asked_for() {
        let row =
            row(br#"{"event":"token","requested":["repository:a:pull","registry:catalog:*"]}"#).unwrap();
        assert_eq!(
            (row.reference.as_str(), row.action),
            ("repository:a:pull registry:catalog:*", EventAction::SignIn)
        );
        assert!(super::row(b"nonsense").is_none());
    }

    #[test]
    fn a_name_that_was_only_claimed_may_be_a_password() {
        let account = |line: &[u8]| row(line).unwrap().account;
        assert_eq!(account(br#"{"account":"hunter2","decision":"unauthenticated"}"#), None);
        assert_eq!(account(br#"{"account":"hunter2","decision":"refused"}"#), None);
        let known = br#"{"account":"bob","source":"users","decision":"refused"}"#;
        assert_eq!(account(known).as_deref(), Some("bob"));
        assert_eq!(account(br#"{"account":"","decision":"allowed"}"#).as_deref(), Some(""));
        for line in [
            &br#"{"event":"decision","account":"hunter2","credentials":"password","ended":"client_gone"}"#[..],
            br#"{"event":"token","account":"hunter2","credentials":"password","ended":"client_gone"}"#,
            br#"{"event":"token","account":"hunter2","decision":"allowed","source":""}"#,
            br#"{"event":"decision","account":"hunter2","decision":"challenged"}"#,
            br#"{"event":"decision","account":"","credentials":"password","ended":"client_gone"}"#,
            br#"{"event":"decision","credentials":"none","decision":"challenged"}"#,
            br#"{"event":"freeze","reason":"frozen for 1h"}"#,
            br#"{"event":"summary","lines":12,"counts":{"undecided":12}}"#,
        ] {
            assert_eq!(account(line), None, "{}", String::from_utf8_lossy(line));
        }
        let undecided = br#"{"account":"bob","source":"users","ended":"client_gone"}"#;
        assert_eq!(account(undecided).as_deref(), Some("bob"));
        let transfer = br#"{"event":"transfer","account":"","decision":"allowed"}"#;
        assert_eq!(account(transfer).as_deref(), Some(""));
    }
}
