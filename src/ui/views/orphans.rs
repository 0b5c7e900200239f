//! Tags that attach something to what no tag of the repository names.

use maud::{Markup, html};

use crate::ui::{
    copyable::{cut, digest_of},
    link,
    model::{Frame, Orphan, Repository},
    path::PagePath,
    table::{Column, cell, head_cell, table},
    texts::in_words,
};

const KIND: Column = Column { label: |t| t.kind, class: "main" };
const TAG: Column = Column { label: |t| t.tag, class: "" };
const SUBJECT: Column = Column { label: |t| t.belongs_to, class: "" };

/// Renders them, folded; nothing where there are none.
pub(super) fn orphans(frame: &Frame<'_>, page: &Repository<'_>) -> Markup {
    let t = frame.texts();
    let rows = html! { @for orphan in &page.orphans { tr role="row" { (cells(frame, page.name, orphan)) } } };
    let count = page.orphans.len() + page.more_orphans;
    html! {
        @if count > 0 {
            details.card.apart {
                summary { (t.attachments_of_untagged_counted.of(count)) }
                p.note { (t.attachments_of_untagged_explained) }
                (table(t, t.attachments_of_untagged, &[KIND, TAG, SUBJECT], rows))
                @if page.more_orphans > 0 { p.note { (t.more_not_listed.of(page.more_orphans)) } }
            }
        }
    }
}

fn cells(frame: &Frame<'_>, name: &str, orphan: &Orphan) -> Markup {
    let t = frame.texts();
    let path = PagePath::tagged(name, &orphan.tag);
    html! {
        (head_cell(KIND, link::link(frame, path.as_ref(), in_words(t, orphan.kind))))
        (cell(t, TAG, cut(&orphan.tag)))
        (cell(t, SUBJECT, html! {
            @match orphan.subject_is_there {
                Some(false) => { span.no { (t.deleted) } }
                Some(true) => { (digest_of(frame, name, &orphan.subject)) }
                None => { span.quiet { (t.unknown) } }
            }
        }))
    }
}
