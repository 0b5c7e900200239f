//! The claim of a write-once tag that an operator ends: of a push whose answer was lost, and which is not pushed again.

use super::{WriteOnceGate, locks::TagKey};
use crate::{
    proxy::forward::{
        subrequest::Subrequest,
        tag_reader::{Found, TagReader},
    },
    registry::{Digest, ErrorCode, Refusal, RepositoryName, Tag},
    state::{PUSH_SETTLED, PushClaim},
};

/// A claim that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Released {
    /// The digest of the unfinished push.
    pub digest: String,
    /// The manifest that the registry shows as the tag: another one; `None` where it shows none.
    pub found: Option<Digest>,
}

impl WriteOnceGate {
    /// Ends the claim of a tag, at all replicas that share the state.
    ///
    /// # Errors
    /// The reason why it does not end: there is none; its push may be under way, or was done; that is not known.
    pub(in crate::proxy) async fn release(
        &self,
        registry: &Subrequest,
        name: &RepositoryName,
        tag: &Tag,
    ) -> Result<Released, Refusal> {
        let key = TagKey::new(name, tag);
        let _lock = self.locks.of_tag(name, key.clone()).await?;
        let Some(PushClaim { digest, age }) = self.claim(name, tag, &key).await? else {
            return Err(conflict(format!("no unfinished push holds {name}:{tag}")));
        };
        if age < PUSH_SETTLED {
            return Err(under_way(&digest, age.as_secs()));
        }
        let found = match (TagReader { registry, name }).find(tag).await? {
            Found::Digest(found) if found.as_str() == digest => {
                self.end_claim(name, tag, &key).await?;
                return Err(conflict(format!(
                    "the push of {digest} was done, and the registry shows it as {name}:{tag}; it no longer holds the tag"
                )));
            }
            Found::Digest(found) => Some(found),
            Found::Listed => {
                return Err(conflict(format!(
                    "the registry lists {name}:{tag}, and its manifest cannot be read: it may be {digest}"
                )));
            }
            Found::Nothing | Found::Placeholder => None,
        };
        if self.end_claim(name, tag, &key).await? {
            return Ok(Released { digest, found });
        }
        let why = format!(
            "another push of {name}:{tag} has begun meanwhile, or the first has ended; run `portwarden tags release` \
                 again"
        );
        Err(conflict(why))
    }

    async fn end_claim(&self, name: &RepositoryName, tag: &Tag, key: &TagKey) -> Result<bool, Refusal> {
        if !self.state.is_shared() {
            return Ok(self.claims.settle(key));
        }
        let released = self.state.release_pushes(name.as_str(), tag.as_str()).await;
        released.map_err(|error| Refusal::new(ErrorCode::Unavailable, error.to_string()))
    }

    async fn claim(
        &self,
        name: &RepositoryName,
        tag: &Tag,
        key: &TagKey,
    ) -> Result<Option<PushClaim>, Refusal> {
        if self.state.is_shared() {
            let claim = self.state.push_claim(name.as_str(), tag.as_str()).await;
            return claim.map_err(|error| Refusal::new(ErrorCode::Unavailable, error.to_string()));
        }
        let claim = self.claims.get(key);
        Ok(claim.map(|(digest, age)| PushClaim { digest: digest.as_str().to_owned(), age }))
    }
}

fn under_way(digest: &str, age: u64) -> Refusal {
    let wait = PUSH_SETTLED.as_secs().saturating_sub(age);
    conflict(format!(
        "a push of {digest} began {age} s ago, and the registry may still be at work on it; try again in {wait} s"
    ))
}

fn conflict(why: String) -> Refusal {
    Refusal::new(ErrorCode::Conflict, why)
}
