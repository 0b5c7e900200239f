//! The journey of one request, from its head to its answer. Read `Service::journey`: it is the whole product.

use std::{sync::Arc, time::Instant};

use arc_swap::ArcSwap;
use hyper::{
    Request, Response, StatusCode,
    body::Incoming,
    header::{self, HeaderMap, HeaderValue},
    http::request::Parts,
};

use super::{
    CatalogSettings, Freeze, FreezeStatus, Passwords, Peer, Snapshot, Upstream, UpstreamLoad,
    caller::Caller,
    catalog,
    exchange::{Exchange, REQUEST_ID, Subject},
    failure::{refuse_strange, unanswered, undecided},
    freeze::Write,
    headers,
    inquiry::Inquirer,
    media_type,
    origin::{self, Origin},
    own::OwnEndpoint,
    refuse::{refuse, refuse_in_text},
    request_body::RequestBody,
    response_body::{ResponseBody, UpstreamBody},
    token_endpoint,
    token_requests::TokenRequests,
};
use crate::{
    authz::{self, CatalogView, Denial, NotPermitted, Permit},
    registry::{ChallengeError, Endpoint, ErrorCode, Method, Refusal, Route, Scope},
    telemetry::{Ended, Reading, Telemetry},
};

/// The proxy: what outlives a reload, and the snapshot that a reload replaces.
pub struct Service {
    snapshot: ArcSwap<Snapshot>,
    upstream: ArcSwap<Upstream>,
    passwords: Passwords,
    token_requests: TokenRequests,
    freeze: Freeze,
    telemetry: Arc<Telemetry>,
}

impl Service {
    /// A service with its first policy, which tells `telemetry` what it does.
    pub fn new(snapshot: Snapshot, telemetry: Arc<Telemetry>) -> Self {
        let passwords = Passwords::new(&snapshot.settings.passwords, Arc::clone(&telemetry));
        let upstream = Upstream::new(snapshot.settings.upstream.clone());
        Self {
            snapshot: ArcSwap::from_pointee(snapshot),
            upstream: ArcSwap::from_pointee(upstream),
            passwords,
            token_requests: TokenRequests::new(),
            freeze: Freeze::default(),
            telemetry,
        }
    }

    /// Puts another policy in force: requests that come after this see it, on connections that are open too. Transfers
    /// go on.
    pub fn replace(&self, snapshot: Snapshot) {
        if snapshot.settings.upstream != self.snapshot.load().settings.upstream {
            self.upstream.store(Arc::new(Upstream::new(snapshot.settings.upstream.clone())));
        }
        self.snapshot.store(Arc::new(snapshot));
    }

    /// How busy the registry is.
    pub fn upstream_load(&self) -> UpstreamLoad {
        self.upstream.load().load()
    }

    /// How many requests for tokens were refused because their address asks too often.
    pub fn token_requests_refused(&self) -> u64 {
        self.token_requests.refused()
    }

    /// What is in force.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    /// Where it tells what it does.
    pub fn telemetry(&self) -> &Arc<Telemetry> {
        &self.telemetry
    }

    /// Whether writes may pass.
    pub fn freeze(&self) -> &Freeze {
        &self.freeze
    }

    /// The state of now, for the metrics.
    pub fn reading(&self) -> Reading {
        let (password_checks_running, password_checks_waiting) = self.passwords.load();
        let upstream = self.upstream_load();
        Reading {
            password_checks_running,
            password_checks_waiting,
            upstream_busy: upstream.requests,
            upstream_idle: upstream.idle_connections,
            upstream_waiting: upstream.waiting,
            limited: vec![
                ("upstream_requests", upstream.refused),
                ("token_requests", self.token_requests_refused()),
            ],
            frozen: self.freeze.status() != FreezeStatus::Open,
            audit_lines_lost: self.telemetry.audit.lost(),
        }
    }

    /// Whether the registry answers, and as a plain one does.
    ///
    /// # Errors
    /// Why not, in a sentence for the operator.
    pub async fn ask_registry(&self) -> Result<(), String> {
        let upstream = self.upstream.load_full();
        let address = upstream.address();
        match upstream.ping().await {
            Ok(StatusCode::OK) => Ok(()),
            Ok(status) => Err(format!("the registry at {address} answers {status} to /v2/")),
            Err(error) => Err(format!("no answer from the registry at {address}: {error}")),
        }
    }

