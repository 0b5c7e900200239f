//! Warnings about rules for the anonymous account: those that nothing can match, and those that leave out the accounts
//! that signed in.

use super::{Lint, LintInput, Report, names, pattern_path, resources::shape_of};
use crate::{
    authn::UserSettings,
    authz::{Example, PatternShape, Policy, Question, RuleSettings, shapes},
};

pub(super) const LINTS: &[Lint] = &[without_anonymous_user, less_when_signed_in];

/// Any account but the anonymous one.
const NAMED: &str = "(?s:.)+";
/// An account of which nothing is known but that it is one.
const SOME_ACCOUNT: &str = "some-account";
/// The most users that are checked.
const MOST_ASKED: usize = 1_000;

/// A rule for `""` without a user `""`: back ends know no such account.
fn without_anonymous_user(input: &LintInput<'_>, report: &mut Report<'_>) {
    if anonymous(input).is_some() {
        return;
    }
    for (n, rule) in input.config.acl.iter().enumerate() {
        for shape in shapes(rule).iter().filter(|shape| shape.key == "account" && is_anonymous_only(shape)) {
            let message = "without a user `\"\"` every request needs a password, so this rule never matches";
            report.warn(pattern_path(n, shape), message, "Add the user `\"\": {}`, or remove the rule");
        }
    }
}

fn anonymous<'a>(input: &LintInput<'a>) -> Option<&'a UserSettings> {
    input.config.users.iter().find(|user| user.name.is_empty())
}

/// Returns whether a condition on the account holds for the anonymous one and no other.
pub(super) fn is_anonymous_only(shape: &PatternShape<'_>) -> bool {
    match (&shape.literal, shape.expression) {
        (Some(literal), _) => literal.is_empty(),
        // Only such an expression is worth the search.
        (None, Some(expression)) if expression.contains(['$', 'z']) => {
            expression.len() < 16 && shape.example(NAMED) == Example::None
        }
        (None, _) => false,
    }
}

/// `docker pull` works before `docker login` and is denied after it.
fn less_when_signed_in(input: &LintInput<'_>, report: &mut Report<'_>) {
    let (config, Some(anonymous)) = (input.config, anonymous(input)) else { return };
    let decides_all = config.authorizers.acl_xorm.is_none() && config.authorizers.ext_authz.is_none();
    let grants_pull =
        |rule: &RuleSettings| rule.actions.iter().any(|action| action == "pull" || action == "*");
    let open: Vec<_> = config.acl.iter().enumerate().filter(|(_, rule)| grants_pull(rule)).collect();
    let open: Vec<_> = open.into_iter().filter_map(|(n, rule)| Some((n, opened(rule)?))).collect();
    let Some(evaluator) = (decides_all && !open.is_empty()).then(|| PolicyEvaluator::new(input)).flatten()
    else {
        return;
    };
    for (n, name) in open {
        if evaluator.rule_for(anonymous, &name) != Some(n) {
            continue;
        }
        if let Some(account) = evaluator.left_out(&name) {
            let message = format!(
                "an account that has signed in is not anonymous: no rule lets {account} pull `{name}`, which needs no \
                 password"
            );
            let hint = "Write `account: \"*\"`, or leave `account` out, and signing in takes nothing away";
            report.warn(super::rule_path(n).key("match").key("account"), message, hint);
        }
    }
}

/// A repository that a rule for the anonymous account alone opens.
fn opened(rule: &RuleSettings) -> Option<String> {
    let shapes = shapes(rule);
    shape_of(&shapes, "account").filter(|shape| is_anonymous_only(shape))?;
    let Some(name) = shape_of(&shapes, "name") else { return Some("app".to_owned()) };
    match names::example(name) {
        Example::Text(example) if !name.plain.contains('\0') => Some(example),
        _ => None,
    }
}

/// The rules without regard to addresses: whether a client's is right is not known here.
struct PolicyEvaluator<'a> {
    input: &'a LintInput<'a>,
    policy: Policy,
    /// The rules for more than one account, for any account with any labels.
    general: Policy,
}

impl<'a> PolicyEvaluator<'a> {
    fn new(input: &'a LintInput<'a>) -> Option<Self> {
        let anywhere = |rule: &RuleSettings| RuleSettings { ip: None, ..rule.clone() };
        let rules: Vec<_> = input.config.acl.iter().map(anywhere).collect();
        let is_general = |rule: &&RuleSettings| {
            shape_of(&shapes(rule), "account").is_none_or(|shape| shape.literal.is_none())
        };
        let anyone =
            |rule: &RuleSettings| RuleSettings { account: None, labels: Default::default(), ..rule.clone() };
        let general: Vec<_> = rules.iter().filter(is_general).map(anyone).collect();
        Some(Self { policy: Policy::compile(&rules).ok()?, general: Policy::compile(&general).ok()?, input })
    }

    /// The rule that decides about a pull.
    fn rule_for(&self, user: &UserSettings, name: &str) -> Option<usize> {
        self.rule(&self.policy, user, name)
    }

