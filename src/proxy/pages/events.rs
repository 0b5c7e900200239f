//! The end of the audit log, for visitors that may see the whole registry.

use std::time::{Duration, SystemTime};

use serde_json::Value;

use super::{
    answer::Answer,
    page_error::PageError,
    visit::{Request, Visit},
};
use crate::ui::{EventRow, Events, views};

/// The page.
pub(super) async fn show(request: &Request<'_>, visit: &Visit) -> Result<Answer, PageError> {
    if !request.catalog_view(visit).await?.is_whole() {
        let why = "recent events are for those who may see the whole catalogue (registry:catalog:*)";
        return Err(PageError::Denied(why.to_owned()));
    }
    let lines = request.log.recent();
    let rows = lines.map(|lines| lines.iter().rev().filter_map(|line| row(line)).collect());
    Ok(Answer::page(views::events(&request.frame(), &Events { rows })))
}

/// A line of the log, by the names of its fields (`docs/monitoring.md`).
fn row(line: &[u8]) -> Option<EventRow> {
    let line: Value = serde_json::from_slice(line).ok()?;
    let text = |name: &str| line.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let first_of =
        |names: [&str; 2]| names.map(text).into_iter().find(|text| !text.is_empty()).unwrap_or_default();
    let reference = match text("reference") {
        reference if reference.is_empty() => reference,
        reference if reference.contains(':') => format!("@{reference}"),
        reference => format!(":{reference}"),
    };
    let what = match line.get("requested") {
        Some(Value::Array(scopes)) if text("event") == "token" => {
            scopes.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" ")
        }
        _ => text("repository") + &reference,
    };
    let decision = text("decision");
    Some(EventRow {
        time: timestamp(&text("time")),
        event: text("event"),
        account: proved_account(&line),
        address: text("address"),
        method: text("method"),
        what,
        decision,
        why: first_of(["reason", "rule"]),
        status: line.get("status").and_then(Value::as_u64).and_then(|status| u16::try_from(status).ok()),
        request_id: text("request_id"),
    })
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

fn timestamp(text: &str) -> Option<SystemTime> {
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
        assert_eq!(row.what, "team/app:1.0");
        assert_eq!((row.why.as_str(), row.status, row.address.as_str()), ("may not", Some(401), ""));
        assert_eq!(row.time, Some(SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_323_045)));
    }

    #[test]
    fn tokens_are_told_by_what_was_asked_for() {
        let row =
            row(br#"{"event":"token","requested":["repository:a:pull","registry:catalog:*"]}"#).unwrap();
        assert_eq!(row.what, "repository:a:pull registry:catalog:*");
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
