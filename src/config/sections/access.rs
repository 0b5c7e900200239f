//! `users:` and `acl:`: what was written, as `authn` and `authz` take it, and their judgement as findings.

use std::collections::BTreeMap;

use super::unsupported;
use crate::{
    authn::{UserSettings, Users},
    authz::{Policy, RuleSettings},
    config::{
        diagnostics::{finding::Report, path::Path},
        schema::{Condition, Entries, File, Match, Rule, Text, User},
    },
};

/// The users, in the order of the file. Their hashes are not looked at: see [`check`].
pub(crate) fn users(file: &File, report: &mut Report<'_>) -> Vec<UserSettings> {
    let Some(Entries(users)) = &file.users else {
        if !unsupported::names_authenticator(file) {
            let hint = "Add `users`; `users: {}` if no account may sign in";
            report.error("users", "no account is configured to sign in, which is probably a mistake", hint);
        }
        return Vec::new();
    };
    users.iter().map(|(name, user)| user_settings(name, user.as_ref(), report)).collect()
}

/// The rules, in the order of the file. Their patterns are not looked at: see [`check`].
pub(crate) fn acl(file: &File, report: &mut Report<'_>) -> Vec<RuleSettings> {
    let Some(rules) = &file.acl else {
        if !unsupported::names_authorizer(file) {
            let hint = "Add `acl`; `acl: []` if nothing is to be allowed";
            report.error("acl", "there are no rules, which is probably a mistake", hint);
        }
        return Vec::new();
    };
    let none = Rule::default();
    let rules = rules.iter().enumerate();
    rules
        .map(|(n, rule)| rule_settings(&Path::from("acl").index(n), rule.as_ref().unwrap_or(&none), report))
        .collect()
}

/// Adds what `authn` and `authz` say about the users and rules. The policy, when nothing is wrong with the rules.
pub(crate) fn check(users: &[UserSettings], acl: &[RuleSettings], report: &mut Report<'_>) -> Option<Policy> {
    for error in Users::build(users).err().into_iter().flatten() {
        report.error(below(user_path(&error.account), error.key), error.message, sentence(&error.hint));
    }
    let policy = Policy::compile(acl);
    for error in policy.as_ref().err().into_iter().flatten() {
        report.error(below(rule_path(error.rule), &error.key), &*error.message, sentence(&error.hint));
    }
    policy.ok()
}

/// A hint after a full stop.
pub(super) fn sentence(hint: &str) -> String {
    let mut letters = hint.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// `match.labels.<label>` below a rule; a label may have dots of its own.
pub(super) fn below(path: Path, key: &str) -> Path {
    key.splitn(3, '.').filter(|part| !part.is_empty()).fold(path, |path, part| path.key(part))
}

/// Returns the path of a user.
pub(crate) fn user_path(name: &str) -> Path {
    Path::from("users").key(name)
}

/// Returns the path of a rule, numbered from 0.
pub(crate) fn rule_path(index: usize) -> Path {
    Path::from("acl").index(index)
}

fn user_settings(name: &str, written: Option<&User>, report: &Report<'_>) -> UserSettings {
    let labels = written.and_then(|user| user.labels.as_ref());
    UserSettings {
        name: name.to_owned(),
        password: written.and_then(|user| text(user.password.as_ref())),
        labels: labels.map(label_values).unwrap_or_default(),
        line: report.line(&user_path(name)),
    }
}

pub(super) fn label_values(written: &Entries<Option<Vec<Text>>>) -> BTreeMap<String, Vec<String>> {
    let values = |list: &Option<Vec<Text>>| list.iter().flatten().map(|text| text.0.clone()).collect();
    written.0.iter().map(|(label, list)| (label.clone(), values(list))).collect()
}

fn rule_settings(at: &Path, written: &Rule, report: &mut Report<'_>) -> RuleSettings {
    if written.conditions.is_none() {
        let hint =
            "Write the conditions, indented under `match:`; `match: {}` for every account and every request";
        report.error(at.key("match"), "missing", hint);
    }
    if written.actions.is_none() {
        let hint = "Write a list, as `[\"pull\"]`; `[\"*\"]` for all, `[]` for none";
        report.error(at.key("actions"), "missing", hint);
    }
    let none = Match::default();
    let conditions = written.conditions.as_ref().unwrap_or(&none);
    let at_match = at.key("match");
    let labels = labels(&conditions.labels, &at_match.key("labels"), report);
    let mut condition = |key, written| text(value(written, &at_match.key(key), report));
    RuleSettings {
        account: condition("account", &conditions.account),
        resource_type: condition("type", &conditions.resource_type),
        name: condition("name", &conditions.name),
        service: condition("service", &conditions.service),
        ip: condition("ip", &conditions.ip),
        labels,
        actions: written.actions.iter().flatten().map(|action| action.0.clone()).collect(),
        comment: text(written.comment.as_ref()),
        line: report.line(at),
    }
}

/// The patterns of labels. One without a value is the empty text, as in docker_auth.
fn labels(
    written: &Condition<Entries<Option<Text>>>,
    at: &Path,
    report: &mut Report<'_>,
) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::new();
    for (label, pattern) in value(written, at, report).into_iter().flat_map(|labels| &labels.0) {
        if pattern.is_none() {
            let message = "the label has no value here, so only an empty value of it matches";
            report.warn(at.key(label), message, "Write a value; `\"*\"` matches every value without a slash");
        }
        labels.insert(label.clone(), text(pattern.as_ref()).unwrap_or_default());
    }
    labels
}

/// The value of a condition. One without a value is no condition, as in docker_auth: this is reported.
fn value<'w, T>(written: &'w Condition<T>, at: &Path, report: &mut Report<'_>) -> Option<&'w T> {
    match written {
        Condition::Value(value) => Some(value),
        Condition::Absent => None,
        Condition::Empty => {
            let message = "the condition has no value, so it holds for every account and every request";
            report.warn(
                at.clone(),
                message,
                "Write a value; `\"\"` matches the empty text only. Or remove the key",
            );
            None
        }
    }
}

fn text(written: Option<&Text>) -> Option<String> {
    written.map(|text| text.0.clone())
}
