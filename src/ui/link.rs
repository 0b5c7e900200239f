//! Links to pages: always from a [`PagePath`], so that no foreign text is an address here. Those to other sites are in
//! `outside.rs`.

use maud::{Markup, Render, html};

use super::{model::Frame, path::PagePath};
use crate::registry::Query;

/// The address of a page on this host, with the prefix.
pub(super) fn to(frame: &Frame<'_>, page: &PagePath) -> String {
    format!("{}{page}", frame.prefix)
}

/// The same with a query. Pairs without a value are left out.
pub(super) fn with(frame: &Frame<'_>, page: &PagePath, pairs: &[(&str, &str)]) -> String {
    let mut query = Query::default();
    for (key, value) in pairs.iter().filter(|(_, value)| !value.is_empty()) {
        query.set(key, value);
    }
    match query.to_string() {
        query if query.is_empty() => to(frame, page),
        query => format!("{}?{query}", to(frame, page)),
    }
}

/// The address of the page to sign in, which leads back to this one.
pub(super) fn to_sign_in(frame: &Frame<'_>) -> String {
    with(frame, &PagePath::SignIn, &[("next", frame.here)])
}

/// A link; where there is no such page, its text alone.
pub(super) fn link(frame: &Frame<'_>, page: Option<&PagePath>, text: impl Render) -> Markup {
    html! {
        @match page {
            Some(page) => { a href=(to(frame, page)) { (text) } }
            None => { (text) }
        }
    }
}
