//! Placeholders in patterns: `${account}`, `${account:1}`, `${labels:group}`, and what they stand for in a question.
//!
//! Finds them and names their values. How a value takes part in matching is the business of `glob` and `go_regex`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

/// One element of a pattern's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::authz) enum Symbol {
    Char(char),
    /// The placeholder with this index.
    Hole(usize),
}

/// The fields of a rule and of a question that are plain text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::authz) enum Field {
    Account,
    Type,
    Name,
    Service,
}

/// The value that a placeholder stands for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::authz) enum Placeholder {
    /// `${account}`.
    Field(Field),
    /// `${account:1}`: a group of the regex in the rule's own field.
    Capture(Field, usize),
    /// `${labels:group}`: any value of the account's label.
    Label(String),
}

impl Placeholder {
    /// Returns whether docker_auth puts its value into a pattern as it is. It quotes those of fields.
    pub(super) fn is_raw(&self) -> bool {
        !matches!(self, Self::Field(_))
    }
}

impl fmt::Display for Placeholder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(field) => write!(f, "${{{}}}", field.key()),
            Self::Capture(field, group) => write!(f, "${{{}:{group}}}", field.key()),
            Self::Label(label) => write!(f, "${{labels:{label}}}"),
        }
    }
}

/// The value of a placeholder in one question.
#[derive(Debug, Clone, Copy)]
pub(in crate::authz) enum Choice<'a> {
    /// Nothing: a pattern with it cannot match.
    None,
    One(&'a str),
    Any(&'a [&'a str]),
}

impl<'a> Choice<'a> {
    /// The values, in order.
    pub(in crate::authz) fn iter(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let (one, any): (Option<&'a str>, &'a [&'a str]) = match *self {
            Self::None => (None, &[]),
            Self::One(value) => (Some(value), &[]),
            Self::Any(values) => (None, values),
        };
        one.into_iter().chain(any.iter().copied())
    }
}

/// The placeholders that a pattern may hold; others stay as they are written.
#[derive(Debug, Clone, Default)]
pub(in crate::authz) struct Scope {
    /// The number of groups of the regex in a field; fields without a regex are absent.
    pub(in crate::authz) groups: BTreeMap<Field, usize>,
    /// In a label's pattern: the capture placeholders that expand, as written. docker_auth expands them there only
    /// when a field of the same rule holds the same one, and never a label's.
    pub(in crate::authz) in_label: Option<BTreeSet<String>>,
}

/// A pattern's text in symbols, and its placeholders; equal ones share an index.
#[derive(Debug, Default)]
pub(in crate::authz) struct Scanned {
    pub(in crate::authz) symbols: Vec<Symbol>,
    pub(in crate::authz) placeholders: Vec<Placeholder>,
    /// The captures among them, as written.
    pub(in crate::authz) captures: BTreeSet<String>,
}

impl Scope {
    /// Reads a pattern in one pass.
    pub(in crate::authz) fn scan(&self, pattern: &str) -> Scanned {
        let mut scanned = Scanned::default();
        let mut rest = pattern;
        while let Some(c) = rest.chars().next() {
            if let Some((text, placeholder)) = self.placeholder(rest) {
                scanned.push(text, placeholder);
                rest = rest.get(text.len()..).unwrap_or_default();
            } else {
                scanned.symbols.push(Symbol::Char(c));
                rest = rest.get(c.len_utf8()..).unwrap_or_default();
            }
        }
        scanned
    }

    /// The placeholder at the start of `text`, with the part of `text` that it is.
    fn placeholder<'t>(&self, text: &'t str) -> Option<(&'t str, Placeholder)> {
        let end = text.strip_prefix("${")?.find('}')? + 2;
        let name = text.get(2..end)?;
        let whole = text.get(..=end)?;
        let placeholder = match name.split_once(':') {
            None => Placeholder::Field(Field::from_name(name)?),
            // Another placeholder may begin inside.
            Some(("labels", label)) if self.in_label.is_none() && !label.contains("${") => {
                Placeholder::Label(label.to_owned())
            }
            Some((field, index)) => self.capture(whole, field, index)?,
        };
        Some((whole, placeholder))
    }

    fn capture(&self, whole: &str, field: &str, index: &str) -> Option<Placeholder> {
        let index = Some(index).filter(|i| i.bytes().all(|b| b.is_ascii_digit()))?.parse().ok()?;
        let field = Field::from_capitalised(field)?;
        let known = self.groups.get(&field).is_some_and(|groups| (1..=*groups).contains(&index));
        let allowed = self.in_label.as_ref().is_none_or(|seen| seen.contains(whole));
        (known && allowed).then_some(Placeholder::Capture(field, index))
    }
}

impl Scanned {
    fn push(&mut self, text: &str, placeholder: Placeholder) {
        if matches!(placeholder, Placeholder::Capture(..)) {
            self.captures.insert(text.to_owned());
        }
        let index = self.placeholders.iter().position(|p| *p == placeholder).unwrap_or_else(|| {
            self.placeholders.push(placeholder);
            self.placeholders.len() - 1
        });
        self.symbols.push(Symbol::Hole(index));
    }
}

impl Field {
    /// Its key in a rule's `match`.
    pub(in crate::authz) fn key(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Type => "type",
            Self::Name => "name",
            Self::Service => "service",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        match name {
            "account" => Some(Self::Account),
            "type" => Some(Self::Type),
            "name" => Some(Self::Name),
            "service" => Some(Self::Service),
            _ => None,
        }
    }

    /// In `${account:1}` the first letter may be a capital, as docker_auth has it.
    pub(in crate::authz) fn from_capitalised(name: &str) -> Option<Self> {
        Self::from_name(name).or(match name {
            "Account" => Some(Self::Account),
            "Type" => Some(Self::Type),
            "Name" => Some(Self::Name),
            "Service" => Some(Self::Service),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn placeholders(scope: &Scope, pattern: &str) -> Vec<Placeholder> {
        scope.scan(pattern).placeholders
    }

    #[test]
    fn unknown_placeholders_stay_text() {
        let scope = Scope { groups: [(Field::Account, 2)].into(), in_label: None };
        for text in [
            "${ip}",
            "${ account}",
            "${Account}",
            "$account",
            "${account",
            "${account:0}",
            "${account:3}",
            "${account:x}",
            "${ACCOUNT:1}",
            "${name:1}",
            "${account:}",
            "${Labels:g}",
            "${account:99999999999999999999}",
        ] {
            assert_eq!(placeholders(&scope, text), [], "{text}");
        }
        let all = placeholders(&scope, "${${account}}${account}${Account:1}${account:02}${labels:a b}");
        let account = |group| Placeholder::Capture(Field::Account, group);
        assert_eq!(
            all,
            [
                Placeholder::Field(Field::Account),
                account(1),
                account(2),
                Placeholder::Label("a b".to_owned())
            ]
        );
    }

    #[test]
    fn a_labels_pattern_knows_no_labels_and_only_the_captures_of_its_rule() {
        let in_label = Some(["${account:1}".to_owned()].into());
        let scope = Scope { groups: [(Field::Account, 2)].into(), in_label };
        assert_eq!(placeholders(&scope, "${labels:g}${account:2}${Account:1}"), []);
        assert_eq!(placeholders(&scope, "${account:1}"), [Placeholder::Capture(Field::Account, 1)]);
    }
}
