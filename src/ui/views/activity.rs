//! The last push of a tag, and its pulls.

use std::time::SystemTime;

use maud::{Markup, html};

use crate::ui::{
    age::Age,
    model::{Done, Frame, TagActivity},
    untrusted::Untrusted,
};

/// The cell of a tag: its push, the date in the image, and its pulls.
pub(super) fn cell(frame: &Frame<'_>, activity: Option<&TagActivity>, created: Option<SystemTime>) -> Markup {
    let t = frame.texts();
    let pushed = activity.and_then(|activity| activity.pushed.as_ref());
    let pulls = activity.and_then(|activity| pulls(frame, activity));
    let created = created.map(|timestamp| Age::new(frame, timestamp));
    html! {
        span.two {
            @match (pushed, created) {
                (Some(pushed), _) => { span { (done(frame, pushed)) } }
                (None, Some(_)) => {}
                (None, None) => { span.quiet { (t.unknown) } }
            }
            @if let Some(created) = created { span.quiet { @if created.is_stated() { (t.created_at.with([&created])) } @else { (created) } } }
            @if let Some(pulls) = pulls { span.quiet.small { (pulls) } }
        }
    }
}

/// Facts of the page of an image.
pub(super) fn facts(frame: &Frame<'_>, activity: &TagActivity) -> Markup {
    let t = frame.texts();
    html! {
        @if let Some(pushed) = &activity.pushed { div { dt { (t.pushed) } dd { (done(frame, pushed)) } } }
        @if let Some(pulls) = pulls(frame, activity) { div { dt { (t.use_of_it) } dd { (pulls) } } }
    }
}

/// `3 hours ago by ci`.
pub(super) fn done(frame: &Frame<'_>, Done { at, by }: &Done) -> Markup {
    let t = frame.texts();
    let age = Age::new(frame, *at);
    match by.as_deref() {
        None => html! { (age) },
        Some("") => t.done_anonymously.with([&age]),
        Some(name) => t.done_by.with([&age, &Untrusted(name)]),
    }
}

/// `12 pulls in 30 days, last 3 hours ago`; `None` where none is known.
fn pulls(frame: &Frame<'_>, activity: &TagActivity) -> Option<Markup> {
    let t = frame.texts();
    let last = activity.pulled.as_ref()?;
    Some(t.pulls_last.with(activity.pulls, [&done(frame, last)]))
}
