//! Warnings about what `users` and `acl` mean once a back end stands behind them.

use super::{Lint, LintInput, Report, pattern_path, rule_path};
use crate::authz::{RuleSettings, Validity, shapes};

pub(super) const LINTS: &[Lint] = &[never_asked, denied_by_spelling];

/// A rule that matches every question stands before an authorizer.
fn never_asked(input: &LintInput<'_>, report: &mut Report<'_>) {
    let authorizers = &input.config.authorizers;
    let section = match (&authorizers.acl_xorm, &authorizers.ext_authz) {
        (Some(_), _) => "acl_xorm",
        (None, Some(_)) => "ext_authz",
        (None, None) => return,
    };
    if let Some(rule) = input.config.acl.iter().position(matches_everything) {
        let message =
            format!("matches every question, so that `{section}`, which comes after `acl`, is never asked");
        report.warn(rule_path(rule), message, format!("Narrow the rule, or remove `{section}`"));
    }
}

fn matches_everything(rule: &RuleSettings) -> bool {
    let RuleSettings { account, resource_type, name, service, ip, labels, validity, .. } = rule;
    let conditions = [account, resource_type, name, service, ip];
    conditions.into_iter().all(Option::is_none) && labels.is_empty() && *validity == Validity::default()
}

/// A directory takes `EVE` for `eve`, and the policy does not.
fn denied_by_spelling(input: &LintInput<'_>, report: &mut Report<'_>) {
    if input.config.authenticators.ldap_auth.is_none() {
        return;
    }
    let denials = input.config.acl.iter().enumerate().filter(|(_, rule)| rule.actions.is_empty());
    for (n, rule) in denials {
        for shape in shapes(rule).into_iter().filter(|shape| shape.key == "account") {
            let Some(account) = shape.literal.as_deref().filter(|account| !account.is_empty()) else {
                continue;
            };
            let message = "most directories take a name in capitals for the same account, and this rule does not: \
                           an account it denies signs in under another spelling";
            let hint = format!("Write `/(?i)^{account}$/`");
            report.warn(pattern_path(n, &shape), message, hint);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::config::lint::testing::rules_with;

    const COMMAND: &str = "ext_authz: {command: /bin/sh}\n";
    const DIRECTORY: &str =
        "ldap_auth: {addr: \"localhost:389\", base: dc=example, filter: \"(uid=${account})\"}\n";

    #[test]
    fn an_authorizer_that_is_never_asked() {
        assert_eq!(
            rules_with(COMMAND, "- match: {}\n    actions: [pull]\n"),
            "f.yml:13:5: warning: acl[0]: matches every question, so that `ext_authz`, which comes after `acl`, is \
             never asked. Narrow the rule, or remove `ext_authz`"
        );
        assert_eq!(rules_with(COMMAND, "- match: {type: repository}\n    actions: [pull]\n"), "");
        assert_eq!(rules_with("", "- match: {}\n    actions: [pull]\n"), "");
        let for_a_time = rules_with(COMMAND, "- match: {}\n    actions: [pull]\n    until: 9999-12-31\n");
        assert!(!for_a_time.contains("never asked"), "{for_a_time}");
    }

    #[test]
    fn a_denial_that_another_spelling_evades() {
        let denial = "- match: {account: eve}\n    actions: []\n";
        assert_eq!(
            rules_with(DIRECTORY, denial),
            "f.yml:13:13: warning: acl[0].match.account: most directories take a name in capitals for the same \
             account, and this rule does not: an account it denies signs in under another spelling. Write \
             `/(?i)^eve$/`"
        );
        assert_eq!(rules_with(DIRECTORY, "- match: {account: eve}\n    actions: [pull]\n"), "");
        assert_eq!(rules_with(DIRECTORY, "- match: {account: /(?i)^eve$/}\n    actions: []\n"), "");
    }

    #[test]
    fn a_rule_for_an_account_that_a_back_end_may_know() {
        assert_eq!(rules_with(DIRECTORY, "- match: {account: somebody}\n    actions: [pull]\n"), "");
    }
}
