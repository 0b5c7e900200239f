//! A linter's view of a rule's patterns: the expressions, their open ends, and placeholders that stay text.
//!
//! Validation of a pattern is done in `pattern`; the caller chooses its warnings.

use std::collections::BTreeSet;

use crate::authz::{
    RuleSettings,
    patterns::{
        glob::Glob,
        go_regex,
        matchable::{Example, example},
        pattern::{expression, groups},
        placeholder::{Field, Scanned, Scope, Symbol},
    },
};

/// One pattern of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PatternShape<'r> {
    /// `account`, `type`, `name`, `service`, `tag` or `labels`.
    pub key: &'static str,
    /// The label, under `labels`.
    pub label: Option<&'r str>,
    /// The pattern as written.
    pub text: &'r str,
    /// The only text that it matches, where there is only one.
    pub literal: Option<String>,
    /// The expression between the slashes, where it is a regular expression.
    pub expression: Option<&'r str>,
    /// True if an expression leaves its start open, without saying so by `.*`.
    pub open_start: bool,
    /// The same for its end.
    pub open_end: bool,
    /// The text with a NUL for each placeholder that expands.
    pub plain: String,
    /// Texts that look like placeholders and are plain text.
    pub unexpanded: Vec<Unexpanded>,
    symbols: Vec<Symbol>,
}

impl PatternShape<'_> {
    /// A text that the pattern can match and that is one of `kind`, an expression of the `regex` crate which is meant
    /// as a whole. Costs much more than a match.
    pub fn example(&self, kind: &str) -> Example {
        example(self.text, &self.symbols, kind)
    }
}

/// A text that looks like a placeholder and is plain text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unexpanded {
    /// As written: `${account:2}`.
    pub text: String,
    /// The reason: a clause.
    pub why: String,
}

/// The patterns of a rule that compiles, as `Policy` reads them.
pub fn shapes(rule: &RuleSettings) -> Vec<PatternShape<'_>> {
    let groups = rule.fields().filter_map(|(field, text)| Some((field, groups(text)?))).collect();
    let scope = Scope { groups, in_label: None };
    let (mut shapes, mut captures) = (Vec::new(), BTreeSet::new());
    for (field, text) in rule.fields() {
        let scanned = scope.scan(text);
        captures.extend(scanned.captures.iter().cloned());
        shapes.push(shape(field.key(), None, text, &scanned, &scope));
    }
    let tags = rule.tags.iter().flatten();
    shapes.extend(tags.map(|text| shape("tag", None, text, &scope.scan(text), &scope)));
    let scope = Scope { in_label: Some(captures), ..scope };
    let labels = rule.labels.iter();
    shapes.extend(labels.map(|(label, text)| shape("labels", Some(label), text, &scope.scan(text), &scope)));
    shapes
}

fn shape<'r>(
    key: &'static str,
    label: Option<&'r str>,
    text: &'r str,
    scanned: &Scanned,
    scope: &Scope,
) -> PatternShape<'r> {
    let expression = expression(text);
    let inner = scanned.symbols.get(1..scanned.symbols.len().saturating_sub(1)).unwrap_or_default();
    let open = expression.and_then(|_| go_regex::open_ends(inner)).unwrap_or_default();
    let literal = || {
        let glob = Glob::compile_symbols(&scanned.symbols).ok()?;
        String::from_utf8(glob.as_literal()?.to_vec()).ok()
    };
    let plain: String =
        scanned.symbols.iter().map(|s| if let Symbol::Char(c) = s { *c } else { '\0' }).collect();
    PatternShape {
        key,
        label,
        text,
        literal: if expression.is_none() { literal() } else { None },
        expression,
        open_start: open.start,
        open_end: open.end,
        unexpanded: unexpanded(&plain, scope),
        plain,
        symbols: scanned.symbols.clone(),
    }
}

