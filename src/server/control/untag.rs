//! `portwarden untag` at the server's side.

use std::time::SystemTime;

use super::{ControlAnswer, ControlHandler, refused};
use crate::{
    registry::{Digest, RepositoryName, Tag},
    telemetry::{Decision, Event, Record},
};

impl ControlHandler {
    /// Deletes a tag, and leaves a line in the log and in the audit log, also where it could not be done.
    pub(super) async fn untag(&self, repository: &str, tag: &str, user: u32) -> ControlAnswer {
        let (Some(name), Some(tag)) = (RepositoryName::parse(repository), Tag::parse(tag)) else {
            return refused("this is no repository, or no tag");
        };
        let deleted = self.service.untag(&name, &tag).await;
        let deleted = deleted.map(|digest| digest.as_ref().map(Digest::as_str).map(str::to_owned));
        let outcome = deleted.as_ref().map(Option::as_deref).map_err(String::as_str);
        self.record_of_tag(Event::Untag, (&name, &tag), user, outcome);
        match deleted {
            Ok(digest) => {
                tracing::warn!(repository = %name, %tag, digest, user, "a tag was deleted");
                ControlAnswer::Untagged { digest }
            }
            Err(why) => {
                tracing::warn!(repository = %name, %tag, why, user, "a tag was not deleted");
                refused(&why)
            }
        }
    }

    /// Leaves a line in the audit log about a command of `user` for a tag: the digest that it was for, or why nothing was
    /// done.
    pub(super) fn record_of_tag(
        &self,
        event: Event,
        (name, tag): (&RepositoryName, &Tag),
        user: u32,
        outcome: Result<Option<&str>, &str>,
    ) {
        let mut record = Record::new(event);
        record.time = SystemTime::now();
        record.repository = Some(name.as_str().to_owned());
        record.reference = Some(tag.as_str().to_owned());
        let (decision, reason) = match outcome {
            Ok(digest) => {
                record.digest = digest.map(str::to_owned);
                (Decision::Allowed, format!("by user {user}"))
            }
            Err(why) => (Decision::Refused, format!("asked for by user {user}: {why}")),
        };
        (record.decision, record.reason) = (Some(decision), Some(reason));
        self.telemetry.audit.write(&record);
    }
}
