//! A pattern of an ACL: text, a glob or a regular expression, with or without placeholders.
//!
//! What it is, is fixed at load; values of placeholders are always literal. docker_auth puts captured groups and
//! labels into patterns unquoted: a value that it would read as syntax, and that would then not match itself, matches
//! nothing here either, so that literal reading never grants what docker_auth refuses.

use super::{
    glob::Glob,
    go_regex::{self, GoRegex, Program},
    pattern_error::PatternError,
    placeholder::{Choice, Placeholder, Scanned, Symbol},
};

/// The most combinations that are tried for labels which stand more than once in a pattern; with more, it does not
/// match. Only values that occur in the subject count.
const MAX_COMBINATIONS: usize = 4_096;

/// A compiled pattern.
#[derive(Debug, Clone)]
pub(super) struct Pattern {
    matcher: Matcher,
    placeholders: Vec<Placeholder>,
}

#[derive(Debug, Clone)]
enum Matcher {
    Text(Box<[u8]>),
    Glob(Glob),
    Regex(Box<GoRegex>),
    /// A glob with placeholders.
    GlobTemplate(Glob),
    /// A regular expression with placeholders.
    Program(Box<Program>),
}

/// Where the values of placeholders come from.
pub(super) trait Values<'q> {
    /// The value of a field.
    fn field(&self, field: super::placeholder::Field) -> &'q str;
    /// What a group of the regex in the rule's own field captured.
    fn capture(&self, field: super::placeholder::Field, group: usize) -> Option<&'q str>;
    /// The values of a label of the account; `None` when it has no such label.
    fn label(&self, label: &str) -> Option<&'q [String]>;
}

/// The expression of a pattern that is a regular expression: longer than two bytes and wrapped in slashes.
pub(super) fn expression(pattern: &str) -> Option<&str> {
    if pattern.len() <= 2 {
        return None;
    }
    pattern.strip_prefix('/')?.strip_suffix('/')
}

/// How many groups it has, where it is a regular expression that can be read.
pub(super) fn groups(pattern: &str) -> Option<usize> {
    let symbols: Vec<Symbol> = expression(pattern)?.chars().map(Symbol::Char).collect();
    go_regex::groups(&symbols)
}

impl Pattern {
    /// Compiles `text`, whose placeholders were found by `Scope::scan`.
    ///
    /// # Errors
    /// A malformed glob, a regular expression that Go refuses or that has no exact translation, and a placeholder
    /// where its value would not be a plain piece of text.
    pub(super) fn compile(text: &str, scanned: Scanned) -> Result<Self, PatternError> {
        let symbols = scanned.symbols.as_slice();
        let matcher = match expression(text) {
            Some(expression) if scanned.placeholders.is_empty() => {
                Matcher::Regex(GoRegex::compile(expression)?.into())
            }
            // As in docker_auth, it must be valid as it is written, too.
            Some(expression) => GoRegex::compile(expression).and_then(|_| program(symbols))?,
            None => glob(Glob::compile_symbols(symbols)?, !scanned.placeholders.is_empty()),
        };
        Ok(Self { matcher, placeholders: scanned.placeholders })
    }

    /// How costly it is to ask, for asking the cheap ones first.
    pub(super) fn cost(&self) -> u8 {
        match self.matcher {
            Matcher::Text(_) => 0,
            Matcher::Glob(_) => 1,
            Matcher::GlobTemplate(_) => 2,
            Matcher::Regex(_) => 3,
            Matcher::Program(_) => 4,
        }
    }

    /// The fields whose captured groups it needs.
    pub(super) fn captured_fields(&self) -> impl Iterator<Item = super::placeholder::Field> {
        self.placeholders.iter().filter_map(|p| match p {
            Placeholder::Capture(field, _) => Some(*field),
            _ => None,
        })
    }

    /// The only text that it matches, when it is neither a wildcard nor an expression nor a placeholder.
    pub(super) fn as_text(&self) -> Option<&str> {
        match &self.matcher {
            Matcher::Text(text) => std::str::from_utf8(text).ok(),
            _ => None,
        }
    }

    /// The bytes that every subject which matches begins with, in every question; empty where none are certain.
    pub(super) fn literal_prefix(&self) -> &[u8] {
        match &self.matcher {
            Matcher::Text(text) => text,
            Matcher::Glob(glob) | Matcher::GlobTemplate(glob) => glob.literal_prefix(),
            Matcher::Regex(regex) => regex.literal_prefix().as_bytes(),
            Matcher::Program(program) => program.literal_prefix().as_bytes(),
        }
    }

    /// Whether it matches `subject` in every question: never where it has placeholders.
    pub(super) fn always_matches(&self, subject: &str) -> bool {
        match &self.matcher {
            Matcher::Text(text) => subject.as_bytes() == &**text,
            Matcher::Glob(glob) => glob.is_match(subject),
            Matcher::Regex(regex) => regex.is_match(subject),
            Matcher::GlobTemplate(_) | Matcher::Program(_) => false,
        }
    }

