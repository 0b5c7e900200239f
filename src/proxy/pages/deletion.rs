//! Deleting a manifest, and with it all tags on its digest: asked first, with each of them named.

use std::{pin::pin, time::Duration};

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL};
use hyper::{HeaderMap, StatusCode};

use super::{
    answer::Answer,
    attachments::Attachments,
    page_error::{PageError, PageResult},
    reader::Reader,
    visit::{Request, Visit},
};
use crate::{
    authz::Permit,
    proxy::{
        body::request_body::RequestBody,
        forward::gather::gather,
        freeze::Write,
        request::form::Form,
        write_once::{Guarded, Passage, WriteOnceGate},
    },
    registry::{Digest, ErrorCode, Method, Refusal, RepositoryName, Tag},
    telemetry::Ended,
    ui::{Deletion, PagePath, views},
};

/// The time for which the tags of a repository are looked through at the most.
const PATIENCE: Duration = Duration::from_secs(20);

/// The page that asks.
pub(super) async fn ask(
    request: &mut Request<'_>,
    visit: &Visit,
    name: &RepositoryName,
    digest: &Digest,
) -> PageResult {
    request.log.about(name, Some(digest.as_str()));
    let reader = request.reader(visit);
    permit(request, &reader, name, digest.as_str()).await?;
    let csrf = csrf(request, visit)?;
    // It is there; or there is nothing to ask.
    reader.manifest(name, digest.as_str()).await?;
    let (tags, attachments) = tags_on(&reader, name, digest).await?;
    let from = Tag::parse(&request.parameter("tag"));
    let named = in_short(&tags);
    let is_locked = |tag: &String| Tag::parse(tag).is_some_and(|tag| reader.is_write_once(name, &tag));
    let locked = tags.iter().find(|tag| is_locked(tag));
    let page = Deletion {
        name: name.as_str(),
        digest: digest.as_str(),
        tag: from.as_ref().map(Tag::as_str),
        tags: &tags,
        named: &named,
        locked: locked.map(String::as_str),
        attachments,
        csrf: &csrf,
    };
    Ok(Answer::page(views::deletion(&request.frame(), &page)))
}

pub(super) async fn delete(
    request: &mut Request<'_>,
    visit: &Visit,
    name: &RepositoryName,
    digest: &Digest,
) -> PageResult {
    let (form, reader, permit) = sent(request, visit, name, digest.as_str()).await?;
    let (tags, _) = tags_on(&reader, name, digest).await?;
    if form.get("tags") != in_short(&tags) {
        return Err(PageError::Changed);
    }
    request.log.takes_along(tags);
    let mut passage = passage(request, &reader, &permit).await?;
    let mut write = request.freeze.admit(permit.route())?;
    passage.begin()?;
    // Written down before it is done: it may be done although no answer comes, or the client is gone.
    request.log.allowed();
    request.log.intend(permit.route(), &HeaderMap::new(), None).await;
    request.log.forwarding(RequestBody::empty().progress());
    let (subrequest, forget) = (reader.subrequest.clone(), reader.closure.forget_after(permit.route()));
    // In a task of its own: its answer ends the lock, also where the client is gone.
    let deleting = tokio::spawn(async move {
        let asking = pin!(subrequest.ask(&permit, "*/*"));
        let answer = Write::unless_cut_off(write.as_mut(), asking).await;
        if let Ok(Ok(deleted)) = &answer {
            passage.answered(deleted.status);
        }
        drop(forget);
        answer
    });
    let failed = |_| Refusal::new(ErrorCode::Internal, "the request could not be sent");
    let answer = deleting.await.map_err(failed).flatten();
    let answer = answer.inspect_err(|_| request.log.end(Ended::CutOff))?;
    let deleted = answer.inspect_err(|_| request.log.end(Ended::UpstreamLost))?;
    match deleted.status {
        StatusCode::ACCEPTED => {
            request.log.deleted_manifest(digest);
            request.pages.tags.forget(name);
            let page = request.href(&PagePath::Repository(name.clone()));
            Ok(Answer::redirect(&format!("{page}?deleted={digest}")))
        }
        StatusCode::NOT_FOUND => {
            request.log.not_done();
            Err(PageError::NotFound)
        }
        StatusCode::METHOD_NOT_ALLOWED => {
            request.log.not_done();
            Err(PageError::NoDeletion)
        }
        other => Err(PageError::Strange(other)),
    }
}

