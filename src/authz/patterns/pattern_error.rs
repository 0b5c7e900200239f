//! The error for a pattern of any kind.

/// An error in a pattern. Displays the construct and the replacement to write.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}; {hint}")]
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
