//! The rules that recorded requests used, and the rights of them.

use std::collections::BTreeSet;

use super::{
    Place,
    counts::Counts,
    line::{Apart, AuditLine, Recorded},
    memo::Memo,
    request,
    rules::{Asker, Rules},
};
use crate::{
    authz::{DecidedBy, DeniedBy, NotPermitted},
    registry::Scope,
};

/// The use of one rule.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Use {
    /// The number of requests that it decided, whatever the decision.
    pub decided: u64,
    /// The time of the last of them, in seconds since 1970.
    pub last: u64,
    /// The actions of allowed requests that it granted.
    pub actions: BTreeSet<String>,
    /// The accounts of allowed requests; `None` for too many to list.
    pub accounts: Few,
    /// Their repositories.
    pub repositories: Few,
}

/// Names, as long as they are few.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Few(Option<BTreeSet<String>>);

/// The most names that are listed.
const MOST_NAMES: usize = 3;

/// Finds the use of rules.
#[derive(Debug)]
pub struct Unused {
    rules: Rules,
    since: u64,
    uses: Vec<Use>,
    memo: Memo<Option<Vec<Decided>>>,
    counts: Counts,
    undecided: u64,
}

/// One rule's part in a decision.
#[derive(Debug)]
struct Decided {
    rule: usize,
    /// The scope that it granted; `None` where it denied.
    granted: Option<Scope>,
}

impl Default for Few {
    fn default() -> Self {
        Self(Some(BTreeSet::new()))
    }
}

impl Few {
    /// The names; `None` where they are many.
    pub fn names(&self) -> Option<impl Iterator<Item = &str>> {
        self.0.as_ref().map(|names| names.iter().map(String::as_str))
    }

    fn add(&mut self, name: &str) {
        let Some(names) = &mut self.0 else { return };
        if !names.contains(name) {
            names.insert(name.to_owned());
        }
        if names.len() > MOST_NAMES {
            self.0 = None;
        }
    }
}

impl Unused {
    /// Looks at requests from `since` on, in seconds since 1970.
    pub fn new(rules: Rules, since: u64) -> Self {
        let uses = vec![Use::default(); rules.len()];
        Self { rules, since, uses, memo: Memo::default(), counts: Counts::default(), undecided: 0 }
    }

    /// The use of each rule of `acl`, in order.
    pub fn uses(&self) -> &[Use] {
        &self.uses
    }

    /// The lines; `earliest` is that of all of them.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// The number of requests of which the log does not tell which rule decides.
    pub fn undecided(&self) -> u64 {
        self.undecided
    }

    /// Takes a line, or that one was too long.
    pub fn line(&mut self, place: Place, text: Option<&[u8]>) {
        self.counts.lines += 1;
        let line: Option<AuditLine<'_>> = text.and_then(|text| serde_json::from_slice(text).ok());
        let Some(line) = line else { return self.counts.unreadable(place) };
        let Some(time) = line.seconds() else { return self.counts.apart(Apart::Foreign, place) };
        self.counts.at(time);
        match line.recorded() {
            Recorded::Other(why) => self.counts.apart(why, place),
            Recorded::Outside => self.counts.apart(Apart::Unauthenticated, place),
            // A token is a right that may be used, or not.
            Recorded::Token | Recorded::Summary { .. } => self.counts.not_of_rules += 1,
            _ if time < self.since => self.counts.not_of_rules += 1,
            _ if line.is_cut() => self.undecided += 1,
            recorded => self.request(&line, recorded == Recorded::Allowed, time, place),
        }
    }

    fn request(&mut self, line: &AuditLine<'_>, was_allowed: bool, time: u64, place: Place) {
        let rules = &self.rules;
        if matches!(rules.asker(line), Asker::Foreign) {
            return self.counts.apart(Apart::Foreign, place);
        }
        let key = |key: &mut Vec<u8>| {
            request::write_key(key, line, &rules.aspects);
            key.extend_from_slice(&rules.period(time).to_be_bytes());
        };
        let decided = self.memo.get(key, || decide(rules, line, time));
        let Some(decided) = decided.as_ref() else {
            self.undecided += 1;
            return;
        };
        self.counts.requests += 1;
        for Decided { rule, granted } in decided {
            let Some(of_rule) = self.uses.get_mut(*rule) else { continue };
            of_rule.decided += 1;
            of_rule.last = of_rule.last.max(time);
            if let Some(scope) = granted.as_ref().filter(|_| was_allowed) {
                if scope.actions.iter().any(|action| !of_rule.actions.contains(action)) {
                    of_rule.actions.extend(scope.actions.iter().cloned());
                }
                of_rule.accounts.add(line.account());
                of_rule.repositories.add(&scope.name);
            }
        }
    }
}

/// The rules that decide the request of a line; `None` where the log does not tell.
fn decide(rules: &Rules, line: &AuditLine<'_>, time: u64) -> Option<Vec<Decided>> {
    let route = request::route(line)?;
    let labels = match rules.asker(line) {
        Asker::Here(labels) | Asker::Renewed(labels, _) => labels,
        Asker::Gone(_) => return Some(Vec::new()),
        Asker::Perhaps(_) | Asker::Undecided(_) | Asker::Foreign => return None,
    };
    let outcome = rules.decide(line, &labels, route.clone(), time);
    if rules.is_for_backend(&route, &outcome) {
        return Some(Vec::new());
    }
    let granted = |by: &[DecidedBy]| {
        let each = by.iter().zip(route.needs());
        each.filter_map(|(by, need)| Some(Decided { rule: index(by)?, granted: Some(need.clone()) }))
            .collect()
    };
    let denied = |by: &DeniedBy| match by {
        DeniedBy::Policy(by) => index(by).map(|rule| Decided { rule, granted: None }).into_iter().collect(),
        DeniedBy::Ceiling => Vec::new(),
    };
    match outcome {
        Ok(permit) => Some(granted(permit.sources())),
        Err(NotPermitted::Denied(denial)) => Some(denied(&denial.by)),
        Err(NotPermitted::ByTag(by_tag)) => match &by_tag.denied {
            Some(denial) => Some(denied(&denial.by)),
            None => Some(granted(by_tag.sources())),
        },
        Err(NotPermitted::Unavailable(_)) => None,
    }
}

/// The index of a rule of `acl`.
fn index(by: &DecidedBy) -> Option<usize> {
    match by {
        DecidedBy::Rule(rule) | DecidedBy::Unclear(rule) | DecidedBy::SomeTags(rule) => Some(rule.index),
        DecidedBy::NoRule | DecidedBy::Command | DecidedBy::Ceiling(_) => None,
    }
}
