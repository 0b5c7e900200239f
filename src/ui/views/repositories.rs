//! The repositories that the visitor may pull.

use maud::{Markup, html};

use super::{activity, guide::push_commands};
use crate::ui::{
    amount::Count,
    layout::Document,
    link,
    model::{Frame, Repositories, RepositoryRow, Visitor},
    name::{Called, Name},
    pagination::{extent, pagination},
    path::PagePath,
    search::Search,
    table::{Column, cell, head_cell, table},
    texts::Texts,
    untrusted::Untrusted,
};

/// The repositories, or what to do where there are none.
pub fn repositories(frame: &Frame<'_>, page: &Repositories<'_>) -> String {
    let t = frame.texts();
    let content = html! {
        div.heading { h1 { (t.repositories) } }
        @if page.all == 0 { (nothing(frame)) } @else { (list(frame, page)) }
    };
    Document { title: t.repositories, path: Some(&PagePath::Repositories), class: "wide" }
        .render(frame, &content)
}

fn list(frame: &Frame<'_>, page: &Repositories<'_>) -> Markup {
    let t = frame.texts();
    let path = PagePath::Repositories;
    html! {
        (Search { page: &path, query: page.query, label: t.search_everything }.form(frame))
        @if !page.tagged.is_empty() { (tagged(frame, page)) }
        @else if page.rows.is_empty() { (no_match(frame, page)) } @else {
            p.extent { (found(t, page)) }
            (rows(frame, page))
            (pagination(frame, &path, page.page, &[("q", page.query)]))
        }
        @if page.incomplete {
            p.note { (t.more_than_listed) }
        }
        @if matches!(frame.visitor, Visitor::Account { .. }) {
            details.guide { summary { (t.how_to_push) } (push_commands(frame, "team/app")) }
        }
    }
}

const REPOSITORY: Column = Column { label: |t| t.repository, class: "main" };
const TAGS: Column = Column { label: |t| t.tags, class: "number" };
const PUSHED: Column = Column { label: |t| t.last_push, class: "" };
const PULLS: Column = Column { label: |t| t.pulls_in_30_days, class: "number" };

fn rows(frame: &Frame<'_>, page: &Repositories<'_>) -> Markup {
    let t = frame.texts();
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
    table(t, t.repositories, &columns, body)
}

/// The first part of a name that has several.
fn namespace(name: &str) -> Option<&str> {
    name.split_once('/').map(|(namespace, _)| namespace)
}

fn cells(frame: &Frame<'_>, row: &RepositoryRow<'_>, has_activity: bool) -> Markup {
    let t = frame.texts();
    let count = |count: Option<u64>| html! { @if let Some(count) = count { (Count(count)) } @else { span.quiet { "–" } } };
    html! {
        (head_cell(REPOSITORY, link::link(frame, PagePath::repository(row.name).as_ref(), Name(row.name))))
        (cell(t, TAGS, count(row.tags.map(|tags| tags as u64))))
        @if has_activity {
            (cell(t, PUSHED, html! { @if let Some(pushed) = &row.pushed { span.two { span { (activity::done(frame, pushed)) } } } @else { span.quiet { "–" } } }))
            (cell(t, PULLS, count(row.pulls)))
        }
    }
}

fn found(t: &Texts, page: &Repositories<'_>) -> Markup {
    let extent = extent(t, page.page, page.rows.len(), &t.repositories_counted);
    if page.query.is_empty() { extent } else { t.found_in_names.with([&extent, &Untrusted(page.query)]) }
}

/// Renders tags, if the words name no repository.
fn tagged(frame: &Frame<'_>, page: &Repositories<'_>) -> Markup {
    let t = frame.texts();
    let rows = html! {
        @for (name, tag) in &page.tagged {
            tr role="row" {
                (head_cell(REPOSITORY, link::link(frame, PagePath::tagged(name, tag).as_ref(), Called { name, tag: Some(tag), digest: "" })))
            }
        }
    };
    html! {
        p.extent { (t.tags_found.of(page.tagged.len())) }
        (table(t, t.tags, &[REPOSITORY], rows))
        @if page.more_tagged { p.note { (t.more_tags_found) } }
    }
}

fn no_match(frame: &Frame<'_>, page: &Repositories<'_>) -> Markup {
    let t = frame.texts();
    html! {
        div.empty {
            h2 { (t.nothing_matches.with([&Untrusted(page.query)])) }
            p { (t.none_of_all_matches.of(page.all)) }
            p { a.button href=(link::to(frame, &PagePath::Repositories)) { (t.show_all) } }
        }
    }
}

/// Only an account that may see the whole catalogue learns that the registry is empty. Others see only that there is
/// nothing for them.
fn nothing(frame: &Frame<'_>) -> Markup {
    let t = frame.texts();
    html! {
        @match frame.visitor {
            Visitor::Account { sees_events: true, .. } => {
                div.empty {
                    h2 { (t.registry_is_empty) }
                    p { (t.first_image_appears) }
                    (push_commands(frame, "team/app"))
                }
            }
            Visitor::Account { name, .. } => {
                div.empty {
                    h2 { (t.nothing_to_see) }
                    p { (t.nothing_to_pull.with([&Untrusted(name)])) }
                    p { (t.access_explains.with([&html! { a href=(link::to(frame, &PagePath::Access)) { (t.my_access) } }])) }
                }
                section.card {
                    h2 { (t.want_to_push) }
                    p { (t.appears_when_pushed) }
                    (push_commands(frame, "team/app"))
                }
            }
            Visitor::Anonymous | Visitor::Nobody => {
                div.empty {
                    h2 { (t.nothing_public) }
                    p { (t.sign_in_to_see) }
                    p { a.button.primary href=(link::to(frame, &PagePath::SignIn)) { (t.sign_in) } }
                }
            }
        }
    }
}
