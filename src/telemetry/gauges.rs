//! Gauges that are not counted up and down: the state of a moment, read on each request for the metrics.

mod labels;

use std::sync::atomic::Ordering;

use prometheus_client::{
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

use super::DeliveryReading;
use labels::{
    DeliveryLabels, EndpointLabels, FetchLabels, HowLabels, IssuerLabels, LimitLabels, OutcomeLabels,
    StateLabels, WhatLabels,
};

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

/// The gauges that are read on each request for the metrics.
#[derive(Debug, Default)]
pub(super) struct Sampled {
    password_checks: Family<StateLabels, Gauge>,
    upstream_connections: Family<StateLabels, Gauge>,
    limited: Family<LimitLabels, Counter>,
    key_fetches: Family<FetchLabels, Counter>,
    keys_age: Family<IssuerLabels, Gauge>,
    registry_up: Gauge,
    answers_from_storage: Gauge,
    frozen: Gauge,
    revocations: Gauge,
    personal_tokens: Gauge,
    personal_token_changes: Family<OutcomeLabels, Counter>,
    device_logins: Family<OutcomeLabels, Counter>,
    state_up: Gauge,
    state_behind: Gauge,
    stored_claims: Family<OutcomeLabels, Counter>,
    sign_ins: Gauge,
    sign_in_checks: Family<OutcomeLabels, Counter>,
    write_once: Family<OutcomeLabels, Counter>,
    deleted_tags: Family<HowLabels, Counter>,
    pruned: Family<WhatLabels, Counter>,
    activity: Family<OutcomeLabels, Counter>,
    closure: Family<OutcomeLabels, Counter>,
    closure_digests: Gauge,
    shadow_until: Gauge,
    notifications: Family<DeliveryLabels, Counter>,
    notifications_waiting: Family<EndpointLabels, Gauge>,
    notifications_oldest: Family<EndpointLabels, Gauge>,
    orders: Family<OutcomeLabels, Counter>,
    order_failing: Gauge,
    last_order_failure: Gauge,
    audit_lines_lost: Counter,
    audit_lines_summed_up: Counter,
}

impl Sampled {
    pub(super) fn register(&self, r: &mut Registry) {
        r.register("password_checks", "Password checks that run or wait", self.password_checks.clone());
        r.register(
            "upstream_connections",
            "Connections to the registry; waiting: requests for one",
            self.upstream_connections.clone(),
        );
        r.register("limited", "What was turned away for load, by the limit", self.limited.clone());
        r.register(
            "workload_key_fetches",
            "Questions to the issuers of workload_auth for their keys, by outcome",
            self.key_fetches.clone(),
        );
        r.register(
            "workload_keys_age_seconds",
            "Age of the keys of an issuer of workload_auth",
            self.keys_age.clone(),
        );
        r.register("registry_up", "1 while a registry answers at registry.url", self.registry_up.clone());
        r.register(
            "storage_answers_up",
            "1 while reads are answered from the registry's files",
            self.answers_from_storage.clone(),
        );
        r.register("frozen", "1 while writes are frozen", self.frozen.clone());
        r.register("revocations", "Accounts and tokens that are revoked", self.revocations.clone());
        r.register("personal_tokens", "Personal tokens that are kept", self.personal_tokens.clone());
        r.register(
            "personal_token_changes",
            "Personal tokens that were made, and revoked by their ids",
            self.personal_token_changes.clone(),
        );
        r.register(
            "device_logins",
            "Programs that asked for a token of a person, by what became of it",
            self.device_logins.clone(),
        );
        r.register("state_up", "1 while the state file can be used; 0 without one", self.state_up.clone());
        r.register(
            "state_behind_seconds",
            "The time since all changes of other replicas were known; 0 without others",
            self.state_behind.clone(),
        );
        r.register(
            "stored_claims",
            "Labels of accounts that were too long for a token, stored or read in the state file, by outcome",
            self.stored_claims.clone(),
        );
        self.register_sign_ins(r);
        r.register(
            "write_once",
            "Pushes and deletions that a write-once tag was in the way of, by outcome",
            self.write_once.clone(),
        );
        r.register(
            "deleted_tags",
            "Tags that were deleted alone, by the registry itself or with the placeholder",
            self.deleted_tags.clone(),
        );
        r.register("pruned", "Tags and manifests that prune deleted", self.pruned.clone());
        r.register(
            "activity",
            "Pushes, pulls and deletions that were recorded as activity or lost, and failures to store them",
            self.activity.clone(),
        );
        r.register(
            "closure",
            "Questions whether the tags that an account may use reach a digest, by outcome",
            self.closure.clone(),
        );
        r.register(
            "closure_digests",
            "Digests of which it is known which tags reach them",
            self.closure_digests.clone(),
        );
        r.register(
            "shadow_until_timestamp_seconds",
            "When the comparison with the next rules ends; 0 without one",
            self.shadow_until.clone(),
        );
        self.register_deliveries(r);
        self.register_orders(r);
        r.register(
            "audit_lines_lost",
            "Lines of the audit log that could not be written",
            self.audit_lines_lost.clone(),
        );
        r.register(
            "audit_lines_summed_up",
            "Lines of the audit log about requests without an account that were counted, not written",
            self.audit_lines_summed_up.clone(),
        );
    }

    fn register_orders(&self, r: &mut Registry) {
        r.register("acme_orders", "Orders of a certificate by ACME, by outcome", self.orders.clone());
        r.register(
            "acme_order_failing",
            "1 while the last order of a certificate by ACME failed",
            self.order_failing.clone(),
        );
        r.register(
            "acme_last_failure_timestamp_seconds",
            "When an order of a certificate by ACME failed last; 0 if none did",
            self.last_order_failure.clone(),
        );
    }

    fn register_sign_ins(&self, r: &mut Registry) {
        r.register("sign_ins", "People on record who have signed in at a provider", self.sign_ins.clone());
        r.register(
            "sign_in_checks",
            "Questions to providers whether a person may still sign in, by outcome",
            self.sign_in_checks.clone(),
        );
    }

    fn register_deliveries(&self, r: &mut Registry) {
        r.register(
            "notifications",
            "Events that an endpoint has taken or had no room for, and attempts that failed, by outcome",
            self.notifications.clone(),
        );
        r.register(
            "notifications_waiting",
            "Events that wait for an endpoint",
            self.notifications_waiting.clone(),
        );
        r.register(
            "notifications_oldest_seconds",
            "The age of the oldest event that waits for an endpoint; 0 if none does",
            self.notifications_oldest.clone(),
        );
    }

    fn set_orders(&self, reading: Option<OrderReading>) {
        let Some(OrderReading { done, failed, is_failing, last_failure }) = reading else { return };
        for (outcome, count) in [("done", done), ("failed", failed)] {
            self.orders.get_or_create(&OutcomeLabels { outcome }).inner().store(count, Ordering::Relaxed);
        }
        self.order_failing.set(is_failing.into());
        self.last_order_failure.set(i64::try_from(last_failure).unwrap_or(i64::MAX));
    }

    /// Endpoints come and go with a reload.
    fn set_deliveries(&self, deliveries: &[DeliveryReading]) {
        self.notifications.clear();
        self.notifications_waiting.clear();
        self.notifications_oldest.clear();
        let gauge = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        for reading in deliveries {
            let labels = EndpointLabels { endpoint: reading.endpoint.clone() };
            for (outcome, count) in
                [("sent", reading.sent), ("failed", reading.failed), ("dropped", reading.dropped)]
            {
                let labels = DeliveryLabels { endpoint: reading.endpoint.clone(), outcome };
                self.notifications.get_or_create(&labels).inner().store(count, Ordering::Relaxed);
            }
            self.notifications_waiting.get_or_create(&labels).set(gauge(reading.waiting));
            self.notifications_oldest.get_or_create(&labels).set(gauge(reading.oldest));
        }
    }

    fn set_outcomes(&self, reading: &MetricsSnapshot) {
        let by_outcome = [
            (&self.stored_claims, &reading.stored_claims),
            (&self.personal_token_changes, &reading.personal_token_changes),
            (&self.device_logins, &reading.device_logins),
            (&self.sign_in_checks, &reading.sign_in_checks),
            (&self.write_once, &reading.write_once),
            (&self.activity, &reading.activity),
            (&self.closure, &reading.closure),
        ];
        for (family, counts) in by_outcome {
            for (outcome, count) in counts {
                family.get_or_create(&OutcomeLabels { outcome }).inner().store(*count, Ordering::Relaxed);
            }
        }
    }

    pub(super) fn set(&self, reading: &MetricsSnapshot) {
        let gauge = |value: usize| i64::try_from(value).unwrap_or(i64::MAX);
        let set = |family: &Family<StateLabels, Gauge>, state, value: usize| {
            family.get_or_create(&StateLabels { state }).set(gauge(value));
        };
        set(&self.password_checks, "running", reading.password_checks_running);
        set(&self.password_checks, "waiting", reading.password_checks_waiting);
        set(&self.upstream_connections, "busy", reading.upstream_busy);
        set(&self.upstream_connections, "idle", reading.upstream_idle);
        set(&self.upstream_connections, "waiting", reading.upstream_waiting);
        for (limit, count) in &reading.limited {
            self.limited.get_or_create(&LimitLabels { limit }).inner().store(*count, Ordering::Relaxed);
        }
        self.set_outcomes(reading);
        for (how, count) in &reading.deleted_tags {
            self.deleted_tags.get_or_create(&HowLabels { how }).inner().store(*count, Ordering::Relaxed);
        }
        for (what, count) in &reading.pruned {
            self.pruned.get_or_create(&WhatLabels { what }).inner().store(*count, Ordering::Relaxed);
        }
        for (issuer, fetches, failures, age) in &reading.issuers {
            for (outcome, count) in [("done", fetches - failures), ("failed", *failures)] {
                let labels = FetchLabels { issuer: issuer.clone(), outcome };
                self.key_fetches.get_or_create(&labels).inner().store(count, Ordering::Relaxed);
            }
            if let Some(age) = age {
                let labels = IssuerLabels { issuer: issuer.clone() };
                self.keys_age.get_or_create(&labels).set(i64::try_from(*age).unwrap_or(i64::MAX));
            }
        }
        self.registry_up.set(reading.registry_up.unwrap_or_default().into());
        self.answers_from_storage.set(reading.answers_from_storage.into());
        self.frozen.set(reading.frozen.into());
        self.revocations.set(gauge(reading.revocations));
        self.personal_tokens.set(gauge(reading.personal_tokens));
        self.sign_ins.set(gauge(reading.sign_ins));
        self.closure_digests.set(gauge(reading.closure_digests));
        self.state_up.set(reading.state_up.into());
        self.state_behind.set(i64::try_from(reading.state_behind).unwrap_or(i64::MAX));
        self.shadow_until.set(i64::try_from(reading.shadow_until).unwrap_or(i64::MAX));
        self.set_orders(reading.orders);
        self.set_deliveries(&reading.deliveries);
        self.audit_lines_lost.inner().store(reading.audit_lines_lost, Ordering::Relaxed);
        self.audit_lines_summed_up.inner().store(reading.audit_lines_summed_up, Ordering::Relaxed);
    }
}
