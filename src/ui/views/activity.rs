//! The last push of a tag, and its pulls.

use maud::{Markup, html};

use crate::ui::{
    age::Age,
    amount::counted,
    model::{Done, Frame, TagActivity},
    untrusted::Untrusted,
};

/// A line below the name of a tag.
pub(super) fn line(frame: &Frame<'_>, activity: &TagActivity) -> Markup {
    let parts: Vec<Markup> = [
        activity.pushed.as_ref().map(|pushed| html! { "pushed " (done(frame, pushed)) }),
        pulls(frame, activity).map(|pulls| html! { (pulls) }),
    ]
    .into_iter()
    .flatten()
    .collect();
    html! {
        @if !parts.is_empty() {
            div.activity { @for (n, part) in parts.iter().enumerate() { @if n > 0 { " · " } span { (part) } } }
        }
    }
}

/// Facts of the page of an image.
pub(super) fn facts(frame: &Frame<'_>, activity: &TagActivity) -> Markup {
    html! {
        @if let Some(pushed) = &activity.pushed { div { dt { "Pushed" } dd { (done(frame, pushed)) } } }
        @if let Some(pulls) = pulls(frame, activity) { div { dt { "Use" } dd { (pulls) } } }
    }
}

fn done(frame: &Frame<'_>, Done { at, by }: &Done) -> Markup {
    html! {
        (Age { timestamp: *at, now: frame.now })
        @match by.as_deref() {
            None => {}
            Some("") => { " without an account" }
            Some(name) => { " by " (Untrusted(name)) }
        }
    }
}

/// `12 pulls in 30 days, last 3 hours ago`; `None` where none is known.
fn pulls(frame: &Frame<'_>, activity: &TagActivity) -> Option<Markup> {
    let last = activity.pulled.as_ref()?;
    let number = usize::try_from(activity.pulls).unwrap_or(usize::MAX);
    Some(html! { (counted(number, "pull", "pulls")) " in 30 days, last " (done(frame, last)) })
}
