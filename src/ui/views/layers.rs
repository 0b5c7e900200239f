//! The layers of an image beside the steps that made them.

use maud::{Markup, html};

use crate::{
    image::{Descriptor, HistoryEntry},
    ui::{
        amount::Size,
        build_step::BuildStep,
        copyable::digest,
        table::{Column, cell, head_cell, table},
        texts::Texts,
    },
};

/// A step and what came of it. A step may make no layer, and a layer may come without its step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct StepAndLayer<'a> {
    pub(super) step: Option<&'a HistoryEntry>,
    pub(super) layer: Option<&'a Descriptor>,
}

const STEP: Column = Column { label: |t| t.step, class: "ordinal" };
const CREATED_BY: Column = Column { label: |t| t.created_by, class: "main" };
const SIZE: Column = Column { label: |t| t.size, class: "number" };
const DIGEST: Column = Column { label: |t| t.layer, class: "" };

/// Layers and history, in the order in which they were made.
pub(super) fn layers(t: &Texts, layers: &[Descriptor], history: &[HistoryEntry]) -> Markup {
    let largest = layers.iter().map(|layer| layer.size).max().unwrap_or_default();
    let rows = html! {
        @for (at, pair) in paired(layers, history).into_iter().enumerate() {
            tr.without-layer[pair.layer.is_none()] role="row" {
                (cell(t, STEP, html! { (at + 1) }))
                (head_cell(CREATED_BY, created_by(t, pair.step)))
                (cell(t, SIZE, html! { @if let Some(layer) = pair.layer { (Size(layer.size)) (bar(layer.size, largest)) } @else { "–" } }))
                (cell(t, DIGEST, html! { @if let Some(layer) = pair.layer { (digest(&layer.digest)) } @else { span.quiet { (t.no_layer) } } }))
            }
        }
    };
    html! {
        section {
            h2 { (t.layers) }
            @if layers.is_empty() && history.is_empty() { p.note { (t.none) } } @else {
                (table(t, t.layers_in_order, &[STEP, CREATED_BY, SIZE, DIGEST], rows))
            }
        }
    }
}

/// The step, as its author wrote it.
pub(super) fn created_by(t: &Texts, step: Option<&HistoryEntry>) -> Markup {
    html! {
        @match step {
            Some(step) if !step.created_by.trim().is_empty() => { (BuildStep::parse(&step.created_by).render(t)) }
            Some(HistoryEntry { comment: Some(comment), .. }) => { (BuildStep::parse(comment).render(t)) }
            _ => { span.quiet { (t.not_stated) } }
        }
    }
}

/// Renders its size relative to the largest one; the number stands before it.
fn bar(size: u64, largest: u64) -> Markup {
    let share = u128::from(size) * 100 / u128::from(largest.max(1));
    html! {
        svg.bar aria-hidden="true" focusable="false" { rect width={ (share.max(1)) "%" } height="100%" {} }
    }
}

/// The history tells which steps made a layer; these get the layers in turn. What is left of either stands alone.
pub(super) fn paired<'a>(layers: &'a [Descriptor], history: &'a [HistoryEntry]) -> Vec<StepAndLayer<'a>> {
    let mut rest = layers.iter();
    let mut pairs: Vec<StepAndLayer<'a>> = history
        .iter()
        .map(|step| StepAndLayer {
            step: Some(step),
            layer: if step.empty_layer { None } else { rest.next() },
        })
        .collect();
    pairs.extend(rest.map(|layer| StepAndLayer { step: None, layer: Some(layer) }));
    pairs
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn layer(size: u64) -> Descriptor {
        let (media_type, digest) = (String::new(), format!("sha256:{size}"));
        Descriptor {
            media_type,
            digest,
            size,
            platform: None,
            artifact_type: None,
            annotations: BTreeMap::new(),
        }
    }

    fn step(empty_layer: bool) -> HistoryEntry {
        HistoryEntry { empty_layer, ..HistoryEntry::default() }
    }

    /// The sizes of the layers; 0 for none.
    fn sizes(layers: &[Descriptor], history: &[HistoryEntry]) -> Vec<(bool, u64)> {
        let pairs = paired(layers, history);
        pairs.iter().map(|pair| (pair.step.is_some(), pair.layer.map_or(0, |layer| layer.size))).collect()
    }

    #[test]
    fn steps_get_their_layers_in_turn() {
        let history = [step(false), step(true), step(false)];
        let found = sizes(&[layer(1), layer(2)], &history);
        assert_eq!(found, [(true, 1), (true, 0), (true, 2)]);
    }

    #[test]
    fn what_is_left_of_either_is_shown_too() {
        assert_eq!(sizes(&[layer(1), layer(2)], &[]), [(false, 1), (false, 2)]);
        assert_eq!(sizes(&[layer(1)], &[step(false), step(false)]), [(true, 1), (true, 0)]);
        assert_eq!(sizes(&[layer(1), layer(2)], &[step(true)]), [(true, 0), (false, 1), (false, 2)]);
    }

    #[test]
    fn a_bar_is_of_any_size() {
        assert!(bar(u64::MAX, u64::MAX).into_string().contains("width=\"100%\""));
        assert!(bar(0, 0).into_string().contains("width=\"1%\""));
    }
}
