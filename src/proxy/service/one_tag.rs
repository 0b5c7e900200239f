//! One tag that is deleted, and the tags that count as deleted: what clients, and an operator, get of them.

use http_body_util::{BodyExt, Limited};
use hyper::{
    HeaderMap, Response, StatusCode,
    header::{self, HeaderValue},
    http::request::Parts,
};
use serde_json::Value;

use super::Service;
use crate::{
    authz::Permit,
    proxy::{
        body::request_body::RequestBody,
        closure::ForgetAfter,
        forward::{
            rewrite::rewrite_response,
            subrequest::{LARGEST, Reply, Subrequest},
        },
        request::context::RequestContext,
        request_log::RequestLog,
        response::{body::ResponseBody, error_response::API_VERSION, location::Outside},
        write_once::{Look, Passage, Released, TagOutcome, no_step},
    },
    registry::{
        Digest, Endpoint, ErrorCode, Method, PLACEHOLDER_DIGEST, Refusal, RepositoryName, Route, Tag,
    },
    telemetry::{Ended, Intent, Object, RegistryEvent},
};

/// Returns true for the deletion of a tag.
pub(super) fn deletes_tag(route: &Route) -> bool {
    route.method() == Method::Delete && route.tag().is_some()
}

/// Refuses what is asked about the placeholder by its digest: it is not there.
///
/// # Errors
/// 404, as for any manifest that is not there.
pub(super) fn refuse_placeholder(route: &Route) -> Result<(), Refusal> {
    match route.endpoint() {
        Endpoint::ManifestByDigest(_, digest)
            if digest.is_of_placeholder() && route.method() != Method::Put =>
        {
            Err(Refusal::not_there(route.endpoint()))
        }
        _ => Ok(()),
    }
}

impl Service {
    /// Deletes the tag that a permit is for.
    ///
    /// # Errors
    /// 404 and 405 where nothing is deleted; what ends a write; and where the registry gives no answer.
    pub(super) async fn delete_tag(
        &self,
        permit: Permit,
        passage: Passage,
        registry: Subrequest,
        context: RequestContext<'_>,
        log: &mut RequestLog,
    ) -> Result<Response<ResponseBody>, Refusal> {
        let (route, write) = (permit.route().clone(), self.freeze.admit(permit.route())?);
        let (upstream, forget) = (registry.upstream.clone(), self.closure.forget_after(&route));
        let deletion = self.write_once.deletion_of_tag(permit, registry, passage);
        let deletion = deletion.ok_or_else(no_step)?;
        // Noted before it is done: it may be done although no answer comes, or the client is gone.
        log.allowed();
        log.intend(&route, &HeaderMap::new(), None).await;
        log.forwarding(RequestBody::empty().progress());
        let outcome = deletion.run(write, forget, ForgetAfter::nothing).await;
        let outcome = outcome.inspect_err(|_| log.end(Ended::CutOff))?;
        let reply = match outcome.inspect_err(|_| log.end(Ended::UpstreamLost))? {
            TagOutcome::Refused(refusal) => {
                log.not_done();
                return Err(refusal);
            }
            TagOutcome::Answered(reply) => reply,
            TagOutcome::Deleted(digest) => {
                log.deleted_tag(digest.as_ref());
                route.endpoint().repository().into_iter().for_each(|name| self.pages.tags().forget(name));
                Reply {
                    status: StatusCode::ACCEPTED,
                    headers: HeaderMap::new(),
                    body: hyper::body::Bytes::new(),
                }
            }
        };
        let body = String::from_utf8_lossy(&reply.body).into_owned();
        let mut response = Response::new(ResponseBody::from(body));
        (*response.status_mut(), *response.headers_mut()) = (reply.status, reply.headers);
        response.headers_mut().insert(API_VERSION, HeaderValue::from_static("registry/2.0"));
        let is_absolute = !context.snapshot.settings.relative_urls;
        let origin = is_absolute.then_some(context.origin);
        Ok(rewrite_response(response, &route, &Outside { registry: upstream.address(), origin }))
    }

    /// Deletes a tag for an operator: the manifest that it was on, as far as that is known.
    ///
    /// # Errors
    /// The reason why it is not deleted, or not known to be.
    pub async fn untag(&self, name: &RepositoryName, tag: &Tag) -> Result<Option<Digest>, String> {
        self.untag_now(name, tag).await.map_err(|refusal| refusal.message)
    }

    /// Ends the claim of an unfinished push of a write-once tag for an operator.
    ///
    /// # Errors
    /// The reason why it does not end.
    pub async fn release(&self, name: &RepositoryName, tag: &Tag) -> Result<Released, String> {
        let (snapshot, upstream) = (self.snapshot.load_full(), self.upstream.load_full());
        let registry = Subrequest::of_operator(&upstream, &snapshot);
        self.write_once.release(&registry, name, tag).await.map_err(|refusal| refusal.message)
    }

