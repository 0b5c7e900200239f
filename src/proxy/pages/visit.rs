//! A request for a page, and its visitor: with a session, with a password, or anonymous.

use std::{net::IpAddr, sync::Arc, time::SystemTime};

use hyper::{Method, header::HeaderName};

use super::{
    Pages,
    answer::Answer,
    page_error::{PageError, PageResult},
    preferences::Preferences,
    reader::Reader,
};
use crate::{
    authz::CatalogView,
    proxy::{
        CorsSettings, Freeze, Snapshot, Upstream,
        auth::{
            Authentication,
            caller::{Caller, Presented, presented},
            claims_unavailable,
            cross_site::{self, SEC_FETCH_SITE},
            session::{self, TOKENS_STAY_OUT},
        },
        body::request_body::RequestBody,
        closure::Closure,
        forward::subrequest::Subrequest,
        request::{context::RequestContext, form::Form},
        request_log::RequestLog,
        response::upstream_error::undecided,
        write_once::WriteOnceGate,
    },
    registry::{ErrorCode, Refusal},
    token::{Session, TokenError},
    ui::{Asset, Frame, PagePath, Visitor, views},
};

/// A request for a page, with all that answers it.
pub(in crate::proxy) struct Request<'a> {
    pub(in crate::proxy) context: RequestContext<'a>,
    /// Taken by the reader of the form.
    pub(in crate::proxy) body: Option<RequestBody>,
    pub(in crate::proxy) address: Option<IpAddr>,
    pub(in crate::proxy) upstream: Upstream,
    pub(in crate::proxy) pages: &'a Pages,
    pub(in crate::proxy) authentication: &'a Authentication,
    pub(in crate::proxy) freeze: &'a Freeze,
    pub(in crate::proxy) write_once: &'a WriteOnceGate,
    pub(in crate::proxy) closure: &'a Arc<Closure>,
    pub(in crate::proxy) log: &'a mut RequestLog,
    /// The visitor, once it is known: every page says so, those about errors too.
    pub(in crate::proxy) known: Option<FrameVisitor>,
    /// True if the page shows what was known of the registry before it went down.
    pub(in crate::proxy) registry_is_down: bool,
}

/// The visitor's part in the frame of a page.
#[derive(Debug, Clone)]
pub(in crate::proxy) struct FrameVisitor {
    account: String,
    csrf: Option<String>,
    sees_events: bool,
    makes_tokens: bool,
}

/// The visitor, and its credentials.
pub(in crate::proxy) struct Visit {
    pub(super) caller: Arc<Caller>,
    pub(super) session: Option<Session>,
}

const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");

