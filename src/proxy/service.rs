//! The journey of one request, from its head to its answer. Read `Service::journey`: it is the whole product.

mod answering;
mod by_tags;
mod local;
mod one_tag;
mod pruning;
mod push_times;
mod questions;
mod reading;
mod sending;
mod sharing;
mod stored;

use std::sync::Arc;

use arc_swap::ArcSwap;
use hyper::{Request, Response, body::Incoming, header::HeaderValue};

use super::{
    Freeze, Peer, Snapshot, Upstream,
    auth::{
        Authentication,
        authorize::{Admitted, admit},
        caller::Caller,
        certificate, cross_site,
    },
    body::request_body::RequestBody,
    closure::Closure,
    forward::{
        catalog::Catalog,
        headers,
        rewrite::{rewrite_response, upstream_head},
        subrequest::Subrequest,
    },
    pages::{Answer, Pages},
    prune::Pruned,
    registry_health::RegistryHealth,
    request::{
        context::{RequestContext, expects_continue, parse},
        cors::Shared,
        media_type,
        origin::{self, Origin},
        target::Target,
    },
    request_log::{RequestLog, Subject},
    response::{
        arriving::Arriving,
        body::{ResponseBody, UpstreamBody},
        error_response::{ErrorFormat, refuse_in_text},
        finish::finish,
        local_response,
        location::Outside,
        upload_location,
        upstream_error::{reject_unexpected_upstream, unanswered},
    },
    write_once::{Guarded, Passage, WriteOnceGate},
};
use crate::{
    authn::THROTTLE_PURPOSE,
    limits::{InFlight, LogThrottle},
    net::BufferBudget,
    registry::{Endpoint, ErrorCode, Refusal},
    state::State,
    telemetry::{Ended, Telemetry},
};
use by_tags::{ByTags, Settled};
use local::require_known_method;
use sending::Sending;
use stored::{StoredRead, Way, blob_of};

/// The proxy: what outlives a reload, and the snapshot that a reload replaces.
pub struct Service {
    snapshot: ArcSwap<Snapshot>,
    upstream: ArcSwap<Upstream>,
    authentication: Authentication,
    pages: Pages,
    catalog: Catalog,
    closure: Arc<Closure>,
    registry_health: RegistryHealth,
    freeze: Freeze,
    write_once: WriteOnceGate,
    /// For pushes whose time could not be noted.
    unnoted: LogThrottle,
    /// For blobs that could not be read from their files.
    unread: LogThrottle,
    pruned: Pruned,
    budget: BufferBudget,
    telemetry: Arc<Telemetry>,
}

impl Service {
    /// A service with its first policy, which tells `telemetry` what it does.
    pub fn new(snapshot: Snapshot, telemetry: Arc<Telemetry>) -> Self {
        // Of the signing key, which all servers of a registry have: they tell each other of wrong passwords.
        let key = snapshot.authority.key().derive_key(THROTTLE_PURPOSE).into();
        let authentication = Authentication::new(&snapshot.settings, key, Arc::clone(&telemetry));
        let budget = BufferBudget::default();
        let upstream = Upstream::new(snapshot.settings.upstream.clone(), budget.clone());
        let pages = Pages::default();
        let catalog = Catalog::new(Arc::clone(pages.names()));
        let write_once = WriteOnceGate::sharing(Arc::clone(&snapshot.state));
        Self {
            snapshot: ArcSwap::from_pointee(snapshot),
            upstream: ArcSwap::from_pointee(upstream),
            authentication,
            pages,
            catalog,
            closure: Arc::default(),
            registry_health: RegistryHealth::default(),
            freeze: Freeze::default(),
            write_once,
            unnoted: LogThrottle::default(),
            unread: LogThrottle::default(),
            pruned: Pruned::default(),
            budget,
            telemetry,
        }
    }

    /// Puts another policy in force: requests that come after this see it, on connections that are open too. Transfers
    /// go on.
    pub fn replace(&self, snapshot: Snapshot) {
        if snapshot.settings.upstream != self.snapshot.load().settings.upstream {
            let upstream = Upstream::new(snapshot.settings.upstream.clone(), self.budget.clone());
            self.upstream.store(Arc::new(upstream));
            self.pages.forget_registry();
            self.closure.forget();
            self.write_once.forget_registry();
        }
        self.snapshot.store(Arc::new(snapshot));
    }

    /// Returns the configuration in force.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    /// Returns what was revoked.
    pub fn state(&self) -> Arc<State> {
        Arc::clone(&self.snapshot.load().state)
    }

    /// Returns the log, the audit log and the metrics.
    pub fn telemetry(&self) -> &Arc<Telemetry> {
        &self.telemetry
    }

    /// Returns the budget that sets the size of a body's pieces.
    pub(crate) fn budget(&self) -> &BufferBudget {
        &self.budget
    }

    /// Returns the gate for writes.
    pub fn freeze(&self) -> &Freeze {
        &self.freeze
    }

