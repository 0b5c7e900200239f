//! The source of a decision, for a page in any language.

/// The source of a decision of the rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Basis {
    /// No rule matches.
    NoRule,
    /// A rule of `acl`.
    Rule {
        /// Its number, from 1.
        number: usize,
        /// Its line in the configuration, from 1.
        line: usize,
        /// The way in which it decides.
        how: RuleMatch,
        /// The tags that it is about, as written, if it is about some only.
        tags: Option<String>,
        /// The operator's own words, where they are shown.
        comment: Option<String>,
    },
    /// Another one, in the words of the log.
    Other(String),
}

/// The way in which a rule decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RuleMatch {
    /// It is the first that matches.
    Matches,
    /// It may match or not.
    Unclear,
    /// It decides for some tags.
    SomeTags,
}
