//! The plan for a repository: which of its tags stay, and what goes with the others.
//!
//! Needs are counted generously, and what goes with a tag narrowly. A tag that stays needs what its manifest names,
//! what that is about, and what is about it. A tag that goes takes along what its manifest names and what is about it,
//! but never what that is about: an attached file does not own its image.

use std::collections::{HashMap, HashSet, VecDeque};

use super::{KeptBy, RetentionEntry, StoredRepository, StoredTag, rules::Times, stored::Links};
use crate::registry::Digest;

/// The tags that stay, and what may go.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// The tags that stay, each with the reason, in the order in which they were read.
    pub kept: Vec<(StoredTag, KeptBy)>,
    /// The tags that go; those about a manifest (`sha256-<hex>…`) after all others. One that was pushed since, even with
    /// the same digest, stays.
    pub tags: Vec<StoredTag>,
    /// The manifests that go after these tags: no tag that stays leads to one. An index stands before what it names.
    pub manifests: Vec<Digest>,
}

/// Returns what may go of a repository by its entry; `now` in seconds since 1970.
///
/// A tag about a manifest goes only with a tag that leads to that manifest. So what is about a manifest that no tag leads
/// to, or that is not there, stays, and so does all that it leads to.
pub fn plan(entry: &RetentionEntry, stored: &StoredRepository, now: u64) -> Plan {
    let links = Links::of(stored);
    let times = Times::of(stored, &links, now);
    let judged: Vec<_> = stored.tags.iter().map(|tag| (tag, judge(entry, tag, &times))).collect();
    let digests = |wanted: fn(&Judged) -> bool| {
        let wanted = judged.iter().filter(move |(_, judged)| wanted(judged));
        wanted.map(|(tag, _)| &tag.digest)
    };
    let owned = links.owned(digests(|judged| matches!(judged, Judged::Goes)));
    let going: HashSet<&Digest> = owned.iter().copied().filter(|digest| links.is_there(digest)).collect();
    let is_alone = |judged: &Judged| matches!(judged, Judged::About(subject) if !going.contains(subject));
    let alone = judged.iter().filter(|(_, judged)| is_alone(judged)).map(|(tag, _)| &tag.digest);
    let needed = links.kept(digests(|judged| matches!(judged, Judged::Stays(_))).chain(alone));

    let mut plan = Plan::default();
    let mut about = Vec::new();
    for (tag, judged) in judged {
        match judged {
            Judged::Stays(by) => plan.kept.push((tag.clone(), by)),
            Judged::Goes => plan.tags.push(tag.clone()),
            Judged::About(subject) if needed.contains(&subject) => {
                plan.kept.push((tag.clone(), KeptBy::About(subject)));
            }
            Judged::About(subject) if going.contains(&subject) => about.push(tag.clone()),
            Judged::About(subject) => plan.kept.push((tag.clone(), KeptBy::AboutNothing(subject))),
        }
    }
    plan.tags.append(&mut about);
    let gone = owned.into_iter().filter(|digest| going.contains(digest) && !needed.contains(digest));
    plan.manifests = parents_first(&gone.collect::<Vec<_>>(), &links);
    plan
}

/// A tag by itself.
enum Judged {
    Stays(KeptBy),
    Goes,
    /// It follows this manifest.
    About(Digest),
}

fn judge(entry: &RetentionEntry, tag: &StoredTag, times: &Times<'_>) -> Judged {
    if tag.is_write_once {
        return Judged::Stays(KeptBy::WriteOnce);
    }
    if let Some(subject) = tag.tag.subject() {
        return Judged::About(subject);
    }
    // A reason that is certain is shown before one that is not.
    let reasons = || entry.keep.iter().filter_map(|keep| keep.keeps(tag, times));
    let certain = reasons().find(KeptBy::is_certain);
    certain.or_else(|| reasons().next()).map_or(Judged::Goes, Judged::Stays)
}

/// Sorts manifests so that an index stands before what it names.
fn parents_first(manifests: &[&Digest], links: &Links<'_>) -> Vec<Digest> {
    let mut parents: HashMap<&Digest, usize> = manifests.iter().map(|digest| (*digest, 0)).collect();
    for child in manifests.iter().flat_map(|digest| links.children(digest)) {
        parents.entry(child).and_modify(|count| *count += 1);
    }
    let mut next: VecDeque<&Digest> =
        manifests.iter().copied().filter(|digest| parents.get(digest) == Some(&0)).collect();
    let mut sorted = Vec::with_capacity(manifests.len());
    while let Some(digest) = next.pop_front() {
        sorted.push(digest.clone());
        for child in links.children(digest) {
            if let Some(count) = parents.get_mut(child).filter(|count| **count > 0) {
                *count -= 1;
                if *count == 0 {
                    next.push_back(child);
                }
            }
        }
    }
    // Manifests that name each other cannot be made: what would be left here stays.
    sorted
}

#[cfg(test)]
mod tests;
