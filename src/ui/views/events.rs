//! The lines of the audit log, in words.

use maud::{Markup, html};

use crate::ui::{
    age::{Age, Moment},
    copyable::digest,
    layout::Document,
    link,
    model::{EventAction, EventFilter, EventRow, Events, Frame, LogPart},
    name::{Name, short},
    path::PagePath,
    table::{Column, cell, head_cell, table},
    texts::{LabelOf, Texts},
    untrusted::{Untrusted, of_the_log},
};

const TIME: Column = Column { label: |t| t.when, class: "" };
const WHO: Column = Column { label: |t| t.who, class: "" };
const WHAT: Column = Column { label: |t| t.what_was_done, class: "main" };
const DECISION: Column = Column { label: |t| t.decision, class: "" };
const STATUS: Column = Column { label: |t| t.status, class: "number" };
const REQUEST: Column = Column { label: |t| t.request, class: "" };

/// Times to choose from, in minutes.
const TIMES: [(&str, LabelOf); 4] =
    [("15", |t| t.fifteen_minutes), ("60", |t| t.an_hour), ("1440", |t| t.a_day), ("10080", |t| t.a_week)];

/// Renders the latest events: the account, the request, and the decision on it.
pub fn events(frame: &Frame<'_>, page: &Events) -> String {
    let t = frame.texts();
    let content = html! {
        div.heading { h1 { (t.events) } }
        p { a href=(link::to(frame, &PagePath::Shadow)) { (t.by_the_next_rules) } }
        @match page.rows.as_deref() {
            None => {
                div.empty {
                    h2 { (t.no_audit_log) }
                    p { (t.no_audit_log_explained) }
                }
            }
            Some([]) if page.filter.is_empty() && page.part == LogPart { is_in_memory: page.part.is_in_memory, ..LogPart::default() } => {
                div.empty { h2 { (t.nothing_happened) } p { (t.audit_log_is_empty) } }
            }
            Some(rows) => { (form(frame, &page.filter)) (list(frame, page, rows)) }
        }
    };
    Document { title: t.events, path: Some(&PagePath::Events), class: "wide" }.render(frame, &content)
}

fn form(frame: &Frame<'_>, filter: &EventFilter) -> Markup {
    let t = frame.texts();
    let [.., (_, until), (_, minutes), _, _] = filter.pairs();
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
            (text("account", t.account, &filter.account))
            (text("repository", t.repository, &filter.repository))
            div.field {
                label for="action" { (t.action) }
                select #action name="action" {
                    option value="" { (t.any) }
                    @for action in EventAction::ALL { option value=(action.name()) selected[filter.action == Some(action)] { (chosen(t, action)) } }
                }
            }
            div.field {
                label for="minutes" { (t.within) }
                select #minutes name="minutes" {
                    option value="" { (t.all_that_is_kept) }
                    @for (value, label) in TIMES { option value=(value) selected[minutes == value] { (label(t)) } }
                }
            }
            div.field {
                label for="until" { (t.before_utc) }
                input #until type="datetime-local" name="until" value=(until);
            }
            div.field.check {
                input #refused type="checkbox" name="refused" value="1" checked[filter.refused];
                label for="refused" { (t.refusals_only) }
            }
            div.field.check {
                input #pages type="checkbox" name="pages" value="1" checked[filter.pages];
                label for="pages" { (t.pages_too) }
            }
            button type="submit" { (t.filter) }
        }
    }
}

fn chosen(t: &Texts, action: EventAction) -> &'static str {
    match action {
        EventAction::Pull => t.pulls,
        EventAction::Push => t.pushes,
        EventAction::Delete => t.deletions,
        EventAction::List => t.lists,
        EventAction::SignIn => t.sign_ins,
        EventAction::Page => t.pages_seen,
        EventAction::Other => t.others,
    }
}