    /// Returns whether a plain registry answers. What has changed since the last time is logged.
    ///
    /// # Errors
    /// Why not, in a sentence for the operator.
    pub async fn ask_registry(&self) -> Result<(), String> {
        self.registry_health.ask(&self.upstream.load_full()).await
    }

    /// Answers a request. Never fails: whatever goes wrong becomes a response. While it is with the registry, it counts
    /// in `in_flight`.
    pub async fn respond(
        &self,
        request: Request<Incoming>,
        peer: Peer,
        in_flight: &InFlight,
    ) -> Response<ResponseBody> {
        let snapshot = self.snapshot.load_full();
        let settings = &snapshot.settings;
        let (head, body) = request.into_parts();
        let expects_continue = expects_continue(&head.headers);
        let body = RequestBody::new(body, settings.idle_body, expects_continue, Arc::clone(&self.telemetry));
        let origin = Origin::of(&head, peer, &settings.client_address);
        let mut target = Target::classify(&head, &settings.path_prefix, settings.ui.enabled);
        let format = ErrorFormat::of(&target, &head.headers);
        let shared = Shared::with(&head, &settings.cors).filter(|_| target.is_shared());
        if let Some(headers) = shared.and_then(|shared| shared.preflight(&head)) {
            target = Target::Preflight(headers);
        }
        let given = origin::request_id(&head.headers, peer, &settings.client_address);
        let mut log = RequestLog::begin(&self.telemetry, &head, peer, Subject::of(&target), given);
        if let Ok(origin) = &origin {
            log.reached_at(origin);
        }
        let answered = match &origin {
            Err(refusal) => Err(refusal.clone()),
            Ok(origin) => {
                let context = RequestContext { head: &head, peer, origin, snapshot: &snapshot, in_flight };
                self.answer(target, context, body, &mut log).await
            }
        };
        let Answer { mut response, refusal } = answered.unwrap_or_else(|refusal| {
            let (request, why) = (log.id(), &refusal.message);
            tracing::debug!(%request, method = %head.method, path = head.uri.path(), why, "refused");
            let issuer = snapshot.authority.issuer();
            Answer::refusing(format.write(&refusal, settings, origin.as_ref().ok(), issuer), refusal)
        });
        finish(&mut response, &head.method, settings, shared, log.id());
        log.concluded(refusal.as_ref(), response.status());
        response.body_mut().observe(log);
        response
    }

    /// Answers a request of a known target.
    async fn answer(
        &self,
        target: Target,
        context: RequestContext<'_>,
        body: RequestBody,
        log: &mut RequestLog,
    ) -> Result<Answer, Refusal> {
        certificate::admit(context, log)?;
        let response = match target {
            // Parsing refuses a path that leads nowhere.
            Target::Registry | Target::FirstApi | Target::Nowhere => self.journey(context, body, log).await?,
            Target::Page(page) => return self.answer_page(page, context, body, log).await,
            Target::Token => self.answer_token(context, body, log).await?,
            Target::Device(endpoint) => self.answer_device(endpoint, context, body, log).await?,
            Target::Preflight(headers) => local_response::no_content(headers),
            Target::Greeting => {
                require_known_method(context.head)?;
                local_response::greeting(context.snapshot.authority.issuer())
            }
            Target::BaseWithoutSlash => {
                require_known_method(context.head)?;
                local_response::redirect_to(HeaderValue::from_static("/v2/"))
            }
        };
        Ok(Answer::from(response))
    }

    /// The answer to a head that is not looked into further, in a line of text: what it asks for is not known. An
    /// HTTP/1.1 connection ends with it.
    pub fn refuse_head(
        &self,
        request: Request<Incoming>,
        peer: Peer,
        code: ErrorCode,
        why: &str,
    ) -> Response<ResponseBody> {
        let (head, _) = request.into_parts();
        let mut log = RequestLog::begin(&self.telemetry, &head, peer, Subject::Registry, None);
        let refusal = Refusal::new(code, why).and_close();
        let mut response = refuse_in_text(&refusal, "");
        log.concluded(Some(&refusal), response.status());
        response.body_mut().observe(log);
        response
    }

