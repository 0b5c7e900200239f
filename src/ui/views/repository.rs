//! A repository with its tags.

use maud::{Markup, html};

use super::{activity, guide::push_commands, orphans::orphans};
use crate::ui::{
    amount::Size,
    copyable::{digest, pull_command, reference},
    layout::{Document, breadcrumbs},
    link,
    model::{Badges, Frame, Order, PlatformSize, Repository, Summary, TagRow},
    name::{Called, Name, short},
    pagination::{extent, pagination},
    path::PagePath,
    search::Search,
    sizes::Sizes,
    table::{Column, cell, head_cell, table},
    untrusted::Untrusted,
};

const TAG: Column = Column { label: "Tag", class: "main" };
const PUSHED: Column = Column { label: "Pushed", class: "" };
const SIZE: Column = Column { label: "Size", class: "number" };
const PLATFORMS: Column = Column { label: "Platforms", class: "" };
const ACTIONS: Column = Column { label: "Actions", class: "actions" };

/// Platforms that are named in a row where there are many; the others are counted.
const NAMED: usize = 2;

/// The tags of a repository.
pub fn repository(frame: &Frame<'_>, page: &Repository<'_>) -> String {
    let path = PagePath::repository(page.name);
    let content = html! {
        (breadcrumbs(frame, &[(Some(PagePath::Repositories), html! { "Repositories" })]))
        div.heading {
            h1 { (Name(page.name)) }
            @if page.tags.len() > 1 && let Some(path) = PagePath::comparison(page.name) {
                a.button href=(link::to(frame, &path)) { "Compare tags…" }
            }
        }
        @if let Some(gone) = page.deleted {
            div.notice.good role="status" { p { strong { "Deleted " code { (short(gone)) } } " and every tag on it." } }
        }
        @if let Some(tag) = page.untagged {
            div.notice.good role="status" { p { strong { "Deleted the tag " code { (Untrusted(tag)) } } "; the image and its other tags stay." } }
        }
        @if let Some(path) = &path { (list(frame, page, path)) }
        (orphans(frame, page))
        @if page.may_push && !is_empty(page) {
            details.guide { summary { "How to push to this repository" } (push_commands(frame, page.name)) }
        }
    };
    let title = Untrusted(page.name).to_string();
    Document { title: &title, path: path.as_ref(), class: "wide" }.render(frame, &content)
}

fn is_empty(page: &Repository<'_>) -> bool {
    page.tags.is_empty() && page.query.is_empty()
}

fn list(frame: &Frame<'_>, page: &Repository<'_>, path: &PagePath) -> Markup {
    html! {
        @if is_empty(page) { (no_tags(frame, page)) } @else {
            (Search { page: path, query: page.query, label: "Search tags" }.form(frame))
            @if page.tags.is_empty() { (no_match(frame, page, path)) } @else {
                div.above { p.extent { (found(page)) } (orders(frame, page, path)) }
                (tags(frame, page))
                (pagination(frame, path, page.page, &[("q", page.query), ("order", page.order.name())]))
            }
        }
    }
}

fn found(page: &Repository<'_>) -> Markup {
    html! {
        (extent(page.page, page.tags.len(), if page.page.total == 1 { "tag" } else { "tags" }))
        @if !page.query.is_empty() { " with " strong { (Untrusted(page.query)) } }
        @if page.order == Order::Version && !page.has_times { ", sorted by version: there are too many to sort by date" }
    }
}

/// The orders to choose from. One tag has none.
fn orders(frame: &Frame<'_>, page: &Repository<'_>, path: &PagePath) -> Markup {
    let offered = Order::ALL.into_iter().filter(|order| page.has_times || *order != Order::Newest);
    let label = |order| match order {
        Order::Newest => "Newest",
        Order::Version => "Version",
        Order::Name => "Name",
    };
    html! {
        @if page.page.total > 1 {
            nav.orders aria-label="Order" {
                ul {
                    @for order in offered {
                        @let current = (order == page.order).then_some("true");
                        @let address = link::with(frame, path, &[("q", page.query), ("order", order.name())]);
                        li { a href=(address) aria-current=[current] { (label(order)) } }
                    }
                }
            }
        }
    }
}

fn tags(frame: &Frame<'_>, page: &Repository<'_>) -> Markup {
    let mut columns = vec![TAG, PUSHED, SIZE, PLATFORMS];
    columns.extend(page.may_delete.then_some(ACTIONS));
    let rows = html! { @for row in &page.tags { tr role="row" { (tag(frame, page, row)) } } };
    table("Tags", &columns, rows)
}

