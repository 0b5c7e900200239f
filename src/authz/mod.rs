//! Authorization: patterns, rules, and the decision with the rule that made it.
//!
//! Without HTTP, and but for the back ends synchronous. docker_auth's semantics, or a refusal at load.

mod at_once;
mod authorizers;
mod by_tag;
mod catalog;
mod ceiling;
mod command;
mod next_rules;
mod patterns;
mod permit;
mod policy;
mod question;
mod sql;
mod text_pattern;
mod token_scopes;
mod write_once;

pub use at_once::at_once;
pub use authorizers::{AuthorizationBackendSettings, Authorizers, DecidedBy, RuleName, Ruling};
pub use by_tag::{ByTag, may_tag};
pub use catalog::{CatalogView, Visibility};
pub use ceiling::{ACTIONS, CeilingError, CeilingName, CeilingSettings, Ceilings, scope_parts, superset_of};
pub use next_rules::{Comparison, NextRules};
pub use patterns::glob::Glob;
pub use patterns::go_regex::GoRegex;
pub use patterns::ip::{IpBlock, IpBlockError};
pub use patterns::matchable::Example;
pub use patterns::pattern_error::PatternError;
pub use patterns::template::is_syntax;
pub use patterns::tristate::Doubt;
pub use permit::{Caller, Denial, DeniedBy, NotPermitted, Permit, authorize};
pub use policy::named_labels::LeftOut;
pub use policy::rule::{Condition, Rule, RuleError, Verdict};
pub use policy::shape::{PatternShape, Unexpanded, shapes};
pub use policy::unreachable_rules::hidden_rules;
pub use policy::validity::Validity;
pub use policy::{Decision, Policy, TagBound, Withheld};
pub use question::Question;
pub use sql::SqlRulesSettings;
pub use text_pattern::TextPattern;
pub use token_scopes::{ANY_NAME, MOST_SCOPES, TokenScopes, parse_token_scope};
pub use write_once::{EntryPlace, TagLock, WriteOnce, WriteOnceError, WriteOnceSettings, WriteOnceVerdict};

use std::collections::BTreeMap;

use patterns::placeholder::Field;

/// An ACL entry as configured; `config` builds these, `Policy` compiles them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
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
    /// `match.tag`: patterns, of which one must match; `None` for every tag, and for what has no tag.
    pub tags: Option<Vec<String>>,
    /// The actions granted; exactly `["*"]` grants what was asked.
    pub actions: Vec<String>,
    /// `from` and `until`: when it holds.
    pub validity: Validity,
    /// The operator's own words.
    pub comment: Option<String>,
    /// The line of the entry in the file it came from, from 1; 0 when unknown.
    pub line: usize,
}

impl RuleSettings {
    /// The patterns of the rule's fields that are written, in the order of `Field`.
    fn fields(&self) -> impl Iterator<Item = (Field, &str)> {
        let all = [
            (Field::Account, &self.account),
            (Field::Type, &self.resource_type),
            (Field::Name, &self.name),
            (Field::Service, &self.service),
        ];
        all.into_iter().filter_map(|(field, text)| Some((field, text.as_deref()?)))
    }
}
