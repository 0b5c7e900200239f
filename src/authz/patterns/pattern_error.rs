//! The error for a pattern of any kind.

use std::fmt;

/// An error in a pattern. Displays the construct and the replacement to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PatternError {
    /// The problem, naming the construct.
    pub message: String,
    /// The next step.
    pub hint: String,
}

impl PatternError {
    pub(in crate::authz) fn new(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { message: message.into(), hint: hint.into() }
    }
}

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.message, self.hint)
    }
}

impl std::error::Error for PatternError {}
