//! Patterns with placeholders, matched in three values.
//!
//! A placeholder's value is plain text here, whatever is in it. docker_auth puts captured groups and labels into the
//! pattern as they are and reads the result. Values that read the same either way have one answer. For the others both
//! answers are sought: where they differ, or one cannot be found, the match is unclear.

use super::{
    glob::Glob,
    glob_template::GlobTemplate,
    go_regex::{Dots, Program},
    pattern_error::PatternError,
    placeholder::{Choice, Field, Placeholder, Scanned},
    tristate::{Doubt, Tristate},
};

/// The most combinations that are tried for labels which stand more than once in a pattern. Only values that occur in
/// the subject count.
pub(super) const MAX_COMBINATIONS: usize = 4_096;

/// The characters that an expression reads as more than text, except the dot.
const SYNTAX: [char; 13] = ['\\', '+', '*', '?', '(', ')', '|', '[', ']', '{', '}', '^', '$'];

/// A compiled pattern with placeholders.
#[derive(Debug, Clone)]
pub(in crate::authz) struct Template {
    placeholders: Vec<Placeholder>,
    matcher: Matcher,
}

#[derive(Debug, Clone)]
enum Matcher {
    Glob(GlobTemplate),
    Program(Box<Program>),
}

/// The source of the values of placeholders.
pub(in crate::authz) trait Values<'q> {
    /// The value of a field.
    fn field(&self, field: Field) -> &'q str;
    /// The text captured by a group of the regex in the rule's own field.
    fn capture(&self, field: Field, group: usize) -> Option<&'q str>;
    /// The values of a label of the account; `None` when it has no such label.
    fn label(&self, label: &str) -> Option<&'q [String]>;
    /// Returns whether the name of a label of the account holds a brace.
    fn has_label_with_brace(&self) -> bool;
}

/// The values that a placeholder may stand for.
#[derive(Debug, Clone)]
pub(in crate::authz) struct Candidates<'q> {
    pub(in crate::authz) values: Vec<&'q str>,
    /// True if docker_auth puts them into the pattern as they are, not quoted.
    pub(super) is_raw: bool,
}

/// Returns whether a value says more than its text inside an expression, but for a dot.
pub fn is_syntax(value: &str) -> bool {
    value.contains(SYNTAX)
}

impl Template {
    /// A glob, which has placeholders.
    pub(in crate::authz) fn glob(glob: Glob, scanned: Scanned) -> Self {
        let matcher = Matcher::Glob(GlobTemplate::new(glob, scanned.symbols));
        Self { placeholders: scanned.placeholders, matcher }
    }

    /// An expression, which has placeholders.
    ///
    /// # Errors
    /// As [`Program::compile`].
    pub(in crate::authz) fn expression(scanned: Scanned) -> Result<Self, PatternError> {
        let symbols = &scanned.symbols;
        let inner = symbols.get(1..symbols.len().saturating_sub(1)).unwrap_or_default();
        let matcher = Matcher::Program(Program::compile(inner)?.into());
        Ok(Self { placeholders: scanned.placeholders, matcher })
    }

    pub(in crate::authz) fn is_expression(&self) -> bool {
        matches!(self.matcher, Matcher::Program(_))
    }

    pub(in crate::authz) fn placeholders(&self) -> &[Placeholder] {
        &self.placeholders
    }

    /// The bytes that every subject begins with which matches, or may match; empty where none are certain. Only a value
    /// that [`is_syntax`] lets a template that [`Template::is_loose`] match others.
    pub(in crate::authz) fn literal_prefix(&self) -> &[u8] {
        match &self.matcher {
            Matcher::Glob(glob) => glob.literal_prefix(),
            Matcher::Program(program) => program.literal_prefix().as_bytes(),
        }
    }

    /// Returns whether values can change what the expression around them means.
    pub(in crate::authz) fn is_loose(&self) -> bool {
        self.is_expression() && self.placeholders.iter().any(Placeholder::is_raw)
    }

