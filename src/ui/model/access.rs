//! The rights of a visitor, as their page shows them.

use std::{collections::BTreeMap, net::IpAddr, time::SystemTime};

use super::{Basis, Page};

/// The rights of the visitor, and the rules behind them.
#[derive(Debug, Clone)]
pub struct Access<'a> {
    /// Labels of the account.
    pub labels: &'a BTreeMap<String, Vec<String>>,
    /// The section of the configuration that knows the account.
    pub source: &'a str,
    /// The address that the rules see.
    pub address: Option<IpAddr>,
    /// The whole catalogue (`registry:catalog:*`).
    pub catalog: Right,
    /// The name of a repository that was asked about, existing or not, with or without a tag; empty for none.
    pub asked: &'a str,
    /// The question about another account; `None` for a visitor that may ask about itself only.
    pub other: Option<OtherAccount<'a>>,
    /// True if it has a tag that is write-once for the account: once it is there, it stays whatever the rules say.
    pub is_write_once: bool,
    /// The rights on it; `None` when nothing was asked, or it is no name of a repository.
    pub answer: Option<RightsOn>,
    /// The rules that grant something on the repositories that were looked at.
    pub by_rule: Vec<RuleCount>,
    /// The number of repositories that were looked at; 0 where a back end decides.
    pub surveyed: usize,
    /// The right that the listed repositories have; `None` for all.
    pub only: Option<RightOn>,
    /// The rights on the repositories that can be seen.
    pub repositories: Vec<(&'a str, RightsOn)>,
    /// The part of the list.
    pub page: Page,
}

/// The account that a visitor asks about that sees what others do.
#[derive(Debug, Clone, Copy)]
pub struct OtherAccount<'a> {
    /// Its name; empty for the visitor itself.
    pub name: &'a str,
    /// True if its labels are known: it is one of `users`.
    pub has_known_labels: bool,
}

/// The rights on a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RightsOn {
    /// The right to pull.
    pub pull: Right,
    /// The right to push.
    pub push: Right,
    /// The right to delete.
    pub delete: Right,
}

/// A right, or none, and by which rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Right {
    /// True if it is granted.
    pub allowed: bool,
    /// True if it is granted for some tags only.
    pub for_some_tags: bool,
    /// The source of the decision.
    pub by: Basis,
    /// The rule that grants it for other tags than the one that was asked about.
    pub other_tags: Option<Basis>,
    /// The moment at which that rule ends, where it does.
    pub until: Option<SystemTime>,
}

impl Right {
    /// Returns true if it is granted, for some tags at least.
    pub fn is_any(&self) -> bool {
        self.allowed || self.for_some_tags
    }
}

/// One of the rights on a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RightOn {
    /// To pull.
    Pull,
    /// To push.
    Push,
    /// To delete.
    Delete,
}

impl RightOn {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Pull, Self::Push, Self::Delete];

    /// The right of that name in a query.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|right| right.name() == name)
    }

    /// Returns its name in a query.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pull => "pull",
            Self::Push => "push",
            Self::Delete => "delete",
        }
    }
}

impl RightsOn {
    /// Returns one of the rights.
    pub fn of(&self, right: RightOn) -> &Right {
        match right {
            RightOn::Pull => &self.pull,
            RightOn::Push => &self.push,
            RightOn::Delete => &self.delete,
        }
    }
}

/// A rule, and the number of repositories on which it grants each of [`RightOn::ALL`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleCount {
    /// The rule.
    pub by: Basis,
    /// The numbers, in that order.
    pub counts: [usize; 3],
}
