//! Three values: a condition holds, it does not, or that cannot be told.
//!
//! The effect of "cannot be told" on a decision is defined in `policy`.

use std::fmt;

/// The result of testing a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::authz) enum Tristate {
    Yes,
    No,
    Unclear(Doubt),
}

/// The reason why it is unclear whether a condition holds. Displays as a clause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doubt {
    /// A value is taken as text here, and docker_auth would read it as a pattern: the two give different answers.
    Syntax,
    /// The values of labels have too many combinations to try them all.
    Combinations,
    /// The text is too long for the expression.
    Length,
    /// The client has no known address.
    Address,
}

impl Tristate {
    /// Holds where any of `fits` does.
    pub(in crate::authz) fn any(fits: impl IntoIterator<Item = Self>) -> Self {
        let mut any = Self::No;
        for fit in fits {
            match fit {
                Self::Yes => return fit,
                Self::Unclear(_) => any = fit,
                Self::No => {}
            }
        }
        any
    }

    pub(in crate::authz) fn from_bool(holds: bool) -> Self {
        if holds { Self::Yes } else { Self::No }
    }
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Syntax => "a value has characters that docker_auth reads as part of the pattern",
            Self::Combinations => "the labels have too many combinations of values",
            Self::Length => "the text is too long for the expression",
            Self::Address => "the client's address is not known",
        })
    }
}
