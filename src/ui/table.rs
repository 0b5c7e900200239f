//! Tables that are read on a phone as well: there each row is a card, and each cell says of which column it is. The
//! roles are written out, because a style that lays a table out anew makes some browsers forget that it is one.

use maud::{Markup, Render, html};

use super::texts::{LabelOf, Texts};

/// A column.
#[derive(Debug, Clone, Copy)]
pub(super) struct Column {
    /// The label above it, and before each cell on a phone.
    pub(super) label: LabelOf,
    /// Its class in the style sheet: `main` takes the room that the others leave; `number`, `actions` or nothing.
    pub(super) class: &'static str,
}

/// A table with a caption for screen readers.
pub(super) fn table(t: &Texts, caption: &str, columns: &[Column], rows: impl Render) -> Markup {
    html! {
        table role="table" {
            caption.unseen { (caption) }
            thead role="rowgroup" {
                tr role="row" {
                    @for column in columns {
                        th.(column.class) role="columnheader" scope="col" {
                            @if column.class == "actions" { span.unseen { ((column.label)(t)) } } @else { ((column.label)(t)) }
                        }
                    }
                }
            }
            tbody role="rowgroup" { (rows) }
        }
    }
}

/// The cell that names its row.
pub(super) fn head_cell(column: Column, content: impl Render) -> Markup {
    html! { th.(column.class) role="rowheader" scope="row" { (content) } }
}

pub(super) fn cell(t: &Texts, column: Column, content: impl Render) -> Markup {
    html! { td.(column.class) role="cell" data-label=((column.label)(t)) { (content) } }
}
