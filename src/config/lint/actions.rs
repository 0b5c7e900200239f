//! Warnings about actions: those that no request asks for, and those that do not suffice.

use super::{Lint, LintInput, Report, resources::Resources, rule_path};
use crate::authz::{ACTIONS, RuleSettings};

pub(super) const LINTS: &[Lint] = &[actions];

/// Words that are used for actions elsewhere.
const WORDS: &[(&[&str], &[&str])] = &[
    (
        &[
            "pull",
            "pulls",
            "read",
            "readonly",
            "read-only",
            "ro",
            "r",
            "get",
            "fetch",
            "download",
            "list",
            "view",
        ],
        &["pull"],
    ),
    (&["push", "pushes", "write", "w", "put", "post", "upload", "create", "update", "publish"], &["push"]),
    (&["readwrite", "read-write", "rw"], &["pull", "push"]),
    (&["delete", "deletes", "del", "remove", "rm"], &["delete"]),
    (&["all", "any", "everything", "full", "admin", "*", "**"], &["*"]),
    (&["none", "nothing", "no", "deny", "denied"], &[]),
];

fn actions(input: &LintInput<'_>, report: &mut Report<'_>) {
    for (n, rule) in input.config.acl.iter().enumerate() {
        star_beside_others(n, rule, report);
        push_without_pull(n, rule, report);
        match input.resources.get(n).filter(|resources| resources.ours) {
            Some(Resources { repository: true, .. }) => never_asked(n, rule, report),
            Some(Resources { registry: true, .. }) => catalogue_without_star(n, rule, report),
            _ => {}
        }
    }
}

/// Only `["*"]` alone is all. The catalog needs an action of that name, so a rule for `registry` may well
/// list it.
fn star_beside_others(n: usize, rule: &RuleSettings, report: &mut Report<'_>) {
    let is_catalog = rule.resource_type.as_deref() == Some("registry");
    if let Some(star) = rule.actions.iter().position(|action| action == "*")
        && rule.actions.len() > 1
        && !is_catalog
    {
        let message = "`*` beside other actions is an action of that name, not all of them";
        let hint = "Write `[\"*\"]` to allow all, or leave `*` out";
        report.warn(rule_path(n).key("actions").index(star), message, hint);
    }
}

/// The registry asks for both on every push.
fn push_without_pull(n: usize, rule: &RuleSettings, report: &mut Report<'_>) {
    let has = |action: &str| rule.actions.iter().any(|a| a == action);
    if has("push") && !has("pull") {
        let message = "`push` without `pull` allows no push: the registry asks for both, and no later \
                       rule adds to this one";
        report.warn(rule_path(n).key("actions"), message, "Add `pull`");
    }
}

/// `Pull`, `read`, `"pull,push"`: actions are compared letter by letter.
fn never_asked(n: usize, rule: &RuleSettings, report: &mut Report<'_>) {
    for (index, action) in rule.actions.iter().enumerate() {
        if !ACTIONS.contains(&action.as_str()) {
            let message = format!("no request asks for {action:?}: the actions are `pull`, `push`, `delete`");
            report.warn(rule_path(n).key("actions").index(index), message, meant(action));
        }
    }
}

/// The actions that were probably meant, as a sentence.
fn meant(action: &str) -> String {
    let lower = action.to_ascii_lowercase();
    let words = lower.split(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '*');
    let words: Option<Vec<_>> = words.filter(|word| !word.is_empty()).map(known).collect();
    let mut found = words.unwrap_or_default().concat();
    found.dedup();
    match found.as_slice() {
        _ if is_denial(&lower) => "Write `[]` to deny".to_owned(),
        [] => "Remove it, or write one of them".to_owned(),
        all if all.contains(&"*") => "Write `[\"*\"]` to allow all".to_owned(),
        [one] => format!("Write `{one}`"),
        several => format!("Write `[{}]`", several.join(", ")),
    }
}

fn is_denial(lower: &str) -> bool {
    lower.is_empty() || known(lower).is_some_and(<[_]>::is_empty)
}

