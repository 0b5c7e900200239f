//! The part of `portwarden serve` that sends events to endpoints.

use std::{future::Future, pin::Pin, sync::Arc};

use crate::{
    config::Config,
    notifications::{EventSource, Notifications, RegistrySizes},
    proxy::Service,
    telemetry::RegistryEvent,
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
    let sizes = Arc::new(Sizes(Arc::clone(service)));
    Notifications::start(&config.notifications, EventSource::new(address), sizes)
}

/// Asks the registry of a service.
struct Sizes(Arc<Service>);

impl RegistrySizes for Sizes {
    fn sizes<'a>(
        &'a self,
        events: &'a [Arc<RegistryEvent>],
    ) -> Pin<Box<dyn Future<Output = Vec<Option<u64>>> + Send + 'a>> {
        Box::pin(self.0.sizes(events))
    }
}
