//! Patterns: globs, Go's regular expressions, addresses, with or without placeholders, matched in three values.

pub(super) mod glob;
pub(super) mod glob_template;
pub(super) mod go_regex;
pub(super) mod ip;
pub(super) mod matchable;
pub(super) mod pattern;
pub(super) mod pattern_error;
pub(super) mod placeholder;
pub(super) mod template;
pub(super) mod tristate;
