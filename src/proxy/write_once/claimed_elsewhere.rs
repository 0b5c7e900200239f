//! A push of a write-once tag that another replica has claimed.

use super::{
    WriteOnceGate,
    locks::{Passage, TagKey},
};
use crate::{
    authz::TagLock,
    proxy::forward::tag_reader::{Found, TagReader},
    registry::{Digest, ErrorCode, Refusal, Tag},
};

impl WriteOnceGate {
    /// The locks of a push. Another replica may have left a claim, of a push whose answer was lost: if the registry shows
    /// the tag, it is known what became of that.
    ///
    /// # Errors
    /// Those of [`Locks::for_push`](super::locks::Locks::for_push), and of reading the tags.
    pub(super) async fn locked_for_push(
        &self,
        reader: &TagReader<'_>,
        keys: Vec<TagKey>,
        tags: &[(Tag, TagLock)],
        digest: &Digest,
    ) -> Result<Passage, Refusal> {
        let (name, claims) = (reader.name, &self.claims);
        match self.locks.for_push(name, keys.clone(), claims, digest.clone()).await {
            Err(refusal) if refusal.code == ErrorCode::Conflict => {
                let mut is_shown = false;
                for (tag, _) in tags {
                    if matches!(reader.find(tag).await?, Found::Digest(_)) {
                        is_shown = true;
                        // A failure is in the log, and the next try says what holds the tag.
                        let _ = self.state.settle_pushes(name.as_str(), tag.as_str()).await;
                    }
                }
                if !is_shown {
                    return Err(refusal);
                }
                self.locks.for_push(name, keys, claims, digest.clone()).await
            }
            locked => locked,
        }
    }
}
