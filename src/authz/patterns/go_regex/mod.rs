//! Regular expressions of Go (RE2 syntax, Go 1.24), exact or refused.
//!
//! `parse` and `class` read the syntax, `emit` writes it for the `regex` crate, and `program` runs expressions with
//! placeholders, whose values the crate would have to compile again for each request. `anchors` looks at one.

mod anchors;
mod ast;
mod class;
mod emit;
mod parse;
mod program;
mod unicode;

use regex::bytes;

use super::{pattern_error::PatternError, placeholder::Symbol};
pub(in crate::authz) use anchors::{groups, open_ends};
use ast::{Look, Node};
pub(in crate::authz) use program::{Dots, Program};

/// The most memory that one compiled expression may take, in bytes.
const SIZE_LIMIT: usize = 4 << 20;

/// Matches nothing, in the notation of the `regex` crate: what is compiled by [`GoRegex`] has no placeholders.
const NOTHING: &str = "[a&&b]";

/// A compiled regular expression without placeholders. Unanchored, as in Go.
///
/// Matching takes time linear in the subject.
#[derive(Debug, Clone)]
pub struct GoRegex {
    regex: bytes::Regex,
    /// True if an empty match inside a character is possible: with `\B`, which looks at bytes.
    splits_characters: bool,
    /// The number of groups, the whole match not counted. The crate drops those in `(a){0}` from the end.
    groups: usize,
    prefix: Box<str>,
}

impl GoRegex {
    /// Compiles an expression, without the slashes around it.
    ///
    /// # Errors
    /// What Go refuses, what has no exact translation, and what is too large; each says which construct it is.
    pub fn compile(expression: &str) -> Result<Self, PatternError> {
        let symbols: Vec<Symbol> = expression.chars().map(Symbol::Char).collect();
        let node = parse::parse(&symbols)?;
        let (mut splits_characters, mut groups) = (false, 0);
        node.walk(false, &mut |node, _| match node {
            Node::Look(Look::NotWordBoundary) => splits_characters = true,
            Node::Group { captures: true, .. } => groups += 1,
            _ => {}
        });
        let regex = build(&emit::pattern(&node, NOTHING))?;
        let prefix = anchors::literal_prefix(&node).into();
        Ok(Self { regex, splits_characters, groups, prefix })
    }

    /// Returns true if `subject` holds a match.
    pub fn is_match(&self, subject: &str) -> bool {
        if self.splits_characters {
            return self.regex.find_iter(subject.as_bytes()).any(|m| subject.is_char_boundary(m.start()));
        }
        self.regex.is_match(subject.as_bytes())
    }

    /// The groups of the leftmost match; index 0 is the match. A group that took no part is empty, as in Go.
    pub fn captures<'s>(&self, subject: &'s str) -> Option<Vec<&'s str>> {
        let on_boundary =
            |c: &bytes::Captures<'_>| c.get(0).is_some_and(|m| subject.is_char_boundary(m.start()));
        let captures = self.regex.captures_iter(subject.as_bytes()).find(on_boundary)?;
        let text =
            |group: Option<bytes::Match<'_>>| group.and_then(|m| subject.get(m.range())).unwrap_or_default();
        Some((0..=self.groups).map(|index| text(captures.get(index))).collect())
    }

    /// The text that every subject with a match begins with; empty where none is certain.
    pub(in crate::authz) fn literal_prefix(&self) -> &str {
        &self.prefix
    }
}

/// An expression of the `regex` crate that matches where this one can, with any text for each placeholder; `None` when
/// it does not parse.
pub(in crate::authz) fn superset(expression: &[Symbol]) -> Option<String> {
    Some(emit::pattern(&parse::parse(expression).ok()?, "(?s:.*)"))
}

