//! Whether an expression says where its match begins and ends. Matching does not need this; a linter does.

use super::{
    ast::{Look, Node},
    parse::{is_dot, parse},
};
use crate::authz::placeholder::Symbol;

/// What of an expression is left open.
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

/// How many groups an expression has; `None` when it does not parse.
pub(in crate::authz) fn groups(expression: &[Symbol]) -> Option<usize> {
    let mut groups = 0;
    parse(expression).ok()?.walk(false, &mut |node, _| {
        groups += usize::from(matches!(node, Node::Group { captures: true, .. }));
    });
    Some(groups)
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
