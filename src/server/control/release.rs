//! `portwarden tags release` at the server's side.

use super::{ControlAnswer, ControlHandler, refused};
use crate::{
    proxy::Released,
    registry::{Digest, RepositoryName, Tag},
    telemetry::Event,
};

impl ControlHandler {
    /// Ends the claim of an unfinished push, and leaves a line in the log and in the audit log, also where it does not end.
    pub(super) async fn release(&self, repository: &str, tag: &str, user: u32) -> ControlAnswer {
        let (Some(name), Some(tag)) = (RepositoryName::parse(repository), Tag::parse(tag)) else {
            return refused("this is no repository, or no tag");
        };
        let released = self.service.release(&name, &tag).await;
        let outcome = released.as_ref().map(|released| Some(&*released.digest)).map_err(String::as_str);
        self.record_of_tag(Event::Release, (&name, &tag), user, outcome);
        match released {
            Ok(Released { digest, found }) => {
                tracing::warn!(repository = %name, %tag, digest, user, "an unfinished push was released");
                let found = found.as_ref().map(Digest::as_str).map(str::to_owned);
                ControlAnswer::Released { digest, found }
            }
            Err(why) => {
                tracing::warn!(repository = %name, %tag, why, user, "an unfinished push was not released");
                refused(&why)
            }
        }
    }
}
