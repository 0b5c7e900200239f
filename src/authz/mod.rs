//! May they: patterns, rules, and the decision with the rule that made it.
//!
//! Without HTTP, and but for the back ends synchronous. docker_auth's semantics, or a refusal at load.

mod authorizers;
mod candidates;
mod catalog;
mod command;
mod fit;
mod glob;
mod glob_template;
mod go_regex;
mod hiding;
mod index;
mod ip;
mod language;
mod named_labels;
mod pattern;
mod pattern_error;
mod permit;
mod placeholder;
mod policy;
mod question;
mod rule;
mod shape;
mod sql;
mod template;

pub use authorizers::{Authorizers, BackendSettings, DecidedBy, RuleName, Ruling};
pub use catalog::{CatalogView, Sight};
pub use fit::Doubt;
pub use glob::Glob;
pub use go_regex::GoRegex;
pub use hiding::hidden_rules;
pub use ip::{IpBlock, IpBlockError};
pub use language::Example;
pub use named_labels::LeftOut;
pub use pattern_error::PatternError;
pub use permit::{Caller, Denial, DeniedBy, NotPermitted, Permit, authorize};
pub use policy::{Decision, Policy, Withheld};
pub use question::Question;
pub use rule::{Condition, Rule, RuleError, Verdict};
pub use shape::{PatternShape, Unexpanded, shapes};
pub use sql::SqlRulesSettings;
pub use template::is_syntax;

use std::collections::BTreeMap;

/// An ACL entry as configured; `config` builds these, `Policy` compiles them.
#[derive(Debug, Clone, Default)]
pub struct RuleSettings {
    /// `match.account`: a pattern, `None` when not checked.
    pub account: Option<String>,
    /// `match.type`.
    pub resource_type: Option<String>,
    /// `match.name`.
    pub name: Option<String>,
    /// `match.service`.
    pub service: Option<String>,
    /// `match.ip`: an address or a CIDR block.
    pub ip: Option<String>,
    /// `match.labels`: label to pattern, all of which must match.
    pub labels: BTreeMap<String, String>,
    /// The actions granted; exactly `["*"]` grants what was asked.
    pub actions: Vec<String>,
    /// The operator's own words.
    pub comment: Option<String>,
    /// The line of the entry in the file it came from, from 1; 0 when unknown.
    pub line: usize,
}

impl RuleSettings {
    /// The patterns of the rule's fields that are written, in the order of `Field`.
    fn fields(&self) -> impl Iterator<Item = (placeholder::Field, &str)> {
        use placeholder::Field;
        let all = [
            (Field::Account, &self.account),
            (Field::Type, &self.resource_type),
            (Field::Name, &self.name),
            (Field::Service, &self.service),
        ];
        all.into_iter().filter_map(|(field, text)| Some((field, text.as_deref()?)))
    }
}
