//! Warnings about rules: patterns that match more or less than they seem to, and rules that never decide.

use super::{Lint, LintInput, Report, pattern_path, rule_path};
use crate::authz::{PatternShape, hidden_rules, shapes};

pub(super) const LINTS: &[Lint] = &[unreachable, patterns];

/// A lint about one pattern of the rule at an index.
type PatternLint = fn(&LintInput<'_>, usize, &PatternShape<'_>, &mut Report<'_>);

const PATTERN_LINTS: &[PatternLint] = &[unanchored, unexpanded, without_dollar, one_level_only];

/// An earlier rule matches whatever this one matches.
fn unreachable(input: &LintInput<'_>, report: &mut Report<'_>) {
    for (rule, by) in hidden_rules(input.policy, &input.config.acl) {
        let line = report.line(&rule_path(by));
        let message =
            format!("never decides: {} on line {line} matches all that this rule matches", rule_path(by));
        report.warn(rule_path(rule), message, "Move it before that rule, or remove it");
    }
}

fn patterns(input: &LintInput<'_>, report: &mut Report<'_>) {
    for (n, rule) in input.config.acl.iter().enumerate() {
        for shape in shapes(rule) {
            PATTERN_LINTS.iter().for_each(|lint| lint(input, n, &shape, report));
        }
    }
}

/// `/admin/` matches `notadmin2`.
fn unanchored(_: &LintInput<'_>, rule: usize, shape: &PatternShape<'_>, report: &mut Report<'_>) {
    if let Some((message, hint)) = open_ends(shape) {
        report.warn(pattern_path(rule, shape), message, hint);
    }
}

/// The warning about an expression that is not anchored, and its remedy; `None` for one that is, and for a glob.
pub(super) fn open_ends(shape: &PatternShape<'_>) -> Option<(String, String)> {
    let expression = shape.expression?;
    let (what, start, end) = match (shape.open_start, shape.open_end) {
        (true, true) => ("before and behind", "^", "$"),
        (true, false) => ("before", "^", ""),
        (false, true) => ("behind", "", "$"),
        (false, false) => return None,
    };
    let message = format!("the expression is not anchored: anything may stand {what} what it matches");
    let body = if expression.contains('|') { format!("(?:{expression})") } else { expression.to_owned() };
    Some((message, format!("Write `/{start}{body}{end}/`, or `.*` where anything may stand")))
}

/// `${account:2}` with one group, `${acount}`.
fn unexpanded(_: &LintInput<'_>, rule: usize, shape: &PatternShape<'_>, report: &mut Report<'_>) {
    for left in &shape.unexpanded {
        let message = format!("`{}` is plain text here: {}", left.text, left.why);
        let hint = if left.text.contains(':') {
            "Count the groups of the rule's own expression from 1, as `${account:1}`"
        } else {
            "Write one of `${account}`, `${type}`, `${name}`, `${service}`, `${labels:…}`"
        };
        report.warn(pattern_path(rule, shape), message, hint);
    }
}

/// `{labels:x}` for `${labels:x}`. In a label's own pattern neither would expand.
fn without_dollar(_: &LintInput<'_>, rule: usize, shape: &PatternShape<'_>, report: &mut Report<'_>) {
    const START: &str = "{labels:";
    let found = shape
        .plain
        .match_indices(START)
        .find(|(at, _)| !shape.plain.get(..*at).is_some_and(|s| s.ends_with('$')));
    let Some((at, _)) = found.filter(|_| shape.label.is_none()) else { return };
    let Some(text) = shape.plain.get(at..).and_then(|rest| rest.split_inclusive('}').next()) else { return };
    let message = format!("`{text}` is plain text here: the `$` before it is missing");
    report.warn(pattern_path(rule, shape), message, format!("Write `${text}`"));
}

/// `${account}/*` leaves out `alice/a/b`, unless another rule is there for it.
fn one_level_only(input: &LintInput<'_>, rule: usize, shape: &PatternShape<'_>, report: &mut Report<'_>) {
    // Of `**` there is a warning in any case.
    if shape.key != "name" || shape.expression.is_some() || shape.plain.contains("**") {
        return;
    }
    let space = |text: &str| text.strip_suffix("/*").map(str::to_owned);
    let Some(own) = space(&shape.plain).filter(|s| s.contains('\0') && !s.contains('/')) else { return };
    let Some(written) = space(shape.text) else { return };
    let deeper = format!("{written}/*/");
    if input.config.acl.iter().any(|r| r.name.as_deref().is_some_and(|name| name.starts_with(&deeper))) {
        return;
    }
    let message = "`*` does not cross a slash: `<name>/app` matches, and `<name>/app/part` does not";
    let more = format!("Add a rule with `{written}/*/*`");
    // In an expression a dot, for one, would mean more.
    let is_plain = own.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '\0' | '-' | '_'));
    let hint = if is_plain { format!("{more}, or write `/^{written}/.+$/` for every depth") } else { more };
    report.warn(pattern_path(rule, shape), message, hint);
}

#[cfg(test)]
mod tests {
    use crate::config::lint::testing::{rule, rules};

