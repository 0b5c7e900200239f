//! `portwarden tags release` at the server's side.

use std::time::SystemTime;

use super::{ControlAnswer, ControlHandler, refused};
use crate::{
    proxy::Released,
    registry::{Digest, RepositoryName, Tag},
    telemetry::{Decision, Event, Record},
};

impl ControlHandler {
    /// Ends the claim of an unfinished push, and leaves a line in the log and in the audit log, also where it does not end.
    pub(super) async fn release(&self, repository: &str, tag: &str, user: u32) -> ControlAnswer {
        let (Some(name), Some(tag)) = (RepositoryName::parse(repository), Tag::parse(tag)) else {
            return refused("this is no repository, or no tag");
        };
        let released = self.service.release(&name, &tag).await;
        let mut record = Record::new(Event::Release);
        record.time = SystemTime::now();
        record.repository = Some(name.as_str().to_owned());
        record.reference = Some(tag.as_str().to_owned());
        let answer = match released {
            Ok(Released { digest, found }) => {
                tracing::warn!(repository = %name, %tag, digest, user, "an unfinished push was released");
                (record.decision, record.reason) = (Some(Decision::Allowed), Some(format!("by user {user}")));
                record.digest = Some(digest.clone());
                ControlAnswer::Released {
                    digest,
                    found: found.as_ref().map(Digest::as_str).map(str::to_owned),
                }
            }
            Err(why) => {
                tracing::warn!(repository = %name, %tag, why, user, "an unfinished push was not released");
                record.decision = Some(Decision::Refused);
                record.reason = Some(format!("asked for by user {user}: {why}"));
                refused(&why)
            }
        };
        self.telemetry.audit.write(&record);
        answer
    }
}
