//! Globs: Go's `path.Match`, byte for byte, and the same with placeholders.
//!
//! `*` and `?` do not cross `/`, a class does, negation is `^` only, `\` escapes, and each `*` takes as little as it
//! can without ever being reconsidered by a later one. Where the values of placeholders come from is decided in
//! `pattern`; here they are literal text.

mod superset;

use super::{
    pattern_error::PatternError,
    placeholder::{Choice, Symbol},
};

/// A compiled glob.
///
/// Matching takes at most (bytes of the subject) × (length of the pattern) steps and does not allocate.
#[derive(Debug, Clone)]
pub struct Glob {
    chunks: Vec<Chunk>,
}

/// The tokens between two runs of `*`.
#[derive(Debug, Clone)]
struct Chunk {
    /// True if a `*` precedes it.
    star: bool,
    tokens: Vec<Token>,
}

#[derive(Debug, Clone)]
enum Token {
    Literal(Box<[u8]>),
    /// `?`: one character, not `/`.
    Any,
    Class(Class),
    /// The placeholder with this index.
    Hole(usize),
}

#[derive(Debug, Clone)]
struct Class {
    negated: bool,
    ranges: Vec<(char, char)>,
}

impl Glob {
    /// Compiles a glob without placeholders.
    ///
    /// # Errors
    /// A malformed glob (Go's `path.ErrBadPattern`): docker_auth accepts it and it never matches.
    pub fn compile(pattern: &str) -> Result<Self, PatternError> {
        let symbols: Vec<Symbol> = pattern.chars().map(Symbol::Char).collect();
        Self::compile_symbols(&symbols)
    }

    /// Returns true if the whole of `subject` matches.
    pub fn is_match(&self, subject: &str) -> bool {
        self.matches_with(subject.as_bytes(), &[])
    }

    /// Compiles a glob with placeholders.
    pub(in crate::authz) fn compile_symbols(symbols: &[Symbol]) -> Result<Self, PatternError> {
        Compiler { input: symbols, chunks: vec![Chunk { star: false, tokens: Vec::new() }] }.run()
    }

    /// The text that the glob is, when it has neither wildcards nor placeholders.
    pub(in crate::authz) fn as_literal(&self) -> Option<&[u8]> {
        match self.chunks.as_slice() {
            [Chunk { star: false, tokens }] => match tokens.as_slice() {
                [] => Some(&[]),
                [Token::Literal(bytes)] => Some(bytes),
                _ => None,
            },
            _ => None,
        }
    }

    /// The text before the first wildcard or placeholder: every subject that matches begins with it.
    pub(in crate::authz) fn literal_prefix(&self) -> &[u8] {
        let first = self.chunks.first().filter(|chunk| !chunk.star).and_then(|chunk| chunk.tokens.first());
        if let Some(Token::Literal(bytes)) = first { bytes } else { &[] }
    }

    /// The placeholders that occur more than once.
    pub(in crate::authz) fn repeated(&self) -> Vec<usize> {
        let (mut seen, mut repeated) = (Vec::new(), Vec::new());
        for token in self.chunks.iter().flat_map(|c| &c.tokens) {
            if let Token::Hole(hole) = token {
                let again = seen.contains(hole) && !repeated.contains(hole);
                if again { &mut repeated } else { &mut seen }.push(*hole);
            }
        }
        repeated
    }

