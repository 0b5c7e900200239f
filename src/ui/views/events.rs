//! The last lines of the audit log.

use maud::{Markup, html};

use crate::ui::{
    age::Age,
    copyable::digest,
    layout::Document,
    link,
    model::{EventRow, Events, Frame},
    name::short,
    path::PagePath,
    table::{Column, cell, head_cell, table},
    untrusted::Untrusted,
};

const TIME: Column = Column { label: "When", class: "" };
const WHO: Column = Column { label: "Who", class: "" };
const WHAT: Column = Column { label: "What", class: "main" };
const DECISION: Column = Column { label: "Decision", class: "" };
const STATUS: Column = Column { label: "Status", class: "number" };
const REQUEST: Column = Column { label: "Request", class: "" };

/// Renders the latest events: the account, the request, and the decision on it.
pub fn events(frame: &Frame<'_>, page: &Events) -> String {
    let content = html! {
        div.heading { h1 { "Recent events" } }
        p { a href=(link::to(frame, &PagePath::Shadow)) { "What would change by the next rules" } }
        @match page.rows.as_deref() {
            None => {
                div.empty {
                    h2 { "No audit log is written" }
                    p { "Set " code { "audit.to" } " in the configuration of Portwarden to the path of a file. From then on, each request and its answer appear here." }
                }
            }
            Some([]) => {
                div.empty { h2 { "Nothing has happened yet" } p { "The audit log is empty. The next request appears here." } }
            }
            Some(rows) => { (list(frame, rows)) }
        }
    };
    Document { title: "Recent events", path: Some(&PagePath::Events), class: "wide" }.render(frame, &content)
}

fn list(frame: &Frame<'_>, rows: &[EventRow]) -> Markup {
    let body = html! { @for row in rows { tr role="row" { (event(frame, row)) } } };
    html! {
        p.extent { "The last lines of the audit log, newest first" }
        (table("Recent events", &[TIME, WHO, WHAT, DECISION, STATUS, REQUEST], body))
    }
}

fn event(frame: &Frame<'_>, row: &EventRow) -> Markup {
    let age = row.time.map(|timestamp| Age { timestamp, now: frame.now });
    let account = match row.account.as_deref() {
        // Of the server, or of many requests.
        None if row.method.is_empty() => "–",
        None => "not signed in",
        Some("") => "anonymous",
        Some(account) => account,
    };
    html! {
        (head_cell(TIME, html! { @if let Some(age) = age { (age) } @else { span.quiet { "unknown" } } }))
        (cell(WHO, two(&html! { (Untrusted(account)) }, &row.address)))
        (cell(WHAT, html! { span { code.quiet { (Untrusted(verb(row))) } " " (subject(&row.what)) } }))
        (cell(DECISION, two(&decision(&row.decision), &row.why)))
        (cell(STATUS, html! { @if let Some(status) = row.status { (status) } @else { "–" } }))
        (cell(REQUEST, html! { @if row.request_id.is_empty() { "–" } @else { (digest(&row.request_id)) } }))
    }
}

/// The method; of an event that is no request, its kind.
fn verb(row: &EventRow) -> &str {
    if row.method.is_empty() { &row.event } else { &row.method }
}

/// A repository and its tag; a digest in short, and whole in a tooltip.
fn subject(what: &str) -> Markup {
    html! {
        @match what.split_once('@') {
            Some((name, digest)) => {
                code title=(Untrusted(what).to_string()) { (Untrusted(name)) "@" span.line { (short(digest)) } }
            }
            None => { code { (Untrusted(what)) } }
        }
    }
}

fn two(first: &Markup, second: &str) -> Markup {
    html! { span.two { span { (first) } @if !second.is_empty() { span.quiet { (Untrusted(second)) } } } }
}

fn decision(decision: &str) -> Markup {
    let class = match decision {
        "allowed" => "yes",
        "denied" => "no",
        _ => "other",
    };
    html! { @if decision.is_empty() { "–" } @else { span class=(class) { (Untrusted(decision)) } } }
}
