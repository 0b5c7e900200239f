//! The two steps by which a tag is deleted on a registry that deletes by digest only: the placeholder is put there, and
//! deleted. Both under the lock of a deletion, so that no push comes between.

use std::sync::Arc;

use hyper::StatusCode;

use super::{leftovers::Leftovers, locks::Passage};
use crate::{
    authz::Permit,
    proxy::forward::subrequest::{Reply, Subrequest},
    registry::{ErrorCode, PLACEHOLDER, PLACEHOLDER_TYPE, Refusal, RepositoryName, Tag},
};

/// The registry, the repository and the lock of the steps.
pub(super) struct PlaceholderSteps {
    pub(super) registry: Subrequest,
    pub(super) name: RepositoryName,
    /// The lock. It stays for a while where it is dropped without an answer.
    pub(super) passage: Passage,
    pub(super) leftovers: Arc<Leftovers>,
}

impl PlaceholderSteps {
    /// Puts the placeholder on a tag.
    ///
    /// # Errors
    /// The registry gives no answer.
    pub(super) async fn put(&mut self, tag: &Tag) -> Result<StatusCode, Refusal> {
        let permit = Permit::to_untag(&self.name, Some(tag));
        let reply = self.send(permit.as_ref(), Some((PLACEHOLDER_TYPE, PLACEHOLDER))).await?;
        Ok(reply.status)
    }

    /// Deletes the placeholder, with every tag on it.
    ///
    /// # Errors
    /// The registry gives no answer.
    pub(super) async fn delete(&mut self) -> Result<StatusCode, Refusal> {
        let permit = Permit::to_untag(&self.name, None);
        Ok(self.send(permit.as_ref(), None).await?.status)
    }

    /// Asks the registry. Where it cannot have got the request, the lock ends.
    ///
    /// # Errors
    /// The registry gives no answer.
    pub(super) async fn send(
        &mut self,
        permit: Option<&Permit>,
        content: Option<(&'static str, &'static str)>,
    ) -> Result<Reply, Refusal> {
        let permit = permit.ok_or_else(no_step)?;
        self.registry.send(permit, "*/*", content).await.map_err(|unanswered| {
            if !unanswered.may_have_been_sent {
                self.passage.not_sent();
            }
            unanswered.refusal
        })
    }
}

/// The answer where there is no request for a step, which a valid name and tag exclude.
pub(in crate::proxy) fn no_step() -> Refusal {
    Refusal::new(
        ErrorCode::Internal,
        "the deletion has no request to the registry: a fault of Portwarden, please report it",
    )
}

/// Returns true if the answer to a deletion says that nothing is left to delete.
pub(super) fn is_gone(status: StatusCode) -> bool {
    matches!(status, StatusCode::ACCEPTED | StatusCode::NOT_FOUND)
}
