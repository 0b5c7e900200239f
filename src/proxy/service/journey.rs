//! The journey of a request for the registry, from its head to its answer, in six steps. This is the whole product.

use std::net::IpAddr;

use hyper::{Response, StatusCode};

use super::{
    Service, one_tag,
    sending::Sending,
    stored::{StoredRead, Way, blob_of},
};
use crate::{
    authz::Permit,
    limits::Slot,
    proxy::{
        Upstream, UpstreamError,
        auth::{
            authorize::{Admitted, admit},
            caller::Caller,
            certificate, cross_site,
        },
        body::request_body::RequestBody,
        closure::Lesson,
        forward::{
            headers,
            rewrite::{rewrite_response, upstream_head},
            subrequest::Subrequest,
        },
        freeze::Write,
        request::{
            context::{RequestContext, parse},
            cors::Shared,
            media_type,
        },
        request_log::RequestLog,
        response::{
            arriving::Arriving,
            body::{ResponseBody, UpstreamBody},
            location::Outside,
            upload_location,
            upstream_error::{reject_unexpected_upstream, unanswered},
        },
        write_once::{Guarded, Look, Passage, WriteOnceGate},
    },
    registry::{Endpoint, Refusal, Route, Tag},
    telemetry::Ended,
};

/// A request whose client is known.
#[derive(Clone, Copy)]
pub(super) struct Visit<'a> {
    pub(super) context: RequestContext<'a>,
    /// The client's address, where it is known.
    pub(super) address: Option<IpAddr>,
    /// `None` where the client has shown nothing.
    pub(super) caller: Option<&'a Caller>,
    pub(super) upstream: &'a Upstream,
}

impl Visit<'_> {
    /// The registry, for questions on behalf of this client.
    pub(super) fn registry(&self, log: &RequestLog) -> Subrequest {
        Subrequest::of(self.upstream, self.context, self.address, log)
    }
}

/// A part of the journey has an outcome, which the next part goes on from; or the request has its answer.
pub(super) enum Step<T> {
    Next(T),
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

/// All that a permitted request needs on its way.
struct Ready {
    body: RequestBody,
    way: Way,
    /// Holds a freeze up while the request writes.
    write: Option<Write>,
    passage: Passage,
}

/// A permitted request, and what the answer to it is made right with.
struct Pending {
    permit: Permit,
    /// The tags that a list is not to show.
    hidden: Vec<Tag>,
    /// The deletions before a tag is read.
    look: Option<Look>,
    lesson: Option<Lesson>,
    /// For a list of repositories, until it is sent.
    list: Option<Slot>,
    /// For a manifest in memory.
    _slot: Option<Slot>,
}

impl Service {
    /// Answers a request for the registry.
    ///
    /// # Errors
    /// All that a client is refused with.
    pub(super) async fn journey(
        &self,
        context: RequestContext<'_>,
        body: RequestBody,
        log: &mut RequestLog,
    ) -> Result<Response<ResponseBody>, Refusal> {
        let RequestContext { head, origin, snapshot, .. } = context;
        // 1. Parse: from here on there is a route, or nothing.
        let route = parse(head)?;
        log.routed(&route);
        media_type::refuse_forms(&head.headers)?;
        // 2. Need: the route stands for the accesses of `Route::needs`.
        // 3. Authenticate: the account, and the address.
        let address = context.address()?;
        log.from(address);
        cross_site::refuse_password(head, origin, &snapshot.settings.cors)?;
        let caller = Caller::authenticate(context, address, &self.authentication, &route, log).await?;
        let upstream = &self.upstream.load_full();
        let visit = Visit { context, address, caller: caller.as_ref(), upstream };
        // 4. Authorize: the policy in force now, for every access.
        let settled = match self.authorize(visit, route, body, log).await? {
            Step::Next(settled) => settled,
            Step::Answer(response) => return Ok(response),
        };
        let (ready, pending) = match self.make_ready(visit, settled, log).await? {
            Step::Next(ready) => ready,
            Step::Answer(response) => return Ok(response),
        };
        // 5. Forward: only a permit can be, and bodies stream.
        let response = self.forward(visit, &pending.permit, ready, log).await?;
        // 6. Answer: the registry's own, made right for the outside.
        self.make_right(visit, pending, response, log).await
    }

    async fn authorize(
        &self,
        visit: Visit<'_>,
        route: Route,
        body: RequestBody,
        log: &mut RequestLog,
    ) -> Result<Step<Settled>, Refusal> {
        let Visit { context, caller, .. } = visit;
        let RequestContext { head, snapshot, .. } = context;
        let is_of_named_page = Shared::with(head, &snapshot.settings.cors).is_some();
        let admitted = admit(caller, route, is_of_named_page, snapshot, log).await;
        Ok(match admitted.map_err(|refusal| certificate::explain(refusal, context))? {
            Admitted::Whole(permit) => Step::Next(Settled::from((permit, body))),
            Admitted::ByTag(by_tag) => {
                let registry = &visit.registry(log);
                let Some(caller) = caller else {
                    return Err(Refusal::not_there(by_tag.route().endpoint()));
                };
                Box::pin(self.settle(*by_tag, caller, context, body, registry, log)).await?
            }
            Admitted::InPart(view, route) => {
                let registry = visit.registry(log);
                Step::Answer(Box::pin(self.catalog.list(&view, route.catalog_page(), &registry)).await?)
            }
        })
    }

