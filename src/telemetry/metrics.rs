//! Counters, gauges and histograms, in the text that Prometheus scrapes.
//!
//! The names are documented in `docs/monitoring.md` and used by the dashboard beside it; they are an interface. No
//! label has a value that a client chooses: accounts and repositories are for the audit log.

use std::{
    fmt,
    sync::atomic::AtomicU64,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use prometheus_client::{
    encoding::{EncodeLabelSet, text},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram, info::Info},
    registry::{Registry, Unit},
};

use super::{
    Decision, Ended, Exposition,
    gauges::{IssuerKeys, Label, MetricsSnapshot},
    process::Process,
};

/// All metrics, counted since the start of the process.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    decisions: Family<Label, Counter>,
    tokens: Family<Label, Counter>,
    logins: Family<Label, Counter>,
    shadow: Family<Label, Counter>,
    stored_blobs: Family<Label, Counter>,
    storage_answers: Family<Label, Counter>,
    transfers: Family<Label, Counter>,
    bytes: Family<Label, Counter>,
    /// Counters of `bytes`, at hand: they are raised for each piece of a body.
    bytes_in: Counter,
    bytes_out: Counter,
    active: Gauge,
    connections: Gauge,
    added_latency: Family<Label, Histogram, fn() -> Histogram>,
    upstream_latency: Family<Label, Histogram, fn() -> Histogram>,
    reloads: Family<Label, Counter>,
    last_reload: Gauge<f64, AtomicU64>,
    certificate_expiry: Family<Label, Gauge<f64, AtomicU64>>,
    issuers: IssuerKeys,
}

/// A connection that is counted as open until it is dropped.
#[derive(Debug)]
pub struct Connected(Gauge);

impl Drop for Connected {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// The direction of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From the client: pushes.
    In,
    /// To the client: pulls.
    Out,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    route: &'static str,
    method: &'static str,
    status: u16,
}

/// Our own part of a small request takes tens of microseconds, a password tens of milliseconds.
const ADDED: [f64; 14] =
    [50e-6, 100e-6, 250e-6, 500e-6, 1e-3, 2.5e-3, 5e-3, 10e-3, 25e-3, 50e-3, 100e-3, 250e-3, 1.0, 5.0];
/// The registry's part: a manifest takes a millisecond, the end of a large upload to an object store minutes.
const UPSTREAM: [f64; 13] =
    [500e-6, 1e-3, 2.5e-3, 5e-3, 10e-3, 25e-3, 50e-3, 100e-3, 250e-3, 1.0, 5.0, 30.0, 120.0];

impl Default for Metrics {
    fn default() -> Self {
        let bytes = Family::<Label, Counter>::default();
        let counted = |direction| bytes.get_or_create_owned(&[("direction", direction)]);
        let (bytes_in, bytes_out) = (counted("in"), counted("out"));
        let mut metrics = Self {
            registry: Registry::default(),
            requests: Family::default(),
            decisions: Family::default(),
            tokens: Family::default(),
            logins: Family::default(),
            shadow: Family::default(),
            stored_blobs: Family::default(),
            storage_answers: Family::default(),
            transfers: Family::default(),
            bytes,
            bytes_in,
            bytes_out,
            active: Gauge::default(),
            connections: Gauge::default(),
            added_latency: Family::new_with_constructor(|| Histogram::new(ADDED)),
            upstream_latency: Family::new_with_constructor(|| Histogram::new(UPSTREAM)),
            reloads: Family::default(),
            last_reload: Gauge::default(),
            certificate_expiry: Family::default(),
            issuers: IssuerKeys::default(),
        };
        metrics.begin_at_zero();
        metrics.registry = metrics.register();
        metrics
    }
}

impl Metrics {
    /// The text of all metrics, with `reading` as the state of now.
    ///
    /// # Errors
    /// None that is known: the library formats into memory.
    pub fn render(&self, reading: &MetricsSnapshot, form: Exposition) -> Result<String, fmt::Error> {
        let mut text = String::new();
        text::encode_registry(&mut text, &self.registry)?;
        text::encode_registry(&mut text, &reading.registry(&self.issuers))?;
        text::encode_eof(&mut text)?;
        Ok(form.of(text))
    }