/// The form by which a visitor confirms a deletion of what a tag or a digest names, with the permit for it.
///
/// # Errors
/// It comes from elsewhere, or the visitor may not delete that.
pub(super) async fn sent(
    request: &mut Request<'_>,
    visit: &Visit,
    name: &RepositoryName,
    reference: &str,
) -> PageResult<(Form, Reader, Permit)> {
    request.log.about(name, Some(reference));
    let form = signed_form(request, visit).await?;
    let reader = request.reader(visit);
    let permit = permit(request, &reader, name, reference).await?;
    request.log.ruled(|| permit.decided_by());
    Ok((form, reader, permit))
}

/// The form of a page that was made for the session of the visitor.
///
/// # Errors
/// It comes from elsewhere.
pub(super) async fn signed_form(request: &mut Request<'_>, visit: &Visit) -> PageResult<Form> {
    let form = request.form().await?;
    match visit.sent(&form, request.context.snapshot) {
        true => Ok(form),
        false => Err(PageError::Forged),
    }
}

/// The CSRF token of the session.
///
/// # Errors
/// There is no session.
pub(super) fn csrf(request: &Request<'_>, visit: &Visit) -> PageResult<String> {
    let session = visit.session.as_ref().ok_or_else(|| {
        PageError::Denied("sign in first: a password that comes with the request can only look".to_owned())
    })?;
    Ok(request.context.snapshot.authority.csrf(session))
}

/// Lets the deletion pass, as of a client, unless a write-once tag needs the manifest.
pub(super) async fn passage(
    request: &mut Request<'_>,
    reader: &Reader,
    permit: &Permit,
) -> PageResult<Passage> {
    let (rules, authorizers) = (&reader.snapshot.write_once, &reader.snapshot.authorizers);
    if !WriteOnceGate::concerns(permit, rules) {
        return Ok(Passage::default());
    }
    let caller = Some(reader.caller.as_authz(&reader.snapshot.settings.service));
    let guarded = Guarded { permit, caller, rules, authorizers, registry: &reader.subrequest };
    let admitted = request.write_once.admit(guarded, RequestBody::empty(), request.log).await;
    match admitted {
        Ok((_, passage)) => Ok(passage),
        Err(refusal) if refusal.code == ErrorCode::Denied => Err(PageError::Denied(refusal.message)),
        Err(refusal) => Err(refusal.into()),
    }
}

/// The permit to delete the manifest that a tag or a digest names.
pub(super) async fn permit(
    request: &mut Request<'_>,
    reader: &Reader,
    name: &RepositoryName,
    reference: &str,
) -> PageResult<Permit> {
    let path = format!("/v2/{name}/manifests/{reference}");
    let permitted = reader.permit(Method::Delete, &path).await?;
    match permitted {
        Ok(permit) => Ok(permit),
        // A visitor that may not even see it gets the answer for an unknown name.
        Err(denial) if !reader.may(Method::Get, &path).await? => Err(PageError::Hidden(denial.by.in_full())),
        Err(denial) => {
            request.log.ruled(|| denial.by.in_full());
            let why = denial.explain(reader.caller.account());
            Err(PageError::Denied(match reader.snapshot.settings.explain_denials {
                true => format!("{why}: {}", denial.by.in_full()),
                false => why,
            }))
        }
    }
}

/// Returns a digest of the tags that were named, of which there may be more than a form can hold.
fn in_short(tags: &[String]) -> String {
    BASE64URL.encode(digest(&SHA256, tags.join("\n").as_bytes()))
}

/// All tags on a digest, and the number of those that attach something to it.
///
/// # Errors
/// Not all tags can be looked at: then the visitor is not asked, or more would go than was named.
async fn tags_on(
    reader: &Reader,
    name: &RepositoryName,
    digest: &Digest,
) -> PageResult<(Vec<String>, usize)> {
    let mut tags = match reader.tags(name).await {
        Err(PageError::NotFound) => Vec::new(),
        tags => tags?,
    };
    let found = gather(tags.clone(), PATIENCE, |tag: Tag| {
        let (reader, name) = (reader.clone(), name.clone());
        async move { reader.digest_of(&name, tag.as_str()).await }
    });
    let mut on_it = Vec::new();
    for (tag, found) in tags.iter().zip(found.await) {
        match found {
            Some(Ok(found)) if found == *digest => on_it.push(tag.to_string()),
            // One that is gone by now is not there to go.
            Some(Ok(_) | Err(PageError::NotFound)) => {}
            Some(Err(error)) => return Err(error),
            None => {
                let why = "the tags of this repository could not be looked through in time, so that it is not known what would go";
                return Err(Refusal::new(ErrorCode::GatewayTimeout, why).into());
            }
        }
    }
    Ok((on_it, Attachments::taken_from(&mut tags).number_of(digest.as_str())))
}
