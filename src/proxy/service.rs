//! The answer to any request: finds out which part of Portwarden it is for, and logs it. Read `journey` first: a request
//! for the registry goes through it, and it is the whole product.

mod answering;
mod by_tags;
mod journey;
mod local;
mod one_tag;
mod pruning;
mod push_times;
mod questions;
mod reading;
mod sending;
mod shared_freeze;
mod sharing;
mod stored;

use std::sync::Arc;

use arc_swap::ArcSwap;
use hyper::{Request, Response, body::Incoming, header::HeaderValue};

use super::{
    Freeze, Peer, Snapshot, Upstream,
    auth::{Authentication, certificate},
    body::request_body::RequestBody,
    closure::Closure,
    forward::catalog::Catalog,
    pages::{Answer, Pages},
    prune::Pruned,
    registry_health::RegistryHealth,
    request::{
        context::{RequestContext, expects_continue},
        cors::Shared,
        origin::{self, Origin},
        target::Target,
    },
    request_log::{RequestLog, Subject},
    response::{
        body::ResponseBody,
        error_response::{ErrorFormat, refuse_in_text},
        finish::finish,
        local_response,
    },
    write_once::WriteOnceGate,
};
use crate::{
    authn::THROTTLE_PURPOSE,
    limits::{InFlight, LogThrottle},
    net::BufferBudget,
    registry::{ErrorCode, Refusal},
    state::State,
    telemetry::Telemetry,
};
use local::require_known_method;

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
            // Its future is large: what waits for a request on each connection would be as large.
            Target::Registry | Target::FirstApi | Target::Nowhere => {
                Box::pin(self.journey(context, body, log)).await?
            }
            Target::Page(page) => return self.answer_page(page, context, body, log).await,
            Target::Token => Box::pin(self.answer_token(context, body, log)).await?,
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
}
