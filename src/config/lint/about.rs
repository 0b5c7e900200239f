//! What a rule can be asked about by a request to the registry: a repository, the catalogue, or neither of the two.
//!
//! A rule for another service or another type of resource is left alone: tokens are signed for those, too.

use crate::authz::{Example, PatternShape};

/// What a rule can decide about.
pub(super) struct About {
    pub(super) repository: bool,
    pub(super) registry: bool,
}

impl About {
    /// Reads the patterns of a rule; `service` is our own.
    pub(super) fn of(shapes: &[PatternShape<'_>], service: &str) -> Self {
        let ours = may_match(shape_of(shapes, "service"), service);
        let may_be = |kind: &str| ours && may_match(shape_of(shapes, "type"), kind);
        Self { repository: may_be("repository"), registry: may_be("registry") }
    }
}

/// The pattern of a field.
pub(super) fn shape_of<'s, 'r>(shapes: &'s [PatternShape<'r>], key: &str) -> Option<&'s PatternShape<'r>> {
    shapes.iter().find(|shape| shape.key == key)
}

/// Whether a condition can hold for `text`; one that is absent always does.
pub(super) fn may_match(shape: Option<&PatternShape<'_>>, text: &str) -> bool {
    shape.is_none_or(|shape| match &shape.literal {
        Some(literal) => literal == text,
        None => shape.example(&regex::escape(text)) != Example::None,
    })
}
