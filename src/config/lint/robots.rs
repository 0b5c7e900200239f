//! Warnings about robots: tokens that have ended or soon will, and scopes that no rule grants.

use std::{
    cell::Cell,
    time::{Duration, UNIX_EPOCH},
};

use super::{
    Lint, LintInput, Report,
    resources::{Resources, may_match, shape_of},
    rules::open_ends,
};
use crate::{
    authn::{LastDay, RobotSettings, holds_robot_token, is_robot_token},
    authz::{CeilingSettings, Example, PatternShape, RuleSettings, scope_parts, shapes, superset_of},
    config::{
        diagnostics::path::Path,
        sections::{access::user_path, robots::robot_path},
        values::quantity::counted,
    },
};

pub(super) const LINTS: &[Lint] = &[tokens, empty_bounds, open_scopes, out_of_reach, names_like_tokens];

/// The time before its end at which a token is warned of.
const SOON: Duration = Duration::from_secs(14 * DAY);
const DAY: u64 = 24 * 3600;
/// Searches for a text that two patterns match, at most; beyond that nothing more is found.
const MOST_SEARCHED: usize = 500;
/// Pairs of a robot and a rule, at most. With more, scopes are not compared with rules: each pair costs, on each reload.
const MOST_COMPARED: usize = 1_000_000;

fn tokens(input: &LintInput<'_>, report: &mut Report<'_>) {
    let now = input.now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    for robot in input.config.robots.iter().filter(|robot| is_fit_to_show(&robot.name)) {
        let at = robot_path(&robot.name);
        let new = format!("`portwarden token new --robot {}`", robot.name);
        if robot.tokens.is_empty() {
            let hint = format!("Make a token with {new}, or remove the robot");
            report.warn(&at, "the robot has no token, so it cannot sign in", hint);
        }
        for (number, token) in robot.tokens.iter().enumerate() {
            let Some(day) = token.expires.as_deref().and_then(LastDay::parse) else { continue };
            if let Some((message, hint)) = ending(day, now, &new) {
                report.warn(at.key("tokens").index(number).key("expires"), message, hint);
            }
        }
    }
}

fn ending(day: LastDay, now: u64, new: &str) -> Option<(String, String)> {
    if day.is_over(now) {
        let hint = format!("Remove the token; {new} makes another");
        return Some((format!("the token expired at the end of {day} (UTC)"), hint));
    }
    let left = day.end() - now;
    (left <= SOON.as_secs()).then(|| {
        let days = usize::try_from(left / DAY).unwrap_or_default();
        let hint = format!("Add a second token with {new}, let the program use it, then remove this one");
        (format!("the token expires at the end of {day} (UTC), in {}", counted(days, "day")), hint)
    })
}

fn empty_bounds(input: &LintInput<'_>, report: &mut Report<'_>) {
    for ceiling in &input.config.ceilings {
        let at = robot_path(&ceiling.account);
        if ceiling.scopes.as_ref().is_some_and(Vec::is_empty) {
            let hint = "List scopes, or remove the key if the rules alone are to bound the robot";
            report.warn(at.key("scopes"), "the list is empty, so the robot may do nothing", hint);
        }
        if ceiling.ip.as_ref().is_some_and(Vec::is_empty) {
            let hint = "List addresses or blocks, or remove the key to allow any address";
            report.warn(at.key("ip"), "the list is empty, so the robot cannot sign in", hint);
        }
    }
}

/// `repository:/acme/:push` is a wider ceiling than it seems to be.
fn open_scopes(input: &LintInput<'_>, report: &mut Report<'_>) {
    for (at, scope) in input.config.ceilings.iter().flat_map(scopes) {
        let Some((_, name, _)) = scope_parts(scope) else { continue };
        let rule = RuleSettings { name: Some(name.to_owned()), ..RuleSettings::default() };
        if let Some((message, hint)) = shapes(&rule).iter().find_map(open_ends) {
            report.warn(at, message, hint);
        }
    }
}

/// A password is not looked at where the name passes for the token of a robot.
fn names_like_tokens(input: &LintInput<'_>, report: &mut Report<'_>) {
    for user in input.config.users.iter().filter(|user| is_robot_token(user.name.as_bytes())) {
        let message = "the name begins as the token of a robot, so this user can never sign in";
        report.warn(user_path(&user.name), message, "Give the user another name");
    }
}

