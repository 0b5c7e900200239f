//! The page that asks before something is deleted.

use maud::{Markup, html};

use super::tags_deletion::what_stays;
use crate::ui::{
    copyable::whole_digest,
    layout::{Document, breadcrumbs},
    link,
    model::{Deletion, Frame, TagDeletion},
    name::{Called, Name},
    path::PagePath,
    texts::Texts,
    untrusted::Untrusted,
};

/// Names everything that goes, and asks.
pub fn deletion(frame: &Frame<'_>, page: &Deletion<'_>) -> String {
    let t = frame.texts();
    let called = Called { name: page.name, tag: page.tag, digest: page.digest };
    let path = PagePath::deletion(page.name, page.digest);
    let content = html! {
        (breadcrumbs(frame, &[
            (Some(PagePath::Repositories), html! { (t.repositories) }),
            (PagePath::repository(page.name), html! { (Name(page.name)) }),
        ]))
        div.heading { h1 { (t.delete_image_question.with([&called])) } }
        (what_goes(t, page))
        @if let Some(tag) = page.locked {
            div.notice.bad role="alert" { p { (t.image_is_held_by.with([&Untrusted(tag)])) } }
        } @else {
            div.notice.bad {
                p { (t.cannot_be_undone) }
                @if page.attachments > 0 { p { (t.attachments_stay_behind.of(page.attachments)) } }
                p { (t.space_comes_later) }
            }
            @if let Some(path) = &path { (form(frame, page, path)) }
        }
        @if page.tags.len() > 1 { (only_this(frame, page)) }
    };
    let title = t.delete_what.plain([&called]);
    Document { title: &title, path: path.as_ref(), class: "narrow" }.render(frame, &content)
}

/// The way to delete the tag from which the visitor came, and no other.
fn only_this(frame: &Frame<'_>, page: &Deletion<'_>) -> Markup {
    let t = frame.texts();
    html! {
        @if let Some(tag) = page.tag && let Some(path) = PagePath::tag_deletion(page.name, tag) {
            @let only = t.only_the_tag.with([&Untrusted(tag)]);
            p { (t.or_only_the_tag.with([&html! { a href=(link::to(frame, &path)) { (only) } }])) }
        }
    }
}

/// Asks before one tag is deleted.
pub fn tag_deletion(frame: &Frame<'_>, page: &TagDeletion<'_>) -> String {
    let t = frame.texts();
    let called = Called { name: page.name, tag: Some(page.tag), digest: page.digest };
    let path = PagePath::tag_deletion(page.name, page.tag);
    let content = html! {
        (breadcrumbs(frame, &[
            (Some(PagePath::Repositories), html! { (t.repositories) }),
            (PagePath::repository(page.name), html! { (Name(page.name)) }),
        ]))
        div.heading { h1 { (t.delete_tag_question.with([&called])) } }
        section.card {
            h2 { (t.what_will_be_deleted) }
            p { (t.tag_goes_image_stays.with([&Untrusted(page.tag)])) }
            dl.facts {
                div.long { dt { (t.digest) } dd { (whole_digest(page.digest)) } }
                div.long { dt { (t.what_stays) } dd { (what_stays(t, page.staying, page.attachments)) } }
            }
        }
        div.notice.bad {
            @if page.is_write_once {
                p { (t.locked_explained) }
            } @else {
                @if page.staying.is_some_and(<[String]>::is_empty) { p { (t.last_tag) } }
                p { (t.tag_cannot_be_undone) }
                p { (t.untagged_keeps_space) }
            }
        }
        @if let Some(path) = path.as_ref().filter(|_| !page.is_write_once) {
            form.decision method="post" action=(link::to(frame, path)) {
                input type="hidden" name="csrf" value=(page.csrf);
                input type="hidden" name="digest" value=(page.digest);
                button.danger type="submit" { (t.delete_this_tag_now) }
                @if let Some(back) = PagePath::tagged(page.name, page.tag) { a.button href=(link::to(frame, &back)) { (t.keep_it) } }
            }
        }
        @if page.may_delete_image { (all_of_it(frame, page)) }
    };
    let title = t.delete_tag.plain([&called]);
    Document { title: &title, path: path.as_ref(), class: "narrow" }.render(frame, &content)
}

/// The way to delete the image with every tag on it.
fn all_of_it(frame: &Frame<'_>, page: &TagDeletion<'_>) -> Markup {
    html! {
        @if let Some(path) = PagePath::deletion(page.name, page.digest) {
            p { a href=(link::with(frame, &path, &[("tag", page.tag)])) { (frame.texts().delete_whole_image) } }
        }
    }
}

fn what_goes(t: &Texts, page: &Deletion<'_>) -> Markup {
    html! {
        section.card {
            h2 { (t.what_will_be_deleted) }
            @match page.tags {
                [] => { p { (t.untagged_goes) } }
                tags => { p { (t.image_goes_with_tags.of(tags.len())) } }
            }
            @if !page.tags.is_empty() {
                ul.tags { @for tag in page.tags { li { code { (Untrusted(tag)) } } } }
            }
            dl.facts { div.long { dt { (t.digest) } dd { (whole_digest(page.digest)) } } }
        }
    }
}

fn form(frame: &Frame<'_>, page: &Deletion<'_>, path: &PagePath) -> Markup {
    let t = frame.texts();
    let back = match page.tag {
        Some(tag) => PagePath::tagged(page.name, tag),
        None => PagePath::by_digest(page.name, page.digest),
    };
    html! {
        form.decision method="post" action=(link::to(frame, path)) {
            input type="hidden" name="csrf" value=(page.csrf);
            input type="hidden" name="tags" value=(page.named);
            button.danger type="submit" {
                @match page.tags.len() {
                    0 => { (t.delete_this_image) }
                    count => { (t.delete_image_and_tags.of(count)) }
                }
            }
            @if let Some(back) = &back { a.button href=(link::to(frame, back)) { (t.keep_it) } }
        }
    }
}
