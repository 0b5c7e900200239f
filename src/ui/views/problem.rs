//! The page about an error: the problem, and the way on.

use maud::{Markup, html};

use super::sign_in::try_again;
use crate::ui::{
    copyable::whole_digest,
    layout::Document,
    link,
    model::{Frame, Problem, ProblemKind, Visitor},
    name::Name,
    path::PagePath,
    texts::Texts,
    untrusted::of_the_log,
};

/// Renders the problem and the remedy.
pub fn problem(frame: &Frame<'_>, page: &Problem<'_>) -> String {
    let t = frame.texts();
    let Explained { title, message, said } = explained(t, &page.kind);
    let content = html! {
        p.status { (page.status) }
        h1 { (title) }
        p.lead { (message) @if let Some(seconds) = page.retry_after { " " (try_again(t, seconds)) } }
        @if let Some(said) = said { p.note { (t.server_says.with([&of_the_log(said)])) } }
        @if passes(page.status) { p { (t.reload_in_a_moment) } }
        p {
            @if may_be_for_an_account(frame, page.status) {
                a.button.primary href=(link::to_sign_in(frame)) { (t.sign_in) } " "
            }
            @if let Some((name, path)) = repository(frame) {
                a.button href=(link::to(frame, &path)) { (t.go_to_repository.with([&Name(&name)])) } " "
            }
            a.button href=(link::to(frame, &PagePath::Repositories)) { (t.go_to_repositories) }
        }
        @if !page.request_id.is_empty() {
            dl.facts { div.long { dt { (t.request_id) } dd { (whole_digest(page.request_id)) } } }
        }
    };
    Document { title, path: None, class: "problem" }.render(frame, &content)
}

/// A problem in words.
struct Explained<'a> {
    title: &'static str,
    /// The meaning of it.
    message: Markup,
    /// The sentence of the server about it, in English, as its log has it.
    said: Option<&'a str>,
}

fn explained<'a>(t: &'static Texts, kind: &ProblemKind<'a>) -> Explained<'a> {
    let (title, message, said) = match *kind {
        ProblemKind::NoPage => (t.no_page, t.no_page_explained.with([]), None),
        ProblemKind::Method => (t.wrong_method, t.wrong_method_explained.with([]), None),
        ProblemKind::NotFound => (t.not_found, t.not_found_explained.with([]), None),
        ProblemKind::Denied(why) => (t.may_not, t.may_not_explained.with([]), Some(why)),
        ProblemKind::NotSignedIn(why) => {
            (t.not_signed_in_title, t.not_signed_in_explained.with([]), Some(why))
        }
        ProblemKind::Forged => (t.forged, t.forged_explained.with([]), None),
        ProblemKind::Changed => (t.changed, t.changed_explained.with([]), None),
        ProblemKind::NoDeletion => (t.no_deletion, t.no_deletion_explained.with([]), None),
        ProblemKind::Redirects => (t.strange, t.redirects_explained.with([]), None),
        ProblemKind::Strange => (t.strange, t.strange_explained.with([]), None),
        ProblemKind::NoAnswer(why) => (t.no_answer, t.no_answer_explained.with([]), Some(why)),
        ProblemKind::Unavailable(why) => (t.not_available, t.not_available_explained.with([]), Some(why)),
        ProblemKind::TooMany(why) => (t.too_many, t.too_many_explained.with([]), Some(why)),
        ProblemKind::WrongPassword => (t.wrong_name_or_password, html! { (t.wrong_password_hint) }, None),
        ProblemKind::Failed(why) => (t.did_not_work, t.did_not_work_explained.with([]), Some(why)),
    };
    Explained { title, message, said }
}

/// The repository that the address names, and its page, unless that is the address. It need not be there, nor the visitor
/// see it: nothing is said of it that the address does not say.
fn repository(frame: &Frame<'_>) -> Option<(String, PagePath)> {
    let path = frame.here.strip_prefix(frame.prefix)?.split('?').next()?;
    match PagePath::parse(path)? {
        PagePath::Image(name, _)
        | PagePath::Compare(name)
        | PagePath::Delete(name, _)
        | PagePath::DeleteTag(name, _)
        | PagePath::DeleteTags(name) => Some((name.to_string(), PagePath::Repository(name))),
        _ => None,
    }
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
