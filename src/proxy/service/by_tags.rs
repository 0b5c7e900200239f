//! Requests that the rules grant for some tags only: settled by what these tags reach, or answered with what they reach.

use super::{
    Service,
    journey::{Settled, Step},
    one_tag,
};
use crate::{
    authz::ByTag,
    proxy::{
        auth::caller::Caller, body::request_body::RequestBody, closure::Inquiry,
        forward::subrequest::Subrequest, request::context::RequestContext, request_log::RequestLog,
    },
    registry::{Endpoint, ErrorCode, Method, Refusal},
};

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
    ) -> Result<Step<Settled>, Refusal> {
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
            return one_tag::without(list, &hidden).await.map(Step::Answer);
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
            if caller.presented { refusal } else { Refusal::unauthorized(route.needs().to_vec(), None, None) }
        })?;
        let permit = settlement.permit(by_tag);
        let (body, slot) = if holds { inquiry.hold_push(&route, body).await? } else { (body, None) };
        // What is forwarded may be less than what was asked for: a mount that became an upload.
        let lesson = inquiry.lesson(permit.route());
        Ok(Step::Next(Settled { permit, body, lesson, slot }))
    }
}
