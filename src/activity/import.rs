//! Activity out of the lines of an audit log, for the time before it was recorded.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
    net::IpAddr,
    time::{Duration, UNIX_EPOCH},
};

use serde::Deserialize;

use super::{
    Activity, Entry, Key,
    effect::{Asked, Effect, effects},
};
use crate::{
    registry::{Digest, RepositoryName, Tag},
    telemetry::{Action, Object, RegistryEvent},
};

/// The most records that are taken out of a log: as many as are stored.
const MOST: usize = 500_000;
/// Fields without which a line does not say what was pulled, or by whom.
const NEEDED: [&str; 6] = ["account", "repository", "reference", "tags", "digest", "method"];

/// The records in an audit log.
#[derive(Debug, Default)]
pub struct Import {
    asked: Asked,
    records: HashMap<Key, Activity>,
    deleted: HashMap<Key, u64>,
    reach: Reach,
}

/// The part of the time that a log tells of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reach {
    /// The number of lines.
    pub lines: u64,
    /// The number of lines that no Portwarden wrote, or that lack something.
    pub unreadable: u64,
    /// The time of the earliest line, in seconds since 1970.
    pub earliest: Option<u64>,
    /// The time of the latest line.
    pub latest: Option<u64>,
    /// The end of the last time of which pulls are summed up; 0 for none.
    gap: u64,
}

/// The fields of a line that say what was done. Others are passed over.
#[derive(Debug, Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    time: Cow<'a, str>,
    #[serde(borrow)]
    event: Cow<'a, str>,
    #[serde(borrow)]
    account: Option<Cow<'a, str>>,
    address: Option<IpAddr>,
    #[serde(borrow)]
    method: Option<Cow<'a, str>>,
    #[serde(borrow)]
    route: Option<Cow<'a, str>>,
    #[serde(borrow)]
    repository: Option<Cow<'a, str>>,
    #[serde(borrow)]
    reference: Option<Cow<'a, str>>,
    tags: Option<Vec<String>>,
    digest: Option<String>,
    #[serde(borrow)]
    decision: Option<Cow<'a, str>>,
    status: Option<u16>,
    #[serde(borrow)]
    ended: Option<Cow<'a, str>>,
    truncated: Option<Vec<String>>,
    counts: Option<BTreeMap<String, u64>>,
}

impl Import {
    /// Takes a line, or that one was too long. Lines may come in any order, but those of one client as they were written.
    pub fn line(&mut self, text: Option<&[u8]>) {
        self.reach.lines += 1;
        let line: Option<Line<'_>> = text.and_then(|text| serde_json::from_slice(text).ok());
        let Some((line, at)) = line.and_then(|line| line.seconds().map(|at| (line, at))) else {
            self.reach.unreadable += 1;
            return;
        };
        self.reach.at(at);
        if line.event == "summary" && line.sums_up_pulls() {
            self.reach.gap = self.reach.gap.max(at);
        }
        let Some(event) = line.told(at) else { return };
        if line.is_cut() || RepositoryName::parse(&event.repository).is_none() {
            self.reach.unreadable += 1;
            return;
        }
        for (reference, effect) in effects(&event, at, &mut self.asked) {
            self.note((event.repository.clone(), reference), effect, at);
        }
    }

    fn note(&mut self, key: Key, effect: Effect, at: u64) {
        if self.records.len() >= MOST && !self.records.contains_key(&key) {
            self.reach.gap = self.reach.gap.max(at);
            return;
        }
        match effect {
            Effect::Add(activity) => self.records.entry(key).or_default().add(&activity),
            Effect::Forget => {
                let deleted = self.deleted.entry(key).or_default();
                *deleted = at.max(*deleted);
            }
        }
    }

    /// Returns the records, but of what was deleted since, and the time that the log tells of.
    pub fn end(self) -> (Vec<Entry>, Reach) {
        let Self { records, deleted, reach, .. } = self;
        let is_there = |(key, activity): &(Key, Activity)| {
            deleted.get(key).is_none_or(|deleted| *deleted < activity.latest())
        };
        let entry = |((repository, reference), activity)| Entry { repository, reference, activity };
        (records.into_iter().filter(is_there).map(entry).collect(), reach)
    }
}

impl Reach {
    /// The time from which to which every request is in the log; `None` where a line may be missing anywhere.
    pub fn whole(&self) -> Option<(u64, u64)> {
        let (earliest, latest) = (self.earliest?, self.latest?);
        (self.unreadable == 0).then_some((earliest.max(self.gap), latest))
    }

    fn at(&mut self, at: u64) {
        self.earliest = Some(self.earliest.map_or(at, |earliest| earliest.min(at)));
        self.latest = Some(self.latest.map_or(at, |latest| latest.max(at)));
    }
}

impl Line<'_> {
    fn seconds(&self) -> Option<u64> {
        let time = humantime::parse_rfc3339(&self.time).ok()?;
        time.duration_since(UNIX_EPOCH).ok().map(|since| since.as_secs())
    }

    /// Returns true if requests without an account that went to the registry have no line of their own.
    fn sums_up_pulls(&self) -> bool {
        let Some(counts) = &self.counts else { return true };
        ["allowed", "transfer"].iter().any(|kind| counts.get(*kind).is_some_and(|count| *count > 0))
    }

    fn is_cut(&self) -> bool {
        self.truncated.iter().flatten().any(|name| NEEDED.contains(&name.as_str()))
    }

    /// The event that the registry has confirmed; `None` for a line about anything else.
    fn told(&self, at: u64) -> Option<RegistryEvent> {
        let reference = self.reference.as_deref()?;
        let tag = Tag::parse(reference);
        let object = if tag.is_some() { Object::Tag } else { Object::Manifest };
        let (action, object) = match (&*self.event, self.decision.as_deref()) {
            ("untag" | "prune", Some("allowed")) => (Action::Delete, object),
            ("transfer" | "decision", _) if self.route.as_deref() == Some("manifest") => {
                let is_whole = self.ended.as_deref() == Some("complete");
                match (self.method.as_deref(), self.status) {
                    (Some("PUT"), Some(201)) => (Action::Push, Object::Manifest),
                    (Some("GET" | "HEAD"), Some(200)) if is_whole => (Action::Pull, Object::Manifest),
                    (Some("DELETE"), Some(202)) => (Action::Delete, object),
                    _ => return None,
                }
            }
            _ => return None,
        };
        // The digest of a tag that is deleted is not deleted with it.
        let named = Digest::parse(reference).map(|digest| digest.to_string());
        let digest = if action == Action::Delete { named } else { self.digest.clone().or(named) };
        let mut tags: Vec<String> = tag.iter().map(|tag| tag.as_str().to_owned()).collect();
        tags.extend(self.tags.iter().flatten().filter(|tag| Tag::parse(tag).is_some()).cloned());
        Some(RegistryEvent {
            time: UNIX_EPOCH + Duration::from_secs(at),
            action,
            tags,
            account: self.account.as_deref().unwrap_or_default().to_owned(),
            address: self.address,
            method: self.method.as_deref().unwrap_or_default().to_owned(),
            ..RegistryEvent::deletion(object, self.repository.as_deref()?, None, digest.as_deref())
        })
    }
}

#[cfg(test)]
mod tests;
