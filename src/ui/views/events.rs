//! The last lines of the audit log, in words.

use maud::{Markup, html};

use crate::ui::{
    age::{Age, written},
    amount::counted,
    copyable::digest,
    layout::Document,
    link,
    model::{EventAction, EventFilter, EventRow, Events, Frame},
    name::{Name, short},
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

/// Times to choose from, in minutes.
const TIMES: [(&str, &str); 4] =
    [("15", "15 minutes"), ("60", "an hour"), ("1440", "a day"), ("10080", "a week")];

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
            Some([]) if page.filter.is_empty() => {
                div.empty { h2 { "Nothing has happened yet" } p { "The audit log is empty. The next request appears here." } }
            }
            Some(rows) => { (form(frame, &page.filter)) (list(frame, page, rows)) }
        }
    };
    Document { title: "Recent events", path: Some(&PagePath::Events), class: "wide" }.render(frame, &content)
}

fn form(frame: &Frame<'_>, filter: &EventFilter) -> Markup {
    let [.., (_, minutes), _] = filter.pairs();
    let text = |id: &str, label: &str, value: &str| {
        html! {
            div.field {
                label for=(id) { (label) }
                input id=(id) type="text" name=(id) value=(Untrusted(value).to_string()) maxlength="255" autocomplete="off"
                    autocapitalize="none" spellcheck="false";
            }
        }
    };
    html! {
        form.pair.filter method="get" action=(link::to(frame, &PagePath::Events)) {
            (text("account", "Account", &filter.account))
            (text("repository", "Repository", &filter.repository))
            div.field {
                label for="action" { "Action" }
                select #action name="action" {
                    option value="" { "Any" }
                    @for action in EventAction::ALL { option value=(action.name()) selected[filter.action == Some(action)] { (chosen(action)) } }
                }
            }
            div.field {
                label for="minutes" { "Within" }
                select #minutes name="minutes" {
                    option value="" { "All that is kept" }
                    @for (value, label) in TIMES { option value=(value) selected[minutes == value] { (label) } }
                }
            }
            div.field.check {
                input #refused type="checkbox" name="refused" value="1" checked[filter.refused];
                label for="refused" { "Refusals only" }
            }
            button type="submit" { "Filter" }
        }
    }
}

fn chosen(action: EventAction) -> &'static str {
    match action {
        EventAction::Pull => "Pulls",
        EventAction::Push => "Pushes",
        EventAction::Delete => "Deletions",
        EventAction::List => "Lists",
        EventAction::SignIn => "Sign-ins and tokens",
        EventAction::Page => "Pages",
        EventAction::Other => "Others",
    }
}

fn list(frame: &Frame<'_>, page: &Events, rows: &[EventRow]) -> Markup {
    let body = html! { @for row in rows { tr role="row" { (event(frame, row)) } } };
    let pairs = page.filter.pairs();
    let mut pairs: Vec<(&str, &str)> = pairs.iter().map(|(key, value)| (*key, value.as_str())).collect();
    pairs.push(("format", "json"));
    html! {
        div.above {
            p.extent { "From the last lines of the audit log, newest first" }
            p { a href=(link::with(frame, &PagePath::Events, &pairs)) { "Download as JSON" } }
        }
        @if rows.is_empty() {
            div.empty {
                h2 { "No event matches" }
                p { a.button href=(link::to(frame, &PagePath::Events)) { "Show all" } }
            }
        } @else { (table("Recent events", &[TIME, WHO, WHAT, DECISION, STATUS, REQUEST], body)) }
    }
}

fn event(frame: &Frame<'_>, row: &EventRow) -> Markup {
    let account = match row.account.as_deref() {
        // Of the server, or of many requests.
        None if row.method.is_empty() => html! { "–" },
        None => html! { "not signed in" },
        Some("") => html! { "anonymous" },
        Some(account) => {
            let path = link::with(frame, &PagePath::Events, &[("account", account)]);
            html! { a href=(path) { (Untrusted(account)) } }
        }
    };
    html! {
        (head_cell(TIME, when(frame, row)))
        (cell(WHO, two(&account, &row.address)))
        (cell(WHAT, html! { span { (verb(row)) " " (subject(frame, row)) } }))
        (cell(DECISION, two(&decision(&row.decision), &row.why)))
        (cell(STATUS, html! { @if let Some(status) = row.status { (status) } @else { "–" } }))
        (cell(REQUEST, html! {
            @if row.request_id.is_empty() { "–" } @else {
                span.two {
                    (digest(&row.request_id))
                    @if row.count > 1 { span.quiet { (counted(row.count, "request", "requests")) } }
                }
            }
        }))
    }
}

fn when(frame: &Frame<'_>, row: &EventRow) -> Markup {
    html! {
        @match row.time {
            Some(timestamp) => {
                span.two {
                    span { (Age { timestamp, now: frame.now }) }
                    span.quiet.small { (written(timestamp).1) }
                }
            }
            None => { span.quiet { "unknown" } }
        }
    }
}

/// Renders the action, done or wanted; of an event that is no request, its kind.
fn verb(row: &EventRow) -> Markup {
    let (done, asked) = match row.action {
        EventAction::Pull => ("pulled", "pull"),
        EventAction::Push => ("pushed", "push"),
        EventAction::Delete => ("deleted", "delete"),
        EventAction::List => ("listed", "list"),
        EventAction::SignIn => ("signed in", "sign in"),
        EventAction::Page => ("looked at", "look at"),
        EventAction::Other if row.method.is_empty() => return html! { (Untrusted(&row.event)) },
        EventAction::Other => return html! { "sent " code { (Untrusted(&row.method)) } },
    };
    html! { @if row.is_refused() { "wanted to " (asked) } @else { (done) } }
}

/// A repository and its tag; a digest in short, and whole in a tooltip.
fn subject(frame: &Frame<'_>, row: &EventRow) -> Markup {
    let (name, reference) = (row.repository.as_str(), row.reference.as_str());
    let whole = Untrusted(&format!("{name}{reference}")).to_string();
    let shown = match reference.strip_prefix('@') {
        Some(digest) => html! { "@" span.line { (short(digest)) } },
        None => html! { (Untrusted(reference)) },
    };
    html! {
        @if name.is_empty() { code { (Untrusted(reference)) } } @else {
            code title=(whole) { (link::link(frame, PagePath::repository(name).as_ref(), Name(name))) (shown) }
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
