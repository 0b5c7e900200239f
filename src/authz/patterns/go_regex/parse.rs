//! Reads Go's regular expression syntax (`regexp/syntax` with the flags of `regexp.Compile`, Go 1.24).
//!
//! Accepts nothing that Go refuses. What Go accepts and this refuses is named in the error. Classes are read in
//! `class`.

use super::{
    ast::{Class, Look, Node, Repeat},
    class,
};
use crate::authz::patterns::{pattern_error::PatternError, placeholder::Symbol};

/// Go allows 1,000. Real expressions stay far below, and so does the recursion here.
const MAX_DEPTH: usize = 200;
/// Go's own limit on repetition counts.
const MAX_REPEAT: u32 = 1_000;

/// The flags of `(?imsU)`.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Flags {
    pub(super) fold: bool,
    multi_line: bool,
    dot_newline: bool,
    swap_greed: bool,
}

/// Reads a whole expression.
pub(super) fn parse(input: &[Symbol]) -> Result<Node, PatternError> {
    let mut parser =
        Parser { cursor: Cursor { input, at: 0 }, flags: Flags::default(), depth: 0, brace: None };
    let node = parser.alternation()?;
    match parser.cursor.peek() {
        None => Ok(node),
        Some(_) => Err(bad("an unexpected `)`", "write `\\)` for a literal parenthesis")),
    }
}

pub(super) fn bad(what: impl AsRef<str>, hint: &str) -> PatternError {
    PatternError::new(format!("not a valid regular expression: {}", what.as_ref()), hint)
}

/// Go accepts it; an exact translation does not exist.
pub(super) fn unsupported(what: impl AsRef<str>, hint: &str) -> PatternError {
    PatternError::new(format!("not supported in a regular expression: {}", what.as_ref()), hint)
}

/// A position in the expression.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cursor<'a> {
    input: &'a [Symbol],
    at: usize,
}

impl Cursor<'_> {
    pub(super) fn peek(&self) -> Option<Symbol> {
        self.input.get(self.at).copied()
    }

    /// The character `ahead` symbols from here.
    pub(super) fn peek_char(&self, ahead: usize) -> Option<char> {
        match self.input.get(self.at + ahead) {
            Some(Symbol::Char(c)) => Some(*c),
            _ => None,
        }
    }

    pub(super) fn next(&mut self) -> Option<Symbol> {
        let symbol = self.peek()?;
        self.at += 1;
        Some(symbol)
    }

    pub(super) fn skip(&mut self, count: usize) {
        self.at += count;
    }

    /// Takes `text` if it is next.
    pub(super) fn eat(&mut self, text: &str) -> bool {
        let found = text.chars().enumerate().all(|(i, c)| self.peek_char(i) == Some(c));
        if found {
            self.at += text.chars().count();
        }
        found
    }

    /// The characters up to `end`, which is taken too; `None`, and nothing taken, when it does not follow.
    pub(super) fn until(&mut self, end: &str) -> Option<String> {
        let mut ahead = *self;
        let mut text = String::new();
        while !ahead.eat(end) {
            match ahead.next()? {
                Symbol::Char(c) => text.push(c),
                Symbol::Hole(_) => return None,
            }
        }
        *self = ahead;
        Some(text)
    }
}

struct Parser<'a> {
    cursor: Cursor<'a>,
    flags: Flags,
    depth: usize,
    /// The position of the last `{` that was taken literally.
    brace: Option<usize>,
}

