//! Warnings about rules with a `tag`: patterns that no tag matches, resources without tags, and what docker_auth does.

use super::{Lint, LintInput, Report, pattern_path};
use crate::{
    authz::{Example, shapes},
    config::{sections::access::rule_path, values::quantity::counted},
};

pub(super) const LINTS: &[Lint] = &[patterns, resources, elsewhere];

/// A tag, of any length.
const TAG: &str = "[a-zA-Z0-9_][a-zA-Z0-9_.-]*";
/// For how many patterns an example is searched.
const MOST_SEARCHED: usize = 5_000;

/// Patterns that no tag matches.
fn patterns(input: &LintInput<'_>, report: &mut Report<'_>) {
    let mut searched = 0;
    for (n, rule) in input.config.acl.iter().enumerate().filter(|(_, rule)| rule.tags.is_some()) {
        for shape in shapes(rule).iter().filter(|shape| shape.key == "tag" && shape.unexpanded.is_empty()) {
            searched += 1;
            if searched <= MOST_SEARCHED && shape.example(TAG) == Example::None {
                let message = format!("no tag matches {:?}", shape.text);
                let hint =
                    "A tag has letters, digits, `_`, `.` and `-`, and begins with none of the last two";
                report.warn(pattern_path(n, shape), message, hint);
            }
        }
    }
}

/// Rules about something that has no tags.
fn resources(input: &LintInput<'_>, report: &mut Report<'_>) {
    for (n, _) in input.config.acl.iter().enumerate().filter(|(_, rule)| rule.tags.is_some()) {
        if input.resources.get(n).is_some_and(|resources| !resources.repository) {
            let hint = "Remove `tag`, or write `type: repository`";
            report.warn(
                rule_path(n).key("match").key("tag"),
                "only a repository has tags, so this rule never matches",
                hint,
            );
        }
    }
}

/// The part that docker_auth makes of the file.
fn elsewhere(input: &LintInput<'_>, report: &mut Report<'_>) {
    let Some(first) = input.config.acl.iter().position(|rule| rule.tags.is_some()) else { return };
    let rules = counted(input.config.acl.iter().filter(|rule| rule.tags.is_some()).count(), "rule");
    let message = format!("docker_auth ignores `tag`: there, {rules} with it would hold for every tag");
    report.note(rule_path(first).key("match").key("tag"), message);
}

#[cfg(test)]
mod tests {
    use crate::config::lint::testing::rules_for;

    fn said(conditions: &str) -> String {
        rules_for("{}", &format!("- match: {{{conditions}}}\n    actions: [pull]\n"))
    }

    #[test]
    fn a_rule_with_a_tag_is_looked_at() {
        for (conditions, words) in [
            ("tag: '1.*'", "docker_auth ignores `tag`"),
            ("tag: ['1.*', '-x']", "no tag matches \"-x\""),
            ("tag: '/^a\\/b$/'", "no tag matches"),
            ("tag: '1.*', type: registry", "only a repository has tags"),
            ("tag: []", "the list is empty"),
        ] {
            assert!(said(conditions).contains(words), "{conditions}: {}", said(conditions));
        }
        let fine = said("tag: ['1.*', '/^pr-[0-9]+$/', '${account}-*']");
        assert!(!fine.contains("no tag matches") && !fine.contains("only a repository"), "{fine}");
        assert!(!said("name: a").contains("docker_auth ignores"));
    }
}
