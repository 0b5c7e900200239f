//! A glob as an expression of the `regex` crate that matches at least what the glob matches. For a linter only.

use super::{Class, Glob, Token};

/// The texts that a placeholder may stand for.
const ANYTHING: &str = "(?s:.*)";

impl Glob {
    /// The expression. A placeholder stands for any text, and a `*` may be reconsidered, which Go never does.
    pub(in crate::authz) fn superset(&self) -> String {
        let mut expression = String::new();
        for chunk in &self.chunks {
            if chunk.star {
                expression.push_str("[^/]*");
            }
            chunk.tokens.iter().for_each(|token| expression.push_str(&token.superset()));
        }
        expression
    }
}

impl Token {
    fn superset(&self) -> String {
        match self {
            Self::Literal(bytes) => regex::escape(&String::from_utf8_lossy(bytes)),
            Self::Any => "[^/]".to_owned(),
            Self::Class(class) => class.superset(),
            Self::Hole(_) => ANYTHING.to_owned(),
        }
    }
}

impl Class {
    fn superset(&self) -> String {
        let range = |(first, last): &(char, char)| {
            format!("\\x{{{:x}}}-\\x{{{:x}}}", u32::from(*first), u32::from(*last))
        };
        // A range that runs backwards holds nothing.
        let ranges: String = self.ranges.iter().filter(|(first, last)| first <= last).map(range).collect();
        match (ranges.is_empty(), self.negated) {
            (true, true) => "(?s:.)".to_owned(),
            (true, false) => "[^\\x{0}-\\x{10ffff}]".to_owned(),
            (false, negated) => format!("[{}{ranges}]", if negated { "^" } else { "" }),
        }
    }
}
