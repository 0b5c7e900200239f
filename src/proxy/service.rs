//! The journey of one request, from its head to its answer. Read `Service::journey`: it is the whole product.

use std::{pin::pin, sync::Arc, time::Instant};

use arc_swap::ArcSwap;
use hyper::{
    Request, Response, StatusCode,
    body::Incoming,
    header::{self, HeaderValue},
};

use super::{
    Freeze, FreezeStatus, Passwords, Peer, Snapshot, Upstream, UpstreamLoad,
    auth::{
        authorize::{Admitted, admit},
        caller::Caller,
        cross_site,
        session::Sessions,
        token_endpoint,
        token_rate_limit::TokenRequests,
    },
    body::request_body::RequestBody,
    forward::{
        catalog::Catalog,
        headers,
        rewrite::{rewrite_response, upstream_head},
        subrequest::Subrequest,
    },
    freeze::Write,
    pages::{self, Answer, Pages},
    registry_health::RegistryHealth,
    request::{
        context::{RequestContext, expects_continue, parse, require_plain},
        cors::{self, Shared},
        media_type,
        origin::{self, Origin, REQUEST_ID},
        target::{LocalEndpoint, is_v1},
    },
    request_log::{RequestLog, Subject},
    response::{
        body::{ResponseBody, UpstreamBody},
        caching,
        error_response::{outside_of_v2, reads_text, refuse, refuse_in_json, refuse_in_text},
        local,
        location::Outside,
        upstream_error::{reject_unexpected_upstream, unanswered},
    },
};
use crate::{
    limits::InFlight,
    net::BufferBudget,
    registry::{Endpoint, ErrorCode, Method, Refusal},
    telemetry::{Ended, MetricsSnapshot, Telemetry},
    ui::PagePath,
};

/// The proxy: what outlives a reload, and the snapshot that a reload replaces.
pub struct Service {
    snapshot: ArcSwap<Snapshot>,
    upstream: ArcSwap<Upstream>,
    passwords: Passwords,
    token_requests: TokenRequests,
    sessions: Sessions,
    pages: Pages,
    catalog: Catalog,
    registry_health: RegistryHealth,
    freeze: Freeze,
    allowance: BufferBudget,
    telemetry: Arc<Telemetry>,
}

impl Service {
    /// A service with its first policy, which tells `telemetry` what it does.
    pub fn new(snapshot: Snapshot, telemetry: Arc<Telemetry>) -> Self {
        let key = snapshot.remembered.key().clone();
        let passwords = Passwords::new(&snapshot.settings.passwords, key, Arc::clone(&telemetry));
        let allowance = BufferBudget::default();
        let upstream = Upstream::new(snapshot.settings.upstream.clone(), allowance.clone());
        let pages = Pages::default();
        let catalog = Catalog::new(Arc::clone(pages.names()));
        Self {
            snapshot: ArcSwap::from_pointee(snapshot),
            upstream: ArcSwap::from_pointee(upstream),
            passwords,
            token_requests: TokenRequests::new(),
            sessions: Sessions::default(),
            pages,
            catalog,
            registry_health: RegistryHealth::default(),
            freeze: Freeze::default(),
            allowance,
            telemetry,
        }
    }

    /// Puts another policy in force: requests that come after this see it, on connections that are open too. Transfers
    /// go on.
    pub fn replace(&self, snapshot: Snapshot) {
        if snapshot.settings.upstream != self.snapshot.load().settings.upstream {
            let upstream = Upstream::new(snapshot.settings.upstream.clone(), self.allowance.clone());
            self.upstream.store(Arc::new(upstream));
            self.pages.forget_registry();
        }
        self.snapshot.store(Arc::new(snapshot));
    }

    /// Returns the load on the registry.
    pub fn upstream_load(&self) -> UpstreamLoad {
        self.upstream.load().load()
    }

    /// Returns the number of token requests that were refused because of their address's rate limit.
    pub fn token_requests_refused(&self) -> u64 {
        self.token_requests.refused()
    }

