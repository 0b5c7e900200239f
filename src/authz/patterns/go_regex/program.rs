//! Expressions with placeholders: a small automaton in which a placeholder is one step over its value.
//!
//! The expression is compiled once, at load. Each pair of instruction and position is visited at most once, so that
//! many values of one placeholder cost what they are long, not what they multiply to. Only whether there is a match is
//! asked; groups are read from the expression as written, by [`super::GoRegex`].
//!
//! The alternative is to insert the values and to compile the result with the `regex` crate, once for each account. It
//! was measured with five expressions like `^${account}/.*$`, optimised, on a busy machine. An account costs 0.02 to
//! 0.5 ms to compile, and 10,000 accounts hold 64 to 190 MB for an expression, so that a cache would have to be
//! bounded. With 1,000 values of a label, a rule would cost 20 to 500 ms. This automaton takes 1 to 14 µs for a match,
//! less than 0.4 ms with 1,000 values, and keeps nothing for an account.

use regex::bytes;

use super::{
    anchors::literal_prefix,
    ast::{Look, Node, Repeat},
    build, emit, parse,
};
use crate::authz::patterns::{
    pattern_error::PatternError,
    placeholder::{Choice, Symbol},
    tristate::{Doubt, Tristate},
};

/// The most instructions of one program: a refusal at load beyond it.
const MAX_INSTRUCTIONS: usize = 10_000;
/// The most pairs of instruction and position in one match, one bit each: beyond it the answer is unclear.
const MAX_VISITS: usize = 1 << 24;

/// A compiled expression with placeholders.
#[derive(Debug, Clone)]
pub(in crate::authz) struct Program {
    instructions: Vec<Instruction>,
    sets: Vec<CharSet>,
    /// The placeholders whose occurrences must agree: those that stand, or are passed, more than once.
    repeated: Vec<usize>,
    /// True if it is nothing but placeholders.
    only_holes: bool,
    prefix: Box<str>,
}

/// The meaning of a dot in the value of a placeholder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::authz) enum Dots {
    Text,
    /// Any character, as in an expression.
    Any,
}

#[derive(Debug, Clone)]
enum Instruction {
    Char(char),
    /// A character of the set with this index.
    Set(usize),
    Look(Look),
    Hole {
        index: usize,
        fold: bool,
    },
    /// Goes on at both.
    Split(usize, usize),
    Match,
}

/// A set of characters; ASCII is answered from a bitmap.
#[derive(Debug, Clone)]
struct CharSet {
    /// The class it was made from.
    class: String,
    ascii: u128,
    other: bytes::Regex,
}

impl Program {
    /// Compiles an expression, without the slashes around it.
    ///
    /// # Errors
    /// As [`super::GoRegex::compile`], and for a placeholder where its value would not be a plain piece of text.
    pub(in crate::authz) fn compile(symbols: &[Symbol]) -> Result<Self, PatternError> {
        let node = parse::parse(symbols)?;
        let mut builder = Builder { instructions: Vec::new(), sets: Vec::new() };
        builder.add(&node)?;
        builder.push(Instruction::Match)?;
        let only_holes = symbols.iter().all(|s| matches!(s, Symbol::Hole(_)));
        Ok(Self {
            instructions: builder.instructions,
            sets: builder.sets,
            repeated: repeated(&node),
            only_holes,
            prefix: literal_prefix(&node).into(),
        })
    }

    /// The text that every subject with a match begins with, whatever the values; empty where none is certain.
    pub(in crate::authz) fn literal_prefix(&self) -> &str {
        &self.prefix
    }

    /// The placeholders whose occurrences must agree.
    pub(in crate::authz) fn repeated(&self) -> &[usize] {
        &self.repeated
    }

    /// Returns true if the value of any placeholder is compared without regard to case.
    pub(in crate::authz) fn folds(&self) -> bool {
        self.instructions.iter().any(|i| matches!(i, Instruction::Hole { fold: true, .. }))
    }

