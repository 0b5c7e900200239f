//! The last push of a tag, and its pulls.

use std::time::SystemTime;

use maud::{Markup, html};

use crate::ui::{
    age::Age,
    amount::counted,
    model::{Done, Frame, TagActivity},
    untrusted::Untrusted,
};

/// The cell of a tag: its push, the date in the image, and its pulls.
pub(super) fn cell(frame: &Frame<'_>, activity: Option<&TagActivity>, created: Option<SystemTime>) -> Markup {
    let pushed = activity.and_then(|activity| activity.pushed.as_ref());
    let pulls = activity.and_then(|activity| pulls(frame, activity));
    let created = created.map(|timestamp| Age { timestamp, now: frame.now });
    html! {
        span.two {
            @match (pushed, created) {
                (Some(pushed), _) => { span { (done(frame, pushed)) } }
                (None, Some(_)) => {}
                (None, None) => { span.quiet { "unknown" } }
            }
            @if let Some(created) = created { span.quiet { @if created.is_stated() { "created " } (created) } }
            @if let Some(pulls) = pulls { span.quiet.small { (pulls) } }
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

/// `3 hours ago by ci`.
pub(super) fn done(frame: &Frame<'_>, Done { at, by }: &Done) -> Markup {
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
