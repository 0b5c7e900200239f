//! The deletions of `portwarden prune`: many tags at once, and manifests by their digest, under the lock of a deletion.
//!
//! As with [one tag](super::tag_deletion), registry 3 deletes each tag itself. On registry 2.8 the placeholder is put on
//! all of them, and deleted once. If that breaks off, the tags that have the placeholder count as deleted.

use std::{
    collections::HashSet,
    sync::{Arc, atomic::Ordering},
};

use hyper::StatusCode;

use super::{
    WriteOnceGate,
    placeholder_steps::{PlaceholderSteps, is_gone},
    pushed_meanwhile::{PruneRun, PushedMeanwhile},
    tag_deletion::{DeletedTags, deletion_is_off, is_by_digest_only},
};
use crate::{
    authz::Permit,
    proxy::forward::subrequest::Subrequest,
    registry::{Digest, ErrorCode, Refusal, RepositoryName, Tag},
};

/// A repository that is locked for deletions. Dropped without [`Self::end`] after a step, it stays locked for a while,
/// since the registry may still be at it.
pub(in crate::proxy) struct PruneSteps {
    steps: PlaceholderSteps,
    deleted: Arc<DeletedTags>,
    pushed: PushedMeanwhile,
    /// The manifests that were pushed at any replica in the last day, where there are several.
    elsewhere: HashSet<String>,
}

impl WriteOnceGate {
    /// Begins a run of `prune`: from now on pushes are remembered. `None` while another run goes on.
    pub(in crate::proxy) fn begin_prune(&self) -> Option<PruneRun> {
        self.pushed.begin()
    }

    /// Locks a repository: pushes of manifests to it wait, and those under way have ended.
    ///
    /// # Errors
    /// 503 while others hold the lock for too long.
    pub(in crate::proxy) async fn lock_to_prune(
        &self,
        name: &RepositoryName,
        registry: &Subrequest,
    ) -> Result<PruneSteps, Refusal> {
        let passage = self.locks.for_deletion(name, "").await?;
        // No push is under way: this is all of them.
        let elsewhere = self.state.pushed_lately(name.as_str()).await.map_err(|error| {
            let why = format!("it is not known what was pushed through other replicas: {error}");
            Refusal::new(ErrorCode::Unavailable, why)
        })?;
        let steps = self.steps(registry.clone(), name.clone(), passage);
        let elsewhere = elsewhere.into_iter().collect();
        Ok(PruneSteps { steps, deleted: Arc::clone(&self.deleted), pushed: self.pushed.clone(), elsewhere })
    }
}

impl PruneSteps {
    /// Returns true if a manifest was pushed since the run began.
    pub(in crate::proxy) fn was_pushed(&self, digest: &Digest) -> bool {
        self.elsewhere.contains(digest.as_str()) || self.pushed.has(&self.steps.name, digest)
    }

    /// Deletes tags. `done` gets each that is deleted, also where a later one fails.
    ///
    /// # Errors
    /// 405 where the registry deletes nothing, and the first answer that says neither.
    pub(in crate::proxy) async fn delete_tags(
        &mut self,
        tags: &[Tag],
        done: &mut Vec<Tag>,
    ) -> Result<(), Refusal> {
        self.steps.passage.begin()?;
        for (position, tag) in tags.iter().enumerate() {
            let permit = Permit::of_operator(&self.steps.name, tag);
            let reply = self.steps.send(permit.as_ref(), None).await?;
            match reply.status {
                StatusCode::ACCEPTED => {
                    self.deleted.by_registry.fetch_add(1, Ordering::Relaxed);
                    done.push(tag.clone());
                }
                StatusCode::NOT_FOUND => {}
                StatusCode::BAD_REQUEST if is_by_digest_only(&reply) => {
                    return self.replace(tags.get(position..).unwrap_or_default(), done).await;
                }
                status => return Err(self.refused(status)),
            }
        }
        Ok(())
    }

    /// Puts the placeholder in the place of the manifests, and deletes that.
    async fn replace(&mut self, tags: &[Tag], done: &mut Vec<Tag>) -> Result<(), Refusal> {
        for tag in tags {
            self.steps.leftovers.begin(&self.steps.name, tag);
            let status = self.steps.put(tag).await?;
            if status != StatusCode::CREATED {
                if status.is_client_error() {
                    self.steps.leftovers.end(&self.steps.name, std::slice::from_ref(tag));
                }
                return Err(self.refused(status));
            }
            self.deleted.by_placeholder.fetch_add(1, Ordering::Relaxed);
            done.push(tag.clone());
        }
        let status = self.steps.delete().await?;
        if !is_gone(status) {
            return Err(self.refused(status));
        }
        self.steps.leftovers.end(&self.steps.name, tags);
        Ok(())
    }

    /// Deletes a manifest, with each tag that is on it. Returns false where it was not there.
    ///
    /// # Errors
    /// As [`Self::delete_tags`].
    pub(in crate::proxy) async fn delete_manifest(&mut self, digest: &Digest) -> Result<bool, Refusal> {
        self.steps.passage.begin()?;
        let permit = Permit::to_prune(&self.steps.name, digest);
        match self.steps.send(permit.as_ref(), None).await?.status {
            StatusCode::ACCEPTED => Ok(true),
            StatusCode::NOT_FOUND => Ok(false),
            status => Err(self.refused(status)),
        }
    }

    /// Unlocks the repository: the registry has answered each step.
    pub(in crate::proxy) fn end(mut self) {
        self.steps.passage.answered(StatusCode::ACCEPTED);
    }

    fn refused(&mut self, status: StatusCode) -> Refusal {
        self.steps.passage.answered(status);
        if status == StatusCode::METHOD_NOT_ALLOWED {
            return deletion_is_off();
        }
        let why =
            format!("the registry behind this proxy answers {} to a deletion; see its log", status.as_u16());
        Refusal::new(ErrorCode::BadGateway, why)
    }
}
