//! One request under observation: what the steps of the journey learn of it, told to the audit log and the metrics at
//! its decision and at its end. Decides nothing.

mod credentials;
mod part;
mod registry_events;

use std::{
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use hyper::{
    HeaderMap, Method, Response, StatusCode,
    header::{self, HeaderValue},
    http::request::Parts,
};

use super::{
    Peer,
    body::request_body::Progress,
    request::{confirmed::Confirmed, origin::Origin, target::Target, trace_context},
    upstream::UpstreamError,
};
use crate::{
    authz::Comparison,
    registry::{self, ChallengeError, ErrorCode, Refusal, RepositoryName, Route, Scope},
    telemetry::{Decision, Direction, Ended, Event, HeldDecision, Intent, Record, RequestId, Telemetry},
    ui::PagePath,
};

/// A request from its head until its response has gone out. Dropped, it has ended: a client that vanishes, and with it
/// the future that answers it, leaves its line too.
pub struct RequestLog {
    telemetry: Arc<Telemetry>,
    id: RequestId,
    began: Instant,
    record: Record,
    /// Of a request that may go to the registry.
    decision: HeldDecision,
    subject: Subject,
    method: Method,
    status: Option<StatusCode>,
    bytes_in: Option<Arc<Progress>>,
    bytes_out: u64,
    /// The time at which it was sent to the registry.
    sent: Option<Instant>,
    ended: Option<Ended>,
    /// The scheme, and the host and port, by which the client came; only where events are heard.
    origin: Option<Origin>,
    /// The tags on the manifest that is deleted; only where they are looked up.
    gone: Option<Vec<String>>,
    /// The pull that the registry has allowed, told when all of it has gone out.
    pull: Option<Confirmed>,
    /// The change that is written down, while it is not known whether the registry makes it.
    intent: Option<Intent>,
    /// A part of a request, which the metrics count already.
    is_part: bool,
}

/// The subject of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Subject {
    /// The registry.
    Registry,
    /// A token.
    Token,
    /// A web page.
    Page,
    /// A resource that every client may see, or that does not exist, and the questions of a program that waits for a
    /// person: counted, and not written down.
    Other,
}

impl Subject {
    /// The subject of a request for this target.
    pub(super) fn of(target: &Target) -> Self {
        match target {
            Target::Registry => Self::Registry,
            Target::Token => Self::Token,
            // Of the browser alone: nothing is decided.
            Target::Page(Some(PagePath::Preferences)) => Self::Other,
            Target::Page(Some(page)) if page.is_page() => Self::Page,
            _ => Self::Other,
        }
    }
}

impl RequestLog {
    /// Begins the observation of a request; `given` is the name that a trusted proxy has for it.
    pub(super) fn begin(
        telemetry: &Arc<Telemetry>,
        head: &Parts,
        peer: Peer,
        subject: Subject,
        given: Option<RequestId>,
    ) -> Box<Self> {
        let id = given.unwrap_or_else(RequestId::random);
        // It moves from the journey to the body.
        let mut log = Box::new(Self {
            telemetry: Arc::clone(telemetry),
            id,
            began: Instant::now(),
            record: Record::new(Event::Decision),
            decision: HeldDecision::default(),
            subject,
            method: head.method.clone(),
            status: None,
            bytes_in: None,
            bytes_out: 0,
            sent: None,
            ended: None,
            origin: None,
            gone: None,
            pull: None,
            intent: None,
            is_part: false,
        });
        let Self { record, id, .. } = &mut *log;
        if telemetry.keeps_records() {
            id.as_str().clone_into(&mut record.request_id);
            record.trace_id = trace_context::trace_id(&head.headers).map(str::to_owned);
            record.method = registry::Method::shown(head.method.as_str());
            record.address = peer.address.map(|address| address.ip().to_canonical());
            record.user_agent = head.headers.get(header::USER_AGENT).map(beginning);
        }
        record.route = (subject == Subject::Page).then_some(PAGE);
        telemetry.metrics.request_began();
        log
    }

    /// The sinks that it reports to.
    pub(super) fn telemetry(&self) -> &Arc<Telemetry> {
        &self.telemetry
    }

    /// The name of the request.
    pub(super) fn id(&self) -> &RequestId {
        &self.id
    }

