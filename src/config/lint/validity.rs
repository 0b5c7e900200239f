//! Warnings about rules that hold for a time: those whose time is over, and what docker_auth makes of them.

use super::{Lint, LintInput, Report, rule_path};
use crate::{
    authz::{RuleSettings, Validity},
    config::{values::moment::written, values::quantity::counted},
};

pub(super) const LINTS: &[Lint] = &[over, unknown_to_docker_auth];

/// The rule is as if it were not there, for ever.
fn over(input: &LintInput<'_>, report: &mut Report<'_>) {
    let now = input.seconds();
    for (n, rule) in input.config.acl.iter().enumerate() {
        let Some(until) = rule.validity.until.filter(|_| rule.validity.is_over(now)) else { continue };
        let message = format!("the rule ended at {}, so it decides nothing any more", written(until));
        let hint = if rule.actions.is_empty() {
            "Remove the rule, or write a later time if it is still to deny"
        } else {
            "Remove the rule, or write a later time"
        };
        report.warn(rule_path(n).key("until"), message, hint);
    }
}

/// One file may serve both for a while: see docs/migrating.md.
fn unknown_to_docker_auth(input: &LintInput<'_>, report: &mut Report<'_>) {
    let is_bounded = |rule: &&RuleSettings| rule.validity != Validity::default();
    let count = input.config.acl.iter().filter(is_bounded).count();
    let Some(first) = input.config.acl.iter().position(|rule| is_bounded(&rule)) else { return };
    let key = if input.config.acl.get(first).is_some_and(|rule| rule.validity.from.is_some()) {
        "from"
    } else {
        "until"
    };
    let rules = counted(count, "rule");
    let message =
        format!("docker_auth ignores `from` and `until`: there, {rules} with them would hold at any time");
    report.note(rule_path(first).key(key), message);
}

#[cfg(test)]
mod tests {
    use crate::config::lint::testing::rules;

    const NOTE: &str =
        "docker_auth ignores `from` and `until`: there, 1 rule with them would hold at any time";

    fn bounded(actions: &str, bounds: &str) -> String {
        rules(&format!("- match: {{account: alice}}\n    actions: {actions}\n{bounds}"))
    }

    #[test]
    fn a_rule_whose_time_is_over() {
        let note = format!("f.yml:15:5: note: acl[0].until: {NOTE}");
        for (actions, hint) in [
            ("[pull]", "Remove the rule, or write a later time"),
            ("[]", "Remove the rule, or write a later time if it is still to deny"),
        ] {
            let said = bounded(actions, "    until: 2020-12-31\n");
            let warning = format!(
                "f.yml:15:5: warning: acl[0].until: the rule ended at 2021-01-01T00:00:00Z, so it decides nothing any \
                 more. {hint}"
            );
            assert_eq!(said, format!("{warning}\n{note}"));
        }
    }

    #[test]
    fn a_rule_for_later_and_one_for_now_are_only_noted() {
        let both = "    from: 2020-01-01\n    until: 9999-12-31\n";
        assert_eq!(bounded("[pull]", both), format!("f.yml:15:5: note: acl[0].from: {NOTE}"));
        let later = bounded("[pull]", "    from: 9999-12-31T23:59:59Z\n");
        assert_eq!(later, format!("f.yml:15:5: note: acl[0].from: {NOTE}"));
        let two = "    from: 2020-01-01\n  - match: {}\n    actions: []\n    until: 9999-12-31\n";
        let said = bounded("[pull]", two);
        assert!(
            said.ends_with("there, 2 rules with them would hold at any time") && said.lines().count() == 1,
            "{said}"
        );
    }
}
