//! Finds the anchors and the literal start of an expression. Matching does not need them; a linter and the index of a
//! policy do.

use super::{
    ast::{Look, Node},
    parse::{is_dot, parse},
};
use crate::authz::patterns::placeholder::Symbol;

/// The ends of an expression that are left open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::authz) struct OpenEnds {
    /// Text may stand before a match, and nothing says so.
    pub(in crate::authz) start: bool,
    /// Text may stand behind a match, and nothing says so.
    pub(in crate::authz) end: bool,
}

/// The open ends of an expression, without the slashes around it; `None` when it does not parse.
///
/// An end is not open where every way through the expression has `^` or `$` there, or says itself that
/// anything may stand there, with `.*` or `.+`.
pub(in crate::authz) fn open_ends(expression: &[Symbol]) -> Option<OpenEnds> {
    let node = parse(expression).ok()?;
    Some(OpenEnds { start: !is_fixed(&node, End::Start), end: !is_fixed(&node, End::End) })
}

/// Returns the number of groups of an expression; `None` when it does not parse.
pub(in crate::authz) fn groups(expression: &[Symbol]) -> Option<usize> {
    let mut groups = 0;
    parse(expression).ok()?.walk(false, &mut |node, _| {
        groups += usize::from(matches!(node, Node::Group { captures: true, .. }));
    });
    Some(groups)
}

/// The text that every subject with a match begins with; empty where none is certain.
pub(super) fn literal_prefix(node: &Node) -> String {
    let mut prefix = Prefix::default();
    prefix.add(node);
    prefix.text
}

/// The part read so far of an expression that begins with `^`.
#[derive(Default)]
struct Prefix {
    anchored: bool,
    text: String,
}

impl Prefix {
    /// Adds the text of `node`. Returns true if the text goes on after it: only where `node` is nothing but text of its
    /// own.
    fn add(&mut self, node: &Node) -> bool {
        match node {
            Node::Empty => true,
            Node::Look(Look::TextStart) if self.text.is_empty() => {
                self.anchored = true;
                true
            }
            Node::Literal { c, fold: false } if self.anchored => {
                self.text.push(*c);
                true
            }
            Node::Group { inner, .. } => self.add(inner),
            Node::Concat(nodes) => nodes.iter().all(|node| self.add(node)),
            _ => false,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Start,
    End,
}

fn is_fixed(node: &Node, end: End) -> bool {
    match node {
        Node::Look(look) => *look == if end == End::Start { Look::TextStart } else { Look::TextEnd },
        Node::Group { inner, .. } => is_fixed(inner, end),
        Node::Alternate(branches) => branches.iter().all(|branch| is_fixed(branch, end)),
        Node::Concat(nodes) => outermost(nodes, end).is_some_and(|node| is_fixed(node, end)),
        Node::Repeat(repeat) => {
            let anything = repeat.max.is_none() && repeat.min <= 1 && is_dot(&repeat.inner);
            anything || (repeat.min > 0 && is_fixed(&repeat.inner, end))
        }
        _ => false,
    }
}

fn outermost(nodes: &[Node], end: End) -> Option<&Node> {
    match end {
        End::Start => nodes.first(),
        End::End => nodes.last(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends(expression: &str) -> (bool, bool) {
        let symbols: Vec<Symbol> = expression.chars().map(Symbol::Char).collect();
        open_ends(&symbols).map(|open| (open.start, open.end)).unwrap()
    }

    #[test]
    fn a_prefix_is_only_what_every_match_begins_with() {
        let prefix = |expression: &str| {
            let symbols: Vec<Symbol> = expression.chars().map(Symbol::Char).collect();
            literal_prefix(&parse(&symbols).unwrap())
        };
        for (expression, text) in [
            ("^team-12\\/.+$", "team-12/"),
            ("\\Aa.b", "a"),
            ("^^(a(?:b))c\\.", "abc."),
            ("^\\Qa.b\\E$", "a.b"),
            ("^(?s)é\\x41[b]", "éA"),
            ("^(?i)(?-i)ab", "ab"),
            ("^ab+", "a"),
            ("^ab?", "a"),
            ("^a{", "a{"),
            ("(^a)b", "ab"),
            ("^(?:)a", "a"),
        ] {
            assert_eq!(prefix(expression), text, "{expression}");
        }
        for expression in [
            "", "a", "^", ".*a", "^a|b", "^a|^b", "^(a|b)c", "(?i)^a", "^(?i)a", "(?i:^a)", "(?m)^a",
            "(?m:^)a", "(?:^)?a", "(^|x)a", "^a*", "^a?b", "^.a", "^[a]", "^\\ba", "^(a)?b", "^a{0,2}b",
            "a^b", "^*a", "\\^a",
        ] {
            assert_eq!(prefix(expression), "", "{expression}");
        }
    }

    #[test]
    fn every_way_through_must_be_anchored() {
        for closed in
            ["^a$", "\\Aa\\z", "^(a|b)$", "^a$|^b$", "(?i)^a$", "(^a)(b$)", ".*a.+", ".*", "(?:^a|.*b)$"]
        {
            assert_eq!(ends(closed), (false, false), "{closed}");
        }
        for open in ["a", "^a|b$", "(?m)^a$", "(?:^)?a(?:$)*", "", "a|b", ".a.", "\\^a\\$", ".?a.?", ".{2,}"]
        {
            assert_eq!(ends(open), (true, true), "{open}");
        }
        assert_eq!(ends("^a"), (false, true));
        assert_eq!(ends("a$"), (true, false));
    }
}
