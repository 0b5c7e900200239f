//! The page about the next rules: the differences that live requests have shown.

use maud::{Markup, html};

use crate::ui::{
    age::{Age, Moment},
    layout::Document,
    model::Frame,
    next_rules::{Change, NextRules, ShadowRow},
    path::PagePath,
    table::{Column, cell, head_cell, table},
    texts::Texts,
    untrusted::{Untrusted, of_the_log},
};

const WHO: Column = Column { label: |t| t.who, class: "" };
const CHANGE: Column = Column { label: |t| t.change, class: "" };
const WHAT: Column = Column { label: |t| t.what_was_done, class: "main" };
const COUNT: Column = Column { label: |t| t.requests, class: "number" };
const FIRST: Column = Column { label: |t| t.first, class: "" };
const LAST: Column = Column { label: |t| t.last, class: "" };

/// Renders the differences that the next rules would make; `None` where no next rules are compared.
pub fn shadow(frame: &Frame<'_>, next: Option<&NextRules>) -> String {
    let t = frame.texts();
    let content = html! {
        div.heading { h1 { (t.what_would_change) } }
        @match next {
            None => {
                div.empty {
                    h2 { (t.no_next_rules) }
                    p { (t.no_next_rules_explained) }
                }
            }
            Some(next) => { (extent(t, next)) (differences(frame, next)) }
        }
    };
    let page = PagePath::Shadow;
    Document { title: t.what_would_change, path: Some(&page), class: "wide" }.render(frame, &content)
}

fn extent(t: &Texts, next: &NextRules) -> Markup {
    let text = if next.has_ended { &t.compared_until_it_ended } else { &t.compared_until };
    html! { p.extent { (text.with([&Untrusted(&next.file), &Moment::new(t, next.until)])) } }
}

fn differences(frame: &Frame<'_>, next: &NextRules) -> Markup {
    let t = frame.texts();
    let body = html! { @for row in &next.rows { tr role="row" { (difference(frame, row)) } } };
    html! {
        @if next.rows.is_empty() {
            div.empty {
                h2 { (t.no_difference_yet) }
                p { (t.no_difference_yet_explained) }
            }
        } @else {
            (table(t, t.what_would_change, &[WHO, CHANGE, WHAT, COUNT, FIRST, LAST], body))
        }
        @if next.more > 0 {
            p.quiet { (t.further_differences.with([&next.more])) }
        }
    }
}

fn difference(frame: &Frame<'_>, row: &ShadowRow) -> Markup {
    let t = frame.texts();
    let account = if row.account.is_empty() { t.anonymous } else { &row.account };
    let (class, change) = match row.change {
        Change::Loss => ("no", t.loses),
        Change::Gain => ("yes", t.gains),
        Change::Undecided => ("other", t.undecided),
    };
    let age = |timestamp| Age::new(frame, timestamp);
    html! {
        (head_cell(WHO, html! { (Untrusted(account)) }))
        (cell(t, CHANGE, html! {
            span.two {
                span { span class=(class) { (change) } }
                @if !row.rule.is_empty() { span.quiet { (of_the_log(&row.rule)) } }
            }
        }))
        (cell(t, WHAT, html! { span { code.quiet { (Untrusted(&row.action)) } " " code { (Untrusted(&row.name)) } } }))
        (cell(t, COUNT, html! { (row.count) }))
        (cell(t, FIRST, html! { (age(row.first)) }))
        (cell(t, LAST, html! { (age(row.last)) }))
    }
}
