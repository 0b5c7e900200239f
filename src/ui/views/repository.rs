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
    texts::{Texts, in_words},
    untrusted::Untrusted,
};

const TAG: Column = Column { label: |t| t.tag, class: "main" };
const PUSHED: Column = Column { label: |t| t.pushed, class: "" };
const SIZE: Column = Column { label: |t| t.size, class: "number" };
const PLATFORMS: Column = Column { label: |t| t.platforms, class: "" };
const ACTIONS: Column = Column { label: |t| t.actions, class: "actions" };

/// Platforms that are named in a row where there are many; the others are counted.
const NAMED: usize = 2;

/// The tags of a repository.
pub fn repository(frame: &Frame<'_>, page: &Repository<'_>) -> String {
    let t = frame.texts();
    let path = PagePath::repository(page.name);
    let content = html! {
        (breadcrumbs(frame, &[(Some(PagePath::Repositories), html! { (t.repositories) })]))
        div.heading {
            h1 { (Name(page.name)) }
            @if page.tags.len() > 1 && let Some(path) = PagePath::comparison(page.name) {
                a.button href=(link::to(frame, &path)) { (t.compare_tags) }
            }
        }
        @if let Some(gone) = page.deleted {
            div.notice.good role="status" { p { (t.deleted_with_tags.with([&short(gone)])) } }
        }
        @if let Some(tag) = page.untagged {
            div.notice.good role="status" { p { (t.deleted_tag.with([&Untrusted(tag)])) } }
        }
        @if let Some(path) = &path { (list(frame, page, path)) }
        (orphans(frame, page))
        @if let Some((bytes, blobs)) = page.usage {
            p.note.usage { (t.layers_take.with(blobs as u64, [&Size(bytes)])) " " (t.layers_shared_count) }
        }
        @if page.may_push && !is_empty(page) {
            details.guide { summary { (t.how_to_push_here) } (push_commands(frame, page.name)) }
        }
    };
    let title = Untrusted(page.name).to_string();
    Document { title: &title, path: path.as_ref(), class: "wide" }.render(frame, &content)
}

fn is_empty(page: &Repository<'_>) -> bool {
    page.tags.is_empty() && page.query.is_empty()
}

fn list(frame: &Frame<'_>, page: &Repository<'_>, path: &PagePath) -> Markup {
    let t = frame.texts();
    html! {
        @if is_empty(page) { (no_tags(frame, page)) } @else {
            (Search { page: path, query: page.query, label: t.search_tags }.form(frame))
            @if page.tags.is_empty() { (no_match(frame, page, path)) } @else {
                div.above { p.extent { (found(t, page)) } (orders(frame, page, path)) }
                (tags(frame, page))
                (pagination(frame, path, page.page, &[("q", page.query), ("order", page.order.name())]))
            }
        }
    }
}

fn found(t: &Texts, page: &Repository<'_>) -> Markup {
    let extent = extent(t, page.page, page.tags.len(), &t.tags_counted);
    html! {
        @if page.query.is_empty() { (extent) } @else { (t.found_tags.with([&extent, &Untrusted(page.query)])) }
        @if page.order == Order::Version && !page.has_times { (t.sorted_by_version) }
        @if page.page.total > 1 && page.tags.first().is_some_and(|row| row.tag == "latest") { (t.latest_is_first) }
    }
}