    /// Answers a request. Never fails: whatever goes wrong becomes a response. While it is with the registry, it counts in
    /// the [`AtRegistry`](super::AtRegistry) of its extensions.
    pub async fn respond(&self, request: Request<Incoming>, peer: Peer) -> Response<ResponseBody> {
        let snapshot = self.snapshot.load_full();
        let settings = &snapshot.settings;
        let (head, body) = request.into_parts();
        let expects_continue = head
            .headers
            .get(header::EXPECT)
            .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"));
        let body = RequestBody::new(body, settings.idle_body, expects_continue, Arc::clone(&self.telemetry));
        let origin = Origin::of(&head, peer, &settings.client_address);
        let own = OwnEndpoint::at(head.uri.path(), &settings.path_prefix);
        let speaks_registry = own.is_none() && head.uri.path().starts_with("/v2");
        let subject = match own {
            Some(OwnEndpoint::Token) => Subject::Token,
            None if speaks_registry => Subject::Registry,
            _ => Subject::Other,
        };
        let given = origin::request_id(&head.headers, peer, &settings.client_address);
        let mut exchange = Exchange::begin(&self.telemetry, &head, peer, subject, given);
        let answered = match (&origin, own) {
            (Err(refusal), _) => Err(refusal.clone()),
            (Ok(_), Some(own)) => self.answer_own(own, &head, body, peer, &snapshot, &mut exchange).await,
            (Ok(origin), None) => self.journey(&head, body, peer, origin, &snapshot, &mut exchange).await,
        };
        let refusal = answered.as_ref().err().cloned();
        let mut response = answered.unwrap_or_else(|refusal| {
            let (request, why) = (exchange.id(), &refusal.message);
            tracing::debug!(%request, method = %head.method, path = head.uri.path(), why, "refused");
            // A client that is told to come later is told so in JSON everywhere: docker shows no text.
            if speaks_registry || refusal.challenge.is_some() || refusal.retry_after.is_some() {
                return refuse(&refusal, settings, origin.as_ref().ok());
            }
            let refusal = if own.is_none() { outside_of_v2(refusal) } else { refusal };
            refuse_in_text(&refusal, snapshot.authority.issuer())
        });
        if head.method == hyper::Method::HEAD {
            response = without_own_body(response);
        }
        // What was pushed is never a page or a script, whatever it looks like to a browser.
        response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        if settings.hsts {
            let two_years = HeaderValue::from_static("max-age=63072000; includeSubDomains");
            response.headers_mut().insert(header::STRICT_TRANSPORT_SECURITY, two_years);
        }
        if let Ok(id) = HeaderValue::try_from(exchange.id().as_str()) {
            response.headers_mut().insert(REQUEST_ID, id);
        }
        exchange.concluded(refusal.as_ref(), response.status());
        response.body_mut().observe(exchange);
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
        let mut exchange = Exchange::begin(&self.telemetry, &head, peer, Subject::Registry, None);
        let refusal = Refusal::new(code, why).and_close();
        let mut response = refuse_in_text(&refusal, "");
        exchange.concluded(Some(&refusal), response.status());
        response.body_mut().observe(exchange);
        response
    }