    /// Searches `subject` for a match; each occurrence of a placeholder with several values chooses for itself.
    pub(in crate::authz) fn fit(&self, subject: &str, values: &[Choice<'_>], dots: Dots) -> Tristate {
        // With nothing between its slashes docker_auth reads `//` as a glob; here a pattern's kind does not change.
        if self.only_holes && values.iter().all(|v| v.iter().any(str::is_empty)) {
            let is_glob = values.iter().all(|v| v.iter().all(str::is_empty));
            return if is_glob && subject != "//" { Tristate::No } else { Tristate::Unclear(Doubt::Syntax) };
        }
        let width = subject.len() + 1;
        let Some(visits) = self.instructions.len().checked_mul(width).filter(|v| *v <= MAX_VISITS) else {
            return Tristate::Unclear(Doubt::Length);
        };
        let run = Run { program: self, subject, values, dots, width };
        Tristate::from_bool(run.search(&mut vec![0; visits / 64 + 1]))
    }
}

/// The placeholders that occur more than once or inside a repetition.
fn repeated(node: &Node) -> Vec<usize> {
    let (mut seen, mut repeated) = (Vec::new(), Vec::new());
    node.walk(false, &mut |node, inside| {
        if let Node::Hole { index, .. } = node {
            if inside || seen.contains(index) {
                repeated.push(*index);
            }
            seen.push(*index);
        }
    });
    repeated.sort_unstable();
    repeated.dedup();
    repeated
}

/// One match.
struct Run<'r> {
    program: &'r Program,
    subject: &'r str,
    values: &'r [Choice<'r>],
    dots: Dots,
    width: usize,
}

impl Run<'_> {
    /// Tries every start. `visited` has a bit for each pair of instruction and position.
    fn search(&self, visited: &mut [u64]) -> bool {
        let mut pending = Vec::new();
        for start in (0..self.width).filter(|at| self.subject.is_char_boundary(*at)) {
            pending.push((0, start));
            while let Some((pc, at)) = pending.pop() {
                if !first_visit(visited, pc * self.width + at) {
                    continue;
                }
                match self.program.instructions.get(pc) {
                    Some(Instruction::Match) => return true,
                    Some(instruction) => self.step(instruction, pc, at, &mut pending),
                    None => {}
                }
            }
        }
        false
    }

    fn step(&self, instruction: &Instruction, pc: usize, at: usize, pending: &mut Vec<(usize, usize)>) {
        let rest = self.subject.get(at..).unwrap_or_default();
        let next = rest.chars().next();
        match instruction {
            Instruction::Char(c) if next == Some(*c) => pending.push((pc + 1, at + c.len_utf8())),
            Instruction::Set(set) => {
                let set = self.program.sets.get(*set);
                if let Some(c) = next.filter(|c| set.is_some_and(|set| set.takes(*c))) {
                    pending.push((pc + 1, at + c.len_utf8()));
                }
            }
            Instruction::Look(look) if self.holds(*look, at) => pending.push((pc + 1, at)),
            Instruction::Hole { index, fold } => {
                let choice = self.values.get(*index).copied().unwrap_or(Choice::None);
                let lengths = choice.iter().filter_map(|value| prefix_length(rest, value, *fold, self.dots));
                pending.extend(lengths.map(|length| (pc + 1, at + length)));
            }
            Instruction::Split(first, second) => pending.extend([(*second, at), (*first, at)]),
            _ => {}
        }
    }

    fn holds(&self, look: Look, at: usize) -> bool {
        let bytes = self.subject.as_bytes();
        let before = at.checked_sub(1).and_then(|i| bytes.get(i));
        let after = bytes.get(at);
        let is_word = |b: Option<&u8>| b.is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_');
        match look {
            Look::TextStart => before.is_none(),
            Look::TextEnd => after.is_none(),
            Look::LineStart => before.is_none_or(|b| *b == b'\n'),
            Look::LineEnd => after.is_none_or(|b| *b == b'\n'),
            Look::WordBoundary => is_word(before) != is_word(after),
            Look::NotWordBoundary => is_word(before) == is_word(after),
        }
    }
}

fn first_visit(visited: &mut [u64], bit: usize) -> bool {
    let Some(word) = visited.get_mut(bit / 64) else { return false };
    let mask = 1 << (bit % 64);
    let first = *word & mask == 0;
    *word |= mask;
    first
}

/// Returns the length in bytes of the start of `text` that the value matches.
fn prefix_length(text: &str, value: &str, fold: bool, dots: Dots) -> Option<usize> {
    if !fold && dots == Dots::Text {
        return text.starts_with(value).then_some(value.len());
    }
    let equal = |t: char, v: char| t == v || (fold && equal_folded(t, v)) || (v == '.' && dots == Dots::Any);
    let mut rest = text.chars();
    value.chars().all(|v| rest.next().is_some_and(|t| equal(t, v))).then(|| text.len() - rest.as_str().len())
}

/// Unicode's simple case folding: characters are equal when they share a lower or an upper case of one character. The
/// dotless i has an upper case and folds to nothing.
fn equal_folded(a: char, b: char) -> bool {
    if a == b || a == 'ı' || b == 'ı' {
        return a == b;
    }
    single(a.to_lowercase()).is_some_and(|c| Some(c) == single(b.to_lowercase()))
        || single(a.to_uppercase()).is_some_and(|c| Some(c) == single(b.to_uppercase()))
}