    /// Records its route.
    pub(super) fn routed(&mut self, route: &Route) {
        let record = &mut self.record;
        record.route = Some(route.endpoint().class());
        if self.telemetry.keeps_records() {
            record.repository = route.endpoint().repository().map(|name| name.as_str().to_owned());
            record.reference = route.reference().map(str::to_owned);
            record.tags = (!route.tags().is_empty())
                .then(|| route.tags().iter().map(|tag| tag.as_str().to_owned()).collect());
            record.from = route.source().map(|name| name.as_str().to_owned());
            record.requested = Some(texts(route.needs())).filter(|needs| !needs.is_empty());
        }
    }

    /// Records the kind of page.
    pub(super) fn on_page(&mut self, kind: Option<&'static str>) {
        self.record.page = kind;
    }

    /// Records the subject of a page.
    pub(super) fn about(&mut self, name: &RepositoryName, reference: Option<&str>) {
        if self.telemetry.keeps_records() {
            self.record.repository = Some(name.as_str().to_owned());
            self.record.reference = reference.map(str::to_owned);
        }
    }

    /// Records the address it comes from, by the word of a trusted proxy too.
    pub(super) fn from(&mut self, address: Option<IpAddr>) {
        self.record.address = address.or(self.record.address);
    }

    /// Counts a login that needs no password: `accepted` or `failed`.
    pub(super) fn counts_login(&self, outcome: &'static str) {
        self.telemetry.metrics.login(outcome);
    }

    /// Records the source of the decision; only asked for where it is written down.
    pub(super) fn ruled(&mut self, by: impl FnOnce() -> String) {
        if self.telemetry.keeps_records() {
            self.record.rule = Some(by()).filter(|by| !by.is_empty());
        }
    }

    /// Records the difference that the next rules would make, and the one of them that makes it.
    pub(super) fn compared(&mut self, comparison: Comparison, rule: Option<String>) {
        self.telemetry.metrics.compared(comparison.as_str());
        self.record.shadow = match comparison {
            Comparison::Same => None,
            Comparison::Gain => Some("allowed"),
            Comparison::Loss => Some("denied"),
            Comparison::Undecided => Some("undecided"),
        };
        self.record.shadow_rule = rule;
    }

    /// Records the service that a token is to be for.
    pub(super) fn for_service(&mut self, service: &str) {
        if self.telemetry.keeps_records() {
            self.record.service = Some(service.to_owned());
        }
    }

    /// Records the scopes that a token was asked for, and those it grants.
    pub(super) fn granted(&mut self, requested: &[Scope], granted: &[Scope]) {
        if self.telemetry.keeps_records() {
            self.record.requested = Some(texts(requested));
            let granted = granted.iter().filter(|scope| !scope.actions.is_empty());
            self.record.granted = Some(granted.map(Scope::to_string).collect());
        }
    }

    /// It may go to the registry. The line is written within milliseconds, since what follows may take hours; or never,
    /// where the request has ended by then, and that line says all of it.
    pub(super) fn allowed(&mut self) {
        self.decide(Decision::Allowed);
        // Without that field, a reader could not tell the one line from the second of two.
        if self.record.requested.is_none() {
            return self.write();
        }
        self.record.time = SystemTime::now();
        self.decision = self.telemetry.audit.hold(&self.record);
    }

    /// It goes to the registry now.
    pub(super) fn forwarding(&mut self, body: Arc<Progress>) {
        self.sent = Some(Instant::now());
        self.record.event = Event::Transfer;
        self.bytes_in = Some(body);
    }

    /// It is answered from the registry's files, and goes no further.
    pub(super) fn answered_from_storage(&mut self, body: Arc<Progress>) {
        self.record.event = Event::Transfer;
        self.record.answered_by = Some("storage");
        self.bytes_in = Some(body);
    }

    /// The registry answers a request whose headers were `sent`.
    pub(super) fn answered<B>(&mut self, route: &Route, sent: &HeaderMap, response: &Response<B>) {
        if let Some(sent) = self.sent {
            let added = sent.duration_since(self.began);
            self.telemetry.metrics.forwarded(self.class(), added, sent.elapsed());
        }
        if self.telemetry.keeps_records() {
            let digest =
                response.headers().get("docker-content-digest").and_then(|value| value.to_str().ok());
            self.record.digest = digest.map(str::to_owned);
        }
        if self.telemetry.events.are_heard() {
            self.confirmed(Confirmed::by(route, sent, response.status(), response.headers()));
        }
        // It says no, or something else than was asked for. What a server error leaves behind is not known.
        if !response.status().is_server_error() {
            self.not_done();
        }
    }

