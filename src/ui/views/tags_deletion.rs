//! Several tags that are deleted at once: the page that asks, and the one that says what became of each.

use maud::{Markup, html};

use crate::ui::{
    copyable::digest,
    layout::{Document, breadcrumbs},
    link,
    model::{Frame, SelectedTag, TagFate, TagResult, TagsDeleted, TagsDeletion},
    name::Name,
    path::PagePath,
    table::{Column, cell, head_cell, table},
    texts::Texts,
    untrusted::{Untrusted, of_the_log},
};

const TAG: Column = Column { label: |t| t.tag, class: "" };
const IMAGE: Column = Column { label: |t| t.image, class: "" };
const WHAT_STAYS: Column = Column { label: |t| t.what_stays, class: "side" };
const RESULT: Column = Column { label: |t| t.result, class: "side" };

/// Tags that are named beside one that goes; of more, the others are counted.
const NAMED: usize = 5;

/// Names each tag, what goes and what stays, and asks.
pub fn tags_deletion(frame: &Frame<'_>, page: &TagsDeletion<'_>) -> String {
    let t = frame.texts();
    let path = PagePath::tags_deletion(page.name);
    let going = going(page).count();
    let title = match going {
        0 => t.no_tag_goes.to_owned(),
        count => t.delete_tags_question.plain(count as u64),
    };
    let content = html! {
        (way_back(frame, page.name))
        div.heading { h1 { (title) } }
        @if page.tags.is_empty() { p.lead { (t.none_selected) } } @else {
            p.lead { (t.each_by_itself) }
            (selected(frame, page))
        }
        @if page.left_out > 0 { p.note { (t.tags_left_out.with(page.left_out as u64, [&page.tags.len()])) } }
        @if going > 0 { div.notice.bad { p { (t.tag_cannot_be_undone) } p { (t.untagged_keeps_space) } } }
        @if let Some(path) = &path { (form(frame, page, path)) }
    };
    Document { title: &title, path: path.as_ref(), class: "wide" }.render(frame, &content)
}

fn way_back(frame: &Frame<'_>, name: &str) -> Markup {
    let repositories = html! { (frame.texts().repositories) };
    let above =
        [(Some(PagePath::Repositories), repositories), (PagePath::repository(name), html! { (Name(name)) })];
    breadcrumbs(frame, &above)
}

/// The tags that go, with the digest that each names.
fn going<'p>(page: &'p TagsDeletion<'_>) -> impl Iterator<Item = (&'p str, &'p str)> {
    page.tags.iter().filter_map(|SelectedTag { tag, fate }| match fate {
        TagFate::Goes { digest, .. } => Some((tag.as_str(), digest.as_str())),
        _ => None,
    })
}

fn selected(frame: &Frame<'_>, page: &TagsDeletion<'_>) -> Markup {
    let t = frame.texts();
    let rows = html! {
        @for selected in &page.tags {
            @let path = PagePath::tagged(page.name, &selected.tag);
            tr role="row" {
                (head_cell(TAG, link::link(frame, path.as_ref(), Untrusted(&selected.tag))))
                (cell(t, IMAGE, html! {
                    @if let TagFate::Goes { digest: named, .. } = &selected.fate { (digest(named)) } @else { "–" }
                }))
                (cell(t, WHAT_STAYS, staying(t, &selected.fate)))
            }
        }
    };
    table(t, t.selected_tags, &[TAG, IMAGE, WHAT_STAYS], rows)
}

fn staying(t: &Texts, fate: &TagFate) -> Markup {
    html! {
        @match fate {
            TagFate::Goes { staying, attachments, .. } => { (what_stays(t, staying.as_deref(), *attachments)) }
            TagFate::Locked => { span.no { (t.tag_stays_locked) } }
            TagFate::Denied(why) => {
                span.two { span.no { (t.tag_stays_denied) } span.quiet { (of_the_log(why)) } }
            }
            TagFate::Gone => { span.quiet { (t.no_such_tag) } }
            TagFate::Unread => { span.no { (t.tag_stays_unread) } }
        }
    }
}