    /// A counter that appears with its first event hides that event from `rate` and `increase`.
    fn begin_at_zero(&self) {
        for decision in Decision::ALL {
            drop(self.decisions.get_or_create(&[("decision", decision.as_str())]));
            drop(self.tokens.get_or_create(&[("outcome", decision.as_str())]));
        }
        for ended in Ended::ALL {
            drop(self.transfers.get_or_create(&[("ended", ended.as_str())]));
        }
        let outcomes: [(_, &[_]); 5] = [
            (&self.logins, &["accepted", "failed", "throttled", "unanswered"]),
            (&self.shadow, &["same", "gain", "loss", "undecided"]),
            (&self.stored_blobs, &["file", "answer", "missing", "other", "unreadable", "slow", "busy"]),
            (
                &self.storage_answers,
                &[
                    "storage",
                    "off",
                    "condition",
                    "unlearned",
                    "accept",
                    "missing",
                    "other",
                    "unreadable",
                    "slow",
                    "busy",
                ],
            ),
            (&self.reloads, &["done", "failed"]),
        ];
        for (family, outcomes) in outcomes {
            for outcome in outcomes {
                drop(family.get_or_create(&[("outcome", *outcome)]));
            }
        }
    }

    /// A client has connected.
    pub fn connected(&self) -> Connected {
        self.connections.inc();
        Connected(self.connections.clone())
    }

    /// A request began.
    pub fn request_began(&self) {
        self.active.inc();
    }

    /// A request ended. Without a status its client went away before the answer: 499, as nginx counts it.
    pub fn request_ended(&self, route: &'static str, method: &str, status: Option<u16>) {
        self.active.dec();
        let labels = RequestLabels { route, method: known_method(method), status: status.unwrap_or(499) };
        self.requests.get_or_create(&labels).inc();
    }

    /// A request for the registry was decided.
    pub fn decided(&self, decision: Decision) {
        self.decisions.get_or_create(&[("decision", decision.as_str())]).inc();
    }

    /// A token was asked for: `allowed` is one issued.
    pub fn token(&self, decision: Decision) {
        self.tokens.get_or_create(&[("outcome", decision.as_str())]).inc();
    }

    /// A password was checked: `accepted`, `failed`, `throttled` or `unanswered`.
    pub fn login(&self, outcome: &'static str) {
        self.logins.get_or_create(&[("outcome", outcome)]).inc();
    }

    /// A request was put to the next rules: `same`, `gain`, `loss` or `undecided`.
    pub fn compared(&self, outcome: &'static str) {
        self.shadow.get_or_create(&[("outcome", outcome)]).inc();
    }

    /// A blob was to be read from its file: `file` where it was, else the reason why the registry was asked for all of it.
    pub fn read_blob(&self, outcome: &'static str) {
        self.stored_blobs.get_or_create(&[("outcome", outcome)]).inc();
    }

    /// A read was to be answered from files: `storage` where it was, else the reason why the registry was asked.
    pub fn answered_from_storage(&self, outcome: &'static str) {
        self.storage_answers.get_or_create(&[("outcome", outcome)]).inc();
    }

    /// Bytes of bodies that were passed on.
    pub fn moved(&self, direction: Direction, bytes: u64) {
        let counter = match direction {
            Direction::In => &self.bytes_in,
            Direction::Out => &self.bytes_out,
        };
        counter.inc_by(bytes);
    }

    /// A request was sent on: the time it had been with Portwarden, and the time that the registry took to its
    /// response's head.
    pub fn forwarded(&self, route: &'static str, added: Duration, upstream: Duration) {
        self.added_latency.get_or_create(&[("route", route)]).observe(added.as_secs_f64());
        self.upstream_latency.get_or_create(&[("route", route)]).observe(upstream.as_secs_f64());
    }

    /// A request that was sent on has ended.
    pub fn transferred(&self, ended: Ended) {
        self.transfers.get_or_create(&[("ended", ended.as_str())]).inc();
    }

    /// The configuration was read anew, or could not be.
    pub fn reloaded(&self, outcome: Result<(), ()>) {
        let outcome = if outcome.is_ok() { "done" } else { "failed" };
        self.reloads.get_or_create(&[("outcome", outcome)]).inc();
        if outcome == "done" {
            self.last_reload.set(unix(SystemTime::now()));
        }
    }