    async fn untag_now(&self, name: &RepositoryName, tag: &Tag) -> Result<Option<Digest>, Refusal> {
        let (snapshot, upstream) = (self.snapshot.load_full(), self.upstream.load_full());
        let passage = self.write_once.admit_operator(name, tag, &snapshot.write_once).await?;
        let registry = Subrequest::of_operator(&upstream, &snapshot);
        let permit = Permit::of_operator(name, tag).ok_or_else(no_step)?;
        let (write, forget) = (self.freeze.admit(permit.route())?, self.closure.forget_after(permit.route()));
        let deletion = self.write_once.deletion_of_tag(permit, registry, passage).ok_or_else(no_step)?;
        let event = |digest| RegistryEvent::deletion(Object::Tag, name.as_str(), Some(tag.as_str()), digest);
        let intent = self.telemetry.events.intend(event(None)).await;
        match deletion.run(write, forget, ForgetAfter::nothing).await?? {
            TagOutcome::Deleted(digest) => {
                let mut event = event(digest.as_ref().map(Digest::as_str));
                event.intent = intent.and_then(Intent::confirmed);
                self.telemetry.events.tell(event);
                self.pages.tags().forget(name);
                Ok(digest)
            }
            TagOutcome::Refused(refusal) if refusal.code == ErrorCode::ManifestUnknown => {
                Err(Refusal { message: format!("{name} has no tag {tag}"), ..refusal })
            }
            TagOutcome::Refused(refusal) => Err(refusal),
            TagOutcome::Answered(reply) => {
                let why = format!("the registry answers {}", reply.status.as_u16());
                Err(Refusal::new(ErrorCode::BadGateway, why))
            }
        }
    }

    /// The tags that a list of tags does not show; none for any other request. To be asked before the list is read.
    ///
    /// # Errors
    /// The registry gives no answer.
    pub(super) async fn hidden_tags(
        &self,
        route: &Route,
        registry: impl FnOnce() -> Subrequest,
    ) -> Result<Vec<Tag>, Refusal> {
        match route.endpoint() {
            Endpoint::Tags(name) if route.method() == Method::Get => {
                let registry = registry();
                Box::pin(self.write_once.hidden_tags(name, &registry, &self.freeze)).await
            }
            _ => Ok(Vec::new()),
        }
    }

    /// Looks at the deletions of a repository before a tag of it is read; `None` for any other request.
    pub(super) fn look_before(&self, route: &Route) -> Option<Look> {
        match (route.endpoint(), route.method()) {
            (Endpoint::ManifestByTag(name, _), Method::Get | Method::Head) => {
                Some(self.write_once.look(name))
            }
            _ => None,
        }
    }

    /// Returns true if the registry's answer is about a tag that counts as deleted: it shows the placeholder, or says that
    /// the client does not accept its kind, or that it is half deleted. `before` is [`Self::look_before`].
    pub(super) async fn is_of_placeholder(
        &self,
        route: &Route,
        before: Option<Look>,
        client: &Parts,
        (status, headers): (StatusCode, &HeaderMap),
        registry: impl FnOnce() -> Subrequest,
    ) -> bool {
        let (Endpoint::ManifestByTag(name, _), Some(before)) = (route.endpoint(), before) else {
            return false;
        };
        match status {
            StatusCode::NOT_MODIFIED => {
                let known = client.headers.get_all(header::IF_NONE_MATCH).iter();
                known.filter_map(|value| value.to_str().ok()).any(|value| value.contains(PLACEHOLDER_DIGEST))
            }
            StatusCode::NOT_FOUND => {
                let registry = registry();
                let seen = self.write_once.may_have_seen_placeholder(before, name, &registry);
                Box::pin(seen).await.unwrap_or(true)
            }
            _ => headers.get("docker-content-digest").is_some_and(|digest| digest == PLACEHOLDER_DIGEST),
        }
    }
}

/// A list of tags without these.
///
/// # Errors
/// It breaks off, or has more than 4 MiB.
pub(super) async fn without(
    response: Response<ResponseBody>,
    hidden: &[Tag],
) -> Result<Response<ResponseBody>, Refusal> {
    if hidden.is_empty() || response.status() != StatusCode::OK {
        return Ok(response);
    }
    let (mut head, body) = response.into_parts();
    let unreadable = || Refusal::new(ErrorCode::BadGateway, "the registry's list of tags could not be read");
    let body = Limited::new(body, LARGEST).collect().await.map_err(|_| unreadable())?.to_bytes();
    let mut list: Value = serde_json::from_slice(&body).map_err(|_| unreadable())?;
    if let Some(tags) = list.get_mut("tags").and_then(Value::as_array_mut) {
        tags.retain(|tag| !hidden.iter().any(|hidden| tag.as_str() == Some(hidden.as_str())));
    }
    head.headers.remove(header::CONTENT_LENGTH);
    Ok(Response::from_parts(head, ResponseBody::from(format!("{list}\n"))))
}
