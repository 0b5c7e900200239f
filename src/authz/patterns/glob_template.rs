//! Globs with placeholders: matched with the values as text and, where that may differ, as docker_auth reads them.

use super::{
    glob::Glob,
    pattern::expression,
    placeholder::{Choice, Placeholder, Symbol},
    template::{Candidates, MAX_COMBINATIONS, choices, fit_each, kept},
    tristate::{Doubt, Tristate},
};

/// The most patterns that are read as docker_auth reads them.
const MAX_EXPANSIONS: usize = 1_024;

/// The characters that a glob reads as more than text.
const SYNTAX: [char; 4] = ['*', '?', '[', '\\'];
/// The characters that docker_auth escapes with a backslash, in the values that it quotes.
const QUOTED: [char; 14] = ['\\', '.', '+', '*', '?', '(', ')', '|', '[', ']', '{', '}', '^', '$'];

/// A glob with placeholders.
#[derive(Debug, Clone)]
pub(super) struct GlobTemplate {
    glob: Glob,
    /// The pattern, for reading it as docker_auth does.
    symbols: Box<[Symbol]>,
    /// True if values can put a slash at both ends, which makes it an expression for docker_auth.
    can_turn: bool,
}

impl GlobTemplate {
    /// `glob` is what `symbols` compile to.
    pub(in crate::authz) fn new(glob: Glob, symbols: Vec<Symbol>) -> Self {
        let is_open = |end: Option<&Symbol>| matches!(end, Some(Symbol::Hole(_) | Symbol::Char('/')));
        let can_turn = is_open(symbols.first()) && is_open(symbols.last());
        Self { glob, symbols: symbols.into(), can_turn }
    }

    /// Returns whether a value says more than its text inside a glob.
    pub(in crate::authz) fn is_syntax(value: &str) -> bool {
        value.contains(SYNTAX)
    }

    /// The bytes that every subject begins with which matches, or may match.
    pub(in crate::authz) fn literal_prefix(&self) -> &[u8] {
        if self.can_turn { &[] } else { self.glob.literal_prefix() }
    }

    /// Returns whether `subject` matches with a value for each placeholder.
    pub(in crate::authz) fn fit(
        &self,
        subject: &str,
        all: Vec<Candidates<'_>>,
        placeholders: &[Placeholder],
    ) -> Tristate {
        if subject.contains("${") && all.iter().any(|of| of.is_raw) {
            // docker_auth also tries the pattern with its placeholders as they are written.
            return Tristate::Unclear(Doubt::Syntax);
        }
        let occurring = kept(&all, |_, value| subject.contains(value));
        if !all.iter().any(|of| of.values.iter().any(|value| self.is_odd(of, value))) {
            return self.fit_text(subject, &occurring);
        }
        let certain = self.fit_text(subject, &kept(&occurring, |of, value| !self.is_odd(of, value)));
        if certain != Tristate::No {
            return certain;
        }
        let (text, expanded) =
            (self.fit_text(subject, &occurring), self.fit_expanded(subject, all, placeholders));
        if text == expanded { text } else { Tristate::Unclear(Doubt::Syntax) }
    }

    /// Returns whether docker_auth may read a value as more than its text.
    fn is_odd(&self, of: &Candidates<'_>, value: &str) -> bool {
        let at_an_end = value.is_empty() || value.starts_with('/') || value.ends_with('/');
        (of.is_raw && Self::is_syntax(value)) || (self.can_turn && at_an_end)
    }

    /// With the values as text.
    fn fit_text(&self, subject: &str, all: &[Candidates<'_>]) -> Tristate {
        let (glob, subject) = (&self.glob, subject.as_bytes());
        let mut choices = choices(all);
        let each = if glob.is_regular(subject) { glob.repeated() } else { (0..choices.len()).collect() };
        fit_each(&mut choices, &each, MAX_COMBINATIONS, &mut |choices| {
            Tristate::from_bool(if choices.iter().any(|c| matches!(c, Choice::Any(_))) {
                glob.matches_any(subject, choices)
            } else {
                glob.matches_with(subject, choices)
            })
        })
    }

    /// As docker_auth reads the combinations that hold an odd value. It may leave a placeholder as it is written, too.
    fn fit_expanded(
        &self,
        subject: &str,
        all: Vec<Candidates<'_>>,
        placeholders: &[Placeholder],
    ) -> Tristate {
        let written: Vec<String> = placeholders.iter().map(ToString::to_string).collect();
        let mut all: Vec<Candidates<'_>> = all;
        for (of, written) in all.iter_mut().zip(&written).filter(|(of, _)| of.is_raw) {
            of.values.push(written);
        }
        let every: Vec<usize> = (0..all.len()).collect();
        fit_each(&mut choices(&all), &every, MAX_EXPANSIONS, &mut |choices| {
            let values: Vec<&str> =
                choices.iter().map(|choice| choice.iter().next().unwrap_or_default()).collect();
            if !all.iter().zip(&values).any(|(of, value)| self.is_odd(of, value)) {
                return Tristate::No;
            }
            let text = self.expanded(&all, &values);
            if expression(&text).is_some() {
                return Tristate::Unclear(Doubt::Syntax);
            }
            Tristate::from_bool(Glob::compile(&text).is_ok_and(|glob| glob.is_match(subject)))
        })
    }

    fn expanded(&self, all: &[Candidates<'_>], values: &[&str]) -> String {
        let mut text = String::new();
        for symbol in &self.symbols {
            match *symbol {
                Symbol::Char(c) => text.push(c),
                Symbol::Hole(n) => {
                    let value = values.get(n).copied().unwrap_or_default();
                    let is_raw = all.get(n).is_some_and(|of| of.is_raw);
                    value.chars().for_each(|c| {
                        text.extend((!is_raw && QUOTED.contains(&c)).then_some('\\'));
                        text.push(c);
                    });
                }
            }
        }
        text
    }
}
