//! The part of `portwarden serve` that sends events to endpoints.

use std::sync::Arc;

use crate::{
    config::Config,
    notifications::{Answer, EventSource, Notifications, RegistryQuestions},
    proxy::Service,
    telemetry::{Lookup, RegistryEvent, TargetDetails},
};

/// Starts the notifications of a server that listens on `port`.
///
/// # Errors
/// The certificates of an endpoint cannot be used.
pub(super) fn start(
    config: &Config,
    service: &Arc<Service>,
    port: Option<u16>,
) -> Result<Arc<Notifications>, String> {
    let machine = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let address = port.map_or_else(|| machine.clone(), |port| format!("{machine}:{port}"));
    let questions = Arc::new(Questions(Arc::clone(service)));
    Notifications::start(&config.notifications, EventSource::new(address), questions)
}

/// Asks the registry of a service.
struct Questions(Arc<Service>);

impl RegistryQuestions for Questions {
    fn details<'a>(
        &'a self,
        events: &'a [Arc<RegistryEvent>],
        references: bool,
    ) -> Answer<'a, Vec<TargetDetails>> {
        Box::pin(self.0.details(events, references))
    }

    fn lookup<'a>(&'a self, event: &'a RegistryEvent) -> Answer<'a, Lookup> {
        Box::pin(self.0.lookup(event))
    }
}
