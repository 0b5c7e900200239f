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
    let t = frame.texts();
    let (image, tool) = (format!("{}/{repository}:latest", frame.host), frame.tool.name());
    html! {
        ol.guide {
            li { p { (signing_in(frame)) } (command(&format!("{tool} login {}", frame.host))) }
            li { p { (t.push_name) } (command(&format!("{tool} tag my-image {image}"))) }
            li { p { (t.push_push) } (command(&format!("{tool} push {image}"))) }
        }
    }
}

/// The first step: people who sign in at a provider have no password but a token.
fn signing_in(frame: &Frame<'_>) -> Markup {
    let t = frame.texts();
    match frame.visitor {
        Visitor::Account { makes_tokens: true, .. } => {
            let token = html! { a href=(link::to(frame, &PagePath::Tokens)) { (t.personal_token) } };
            t.push_sign_in_with_token.with([&token])
        }
        _ => html! { (t.push_sign_in) },
    }
}