    /// Matches with one value for each placeholder; those with several never match here.
    pub(super) fn matches_with(&self, subject: &[u8], values: &[Choice<'_>]) -> bool {
        let mut rest = subject;
        for (index, chunk) in self.chunks.iter().enumerate() {
            let last = index + 1 == self.chunks.len();
            if chunk.star && last && chunk.tokens.is_empty() {
                return !rest.contains(&b'/');
            }
            match chunk.find(rest, values, last) {
                Some(after) => rest = after,
                None => return false,
            }
        }
        rest.is_empty()
    }

    /// Matches with any of several values for each placeholder, each occurrence choosing for itself, in one pass over
    /// the positions that can be reached. The same answer as trying every choice when [`Glob::is_regular`].
    pub(super) fn matches_any(&self, subject: &[u8], values: &[Choice<'_>]) -> bool {
        let mut reached = vec![false; subject.len() + 1];
        if let Some(start) = reached.first_mut() {
            *start = true;
        }
        for chunk in &self.chunks {
            if chunk.star {
                spread(&mut reached, subject);
            }
            for token in &chunk.tokens {
                reached = token.step_all(&reached, subject, values);
            }
        }
        reached.last().copied().unwrap_or(false)
    }

    /// Returns true if taking as little as possible for each `*` finds a match whenever there is one. It may not where
    /// a class after a `*` can take a `/`, or where a `*` can end inside a character and leave its rest to a `?` or a
    /// class.
    pub(super) fn is_regular(&self, subject: &[u8]) -> bool {
        let mut after_star = self.chunks.iter().skip_while(|c| !c.star).flat_map(|c| &c.tokens);
        after_star.all(|token| match token {
            Token::Literal(_) | Token::Hole(_) => true,
            Token::Any => subject.is_ascii(),
            Token::Class(class) => subject.is_ascii() && !class.takes('/'),
        })
    }
}

/// `*`: everything up to the next `/` can be reached from what was.
fn spread(reached: &mut [bool], subject: &[u8]) {
    let mut on = false;
    for (index, here) in reached.iter_mut().enumerate() {
        on |= *here;
        *here = on;
        on &= subject.get(index) != Some(&b'/');
    }
}

impl Chunk {
    /// Returns the rest of `subject` after the chunk; its `*` takes as little as possible. The last chunk must leave
    /// nothing.
    fn find<'s>(&self, subject: &'s [u8], values: &[Choice<'_>], last: bool) -> Option<&'s [u8]> {
        let mut at = subject;
        loop {
            match self.take(at, values) {
                Some(after) if after.is_empty() || !last => return Some(after),
                _ => {}
            }
            match at.split_first() {
                Some((byte, next)) if self.star && *byte != b'/' => at = next,
                _ => return None,
            }
        }
    }

    fn take<'s>(&self, subject: &'s [u8], values: &[Choice<'_>]) -> Option<&'s [u8]> {
        self.tokens.iter().try_fold(subject, |rest, token| token.take(rest, values))
    }
}

impl Token {
    /// Returns the rest of `subject` after the token.
    fn take<'s>(&self, subject: &'s [u8], values: &[Choice<'_>]) -> Option<&'s [u8]> {
        match self {
            Self::Literal(bytes) => subject.strip_prefix(&**bytes),
            Self::Any => first_char(subject).filter(|(c, _)| *c != '/').map(|(_, rest)| rest),
            Self::Class(class) => first_char(subject).filter(|(c, _)| class.takes(*c)).map(|(_, rest)| rest),
            Self::Hole(hole) => match values.get(*hole) {
                Some(Choice::One(value)) => subject.strip_prefix(value.as_bytes()),
                _ => None,
            },
        }
    }

    fn step_all(&self, reached: &[bool], subject: &[u8], values: &[Choice<'_>]) -> Vec<bool> {
        let mut next = vec![false; reached.len()];
        let mut mark = |at: usize| {
            if let Some(slot) = next.get_mut(at) {
                *slot = true;
            }
        };
        for (at, _) in reached.iter().enumerate().filter(|(_, on)| **on) {
            let rest = subject.get(at..).unwrap_or_default();
            match self {
                Self::Hole(hole) => {
                    let choice = values.get(*hole).copied().unwrap_or(Choice::None);
                    choice.iter().filter(|v| rest.starts_with(v.as_bytes())).for_each(|v| mark(at + v.len()));
                }
                token => {
                    if let Some(after) = token.take(rest, values) {
                        mark(subject.len() - after.len());
                    }
                }
            }
        }
        next
    }
}

impl Class {
    fn takes(&self, c: char) -> bool {
        self.ranges.iter().any(|(low, high)| (*low..=*high).contains(&c)) != self.negated
    }
}

/// The first character and the rest, as Go decodes: what is not UTF-8 is U+FFFD, one byte long.
fn first_char(bytes: &[u8]) -> Option<(char, &[u8])> {
    let first = *bytes.first()?;
    let width = match first {
        0xC2..=0xDF => 2,
        0xE0..=0xEF => 3,
        0xF0..=0xF4 => 4,
        _ => 1,
    };
    let decoded = bytes.get(..width).and_then(|b| std::str::from_utf8(b).ok()).and_then(|s| s.chars().next());
    match decoded {
        Some(c) => Some((c, bytes.get(width..)?)),
        None => Some((char::REPLACEMENT_CHARACTER, bytes.get(1..)?)),
    }
}

/// Reads a glob from left to right.
struct Compiler<'a> {
    input: &'a [Symbol],
    chunks: Vec<Chunk>,
}

impl Compiler<'_> {
    fn run(mut self) -> Result<Glob, PatternError> {
        while let Some(symbol) = self.next() {
            match symbol {
                Symbol::Char('*') => self.star(),
                Symbol::Char('?') => self.push(Token::Any),
                Symbol::Char('[') => {
                    let class = self.class()?;
                    self.push(Token::Class(class));
                }
                Symbol::Char('\\') => {
                    let c = self.escaped()?;
                    self.literal(c);
                }
                Symbol::Char(c) => self.literal(c),
                Symbol::Hole(hole) => self.push(Token::Hole(hole)),
            }
        }
        Ok(Glob { chunks: self.chunks })
    }

    fn next(&mut self) -> Option<Symbol> {
        let (first, rest) = self.input.split_first()?;
        self.input = rest;
        Some(*first)
    }

    fn star(&mut self) {
        match self.chunks.last() {
            Some(Chunk { star: true, tokens }) if tokens.is_empty() => {}
            Some(Chunk { star: false, tokens }) if tokens.is_empty() => {
                self.chunks.pop();
                self.chunks.push(Chunk { star: true, tokens: Vec::new() });
            }
            _ => self.chunks.push(Chunk { star: true, tokens: Vec::new() }),
        }
    }

    fn push(&mut self, token: Token) {
        if let Some(chunk) = self.chunks.last_mut() {
            chunk.tokens.push(token);
        }
    }

    fn literal(&mut self, c: char) {
        let mut buffer = [0; 4];
        let bytes = c.encode_utf8(&mut buffer).as_bytes();
        if let Some(Token::Literal(literal)) =
            self.chunks.last_mut().and_then(|chunk| chunk.tokens.last_mut())
        {
            *literal = [literal, bytes].concat().into();
        } else {
            self.push(Token::Literal(bytes.into()));
        }
    }

    fn escaped(&mut self) -> Result<char, PatternError> {
        match self.next() {
            Some(Symbol::Char(c)) => Ok(c),
            Some(Symbol::Hole(_)) => Err(PatternError::new(
                "a placeholder directly after `\\`",
                "the value is taken literally already: drop the backslash, or write `\\\\` for a literal one",
            )),
            None => Err(malformed("it ends in a lone `\\`", "write `\\\\` for a literal backslash")),
        }
    }

    /// Reads a class after its `[`, up to and with its `]`.
    fn class(&mut self) -> Result<Class, PatternError> {
        let negated = self.input.first() == Some(&Symbol::Char('^'));
        if negated {
            self.next();
        }
        let mut ranges = Vec::new();
        while ranges.is_empty() || self.input.first() != Some(&Symbol::Char(']')) {
            let low = self.class_char()?;
            let high = match self.input.first() {
                Some(Symbol::Char('-')) => {
                    self.next();
                    self.class_char()?
                }
                _ => low,
            };
            ranges.push((low, high));
        }
        self.next();
        Ok(Class { negated, ranges })
    }

    fn class_char(&mut self) -> Result<char, PatternError> {
        match self.next() {
            Some(Symbol::Char('-')) => {
                Err(malformed("a class has `-` where a character must be", "write `\\-`"))
            }
            Some(Symbol::Char(']')) => {
                Err(malformed("a class has `]` where a character must be", "write `\\]`"))
            }
            Some(Symbol::Char('\\')) => self.escaped(),
            Some(Symbol::Char(c)) => Ok(c),
            Some(Symbol::Hole(_)) => Err(PatternError::new(
                "a placeholder inside `[…]` would match single characters of its value",
                "take the placeholder out of the brackets",
            )),
            None => {
                Err(malformed("`[` is not closed", "close it with `]`, or write `\\[` for a literal bracket"))
            }
        }
    }
}

fn malformed(what: &str, hint: &str) -> PatternError {
    PatternError::new(format!("a malformed glob, which would never match: {what}"), hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, subject: &str) -> bool {
        Glob::compile(pattern).unwrap().is_match(subject)
    }

    #[test]
    fn wildcards_do_not_cross_a_slash_and_classes_do() {
        assert!(
            matches("a/*", "a/b") && !matches("a/*", "a/b/c") && matches("a/*", "a/") && !matches("*", "/")
        );
        assert!(matches("a**b", "axxb") && !matches("**", "a/b") && !matches("?", "/"));
        assert!(matches("a[^b]c", "a/c") && matches("a[.-0]c", "a/c"));
        assert!(matches("[!a]", "!") && !matches("[!a]", "b"), "`!` does not negate");
        assert!(matches("{a,b}", "{a,b}") && !matches("{a,b}", "a"), "no braces");
    }

    #[test]
    fn a_star_is_never_reconsidered() {
        assert!(matches("*??", "€") && !matches("*???", "€") && !matches("*?*?*?", "😀"));
        assert!(!matches("*[^x]*/c", "a/b/c"));
    }

    #[test]
    fn malformed_globs_are_refused() {
        for bad in
            ["[", "a[", "[]", "[]a]", "[^]", "[-a]", "[a-]", "[a", "\\", "a\\", "[\\", "[a-", "*[", "[a]["]
        {
            assert!(Glob::compile(bad).is_err(), "{bad:?}");
        }
        assert!(Glob::compile("[z-a]").is_ok() && !matches("[z-a]", "z"), "an empty range is legal");
    }

    #[test]
    fn a_long_glob_takes_no_exponential_time() {
        let pattern = "a*".repeat(200) + "b";
        assert!(!matches(&pattern, &"a".repeat(5_000)));
    }
}
