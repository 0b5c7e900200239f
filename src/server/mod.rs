//! Listeners, TLS, connections, drain and reload: everything between the network and the journey of a request.
//!
//! Knows nothing of policy. Listeners and the shutdown are handed in, so that a test can bind port 0.

mod activity;
mod connection;
mod control;
mod head_guard;
mod health;
mod lingering;
mod listener;
mod settings;
mod stream_executor;
mod tls;
mod watch;

use std::{sync::Arc, time::Duration};

use tokio::sync::{Semaphore, watch as signal};

pub use control::{Control, ControlAnswer, ControlRequest};
pub use health::serve_health;
pub use listener::{Listener, from_systemd};
pub use settings::*;
pub use tls::{Tls, TlsError};
pub use watch::Watch;

use crate::proxy::Service;
use connection::Connections;

/// Serves until `stop` becomes true, then lets transfers finish within `limits.drain_timeout`.
///
/// Returns the number of connections that were cut off because they were not done in time.
pub async fn run(
    listeners: Vec<Listener>,
    service: Arc<Service>,
    tls: Arc<Tls>,
    limits: Limits,
    mut stop: signal::Receiver<bool>,
) -> usize {
    // Each listener holds a slot for the connection it waits for.
    let all = limits.connections.max(listeners.len() + 1);
    let slots = Arc::new(Semaphore::new(all));
    let drain_timeout = limits.drain_timeout;
    let connections = Connections { service, tls, limits: Arc::new(limits), stop: stop.clone() };
    let accepting: Vec<_> = listeners
        .into_iter()
        .map(|listener| tokio::spawn(accept(listener, connections.clone(), Arc::clone(&slots))))
        .collect();
    let _ = stop.wait_for(|stop| *stop).await;
    for task in accepting {
        task.abort();
        let _ = task.await;
    }
    let everything = u32::try_from(all).unwrap_or(u32::MAX);
    let _ = tokio::time::timeout(drain_timeout, slots.acquire_many(everything)).await;
    all - slots.available_permits().min(all)
}

/// How long accepting pauses after it failed: file descriptors come back when connections end.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Accepts for ever: an error of one connection, or of the system, must not end the server.
async fn accept(listener: Listener, connections: Connections, slots: Arc<Semaphore>) {
    loop {
        let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, address)) => {
                let connection = connections.clone().serve(stream, address);
                tokio::spawn(async move {
                    connection.await;
                    drop(slot);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}