fn list(frame: &Frame<'_>, page: &Events, rows: &[EventRow]) -> Markup {
    let t = frame.texts();
    let body = html! { @for row in rows { tr role="row" { (event(frame, row)) } } };
    html! {
        div.above {
            p.extent { (extent(t, page)) }
            @if !page.part.is_gone { p { (downloads(frame, page)) } }
        }
        @if page.part.is_gone {
            div.empty {
                h2 { (t.lines_gone) }
                p { (t.lines_gone_explained) }
            }
        } @else if rows.is_empty() {
            div.empty {
                h2 { (t.no_event_matches) }
                @if page.part.older.is_some() { p { (t.search_stopped) } }
                p { a.button href=(link::to(frame, &PagePath::Events)) { (t.show_all) } }
            }
        } @else { (table(t, t.events, &[TIME, WHO, WHAT, DECISION, STATUS, REQUEST], body)) }
        @if page.part.has_unread { p.note { (t.older_files_unread) } }
        (ways(frame, page))
    }
}

/// `Newest first, back to 2026-01-02 03:04:05 UTC`.
fn extent(t: &Texts, page: &Events) -> Markup {
    let from = if page.part.is_in_memory { t.from_the_last_lines } else { t.from_the_log };
    match page.part.reaches {
        Some(reaches) => t.back_to.with([&from, &Moment::new(t, reaches)]),
        None => html! { (from) },
    }
}

fn downloads(frame: &Frame<'_>, page: &Events) -> Markup {
    let file =
        |format: &str, name: &str| html! { a href=(address(page, frame, "format", format)) { (name) } };
    frame.texts().download.with([&file("jsonl", "JSON Lines"), &file("csv", "CSV")])
}

/// The ways to other parts of the log.
fn ways(frame: &Frame<'_>, page: &Events) -> Markup {
    let t = frame.texts();
    let newest = Events { filter: EventFilter { until: None, ..page.filter.clone() }, ..page.clone() };
    html! {
        @if page.part.is_older || page.part.older.is_some() {
            nav.pagination aria-label=(t.parts_of_the_log) {
                @if page.part.is_older { a.previous rel="first" href=(address(&newest, frame, "", "")) { (t.newest_lines) } }
                @if let Some(older) = &page.part.older { a.next rel="next" href=(address(page, frame, "from", older)) { (t.older_lines) } }
            }
        }
        @if page.part.is_in_memory { p.note { (t.older_elsewhere) } }
    }
}

/// The address of the page with the same filter, and with one more pair.
fn address(page: &Events, frame: &Frame<'_>, name: &str, value: &str) -> String {
    let pairs = page.filter.pairs();
    let mut pairs: Vec<(&str, &str)> = pairs.iter().map(|(key, value)| (*key, value.as_str())).collect();
    pairs.push((name, value));
    link::with(frame, &PagePath::Events, &pairs)
}

fn event(frame: &Frame<'_>, row: &EventRow) -> Markup {
    let t = frame.texts();
    let account = match row.account.as_deref() {
        // Of the server, or of many requests.
        None if row.method.is_empty() => html! { "–" },
        None => html! { (t.not_signed_in_event) },
        Some("") => html! { (t.anonymous) },
        Some(account) => {
            let path = link::with(frame, &PagePath::Events, &[("account", account)]);
            html! { a href=(path) { (Untrusted(account)) } }
        }
    };
    html! {
        (head_cell(TIME, when(frame, row)))
        (cell(t, WHO, two(&account, &html! { (Untrusted(&row.address)) }, &row.address)))
        (cell(t, WHAT, html! { span { (action(frame, row)) } }))
        (cell(t, DECISION, html! {
            (two(&decision(t, &row.decision), &of_the_log(&row.why), &row.why))
            (who_may(frame, row))
        }))
        (cell(t, STATUS, html! { @if let Some(status) = row.status { (status) } @else { "–" } }))
        (cell(t, REQUEST, html! {
            @if row.request_id.is_empty() { "–" } @else {
                span.two {
                    (digest(&row.request_id))
                    @if row.count > 1 { span.quiet { (t.requests_counted.of(row.count)) } }
                }
            }
        }))
    }
}

