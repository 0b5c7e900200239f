//! The resources that a rule can decide about for a request to the registry: a repository, the catalogue, or neither.
//!
//! A rule for another service or another type of resource is left alone: tokens are signed for those, too.

use std::collections::HashMap;

use crate::authz::{Example, PatternShape, RuleSettings, shapes};

/// The resources that a rule can decide about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::config) struct Resources {
    /// True if it can be asked about our own service.
    pub(super) ours: bool,
    /// True if its type can be `repository`.
    pub(super) repository: bool,
    /// True if its type can be `registry`.
    pub(super) registry: bool,
}

impl Resources {
    /// Reads the patterns of all rules; `service` is our own.
    pub(super) fn all(rules: &[RuleSettings], service: &str) -> Vec<Self> {
        // Most rules have the same few patterns for type and service.
        let mut known = HashMap::new();
        let mut may = |shape: Option<&PatternShape<'_>>, text: &str| match shape {
            Some(s) if s.literal.is_none() => {
                let key = (s.text.to_owned(), s.plain.clone(), text.to_owned());
                *known.entry(key).or_insert_with(|| may_match(shape, text))
            }
            _ => may_match(shape, text),
        };
        let of = |rule: &RuleSettings| {
            let shapes = shapes(rule);
            let kind = shape_of(&shapes, "type");
            let ours = may(shape_of(&shapes, "service"), service);
            Self { ours, repository: may(kind, "repository"), registry: may(kind, "registry") }
        };
        rules.iter().map(of).collect()
    }
}

/// The pattern of a field.
pub(super) fn shape_of<'s, 'r>(shapes: &'s [PatternShape<'r>], key: &str) -> Option<&'s PatternShape<'r>> {
    shapes.iter().find(|shape| shape.key == key)
}

/// Returns whether a condition can hold for `text`; one that is absent always does.
pub(super) fn may_match(shape: Option<&PatternShape<'_>>, text: &str) -> bool {
    shape.is_none_or(|shape| match &shape.literal {
        Some(literal) => literal == text,
        None => shape.example(&regex::escape(text)) != Example::None,
    })
}