/// Compiles for the `regex` crate. Unicode classes, but text is bytes: `\B` of ASCII words needs that.
fn build(pattern: &str) -> Result<bytes::Regex, PatternError> {
    bytes::RegexBuilder::new(pattern).size_limit(SIZE_LIMIT).nest_limit(2_000).build().map_err(|error| {
        let what = match error {
            regex::Error::CompiledTooBig(_) => "the regular expression is too large".to_owned(),
            other => format!("the regular expression cannot be translated: {other}"),
        };
        PatternError::new(what, "use smaller repetition counts, or `[a-z]` instead of Unicode classes")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(expression: &str, subject: &str) -> bool {
        GoRegex::compile(expression).unwrap().is_match(subject)
    }

    #[test]
    fn reads_what_only_go_reads_that_way() {
        let yes = [
            ("^a{$", "a{"),
            ("^a{,2}$", "a{,2}"),
            ("^a{01}$", "a{01}"),
            ("^[a&&b]$", "&"),
            ("^[[a]$", "["),
            ("^\\<$", "<"),
            ("^\\Qa.b\\E$", "a.b"),
            ("^\\101$", "A"),
            ("^\\0$", "\0"),
            ("\\p{^Greek}", "a"),
            ("^\\pN$", "٣"),
            ("^(?P<n>a)(?P<n>b)$", "ab"),
            ("^(?P<1>a)$", "a"),
            ("^(?<n>a)$", "a"),
            ("^[\\w--]$", "-"),
            ("^[a~~b]$", "~"),
            ("^a(?i)*$", "aaa"),
            ("^[]a]$", "]"),
            ("^[^]]$", "a"),
            ("(?i)^k$", "\u{212A}"),
            ("^.$", "\r"),
            ("(?s)^.$", "\n"),
            ("^[[:^alpha:]]$", "é"),
            ("\\z", "a"),
            ("^#$", "#"),
            ("(?i)^\\w$", "ſ"),
            ("(?)a", "a"),
        ];
        for (expression, subject) in yes {
            assert!(matches(expression, subject), "{expression:?} on {subject:?}");
        }
        let no = [
            ("a$", "a\n"),
            ("^\\s$", "\u{b}"),
            ("^\\d$", "٣"),
            ("^\\w$", "é"),
            ("\\B", "aéb"),
            ("^.$", "\n"),
            ("(?i)^\\W$", "ſ"),
            ("^\\s$", "\u{85}"),
            ("^[^\\D]$", "x"),
        ];
        for (expression, subject) in no {
            assert!(!matches(expression, subject), "{expression:?} on {subject:?}");
        }
    }

    #[test]
    fn refuses_by_name() {
        for (expression, names) in [
            ("a**", "repetition of a repetition"),
            ("*", "repetition of nothing"),
            ("a|*", "repetition of nothing"),
            ("(?x)a", "(?"),
            ("(?R)", "(?"),
            ("(?=a)", "(?"),
            ("(?<=a)", "group name"),
            ("\\C", "\\C"),
            ("\\1", "back-reference"),
            ("\\Z", "\\Z"),
            ("\\p{Letter}", "Letter"),
            ("\\p{greek}", "greek"),
            ("\\p{C}", "\"C\""),
            ("a{1001}", "1000"),
            ("a{2,1}", "backwards"),
            ("(a{500}){3}", "nested repetition"),
            ("[z-a]", "backwards"),
            ("[[:foo:]]", "foo"),
            ("(a", "not closed"),
            ("a)", "unexpected"),
            ("[a", "not closed"),
            ("a\\", "lone"),
            ("\\x{110000}", "110000"),
            ("\\x{D800}", "D800"),
            ("\\8", "\\8"),
            ("\\é", "\\é"),
            ("(?i-)a", "(?"),
            ("\\pL{900}", "too large"),
        ] {
            let error = GoRegex::compile(expression).expect_err(expression).to_string();
            assert!(error.contains(names), "{expression:?}: {error}");
        }
        let deep = format!("{}a{}", "(".repeat(5_000), ")".repeat(5_000));
        assert!(GoRegex::compile(&deep).is_err());
    }

    #[test]
    fn groups_are_those_of_go() {
        let groups = |e: &str, s: &str| {
            let found = GoRegex::compile(e).unwrap();
            found.captures(s).map(|c| c.into_iter().map(str::to_owned).collect::<Vec<_>>())
        };
        assert_eq!(groups("^(a)?(b)?$", "b").unwrap(), ["b", "", "b"]);
        assert_eq!(groups("(?U)(a+)(a*)", "aaa").unwrap(), ["a", "a", ""]);
        assert_eq!(groups("(?:x)(.)\\B", "xéé").unwrap(), ["xé", "é"]);
        assert_eq!(groups("(a){0}(b)(c){0}", "b").unwrap(), ["b", "", "b", ""]);
        assert!(groups("^b$", "a").is_none());
    }
}
