//! Text to take along: the script puts a button beside each of these, which copies what stands in `data-copy`. The room
//! for it is there from the start, so that nothing moves; without the script, the text is there to be selected.

use maud::{Markup, html};

use super::{
    link,
    model::Frame,
    name::{Called, short},
    path::PagePath,
    untrusted::Untrusted,
};

/// A command line, in a box of its own.
pub(super) fn command(command: &str) -> Markup {
    html! {
        div.command { code data-copy=(Untrusted(command).to_string()) { (Untrusted(command)) } }
    }
}

/// A digest in short; all of it is copied, and shown in a tooltip.
pub(super) fn digest(digest: &str) -> Markup {
    on_one_line(digest, &short(digest))
}

/// A text that is cut where its room ends; all of it is copied, and shown in a tooltip.
pub(super) fn cut(text: &str) -> Markup {
    on_one_line(text, &Untrusted(text).to_string())
}

fn on_one_line(whole: &str, shown: &str) -> Markup {
    let whole = Untrusted(whole).to_string();
    html! { span.copyable { code.digest.line title=(whole) data-copy=(whole) { (shown) } } }
}

/// A digest with all its digits.
pub(super) fn whole_digest(digest: &str) -> Markup {
    html! { span.copyable { code.digest data-copy=(Untrusted(digest).to_string()) { (Untrusted(digest)) } } }
}

/// A digest that leads to its page. The button beside it is no part of the link.
pub(super) fn digest_of(frame: &Frame<'_>, name: &str, digest: &str) -> Markup {
    let whole = Untrusted(digest).to_string();
    let path = PagePath::by_digest(name, digest);
    html! {
        span.copyable {
            code.line title=(whole) data-copy=(whole) { (link::link(frame, path.as_ref(), short(digest))) }
        }
    }
}

/// Returns the command that pulls it by its tag: `docker pull host/name:tag`; by its digest where it has none.
pub(super) fn pull_command(frame: &Frame<'_>, called: Called<'_>) -> String {
    format!("{} pull {}", frame.tool.name(), reference(frame.host, called))
}

/// Returns its name for clients other than docker: `host/name:tag`.
pub(super) fn reference(host: &str, called: Called<'_>) -> String {
    match called.tag {
        Some(tag) => format!("{host}/{}:{tag}", called.name),
        None => pinned(host, called),
    }
}

/// The reference that always means the same: `host/name@digest`.
pub(super) fn pinned(host: &str, called: Called<'_>) -> String {
    format!("{host}/{}@{}", called.name, called.digest)
}
