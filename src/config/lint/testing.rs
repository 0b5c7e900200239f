//! A right configuration around the rules, or the server's settings, that a lint is tried on.

use crate::config::tests::{SERVER, TOKEN, said};

const USERS: &str = "users:\n  alice:\n    password: \
                     \"$2y$10$lfIkMm1jPw8Is./rthy5auKvJeeuH7pJMDm4K.KmbODdBR31EC/am\"\n    labels: {team: \
                     [a]}\n";

/// Returns the findings on `rules`; the first begins on line 13, column 5. The only user is `alice`.
pub(super) fn rules(rules: &str) -> String {
    with_server("", rules)
}

/// The same where these are the labels of `alice`.
pub(super) fn rules_for(labels: &str, rules: &str) -> String {
    let users = USERS.replace("{team: [a]}", labels);
    said(&format!("{SERVER}{TOKEN}{users}acl:\n  {rules}"))
}

/// The same with more sections behind the rules.
pub(super) fn rules_with(sections: &str, rules: &str) -> String {
    said(&format!("{SERVER}{TOKEN}{USERS}acl:\n  {rules}{sections}"))
}

/// The same with `server` below `server:`.
pub(super) fn with_server(server: &str, rules: &str) -> String {
    said(&format!("{SERVER}{server}{TOKEN}{USERS}acl:\n  {rules}"))
}

/// Returns the findings on a rule with these conditions and actions, both in YAML.
pub(super) fn rule(conditions: &str, actions: &str) -> String {
    rules(&format!("- match: {{{conditions}}}\n    actions: {actions}\n"))
}