    /// An account that no rule matches, as a phrase.
    fn left_out(&self, name: &str) -> Option<String> {
        let config = self.input.config;
        let users = config.users.iter().filter(|user| !user.name.is_empty()).take(MOST_ASKED);
        let user = users.into_iter().find(|user| self.rule_for(user, name).is_none());
        let known = user.map(|user| format!("`{}`", user.name));
        known.or_else(|| {
            let someone = UserSettings { name: SOME_ACCOUNT.to_owned(), ..UserSettings::default() };
            let of_certificates = config.certificates.as_ref().is_some_and(|all| all.accounts.is_some());
            let has_more = config.sections_elsewhere().next().is_some()
                || !config.workload.issuers.is_empty()
                || of_certificates;
            let is_left_out = has_more && self.rule(&self.general, &someone, name).is_none();
            is_left_out.then(|| "an account of a back end".to_owned())
        })
    }

    fn rule(&self, policy: &Policy, user: &UserSettings, name: &str) -> Option<usize> {
        let question = Question {
            account: &user.name,
            labels: &user.labels,
            ip: None,
            service: &self.input.config.proxy.service,
            resource_type: "repository",
            name,
            tag: None,
            actions: &["pull".to_owned()],
            token_scopes: None,
            now: self.input.seconds(),
        };
        policy.decide(&question).rule
    }
}

#[cfg(test)]
mod tests {
    use crate::config::tests::{SERVER, TOKEN, said};

    const DIRECTORY: &str =
        "ldap_auth: {addr: \"localhost:389\", base: dc=example, filter: \"(uid=${account})\"}\n";
    const HASH: &str = "$2y$10$lfIkMm1jPw8Is./rthy5auKvJeeuH7pJMDm4K.KmbODdBR31EC/am";

    fn with(users: &str, rules: &[&str]) -> String {
        let rules: String = rules.iter().map(|rule| format!("  - {{{rule}}}\n")).collect();
        said(&format!("{SERVER}{TOKEN}{users}acl:\n{rules}"))
    }

    #[test]
    fn a_rule_for_the_anonymous_without_such_a_user() {
        let expected = "f.yml:11:13: warning: acl[1].match.account: without a user `\"\"` every request needs a password, so \
                        this rule never matches. Add the user `\"\": {}`, or remove the rule";
        let all = "match: {account: '/.+/'}, actions: [pull]";
        for (account, column) in [("''", 13), ("'/^$/'", 13)] {
            let rule = format!("match: {{account: {account}}}, actions: [pull]");
            let said = with(DIRECTORY, &[all, &rule]);
            assert_eq!(
                said.replace(":14:", ":13:"),
                expected.replace(":13:", &format!(":{column}:")),
                "{account}"
            );
        }
        let open = format!("users: {{'': {{}}}}\n{DIRECTORY}");
        assert_eq!(with(&open, &["match: {account: ''}, actions: [pull]", all]), "");
        for fine in ["'*'", "'/^.*$/'", "'/^(|bob)$/'", "'/x$/'"] {
            let said = with(DIRECTORY, &[&format!("match: {{account: {fine}}}, actions: [pull]")]);
            assert!(!said.contains("every request needs a password"), "{said}");
        }
    }

    #[test]
    fn an_account_that_may_less_than_the_anonymous() {
        let users = format!("users:\n  '': {{}}\n  kim: {{password: {HASH}}}\n  ops: {{password: {HASH}}}\n");
        let open = "match: {account: '', name: 'open/*'}, actions: [pull]";
        let expected = |who: &str| {
            format!(
                "warning: acl[0].match.account: an account that has signed in is not anonymous: no rule lets {who} \
                 pull `open/x`, which needs no password. Write `account: \"*\"`, or leave `account` out, and signing in takes \
                 nothing away"
            )
        };
        let check = |users: &str, more: &[&str]| with(users, &[&[open], more].concat());
        let own = "match: {account: kim, name: 'kim/*'}, actions: ['*']";
        let said = check(&users, &[own, "match: {account: ops}, actions: ['*']"]);
        assert!(said.contains(&expected("`kim`")) && said.lines().count() == 1, "{said}");
        let said = with(&users, &["match: {account: '', name: 'open/*'}, actions: ['*']", own]);
        assert!(said.contains(&expected("`kim`")), "all actions are pull, too: {said}");
        for fine in [
            "match: {account: '/.+/', name: 'open/*'}, actions: [pull]",
            "match: {name: '/^open/.+$/', ip: 10.0.0.0/8}, actions: [pull]",
            "match: {account: '/.+/'}, actions: []",
        ] {
            assert!(!check(&users, &[own, fine]).contains("is not anonymous"), "{fine}");
        }
        let back_end = format!("users: {{'': {{}}}}\n{DIRECTORY}");
        assert!(check(&back_end, &[own]).contains(&expected("an account of a back end")));
        for fine in
            ["match: {account: '/^dev-.+$/'}, actions: [pull]", "match: {labels: {g: x}}, actions: [pull]"]
        {
            assert!(!check(&back_end, &[fine]).contains("is not anonymous"), "{fine}");
        }
        let authorizer = format!("{users}ext_authz: {{command: /bin/sh}}\n");
        assert_eq!(check(&authorizer, &[own]), "", "it may allow the rest");
        let shadowed = ["match: {name: 'open/*'}, actions: [pull]", open];
        assert!(!with(&users, &shadowed).contains("is not anonymous"));
    }
}