    /// Returns the configuration in force.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    /// Returns the log, the audit log and the metrics.
    pub fn telemetry(&self) -> &Arc<Telemetry> {
        &self.telemetry
    }

    /// Returns the allowance that sets the size of a body's pieces.
    pub(crate) fn allowance(&self) -> &BufferBudget {
        &self.allowance
    }

    /// Returns the gate for writes.
    pub fn freeze(&self) -> &Freeze {
        &self.freeze
    }

    /// The state of now, for the metrics.
    pub fn reading(&self) -> MetricsSnapshot {
        let (password_checks_running, password_checks_waiting) = self.passwords.load();
        let upstream = self.upstream_load();
        MetricsSnapshot {
            password_checks_running,
            password_checks_waiting,
            upstream_busy: upstream.requests,
            upstream_idle: upstream.idle_connections,
            upstream_waiting: upstream.waiting,
            limited: vec![
                ("upstream_requests", upstream.refused),
                ("token_requests", self.token_requests_refused()),
                ("pages", self.pages.refused()),
                ("catalog", self.catalog.refused()),
            ],
            registry_up: self.registry_health.is_up(),
            frozen: self.freeze.status() != FreezeStatus::Open,
            audit_lines_lost: self.telemetry.audit.lost(),
            audit_lines_summed_up: self.telemetry.audit.summed_up(),
        }
    }

    /// Returns whether a plain registry answers. What has changed since the last time is logged.
    ///
    /// # Errors
    /// Why not, in a sentence for the operator.
    pub async fn ask_registry(&self) -> Result<(), String> {
        self.registry_health.ask(&self.upstream.load_full()).await
    }

