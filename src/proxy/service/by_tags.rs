//! Requests that the rules grant for some tags only: settled by what these tags reach, or answered with what they reach.

use hyper::Response;

use super::{Service, one_tag};
use crate::{
    authz::{ByTag, Permit},
    limits::Slot,
    proxy::{
        auth::caller::Caller,
        body::request_body::RequestBody,
        closure::{Inquiry, Lesson},
        forward::subrequest::Subrequest,
        request::context::RequestContext,
        request_log::RequestLog,
        response::body::ResponseBody,
    },
    registry::{Endpoint, ErrorCode, Method, Refusal},
};

/// The outcome of such a request.
pub(super) enum ByTags {
    /// It may be forwarded.
    Settled(Box<Settled>),
    /// This is its answer.
    Answer(Response<ResponseBody>),
}

/// A request that may be forwarded, with its body.
pub(super) struct Settled {
    pub(super) permit: Permit,
    pub(super) body: RequestBody,
    /// The part of the registry's answer that later requests depend on.
    pub(super) lesson: Option<Lesson>,
    /// For a manifest in memory.
    pub(super) slot: Option<Slot>,
}

impl From<(Permit, RequestBody)> for Settled {
    fn from((permit, body): (Permit, RequestBody)) -> Self {
        Self { permit, body, lesson: None, slot: None }
    }
}

impl Service {
    /// Settles such a request. A client that shows nothing is challenged where it would be told that something is not
    /// there: an account might have it.
    ///
    /// # Errors
    /// 404 for what no tag reaches that the account may pull, the denial of a write, 503 where it cannot be told; and what
    /// is wrong with a manifest that is pushed.
    pub(super) async fn settle(
        &self,
        by_tag: ByTag,
        caller: &Caller,
        context: RequestContext<'_>,
        body: RequestBody,
        registry: &Subrequest,
        log: &mut RequestLog,
    ) -> Result<ByTags, Refusal> {
        let snapshot = context.snapshot;
        let inquiry = Inquiry {
            closure: &self.closure,
            authorizers: &snapshot.authorizers,
            caller: caller.as_authz(&snapshot.settings.service),
            registry,
        };
        let route = by_tag.route().clone();
        if matches!(route.endpoint(), Endpoint::Tags(_)) {
            let hidden = self.hidden_tags(&route, || registry.clone()).await?;
            let list = inquiry.list_tags(&route).await?;
            return one_tag::without(list, &hidden).await.map(ByTags::Answer);
        }
        let holds = by_tag.pull_limited
            && route.method() == Method::Put
            && matches!(route.endpoint(), Endpoint::ManifestByTag(..) | Endpoint::ManifestByDigest(..));
        let settlement = inquiry.settle(&by_tag).await.map_err(|refusal| {
            if !matches!(refusal.code, ErrorCode::ManifestUnknown | ErrorCode::BlobUnknown) {
                return refusal;
            }
            // The client gets the registry's own answer for an unknown manifest or blob.
            log.ruled(|| format!("{}; no tag that it is for reaches this", by_tag.decided_by()));
            if caller.presented { refusal } else { Refusal::unauthorized(route.needs(), None, None) }
        })?;
        let permit = settlement.permit(by_tag);
        let (body, slot) = if holds { inquiry.hold_push(&route, body).await? } else { (body, None) };
        // What is forwarded may be less than what was asked for: a mount that became an upload.
        let lesson = inquiry.lesson(permit.route());
        Ok(ByTags::Settled(Box::new(Settled { permit, body, lesson, slot })))
    }
}