    /// The journey of a request for the registry.
    async fn journey(
        &self,
        head: &Parts,
        body: RequestBody,
        peer: Peer,
        origin: &Origin,
        snapshot: &Arc<Snapshot>,
        exchange: &mut Exchange,
    ) -> Result<Response<ResponseBody>, Refusal> {
        // 1. Parse: from here on there is a route, or nothing.
        let route = parse(head)?;
        exchange.routed(&route);
        media_type::refuse_forms(&head.headers)?;
        // 2. Need: which accesses the route stands for.
        let needs = route.needs();
        // 3. Authenticate: who is asking, and from where.
        let address = origin::client_address(&head.headers, peer, &snapshot.settings.client_address)?;
        exchange.from(address);
        let caller = Caller::of(&head.headers, address, snapshot, &self.passwords, &needs, exchange).await?;
        // 4. Authorize: the policy in force now, for every access.
        let upstream = self.upstream.load_full();
        let permit = match admit(caller.as_ref(), route, needs, snapshot, exchange).await? {
            Admitted::Whole(permit) => permit,
            Admitted::InPart(view, route) => {
                let (settings, id) = (&snapshot.settings, exchange.id().clone());
                let registry = Inquirer { upstream: &upstream, settings, origin, address, id };
                return catalog::list(&view, route.catalog_page(), &registry).await;
            }
        };
        let busy = |error| unanswered(&error, upstream.address());
        let place = upstream.place(address).await.map_err(busy)?.of(head.extensions.get());
        let mut write = self.freeze.admit(permit.route())?;
        exchange.allowed();
        // 5. Forward: only a permit can be, and bodies stream.
        let headers = headers::to_registry(&head.headers, origin, address, exchange.id());
        exchange.forwarding(body.progress());
        let sending = upstream.send(upstream_request(&permit, headers, body)?, place);
        let sent = Write::unless_cut_off(write.as_mut(), sending).await;
        let sent = sent.inspect_err(|_| exchange.end(Ended::CutOff))?;
        let (response, lease) = sent.map_err(|error| {
            exchange.unanswered(&error);
            unanswered(&error, upstream.address())
        })?;
        exchange.answered(&response);
        refuse_strange(&response, upstream.address())?;
        // 6. Answer: the registry's own, made right for the outside.
        let idle = snapshot.settings.idle_body;
        let body = |body| ResponseBody::upstream(UpstreamBody::new(body, idle, lease));
        Ok(for_the_outside(response.map(body), origin, &upstream))
    }

    /// Our own endpoints, which never reach the registry.
    async fn answer_own(
        &self,
        own: OwnEndpoint,
        head: &Parts,
        body: RequestBody,
        peer: Peer,
        snapshot: &Arc<Snapshot>,
        exchange: &mut Exchange,
    ) -> Result<Response<ResponseBody>, Refusal> {
        require_origin_form(head)?;
        if Method::parse(head.method.as_str()).is_none() {
            return Err(Refusal::new(ErrorCode::Unsupported, "the method is not supported"));
        }
        match own {
            OwnEndpoint::Token => {
                let address = origin::client_address(&head.headers, peer, &snapshot.settings.client_address);
                let address = address.map_err(|refusal| Refusal {
                    message: format!("Bad request: {}", refusal.message),
                    ..refusal
                })?;
                exchange.from(address);
                let rate = snapshot.settings.token_requests;
                self.token_requests.admit(address, rate, Instant::now())?;
                token_endpoint::answer(head, body, address, snapshot, &self.passwords, exchange).await
            }
            OwnEndpoint::Greeting => Ok(own.greeting(snapshot.authority.issuer())),
            OwnEndpoint::BaseWithoutSlash => Ok(own.redirect_to_base()),
        }
    }
}

/// Outside of `/v2` and our own endpoints there is nothing, however it is spelt; said in docker_auth's words.
fn outside_of_v2(refusal: Refusal) -> Refusal {
    let is_path = matches!(refusal.code, ErrorCode::NotFound | ErrorCode::BadRequest) && !refusal.close;
    if is_path { Refusal::new(ErrorCode::NotFound, "Not found") } else { refusal }
}

/// What a GET would have answered, less its body: over HTTP/2 hyper leaves that to us. The registry's response to a HEAD
/// has none.
fn without_own_body(response: Response<ResponseBody>) -> Response<ResponseBody> {
    let Some(length) = response.body().own_length() else { return response };
    let mut response = response.map(|_| ResponseBody::from(String::new()));
    response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    response
}

/// Step 1: the target in origin-form, then the route.
fn parse(head: &Parts) -> Result<Route, Refusal> {
    require_origin_form(head)?;
    if head.headers.get_all(header::CONTENT_LENGTH).iter().count() > 1 {
        return Err(
            Refusal::new(ErrorCode::BadRequest, "the request has two Content-Length headers").and_close()
        );
    }
    Ok(Route::parse(head.method.as_str(), head.uri.path(), head.uri.query())?)
}