fn known(word: &str) -> Option<&'static [&'static str]> {
    let near = |known: &&str| known.len() > 3 && strsim::damerau_levenshtein(word, known) <= 1;
    let listed = WORDS.iter().find(|(words, _)| words.contains(&word));
    listed.or_else(|| WORDS.iter().find(|(words, _)| words.iter().any(near))).map(|(_, actions)| *actions)
}

/// The catalogue is asked for with an action of its own.
fn catalogue_without_star(n: usize, rule: &RuleSettings, report: &mut Report<'_>) {
    if !rule.actions.is_empty() && !rule.actions.iter().any(|action| action == "*") {
        let message = "the catalogue is asked for with the action `*`, which is not among these";
        report.warn(rule_path(n).key("actions"), message, "Write `[\"*\"]` to allow it, or `[]` to deny");
    }
}

#[cfg(test)]
mod tests {
    use crate::config::lint::testing::rule;

    #[test]
    fn an_action_that_no_request_asks_for() {
        for (action, hint) in [
            ("Pull", "Write `pull`"),
            ("PULL", "Write `pull`"),
            (" pull", "Write `pull`"),
            ("pulll", "Write `pull`"),
            ("read", "Write `pull`"),
            ("write", "Write `push`"),
            ("pull,push", "Write `[pull, push]`"),
            ("pull, push", "Write `[pull, push]`"),
            ("push|pull", "Write `[push, pull]`"),
            ("[pull, push]", "Write `[pull, push]`"),
            ("rw", "Write `[pull, push]`"),
            ("remove", "Write `delete`"),
            ("all", "Write `[\"*\"]` to allow all"),
            (".*", "Write `[\"*\"]` to allow all"),
            ("pull,*", "Write `[\"*\"]` to allow all"),
            ("none", "Write `[]` to deny"),
            ("", "Write `[]` to deny"),
            ("metadata", "Remove it, or write one of them"),
            ("pull,metadata", "Remove it, or write one of them"),
        ] {
            assert_eq!(
                rule("", &format!("['{action}']")),
                format!(
                    "f.yml:14:15: warning: acl[0].actions[0]: no request asks for \"{action}\": the actions are `pull`, \
                     `push`, `delete`. {hint}"
                ),
                "{action}"
            );
        }
        for fine in ["[pull]", "[pull, push, delete]", "['*']", "[]"] {
            assert_eq!(rule("type: repository", fine), "", "{fine}");
        }
        assert_eq!(rule("", "[read, pull, write]").lines().count(), 2);
    }

    #[test]
    fn actions_of_other_types_and_services_are_free() {
        assert_eq!(rule("type: plugin", "[read]"), "");
        assert!(!rule("service: other", "[read]").contains("actions"));
        assert_eq!(rule("type: registry", "[search, '*']"), "");
        for wrong in ["[pull]", "[delete]", "[All]", "['*,pull']"] {
            assert_eq!(
                rule("type: registry", wrong),
                "f.yml:14:5: warning: acl[0].actions: the catalogue is asked for with the action `*`, which is not \
                 among these. Write `[\"*\"]` to allow it, or `[]` to deny",
                "{wrong}"
            );
        }
    }

    #[test]
    fn a_star_among_other_actions() {
        assert_eq!(
            rule("", "[pull, \"*\"]"),
            "f.yml:14:21: warning: acl[0].actions[1]: `*` beside other actions is an action of that name, \
             not all of them. Write `[\"*\"]` to allow all, or leave `*` out"
        );
        assert!(rule("", "[\"*\", pull]").contains("acl[0].actions[0]: `*` beside other actions"));
        assert!(
            rule("", "[\"*\", \"*\"]").contains("acl[0].actions[0]: `*` beside other actions"),
            "twice is not all"
        );
        assert_eq!(rule("", "[\"*\"]"), "");
        assert_eq!(rule("type: registry", "[\"*\", search]"), "");
    }

    #[test]
    fn push_alone() {
        assert_eq!(
            rule("", "[push]"),
            "f.yml:14:5: warning: acl[0].actions: `push` without `pull` allows no push: the registry asks \
             for both, and no later rule adds to this one. Add `pull`"
        );
        assert_eq!(rule("", "[push, pull]"), "");
    }
}
