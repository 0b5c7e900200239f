//! The page that asks before something is deleted.

use maud::{Markup, html};

use super::super::{
    amount::counted,
    copyable::whole_digest,
    layout::{Document, breadcrumbs},
    link,
    model::{Deletion, Frame},
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
            p { strong { "This cannot be undone." } " Nobody can pull it any more, by tag or by digest." }
            p { "Its layers stay in the storage until the registry's garbage collection runs." }
        }
        @if let Some(path) = &path { (form(frame, page, path)) }
    };
    let title = format!("Delete {called}");
    Document { title: &title, path: path.as_ref(), class: "narrow" }.render(frame, &content)
}

fn what_goes(page: &Deletion<'_>) -> Markup {
    html! {
        section.card {
            h2 { "What goes" }
            dl.facts { div.long { dt { "Digest" } dd { (whole_digest(page.digest)) } } }
            @match page.tags {
                [] => { p { "No tag names it." } }
                [_] => { p { "One tag names it, and goes with it:" } }
                tags => { p { strong { (counted(tags.len(), "tag", "tags")) " name it" } ", and all of them go with it:" } }
            }
            @if !page.tags.is_empty() {
                ul.tags { @for tag in page.tags { li { code { (Untrusted(tag)) } } } }
            }
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
                    0 => { "Delete this manifest" }
                    count => { "Delete " (counted(count, "tag", "tags")) }
                }
            }
            @if let Some(back) = &back { a.button href=(link::to(frame, back)) { "Keep it" } }
        }
    }
}
