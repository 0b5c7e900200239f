//! `portwarden activity` at the server's side.

use std::io;

use tokio::net::unix::OwnedWriteHalf;

use super::{ControlAnswer, ControlHandler, refused, say};
use crate::{
    activity::{Entry, Key, Last},
    authn::folded_name,
};

/// The records that are asked for.
pub(super) struct Wanted {
    pub(super) repository: Option<String>,
    pub(super) reference: Option<String>,
    pub(super) account: Option<String>,
    pub(super) since: u64,
}

impl ControlHandler {
    /// Lists records of activity.
    pub(super) async fn activity(&self, wanted: &Wanted, write: &mut OwnedWriteHalf) -> io::Result<()> {
        let state = self.service.state();
        let mut after: Key = (wanted.repository.clone().unwrap_or_default(), String::new());
        loop {
            let part = match state.activity_behind(after).await {
                Ok(part) => part,
                Err(why) => return say(write, &refused(&format!("activity is not known: {why}"))).await,
            };
            let Some(last) = part.last() else { break };
            let is_last = wanted.repository.as_ref().is_some_and(|name| *name != last.repository);
            after = (last.repository.clone(), last.reference.clone());
            for entry in part.into_iter().filter(|entry| wanted.has(entry)) {
                say(write, &ControlAnswer::Activity(entry)).await?;
            }
            if is_last {
                break;
            }
        }
        match state.activity_since().await {
            Ok(at) => say(write, &ControlAnswer::ActivitySince { at }).await,
            Err(why) => say(write, &refused(&format!("activity is not known: {why}"))).await,
        }
    }

    /// Joins records with those that are stored.
    pub(super) async fn import_activity(&self, entries: Vec<Entry>) -> ControlAnswer {
        match self.service.state().import_activity(entries).await {
            Ok(()) => ControlAnswer::ActivityImported,
            Err(why) => refused(&format!("activity is not stored: {why}")),
        }
    }

    /// Notes that all activity of a time is on record.
    pub(super) async fn extend_activity(&self, from: u64, until: u64) -> ControlAnswer {
        match self.service.state().extend_activity(from, until).await {
            Ok(at) => ControlAnswer::ActivitySince { at },
            Err(why) => refused(&format!("activity is not stored: {why}")),
        }
    }
}

impl Wanted {
    fn has(&self, Entry { repository, reference, activity }: &Entry) -> bool {
        let is_by = |account: &String| {
            let name = folded_name(&Last::new(0, account).account);
            activity.accounts().any(|account| folded_name(account) == name)
        };
        self.repository.as_ref().is_none_or(|name| name == repository)
            && self.reference.as_ref().is_none_or(|name| name == reference)
            && self.account.as_ref().is_none_or(is_by)
            && activity.latest() >= self.since
    }
}