    /// Whether `subject` matches.
    pub(super) fn is_match<'q>(&self, subject: &str, values: &impl Values<'q>) -> bool {
        match &self.matcher {
            Matcher::Text(text) => subject.as_bytes() == &**text,
            Matcher::Glob(glob) => glob.is_match(subject),
            Matcher::Regex(regex) => regex.is_match(subject),
            Matcher::GlobTemplate(glob) => {
                // docker_auth takes an expanded glob for a regex when it starts and ends with a slash; then the
                // subject of a match does, too.
                let turns = subject.len() > 1 && subject.starts_with('/') && subject.ends_with('/');
                !turns && self.match_glob(glob, subject, values)
            }
            Matcher::Program(program) => self.match_program(program, subject, values),
        }
    }

    fn match_glob<'q>(&self, glob: &Glob, subject: &str, values: &impl Values<'q>) -> bool {
        let wild = !glob.has_classes() && subject.is_ascii();
        let plain = |v: &str| !v.contains(['[', '\\']) && (wild || !v.contains(['*', '?']));
        let candidates = self.candidates(values, |v| plain(v) && subject.contains(v));
        let mut choices = choices(&candidates);
        let each =
            if glob.is_regular(subject.as_bytes()) { glob.repeated() } else { (0..choices.len()).collect() };
        try_each(&mut choices, &each, &mut |choices| {
            if choices.iter().any(|c| matches!(c, Choice::Any(_))) {
                glob.matches_any(subject.as_bytes(), choices)
            } else {
                glob.matches_with(subject.as_bytes(), choices)
            }
        })
    }

    fn match_program<'q>(&self, program: &Program, subject: &str, values: &impl Values<'q>) -> bool {
        let folds = program.folds();
        let plain = |v: &str| !v.contains(['\\', '+', '*', '?', '(', ')', '|', '[', ']', '{', '}', '^', '$']);
        let candidates = self.candidates(values, |v| plain(v) && (folds || subject.contains(v)));
        let mut choices = choices(&candidates);
        try_each(&mut choices, program.repeated(), &mut |choices| program.is_match(subject, choices))
    }

    /// The values that each placeholder may stand for. `usable` is asked about captured groups and labels only: the
    /// others docker_auth quotes.
    fn candidates<'q>(&self, values: &impl Values<'q>, usable: impl Fn(&str) -> bool) -> Vec<Vec<&'q str>> {
        // docker_auth tries every combination of labels: where one has no value there is none.
        let is_empty = |p: &Placeholder| matches!(p, Placeholder::Label(l) if values.label(l).is_some_and(<[_]>::is_empty));
        let no_labels = self.placeholders.iter().any(is_empty);
        let of = |placeholder: &Placeholder| match placeholder {
            Placeholder::Field(field) => vec![values.field(*field)],
            Placeholder::Capture(field, group) => {
                values.capture(*field, *group).filter(|v| usable(v)).into_iter().collect()
            }
            Placeholder::Label(_) if no_labels => Vec::new(),
            Placeholder::Label(label) => {
                let all = values.label(label).unwrap_or_default();
                all.iter().map(String::as_str).filter(|v| usable(v)).collect()
            }
        };
        self.placeholders.iter().map(of).collect()
    }
}

fn program(symbols: &[Symbol]) -> Result<Matcher, PatternError> {
    let inner = symbols.get(1..symbols.len().saturating_sub(1)).unwrap_or_default();
    Ok(Matcher::Program(Program::compile(inner)?.into()))
}

fn glob(glob: Glob, template: bool) -> Matcher {
    match glob.as_literal() {
        Some(text) => Matcher::Text(text.into()),
        None if template => Matcher::GlobTemplate(glob),
        None => Matcher::Glob(glob),
    }
}

fn choices<'a>(candidates: &'a [Vec<&'a str>]) -> Vec<Choice<'a>> {
    let choice = |values: &'a Vec<&'a str>| match values.as_slice() {
        [] => Choice::None,
        [value] => Choice::One(value),
        values => Choice::Any(values),
    };
    candidates.iter().map(choice).collect()
}

/// Whether `test` holds for some way to fix the value of each placeholder in `fixed`.
fn try_each<'a>(
    choices: &mut [Choice<'a>],
    fixed: &[usize],
    test: &mut impl FnMut(&[Choice<'a>]) -> bool,
) -> bool {
    let counts = fixed.iter().map(|i| choices.get(*i).map_or(1, |c| c.iter().count().max(1)));
    let combinations = counts.fold(1_usize, usize::saturating_mul);
    combinations <= MAX_COMBINATIONS && fix(choices, fixed, test)
}

fn fix<'a>(
    choices: &mut [Choice<'a>],
    fixed: &[usize],
    test: &mut impl FnMut(&[Choice<'a>]) -> bool,
) -> bool {
    let Some((index, rest)) = fixed.split_first() else { return test(choices) };
    let Some(Choice::Any(values)) = choices.get(*index).copied() else { return fix(choices, rest, test) };
    let set = |choices: &mut [Choice<'a>], choice| {
        if let Some(slot) = choices.get_mut(*index) {
            *slot = choice;
        }
    };
    let found = values.iter().any(|value| {
        set(choices, Choice::One(value));
        fix(choices, rest, test)
    });
    set(choices, Choice::Any(values));
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authz::placeholder::{Field, Scope};

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
