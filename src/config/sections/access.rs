//! `users:` and `acl:`: what was written, as `authn` and `authz` take it, and their judgement as findings.

use std::collections::BTreeMap;

use super::unsupported;
use crate::{
    authn::{UserSettings, Users},
    authz::{Policy, RuleSettings, Validity},
    config::{
        diagnostics::{finding::Report, path::Path},
        schema::{Condition, Entries, File, Match, Rule, Text, User},
        values::moment::{self, Moment},
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
    compile(acl, report)
}

/// The policy of the rules, with what `authz` says about them; `None` when something is wrong with them.
pub(super) fn compile(acl: &[RuleSettings], report: &mut Report<'_>) -> Option<Policy> {
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
    let tags = value(&conditions.tag, &at_match.key("tag"), report).map(|tags| tags.0.clone());
    let mut condition = |key, written| text(value(written, &at_match.key(key), report));
    RuleSettings {
        account: condition("account", &conditions.account),
        resource_type: condition("type", &conditions.resource_type),
        name: condition("name", &conditions.name),
        service: condition("service", &conditions.service),
        ip: condition("ip", &conditions.ip),
        labels,
        tags,
        actions: written.actions.iter().flatten().map(|action| action.0.clone()).collect(),
        validity: validity(written, at, report),
        comment: text(written.comment.as_ref()),
        line: report.line(at),
    }
}

/// The time in which a rule holds. A mistake in it is an error, as the rule would hold for ever or not at all.
fn validity(written: &Rule, at: &Path, report: &mut Report<'_>) -> Validity {
    let from = moment(&written.from, &at.key("from"), report).map(Moment::begin);
    let until = moment(&written.until, &at.key("until"), report).map(Moment::end);
    if let (Some(from), Some(until)) = (from, until)
        && until <= from
    {
        let (from, until) = (moment::written(from), moment::written(until));
        let message = format!("the rule ends at {until}, and `from` is {from}: it would never hold");
        report.error(at.key("until"), message, "Write a time after `from`, or remove the rule");
    }
    Validity { from, until }
}

fn moment(written: &Condition<Text>, at: &Path, report: &mut Report<'_>) -> Option<Moment> {
    let (message, hint) = match written {
        Condition::Absent => return None,
        Condition::Empty => {
            ("the key has no value".to_owned(), "or remove the key if the rule has no such bound")
        }
        Condition::Value(Text(text)) => match Moment::parse(text) {
            Some(moment) => return Some(moment),
            None => (format!("{text:?} is neither a day nor a time"), "in whole seconds"),
        },
    };
    report.error(at.clone(), message, format!("{}, {hint}", sentence(moment::FORM)));
    None
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

#[cfg(test)]
mod tests {
    use crate::config::tests::{SERVER, TOKEN, said};

    /// The errors about a rule with these bounds, without their places.
    fn errors(bounds: &str) -> Vec<String> {
        let rule = format!("acl:\n  - match: {{}}\n    actions: [pull]\n{bounds}");
        let said = said(&format!("{SERVER}{TOKEN}users: {{}}\n{rule}"));
        let errors = said.lines().filter(|line| !line.contains(": warning: ") && !line.contains(": note: "));
        errors.map(|line| line.split_once("acl[0].").map_or(line, |(_, error)| error).to_owned()).collect()
    }

    #[test]
    fn a_malformed_time_is_an_error_that_shows_the_right_form() {
        const FORM: &str = "Write a day in UTC, as 2026-12-31, or a time, as 2026-12-31T18:00:00Z";
        for key in ["from", "until"] {
            for wrong in ["2026-13-01", "soon", "2026-12-31 18:00", "2026-12-31T18:00:00", "1798740000", "''"]
            {
                let text = wrong.trim_matches('\'');
                let error = format!("{key}: {text:?} is neither a day nor a time. {FORM}, in whole seconds");
                assert_eq!(errors(&format!("    {key}: {wrong}\n")), [error]);
            }
            let error = format!(
                "{key}: the key has no value. {FORM}, or remove the key if the rule has no such bound"
            );
            assert_eq!(errors(&format!("    {key}:\n")), [error]);
            assert_eq!(errors(&format!("    {key}: [2026-12-31]\n")).len(), 1);
        }
    }

    #[test]
    fn a_rule_that_would_end_before_it_begins_is_an_error() {
        for (from, until, is_error) in [
            ("2027-01-02", "2027-01-01", true),
            ("2027-01-01", "2027-01-01", false),
            ("2027-01-01T12:00:00Z", "2027-01-01", false),
            ("2027-01-02T00:00:00Z", "2027-01-01", true),
            ("2027-01-01T12:00:00Z", "2027-01-01T12:00:00Z", true),
            ("2027-01-01T12:00:00Z", "2027-01-01T12:00:01Z", false),
            ("2027-01-01T12:00:00Z", "2027-01-01T12:30:00+01:00", true),
        ] {
            let found = errors(&format!("    from: {from}\n    until: {until}\n"));
            assert_eq!(!found.is_empty(), is_error, "{from} {until}: {found:?}");
        }
        let said = errors("    from: 2027-01-02\n    until: 2027-01-01T12:00:00Z\n");
        let error = "until: the rule ends at 2027-01-01T12:00:00Z, and `from` is 2027-01-02T00:00:00Z: it would never \
                     hold. Write a time after `from`, or remove the rule";
        assert_eq!(said, [error]);
    }
}
