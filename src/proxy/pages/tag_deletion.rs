//! Deleting one tag: asked first, and only if it still names what the visitor was shown.

use std::slice;

use hyper::HeaderMap;

use super::{
    answer::Answer,
    attachments::Attachments,
    deletion::{csrf, passage, permit, sent},
    page_error::{PageError, PageResult},
    reader::Reader,
    repository::{may_delete, shown_tags},
    tags_deletion::going_tags,
    visit::{Request, Visit},
};
use crate::{
    authz::Permit,
    proxy::{body::request_body::RequestBody, closure::ForgetAfter, write_once::TagOutcome},
    registry::{ErrorCode, RepositoryName, Tag},
    telemetry::Ended,
    ui::{PagePath, TagDeletion, TagFate, views},
};

/// The page that asks.
pub(super) async fn ask(
    request: &mut Request<'_>,
    visit: &Visit,
    name: &RepositoryName,
    tag: &Tag,
) -> PageResult {
    request.log.about(name, Some(tag.as_str()));
    let reader = request.reader(visit);
    permit(request, &reader, name, tag.as_str()).await?;
    let csrf = csrf(request, visit)?;
    // It is there; or there is nothing to ask.
    let digest = reader.digest_of(name, tag.as_str()).await?;
    let mut all = shown_tags(request, &reader, name).await.unwrap_or_default();
    let attached = Attachments::taken_from(&mut all);
    let mut goes = going_tags(&reader, name, slice::from_ref(tag), all, &attached).await;
    let (digest, staying, attachments) = match goes.remove(tag) {
        Some(TagFate::Goes { digest, staying, attachments }) => (digest, staying, attachments),
        _ => (digest.to_string(), None, 0),
    };
    let page = TagDeletion {
        name: name.as_str(),
        tag: tag.as_str(),
        digest: &digest,
        staying: staying.as_deref(),
        attachments,
        is_write_once: reader.is_write_once(name, tag),
        may_delete_image: may_delete(visit, &reader, name).await?,
        csrf: &csrf,
    };
    Ok(Answer::page(views::tag_deletion(&request.frame(), &page)))
}

pub(super) async fn delete(
    request: &mut Request<'_>,
    visit: &Visit,
    name: &RepositoryName,
    tag: &Tag,
) -> PageResult {
    let (form, reader, permit) = sent(request, visit, name, tag.as_str()).await?;
    carry_out(request, &reader, (name, tag), permit, form.get("digest")).await?;
    let page = request.href(&PagePath::Repository(name.clone()));
    Ok(Answer::redirect(&format!("{page}?untagged={tag}")))
}

/// Deletes a tag, if it names `digest`.
///
/// # Errors
/// It is not deleted, or that is not known.
pub(super) async fn carry_out(
    request: &mut Request<'_>,
    reader: &Reader,
    (name, tag): (&RepositoryName, &Tag),
    permit: Permit,
    digest: &str,
) -> PageResult<()> {
    let passage = passage(request, reader, &permit).await?;
    // Under the lock: no push through here comes between.
    if reader.digest_of(name, tag.as_str()).await?.as_str() != digest {
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
            Ok(())
        }
        TagOutcome::Refused(refusal) => {
            request.log.not_done();
            Err(match refusal.code {
                ErrorCode::ManifestUnknown => PageError::NotFound,
                ErrorCode::Unsupported => PageError::NoDeletion,
                _ => refusal.into(),
            })
        }
        TagOutcome::Answered(reply) => Err(PageError::Strange(reply.status)),
    }
}