fn single(mut mapped: impl Iterator<Item = char>) -> Option<char> {
    let first = mapped.next();
    first.filter(|_| mapped.next().is_none())
}

impl CharSet {
    fn new(class: &str) -> Result<Self, PatternError> {
        let other = build(&format!("\\A{class}\\z"))?;
        let bit = |c: u8| if other.is_match(&[c]) { 1 << c } else { 0 };
        let ascii = (0..128).fold(0, |bits, c| bits | bit(c));
        Ok(Self { class: class.to_owned(), ascii, other })
    }

    fn takes(&self, c: char) -> bool {
        if c.is_ascii() {
            return self.ascii >> u32::from(c) & 1 == 1;
        }
        self.other.is_match(c.encode_utf8(&mut [0; 4]).as_bytes())
    }
}

/// Lays the instructions out; every part goes on at what follows it.
struct Builder {
    instructions: Vec<Instruction>,
    sets: Vec<CharSet>,
}

impl Builder {
    fn push(&mut self, instruction: Instruction) -> Result<(), PatternError> {
        if self.instructions.len() >= MAX_INSTRUCTIONS {
            return Err(PatternError::new(
                "the regular expression is too large",
                "use smaller repetition counts",
            ));
        }
        self.instructions.push(instruction);
        Ok(())
    }

    fn add(&mut self, node: &Node) -> Result<(), PatternError> {
        match node {
            Node::Empty => Ok(()),
            Node::Literal { c, fold: false } => self.push(Instruction::Char(*c)),
            Node::Literal { c, fold: true } => self.set(&emit::literal(*c, true)),
            Node::Class(class) => self.set(&class.to_pattern()),
            Node::Look(look) => self.push(Instruction::Look(*look)),
            Node::Group { inner, .. } => self.add(inner),
            Node::Repeat(repeat) => self.repeat(repeat),
            Node::Concat(nodes) => nodes.iter().try_for_each(|n| self.add(n)),
            Node::Alternate(nodes) => self.alternate(nodes),
            Node::Hole { index, fold } => self.push(Instruction::Hole { index: *index, fold: *fold }),
        }
    }

    fn set(&mut self, class: &str) -> Result<(), PatternError> {
        let known = self.sets.iter().position(|set| set.class == class);
        if known.is_none() {
            self.sets.push(CharSet::new(class)?);
        }
        self.push(Instruction::Set(known.unwrap_or(self.sets.len() - 1)))
    }

    /// A split whose targets are filled in later.
    fn fork(&mut self) -> Result<usize, PatternError> {
        let at = self.instructions.len();
        self.push(Instruction::Split(at + 1, at + 1))?;
        Ok(at)
    }

    fn second(&mut self, fork: usize, target: usize) {
        if let Some(Instruction::Split(_, second)) = self.instructions.get_mut(fork) {
            *second = target;
        }
    }

    fn jump(&mut self) -> Result<usize, PatternError> {
        self.fork()
    }

    fn land(&mut self, jump: usize) {
        let end = self.instructions.len();
        if let Some(instruction) = self.instructions.get_mut(jump) {
            *instruction = Instruction::Split(end, end);
        }
    }

    fn alternate(&mut self, nodes: &[Node]) -> Result<(), PatternError> {
        let mut jumps = Vec::new();
        for (index, node) in nodes.iter().enumerate() {
            let last = index + 1 == nodes.len();
            let fork = if last { None } else { Some(self.fork()?) };
            self.add(node)?;
            if let Some(fork) = fork {
                jumps.push(self.jump()?);
                self.second(fork, self.instructions.len());
            }
        }
        jumps.into_iter().for_each(|jump| self.land(jump));
        Ok(())
    }

    fn repeat(&mut self, repeat: &Repeat) -> Result<(), PatternError> {
        for _ in 0..repeat.min {
            self.add(&repeat.inner)?;
        }
        let Some(max) = repeat.max else { return self.star(&repeat.inner) };
        let mut forks = Vec::new();
        for _ in repeat.min..max {
            forks.push(self.fork()?);
            self.add(&repeat.inner)?;
        }
        forks.into_iter().for_each(|fork| self.second(fork, self.instructions.len()));
        Ok(())
    }

    fn star(&mut self, inner: &Node) -> Result<(), PatternError> {
        let fork = self.fork()?;
        self.add(inner)?;
        self.push(Instruction::Split(fork, fork))?;
        self.second(fork, self.instructions.len());
        Ok(())
    }
}
