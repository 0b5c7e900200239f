//! A field to search with: a form that asks for the same page with another `q`.

use maud::{Markup, html};

use super::{link, model::Frame, path::PagePath, untrusted::Untrusted};

/// A search text, and its form.
#[derive(Debug, Clone, Copy)]
pub(super) struct Search<'a> {
    /// The page with the list.
    pub(super) page: &'a PagePath,
    /// The search text; empty for all.
    pub(super) query: &'a str,
    /// The label of the field.
    pub(super) label: &'a str,
}

impl Search<'_> {
    pub(super) fn form(&self, frame: &Frame<'_>) -> Markup {
        let t = frame.texts();
        let address = link::to(frame, self.page);
        html! {
            form.search role="search" method="get" action=(address) {
                label.unseen for="q" { (self.label) }
                input #q type="search" name="q" value=(Untrusted(self.query).to_string()) placeholder=(self.label) maxlength="256"
                    autocomplete="off" autocapitalize="none" spellcheck="false" aria-keyshortcuts="/";
                kbd aria-hidden="true" { "/" }
                button type="submit" { (t.search) }
                @if !self.query.is_empty() { a.clear href=(address) { (t.show_all) } }
            }
        }
    }
}
