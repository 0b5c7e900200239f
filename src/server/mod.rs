//! Listeners, TLS, connections, drain and reload: everything between the network and the journey of a request.
//!
//! Knows nothing of policy. Listeners and the shutdown are handed in, so that a test can bind port 0.

mod activity;
mod admission;
mod cipher_suites;
mod connection;
mod connection_driver;
mod control;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod head_guard;
mod health;
mod listener;
mod notsent_lowat;
mod plain_http;
mod reject_connection;
mod settings;
mod stream_executor;
mod tls;
mod tls_stream;
mod watch;
mod workers;

use std::{
    io::{self, ErrorKind},
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::watch as signal;

pub use admission::Admission;
pub use control::{
    Control, ControlAnswer, ControlRequest, PersonalTokenEntry, RevocationEntry, RobotTokenEntry,
};
pub use health::serve_health;
pub use listener::{Accepting, Listener, from_systemd};
pub use settings::*;
pub use tls::{Tls, TlsError};
pub use watch::Watch;
pub use workers::Workers;

use crate::{
    limits::{FailureLog, count_suppressed},
    proxy::Service,
};
use connection::Connections;
use listener::Accepted;
use reject_connection::reject_connection;

/// Serves what `workers` listen on until `stop` becomes true, then lets transfers finish within `limits.drain_timeout`.
///
/// Returns the number of connections that were cut off because they were not done in time.
pub async fn run(
    listeners: Vec<Accepting>,
    service: Arc<Service>,
    tls: Arc<Tls>,
    admission: Arc<Admission>,
    workers: Arc<Workers>,
    mut stop: signal::Receiver<bool>,
) -> usize {
    let (limits, redirects_to) = (admission.limits(), None);
    let connections =
        Connections { service, tls, limits, stop: stop.clone(), redirects_to, certificate: None };
    let accepting: Vec<_> = listeners
        .into_iter()
        .map(|listener| {
            let redirects_to = listener.redirects_to();
            let connections = Connections { redirects_to, ..connections.clone() };
            let admission = Arc::clone(&admission);
            workers.accept(accept(listener, connections, admission, Arc::clone(&workers)))
        })
        .collect();
    let _ = stop.wait_for(|stop| *stop).await;
    for task in accepting {
        let _ = task.await;
    }
    let _ = tokio::time::timeout(admission.limits().drain_timeout, admission.all_ended()).await;
    admission.open()
}

/// The pause before accepting again after it failed: file descriptors come back when connections end.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// The most connections of a listener that are taken when the server stops.
const WAITING_AT_A_STOP: usize = 1024;
/// The interval between log lines about it.
const LOG_ACCEPT_FAILURES_EVERY: Duration = Duration::from_secs(10);

/// Accepts until the server stops: an error of one connection, or of the system, must not end it.
async fn accept(
    listener: Accepting,
    connections: Connections,
    admission: Arc<Admission>,
    workers: Arc<Workers>,
) {
    let failures = FailureLog::every(LOG_ACCEPT_FAILURES_EVERY);
    let mut stop = connections.stop.clone();
    let mut left = WAITING_AT_A_STOP;
    while let Some(accepted) = next(&listener, &admission, &mut stop, &mut left).await {
        match accepted {
            Ok((stream, peer)) => {
                let proxies = &connections.service.snapshot().settings.client_address;
                let counts = peer.is_some_and(|peer| !proxies.is_proxy(peer.ip()));
                match admission.admit(peer, counts) {
                    Some(slot) => {
                        let connections = Connections { limits: admission.limits(), ..connections.clone() };
                        workers.spawn(connections.serve(stream, peer, slot));
                    }
                    None if connections.tls().is_some() => drop(stream),
                    None => reject_connection(stream),
                }
            }
            // That of a client that has gone already: the next one need not wait.
            Err(error) if error.kind() == ErrorKind::ConnectionAborted => {}
            Err(error) => {
                if let Some(suppressed) = failures.due("accept", Instant::now()) {
                    let suppressed = count_suppressed(suppressed);
                    tracing::warn!(%error, suppressed, "cannot accept a connection; if too many files are open, raise LimitNOFILE (`ulimit -n`)");
                }
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// The next connection. When the server stops, those that the kernel has taken already, as far as `left` counts: their
/// clients have sent their requests. Then `None`.
async fn next(
    listener: &Accepting,
    admission: &Admission,
    stop: &mut signal::Receiver<bool>,
    left: &mut usize,
) -> Option<io::Result<(Accepted, Option<SocketAddr>)>> {
    if !*stop.borrow() {
        let accepted = async {
            admission.room().await;
            listener.next().await
        };
        tokio::select! {
            accepted = accepted => return Some(accepted),
            _ = stop.wait_for(|stop| *stop) => {}
        }
    }
    tokio::task::yield_now().await;
    *left = left.checked_sub(1)?;
    match listener.waiting() {
        // A client that has gone: others wait behind it.
        Err(error) if error.kind() != ErrorKind::ConnectionAborted => None,
        accepted => Some(accepted),
    }
}
