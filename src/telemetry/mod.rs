//! Reports on the work: the log for people, audit records for later inspection, metrics for monitoring.
//!
//! Decides nothing, and imports no module that does: they hand over words and numbers. Secrets cannot get in, because
//! their types print as `***` and none of the records has a place for one.

mod audit;
mod callsite_throttle;
mod exposition;
mod gauges;
mod held_line;
mod intent;
mod line_writer;
mod log;
mod metrics;
mod process;
mod registry_event;
mod registry_lookup;
mod request_id;

pub use audit::{
    Audit, AuditDestination, AuditError, AuditSettings, Decision, Ended, Event, HeldDecision, History,
    Position, ReadBack, Record,
};
pub use exposition::Exposition;
pub use gauges::{MetricsSnapshot, OrderReading};
pub use intent::{Intending, Intent, IntentId, IntentKeeper, IntentOutcome};
pub use log::{Log, start};
pub use metrics::{Connected, Direction, Metrics};
pub use registry_event::{Action, DeliveryReading, Events, Listener, Object, RegistryEvent};
pub use registry_lookup::{Lookup, Reference, TargetDetails};
pub use request_id::RequestId;

/// The sinks to which the parts of the program report.
#[derive(Debug, Default)]
pub struct Telemetry {
    /// One line for each decision and each finished transfer.
    pub audit: Audit,
    /// Counters, gauges and histograms.
    pub metrics: Metrics,
    /// Events of the registry, told to those that listen.
    pub events: Events,
}

impl Telemetry {
    /// Returns true if a record of a request is written or told: without that, none need be kept.
    pub fn keeps_records(&self) -> bool {
        self.audit.is_on() || self.events.are_heard()
    }
}
