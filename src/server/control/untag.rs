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
        let mut record = Record::new(Event::Untag);
        record.time = SystemTime::now();
        record.repository = Some(name.as_str().to_owned());
        record.reference = Some(tag.as_str().to_owned());
        let answer = match deleted {
            Ok(digest) => {
                let digest = digest.as_ref().map(Digest::as_str).map(str::to_owned);
                tracing::warn!(repository = %name, %tag, digest, user, "a tag was deleted");
                (record.decision, record.reason) = (Some(Decision::Allowed), Some(format!("by user {user}")));
                record.digest.clone_from(&digest);
                ControlAnswer::Untagged { digest }
            }
            Err(why) => {
                tracing::warn!(repository = %name, %tag, why, user, "a tag was not deleted");
                record.decision = Some(Decision::Refused);
                record.reason = Some(format!("asked for by user {user}: {why}"));
                refused(&why)
            }
        };
        self.telemetry.audit.write(&record);
        answer
    }
}
