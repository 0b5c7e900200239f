//! A pattern of an ACL: text, a glob or a regular expression, with or without placeholders.
//!
//! Its kind is fixed at load. Patterns with placeholders are matched in `template`.

use super::{
    glob::Glob,
    go_regex::{self, GoRegex},
    pattern_error::PatternError,
    placeholder::{Field, Placeholder, Scanned, Symbol},
    template::{Template, Values},
    tristate::Tristate,
};

/// A compiled pattern.
#[derive(Debug, Clone)]
pub(in crate::authz) enum Pattern {
    Text(Box<[u8]>),
    Glob(Glob),
    Regex(Box<GoRegex>),
    Template(Box<Template>),
}

/// The expression of a pattern that is a regular expression: longer than two bytes and wrapped in slashes.
pub(in crate::authz) fn expression(pattern: &str) -> Option<&str> {
    if pattern.len() <= 2 {
        return None;
    }
    pattern.strip_prefix('/')?.strip_suffix('/')
}

/// Returns the number of groups of a regular expression; `None` for other patterns, and for one that cannot be read.
pub(in crate::authz) fn groups(pattern: &str) -> Option<usize> {
    let symbols: Vec<Symbol> = expression(pattern)?.chars().map(Symbol::Char).collect();
    go_regex::groups(&symbols)
}

impl Pattern {
    /// Compiles `text`, whose placeholders were found by `Scope::scan`.
    ///
    /// # Errors
    /// A malformed glob, a regular expression that Go refuses or that has no exact translation, and a placeholder
    /// where its value would not be a plain piece of text.
    pub(in crate::authz) fn compile(text: &str, scanned: Scanned) -> Result<Self, PatternError> {
        let has_placeholders = !scanned.placeholders.is_empty();
        if let Some(expression) = expression(text) {
            // As in docker_auth, it must be valid as it is written, too.
            let regex = GoRegex::compile(expression)?;
            return Ok(if has_placeholders {
                Self::Template(Template::expression(scanned)?.into())
            } else {
                Self::Regex(regex.into())
            });
        }
        let glob = Glob::compile_symbols(&scanned.symbols)?;
        Ok(match glob.as_literal() {
            Some(text) => Self::Text(text.into()),
            None if has_placeholders => Self::Template(Template::glob(glob, scanned).into()),
            None => Self::Glob(glob),
        })
    }

    /// Ranks the cost of a match, so that cheap patterns are asked first.
    pub(in crate::authz) fn cost(&self) -> u8 {
        match self {
            Self::Text(_) => 0,
            Self::Glob(_) => 1,
            Self::Template(template) if !template.is_expression() => 2,
            Self::Regex(_) => 3,
            Self::Template(_) => 4,
        }
    }

    /// The labels whose values it takes in.
    pub(in crate::authz) fn labels(&self) -> impl Iterator<Item = &str> {
        self.template().into_iter().flat_map(Template::placeholders).filter_map(|placeholder| {
            match placeholder {
                Placeholder::Label(label) => Some(label.as_str()),
                _ => None,
            }
        })
    }

    /// The fields whose captured groups it needs.
    pub(in crate::authz) fn captured_fields(&self) -> impl Iterator<Item = Field> {
        self.template().into_iter().flat_map(Template::placeholders).filter_map(|p| match p {
            Placeholder::Capture(field, _) => Some(*field),
            _ => None,
        })
    }

    /// It, where it has placeholders.
    pub(in crate::authz) fn template(&self) -> Option<&Template> {
        if let Self::Template(template) = self { Some(template) } else { None }
    }

    /// The only text that it matches, when it is neither a wildcard nor an expression nor a placeholder.
    pub(in crate::authz) fn as_text(&self) -> Option<&str> {
        if let Self::Text(text) = self { std::str::from_utf8(text).ok() } else { None }
    }

    /// The bytes that every subject begins with which matches, or may match; empty where none are certain. Only a value
    /// that is syntax lets a pattern that [`Pattern::is_loose`] match others.
    pub(in crate::authz) fn literal_prefix(&self) -> &[u8] {
        match self {
            Self::Text(text) => text,
            Self::Glob(glob) => glob.literal_prefix(),
            Self::Regex(regex) => regex.literal_prefix().as_bytes(),
            Self::Template(template) => template.literal_prefix(),
        }
    }

    /// Returns whether values of a question can change what the expression around them means.
    pub(in crate::authz) fn is_loose(&self) -> bool {
        self.template().is_some_and(Template::is_loose)
    }

    /// Returns true if it matches `subject` in every question: never where it has placeholders.
    pub(in crate::authz) fn always_matches(&self, subject: &str) -> bool {
        match self {
            Self::Text(text) => subject.as_bytes() == &**text,
            Self::Glob(glob) => glob.is_match(subject),
            Self::Regex(regex) => regex.is_match(subject),
            Self::Template(_) => false,
        }
    }

    /// Matches `subject` against it.
    pub(in crate::authz) fn fit<'q>(&self, subject: &str, values: &impl Values<'q>) -> Tristate {
        match self {
            Self::Template(template) => template.fit(subject, values),
            _ => Tristate::from_bool(self.always_matches(subject)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authz::patterns::placeholder::Scope;

    #[test]
    fn a_prefix_ends_at_the_first_wildcard_or_placeholder() {
        let scope = Scope { groups: [(Field::Account, 1)].into(), in_label: None };
        for (text, prefix) in [
            ("team-12/*", "team-12/"),
            ("a\\*b?c", "a*b"),
            ("a\\[b[c]d", "a[b"),
            ("\\é*", "é"),
            ("abc", "abc"),
            ("*a", ""),
            ("?a", ""),
            ("[a]b", ""),
            ("", ""),
            ("//", "//"),
            ("${account}/*", ""),
            ("a/${account}/*", "a/"),
            ("a-${labels:g}", "a-"),
            ("${ip}a*", "${ip}a"),
            ("/^a-${account:1}b/", "a-"),
            ("/^${labels:g}a/", ""),
            ("/^a-b\\/.*$/", "a-b/"),
            ("/a-b/", ""),
            ("/(?i)^a${account}/", ""),
        ] {
            let pattern = Pattern::compile(text, scope.scan(text)).unwrap();
            assert_eq!(pattern.literal_prefix(), prefix.as_bytes(), "{text}");
        }
    }
}