impl Request<'_> {
    pub(super) fn method(&self) -> &Method {
        &self.context.head.method
    }

    /// The path of a page, as a browser asks for it.
    pub(super) fn href(&self, page: &PagePath) -> String {
        format!("{}{page}", self.context.snapshot.settings.path_prefix)
    }

    /// The path and the query that were asked for. The answer of a provider is in no link: there is no way back to it.
    pub(super) fn here(&self) -> &str {
        let path = self.context.head.uri.path();
        let below = path.strip_prefix(self.context.snapshot.settings.path_prefix.as_str());
        if matches!(below.and_then(PagePath::parse), Some(PagePath::Provider(_))) {
            return "/";
        }
        self.context.head.uri.path_and_query().map_or("/", |target| target.as_str())
    }

    pub(super) fn path_of_icon(&self) -> String {
        self.href(&PagePath::Asset(Asset::Icon))
    }

    /// A parameter of the query; empty when it is not there.
    pub(super) fn parameter(&self, name: &str) -> String {
        Form::parse(self.context.head.uri.query().unwrap_or_default(), None).get(name).to_owned()
    }

    /// The number of the part of a list that is asked for, from 1.
    pub(super) fn page_number(&self) -> usize {
        self.parameter("page").parse().unwrap_or(1)
    }

    /// Returns the frame that all pages show.
    pub(super) fn frame(&self) -> Frame<'_> {
        let visitor = match &self.known {
            None => Visitor::Nobody,
            Some(known) if known.account.is_empty() => Visitor::Anonymous,
            Some(FrameVisitor { account, csrf, sees_events, makes_tokens }) => Visitor::Account {
                name: account,
                csrf: csrf.as_deref(),
                sees_events: *sees_events,
                makes_tokens: *makes_tokens,
            },
        };
        let settings = &self.context.snapshot.settings;
        let headers = &self.context.head.headers;
        let preferences = Preferences::of(headers);
        Frame {
            service: &settings.service,
            host: self.context.origin.host.strip_suffix(":443").unwrap_or(&self.context.origin.host),
            prefix: &settings.path_prefix,
            visitor,
            here: self.here(),
            registry_is_down: self.registry_is_down,
            now: SystemTime::now(),
            language: preferences.language(headers),
            theme: preferences.theme(),
            tool: preferences.tool(),
        }
    }

    fn may_have_tokens(&self, visit: &Visit) -> bool {
        let (snapshot, identity) = (self.context.snapshot, visit.caller.identity());
        let may = || snapshot.longest_lifetime(&identity.account, identity.source).is_some();
        snapshot.has_personal_tokens() && may()
    }

    /// Reads what the registry holds, as the visitor may.
    pub(super) fn reader(&self, visit: &Visit) -> Reader {
        self.pages.summaries.made_with(&self.context.snapshot.settings.follow_redirects);
        Reader {
            subrequest: self.subrequest(),
            caller: Arc::clone(&visit.caller),
            snapshot: Arc::clone(self.context.snapshot),
            tags: Arc::clone(&self.pages.tags),
            summaries: Arc::clone(&self.pages.summaries),
            object_stores: Arc::clone(&self.pages.object_stores),
            closure: Arc::clone(self.closure),
        }
    }

    pub(super) fn subrequest(&self) -> Subrequest {
        Subrequest::of(&self.upstream, self.context, self.address, self.log)
    }

    /// Returns the part of the catalogue that the visitor may see.
    pub(super) async fn catalog_view<'v>(&'v self, visit: &'v Visit) -> PageResult<CatalogView<'v>> {
        let caller = visit.caller.as_authz(&self.context.snapshot.settings.service);
        let view = CatalogView::of(&self.context.snapshot.authorizers, caller).await;
        view.map_err(|error| undecided(&error).into())
    }

    /// Returns true if the visitor may see what others do and may: it has signed in, and may see the whole catalogue. The
    /// names and addresses of others are not for strangers, whatever the anonymous account may do.
    pub(super) async fn sees_others(&self, visit: &Visit) -> PageResult<bool> {
        Ok(!visit.caller.account().is_empty() && self.catalog_view(visit).await?.is_whole())
    }

    /// The fields of the form that was sent, which must come from one of Portwarden's pages: browsers say where a form
    /// was.
    ///
    /// # Errors
    /// Another page sent it, or it is none, or too large.
    pub(super) async fn form(&mut self) -> PageResult<Form> {
        if !cross_site::is_our_own(&self.context.head.headers, self.context.origin) {
            return Err(PageError::Forged);
        }
        let missing = || Refusal::new(ErrorCode::BadRequest, "this page takes a form");
        let body = self.body.take().ok_or_else(missing)?;
        let text = body.form(self.context.head, &self.context.snapshot.settings).await?;
        Ok(Form::parse("", Some(&text.ok_or_else(missing)?)))
    }
}

impl Visit {
    /// Identifies the visitor: by a session, by a password (RFC 7617), or as the anonymous account. Without any of
    /// them, returns the answer that leads on.
    ///
    /// # Errors
    /// A password that is wrong, or cannot be checked now.
    pub(super) async fn of(request: &mut Request<'_>, page: &PagePath) -> PageResult<Result<Self, Answer>> {
        let (caller, session) = match identify(request, page).await? {
            Ok(identified) => identified,
            Err(elsewhere) => return Ok(Err(elsewhere)),
        };
        request.log.asked_by(caller.identity());
        let visit = Self { caller: Arc::new(caller), session };
        let csrf = visit.session.as_ref().map(|session| request.context.snapshot.authority.csrf(session));
        let sees_events = request.sees_others(&visit).await?;
        let makes_tokens = visit.session.is_some() && request.may_have_tokens(&visit);
        let account = visit.caller.account().to_owned();
        request.known = Some(FrameVisitor { account, csrf, sees_events, makes_tokens });
        Ok(Ok(visit))
    }