    /// Sets the expiry of a certificate in use; `purpose` is `server` or `token`.
    pub fn certificate_expires(&self, purpose: &'static str, at: SystemTime) {
        self.certificate_expiry.get_or_create(&[("use", purpose)]).set(unix(at));
    }

    fn register(&self) -> Registry {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Process::started_now()));
        let r = registry.sub_registry_with_prefix("portwarden");
        r.register("build", "The version that runs", Info::new([("version", env!("CARGO_PKG_VERSION"))]));
        r.register(
            "requests",
            "Requests by kind of endpoint, method and status; 499: the client went away",
            self.requests.clone(),
        );
        r.register("connections", "Client connections that are open", self.connections.clone());
        r.register("active_requests", "Requests whose response has not ended", self.active.clone());
        r.register("decisions", "Requests for the registry by decision", self.decisions.clone());
        r.register("tokens", "Token requests by outcome; allowed: one was issued", self.tokens.clone());
        r.register("logins", "Passwords by outcome", self.logins.clone());
        r.register(
            "shadow",
            "Requests by the difference that the next rules would make",
            self.shadow.clone(),
        );
        r.register(
            "stored_blobs",
            "Blobs that were to be read from the registry's files, by outcome",
            self.stored_blobs.clone(),
        );
        r.register(
            "storage_answers",
            "Reads that were to be answered from the registry's files, by outcome",
            self.storage_answers.clone(),
        );
        r.register(
            "transfers",
            "Requests that went to the registry, by how they ended",
            self.transfers.clone(),
        );
        r.register_with_unit(
            "transfer",
            "Bytes of bodies; in: from clients",
            Unit::Bytes,
            self.bytes.clone(),
        );
        r.register_with_unit(
            "added_latency",
            "From a request's head to sending it on: our own part",
            Unit::Seconds,
            self.added_latency.clone(),
        );
        r.register_with_unit(
            "upstream_latency",
            "From sending a request on to the head of the registry's response; of an upload, with its body",
            Unit::Seconds,
            self.upstream_latency.clone(),
        );
        r.register("reloads", "Readings of the configuration after the start", self.reloads.clone());
        r.register_with_unit(
            "last_reload_timestamp",
            "Of the last one that was done",
            Unit::Seconds,
            self.last_reload.clone(),
        );
        r.register_with_unit(
            "certificate_expiry_timestamp",
            "When a certificate in use ends",
            Unit::Seconds,
            self.certificate_expiry.clone(),
        );
        registry
    }
}

/// A label must not take whatever a client sends.
fn known_method(method: &str) -> &'static str {
    const KNOWN: [&str; 6] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];
    KNOWN.into_iter().find(|known| *known == method).unwrap_or("other")
}

fn unix(time: SystemTime) -> f64 {
    time.duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_counted_is_in_the_text_and_no_client_chooses_a_label() {
        let metrics = Metrics::default();
        metrics.request_began();
        metrics.request_ended("blob", "GET", Some(200));
        metrics.request_began();
        metrics.request_ended("other", "EVIL\"} 1", None);
        metrics.moved(Direction::Out, 5);
        metrics.decided(Decision::Denied);
        let _open = [metrics.connected(), metrics.connected()];
        drop(metrics.connected());
        let reading =
            MetricsSnapshot { limited: vec![("connections_per_address", 3)], ..MetricsSnapshot::default() };
        let text = metrics.render(&reading, Exposition::OpenMetrics).unwrap();
        for line in [
            "portwarden_requests_total{route=\"blob\",method=\"GET\",status=\"200\"} 1",
            "portwarden_requests_total{route=\"other\",method=\"other\",status=\"499\"} 1",
            "portwarden_active_requests 0",
            "portwarden_transfer_bytes_total{direction=\"out\"} 5",
            "portwarden_decisions_total{decision=\"denied\"} 1",
            "portwarden_connections 2",
            "portwarden_limited_total{limit=\"connections_per_address\"} 3",
            "portwarden_frozen 0",
        ] {
            assert!(text.lines().any(|found| found == line), "no {line} in\n{text}");
        }
        assert!(text.contains("process_resident_memory_bytes ") && text.ends_with("# EOF\n"), "{text}");
    }
}
