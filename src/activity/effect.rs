//! The changes that one event makes to the records of its repository.
//!
//! docker and containerd ask for a tag with `HEAD`, and fetch the manifest by its digest. So a `GET` of a digest for which
//! the same account has just asked, from the same address, is a pull of that tag too.

use std::{collections::HashMap, mem, net::IpAddr};

use super::{Activity, Last};
use crate::telemetry::{Action, Object, RegistryEvent};

/// The time after a `HEAD` within which a `GET` belongs to it, in seconds.
const TOGETHER: u64 = 600;
/// The most `HEAD` requests that wait for their `GET`, in each of two generations.
const MOST: usize = 5_000;

/// The change of a record.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// This is added.
    Add(Activity),
    /// It is no longer there.
    Forget,
}

/// The tags that were asked for with `HEAD` a moment ago.
#[derive(Debug, Default)]
pub(super) struct Asked {
    young: HashMap<Ask, (String, u64)>,
    old: HashMap<Ask, (String, u64)>,
}

/// Account, address, repository and digest.
type Ask = (String, Option<IpAddr>, String, String);

impl Asked {
    fn note(&mut self, ask: Ask, tag: &str, at: u64) {
        if self.young.len() >= MOST {
            self.old = mem::take(&mut self.young);
        }
        self.young.insert(ask, (tag.to_owned(), at));
    }

    /// Takes the tag out: a later pull of the digest is one of the digest alone.
    fn take(&mut self, ask: &Ask, at: u64) -> Option<String> {
        let older = self.old.remove(ask);
        let (tag, asked) = self.young.remove(ask).or(older)?;
        at.checked_sub(asked).is_some_and(|since| since <= TOGETHER).then_some(tag)
    }
}

/// Returns what an event does to the references of its repository; `at` in seconds since 1970.
pub(super) fn effects(event: &RegistryEvent, at: u64, asked: &mut Asked) -> Vec<(String, Effect)> {
    let last = || Last::new(at, &event.account);
    match (event.object, event.action) {
        (Object::Blob, _) | (_, Action::Mount) => Vec::new(),
        (_, Action::Push) => {
            let push = || Effect::Add(Activity::push(last(), event.digest.as_deref()));
            event.tags.iter().map(|tag| (tag.clone(), push())).collect()
        }
        (_, Action::Pull) => pulled(event, at, asked),
        (Object::Tag, Action::Delete) => event.tags.iter().map(|tag| (tag.clone(), Effect::Forget)).collect(),
        (Object::Manifest, Action::Delete) => {
            event.tags.iter().chain(&event.digest).map(|gone| (gone.clone(), Effect::Forget)).collect()
        }
    }
}

fn pulled(event: &RegistryEvent, at: u64, asked: &mut Asked) -> Vec<(String, Effect)> {
    let is_pull = event.method != "HEAD";
    let request = || Effect::Add(Activity::request(Last::new(at, &event.account), is_pull));
    let ask = event
        .digest
        .as_ref()
        .map(|digest| (event.account.clone(), event.address, event.repository.clone(), digest.clone()));
    let Some(tag) = event.tags.first() else {
        let tag = ask.filter(|_| is_pull).and_then(|ask| asked.take(&ask, at));
        return event.digest.iter().chain(&tag).map(|reference| (reference.clone(), request())).collect();
    };
    if let Some(ask) = ask.filter(|_| !is_pull) {
        asked.note(ask, tag, at);
    }
    vec![(tag.clone(), request())]
}
