//! Writes an expression in the notation of the `regex` crate.

use super::ast::{Look, Node, Repeat};

/// The expression; a placeholder is written as `hole`.
pub(super) fn pattern(node: &Node, hole: &str) -> String {
    let mut out = String::new();
    write(node, hole, &mut out);
    out
}

/// A position's condition in the crate's notation.
pub(super) fn look(look: Look) -> &'static str {
    match look {
        Look::TextStart => "\\A",
        Look::TextEnd => "\\z",
        Look::LineStart => "(?m:^)",
        Look::LineEnd => "(?m:$)",
        Look::WordBoundary => "(?-u:\\b)",
        Look::NotWordBoundary => "(?-u:\\B)",
    }
}

/// A literal character in the crate's notation.
pub(super) fn literal(c: char, fold: bool) -> String {
    let mut buffer = [0; 4];
    let escaped = regex::escape(c.encode_utf8(&mut buffer));
    if fold { format!("(?i:{escaped})") } else { escaped }
}

fn write(node: &Node, hole: &str, out: &mut String) {
    match node {
        Node::Empty => out.push_str("(?:)"),
        Node::Literal { c, fold } => out.push_str(&literal(*c, *fold)),
        Node::Class(class) => out.push_str(&class.to_pattern()),
        Node::Look(condition) => out.push_str(look(*condition)),
        Node::Group { captures, inner } => {
            out.push_str(if *captures { "(" } else { "(?:" });
            write(inner, hole, out);
            out.push(')');
        }
        Node::Repeat(repeat) => write_repeat(repeat, hole, out),
        Node::Concat(nodes) => nodes.iter().for_each(|n| write(n, hole, out)),
        Node::Alternate(nodes) => {
            for (index, branch) in nodes.iter().enumerate() {
                if index > 0 {
                    out.push('|');
                }
                write(branch, hole, out);
            }
        }
        Node::Hole { .. } => out.push_str(hole),
    }
}

fn write_repeat(repeat: &Repeat, hole: &str, out: &mut String) {
    out.push_str("(?:");
    write(&repeat.inner, hole, out);
    out.push(')');
    match (repeat.min, repeat.max) {
        (0, None) => out.push('*'),
        (1, None) => out.push('+'),
        (0, Some(1)) => out.push('?'),
        (min, None) => out.push_str(&format!("{{{min},}}")),
        (min, Some(max)) => out.push_str(&format!("{{{min},{max}}}")),
    }
    if !repeat.greedy {
        out.push('?');
    }
}
