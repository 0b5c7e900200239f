//! The repositories that the visitor may pull.

use maud::{Markup, html};

use super::{activity, guide::push_commands};
use crate::ui::{
    amount::{Count, counted},
    layout::Document,
    link,
    model::{Frame, Repositories, RepositoryRow, Visitor},
    name::{Called, Name},
    pagination::{extent, pagination},
    path::PagePath,
    search::Search,
    table::{Column, cell, head_cell, table},
    untrusted::Untrusted,
};

/// The repositories, or what to do where there are none.
pub fn repositories(frame: &Frame<'_>, page: &Repositories<'_>) -> String {
    let content = html! {
        div.heading { h1 { "Repositories" } }
        @if page.all == 0 { (nothing(frame)) } @else { (list(frame, page)) }
    };
    Document { title: "Repositories", path: Some(&PagePath::Repositories), class: "wide" }
        .render(frame, &content)
}

fn list(frame: &Frame<'_>, page: &Repositories<'_>) -> Markup {
    let path = PagePath::Repositories;
    html! {
        (Search { page: &path, query: page.query, label: "Search repositories, tags, digests" }.form(frame))
        @if !page.tagged.is_empty() { (tagged(frame, page)) }
        @else if page.rows.is_empty() { (no_match(frame, page)) } @else {
            p.extent { (found(page)) }
            (rows(frame, page))
            (pagination(frame, &path, page.page, &[("q", page.query)]))
        }
        @if page.incomplete {
            p.note { "This registry has more repositories than are listed here. Open any other by its name in the address: /team/app." }
        }
        @if matches!(frame.visitor, Visitor::Account { .. }) {
            details.guide { summary { "How to push an image" } (push_commands(frame, "team/app")) }
        }
    }
}

const REPOSITORY: Column = Column { label: "Repository", class: "main" };
const TAGS: Column = Column { label: "Tags", class: "number" };
const PUSHED: Column = Column { label: "Last push", class: "" };
const PULLS: Column = Column { label: "Pulls in 30 days", class: "number" };

fn rows(frame: &Frame<'_>, page: &Repositories<'_>) -> Markup {
    let has_activity = page.rows.iter().any(|row| row.pushed.is_some() || row.pulls.is_some());
    let mut columns = vec![REPOSITORY, TAGS];
    columns.extend([PUSHED, PULLS].into_iter().filter(|_| has_activity));
    let namespaces: Vec<Option<&str>> = page.rows.iter().map(|row| namespace(row.name)).collect();
    let is_grouped = namespaces.iter().any(|namespace| Some(namespace) != namespaces.first());
    let body = html! {
        @for (at, row) in page.rows.iter().enumerate() {
            @let before = at.checked_sub(1).and_then(|at| namespaces.get(at).copied().flatten());
            @if let Some(namespace) = namespaces.get(at).copied().flatten().filter(|own| is_grouped && before != Some(own)) {
                tr.group role="row" {
                    th role="rowheader" scope="rowgroup" colspan=(columns.len()) { (Untrusted(namespace)) "/" }
                }
            }
            tr role="row" { (cells(frame, row, has_activity)) }
        }
    };
    table("Repositories", &columns, body)
}

/// The first part of a name that has several.
fn namespace(name: &str) -> Option<&str> {
    name.split_once('/').map(|(namespace, _)| namespace)
}

fn cells(frame: &Frame<'_>, row: &RepositoryRow<'_>, has_activity: bool) -> Markup {
    let count = |count: Option<u64>| html! { @if let Some(count) = count { (Count(count)) } @else { span.quiet { "–" } } };
    html! {
        (head_cell(REPOSITORY, link::link(frame, PagePath::repository(row.name).as_ref(), Name(row.name))))
        (cell(TAGS, count(row.tags.map(|tags| tags as u64))))
        @if has_activity {
            (cell(PUSHED, html! { @if let Some(pushed) = &row.pushed { span.two { span { (activity::done(frame, pushed)) } } } @else { span.quiet { "–" } } }))
            (cell(PULLS, count(row.pulls)))
        }
    }
}

fn found(page: &Repositories<'_>) -> Markup {
    let noun = if page.page.total == 1 { "repository" } else { "repositories" };
    html! {
        (extent(page.page, page.rows.len(), noun))
        @if !page.query.is_empty() { " with " strong { (Untrusted(page.query)) } " in the name" }
    }
}

/// Renders tags, if the words name no repository.
fn tagged(frame: &Frame<'_>, page: &Repositories<'_>) -> Markup {
    let rows = html! {
        @for (name, tag) in &page.tagged {
            tr role="row" {
                (head_cell(REPOSITORY, link::link(frame, PagePath::tagged(name, tag).as_ref(), Called { name, tag: Some(tag), digest: "" })))
            }
        }
    };
    html! {
        p.extent { (counted(page.tagged.len(), "repository has", "repositories have")) " such a tag" }
        (table("Tags", &[REPOSITORY], rows))
    }
}

fn no_match(frame: &Frame<'_>, page: &Repositories<'_>) -> Markup {
    html! {
        div.empty {
            h2 { "Nothing matches “" (Untrusted(page.query)) "”" }
            p { (none_of(page.all)) " this in its name, and none has such a tag." }
            p { a.button href=(link::to(frame, &PagePath::Repositories)) { "Show all" } }
        }
    }
}

fn none_of(all: usize) -> String {
    match all {
        1 => "The one repository that you may pull does not have".to_owned(),
        _ => format!("None of the {} repositories that you may pull has", Count(all as u64)),
    }
}

/// Only an account that may see the whole catalogue learns that the registry is empty. Others see only that there is
/// nothing for them.
fn nothing(frame: &Frame<'_>) -> Markup {
    html! {
        @match frame.visitor {
            Visitor::Account { sees_events: true, .. } => {
                div.empty {
                    h2 { "This registry is empty" }
                    p { "The first image that is pushed appears here." }
                    (push_commands(frame, "team/app"))
                }
            }
            Visitor::Account { name, .. } => {
                div.empty {
                    h2 { "Nothing to see yet" }
                    p { "There is no repository that " strong { (Untrusted(name)) } " may pull." }
                    p {
                        a href=(link::to(frame, &PagePath::Access)) { "My access" }
                        " shows what you may do, and by which rule. If you expected more, ask the operator of this registry."
                    }
                }
                section.card {
                    h2 { "Do you want to push an image?" }
                    p { "If the rules let you, it appears here as soon as it is pushed:" }
                    (push_commands(frame, "team/app"))
                }
            }
            Visitor::Anonymous | Visitor::Nobody => {
                div.empty {
                    h2 { "Nothing here is public" }
                    p { "Sign in to see the repositories of your account." }
                    p { a.button.primary href=(link::to(frame, &PagePath::SignIn)) { "Sign in" } }
                }
            }
        }
    }
}