    /// Claims, locks and notes what a permitted request needs, last of all that which others wait for.
    async fn make_ready(
        &self,
        visit: Visit<'_>,
        settled: Settled,
        log: &mut RequestLog,
    ) -> Result<Step<(Ready, Pending)>, Refusal> {
        let Visit { context, address, caller, upstream } = visit;
        let RequestContext { head, snapshot, in_flight, .. } = context;
        let Settled { permit, body, lesson, slot } = settled;
        let route = permit.route();
        // A read or a deletion needs none: the client's could end late or never, and with it what the request holds.
        let body = if route.method().has_body() { body } else { RequestBody::empty() };
        one_tag::refuse_placeholder(route)?;
        let (rules, authorizers) = (&snapshot.write_once, &snapshot.authorizers);
        let (body, mut passage) = if WriteOnceGate::concerns(&permit, rules) {
            let registry = &visit.registry(log);
            let caller = caller.map(|caller| caller.as_authz(&snapshot.settings.service));
            let guarded = Guarded { permit: &permit, caller, rules, authorizers, registry };
            Box::pin(self.write_once.admit(guarded, body, log)).await?
        } else {
            (body, Passage::default())
        };
        if WriteOnceGate::takes_tags_along(route) && log.names_tags_that_go() {
            let (registry, account) = (&visit.registry(log), caller.map_or("", Caller::account));
            passage = Box::pin(self.write_once.name_tags(route, account, registry, passage, log)).await;
        }
        if one_tag::deletes_tag(route) {
            let registry = visit.registry(log);
            return Box::pin(self.delete_tag(permit, passage, registry, context, log))
                .await
                .map(Step::Answer);
        }
        let hidden = self.hidden_tags(route, || visit.registry(log)).await?;
        let look = self.look_before(route);
        let is_list = *route.endpoint() == Endpoint::Catalog;
        let list = if is_list { Some(self.catalog.slot(address).await?) } else { None };
        let read_slot = || upstream.read_slot(address);
        let way = match Box::pin(self.answer_from_storage(&permit, context, read_slot)).await {
            Some(answer) => Way::Storage(Box::new(answer)),
            None => {
                let slot = upstream.slot(address).await.map_err(|error| unanswered(&error, upstream))?;
                Way::Registry(slot.of(in_flight))
            }
        };
        let write = self.freeze.admit(route)?;
        self.note_push(route, &passage, snapshot).await;
        log.intend(route, &head.headers, passage.pushed()).await;
        // From here on the request is not given up before it is sent: what it claims only an answer ends.
        passage.begin().inspect_err(|_| log.not_done())?;
        let pending = Pending { permit, hidden, look, lesson, list, _slot: slot };
        Ok(Step::Next((Ready { body, way, write, passage }, pending)))
    }

    async fn forward(
        &self,
        visit: Visit<'_>,
        permit: &Permit,
        ready: Ready,
        log: &mut RequestLog,
    ) -> Result<Response<Arriving>, Refusal> {
        let RequestContext { head, snapshot, .. } = visit.context;
        let Ready { body, way, write, passage } = ready;
        let forget = self.closure.forget_after(permit.route());
        log.allowed();
        let response = match way {
            Way::Storage(answer) => {
                log.answered_from_storage(body.progress());
                *answer
            }
            Way::Registry(slot) => {
                log.forwarding(body.progress());
                let sent = if let (Some(storage), Some(digest)) = (&snapshot.storage, blob_of(permit.route()))
                {
                    let read = StoredRead { storage, permit, digest, visit };
                    Box::pin(self.read_stored(read, slot, log)).await
                } else {
                    let mut to_registry = upstream_head(permit);
                    let (origin, address) = (visit.context.origin, visit.address);
                    headers::to_registry(&mut to_registry, &head.headers, origin, address, log.id());
                    let (request, to) = (to_registry.with(body), visit.upstream.clone());
                    let sending = Sending { upstream: to, request, slot, write, passage, forget };
                    let sent = sending.outcome().await.inspect_err(|_| log.end(Ended::CutOff))?;
                    sent.map(|response| response.map(Arriving::Registry))
                };
                let response = sent.map_err(|error: UpstreamError| {
                    log.unanswered(&error);
                    unanswered(&error, visit.upstream)
                })?;
                if let Some(answers) = &snapshot.answers {
                    answers.learn(permit.route(), &head.headers, response.status(), response.headers());
                }
                response
            }
        };
        log.answered(permit.route(), &head.headers, &response);
        self.tell_pages(permit.route(), response.status());
        reject_unexpected_upstream(&response, visit.upstream)?;
        Ok(response)
    }

    async fn make_right(
        &self,
        visit: Visit<'_>,
        pending: Pending,
        response: Response<Arriving>,
        log: &RequestLog,
    ) -> Result<Response<ResponseBody>, Refusal> {
        let RequestContext { head, origin, snapshot, .. } = visit.context;
        let Pending { permit, hidden, look, lesson, list, _slot } = pending;
        let route = permit.route();
        let shown = (response.status(), response.headers());
        if self.is_of_placeholder(route, look, head, shown, || visit.registry(log)).await {
            return Err(Refusal::not_there(route.endpoint()));
        }
        let (idle, status): (_, StatusCode) = (snapshot.settings.idle_body, response.status());
        let body = |body| ResponseBody::upstream(UpstreamBody::new(body, status, idle));
        let is_absolute = !snapshot.settings.relative_urls;
        let outside = Outside { registry: visit.upstream.address(), origin: is_absolute.then_some(origin) };
        let mut response = rewrite_response(response.map(body), route, &outside);
        if let Some(grace) = visit.caller.and_then(|caller| caller.grace.as_ref()) {
            upload_location::add_key(response.headers_mut(), grace, &snapshot.authority, outside.origin);
        }
        if let Some(lesson) = lesson {
            self.closure.learn(lesson, response.status(), response.headers());
        }
        if let Some(slot) = list {
            response.body_mut().keep(slot);
        }
        one_tag::without(response, &hidden).await
    }
}