impl Parser<'_> {
    /// Everything up to a `)` or the end.
    fn alternation(&mut self) -> Result<Node, PatternError> {
        let mut branches = Vec::new();
        loop {
            branches.push(self.concatenation()?);
            if !self.cursor.eat("|") {
                break;
            }
        }
        Ok(match branches.len() {
            1 => branches.pop().unwrap_or(Node::Empty),
            _ => Node::Alternate(branches),
        })
    }

    /// Everything up to a `|`, a `)` or the end.
    fn concatenation(&mut self) -> Result<Node, PatternError> {
        let mut items = Vec::new();
        let mut after_repeat = false;
        while let Some(symbol) = self.cursor.peek() {
            match symbol {
                Symbol::Char('|' | ')') => break,
                Symbol::Char('*' | '+' | '?' | '{') => {
                    after_repeat = self.repetition(&mut items, after_repeat)?;
                    continue;
                }
                Symbol::Hole(index) => items.push(self.hole(index)?),
                Symbol::Char(c) => self.atom(c, &mut items)?,
            }
            after_repeat = false;
        }
        Ok(Node::Concat(items))
    }

    /// A repetition operator, applied to the last item; or a literal `{`. Whether it was an operator.
    fn repetition(&mut self, items: &mut Vec<Node>, after_repeat: bool) -> Result<bool, PatternError> {
        let Some((min, max, counted)) = self.counts()? else {
            self.brace = Some(self.cursor.at);
            self.cursor.skip(1);
            items.push(self.literal('{'));
            return Ok(false);
        };
        let lazy = self.cursor.eat("?");
        if after_repeat {
            return Err(bad(
                "a repetition of a repetition, like `a**`",
                "use one of them, or a group: `(?:a*)*`",
            ));
        }
        let inner = match items.pop() {
            Some(Node::Hole { .. }) => {
                return Err(unsupported(
                    "a repetition after a placeholder, which repeats only the last character of its value",
                    "put the placeholder into a group: `(?:${account})*`",
                ));
            }
            Some(node) => Box::new(node),
            None => {
                return Err(bad(
                    "a repetition of nothing",
                    "write `\\*`, `\\+`, `\\?` or `\\{` for the character",
                ));
            }
        };
        let node = Node::Repeat(Repeat { inner, min, max, greedy: lazy == self.flags.swap_greed, counted });
        if counted && !node.repeats_within(MAX_REPEAT) {
            return Err(bad("nested repetition of more than 1000", "repeat less often"));
        }
        items.push(node);
        Ok(true)
    }

    /// `*`, `+`, `?` or `{2,5}`; `None`, and nothing taken, for braces that are not a repetition.
    fn counts(&mut self) -> Result<Option<(u32, Option<u32>, bool)>, PatternError> {
        let simple = match self.cursor.peek_char(0) {
            Some('*') => Some((0, None, false)),
            Some('+') => Some((1, None, false)),
            Some('?') => Some((0, Some(1), false)),
            _ => None,
        };
        if simple.is_some() {
            self.cursor.skip(1);
            return Ok(simple);
        }
        let mut ahead = self.cursor;
        let Some((min, max)) = braces(&mut ahead) else { return Ok(None) };
        self.cursor = ahead;
        if min > MAX_REPEAT || max.is_some_and(|max| max > MAX_REPEAT || max < min) {
            return Err(bad("a repetition count over 1000, or backwards", "repeat less often"));
        }
        Ok(Some((min, max, true)))
    }

    fn hole(&mut self, index: usize) -> Result<Node, PatternError> {
        let since_brace = self.brace.and_then(|brace| self.cursor.input.get(brace + 1..self.cursor.at));
        let is_count = |s: &Symbol| matches!(s, Symbol::Char(c) if c.is_ascii_digit() || *c == ',');
        if since_brace.is_some_and(|symbols| symbols.iter().all(is_count)) {
            return Err(unsupported(
                "a placeholder that could become a repetition count",
                "write `\\{` for a brace",
            ));
        }
        self.cursor.skip(1);
        Ok(Node::Hole { index, fold: self.flags.fold })
    }

    fn atom(&mut self, c: char, items: &mut Vec<Node>) -> Result<(), PatternError> {
        self.cursor.skip(1);
        match c {
            '(' => items.extend(self.group()?),
            '[' => items.push(Node::Class(class::bracketed(&mut self.cursor, self.flags.fold)?)),
            '.' => items.push(Node::Class(dot(self.flags.dot_newline))),
            '^' if self.flags.multi_line => items.push(Node::Look(Look::LineStart)),
            '^' => items.push(Node::Look(Look::TextStart)),
            '$' if self.flags.multi_line => items.push(Node::Look(Look::LineEnd)),
            '$' => items.push(Node::Look(Look::TextEnd)),
            '\\' => self.escape(items)?,
            c => items.push(self.literal(c)),
        }
        Ok(())
    }

    fn literal(&self, c: char) -> Node {
        Node::Literal { c, fold: self.flags.fold }
    }

    /// Reads the part of a group after its `(`. `None` for `(?i)`, which changes the flags and is no item.
    fn group(&mut self) -> Result<Option<Node>, PatternError> {
        let outside = self.flags;
        let captures = !self.cursor.eat("?") || self.name()?;
        if !captures && !self.set_flags()? {
            return Ok(None);
        }
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(unsupported("groups nested more than 200 deep", "use fewer groups"));
        }
        let inner = Box::new(self.alternation()?);
        if !self.cursor.eat(")") {
            return Err(bad("a `(` is not closed", "close it, or write `\\(` for a literal parenthesis"));
        }
        self.depth -= 1;
        self.flags = outside;
        Ok(Some(Node::Group { captures, inner }))
    }

    /// `P<name>` or `<name>`. Names mean nothing here, but a bad one is an error.
    fn name(&mut self) -> Result<bool, PatternError> {
        if !self.cursor.eat("P<") && !self.cursor.eat("<") {
            return Ok(false);
        }
        let name = self.cursor.until(">").unwrap_or_default();
        if name.is_empty() || !name.bytes().all(|b| b == b'_' || b.is_ascii_alphanumeric()) {
            return Err(bad(
                "a bad group name, or look-behind",
                "name groups `(?P<name>…)`; Go has no look-behind",
            ));
        }
        Ok(true)
    }

    /// `i-s:` or `i)` after `(?`. Whether a group follows.
    fn set_flags(&mut self) -> Result<bool, PatternError> {
        let mut flags = self.flags;
        let (mut on, mut pending) = (true, false);
        loop {
            let flag = match self.cursor.next() {
                Some(Symbol::Char('i')) => &mut flags.fold,
                Some(Symbol::Char('m')) => &mut flags.multi_line,
                Some(Symbol::Char('s')) => &mut flags.dot_newline,
                Some(Symbol::Char('U')) => &mut flags.swap_greed,
                Some(Symbol::Char('-')) if on => {
                    (on, pending) = (false, true);
                    continue;
                }
                Some(Symbol::Char(c @ (':' | ')'))) if !pending => {
                    self.flags = flags;
                    return Ok(c == ':');
                }
                _ => {
                    return Err(bad(
                        "`(?` with something else than `imsU`",
                        "Go has no look-around and no `(?x)`",
                    ));
                }
            };
            (*flag, pending) = (on, false);
        }
    }

    /// Reads an escape after its `\`, outside a class.
    fn escape(&mut self, items: &mut Vec<Node>) -> Result<(), PatternError> {
        if let Some(class) = class::escaped(&mut self.cursor, self.flags.fold)? {
            items.push(Node::Class(class));
            return Ok(());
        }
        let look = match self.cursor.peek_char(0) {
            Some('A') => Look::TextStart,
            Some('z') => Look::TextEnd,
            Some('b') => Look::WordBoundary,
            Some('B') => Look::NotWordBoundary,
            Some('C') => return Err(bad("`\\C`, a single byte", "use `.`")),
            Some('Q') => return self.quoted(items),
            _ => {
                let c = class::escaped_char(&mut self.cursor)?;
                items.push(self.literal(c));
                return Ok(());
            }
        };
        self.cursor.skip(1);
        items.push(Node::Look(look));
        Ok(())
    }

    /// `Q…\E` after a `\`; the end may be missing.
    fn quoted(&mut self, items: &mut Vec<Node>) -> Result<(), PatternError> {
        self.cursor.skip(1);
        while !self.cursor.eat("\\E") {
            match self.cursor.next() {
                Some(Symbol::Char(c)) => items.push(self.literal(c)),
                Some(Symbol::Hole(_)) => {
                    return Err(unsupported(
                        "a placeholder between `\\Q` and `\\E`",
                        "its value is literal already",
                    ));
                }
                None => break,
            }
        }
        Ok(())
    }
}