    /// The values that docker_auth would read as part of the pattern. Of groups only the account's are known to a
    /// linter.
    pub(in crate::authz) fn values_with_syntax<'q>(&self, values: &impl Values<'q>) -> Vec<&'q str> {
        let of = |placeholder: &Placeholder| match placeholder {
            Placeholder::Capture(Field::Account, group) => {
                values.capture(Field::Account, *group).into_iter().collect()
            }
            Placeholder::Label(label) => {
                values.label(label).unwrap_or_default().iter().map(String::as_str).collect()
            }
            Placeholder::Capture(..) | Placeholder::Field(_) => Vec::new(),
        };
        let has_syntax = |value: &&str| match &self.matcher {
            Matcher::Glob(_) => GlobTemplate::is_syntax(value),
            Matcher::Program(_) => is_syntax(value),
        };
        self.placeholders.iter().flat_map(of).filter(has_syntax).collect()
    }

    /// Returns whether `subject` matches.
    pub(in crate::authz) fn fit<'q>(&self, subject: &str, values: &impl Values<'q>) -> Tristate {
        let has_prefix = subject.as_bytes().starts_with(self.literal_prefix());
        if !has_prefix && !self.is_loose() {
            return Tristate::No;
        }
        if self.has_odd_label(values) {
            return Tristate::Unclear(Doubt::Syntax);
        }
        let candidates = self.candidates(values);
        match &self.matcher {
            Matcher::Glob(glob) => glob.fit(subject, candidates, &self.placeholders),
            Matcher::Program(_) if !has_prefix && !candidates.iter().any(Candidates::are_syntax) => {
                Tristate::No
            }
            Matcher::Program(program) => fit_program(program, subject, candidates),
        }
    }

    /// docker_auth finds the labels of an account in the pattern by their names: one with a brace elsewhere than here.
    fn has_odd_label<'q>(&self, values: &impl Values<'q>) -> bool {
        let is_label = |placeholder: &Placeholder| matches!(placeholder, Placeholder::Label(_));
        self.placeholders.iter().any(is_label) && values.has_label_with_brace()
    }

    fn candidates<'q>(&self, values: &impl Values<'q>) -> Vec<Candidates<'q>> {
        // docker_auth tries every combination of labels: where one has no value there is none.
        let is_empty = |p: &Placeholder| matches!(p, Placeholder::Label(l) if values.label(l).is_some_and(<[_]>::is_empty));
        let no_labels = self.placeholders.iter().any(is_empty);
        let of = |placeholder: &Placeholder| match placeholder {
            Placeholder::Field(field) => vec![values.field(*field)],
            Placeholder::Capture(field, group) => values.capture(*field, *group).into_iter().collect(),
            Placeholder::Label(_) if no_labels => Vec::new(),
            Placeholder::Label(label) => {
                values.label(label).unwrap_or_default().iter().map(String::as_str).collect()
            }
        };
        self.placeholders.iter().map(|p| Candidates { values: of(p), is_raw: p.is_raw() }).collect()
    }
}

/// docker_auth's reading is sought for values whose only syntax is a dot. A value with more can change what the whole
/// expression means.
fn fit_program(program: &Program, subject: &str, mut all: Vec<Candidates<'_>>) -> Tristate {
    let has_syntax = all.iter().any(Candidates::are_syntax);
    for raw in all.iter_mut().filter(|raw| raw.is_raw && !raw.values.is_empty()) {
        raw.values.retain(|value| !is_syntax(value));
        if raw.values.is_empty() {
            return Tristate::Unclear(Doubt::Syntax);
        }
    }
    let any = |all: &[Candidates<'_>], dots| {
        let mut test = |choices: &[Choice<'_>]| program.fit(subject, choices, dots);
        fit_each(&mut choices(all), program.repeated(), MAX_COMBINATIONS, &mut test)
    };
    let as_text = any(&kept(&all, |_, value| program.folds() || subject.contains(value)), Dots::Text);
    let has_dots = || all.iter().any(|of| of.is_raw && of.values.iter().any(|value| value.contains('.')));
    let differs = || has_syntax || (has_dots() && any(&all, Dots::Any) != Tristate::No);
    if as_text == Tristate::No && differs() { Tristate::Unclear(Doubt::Syntax) } else { as_text }
}

impl Candidates<'_> {
    fn are_syntax(&self) -> bool {
        self.is_raw && self.values.iter().any(|value| is_syntax(value))
    }
}

/// Returns the values that `test` holds for.
pub(in crate::authz) fn kept<'q>(
    all: &[Candidates<'q>],
    test: impl Fn(&Candidates<'q>, &str) -> bool,
) -> Vec<Candidates<'q>> {
    let kept = |of: &Candidates<'q>| of.values.iter().copied().filter(|value| test(of, value)).collect();
    all.iter().map(|of| Candidates { values: kept(of), is_raw: of.is_raw }).collect()
}

pub(super) fn choices<'a>(all: &'a [Candidates<'a>]) -> Vec<Choice<'a>> {
    let choice = |of: &'a Candidates<'a>| match of.values.as_slice() {
        [] => Choice::None,
        [value] => Choice::One(value),
        values => Choice::Any(values),
    };
    all.iter().map(choice).collect()
}

/// Returns whether `test` holds for some way to fix the value of each placeholder in `fixed`; of more than `most`
/// ways that is not known.
pub(super) fn fit_each<'a>(
    choices: &mut [Choice<'a>],
    fixed: &[usize],
    most: usize,
    test: &mut impl FnMut(&[Choice<'a>]) -> Tristate,
) -> Tristate {
    let counts = fixed.iter().map(|i| choices.get(*i).map_or(1, |c| c.iter().count().max(1)));
    if counts.fold(1_usize, usize::saturating_mul) > most {
        return Tristate::Unclear(Doubt::Combinations);
    }
    fix(choices, fixed, test)
}

fn fix<'a>(
    choices: &mut [Choice<'a>],
    fixed: &[usize],
    test: &mut impl FnMut(&[Choice<'a>]) -> Tristate,
) -> Tristate {
    let Some((index, rest)) = fixed.split_first() else { return test(choices) };
    let Some(Choice::Any(values)) = choices.get(*index).copied() else { return fix(choices, rest, test) };
    let set = |choices: &mut [Choice<'a>], choice| {
        if let Some(slot) = choices.get_mut(*index) {
            *slot = choice;
        }
    };
    let fit = Tristate::any(values.iter().map(|value| {
        set(choices, Choice::One(value));
        fix(choices, rest, test)
    }));
    set(choices, Choice::Any(values));
    fit
}
