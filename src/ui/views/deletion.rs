//! The page that asks before something is deleted.

use maud::{Markup, html};

use crate::ui::{
    amount::counted,
    copyable::whole_digest,
    layout::{Document, breadcrumbs},
    link,
    model::{Deletion, Frame, TagDeletion},
    name::{Called, Name},
    path::PagePath,
    untrusted::Untrusted,
};

/// Names everything that goes, and asks.
pub fn deletion(frame: &Frame<'_>, page: &Deletion<'_>) -> String {
    let called = Called { name: page.name, tag: page.tag, digest: page.digest };
    let path = PagePath::deletion(page.name, page.digest);
    let content = html! {
        (breadcrumbs(frame, &[
            (Some(PagePath::Repositories), html! { "Repositories" }),
            (PagePath::repository(page.name), html! { (Name(page.name)) }),
        ]))
        div.heading { h1 { "Delete " (called) "?" } }
        (what_goes(page))
        div.notice.bad {
            p { strong { "This cannot be undone." } " No client will be able to pull it, by tag or by digest." }
            p { "The disk space comes free later, when the registry collects its garbage." }
        }
        @if let Some(path) = &path { (form(frame, page, path)) }
        @if page.tags.len() > 1 { (only_this(frame, page)) }
    };
    let title = format!("Delete {called}");
    Document { title: &title, path: path.as_ref(), class: "narrow" }.render(frame, &content)
}

/// The way to delete the tag from which the visitor came, and no other.
fn only_this(frame: &Frame<'_>, page: &Deletion<'_>) -> Markup {
    html! {
        @if let Some(tag) = page.tag && let Some(path) = PagePath::tag_deletion(page.name, tag) {
            p { a href=(link::to(frame, &path)) { "Delete the tag " code { (Untrusted(tag)) } " only" } ", and keep the image." }
        }
    }
}

/// Asks before one tag is deleted.
pub fn tag_deletion(frame: &Frame<'_>, page: &TagDeletion<'_>) -> String {
    let called = Called { name: page.name, tag: Some(page.tag), digest: page.digest };
    let path = PagePath::tag_deletion(page.name, page.tag);
    let content = html! {
        (breadcrumbs(frame, &[
            (Some(PagePath::Repositories), html! { "Repositories" }),
            (PagePath::repository(page.name), html! { (Name(page.name)) }),
        ]))
        div.heading { h1 { "Delete the tag " (called) "?" } }
        section.card {
            h2 { "What will be deleted" }
            p { "The tag " code { (Untrusted(page.tag)) } ". The image that it names stays, with every other tag on it:" }
            dl.facts { div.long { dt { "Digest" } dd { (whole_digest(page.digest)) } } }
        }
        div.notice.bad {
            p { strong { "This cannot be undone here." } " Push the image again to bring the tag back." }
            p { "An image without a tag keeps its disk space until the registry collects its garbage." }
        }
        @if let Some(path) = &path {
            form.decision method="post" action=(link::to(frame, path)) {
                input type="hidden" name="csrf" value=(page.csrf);
                input type="hidden" name="digest" value=(page.digest);
                button.danger type="submit" { "Delete this tag" }
                @if let Some(back) = PagePath::tagged(page.name, page.tag) { a.button href=(link::to(frame, &back)) { "Keep it" } }
            }
        }
    };
    let title = format!("Delete the tag {called}");
    Document { title: &title, path: path.as_ref(), class: "narrow" }.render(frame, &content)
}

fn what_goes(page: &Deletion<'_>) -> Markup {
    html! {
        section.card {
            h2 { "What will be deleted" }
            @match page.tags {
                [] => { p { "This image, which no tag names. An image for several platforms that has it as one of them can then no longer be pulled for that platform." } }
                [_] => { p { "This image and the one tag that names it:" } }
                tags => { p { "This image and " strong { "all " (counted(tags.len(), "tag", "tags")) } " that name it:" } }
            }
            @if !page.tags.is_empty() {
                ul.tags { @for tag in page.tags { li { code { (Untrusted(tag)) } } } }
            }
            dl.facts { div.long { dt { "Digest" } dd { (whole_digest(page.digest)) } } }
        }
    }
}

fn form(frame: &Frame<'_>, page: &Deletion<'_>, path: &PagePath) -> Markup {
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
                    0 => { "Delete this image" }
                    count => { "Delete " (counted(count, "tag", "tags")) }
                }
            }
            @if let Some(back) = &back { a.button href=(link::to(frame, back)) { "Keep it" } }
        }
    }
}