    /// Answers a request. Never fails: whatever goes wrong becomes a response. While it is with the registry, it counts in
    /// `in_flight`.
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
        let own = LocalEndpoint::of(&head, &settings.path_prefix, settings.ui.enabled);
        let speaks_registry = own.is_none() && head.uri.path().starts_with("/v2");
        let speaks_json = speaks_registry || (own.is_none() && is_v1(head.uri.path()));
        // Pages of other origins: the registry and its tokens are for them, our own pages are not.
        let is_shared = speaks_registry || own == Some(LocalEndpoint::Token);
        let shared = Shared::with(&head, &settings.cors).filter(|_| is_shared);
        let preflight = shared.and_then(|shared| shared.preflight(&head)).map(local::no_content);
        let subject = match &own {
            _ if preflight.is_some() => Subject::Other,
            Some(LocalEndpoint::Token) => Subject::Token,
            Some(LocalEndpoint::Page(page)) if page.is_page() => Subject::Page,
            None if speaks_registry => Subject::Registry,
            _ => Subject::Other,
        };
        let given = origin::request_id(&head.headers, peer, &settings.client_address);
        let mut log = RequestLog::begin(&self.telemetry, &head, peer, subject, given);
        let is_own = own.is_some();
        let wants_json = own == Some(LocalEndpoint::Token) && !reads_text(&head.headers);
        let asked = RequestContext { head: &head, peer, snapshot: &snapshot, in_flight };
        let answered = match (&origin, own, preflight) {
            (Err(refusal), ..) => Err(refusal.clone()),
            (Ok(_), _, Some(answer)) => Ok(Answer::from(answer)),
            (Ok(origin), Some(LocalEndpoint::Page(page)), None) => {
                self.answer_page(Some(page), asked, body, origin, &mut log).await
            }
            (Ok(origin), Some(LocalEndpoint::NoPage), None) => {
                self.answer_page(None, asked, body, origin, &mut log).await
            }
            (Ok(origin), Some(own), None) => {
                self.answer_own(own, asked, body, origin, &mut log).await.map(Answer::from)
            }
            (Ok(origin), None, None) => self.journey(asked, body, origin, &mut log).await.map(Answer::from),
        };
        let Answer { mut response, refusal } = answered.unwrap_or_else(|refusal| {
            let (request, why) = (log.id(), &refusal.message);
            tracing::debug!(%request, method = %head.method, path = head.uri.path(), why, "refused");
            // A client that has to come later gets its answer in JSON everywhere: docker shows no text.
            if speaks_json || refusal.challenge.is_some() || refusal.retry_after.is_some() {
                return Answer::refusing(refuse(&refusal, settings, origin.as_ref().ok()), refusal);
            }
            if wants_json {
                return Answer::refusing(refuse_in_json(&refusal, snapshot.authority.issuer()), refusal);
            }
            let told = if is_own { refusal.clone() } else { outside_of_v2(refusal.clone()) };
            Answer::refusing(refuse_in_text(&told, snapshot.authority.issuer()), refusal)
        });
        if head.method == hyper::Method::HEAD {
            response = without_own_body(response);
        }
        caching::by_default(response.headers_mut());
        cors::vary(response.headers_mut(), &settings.cors);
        if let Some(shared) = shared {
            shared.admit(response.headers_mut());
        }
        // Pushed content is never a page or a script, whatever it looks like to a browser.
        response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        if settings.hsts {
            let two_years = HeaderValue::from_static("max-age=63072000; includeSubDomains");
            response.headers_mut().insert(header::STRICT_TRANSPORT_SECURITY, two_years);
        }
        if let Ok(id) = HeaderValue::try_from(log.id().as_str()) {
            response.headers_mut().insert(REQUEST_ID, id);
        }
        log.concluded(refusal.as_ref(), response.status());
        response.body_mut().observe(log);
        response
    }

    /// The answer to a head that is not looked into further, in a line of text: what it asks for is not known. An HTTP/1.1
    /// connection ends with it.
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
        asked: RequestContext<'_>,
        body: RequestBody,
        origin: &Origin,
        log: &mut RequestLog,
    ) -> Result<Response<ResponseBody>, Refusal> {
        let RequestContext { head, snapshot, in_flight, .. } = asked;
        // 1. Parse: from here on there is a route, or nothing.
        let route = parse(head)?;
        log.routed(&route);
        media_type::refuse_forms(&head.headers)?;
        // 2. Need: the route stands for the accesses of `Route::needs`.
        // 3. Authenticate: the account, and the address.
        let address = asked.address()?;
        log.from(address);
        cross_site::refuse_password(head, origin, &snapshot.settings.cors)?;
        let sessions = &self.sessions;
        let caller =
            Caller::of(&head.headers, address, snapshot, &self.passwords, sessions, &route, log).await?;
        // 4. Authorize: the policy in force now, for every access.
        let upstream = self.upstream.load_full();
        let is_of_named_page = Shared::with(head, &snapshot.settings.cors).is_some();
        let permit = match admit(caller.as_ref(), route, is_of_named_page, snapshot, log).await? {
            Admitted::Whole(permit) => permit,
            Admitted::InPart(view, route) => {
                let (id, idle_body) = (log.id().clone(), snapshot.settings.idle_body);
                let (upstream, origin) = (Upstream::clone(&upstream), origin.clone());
                let registry = Subrequest { upstream, idle_body, origin, address, id };
                return Box::pin(self.catalog.list(&view, route.catalog_page(), &registry)).await;
            }
        };
        let is_list = *permit.route().endpoint() == Endpoint::Catalog;
        let list = if is_list { Some(self.catalog.place(address).await?) } else { None };
        let busy = |error| unanswered(&error, &upstream);
        let place = upstream.place(address).await.map_err(busy)?.of(in_flight);
        let mut write = self.freeze.admit(permit.route())?;
        log.allowed();
        // 5. Forward: only a permit can be, and bodies stream.
        let mut to_registry = upstream_head(&permit);
        headers::to_registry(&mut to_registry, &head.headers, origin, address, log.id());
        log.forwarding(body.progress());
        let sending = pin!(upstream.send(to_registry.with(body), place));
        let sent = Write::unless_cut_off(write.as_mut(), sending).await;
        let sent = sent.inspect_err(|_| log.end(Ended::CutOff))?;
        let response = sent.map_err(|error| {
            log.unanswered(&error);
            unanswered(&error, &upstream)
        })?;
        log.answered(&response);
        if let (Endpoint::ManifestByTag(name, _) | Endpoint::ManifestByDigest(name, _), StatusCode::CREATED) =
            (permit.route().endpoint(), response.status())
        {
            self.pages.pushed(name);
        }
        reject_unexpected_upstream(&response, &upstream)?;
        // 6. Answer: the registry's own, made right for the outside.
        let idle = snapshot.settings.idle_body;
        let status = response.status();
        let body = |body| ResponseBody::upstream(UpstreamBody::new(body, status, idle));
        let is_absolute = !snapshot.settings.relative_urls;
        let outside = Outside { registry: upstream.address(), origin: is_absolute.then_some(origin) };
        let mut response = rewrite_response(response.map(body), permit.route(), &outside);
        if let Some(place) = list {
            response.body_mut().keep(place);
        }
        Ok(response)
    }

    /// The web pages, whose questions to the registry are authorised one by one; `None` for one that is not there. Boxed:
    /// they are large.
    async fn answer_page(
        &self,
        page: Option<PagePath>,
        asked: RequestContext<'_>,
        body: RequestBody,
        origin: &Origin,
        log: &mut RequestLog,
    ) -> Result<Answer, Refusal> {
        require_plain(asked.head)?;
        let address = asked.address()?;
        log.from(address);
        let request = pages::Request {
            head: asked.head,
            body: Some(body),
            origin,
            address,
            snapshot: asked.snapshot,
            upstream: Upstream::clone(&self.upstream.load()),
            pages: &self.pages,
            sessions: &self.sessions,
            passwords: &self.passwords,
            token_requests: &self.token_requests,
            freeze: &self.freeze,
            log,
            known: None,
        };
        Ok(Box::pin(pages::answer(page, request)).await)
    }

    /// Our own endpoints, which never reach the registry.
    async fn answer_own(
        &self,
        own: LocalEndpoint,
        asked: RequestContext<'_>,
        body: RequestBody,
        origin: &Origin,
        log: &mut RequestLog,
    ) -> Result<Response<ResponseBody>, Refusal> {
        let RequestContext { head, snapshot, .. } = asked;
        require_plain(head)?;
        if Method::parse(head.method.as_str()).is_none() {
            return Err(Refusal::new(ErrorCode::Unsupported, "the method is not supported"));
        }
        match own {
            LocalEndpoint::Token => {
                let address = asked.address().map_err(|refusal| Refusal {
                    message: format!("Bad request: {}", refusal.message),
                    ..refusal
                })?;
                log.from(address);
                cross_site::refuse(head, origin, &snapshot.settings.cors)?;
                let rate = snapshot.settings.token_requests;
                self.token_requests.admit(address, rate, Instant::now())?;
                token_endpoint::answer(head, body, address, snapshot, &self.passwords, log).await
            }
            LocalEndpoint::Greeting => Ok(local::greeting(snapshot.authority.issuer())),
            LocalEndpoint::BaseWithoutSlash => Ok(local::redirect_to(HeaderValue::from_static("/v2/"))),
            LocalEndpoint::Page(_) | LocalEndpoint::NoPage => {
                Err(Refusal::new(ErrorCode::Internal, "a page is answered elsewhere"))
            }
        }
    }
}

/// Returns the response to a GET, less its body: over HTTP/2 hyper leaves that to the service. The registry's response
/// to a HEAD has none.
fn without_own_body(response: Response<ResponseBody>) -> Response<ResponseBody> {
    let Some(length) = response.body().own_length() else { return response };
    let mut response = response.map(|_| ResponseBody::from(String::new()));
    response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    response
}
