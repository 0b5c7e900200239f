//! The digests for which tags are claimed: of pushes that are with the registry, or whose answer was lost.
//!
//! No time ends a claim. A push whose answer was lost may be done at any moment, so another digest would win a second
//! time. It ends when the registry refuses the push, or shows the tag, or when an operator releases it.

use std::{collections::HashMap, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::time::Instant;

use super::locks::{TagKey, full};
use crate::{
    registry::{Digest, Refusal, RepositoryName},
    state::{MOST_PUSH_CLAIMS, PUSH_CLAIMS_SHARE},
};

/// The claims of a server that shares no state. Clones share them.
#[derive(Clone, Default)]
pub(super) struct Claims(Arc<Mutex<HashMap<TagKey, Claim>>>);

struct Claim {
    digest: Digest,
    /// The time of the last push.
    at: Instant,
}

impl Claims {
    /// Claims tags of a repository for a digest. All of them are locked by the caller, and were found free.
    ///
    /// # Errors
    /// There is no room.
    pub(super) fn claim(
        &self,
        name: &RepositoryName,
        keys: &[TagKey],
        digest: &Digest,
    ) -> Result<(), Refusal> {
        let mut claims = self.0.lock();
        // One that is claimed is pushed again: its answer ends the claim.
        let more = keys.iter().filter(|key| !claims.contains_key(key)).count();
        let all = (claims.len() + more) as u64;
        let own = || (claims.keys().filter(|key| key.is_of(name)).count() + more) as u64;
        // Where there are few, those of the repository are not counted.
        let is_full = all > MOST_PUSH_CLAIMS || all > PUSH_CLAIMS_SHARE && own() > PUSH_CLAIMS_SHARE;
        if more > 0 && is_full {
            return Err(full(name));
        }
        let at = Instant::now();
        claims.extend(keys.iter().map(|key| (key.clone(), Claim { digest: digest.clone(), at })));
        Ok(())
    }

    /// The digest for which a tag is claimed, if it is another one.
    pub(super) fn other_than(&self, key: &TagKey, digest: &Digest) -> Option<Digest> {
        self.get(key).map(|(claimed, _)| claimed).filter(|claimed| claimed != digest)
    }

    /// The digest for which a tag is claimed, and the time since its last push began.
    pub(super) fn get(&self, key: &TagKey) -> Option<(Digest, Duration)> {
        self.0.lock().get(key).map(|claim| (claim.digest.clone(), claim.at.elapsed()))
    }

    /// Ends a claim: it is known what became of the push. Returns false if there is none.
    pub(super) fn settle(&self, key: &TagKey) -> bool {
        self.0.lock().remove(key).is_some()
    }
}
