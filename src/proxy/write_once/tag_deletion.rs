//! The deletion of one tag: the manifest stays, and so does every other tag on it.
//!
//! Registry 3 does that itself. Registry 2.8 deletes by digest only, with every tag on it: there, the placeholder is put
//! on the tag, and the placeholder's digest is deleted. Readers get the old manifest, or 404. If the second step fails,
//! the tag counts as deleted all the same: see [`super::leftovers`].

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use hyper::StatusCode;
use serde::Deserialize;

use super::{
    WriteOnceGate, denied,
    locks::Passage,
    placeholder_steps::{PlaceholderSteps, is_gone},
};
use crate::{
    authz::{Permit, TagLock, WriteOnce},
    proxy::{
        forward::{
            subrequest::{Reply, Subrequest},
            tag_reader::{Found, TagReader},
        },
        freeze::Write,
    },
    registry::{Digest, Endpoint, ErrorCode, Refusal, RepositoryName, Tag},
};

/// The deletion of a tag that the rules allow, with the lock that it needs.
pub(in crate::proxy) struct TagDeletion {
    permit: Permit,
    tag: Tag,
    steps: PlaceholderSteps,
    deleted: Arc<DeletedTags>,
}

/// The outcome of the deletion of a tag.
#[derive(Debug)]
pub(in crate::proxy) enum TagOutcome {
    /// It is deleted. It was on this manifest, as far as that is known.
    Deleted(Option<Digest>),
    /// It is as it was: not there, or the registry does not do that.
    Refused(Refusal),
    /// The registry gave another answer.
    Answered(Reply),
}

/// The tags that were deleted since the start, by the way.
#[derive(Debug, Default)]
pub(super) struct DeletedTags {
    pub(super) by_registry: AtomicU64,
    pub(super) by_placeholder: AtomicU64,
}

impl DeletedTags {
    pub(super) fn counts(&self) -> [(&'static str, u64); 2] {
        [("registry", &self.by_registry), ("placeholder", &self.by_placeholder)]
            .map(|(how, counter)| (how, counter.load(Ordering::Relaxed)))
    }
}

impl WriteOnceGate {
    /// The deletion of the tag that a permit is for, under the lock of [`Self::admit`]. `None` for a permit of another kind.
    pub(in crate::proxy) fn deletion_of_tag(
        &self,
        permit: Permit,
        registry: Subrequest,
        passage: Passage,
    ) -> Option<TagDeletion> {
        let Endpoint::ManifestByTag(name, tag) = permit.route().endpoint() else { return None };
        let (tag, steps) = (tag.clone(), self.steps(registry, name.clone(), passage));
        Some(TagDeletion { permit, tag, steps, deleted: Arc::clone(&self.deleted) })
    }

    /// Lets an operator delete a tag.
    ///
    /// # Errors
    /// 403 for a write-once tag; 503 while others hold the lock for too long.
    pub(in crate::proxy) async fn admit_operator(
        &self,
        name: &RepositoryName,
        tag: &Tag,
        rules: &WriteOnce,
    ) -> Result<Passage, Refusal> {
        if let TagLock::WriteOnce(place) = rules.lock(name, tag, "") {
            let why = format!("tag {tag} of {name} is write-once by {place}, and cannot be deleted");
            return Err(denied(why));
        }
        self.locks.for_deletion(name, "").await
    }
}

impl TagDeletion {
    /// Deletes the tag, in a task of its own, which goes on where the client is gone. `forget` is dropped when it is over;
    /// where nothing changed, `nothing` takes it before.
    ///
    /// # Errors
    /// Outside: a freeze cut it off. Inside: the registry gives no answer, so that it is not known whether it was done.
    pub(in crate::proxy) async fn run<F: Send + 'static>(
        mut self,
        mut write: Option<Write>,
        forget: Option<F>,
        nothing: fn(F) -> Option<F>,
    ) -> Result<Result<TagOutcome, Refusal>, Refusal> {
        let deleting = tokio::spawn(async move {
            self.steps.passage.begin()?;
            let outcome = Write::unless_cut_off(write.as_mut(), pin!(self.delete())).await;
            let forget = match &outcome {
                Ok(Ok(TagOutcome::Refused(_))) => forget.and_then(nothing),
                _ => forget,
            };
            drop(forget);
            outcome
        });
        let failed = |_| Refusal::new(ErrorCode::Internal, "the request could not be sent");
        deleting.await.map_err(failed).flatten()
    }

