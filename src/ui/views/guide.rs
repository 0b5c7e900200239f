//! The guide to push an image to this registry: the commands, ready to be copied.

use maud::{Markup, html};

use crate::ui::{
    copyable::command,
    link,
    model::{Frame, Visitor},
    path::PagePath,
};

/// The commands to push to `repository`, from signing in on.
pub(super) fn push_commands(frame: &Frame<'_>, repository: &str) -> Markup {
    let image = format!("{}/{repository}:latest", frame.host);
    html! {
        ol.guide {
            li { p { "Sign in with docker" (password(frame)) ":" } (command(&format!("docker login {}", frame.host))) }
            li { p { "Give an image of yours a name in this registry:" } (command(&format!("docker tag my-image {image}"))) }
            li { p { "Push it:" } (command(&format!("docker push {image}"))) }
        }
    }
}

/// The password of `docker login`: people who sign in at a provider have none but a token.
fn password(frame: &Frame<'_>) -> Markup {
    let makes_tokens = matches!(frame.visitor, Visitor::Account { makes_tokens: true, .. });
    html! {
        @if makes_tokens {
            ", with your password or a "
            a href=(link::to(frame, &PagePath::Tokens)) { "personal token" }
        }
    }
}