/// `{2}`, `{2,}` or `{2,5}`. Go takes everything else, leading zeros included, for plain characters.
fn braces(cursor: &mut Cursor<'_>) -> Option<(u32, Option<u32>)> {
    cursor.eat("{");
    let min = count(cursor)?;
    if cursor.eat("}") {
        return Some((min, Some(min)));
    }
    if !cursor.eat(",") {
        return None;
    }
    if cursor.eat("}") {
        return Some((min, None));
    }
    let max = count(cursor)?;
    cursor.eat("}").then_some((min, Some(max)))
}

/// A decimal number without leading zeros; a huge one is some number over the limit.
fn count(cursor: &mut Cursor<'_>) -> Option<u32> {
    let digit = |cursor: &Cursor<'_>| cursor.peek_char(0).and_then(|c| c.to_digit(10));
    let first = digit(cursor)?;
    cursor.skip(1);
    let mut value = first;
    while let Some(digit) = digit(cursor) {
        if first == 0 {
            return None;
        }
        value = value.saturating_mul(10).saturating_add(digit);
        cursor.skip(1);
    }
    Some(value)
}

/// Returns true if it is `.`, with or without newlines.
pub(super) fn is_dot(node: &Node) -> bool {
    let is = |class: &Class, dot: Class| class.negated == dot.negated && class.items == dot.items;
    matches!(node, Node::Class(class) if is(class, dot(false)) || is(class, dot(true)))
}

fn dot(newline: bool) -> Class {
    let items = if newline { "\\x{0}-\\x{10FFFF}" } else { "\\n" };
    Class { negated: !newline, items: items.to_owned(), fold: false }
}