/// A scope is a ceiling and grants nothing by itself, which is easily forgotten.
fn out_of_reach(input: &LintInput<'_>, report: &mut Report<'_>) {
    let authorizers = &input.config.authorizers;
    if !input.complete || authorizers.acl_xorm.is_some() || authorizers.ext_authz.is_some() {
        return;
    }
    let rules: Vec<Rule<'_>> = input.config.acl.iter().zip(&input.resources).map(Rule::new).collect();
    if rules.len().saturating_mul(input.config.robots.len()) > MOST_COMPARED {
        return;
    }
    let left = Cell::new(MOST_SEARCHED);
    let robots = input.config.robots.iter().zip(&input.config.ceilings);
    for (robot, ceiling) in robots.filter(|(robot, _)| is_fit_to_show(&robot.name)) {
        let rules: Vec<&Rule<'_>> = rules.iter().filter(|rule| rule.may_be_for(robot, &left)).collect();
        for (at, scope) in scopes(ceiling) {
            let Some((resource_type, name, actions)) = scope_parts(scope) else { continue };
            let is_missing = |action: &&str| {
                !rules.iter().any(|rule| rule.may_grant((resource_type, name), action, &left))
            };
            let missing: Vec<&str> = actions.split(',').filter(is_missing).collect();
            if !missing.is_empty() {
                let message = format!(
                    "no rule grants {} here to {:?}, and a scope alone grants nothing",
                    missing.join(", "),
                    robot.name
                );
                report.warn(at, message, "Add a rule to `acl`, or narrow the scope");
            }
        }
    }
}

fn scopes(ceiling: &CeilingSettings) -> impl Iterator<Item = (Path, &String)> {
    let at = robot_path(&ceiling.account).key("scopes");
    ceiling.scopes.iter().flatten().enumerate().map(move |(n, scope)| (at.index(n), scope))
}

/// A token in the place of a name is an error, and must not be shown.
fn is_fit_to_show(name: &str) -> bool {
    !holds_robot_token(name)
}

/// A rule with its patterns.
struct Rule<'a> {
    settings: &'a RuleSettings,
    shapes: Vec<PatternShape<'a>>,
    is_ours: bool,
}