/// Each `${word}` and `${word:…}` that is left.
fn unexpanded(plain: &str, scope: &Scope) -> Vec<Unexpanded> {
    let found = plain.match_indices("${").filter_map(|(start, _)| {
        let text = plain.get(start..)?;
        let text = text.get(..=text.find('}')?)?;
        let name = text.get(2..text.len() - 1)?;
        name.starts_with(|c: char| c.is_ascii_alphabetic())
            .then(|| Unexpanded { text: text.to_owned(), why: why(name, scope) })
    });
    found.collect()
}

fn why(name: &str, scope: &Scope) -> String {
    let in_label = scope.in_label.is_some();
    match name.split_once(':') {
        Some(("labels", _)) => "the pattern of a label cannot name labels".to_owned(),
        Some((field, group)) => match (Field::from_capitalised(field), group.parse::<usize>()) {
            (Some(field), Ok(group)) => why_no_group(field, group, scope, in_label),
            (Some(_), Err(_)) => "behind the colon belongs the number of a group".to_owned(),
            (None, _) => format!("`{field}` is no field with groups"),
        },
        None => format!("there is no placeholder `{name}`"),
    }
}

fn why_no_group(field: Field, group: usize, scope: &Scope, in_label: bool) -> String {
    let key = field.key();
    match scope.groups.get(&field) {
        None => format!("`{key}` of this rule is not a regular expression"),
        Some(0) => format!("the expression of `{key}` has no group"),
        Some(groups) if in_label && (1..=*groups).contains(&group) => {
            "in the pattern of a label it needs the same placeholder in a field of the rule".to_owned()
        }
        Some(1) => format!("the expression of `{key}` has 1 group"),
        Some(groups) => format!("the expression of `{key}` has {groups} groups"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(account: &str, name: &str) -> RuleSettings {
        RuleSettings {
            account: Some(account.to_owned()),
            name: Some(name.to_owned()),
            ..RuleSettings::default()
        }
    }

    #[test]
    fn tells_texts_globs_and_expressions_apart() {
        let rule = rule("a\\*b", "/^${account}-x/");
        let [account, name] = &shapes(&rule)[..] else { panic!() };
        assert_eq!((account.literal.as_deref(), account.expression), (Some("a*b"), None));
        assert_eq!((name.literal.as_deref(), name.expression), (None, Some("^${account}-x")));
        assert_eq!((name.open_start, name.open_end, name.plain.as_str()), (false, true, "/^\0-x/"));
    }

    #[test]
    fn a_placeholder_that_stays_text_has_a_reason() {
        let why = |account: &str, name: &str| -> Vec<String> {
            let rule = rule(account, name);
            shapes(&rule)
                .iter()
                .flat_map(|s| &s.unexpanded)
                .map(|u| format!("{}: {}", u.text, u.why))
                .collect()
        };
        assert_eq!(
            why("a", "${account:1}"),
            ["${account:1}: `account` of this rule is not a regular expression"]
        );
        assert_eq!(why("/^(a)$/", "${account:2}"), ["${account:2}: the expression of `account` has 1 group"]);
        assert_eq!(why("/^a$/", "${account:1}"), ["${account:1}: the expression of `account` has no group"]);
        assert_eq!(why("a", "${acount}/${x:1}").len(), 2);
        assert_eq!(why("/^(a)$/", "/^${account:1}-${labels:x}-a${2}$/"), [] as [String; 0]);
    }

    #[test]
    fn a_labels_pattern_expands_less() {
        let why = |name: &str, label: &str| -> Vec<String> {
            let mut rule = rule("/^(a)$/", name);
            rule.labels.insert("g".to_owned(), label.to_owned());
            shapes(&rule).iter().flat_map(|s| &s.unexpanded).map(|u| u.why.clone()).collect()
        };
        assert_eq!(why("x", "${labels:h}"), ["the pattern of a label cannot name labels"]);
        let needs = "in the pattern of a label it needs the same placeholder in a field of the rule";
        assert_eq!(why("x", "${account:1}"), [needs]);
        assert_eq!(why("${account:1}", "${account:1}"), [] as [String; 0]);
    }
}