    /// The journey of a request for the registry.
    async fn journey(
        &self,
        context: RequestContext<'_>,
        body: RequestBody,
        log: &mut RequestLog,
    ) -> Result<Response<ResponseBody>, Refusal> {
        let RequestContext { head, origin, snapshot, in_flight, .. } = context;
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
        // 4. Authorize: the policy in force now, for every access.
        let upstream = self.upstream.load_full();
        let is_of_named_page = Shared::with(head, &snapshot.settings.cors).is_some();
        let admitted = admit(caller.as_ref(), route, is_of_named_page, snapshot, log).await;
        let settled = match admitted.map_err(|refusal| certificate::explain(refusal, context))? {
            Admitted::Whole(permit) => Settled::from((permit, body)),
            Admitted::ByTag(by_tag) => {
                let registry = &Subrequest::of(&upstream, context, address, log);
                let Some(caller) = &caller else {
                    return Err(Refusal::not_there(by_tag.route().endpoint()));
                };
                match Box::pin(self.settle(*by_tag, caller, context, body, registry, log)).await? {
                    ByTags::Settled(settled) => *settled,
                    ByTags::Answer(response) => return Ok(response),
                }
            }
            Admitted::InPart(view, route) => {
                let registry = Subrequest::of(&upstream, context, address, log);
                return Box::pin(self.catalog.list(&view, route.catalog_page(), &registry)).await;
            }
        };
        let Settled { permit, body, lesson, slot: _slot } = settled;
        // A read or a deletion needs none: the client's could end late or never, and with it what the request holds.
        let body = if permit.route().method().has_body() { body } else { RequestBody::empty() };
        one_tag::refuse_placeholder(permit.route())?;
        let (rules, authorizers) = (&snapshot.write_once, &snapshot.authorizers);
        let (body, mut passage) = if WriteOnceGate::concerns(&permit, rules) {
            let registry = &Subrequest::of(&upstream, context, address, log);
            let caller = caller.as_ref().map(|caller| caller.as_authz(&snapshot.settings.service));
            let guarded = Guarded { permit: &permit, caller, rules, authorizers, registry };
            Box::pin(self.write_once.admit(guarded, body, log)).await?
        } else {
            (body, Passage::default())
        };
        if WriteOnceGate::takes_tags_along(permit.route()) && log.names_tags_that_go() {
            let registry = &Subrequest::of(&upstream, context, address, log);
            let account = caller.as_ref().map_or("", Caller::account);
            passage =
                Box::pin(self.write_once.name_tags(permit.route(), account, registry, passage, log)).await;
        }
        if one_tag::deletes_tag(permit.route()) {
            let registry = Subrequest::of(&upstream, context, address, log);
            return Box::pin(self.delete_tag(permit, passage, registry, context, log)).await;
        }
        let asked = || Subrequest::of(&upstream, context, address, log);
        let hidden = self.hidden_tags(permit.route(), asked).await?;
        let look = self.look_before(permit.route());
        let is_list = *permit.route().endpoint() == Endpoint::Catalog;
        let list = if is_list { Some(self.catalog.slot(address).await?) } else { None };
        let busy = |error| unanswered(&error, &upstream);
        let read_slot = || upstream.read_slot(address);
        let way = match Box::pin(self.answer_from_storage(&permit, context, read_slot)).await {
            Some(answer) => Way::Storage(Box::new(answer)),
            None => Way::Registry(upstream.slot(address).await.map_err(busy)?.of(in_flight)),
        };
        let write = self.freeze.admit(permit.route())?;
        self.note_push(permit.route(), &passage, snapshot).await;
        passage.begin()?;
        log.intend(permit.route(), &head.headers, passage.pushed()).await;
        let forget = self.closure.forget_after(permit.route());
        log.allowed();
        // 5. Forward: only a permit can be, and bodies stream.
        let response = match way {
            Way::Storage(answer) => {
                log.answered_from_storage(body.progress());
                *answer
            }
            Way::Registry(slot) => {
                log.forwarding(body.progress());
                let sent = if let (Some(storage), Some(digest)) = (&snapshot.storage, blob_of(permit.route()))
                {
                    let upstream = &upstream;
                    let read = StoredRead { storage, permit: &permit, digest, context, address, upstream };
                    Box::pin(self.read_stored(read, slot, log)).await
                } else {
                    let mut to_registry = upstream_head(&permit);
                    headers::to_registry(&mut to_registry, &head.headers, origin, address, log.id());
                    let (request, to) = (to_registry.with(body), Upstream::clone(&upstream));
                    let sending = Sending { upstream: to, request, slot, write, passage, forget };
                    let sent = sending.outcome().await.inspect_err(|_| log.end(Ended::CutOff))?;
                    sent.map(|response| response.map(Arriving::Registry))
                };
                let response = sent.map_err(|error| {
                    log.unanswered(&error);
                    unanswered(&error, &upstream)
                })?;
                if let Some(answers) = &snapshot.answers {
                    answers.learn(permit.route(), &head.headers, response.status(), response.headers());
                }
                response
            }
        };
        log.answered(permit.route(), &head.headers, &response);
        self.tell_pages(permit.route(), response.status());
        reject_unexpected_upstream(&response, &upstream)?;
        let shown = (response.status(), response.headers());
        let asked = || Subrequest::of(&upstream, context, address, log);
        if self.is_of_placeholder(permit.route(), look, head, shown, asked).await {
            return Err(Refusal::not_there(permit.route().endpoint()));
        }
        // 6. Answer: the registry's own, made right for the outside.
        let idle = snapshot.settings.idle_body;
        let status = response.status();
        let body = |body| ResponseBody::upstream(UpstreamBody::new(body, status, idle));
        let is_absolute = !snapshot.settings.relative_urls;
        let outside = Outside { registry: upstream.address(), origin: is_absolute.then_some(origin) };
        let mut response = rewrite_response(response.map(body), permit.route(), &outside);
        if let Some(grace) = caller.as_ref().and_then(|caller| caller.grace.as_ref()) {
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