    #[test]
    fn a_condition_without_a_value() {
        for key in ["account", "type", "name", "service", "ip", "labels"] {
            let said = format!(
                "f.yml:13:13: warning: acl[0].match.{key}: the condition has no value, so it holds for every \
                 account and every request. Write a value; `\"\"` matches the empty text only. Or remove the key"
            );
            for nothing in ["", "null", "~"] {
                assert_eq!(rule(&format!("{key}: {nothing}"), "[pull]"), said, "{key} {nothing}");
            }
        }
        let text = rule("labels: {team: }", "[pull]");
        assert!(text.contains("acl[0].match.labels.team: the label has no value here"), "{text}");
        for actions in ["", "[null]"] {
            let text = rule("account: x", actions);
            assert!(text.contains("acl[0].actions"), "{actions}: {text}");
        }
    }

    #[test]
    fn an_unreachable_rule() {
        let two = |first: &str, second: &str| {
            rules(&format!(
                "- match: {{{first}}}\n    actions: [pull]\n  - match: {{{second}}}\n    actions: [pull]\n"
            ))
        };
        let said = "f.yml:15:5: warning: acl[1]: never decides: acl[0] on line 13 matches all that this rule \
                    matches. Move it before that rule, or remove it";
        for (first, second) in
            [("", "account: alice"), ("account: al*", "account: alice"), ("name: a/*", "name: a/*, type: x")]
        {
            assert_eq!(two(first, second), said, "{first} {second}");
        }
        for (first, second) in
            [("account: alice", ""), ("account: al?", "account: alice"), ("name: a/*", "name: a/b/c")]
        {
            assert_eq!(two(first, second), "", "{first} {second}");
        }
    }

    #[test]
    fn an_unanchored_expression() {
        assert_eq!(
            rule("name: /admin/", "[pull]"),
            "f.yml:13:13: warning: acl[0].match.name: the expression is not anchored: anything may stand \
             before and behind what it matches. Write `/^admin$/`, or `.*` where anything may stand"
        );
        assert_eq!(
            rule("name: /^a|b$/", "[pull]"),
            "f.yml:13:13: warning: acl[0].match.name: the expression is not anchored: anything may stand \
             before and behind what it matches. Write `/^(?:^a|b$)$/`, or `.*` where anything may stand"
        );
        assert_eq!(
            rule("labels: {team: /^a/}", "[pull]"),
            "f.yml:13:22: warning: acl[0].match.labels.team: the expression is not anchored: anything may \
             stand behind what it matches. Write `/^a$/`, or `.*` where anything may stand"
        );
        assert_eq!(
            rule("account: /(.+)@x$/, name: \"/${account:1}/\"", "[pull]").lines().count(),
            1,
            "`.+` says that anything may stand there"
        );
        for fine in ["name: /^admin$/", "name: /.*admin.*/", "name: \"/^${account}/.+$/\"", "account: /.+/"] {
            assert_eq!(rule(fine, "[pull]"), "", "{fine}");
        }
    }

    #[test]
    fn a_placeholder_that_is_plain_text() {
        assert_eq!(
            rule("account: \"/^(.+)@x$/\", name: \"${account:2}/app\"", "[pull]"),
            "f.yml:13:36: warning: acl[0].match.name: `${account:2}` is plain text here: the expression of \
             `account` has 1 group. Count the groups of the rule's own expression from 1, as `${account:1}`"
        );
        assert_eq!(
            rule("name: \"${acount}/app\"", "[pull]"),
            "f.yml:13:13: warning: acl[0].match.name: `${acount}` is plain text here: there is no \
             placeholder `acount`. Write one of `${account}`, `${type}`, `${name}`, `${service}`, \
             `${labels:…}`"
        );
        assert_eq!(rule("account: \"/^(.+)@x$/\", name: \"${account:1}/app\"", "[pull]"), "");
    }

    #[test]
    fn a_placeholder_without_its_dollar() {
        assert_eq!(
            rule("name: \"{labels:team}/app\"", "[pull]"),
            "f.yml:13:13: warning: acl[0].match.name: `{labels:team}` is plain text here: the `$` before it \
             is missing. Write `${labels:team}`"
        );
        assert_eq!(rule("name: \"${labels:team}/app\"", "[pull]"), "");
    }

    #[test]
    fn a_space_of_one_level() {
        assert_eq!(
            rule("name: \"${account}/*\"", "[pull]"),
            "f.yml:13:13: warning: acl[0].match.name: `*` does not cross a slash: `<name>/app` matches, and \
             `<name>/app/part` does not. Add a rule with `${account}/*/*`, or write `/^${account}/.+$/` for \
             every depth"
        );
        for also in ["${labels:team}/*", "${account}/**", "home-${account}/*"] {
            assert_eq!(rule(&format!("name: \"{also}\""), "[pull]").lines().count(), 1, "{also}");
        }
        for fine in ["alice/*", "${account}/app", "${account}/*/*", "a/${account}/*", "${account}*"] {
            assert_eq!(rule(&format!("name: \"{fine}\""), "[pull]"), "", "{fine}");
        }
        let deeper = "- match: {name: \"${account}/*\"}\n    actions: [pull]\n  \
                      - match: {name: \"${account}/*/*\"}\n    actions: [pull]\n";
        assert_eq!(rules(deeper), "");
    }
}