/// Over HTTP/1.1 the target must be a path: with an absolute one, host and path could contradict the headers.
/// (Over HTTP/2 scheme and authority are pseudo-headers of every request.)
fn require_origin_form(head: &Parts) -> Result<(), Refusal> {
    let is_http1 = head.version != hyper::Version::HTTP_2;
    let is_absolute = is_http1 && (head.uri.scheme().is_some() || head.uri.authority().is_some());
    if is_absolute || !head.uri.path().starts_with('/') {
        return Err(Refusal::new(ErrorCode::BadRequest, "the request target must be a path").and_close());
    }
    Ok(())
}

/// What a request may have.
enum Admitted<'a> {
    /// What it asks for.
    Whole(Permit),
    /// The names of the catalogue that the caller may see.
    InPart(CatalogView<'a>, Route),
}

/// Step 4: a permit, or the challenge that fits.
///
/// Nobody is challenged at `/v2/` even where the anonymous user exists: clients learn there that they can log in.
async fn admit<'a>(
    caller: Option<&'a Caller>,
    route: Route,
    needs: Vec<Scope>,
    snapshot: &'a Snapshot,
    exchange: &mut Exchange,
) -> Result<Admitted<'a>, Refusal> {
    let nothing_shown = caller.is_none_or(|caller| !caller.presented);
    let challenge = |needs| Refusal::unauthorized(needs, None, None);
    let Some(caller) = caller else { return Err(challenge(needs)) };
    if nothing_shown && *route.endpoint() == Endpoint::Base {
        return Err(challenge(needs));
    }
    let asked = caller.as_authz(&snapshot.settings.service);
    let is_list = *route.endpoint() == Endpoint::Catalog && route.method() == Method::Get;
    let listed = (is_list && snapshot.settings.catalog == CatalogSettings::Filtered).then(|| route.clone());
    let denial = match authz::authorize(&snapshot.authorizers, asked, route).await {
        Ok(permit) => {
            exchange.ruled(|| permit.decided_by());
            return Ok(Admitted::Whole(permit));
        }
        Err(NotPermitted::Unavailable(error)) => return Err(undecided(&error)),
        Err(NotPermitted::Denied(denial)) => denial,
    };
    if let Some(route) = listed
        && let Some(view) = CatalogView::instead_of(&denial, &snapshot.authorizers, asked)
    {
        exchange.ruled(|| format!("the names that may be pulled; not all: {}", denial.by.in_full()));
        return Ok(Admitted::InPart(view, route));
    }
    exchange.ruled(|| denial.by.in_full());
    log_denial(&denial, caller, exchange);
    if nothing_shown {
        return Err(challenge(denial.needs));
    }
    let mut description = denial.explain(caller.account());
    if snapshot.settings.explain_denials {
        description = format!("{description}: {}", denial.by.in_full());
    }
    Err(Refusal::unauthorized(denial.needs, Some(ChallengeError::InsufficientScope), Some(description)))
}

fn log_denial(denial: &Denial, caller: &Caller, exchange: &Exchange) {
    let by = denial.by.in_full();
    tracing::info!(account = caller.account(), missing = %denial.missing, by, request = %exchange.id(), "denied");
}

/// Step 5: the request for the registry, written anew from the permit.
pub(super) fn upstream_request(
    permit: &Permit,
    headers: HeaderMap,
    body: RequestBody,
) -> Result<Request<RequestBody>, Refusal> {
    let route = permit.route();
    let request = Request::builder().method(route.method().as_str()).uri(route.path_and_query()).body(body);
    let mut request =
        request.map_err(|_| Refusal::new(ErrorCode::BadRequest, "the request target is too long"))?;
    *request.headers_mut() = headers;
    Ok(request)
}

/// Step 6: the registry's response without what concerned its connection to us, its Location and Link made right.
fn for_the_outside(
    mut response: Response<ResponseBody>,
    origin: &Origin,
    upstream: &Upstream,
) -> Response<ResponseBody> {
    headers::from_registry(response.headers_mut());
    let is_own =
        matches!(response.status(), StatusCode::CREATED | StatusCode::ACCEPTED | StatusCode::NO_CONTENT);
    let outside = |value: &HeaderValue, is_own| {
        HeaderValue::try_from(origin.outside(value.to_str().ok()?, upstream.address(), is_own)).ok()
    };
    for (name, is_own) in [(header::LOCATION, is_own), (header::LINK, true)] {
        // What cannot be read cannot be made right.
        if let Some(value) = response.headers_mut().remove(&name).and_then(|value| outside(&value, is_own)) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}
