//! The page about an error: the problem, and the way on.

use maud::html;

use crate::ui::{
    copyable::whole_digest,
    layout::Document,
    link,
    model::{Frame, Problem, Visitor},
    path::PagePath,
    untrusted::Untrusted,
};

/// Renders the problem and the remedy.
pub fn problem(frame: &Frame<'_>, page: &Problem<'_>) -> String {
    let title = Untrusted(page.title).to_string();
    let content = html! {
        p.status { (page.status) }
        h1 { (title) }
        p.lead { (Untrusted(page.message)) }
        @if passes(page.status) { p { "Reload this page in a moment." } }
        p {
            @if may_be_for_an_account(frame, page.status) {
                a.button.primary href=(link::to_sign_in(frame)) { "Sign in" } " "
            }
            a.button href=(link::to(frame, &PagePath::Repositories)) { "Go to the repositories" }
        }
        @if !page.request_id.is_empty() {
            dl.facts { div.long { dt { "Request ID: name it when you ask for help" } dd { (whole_digest(page.request_id)) } } }
        }
    };
    Document { title: &title, path: None, class: "problem" }.render(frame, &content)
}

/// Returns whether an account may see what the anonymous one may not. The answer is the same for what is not there at
/// all.
fn may_be_for_an_account(frame: &Frame<'_>, status: u16) -> bool {
    matches!(frame.visitor, Visitor::Anonymous) && matches!(status, 403 | 404)
}

/// Returns true if the same request may well succeed later.
fn passes(status: u16) -> bool {
    matches!(status, 429 | 502 | 503 | 504)
}