    /// Returns true if the form was made for this session.
    pub(super) fn sent(&self, form: &Form, snapshot: &Snapshot) -> bool {
        let shown = form.get("csrf");
        self.session.as_ref().is_some_and(|session| snapshot.authority.is_csrf(session, shown))
    }
}

type Identified = (Caller, Option<Session>);

async fn identify(request: &mut Request<'_>, page: &PagePath) -> PageResult<Result<Identified, Answer>> {
    let snapshot = request.context.snapshot;
    let wrong =
        || PageError::Refused(Refusal::new(ErrorCode::Unauthorized, "the name or the password is wrong"));
    let shown = presented(&request.context.head.headers)?;
    shown.record_in(request.log);
    match shown {
        // A Portwarden page that reloads itself has the password sent as well.
        Presented::Password(_) if follows_a_link_from_elsewhere(request) => {
            return Ok(Err(not_allowed(Answer::page(views::reload(&request.frame(), page)), None)));
        }
        Presented::Password(credentials) if credentials.are_of_robot() => {
            return Err(PageError::Denied(TOKENS_STAY_OUT.to_owned()));
        }
        Presented::Password(credentials) => {
            cross_site::refuse_password(
                request.context.head,
                request.context.origin,
                &CorsSettings::default(),
            )?;
            let passwords = &request.authentication.passwords;
            let identity = passwords.check(snapshot, credentials, request.address, request.log).await?;
            let identity = identity.ok_or_else(wrong)?;
            return Ok(Ok((Caller::without_ceiling(identity, true, request.address), None)));
        }
        Presented::Token(_) | Presented::Unknown => return Err(wrong()),
        Presented::Nothing => {}
    }
    let session = session::shown(&request.context.head.headers, snapshot).await;
    let why_ended = session.as_ref().and_then(|session| session.as_ref().err().copied());
    if why_ended == Some(TokenError::ClaimsUnavailable) {
        return Err(claims_unavailable().into());
    }
    let ended = why_ended.is_some();
    if let Some(Ok((session, identity))) = session {
        request.log.shows("session", None);
        return Ok(Ok((Caller::without_ceiling(identity, true, request.address), Some(session))));
    }
    let elsewhere = match snapshot.authenticators.users.anonymous() {
        _ if !ended && follows_a_link_from_elsewhere(request) => {
            Answer::page(views::reload(&request.frame(), page))
        }
        // Not as the anonymous account: what the visitor was looking at would be gone without a word.
        _ if ended => to_sign_in(request, why_ended),
        Some(anonymous) => {
            return Ok(Ok((Caller::without_ceiling(anonymous, false, request.address), None)));
        }
        None => to_sign_in(request, None),
    };
    Ok(Err(not_allowed(elsewhere, why_ended)))
}

/// An answer that the audit log counts as nothing that was allowed, with the reason why the session has ended.
fn not_allowed(answer: Answer, why: Option<TokenError>) -> Answer {
    let why = why.map(|error| error.to_string());
    Answer::refusing(answer.response, Refusal::unauthorized(Vec::new(), None, why))
}

/// Returns true if a browser may have kept back the session's cookie, which is `SameSite=Strict`. A page here that
/// loads itself again has it sent.
fn follows_a_link_from_elsewhere(request: &Request<'_>) -> bool {
    let is = |name: &HeaderName, values: &[&str]| {
        request.context.head.headers.get(name).is_some_and(|value| values.iter().any(|known| value == known))
    };
    let is_followed = is(&SEC_FETCH_SITE, &["cross-site", "same-site"]) && is(&SEC_FETCH_MODE, &["navigate"]);
    is_followed && request.method() == Method::GET
}

/// Redirects to the page to sign in, and from there back.
fn to_sign_in(request: &Request<'_>, ended: Option<TokenError>) -> Answer {
    let next = crate::registry::percent_encode(request.here());
    let why = match ended {
        None => String::new(),
        Some(TokenError::SignIn(end)) => format!("&ended={}", end.code()),
        Some(_) => "&ended=1".to_owned(),
    };
    let answer = Answer::redirect(&format!("{}?next={next}{why}", request.href(&PagePath::SignIn)));
    if ended.is_some() { answer.with_cookie(&session::forget()) } else { answer }
}
