//! Warnings about settings that are allowed but probably not meant, in a configuration that is right in each part.
//!
//! A lint is a function in one of the lists below, by the noun it is about. It sees a configuration without errors, or
//! what is left of one where they stood (the meaning of a wrong part is a guess), and may only warn. Warnings about one
//! key of one section stand where the section is read.

mod accounts;
mod actions;
mod addresses;
mod anonymous;
mod backends;
mod certificates;
mod chain;
mod labels;
mod names;
mod repair;
mod resources;
mod retention;
mod robots;
mod rules;
mod tags;
#[cfg(test)]
mod testing;
mod types;
mod undecidable;
mod users;
mod validity;

use std::time::{SystemTime, UNIX_EPOCH};

pub(super) use certificates::end_of;

use super::{
    Config,
    diagnostics::{finding::Report, path::Path},
    sections::access::rule_path,
};
use crate::authz::{PatternShape, Policy};
use resources::Resources;

/// The input of the lints.
pub(super) struct LintInput<'a> {
    pub(super) config: &'a Config,
    /// `config.acl`, compiled.
    pub(super) policy: &'a Policy,
    pub(super) now: SystemTime,
    /// True if nothing is left out of users, rules and back ends because of an error.
    pub(super) complete: bool,
    /// True if files may be read.
    pub(super) with_files: bool,
    /// True if every account that is written somewhere is known.
    pub(super) all_accounts: bool,
    /// True if every label that is written somewhere is known.
    pub(super) all_labels: bool,
    /// For each rule.
    pub(super) resources: Vec<Resources>,
}

impl<'a> LintInput<'a> {
    /// A configuration without errors, whose `acl` is compiled in `policy`, read at `now`.
    pub(super) fn new(config: &'a Config, policy: &'a Policy, now: SystemTime) -> Self {
        let resources = Resources::all(&config.acl, &config.proxy.service);
        Self {
            config,
            policy,
            now,
            complete: true,
            with_files: true,
            all_accounts: true,
            all_labels: true,
            resources,
        }
    }

    /// `now`, in seconds since 1970.
    fn seconds(&self) -> u64 {
        self.now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
    }
}

type Lint = fn(&LintInput<'_>, &mut Report<'_>);

/// Runs every lint.
pub(super) fn run(input: &LintInput<'_>, report: &mut Report<'_>) {
    let lints = [
        addresses::LINTS,
        rules::LINTS,
        validity::LINTS,
        names::LINTS,
        tags::LINTS,
        retention::LINTS,
        types::LINTS,
        actions::LINTS,
        undecidable::LINTS,
        users::LINTS,
        robots::LINTS,
        accounts::LINTS,
        labels::LINTS,
        backends::LINTS,
    ];
    lints.into_iter().flatten().for_each(|lint| lint(input, report));
    if input.complete {
        anonymous::LINTS.iter().for_each(|lint| lint(input, report));
    }
    if input.with_files {
        [certificates::LINTS, chain::LINTS].into_iter().flatten().for_each(|lint| lint(input, report));
    }
}

/// Returns the path of a pattern of a rule.
fn pattern_path(rule: usize, shape: &PatternShape<'_>) -> Path {
    let key = rule_path(rule).key("match").key(shape.key);
    shape.label.map_or(key.clone(), |label| key.key(label))
}

#[cfg(test)]
mod tests {
    use crate::config::tests::{SERVER, TOKEN, said};

    const USERS: &str =
        "users: {bob: {password: $2y$10$lfIkMm1jPw8Is./rthy5auKvJeeuH7pJMDm4K.KmbODdBR31EC/am}}\n";
    const GOOD: &str = "- match: {account: bob}\n    actions: [pull]\n";
    const WARNED: &str =
        "  - match: {name: Team/app}\n    actions: [pull]\n  - match: {account: bbo}\n    actions: [pull]\n";
    const OF_NAME: &str = "warning: acl[1].match.name: matches no repository";
    const OF_ACCOUNT: &str = "warning: acl[2].match.account: there is no user \"bbo\"";

    fn with(users: &str, first: &str, rest: &str) -> String {
        said(&format!("{SERVER}{TOKEN}{users}acl:\n  {first}{WARNED}{rest}"))
    }

    #[test]
    fn a_rule_with_an_error_hides_no_warning_about_the_others() {
        for wrong in [
            "- match: {name: 'a['}\n    actions: [pull]\n",
            "- match: {acount: bob}\n    actions: [push]\n",
            "- match: {}\n    action: [push]\n",
            "- match: []\n    actions: [push]\n",
            "- match: {}\n    actions: push\n",
            "- actions: [push]\n",
            "- x\n",
        ] {
            let said = with(USERS, wrong, "");
            assert!(said.contains(OF_NAME) && said.contains(OF_ACCOUNT), "{wrong}{said}");
            assert!(!said.contains("warning: acl[0]") && !said.contains("never decides"), "{wrong}{said}");
            assert!(said.lines().any(|line| !line.contains("warning")), "{wrong}{said}");
        }
    }

    #[test]
    fn an_error_in_another_section_hides_no_warning_that_holds_all_the_same() {
        let token = said(&format!("{SERVER}{}{USERS}acl:\n  {GOOD}{WARNED}", TOKEN.replace("900", "soon")));
        let url = with(USERS, GOOD, "registry: {url: 'ftp://a'}\n");
        for said in [token, url] {
            assert!(said.contains(OF_NAME) && said.contains(OF_ACCOUNT), "{said}");
        }
        let hash = with("users: {bob: {password: x}}\n", GOOD, "");
        let more = "  - match: {labels: {team: a}}\n    actions: [pull]\n  - match: {account: ''}\n    actions: [pull]\n";
        let section = with("user: {}\n", GOOD, more);
        assert!(!section.contains("no account has a label"), "labels are not known: {section}");
        assert!(!section.contains("every request needs a password"), "nor is the anonymous user: {section}");
        for said in [hash, section] {
            assert!(
                said.contains(OF_NAME) && !said.contains("bbo"),
                "who has an account is not known: {said}"
            );
        }
    }
}
