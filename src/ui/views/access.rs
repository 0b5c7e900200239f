//! The page with the visitor's rights here, and the rules behind them.

use std::time::SystemTime;

use maud::{Markup, html};

use crate::ui::{
    age::written,
    amount::{Count, counted},
    layout::Document,
    link,
    model::{Access, Frame, Right, RightOn, RightsOn, Visitor},
    name::Name,
    pagination::{extent, pagination},
    path::PagePath,
    table::{Column, cell, head_cell, table},
    untrusted::Untrusted,
};

const REPOSITORY: Column = Column { label: "Repository", class: "main" };
const PULL: Column = Column { label: "Pull", class: "" };
const PUSH: Column = Column { label: "Push", class: "" };
const DELETE: Column = Column { label: "Delete", class: "" };

/// Renders the visitor's account and rights, as the rules see them.
pub fn access(frame: &Frame<'_>, page: &Access<'_>) -> String {
    let content = html! {
        div.heading { h1 { "My access" } }
        (who(frame, page))
        (question(frame, page))
        (by_rule(page))
        (rights(frame, page))
    };
    Document { title: "My access", path: Some(&PagePath::Access), class: "wide" }.render(frame, &content)
}

fn who(frame: &Frame<'_>, page: &Access<'_>) -> Markup {
    html! {
        dl.facts {
            @match frame.visitor {
                Visitor::Account { name, .. } => {
                    div { dt { "Account" } dd { strong { (Untrusted(name)) } } }
                    @if !page.source.is_empty() { div { dt { "Known from" } dd { code { (Untrusted(page.source)) } } } }
                }
                Visitor::Anonymous | Visitor::Nobody => {
                    div { dt { "Account" } dd { "None: you have not signed in" } }
                }
            }
            @if let Some(address) = page.address { div { dt { "Address" } dd { code { (address) } } } }
            @for (key, values) in page.labels {
                div { dt { "Label: " (Untrusted(key)) } dd { (Untrusted(&values.join(", "))) } }
            }
            div { dt { "List all repositories" } dd { (right(&page.catalog)) } }
        }
    }
}

fn question(frame: &Frame<'_>, page: &Access<'_>) -> Markup {
    html! {
        section.card {
            h2 { "Ask about a repository" }
            form.search method="get" action=(link::to(frame, &PagePath::Access)) {
                label.unseen for="name" { "Name of a repository, whether it exists or not, with or without a tag" }
                input #name type="text" name="name" value=(Untrusted(page.asked).to_string()) placeholder="team/app" maxlength="255"
                    autocomplete="off" autocapitalize="none" spellcheck="false";
                button type="submit" { "Ask" }
            }
            @match &page.answer {
                Some(rights) => { (answer(page.asked, rights)) }
                None if page.asked.is_empty() => { p.note { "It need not exist yet, so you can see whether you may push to it. Your rights on one tag: " code { "team/app:1.0" } "." } }
                None => {
                    p.note role="status" {
                        strong { (Untrusted(page.asked)) } " is not the name of a repository. Names have lower-case letters and digits, with "
                        code { ". _ - /" } " only between them."
                    }
                }
            }
        }
    }
}

fn answer(name: &str, rights: &RightsOn) -> Markup {
    let row = html! { tr role="row" { (head_cell(REPOSITORY, Name(name))) (cells(rights)) } };
    html! { div role="status" { (table("Rights on the repository asked about", &[REPOSITORY, PULL, PUSH, DELETE], row)) } }
}

const RULE: Column = Column { label: "Rule", class: "main" };
const MAY_PULL: Column = Column { label: "Pull", class: "number" };
const MAY_PUSH: Column = Column { label: "Push", class: "number" };
const MAY_DELETE: Column = Column { label: "Delete", class: "number" };

/// The number of repositories by rule.
fn by_rule(page: &Access<'_>) -> Markup {
    let columns = [MAY_PULL, MAY_PUSH, MAY_DELETE];
    let rows = html! {
        @for rule in &page.by_rule {
            tr role="row" {
                (head_cell(RULE, Untrusted(&rule.by)))
                @for (column, count) in columns.into_iter().zip(rule.counts) { (cell(column, Count(count as u64))) }
            }
        }
    };
    html! {
        @if !page.by_rule.is_empty() {
            section {
                h2 { "By rule" }
                p.note {
                    "Repositories that each rule lets you pull, push to and delete from, of the "
                    @if page.surveyed < page.page.total && page.only.is_none() { "first " }
                    (counted(page.surveyed, "repository", "repositories")) " that you may see."
                }
                (table("Repositories by rule", &[RULE, MAY_PULL, MAY_PUSH, MAY_DELETE], rows))
            }
        }
    }
}

/// The rights to choose from.
fn choice(frame: &Frame<'_>, page: &Access<'_>) -> Markup {
    let all =
        [(None, "All"), (Some(RightOn::Push), "You could push"), (Some(RightOn::Delete), "You could delete")];
    html! {
        @if page.surveyed > 0 {
            nav.orders aria-label="Repositories" {
                ul {
                    @for (right, label) in all {
                        @let current = (right == page.only).then_some("true");
                        @let right = right.map(RightOn::name).unwrap_or_default();
                        li { a href=(link::with(frame, &PagePath::Access, &[("right", right)])) aria-current=[current] { (label) } }
                    }
                }
            }
        }
    }
}

fn rights(frame: &Frame<'_>, page: &Access<'_>) -> Markup {
    let rows = html! {
        @for (name, rights) in &page.repositories {
            tr role="row" {
                (head_cell(REPOSITORY, link::link(frame, PagePath::repository(name).as_ref(), Name(name))))
                (cells(rights))
            }
        }
    };
    html! {
        section {
            h2 { "Repositories" }
            (choice(frame, page))
            @if page.repositories.is_empty() {
                p.note { "There is none that you may " (page.only.map_or("see", RightOn::name)) "." }
            } @else {
                p.extent { (extent(page.page, page.repositories.len(), "repositories")) }
                (table("Rights on repositories", &[REPOSITORY, PULL, PUSH, DELETE], rows))
                (pagination(frame, &PagePath::Access, page.page, &[("name", page.asked), ("right", page.only.map(RightOn::name).unwrap_or_default())]))
            }
        }
    }
}

fn cells(rights: &RightsOn) -> Markup {
    html! { (cell(PULL, right(&rights.pull))) (cell(PUSH, right(&rights.push))) (cell(DELETE, right(&rights.delete))) }
}

fn moment(moment: SystemTime) -> Markup {
    let (machine, people) = written(moment);
    html! { time datetime=(machine) { (people) } }
}

fn right(right: &Right) -> Markup {
    html! {
        span.right {
            @if right.for_some_tags { span.yes { "Some tags" } }
            @else if right.allowed { span.yes { "Yes" } }
            @else { span.no { "No" } }
            " " span.by { (Untrusted(&right.by)) @if let Some(end) = right.until { ", until " (moment(end)) } }
        }
    }
}
