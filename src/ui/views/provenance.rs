//! The claims of builders about how something was made, in words; and a README, as text.

use maud::{Markup, html};

use crate::ui::{
    age::Age,
    copyable::{cut, digest_of},
    model::{Claim, Frame},
    outside::outside,
    table::{Column, cell, head_cell, table},
    texts::Texts,
    untrusted::Untrusted,
};

/// Inputs of a build that are shown.
const MATERIALS: usize = 100;

const INPUT: Column = Column { label: |t| t.input, class: "main" };
const DIGEST: Column = Column { label: |t| t.digest, class: "" };

/// Renders a README. Its marks stay marks: nothing of it becomes a picture, a link or a heading.
pub(super) fn readme(text: Option<&str>) -> Markup {
    html! {
        @if let Some(text) = text {
            section { h2 { "README" } pre.readme tabindex="0" aria-label="README" { (Untrusted(text)) } }
        }
    }
}

/// Renders the claims; nothing if there are none.
pub(super) fn claims(frame: &Frame<'_>, name: &str, claims: &[Claim]) -> Markup {
    let t = frame.texts();
    html! {
        @if !claims.is_empty() {
            section {
                h2 { (t.how_it_was_made) " " span.chip.badge { (t.claimed) } }
                p.note { (t.claimed_explained) }
                @for one in claims { (claim(frame, name, one)) }
            }
        }
    }
}

fn claim(frame: &Frame<'_>, name: &str, claim: &Claim) -> Markup {
    let (t, made) = (frame.texts(), &claim.provenance);
    let text = |text: &Option<String>| text.as_deref().map(|text| html! { (Untrusted(text)) });
    let address = |text: &Option<String>| text.as_deref().map(outside);
    let time = |timestamp: Option<_>| timestamp.map(|timestamp| html! { (Age::new(frame, timestamp)) });
    let facts: Vec<(&str, Markup)> = [
        (t.platform, text(&claim.platform)),
        (t.builder, address(&made.builder)),
        (t.source, address(&made.source)),
        (t.commit, made.commit.as_deref().map(cut)),
        (t.file, text(&made.entry_point)),
        (t.build_started, time(made.started)),
        (t.build_finished, time(made.finished)),
        (t.kind_of_build, address(&made.build_type)),
        (t.attestation, claim.digest.as_deref().map(|digest| digest_of(frame, name, digest))),
    ]
    .into_iter()
    .filter_map(|(label, fact)| Some((label, fact?)))
    .collect();
    html! {
        @if claim.is_about_it == Some(false) { div.notice.bad role="status" { p { (t.about_something_else) } } }
        dl.facts.about { @for (label, fact) in &facts { div { dt { (label) } dd { (fact) } } } }
        @if !made.materials.is_empty() { (materials(t, claim)) }
    }
}

fn materials(t: &Texts, claim: &Claim) -> Markup {
    let all = &claim.provenance.materials;
    let rows = html! {
        @for material in all.iter().take(MATERIALS) {
            tr role="row" {
                (head_cell(INPUT, outside(&material.uri)))
                (cell(t, DIGEST, html! {
                    @if let Some(digest) = &material.digest { (cut(digest)) } @else { span.quiet { (t.not_stated) } }
                }))
            }
        }
    };
    html! {
        details.card {
            summary { (t.inputs_counted.of(all.len())) }
            (table(t, t.inputs, &[INPUT, DIGEST], rows))
            @if all.len() > MATERIALS { p.note { (t.more_not_listed.of(all.len() - MATERIALS)) } }
        }
    }
}
