//! Findings: their place in the file, and the words for an operator.

pub(super) mod encoding;
pub(super) mod finding;
pub(super) mod path;
pub(super) mod positions;
pub(super) mod suggestions;
pub(super) mod unusable_keys;
