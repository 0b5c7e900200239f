//! The data of the page about the next rules.

use std::time::SystemTime;

/// The next rules, and the differences that they would make.
#[derive(Debug, Clone)]
pub struct NextRules {
    /// Their file.
    pub file: String,
    /// The end of the comparison.
    pub until: SystemTime,
    /// True if that has passed.
    pub has_ended: bool,
    /// The differences.
    pub rows: Vec<ShadowRow>,
    /// The number of requests with others.
    pub more: u64,
}

/// The kind of a difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Allowed, and denied by the next rules.
    Loss,
    /// Denied, and allowed by the next rules.
    Gain,
    /// Not known.
    Undecided,
}

/// A difference that the next rules would make.
#[derive(Debug, Clone)]
pub struct ShadowRow {
    /// The account; empty for the anonymous one.
    pub account: String,
    /// The kind of the difference.
    pub change: Change,
    /// `pull`, `push`, `delete`, `*`.
    pub action: String,
    /// The repository, or `catalog`.
    pub name: String,
    /// The number of requests.
    pub count: u64,
    /// The time of the first.
    pub first: SystemTime,
    /// The time of the last.
    pub last: SystemTime,
    /// The next rule that makes the difference; empty where it is undecided.
    pub rule: String,
}
