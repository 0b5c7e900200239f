//! What is allowed but probably not meant: warnings about a configuration that is right in each part.
//!
//! A lint is a function in one of the lists below, by the noun it is about. It sees a configuration without
//! errors (what a wrong one means is a guess) and may only warn. Warnings about one key of one section
//! stand where the section is read.

mod about;
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
mod rules;
#[cfg(test)]
mod testing;
mod types;
mod undecidable;
mod users;

use std::time::SystemTime;

pub(super) use certificates::end_of;

use self::about::About;
use super::{Config, access::rule_path, finding::Report, path::Path};
use crate::authz::{PatternShape, Policy};

/// What the lints look at.
pub(super) struct Subject<'a> {
    pub(super) config: &'a Config,
    /// `config.acl`, compiled.
    pub(super) policy: &'a Policy,
    pub(super) now: SystemTime,
    /// True if files may be read.
    pub(super) with_files: bool,
    /// True if every account that is written somewhere is known.
    pub(super) all_accounts: bool,
    /// For each rule.
    pub(super) about: Vec<About>,
}

impl<'a> Subject<'a> {
    /// A configuration without errors, whose `acl` is compiled in `policy`, read at `now`.
    pub(super) fn new(config: &'a Config, policy: &'a Policy, now: SystemTime) -> Self {
        let about = About::all(&config.acl, &config.proxy.service);
        Self { config, policy, now, with_files: true, all_accounts: true, about }
    }
}

type Lint = fn(&Subject<'_>, &mut Report<'_>);

/// Runs every lint.
pub(super) fn run(subject: &Subject<'_>, report: &mut Report<'_>) {
    let lints = [
        addresses::LINTS,
        rules::LINTS,
        names::LINTS,
        types::LINTS,
        actions::LINTS,
        undecidable::LINTS,
        users::LINTS,
        accounts::LINTS,
        anonymous::LINTS,
        labels::LINTS,
        backends::LINTS,
    ];
    lints.into_iter().flatten().for_each(|lint| lint(subject, report));
    if subject.with_files {
        [certificates::LINTS, chain::LINTS].into_iter().flatten().for_each(|lint| lint(subject, report));
    }
}

/// Where a pattern of a rule stands.
fn pattern_path(rule: usize, shape: &PatternShape<'_>) -> Path {
    let key = rule_path(rule).key("match").key(shape.key);
    shape.label.map_or(key.clone(), |label| key.key(label))
}