fn when(frame: &Frame<'_>, row: &EventRow) -> Markup {
    let t = frame.texts();
    html! {
        @match row.time {
            Some(timestamp) => {
                span.two {
                    span { (Age::new(frame, timestamp)) }
                    span.quiet.small { (Moment::new(t, timestamp)) }
                }
            }
            None => { span.quiet { (t.unknown) } }
        }
    }
}

/// Renders the action, done or wanted, and its subject; of an event that is no request, its kind.
fn action(frame: &Frame<'_>, row: &EventRow) -> Markup {
    let t = frame.texts();
    let subject = subject(frame, row);
    match (row.action, row.page.as_str()) {
        (_, "sign-out") => return html! { (t.did_sign_out) },
        (EventAction::Other, "tokens") => return html! { (t.did_change_tokens) },
        (EventAction::Other, "device") => return html! { (t.did_answer_program) },
        _ => {}
    }
    let (done, wanted) = match row.action {
        EventAction::Pull => (t.did_pull, t.wanted_pull),
        EventAction::Push => (t.did_push, t.wanted_push),
        EventAction::Delete => (t.did_delete, t.wanted_delete),
        EventAction::List => (t.did_list, t.wanted_list),
        EventAction::SignIn => (t.did_sign_in, t.wanted_sign_in),
        EventAction::Page => (t.did_see, t.wanted_see),
        EventAction::Other if row.method.is_empty() => {
            return html! { (of_the_log(&row.event)) " " (subject) };
        }
        EventAction::Other => return t.did_send.with([&Untrusted(&row.method), &subject]),
    };
    let text = if row.is_refused() { wanted } else { done };
    text.with([&subject])
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
        @if name.is_empty() {
            @match page(frame.texts(), row) {
                Some(label) => { (label) }
                None if reference.is_empty() => {}
                None => { code { (Untrusted(reference)) } }
            }
        } @else {
            code title=(whole) { (link::link(frame, PagePath::repository(name).as_ref(), Name(name))) (shown) }
        }
    }
}

/// The title of a page about no repository that was looked at.
fn page(t: &Texts, row: &EventRow) -> Option<&'static str> {
    if row.action != EventAction::Page {
        return None;
    }
    Some(match row.page.as_str() {
        "repositories" => t.repositories,
        "access" => t.my_access,
        "tokens" => t.my_tokens,
        "device" => t.sign_in_program,
        "events" => t.events,
        "shadow" => t.what_would_change,
        "sign-in" | "provider" => t.sign_in,
        _ => return None,
    })
}

/// Two lines, or one where there is nothing to say in the second.
fn two(first: &Markup, second: &Markup, said: &str) -> Markup {
    html! { span.two { span { (first) } @if !said.is_empty() { span.quiet { (second) } } } }
}

/// Of what an account was denied, the way to ask the rules about it.
fn who_may(frame: &Frame<'_>, row: &EventRow) -> Markup {
    let account = row.account.as_deref().filter(|account| row.decision == "denied" && !account.is_empty());
    let tag = if row.reference.starts_with(':') { row.reference.as_str() } else { "" };
    let name = format!("{}{tag}", row.repository);
    html! {
        @if let Some(account) = account && !row.repository.is_empty() {
            div.below.small {
                a href=(link::with(frame, &PagePath::Access, &[("name", &name), ("account", account)])) { (frame.texts().who_may) }
            }
        }
    }
}

fn decision(t: &Texts, decision: &str) -> Markup {
    html! {
        @match decision {
            "" => { "–" }
            "allowed" => { span.yes { (t.allowed) } }
            "denied" => { span.no { (t.denied) } }
            other => { span.other { (of_the_log(other)) } }
        }
    }
}
