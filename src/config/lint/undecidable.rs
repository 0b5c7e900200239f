//! Warnings about values of users that make it unclear whether a rule that grants less matches.

use std::collections::{BTreeMap, BTreeSet};

use super::{Lint, LintInput, Report, rule_path};
use crate::{
    authn::Labels,
    authz::{Condition, is_syntax},
    config::diagnostics::path::Path,
};

pub(super) const LINTS: &[Lint] = &[undecidable];

/// The label `internal-*` in `${labels:hidden}/*`, where a later rule grants more.
fn undecidable(input: &LintInput<'_>, report: &mut Report<'_>) {
    let odd = |(name, labels): &(&str, &Labels)| {
        is_syntax(name) || labels.values().flatten().any(|value| is_syntax(value))
    };
    let users: Vec<(&str, &Labels)> = input.config.accounts().filter(odd).collect();
    for rule in grant_less(input).into_iter().filter(|_| !users.is_empty()) {
        for (at, (user, value, others)) in unclear_values(input, rule, &users) {
            let others = if others > 0 { format!(" (and {others} more)") } else { String::new() };
            let message = format!(
                "the value {value:?} of user {user:?}{others} reads as a pattern: where it may match, the rule \
                 withholds what it does not grant"
            );
            let hint = "Take the characters of a pattern out of the value, or write a rule for these accounts before";
            report.warn(at, message, hint);
        }
    }
}

/// The rules behind which more may be granted.
fn grant_less(input: &LintInput<'_>) -> Vec<usize> {
    let authorizers = &input.config.authorizers;
    let mut later: BTreeSet<&str> = BTreeSet::new();
    if authorizers.acl_xorm.is_some() || authorizers.ext_authz.is_some() {
        later.insert("*");
    }
    let mut found = Vec::new();
    for (n, rule) in input.config.acl.iter().enumerate().rev() {
        let grants_all = rule.actions == ["*"];
        if !grants_all && later.iter().any(|action| !rule.actions.iter().any(|own| own == action)) {
            found.push(n);
        }
        later.extend(rule.actions.iter().map(String::as_str));
    }
    found.reverse();
    found
}

/// Returns, by condition, the first user and value, and the number of other values.
fn unclear_values<'u>(
    input: &LintInput<'_>,
    rule: usize,
    users: &[(&'u str, &'u Labels)],
) -> BTreeMap<Path, (&'u str, String, usize)> {
    let mut found = BTreeMap::new();
    let Some(compiled) = input.policy.rule(rule) else { return found };
    for (name, labels) in users {
        for (condition, value) in compiled.values_with_syntax(name, labels) {
            found
                .entry(condition_path(rule, condition))
                .and_modify(|(_, _, others)| *others += 1)
                .or_insert((*name, value, 0));
        }
    }
    found
}

fn condition_path(rule: usize, condition: Condition<'_>) -> Path {
    let at = rule_path(rule).key("match");
    match condition {
        Condition::Ip => at.key("ip"),
        Condition::Account => at.key("account"),
        Condition::Type => at.key("type"),
        Condition::Name => at.key("name"),
        Condition::Service => at.key("service"),
        Condition::Tag => at.key("tag"),
        Condition::Label(label) => at.key("labels").key(label),
        // No value of an account is in it.
        Condition::Time => rule_path(rule),
    }
}

#[cfg(test)]
mod tests {
    use crate::config::lint::testing::rules_for;

    const ALL: &str = "  - match: {account: bob}\n    actions: [\"*\"]\n";

    #[test]
    fn a_value_that_is_a_pattern_before_a_more_generous_rule() {
        let said = |name: &str, actions: &str, rest: &str| {
            let labels = "{team: [\"c++\", \"a-*\"]}";
            let rule = format!("- match: {{name: \"{name}\"}}\n    actions: {actions}\n{rest}");
            let text = rules_for(labels, &rule);
            text.lines().filter(|line| line.contains("reads as a pattern")).collect::<Vec<_>>().join("\n")
        };
        assert_eq!(
            said("${labels:team}/app", "[]", ALL),
            "f.yml:13:13: warning: acl[0].match.name: the value \"a-*\" of user \"alice\" reads as a pattern: where it \
             may match, the rule withholds what it does not grant. Take the characters of a pattern out of the \
             value, or write a rule for these accounts before"
        );
        assert!(
            said("/^${labels:team}-x$/", "[pull]", ALL)
                .contains("\"c++\" of user \"alice\" (and 1 more) reads")
        );
        let back_end = "ext_authz: {command: /bin/sh}\n";
        assert!(said("${labels:team}/app", "[]", back_end).contains("\"a-*\" of user"), "it may grant more");
        for (name, actions, rest) in [
            ("${labels:team}/app", "[\"*\"]", ALL),
            ("${labels:team}/app", "[]", ""),
            ("${labels:other}/app", "[]", ALL),
            ("${account}/app", "[]", ALL),
            ("team/app", "[]", ALL),
        ] {
            assert_eq!(said(name, actions, rest), "", "{name} {actions}");
        }
    }
}