fn tag(frame: &Frame<'_>, page: &Repository<'_>, row: &TagRow<'_>) -> Markup {
    let called = Called { name: page.name, tag: Some(row.tag), digest: "" };
    let is_artifact = row.summary.as_ref().is_some_and(|summary| summary.artifact.is_some());
    let taken = if is_artifact { reference(frame.host, called) } else { pull_command(frame.host, called) };
    let named = html! {
        span.copyable {
            span data-copy=(Untrusted(&taken).to_string()) {
                (link::link(frame, PagePath::tagged(page.name, row.tag).as_ref(), Untrusted(row.tag)))
            }
        }
        @if row.is_write_once || row.badges != Badges::default() {
            div.badges { @if row.is_write_once { (write_once()) } (badges(row.badges)) }
        }
        @if let Some(summary) = &row.summary { div.below { (digest(&summary.digest)) } }
    };
    html! {
        (head_cell(TAG, named))
        @match &row.summary {
            Some(summary) => { (summarised(frame, page, row, summary)) }
            None => {
                td.unread role="cell" colspan=(if page.may_delete { 4 } else { 3 }) { "Could not be read just now" }
            }
        }
    }
}

fn summarised(frame: &Frame<'_>, page: &Repository<'_>, row: &TagRow<'_>, summary: &Summary) -> Markup {
    html! {
        (cell(PUSHED, activity::cell(frame, row.activity.as_ref(), summary.created)))
        (cell(SIZE, size(summary)))
        (cell(PLATFORMS, platforms(summary)))
        @if page.may_delete {
            (cell(ACTIONS, html! { @if !row.is_write_once { (deletion(frame, page.name, row.tag, &summary.digest)) } }))
        }
    }
}

fn size(summary: &Summary) -> Markup {
    let sizes = Sizes(summary.platforms.iter().map(|platform| platform.size).collect());
    let one = sizes.of_one().filter(|_| summary.platforms.len() > 1);
    html! {
        @match (one, summary.size) {
            (Some(one), sum) => {
                span.two { span { (one) } @if let Some(sum) = sum { span.quiet { (sizes.of_all(sum)) } } }
            }
            (None, Some(size)) => { (Size(size)) }
            (None, None) => { (unknown()) }
        }
    }
}

fn platforms(summary: &Summary) -> Markup {
    // A single one more is named: that takes as much room as its count.
    let count = summary.platforms.len();
    let (named, more) = summary.platforms.split_at(if count > NAMED + 1 { NAMED } else { count });
    let in_full = |platform: &PlatformSize| match platform.size {
        Some(size) => format!("{}: {}", Untrusted(&platform.name), Size(size)),
        None => Untrusted(&platform.name).to_string(),
    };
    let more_named = more.iter().map(in_full).collect::<Vec<_>>().join(", ");
    html! {
        span.chips {
            @if let Some(artifact) = &summary.artifact { span.chip { (Untrusted(artifact)) } }
            @for platform in named { span.chip title=(in_full(platform)) { (Untrusted(&platform.name)) } }
            @if !more.is_empty() { span.chip.quiet title=(more_named) { "+" (more.len()) " more" } }
            @if summary.artifact.is_none() && named.is_empty() { (unknown()) }
        }
    }
}

/// Renders the things that belong to an image.
pub(super) fn badges(badges: Badges) -> Markup {
    let all = [
        (badges.signed, "signed", "A signature is attached; it is not verified here"),
        (badges.sbom, "SBOM", "A list of its parts is attached"),
        (badges.attested, "attested", "Attestations say how it was made; they are not verified here"),
    ];
    html! {
        @for (_, badge, title) in all.iter().filter(|(is_there, ..)| *is_there) {
            " " span.chip.badge title=(title) { (badge) }
        }
        @if badges.others > 0 { " " span.chip.badge { "+" (badges.others) " attached" } }
    }
}

/// The mark of a tag that stays as it is.
pub(super) fn write_once() -> Markup {
    html! { span.chip.quiet title="This tag is write-once: it cannot be moved or deleted" { "locked" } }
}

fn unknown() -> Markup {
    html! { span.quiet { "unknown" } }
}

fn deletion(frame: &Frame<'_>, name: &str, tag: &str, digest: &str) -> Markup {
    html! {
        @if let Some(page) = PagePath::deletion(name, digest) {
            a.danger href=(link::with(frame, &page, &[("tag", tag)])) { "Delete" span.unseen { " " (Untrusted(tag)) } }
        }
    }
}

fn no_tags(frame: &Frame<'_>, page: &Repository<'_>) -> Markup {
    html! {
        div.empty {
            h2 { "No tags" }
            p { "Nothing has been pushed here yet, or all tags have been deleted." }
            @if page.may_push { (push_commands(frame, page.name)) }
        }
    }
}

fn no_match(frame: &Frame<'_>, page: &Repository<'_>, path: &PagePath) -> Markup {
    html! {
        div.empty {
            h2 { "No tag matches “" (Untrusted(page.query)) "”" }
            p { a.button href=(link::to(frame, path)) { "Show all tags" } }
        }
    }
}