    async fn delete(&mut self) -> Result<TagOutcome, Refusal> {
        let found =
            TagReader { registry: &self.steps.registry, name: &self.steps.name }.find(&self.tag).await;
        let digest = match &found {
            Ok(Found::Nothing) => {
                self.steps.passage.not_sent();
                return Ok(self.not_there());
            }
            Ok(Found::Placeholder) => {
                self.delete_placeholder().await;
                return Ok(self.not_there());
            }
            Ok(Found::Digest(digest)) => Some(digest.clone()),
            // A registry that deletes the tag itself need not show it.
            Ok(Found::Listed) | Err(_) => None,
        };
        let reply = self.steps.send(Some(&self.permit), None).await?;
        if reply.status == StatusCode::BAD_REQUEST && is_by_digest_only(&reply) {
            // Nothing is written yet.
            found.inspect_err(|_| self.steps.passage.not_sent())?;
            return self.replace(digest).await;
        }
        self.steps.passage.answered(reply.status);
        Ok(match reply.status {
            StatusCode::ACCEPTED => self.done(digest, &self.deleted.by_registry),
            StatusCode::NOT_FOUND => self.not_there(),
            StatusCode::METHOD_NOT_ALLOWED => TagOutcome::Refused(deletion_is_off()),
            _ => TagOutcome::Answered(reply),
        })
    }

    /// Puts the placeholder in the place of the manifest, and deletes that.
    async fn replace(&mut self, digest: Option<Digest>) -> Result<TagOutcome, Refusal> {
        let (name, tag) = (self.steps.name.clone(), self.tag.clone());
        self.steps.leftovers.begin(&name, &tag);
        let status = self.steps.put(&tag).await?;
        if status != StatusCode::CREATED {
            self.steps.passage.answered(status);
            return self.not_replaced(status);
        }
        // Whatever becomes of the placeholder: it stands there.
        self.delete_placeholder().await;
        Ok(self.done(digest, &self.deleted.by_placeholder))
    }

    async fn delete_placeholder(&mut self) {
        let deleted = self.steps.delete().await;
        if let Ok(status) = deleted {
            self.steps.passage.answered(status);
            if is_gone(status) {
                return self.steps.leftovers.end(&self.steps.name, std::slice::from_ref(&self.tag));
            }
        }
        let why = deleted.map_or_else(|refusal| refusal.message, |status| format!("it answers {status}"));
        let (repository, tag) = (&self.steps.name, &self.tag);
        tracing::warn!(
            %repository, %tag, why,
            "the registry did not end the deletion of a tag, which counts as deleted; the next list of tags tries again"
        );
    }

    fn not_replaced(&self, status: StatusCode) -> Result<TagOutcome, Refusal> {
        let (repository, tag) = (&self.steps.name, &self.tag);
        tracing::warn!(%repository, %tag, %status, "the registry did not let a tag be replaced, so it is not deleted");
        if status.is_client_error() {
            self.steps.leftovers.end(repository, std::slice::from_ref(tag));
        }
        let takes_no_index =
            [StatusCode::BAD_REQUEST, StatusCode::UNSUPPORTED_MEDIA_TYPE, StatusCode::UNPROCESSABLE_ENTITY];
        if !takes_no_index.contains(&status) {
            let why = format!(
                "the registry behind this proxy answers {} to a step of the deletion; its log says why",
                status.as_u16()
            );
            return Err(Refusal::new(ErrorCode::BadGateway, why));
        }
        let why = "the registry behind this proxy cannot delete a single tag, and takes no OCI index in its place; delete \
                   the manifest by its digest, with every tag on it";
        Ok(TagOutcome::Refused(denied(why.to_owned())))
    }

    fn done(&self, digest: Option<Digest>, counter: &AtomicU64) -> TagOutcome {
        counter.fetch_add(1, Ordering::Relaxed);
        TagOutcome::Deleted(digest)
    }

    fn not_there(&self) -> TagOutcome {
        TagOutcome::Refused(Refusal::not_there(self.permit.route().endpoint()))
    }
}

/// The answer where the registry deletes nothing.
pub(super) fn deletion_is_off() -> Refusal {
    let why = "the registry behind this proxy deletes nothing; its operator has to set storage.delete.enabled: true";
    Refusal::new(ErrorCode::Unsupported, why)
}

/// The registry's error document.
#[derive(Deserialize)]
struct Errors {
    errors: Vec<Problem>,
}

#[derive(Deserialize)]
struct Problem {
    code: String,
}

/// Returns true for the answer of registry 2.8 to the deletion of any tag.
pub(super) fn is_by_digest_only(reply: &Reply) -> bool {
    let read = serde_json::from_slice::<Errors>(&reply.body);
    read.is_ok_and(|read| {
        !read.errors.is_empty() && read.errors.iter().all(|error| error.code == "DIGEST_INVALID")
    })
}
