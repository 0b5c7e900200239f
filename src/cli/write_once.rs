//! The part of write-once tags in the answers of `explain` and `test-policy`.

use serde::Serialize;

use super::policy_query::{PolicyEvaluator, PolicyQuery};
use crate::{
    authz::{EntryPlace, WriteOnceVerdict},
    registry::{RepositoryName, Scope},
};

/// The part of write-once tags in a request, as JSON.
#[derive(Debug, Serialize)]
pub(super) struct WriteOnceAnswer {
    /// The entry of `tags.write_once`, from 0.
    entry: usize,
    line: usize,
    outcome: Outcome,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Outcome {
    Denied,
    DeniedIfItChangesOne,
}

impl WriteOnceAnswer {
    /// The answer about the request that is asked about; `None` where no write-once tag is concerned.
    pub(super) fn find(evaluator: &PolicyEvaluator, asked: &PolicyQuery) -> Option<Self> {
        match evaluator.write_once().judge(asked.route()?, &asked.account) {
            WriteOnceVerdict::Open => None,
            WriteOnceVerdict::Denied(place) => Some(Self::of(place, Outcome::Denied)),
            WriteOnceVerdict::IfUnchanged(place) => Some(Self::of(place, Outcome::DeniedIfItChangesOne)),
        }
    }

    fn of(place: EntryPlace, outcome: Outcome) -> Self {
        Self { entry: place.index(), line: place.line(), outcome }
    }

    /// Returns true if the request is denied, whatever is in the registry.
    pub(super) fn denies(&self) -> bool {
        self.outcome == Outcome::Denied
    }

    /// The sentence about it.
    pub(super) fn sentence(&self) -> String {
        let Self { entry, line, outcome } = self;
        let what = match outcome {
            Outcome::Denied => "it would delete or hollow out a write-once tag, so it is denied",
            Outcome::DeniedIfItChangesOne => "it is denied if it would change a write-once tag that is there",
        };
        format!("by tags.write_once[{entry}], line {line}: {what}")
    }
}

/// The notes about repositories in which tags may be write-once, for a scope with pushes or deletions.
pub(super) fn notes<'e>(
    evaluator: &'e PolicyEvaluator,
    needs: &'e [Scope],
) -> impl Iterator<Item = String> + 'e {
    let writes =
        |need: &&Scope| need.actions.iter().any(|action| ["push", "delete", "*"].contains(&&**action));
    let names = needs.iter().filter(writes).filter_map(|need| RepositoryName::parse(&need.name));
    names.flat_map(|name| {
        let places: Vec<_> = evaluator.write_once().places(&name).collect();
        places.into_iter().map(move |place| {
            format!("note: {name} has write-once tags by {place}: a push or deletion that would change one is denied")
        })
    })
}
