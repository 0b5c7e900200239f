//! The guide to push an image to this registry: the commands, ready to be copied.

use maud::{Markup, html};

use crate::ui::{copyable::command, model::Frame};

/// The commands to push to `repository`, from signing in on.
pub(super) fn push_commands(frame: &Frame<'_>, repository: &str) -> Markup {
    let image = format!("{}/{repository}:latest", frame.host);
    html! {
        ol.guide {
            li { p { "Sign in with docker:" } (command(&format!("docker login {}", frame.host))) }
            li { p { "Give an image of yours a name in this registry:" } (command(&format!("docker tag my-image {image}"))) }
            li { p { "Push it:" } (command(&format!("docker push {image}"))) }
        }
    }
}
