//! The state of the service at a moment, for the metrics.

use super::Service;
use crate::{
    proxy::{FreezeStatus, Shadow, UpstreamLoad},
    telemetry::MetricsSnapshot,
};

impl Service {
    /// Returns the load on the registry.
    pub fn upstream_load(&self) -> UpstreamLoad {
        self.upstream.load().load()
    }

    /// Returns the number of token requests that were refused because of their address's rate limit.
    pub fn token_requests_refused(&self) -> u64 {
        self.authentication.token_requests.refused()
    }

    /// The state of now, for the metrics.
    pub fn metrics_snapshot(&self) -> MetricsSnapshot {
        let (password_checks_running, password_checks_waiting) = self.authentication.passwords.load();
        let upstream = self.upstream_load();
        let (closure, closure_digests) = self.closure.counts();
        let (personal_tokens, personal_token_changes) = self.state().personal_token_counts();
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
                ("sign_ins", self.authentication.sign_ins.refused()),
                ("device_logins", self.authentication.device_logins.refused()),
                ("catalog", self.catalog.refused()),
                ("write_once", self.write_once.without_slot()),
                ("closure", self.closure.without_slot()),
            ],
            issuers: self.issuers(),
            registry_up: self.registry_health.is_up(),
            answers_from_storage: self.answers_from_storage(),
            frozen: self.freeze.status() != FreezeStatus::Open,
            revocations: self.state().len(),
            personal_tokens,
            personal_token_changes: personal_token_changes.into(),
            device_logins: self.authentication.device_logins.counts(),
            state_up: self.state().is_up(),
            state_behind: self.state().behind().map_or(0, |behind| behind.as_secs()),
            stored_claims: self.state().claims_counts(),
            sign_ins: self.state().sign_in_count(),
            sign_in_checks: self.state().confirmation_counts().into(),
            write_once: self.write_once.counts().into(),
            pruned: self.pruned.counts().into(),
            deleted_tags: self.write_once.deleted_tags().into(),
            activity: self.state().activity_counts().into(),
            closure: closure.into(),
            closure_digests,
            shadow_until: self.snapshot.load().shadow.as_ref().map_or(0, Shadow::until),
            deliveries: self.telemetry.events.deliveries(),
            // The listeners know.
            orders: None,
            audit_lines_lost: self.telemetry.audit.lost(),
            audit_lines_summed_up: self.telemetry.audit.summed_up(),
        }
    }

    /// The state of the keys of each issuer of `workload_auth`, for the metrics.
    fn issuers(&self) -> Vec<(String, u64, u64, Option<u64>)> {
        let snapshot = self.snapshot.load();
        let issuers = snapshot.workload.issuers().iter();
        let reading = issuers.filter_map(|issuer| Some((issuer.name().to_owned(), issuer.reading()?)));
        reading
            .map(|(name, keys)| (name, keys.fetches, keys.failures, keys.age.map(|age| age.as_secs())))
            .collect()
    }
}