/// The orders to choose from. One tag has none.
fn orders(frame: &Frame<'_>, page: &Repository<'_>, path: &PagePath) -> Markup {
    let t = frame.texts();
    let offered = Order::ALL.into_iter().filter(|order| page.has_times || *order != Order::Newest);
    let label = |order| match order {
        Order::Newest => t.order_newest,
        Order::Version => t.order_version,
        Order::Name => t.order_name,
    };
    html! {
        @if page.page.total > 1 {
            nav.orders aria-label=(t.order) {
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
    let t = frame.texts();
    let mut columns = vec![TAG, PUSHED, SIZE, PLATFORMS];
    columns.extend(page.may_delete.then_some(ACTIONS));
    let rows = html! { @for row in &page.tags { tr role="row" { (tag(frame, page, row)) } } };
    let list = table(t, t.tags, &columns, rows);
    match PagePath::tags_deletion(page.name).filter(|_| page.may_delete) {
        None => list,
        Some(path) => html! {
            form.selection method="get" action=(link::to(frame, &path)) {
                (list)
                div.selected { button type="submit" { (t.delete_selected) } }
            }
        },
    }
}

fn tag(frame: &Frame<'_>, page: &Repository<'_>, row: &TagRow<'_>) -> Markup {
    let t = frame.texts();
    let called = Called { name: page.name, tag: Some(row.tag), digest: "" };
    let is_artifact = row.summary.as_ref().is_some_and(|summary| summary.artifact.is_some());
    let taken = if is_artifact { reference(frame.host, called) } else { pull_command(frame, called) };
    let named = html! {
        @if page.may_delete { (selector(t, row)) }
        span.copyable {
            span data-copy=(Untrusted(&taken).to_string()) {
                (link::link(frame, PagePath::tagged(page.name, row.tag).as_ref(), Untrusted(row.tag)))
            }
        }
        @if row.is_write_once || row.badges != Badges::default() {
            div.badges { @if row.is_write_once { (write_once(t)) } (badges(t, row.badges)) }
        }
        @if let Some(summary) = &row.summary { div.below { (digest(&summary.digest)) } }
    };
    html! {
        (head_cell(TAG, named))
        @match &row.summary {
            Some(summary) => { (summarised(frame, page, row, summary)) }
            None => {
                td.unread role="cell" colspan=(if page.may_delete { 4 } else { 3 }) { (t.could_not_be_read) }
            }
        }
    }
}

/// The box that selects a tag, for the form around the table; its room, for a tag that stays.
fn selector(t: &Texts, row: &TagRow<'_>) -> Markup {
    let tag = Untrusted(row.tag).to_string();
    html! {
        @if row.may_delete { input.select type="checkbox" name="tag" value=(tag) aria-label=(t.select_tag.plain([&tag])); }
        @else { span.select {} }
    }
}

fn summarised(frame: &Frame<'_>, page: &Repository<'_>, row: &TagRow<'_>, summary: &Summary) -> Markup {
    let t = frame.texts();
    html! {
        (cell(t, PUSHED, activity::cell(frame, row.activity.as_ref(), summary.created)))
        (cell(t, SIZE, size(t, summary)))
        (cell(t, PLATFORMS, platforms(t, summary)))
        @if page.may_delete {
            (cell(t, ACTIONS, html! { @if row.may_delete { (deletion(frame, page.name, row.tag)) } }))
        }
    }
}

fn size(t: &Texts, summary: &Summary) -> Markup {
    let sizes = Sizes(summary.platforms.iter().map(|platform| platform.size).collect());
    let one = sizes.of_one().filter(|_| summary.platforms.len() > 1);
    html! {
        @match (one, summary.size) {
            (Some(one), sum) => {
                span.two { span { (one) } @if let Some(sum) = sum { span.quiet { (sizes.of_all(t, sum)) } } }
            }
            (None, Some(size)) => { (Size(size)) }
            (None, None) => { (unknown(t)) }
        }
    }
}

fn platforms(t: &Texts, summary: &Summary) -> Markup {
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
            @if let Some(artifact) = &summary.artifact { span.chip { (Untrusted(&in_words(t, artifact))) } }
            @for platform in named { span.chip title=(in_full(platform)) { (Untrusted(&platform.name)) } }
            @if !more.is_empty() { span.chip.quiet title=(more_named) { (t.more_platforms.of(more.len())) } }
            @if summary.artifact.is_none() && named.is_empty() { (unknown(t)) }
        }
    }
}

/// Renders the things that belong to an image.
pub(super) fn badges(t: &Texts, badges: Badges) -> Markup {
    let all = [
        (badges.signed, t.signed, t.signed_explained),
        (badges.sbom, t.sbom, t.sbom_explained),
        (badges.attested, t.attested, t.attested_explained),
    ];
    html! {
        @for (_, badge, title) in all.iter().filter(|(is_there, ..)| *is_there) {
            " " span.chip.badge title=(title) { (badge) }
        }
        @if badges.others > 0 { " " span.chip.badge { (t.more_attached.of(badges.others)) } }
    }
}

/// The mark of a tag that stays as it is.
pub(super) fn write_once(t: &Texts) -> Markup {
    html! { span.chip.quiet title=(t.locked_explained) { (t.locked) } }
}

fn unknown(t: &Texts) -> Markup {
    html! { span.quiet { (t.unknown) } }
}

fn deletion(frame: &Frame<'_>, name: &str, tag: &str) -> Markup {
    let t = frame.texts();
    html! {
        @if let Some(page) = PagePath::tag_deletion(name, tag) {
            a.danger href=(link::to(frame, &page)) { (t.delete_the_tag) span.unseen { " " (Untrusted(tag)) } }
        }
    }
}

fn no_tags(frame: &Frame<'_>, page: &Repository<'_>) -> Markup {
    let t = frame.texts();
    html! {
        div.empty {
            h2 { (t.no_tags) }
            p { (t.no_tags_explained) }
            @if page.may_push { (push_commands(frame, page.name)) }
        }
    }
}

fn no_match(frame: &Frame<'_>, page: &Repository<'_>, path: &PagePath) -> Markup {
    let t = frame.texts();
    html! {
        div.empty {
            h2 { (t.no_tag_matches.with([&Untrusted(page.query)])) }
            p { a.button href=(link::to(frame, path)) { (t.show_all_tags) } }
        }
    }
}
