//! Deleting one tag: asked first, and only if it still names what the visitor was shown.

use hyper::HeaderMap;

use super::{
    answer::Answer,
    deletion::{csrf, passage, permit, sent},
    page_error::PageError,
    visit::{Request, Visit},
};
use crate::{
    proxy::{body::request_body::RequestBody, closure::ForgetAfter, write_once::TagOutcome},
    registry::{ErrorCode, RepositoryName, Tag},
    telemetry::Ended,
    ui::{PagePath, TagDeletion, views},
};

/// The page that asks.
pub(super) async fn ask(
    request: &mut Request<'_>,
    visit: &Visit,
    name: &RepositoryName,
    tag: &Tag,
) -> Result<Answer, PageError> {
    request.log.about(name, Some(tag.as_str()));
    let reader = request.reader(visit);
    permit(request, &reader, name, tag.as_str()).await?;
    let csrf = csrf(request, visit)?;
    // It is there; or there is nothing to ask.
    let digest = reader.digest_of(name, tag.as_str()).await?;
    let page = TagDeletion { name: name.as_str(), tag: tag.as_str(), digest: digest.as_str(), csrf: &csrf };
    Ok(Answer::page(views::tag_deletion(&request.frame(), &page)))
}

/// Deletes.
pub(super) async fn delete(
    request: &mut Request<'_>,
    visit: &Visit,
    name: &RepositoryName,
    tag: &Tag,
) -> Result<Answer, PageError> {
    let (form, reader, permit) = sent(request, visit, name, tag.as_str()).await?;
    let passage = passage(request, &reader, &permit).await?;
    // Under the lock: no push through here comes between.
    if reader.digest_of(name, tag.as_str()).await?.as_str() != form.get("digest") {
        return Err(PageError::Changed);
    }
    let (write, forget) =
        (request.freeze.admit(permit.route())?, reader.closure.forget_after(permit.route()));
    let route = permit.route().clone();
    let deletion = request.write_once.deletion_of_tag(permit, reader.subrequest.clone(), passage);
    let deletion = deletion.ok_or(PageError::NotFound)?;
    // Written down before it is done: it may be done although no answer comes, or the client is gone.
    request.log.allowed();
    request.log.intend(&route, &HeaderMap::new(), None).await;
    request.log.forwarding(RequestBody::empty().progress());
    let outcome = deletion.run(write, forget, ForgetAfter::nothing).await;
    let outcome = outcome.inspect_err(|_| request.log.end(Ended::CutOff))?;
    match outcome.inspect_err(|_| request.log.end(Ended::UpstreamLost))? {
        TagOutcome::Deleted(digest) => {
            request.log.deleted_tag(digest.as_ref());
            request.pages.tags.forget(name);
            let page = request.href(&PagePath::Repository(name.clone()));
            Ok(Answer::redirect(&format!("{page}?untagged={tag}")))
        }
        TagOutcome::Refused(refusal) if refusal.code == ErrorCode::ManifestUnknown => {
            Err(PageError::NotFound)
        }
        TagOutcome::Refused(refusal) if refusal.code == ErrorCode::Unsupported => Err(PageError::NoDeletion),
        TagOutcome::Refused(refusal) => Err(refusal.into()),
        TagOutcome::Answered(reply) => Err(PageError::Strange(reply.status)),
    }
}