impl<'a> Rule<'a> {
    fn new((settings, resources): (&'a RuleSettings, &Resources)) -> Self {
        Self { settings, shapes: shapes(settings), is_ours: resources.ours }
    }

    /// Errs on one side: false is certain.
    fn may_be_for(&self, robot: &RobotSettings, left: &Cell<usize>) -> bool {
        let has = |label: &String| robot.labels.get(label).is_some_and(|values| !values.is_empty());
        self.is_ours && self.settings.labels.keys().all(has) && self.may_match("account", &robot.name, left)
    }

    fn may_grant(&self, (resource_type, name): (&str, &str), action: &str, left: &Cell<usize>) -> bool {
        let granted = self.settings.actions.iter().any(|own| own == action || own == "*" || action == "*");
        granted && self.may_match("type", resource_type, left) && self.may_match_name(name, left)
    }

    fn may_match(&self, key: &str, text: &str, left: &Cell<usize>) -> bool {
        let shape = shape_of(&self.shapes, key);
        let is_cheap = shape.is_none_or(|shape| shape.literal.is_some());
        (!is_cheap && !take(left)) || may_match(shape, text)
    }

    fn may_match_name(&self, pattern: &str, left: &Cell<usize>) -> bool {
        let Some(shape) = shape_of(&self.shapes, "name") else { return true };
        if shape.text == pattern || !take(left) {
            return true;
        }
        superset_of(pattern).is_none_or(|expression| shape.example(&expression) != Example::None)
    }
}

/// Takes one of the searches that are left.
fn take(left: &Cell<usize>) -> bool {
    let taken = left.get().checked_sub(1);
    left.set(taken.unwrap_or(0));
    taken.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::{SERVER, TOKEN, said};

    const SHA256: &str = "60e05bd1b195af2f94112fa7197a5c88289058840ce7c6df9693756bc6250f55";
    const USERS: &str = "users: {}\n";

    /// The findings on a robot `ci` with these keys, and these rules.
    fn of(robot: &str, acl: &str) -> String {
        said(&format!("{SERVER}{TOKEN}{USERS}robots:\n  ci: {{{robot}}}\nacl: {acl}\n"))
    }

    fn token() -> String {
        format!("tokens: [{{sha256: {SHA256}}}]")
    }

    fn with_scope(scope: &str, acl: &str) -> String {
        of(&format!("{}, labels: {{team: [web]}}, scopes: ['{scope}']", token()), acl)
    }

    #[test]
    fn a_token_that_ended_or_soon_will() {
        let day = LastDay::parse("2027-03-01").unwrap();
        let before = |days: u64| ending(day, day.end() - days * DAY, "`new`").map(|(message, _)| message);
        assert_eq!(before(0).unwrap(), "the token expired at the end of 2027-03-01 (UTC)");
        assert_eq!(before(1).unwrap(), "the token expires at the end of 2027-03-01 (UTC), in 1 day");
        assert!(before(14).is_some());
        assert_eq!(before(15), None);
        let said = of(&format!("tokens: [{{sha256: {SHA256}, expires: 2001-01-01}}]"), "[]");
        assert!(
            said.contains(
                "warning: robots.ci.tokens[0].expires: the token expired at the end of 2001-01-01 (UTC). Remove"
            ),
            "{said}"
        );
    }

    #[test]
    fn a_robot_that_can_do_nothing() {
        let said = of("", "[]");
        assert!(
            said.contains("warning: robots.ci: the robot has no token, so it cannot sign in. Make a token"),
            "{said}"
        );
        assert!(of(&format!("{}, ip: []", token()), "[]").contains("robots.ci.ip: the list is empty"));
        assert!(
            of(&format!("{}, scopes: []", token()), "[]").contains("robots.ci.scopes: the list is empty")
        );
        assert_eq!(of(&token(), "[]"), "");
    }

    #[test]
    fn a_scope_with_an_expression_that_is_not_anchored() {
        let of = |scope: &str| with_scope(scope, "[{match: {account: ci}, actions: ['*']}]");
        assert_eq!(
            of("repository:/acme\\/app/:push").split_once("warning: ").unwrap().1,
            "robots.ci.scopes[0]: the expression is not anchored: anything may stand before and behind what it matches. \
             Write `/^acme\\/app$/`, or `.*` where anything may stand"
        );
        for anchored in
            ["repository:/^acme\\/app$/:push", "repository:acme/app:push", "repository:acme/*:push"]
        {
            assert_eq!(of(anchored), "", "{anchored}");
        }
    }

    #[test]
    fn a_user_whose_name_passes_for_a_token() {
        let users = "users: {pwt_kim: {password: x}}\n";
        let said = said(&format!("{SERVER}{TOKEN}{users}acl: []\n"));
        assert!(said.contains("this user can never sign in"), "{said}");
    }

    #[test]
    fn a_scope_that_no_rule_grants() {
        let acl = "[{match: {account: ci, name: 'acme/*'}, actions: [pull]}]";
        assert_eq!(
            with_scope("repository:acme/app:pull,push", acl).split_once("warning: ").unwrap().1,
            "robots.ci.scopes[0]: no rule grants push here to \"ci\", and a scope alone grants nothing. Add a rule to \
             `acl`, or narrow the scope"
        );
        for (scope, rule) in [
            ("repository:other/*:pull", "account: ci, name: 'acme/*'"),
            ("repository:acme/app:pull", "account: other"),
            ("repository:acme/app:pull", "account: '/^robot-/'"),
            ("repository:acme/app:pull", "type: registry"),
            ("repository:acme/app:pull", "service: other"),
            ("repository:acme/app:pull", "labels: {group: web}"),
            ("registry:catalog:*", "type: repository"),
        ] {
            let said = with_scope(scope, &format!("[{{match: {{{rule}}}, actions: [pull]}}]"));
            assert!(said.contains("robots.ci.scopes[0]: no rule grants"), "{scope} {rule}: {said}");
        }
    }

    #[test]
    fn a_scope_that_a_rule_may_grant() {
        for (scope, rule) in [
            ("repository:acme/*:pull", "account: ci, name: 'acme/*'"),
            ("repository:acme/*:pull", "name: '*/app'"),
            ("repository:acme/*:*", "account: 'c*'"),
            ("repository:ci/app:pull", "name: '${account}/*'"),
            ("repository:/^acme.*$/:pull", "name: '/^ac.+$/'"),
            ("repository:acme/app:pull", "labels: {team: w*}"),
        ] {
            let said = with_scope(scope, &format!("[{{match: {{{rule}}}, actions: [pull]}}]"));
            assert!(!said.contains("robots.ci.scopes"), "{scope} {rule}: {said}");
        }
        assert_eq!(with_scope("registry:catalog:*", "[{match: {account: ci}, actions: ['*']}]"), "");
    }
}
