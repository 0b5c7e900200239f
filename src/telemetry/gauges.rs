//! Gauges that are not counted up and down: the state of a moment, read on each request for the metrics.

use std::sync::atomic::Ordering;

use prometheus_client::{
    metrics::{
        counter::{ConstCounter, Counter},
        family::Family,
        gauge::{ConstGauge, Gauge},
    },
    registry::Registry,
};

use super::DeliveryReading;

/// The state of a moment, for the gauges.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MetricsSnapshot {
    /// Password checks that run.
    pub password_checks_running: usize,
    /// Password checks that wait for one of those to end.
    pub password_checks_waiting: usize,
    /// Connections to the registry that carry a request.
    pub upstream_busy: usize,
    /// Connections to the registry that are kept for the next one.
    pub upstream_idle: usize,
    /// Requests that wait for a slot before the registry.
    pub upstream_waiting: usize,
    /// The number of requests rejected for load since the start, by limit.
    pub limited: Vec<(&'static str, u64)>,
    /// For each issuer of `workload_auth` whose keys are fetched: its name, the questions to it, how many failed, and
    /// the age of its keys in seconds; `None` while there are none.
    pub issuers: Vec<(String, u64, u64, Option<u64>)>,
    /// True if a registry answers at `registry.url`; `None` while that is not known.
    pub registry_up: Option<bool>,
    /// True if reads are answered from the registry's files.
    pub answers_from_storage: bool,
    /// True if writes are frozen.
    pub frozen: bool,
    /// Accounts and tokens that are revoked.
    pub revocations: usize,
    /// Personal tokens that are kept.
    pub personal_tokens: usize,
    /// Personal tokens that were made, and revoked by their ids, since the start.
    pub personal_token_changes: Vec<(&'static str, u64)>,
    /// Programs that asked for a token of a person since the start, by outcome.
    pub device_logins: Vec<(&'static str, u64)>,
    /// True if there is a state file, and as far as is known it can be written to.
    pub state_up: bool,
    /// Seconds since all changes of other replicas were known; 0 without others.
    pub state_behind: u64,
    /// Sets of claims of accounts that were stored or read since the start, by outcome.
    pub stored_claims: Vec<(&'static str, u64)>,
    /// People who have signed in at a provider.
    pub sign_ins: usize,
    /// Questions to providers since the start whether a person may still sign in, by outcome.
    pub sign_in_checks: Vec<(&'static str, u64)>,
    /// Pushes and deletions since the start that a write-once tag was in the way of, by outcome.
    pub write_once: Vec<(&'static str, u64)>,
    /// Tags that were deleted since the start without the others on their manifest, by the way it was done.
    pub deleted_tags: Vec<(&'static str, u64)>,
    /// Tags and manifests that were pruned since the start.
    pub pruned: Vec<(&'static str, u64)>,
    /// Pushes, pulls and deletions since the start that were recorded as activity, or could not be, by outcome.
    pub activity: Vec<(&'static str, u64)>,
    /// Questions since the start whether tags reach a digest, by outcome.
    pub closure: Vec<(&'static str, u64)>,
    /// Digests of which it is known what reaches them.
    pub closure_digests: usize,
    /// The end of `shadow`, in seconds since 1970; 0 without one.
    pub shadow_until: u64,
    /// The state of each endpoint of `notifications`.
    pub deliveries: Vec<DeliveryReading>,
    /// Orders of a certificate by ACME, where it comes so.
    pub orders: Option<OrderReading>,
    /// Lines of the audit log that were lost since the start.
    pub audit_lines_lost: u64,
    /// Lines of the audit log that were summed up since the start.
    pub audit_lines_summed_up: u64,
}

/// Orders of a certificate by ACME since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OrderReading {
    /// Those that brought a certificate.
    pub done: u64,
    /// Those that failed.
    pub failed: u64,
    /// True if the last one failed.
    pub is_failing: bool,
    /// The time of the last failure, in seconds since 1970; 0 without one.
    pub last_failure: u64,
}

/// One label, whose values are ours.
pub(super) type Label = [(&'static str, &'static str); 1];
/// Labels of which one is named by the configuration.
type Named = Vec<(&'static str, String)>;

/// The keys of issuers. Those of one that a reload has removed stay as they were.
#[derive(Debug, Default)]
pub(super) struct IssuerKeys {
    fetches: Family<Named, Counter>,
    age: Family<Named, Gauge>,
}

impl IssuerKeys {
    fn register(&self, r: &mut Registry, reading: &MetricsSnapshot) {
        for (issuer, fetches, failures, age) in &reading.issuers {
            let labels = vec![("issuer", issuer.clone())];
            for (outcome, count) in [("done", fetches - failures), ("failed", *failures)] {
                let labels = [labels.clone(), vec![("outcome", outcome.to_owned())]].concat();
                self.fetches.get_or_create(&labels).inner().store(count, Ordering::Relaxed);
            }
            if let Some(age) = age {
                self.age.get_or_create(&labels).set(i64::try_from(*age).unwrap_or(i64::MAX));
            }
        }
        let help = "Questions to the issuers of workload_auth for their keys, by outcome";
        r.register("workload_key_fetches", help, self.fetches.clone());
        let help = "Age of the keys of an issuer of workload_auth";
        r.register("workload_keys_age_seconds", help, self.age.clone());
    }
}

impl MetricsSnapshot {
    /// The gauges, and the counters that are counted elsewhere.
    pub(super) fn registry(&self, issuers: &IssuerKeys) -> Registry {
        let mut registry = Registry::with_prefix("portwarden");
        issuers.register(&mut registry, self);
        self.register_load(&mut registry);
        self.register_state(&mut registry);
        self.register_outcomes(&mut registry);
        self.register_deliveries(&mut registry);
        self.register_orders(&mut registry);
        registry
    }

    fn register_load(&self, r: &mut Registry) {
        let checks = [("running", self.password_checks_running), ("waiting", self.password_checks_waiting)];
        gauges(r, "password_checks", "Password checks that run or wait", checks);
        let connections =
            [("busy", self.upstream_busy), ("idle", self.upstream_idle), ("waiting", self.upstream_waiting)];
        let help = "Connections to the registry; waiting: requests for one";
        gauges(r, "upstream_connections", help, connections);
        let limited = "What was turned away for load, by the limit";
        counters(r, "limited", limited, "limit", &self.limited);
        let deleted = "Tags that were deleted alone, by the registry itself or with the placeholder";
        counters(r, "deleted_tags", deleted, "how", &self.deleted_tags);
        counters(r, "pruned", "Tags and manifests that prune deleted", "what", &self.pruned);
        let lost = ConstCounter::new(self.audit_lines_lost);
        r.register("audit_lines_lost", "Lines of the audit log that could not be written", lost);
        let help = "Lines of the audit log about requests without an account that were counted, not written";
        r.register("audit_lines_summed_up", help, ConstCounter::new(self.audit_lines_summed_up));
    }

    fn register_state(&self, r: &mut Registry) {
        for (name, help, value) in [
            ("registry_up", "1 while a registry answers at registry.url", self.registry_up == Some(true)),
            (
                "storage_answers_up",
                "1 while reads are answered from the registry's files",
                self.answers_from_storage,
            ),
            ("frozen", "1 while writes are frozen", self.frozen),
            ("state_up", "1 while the state file can be used; 0 without one", self.state_up),
        ] {
            r.register(name, help, ConstGauge::new(u64::from(value)));
        }
        for (name, help, value) in [
            ("revocations", "Accounts and tokens that are revoked", self.revocations),
            ("personal_tokens", "Personal tokens that are kept", self.personal_tokens),
            ("sign_ins", "People on record who have signed in at a provider", self.sign_ins),
            ("closure_digests", "Digests of which it is known which tags reach them", self.closure_digests),
        ] {
            r.register(name, help, ConstGauge::new(value as u64));
        }
        let help = "The time since all changes of other replicas were known; 0 without others";
        r.register("state_behind_seconds", help, ConstGauge::new(self.state_behind));
        let help = "When the comparison with the next rules ends; 0 without one";
        r.register("shadow_until_timestamp_seconds", help, ConstGauge::new(self.shadow_until));
    }

    fn register_outcomes(&self, r: &mut Registry) {
        for (name, help, counts) in [
            (
                "stored_claims",
                "Labels of accounts that were too long for a token, stored or read in the state file, by outcome",
                &self.stored_claims,
            ),
            (
                "personal_token_changes",
                "Personal tokens that were made, and revoked by their ids",
                &self.personal_token_changes,
            ),
            (
                "device_logins",
                "Programs that asked for a token of a person, by what became of it",
                &self.device_logins,
            ),
            (
                "sign_in_checks",
                "Questions to providers whether a person may still sign in, by outcome",
                &self.sign_in_checks,
            ),
            (
                "write_once",
                "Pushes and deletions that a write-once tag was in the way of, by outcome",
                &self.write_once,
            ),
            (
                "activity",
                "Pushes, pulls and deletions that were recorded as activity or lost, and failures to store them",
                &self.activity,
            ),
            (
                "closure",
                "Questions whether the tags that an account may use reach a digest, by outcome",
                &self.closure,
            ),
        ] {
            counters(r, name, help, "outcome", counts);
        }
    }

    fn register_deliveries(&self, r: &mut Registry) {
        let (events, waiting, oldest) =
            <(Family<Named, Counter>, Family<Named, Gauge>, Family<Named, Gauge>)>::default();
        let gauge = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        for reading in &self.deliveries {
            let labels = vec![("endpoint", reading.endpoint.clone())];
            for (outcome, count) in
                [("sent", reading.sent), ("failed", reading.failed), ("dropped", reading.dropped)]
            {
                let labels = [labels.clone(), vec![("outcome", outcome.to_owned())]].concat();
                events.get_or_create(&labels).inc_by(count);
            }
            waiting.get_or_create(&labels).set(gauge(reading.waiting));
            oldest.get_or_create(&labels).set(gauge(reading.oldest));
        }
        let help =
            "Events that an endpoint has taken or had no room for, and attempts that failed, by outcome";
        r.register("notifications", help, events);
        r.register("notifications_waiting", "Events that wait for an endpoint", waiting);
        let help = "The age of the oldest event that waits for an endpoint; 0 if none does";
        r.register("notifications_oldest_seconds", help, oldest);
    }

    fn register_orders(&self, r: &mut Registry) {
        let OrderReading { done, failed, is_failing, last_failure } = self.orders.unwrap_or_default();
        let counts = self.orders.map(|_| [("done", done), ("failed", failed)]);
        let help = "Orders of a certificate by ACME, by outcome";
        counters(r, "acme_orders", help, "outcome", counts.as_ref().map_or(&[], |counts| counts));
        let help = "1 while the last order of a certificate by ACME failed";
        r.register("acme_order_failing", help, ConstGauge::new(u64::from(is_failing)));
        let help = "When an order of a certificate by ACME failed last; 0 if none did";
        r.register("acme_last_failure_timestamp_seconds", help, ConstGauge::new(last_failure));
    }
}

fn gauges<const N: usize>(r: &mut Registry, name: &str, help: &str, values: [(&'static str, usize); N]) {
    let family = Family::<Label, Gauge>::default();
    for (state, value) in values {
        family.get_or_create(&[("state", state)]).set(i64::try_from(value).unwrap_or(i64::MAX));
    }
    r.register(name, help, family);
}

fn counters(r: &mut Registry, name: &str, help: &str, label: &'static str, counts: &[(&'static str, u64)]) {
    let family = Family::<Label, Counter>::default();
    for (value, count) in counts {
        family.get_or_create(&[(label, *value)]).inc_by(*count);
    }
    r.register(name, help, family);
}