/// Renders what a tag that goes leaves behind: its image, with the tags that stay on it where they are known, and what
/// is attached to it.
pub(super) fn what_stays(t: &Texts, staying: Option<&[String]>, attachments: usize) -> Markup {
    html! {
        span.two {
            span { (image_of(t, staying)) }
            @if attachments > 0 { span.quiet { (t.attachments_stay.of(attachments)) } }
        }
    }
}

/// The image of a tag that goes, with the tags that stay on it.
fn image_of(t: &Texts, staying: Option<&[String]>) -> Markup {
    let Some(tags) = staying else { return html! { (t.image_and_unknown_tags) } };
    let named = html! {
        @for (at, tag) in tags.iter().take(NAMED).enumerate() { @if at > 0 { ", " } code { (Untrusted(tag)) } }
    };
    match tags.len().checked_sub(NAMED) {
        _ if tags.is_empty() => html! { (t.image_by_digest_only) },
        None | Some(0) => t.image_as.with([&named]),
        Some(more) => t.image_as.with([&t.and_more_tags.with(more as u64, [&named])]),
    }
}

fn form(frame: &Frame<'_>, page: &TagsDeletion<'_>, path: &PagePath) -> Markup {
    let (t, count) = (frame.texts(), going(page).count());
    html! {
        @if count == 0 { p { (to_the_tags(frame, page.name, t.back_to_the_tags)) } } @else {
            form.decision method="post" action=(link::to(frame, path)) {
                input type="hidden" name="csrf" value=(page.csrf);
                @for (tag, digest) in going(page) {
                    input type="hidden" name="tag" value=(Untrusted(&format!("{tag}@{digest}")).to_string());
                }
                button.danger type="submit" { (t.delete_tags.of(count)) }
                (to_the_tags(frame, page.name, t.keep_them))
            }
        }
    }
}

fn to_the_tags(frame: &Frame<'_>, name: &str, text: &str) -> Markup {
    html! { @if let Some(page) = PagePath::repository(name) { a.button href=(link::to(frame, &page)) { (text) } } }
}

/// Says what became of each tag.
pub fn tags_deleted(frame: &Frame<'_>, page: &TagsDeleted<'_>) -> String {
    let t = frame.texts();
    let path = PagePath::tags_deletion(page.name);
    let all = page.tags.len() as u64;
    let title = match page.tags.iter().filter(|(_, result)| *result == TagResult::Deleted).count() as u64 {
        0 => t.no_tag_was_deleted.to_owned(),
        deleted if deleted == all => t.tags_were_deleted.plain(all),
        deleted => t.of_tags_were_deleted.plain([&deleted, &all]),
    };
    let rows = html! {
        @for (tag, result) in &page.tags {
            tr role="row" { (head_cell(TAG, Untrusted(tag))) (cell(t, RESULT, outcome(t, result))) }
        }
    };
    let content = html! {
        (way_back(frame, page.name))
        div.heading { h1 { (title) } }
        (table(t, t.what_became, &[TAG, RESULT], rows))
        p { (to_the_tags(frame, page.name, t.back_to_the_tags)) }
    };
    Document { title: &title, path: path.as_ref(), class: "wide" }.render(frame, &content)
}

fn outcome(t: &Texts, result: &TagResult) -> Markup {
    html! {
        @match result {
            TagResult::Deleted => { span.yes { (t.deleted) } }
            TagResult::Changed => { span.no { (t.tag_changed) } }
            TagResult::Gone => { span.quiet { (t.no_such_tag) } }
            TagResult::Failed(why) => { span.no { (t.tag_not_deleted.with([&of_the_log(why)])) } }
            TagResult::NotTried => { span.no { (t.tag_not_tried) } }
        }
    }
}