    /// The registry does not.
    pub(super) fn unanswered(&mut self, error: &UpstreamError) {
        self.ended = Some(match error {
            UpstreamError::Client(_) => Ended::ClientGone,
            _ => Ended::UpstreamLost,
        });
        if !error.may_have_been_sent() {
            self.not_done();
        }
    }

    /// The journey is over, with a response that is still to go out, or a refusal.
    pub(super) fn concluded(&mut self, refusal: Option<&Refusal>, status: StatusCode) {
        self.status = Some(status);
        self.record.status = Some(status.as_u16());
        self.record.reason = refusal.map(|refusal| refusal.message.clone());
        if self.record.event == Event::Transfer || self.subject == Subject::Other {
            return;
        }
        self.decide(refusal.map_or(Decision::Allowed, |refusal| self.judged(refusal)));
        self.record.duration_ms = Some(milliseconds(self.began.elapsed()));
        self.write();
    }

    /// Bytes of the response have gone out.
    pub(super) fn sent_out(&mut self, bytes: usize) {
        self.bytes_out += bytes as u64;
        self.telemetry.metrics.moved(Direction::Out, bytes as u64);
    }

    /// The whole response has gone out, or it will not.
    pub(super) fn end(&mut self, ended: Ended) {
        self.ended.get_or_insert(ended);
    }

    fn judged(&self, refusal: &Refusal) -> Decision {
        let shown = self.record.credentials.is_some_and(|credentials| credentials != "none");
        match (refusal.code, refusal.challenge.as_ref().and_then(|challenge| challenge.error)) {
            (ErrorCode::Unauthorized, Some(ChallengeError::InsufficientScope)) => Decision::Denied,
            (ErrorCode::Unauthorized, None) if !shown => Decision::Challenged,
            (ErrorCode::Unauthorized, _) => Decision::Unauthenticated,
            _ => Decision::Refused,
        }
    }

    fn decide(&mut self, decision: Decision) {
        self.record.decision = Some(decision);
        if self.subject == Subject::Token {
            self.record.event = Event::Token;
            self.telemetry.metrics.token(decision);
        } else {
            self.telemetry.metrics.decided(decision);
        }
    }

    /// For metrics: the kind of endpoint.
    fn class(&self) -> &'static str {
        match self.subject {
            Subject::Registry => self.record.route.unwrap_or("unknown"),
            Subject::Token => "token",
            Subject::Page => PAGE,
            Subject::Other => "other",
        }
    }

    /// A client that hangs up before the decision, while a password is checked, leaves a line as well.
    fn write_undecided(&mut self) {
        if self.status.is_some() || self.subject == Subject::Other {
            return;
        }
        if self.subject == Subject::Token {
            self.record.event = Event::Token;
        }
        self.record.ended = Some(Ended::ClientGone);
        self.record.duration_ms = Some(milliseconds(self.began.elapsed()));
        self.write();
    }

    fn write(&mut self) {
        self.record.time = SystemTime::now();
        self.telemetry.audit.write(&self.record);
    }
}

impl Drop for RequestLog {
    fn drop(&mut self) {
        let metrics = &self.telemetry.metrics;
        let status = self.status.map(|status| status.as_u16());
        if !self.is_part {
            metrics.request_ended(self.class(), self.method.as_str(), status);
        }
        if self.record.event != Event::Transfer {
            self.write_undecided();
            return;
        }
        let ended = self.ended.unwrap_or(Ended::ClientGone);
        metrics.transferred(ended);
        // A refusal in the place of the answer has its status.
        if ended == Ended::Complete && status.is_some_and(|status| status < 400) {
            self.went_out();
        }
        self.record.ended = Some(ended);
        self.record.bytes_in = Some(self.bytes_in.as_ref().map_or(0, |body| body.bytes()));
        self.record.bytes_out = Some(self.bytes_out);
        self.record.duration_ms = Some(milliseconds(self.began.elapsed()));
        self.record.time = SystemTime::now();
        self.telemetry.audit.end(&self.decision, &mut self.record);
    }
}

/// Characters of a text that a client chooses: a form may have 64 KiB of a name, and the last lines are kept at hand.
const LONGEST_CLAIM: usize = 256;

/// The beginning of what a client says of itself.
fn beginning(value: &HeaderValue) -> String {
    String::from_utf8_lossy(value.as_bytes()).chars().take(LONGEST_CLAIM).collect()
}

fn texts(scopes: &[Scope]) -> Vec<String> {
    scopes.iter().map(Scope::to_string).collect()
}

/// The route of a web page, in logs and metrics.
const PAGE: &str = "page";

/// Milliseconds, to the microsecond.
fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}
