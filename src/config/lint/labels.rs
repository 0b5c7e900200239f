//! Warnings about labels that no account can have.

use std::collections::BTreeSet;

use super::{Lint, LintInput, Report, pattern_path, rule_path};
use crate::{
    authz::{PatternShape, shapes},
    sign_in::ProviderSettings,
};

pub(super) const LINTS: &[Lint] = &[unknown_labels];

const PLACEHOLDER: &str = "${labels:";

/// A command and a database may give any label; users and a directory only those that are written.
fn unknown_labels(input: &LintInput<'_>, report: &mut Report<'_>) {
    let back_ends = &input.config.authenticators;
    if back_ends.ext_auth.is_some() || back_ends.xorm_auth.is_some() || !input.all_labels {
        return;
    }
    let of_directory =
        back_ends.ldap_auth.iter().flat_map(|ldap| &ldap.labels).map(|(label, _)| label.as_str());
    let of_accounts = input.config.accounts().flat_map(|(_, labels)| labels.keys()).map(String::as_str);
    let issuers = input.config.workload.issuers.iter();
    let of_issuers = issuers.flat_map(|issuer| &issuer.labels).map(|(label, _)| label.as_str());
    let certificates = input.config.certificates.iter().flat_map(|all| &all.accounts);
    let of_certificates = certificates.flat_map(|all| &all.labels).map(|(label, _)| label.as_str());
    let of_people = input.config.sign_ins.iter().flat_map(ProviderSettings::labels);
    let known: BTreeSet<&str> =
        of_directory.chain(of_accounts).chain(of_issuers).chain(of_certificates).chain(of_people).collect();
    for (n, rule) in input.config.acl.iter().enumerate() {
        let missing = |label: &str| !known.contains(label);
        for label in rule.labels.keys().filter(|label| missing(label)) {
            let message = format!("no account has a label `{label}`, so this rule never matches");
            report.warn(rule_path(n).key("match").key("labels").key(label), message, near(label, &known));
        }
        for shape in shapes(rule).iter().filter(|shape| shape.label.is_none()) {
            for label in placeholders(shape).into_iter().filter(|label| missing(label)) {
                let message =
                    format!("no account has a label `{label}`, so `${{labels:{label}}}` matches nothing");
                report.warn(pattern_path(n, shape), message, near(label, &known));
            }
        }
    }
}

/// The labels that a pattern names.
fn placeholders<'r>(shape: &PatternShape<'r>) -> BTreeSet<&'r str> {
    let rest =
        shape.text.match_indices(PLACEHOLDER).filter_map(|(at, found)| shape.text.get(at + found.len()..));
    rest.filter_map(|rest| rest.split_once('}').map(|(label, _)| label)).collect()
}

fn near(label: &str, known: &BTreeSet<&str>) -> String {
    let nearest = known.iter().map(|known| (strsim::damerau_levenshtein(label, known), known)).min();
    match nearest {
        Some((distance, known)) if distance <= 1 + known.len() / 4 => format!("Did you mean `{known}`?"),
        _ => "Give it to a user, map it in `ldap_auth.labels`, or remove the rule".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use crate::config::lint::testing::{rule, rules_with};

    #[test]
    fn a_label_that_no_account_has() {
        assert_eq!(
            rule("labels: {taem: a}", "[pull]"),
            "f.yml:13:22: warning: acl[0].match.labels.taem: no account has a label `taem`, so this rule never matches. \
             Did you mean `team`?"
        );
        assert_eq!(
            rule("name: \"${labels:group}/app\"", "[pull]"),
            "f.yml:13:13: warning: acl[0].match.name: no account has a label `group`, so `${labels:group}` matches \
             nothing. Give it to a user, map it in `ldap_auth.labels`, or remove the rule"
        );
        for fine in ["labels: {team: b}", "name: \"${labels:team}/app\"", "name: \"/^${labels:team}/.+$/\""] {
            assert_eq!(rule(fine, "[pull]"), "", "{fine}");
        }
    }

    #[test]
    fn a_label_that_a_back_end_may_give() {
        let rules = "- match: {labels: {group: a}}\n    actions: [pull]\n";
        let directory = |labels: &str| {
            format!(
                "ldap_auth: {{addr: \"localhost:389\", base: dc=x, filter: \"(uid=${{account}})\", labels: {labels}}}\n"
            )
        };
        assert_eq!(rules_with("ext_auth: {command: /bin/sh}\n", rules), "");
        assert_eq!(rules_with(&directory("{group: {attribute: memberOf}}"), rules), "");
        assert_eq!(rules_with(&directory("{groups: {attribute: memberOf}}"), rules).lines().count(), 1);
    }
}
