//! Tags that attach something to what no tag of the repository names.

use maud::{Markup, html};

use crate::ui::{
    amount::counted,
    copyable::{cut, digest_of},
    link,
    model::{Frame, Orphan, Repository},
    path::PagePath,
    table::{Column, cell, head_cell, table},
};

const KIND: Column = Column { label: "Kind", class: "main" };
const TAG: Column = Column { label: "Tag", class: "" };
const SUBJECT: Column = Column { label: "Belongs to", class: "" };

/// Renders them, folded; nothing where there are none.
pub(super) fn orphans(frame: &Frame<'_>, page: &Repository<'_>) -> Markup {
    let rows = html! { @for orphan in &page.orphans { tr role="row" { (cells(frame, page.name, orphan)) } } };
    let count = page.orphans.len() + page.more_orphans;
    html! {
        @if count > 0 {
            details.card.apart {
                summary { (counted(count, "attachment", "attachments")) " of images without a tag" }
                p.note {
                    "They belong to no tag above, but to one platform of an image, to an image that lost its tag, or to one that is gone."
                }
                (table("Attachments of images without a tag", &[KIND, TAG, SUBJECT], rows))
                @if page.more_orphans > 0 { p.note { (page.more_orphans) " more are not listed." } }
            }
        }
    }
}

fn cells(frame: &Frame<'_>, name: &str, orphan: &Orphan) -> Markup {
    let path = PagePath::tagged(name, &orphan.tag);
    html! {
        (head_cell(KIND, link::link(frame, path.as_ref(), orphan.kind)))
        (cell(TAG, cut(&orphan.tag)))
        (cell(SUBJECT, html! {
            @match orphan.subject_is_there {
                Some(false) => { span.no { "deleted" } }
                Some(true) => { (digest_of(frame, name, &orphan.subject)) }
                None => { span.quiet { "unknown" } }
            }
        }))
    }
}
