//! The digests for which tags are claimed: of pushes that are with the registry, or whose answer was lost.
//!
//! No time ends a claim. A push whose answer was lost may be done at any moment, so another digest would win a second
//! time. It ends when the registry refuses the push, or shows the tag.

use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;

use super::locks::TagKey;
use crate::registry::{Digest, ErrorCode, Refusal};

/// The most tags that are claimed at the same time.
const MOST: usize = 10_000;

/// The claims. Clones share them.
#[derive(Clone, Default)]
pub(super) struct Claims(Arc<Mutex<HashMap<TagKey, Digest>>>);

impl Claims {
    /// Claims tags for a digest. All of them are locked by the caller, and were found free.
    ///
    /// # Errors
    /// There is no room.
    pub(super) fn claim(&self, keys: &[TagKey], digest: &Digest) -> Result<(), Refusal> {
        let mut claims = self.0.lock();
        if claims.len() + keys.len() > MOST {
            let why = "too many pushes of write-once tags are without an answer of the registry; see its log";
            return Err(Refusal::new(ErrorCode::Unavailable, why));
        }
        claims.extend(keys.iter().map(|key| (key.clone(), digest.clone())));
        Ok(())
    }

    /// The digest for which a tag is claimed, if it is another one.
    pub(super) fn other_than(&self, key: &TagKey, digest: &Digest) -> Option<Digest> {
        self.0.lock().get(key).filter(|claimed| *claimed != digest).cloned()
    }

    /// Ends a claim: it is known what became of the push.
    pub(super) fn settle(&self, key: &TagKey) {
        self.0.lock().remove(key);
    }
}
