//! The page about the next rules: the differences that live requests have shown.

use maud::{Markup, html};

use crate::ui::{
    age::Age,
    layout::Document,
    model::Frame,
    next_rules::{Change, NextRules, ShadowRow},
    path::PagePath,
    table::{Column, cell, head_cell, table},
    untrusted::Untrusted,
};

const WHO: Column = Column { label: "Who", class: "" };
const CHANGE: Column = Column { label: "Change", class: "" };
const WHAT: Column = Column { label: "What", class: "main" };
const COUNT: Column = Column { label: "Requests", class: "number" };
const FIRST: Column = Column { label: "First", class: "" };
const LAST: Column = Column { label: "Last", class: "" };

/// Renders the differences that the next rules would make; `None` where no next rules are compared.
pub fn shadow(frame: &Frame<'_>, next: Option<&NextRules>) -> String {
    let content = html! {
        div.heading { h1 { "What would change" } }
        @match next {
            None => {
                div.empty {
                    h2 { "No next rules are compared" }
                    p { "Name a file of new rules in " code { "shadow" } " in the configuration of Portwarden. Each request is then put to them, too, and the differences appear here. No answer changes." }
                }
            }
            Some(next) => { (extent(next)) (differences(frame, next)) }
        }
    };
    let page = PagePath::Shadow;
    Document { title: "What would change", path: Some(&page), class: "wide" }.render(frame, &content)
}

fn extent(next: &NextRules) -> Markup {
    let until = humantime::format_rfc3339_seconds(next.until);
    html! {
        p.extent {
            "Requests by the rules of " code { (Untrusted(&next.file)) } ", compared "
            @if next.has_ended { "until it ended at " } @else { "until " }
            (until)
        }
    }
}

fn differences(frame: &Frame<'_>, next: &NextRules) -> Markup {
    let body = html! { @for row in &next.rows { tr role="row" { (difference(frame, row)) } } };
    html! {
        @if next.rows.is_empty() {
            div.empty {
                h2 { "No difference yet" }
                p { "Since the file was read, the next rules would have decided each request as those in force." }
            }
        } @else {
            (table("What would change", &[WHO, CHANGE, WHAT, COUNT, FIRST, LAST], body))
        }
        @if next.more > 0 {
            p.quiet { "Requests with further differences, which are not listed: " (next.more) }
        }
    }
}

fn difference(frame: &Frame<'_>, row: &ShadowRow) -> Markup {
    let account = if row.account.is_empty() { "anonymous" } else { &row.account };
    let (class, change) = match row.change {
        Change::Loss => ("no", "loses"),
        Change::Gain => ("yes", "gains"),
        Change::Undecided => ("other", "undecided"),
    };
    let age = |timestamp| Age { timestamp, now: frame.now };
    html! {
        (head_cell(WHO, html! { (Untrusted(account)) }))
        (cell(CHANGE, html! {
            span.two {
                span { span class=(class) { (change) } }
                @if !row.rule.is_empty() { span.quiet { (Untrusted(&row.rule)) } }
            }
        }))
        (cell(WHAT, html! { span { code.quiet { (Untrusted(&row.action)) } " " code { (Untrusted(&row.name)) } } }))
        (cell(COUNT, html! { (row.count) }))
        (cell(FIRST, html! { (age(row.first)) }))
        (cell(LAST, html! { (age(row.last)) }))
    }
}
