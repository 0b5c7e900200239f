//! Text to take along: the script puts a button beside each of these, which copies what stands in `data-copy`. The room for
//! it is there from the start, so that nothing moves; without the script, the text is there to be selected.

use maud::{Markup, html};

use super::{
    name::{Called, short},
    untrusted::Untrusted,
};

/// A command line, in a box of its own.
pub(super) fn command(command: &str) -> Markup {
    html! {
        div.command { code data-copy=(Untrusted(command).to_string()) { (Untrusted(command)) } }
    }
}

/// A digest in short; all of it is copied, and shown to whoever points at it.
pub(super) fn digest(digest: &str) -> Markup {
    html! {
        span.copyable {
            code.digest title=(Untrusted(digest).to_string()) data-copy=(Untrusted(digest).to_string()) { (short(digest)) }
        }
    }
}

/// A digest with all its digits.
pub(super) fn whole_digest(digest: &str) -> Markup {
    html! { span.copyable { code.digest data-copy=(Untrusted(digest).to_string()) { (Untrusted(digest)) } } }
}

/// What docker takes to pull it, by its tag when it has one: `docker pull host/name:tag`.
pub(super) fn pull_command(host: &str, called: Called<'_>) -> String {
    match called.tag {
        Some(tag) => format!("docker pull {host}/{}:{tag}", called.name),
        None => format!("docker pull {}", pinned(host, called)),
    }
}

/// The reference that always means the same: `host/name@digest`.
pub(super) fn pinned(host: &str, called: Called<'_>) -> String {
    format!("{host}/{}@{}", called.name, called.digest)
}
