//! `limits:`: bounds on connections, bodies and passwords.

use std::{thread, time::Duration};

use crate::{
    config::{
        diagnostics::finding::Report,
        schema::{File, Limits},
        settings::{self, Bounds},
        values::quantity::{count, duration, size},
    },
    proxy::PasswordSettings,
    server,
};

/// The bounds on connections.
pub(crate) fn connections(
    file: &File,
    idle_body: Duration,
    report: &mut Report<'_>,
) -> server::ConnectionLimits {
    let none = Limits::default();
    let written = file.limits.as_ref().unwrap_or(&none);
    let connections = const { settings::count("limits.connections") };
    let connections_per_address = const { settings::count("limits.connections_per_address") };
    let streams = const { settings::count("limits.streams") };
    let header_bytes = const { settings::size("limits.header_bytes") };
    let header_count = const { settings::count("limits.header_count") };
    let handshake_timeout = const { settings::duration("limits.handshake_timeout") };
    let header_timeout = const { settings::duration("limits.header_timeout") };
    let idle_timeout = const { settings::duration("limits.idle_timeout") };
    let drain_timeout = const { settings::duration("limits.drain_timeout") };
    server::ConnectionLimits {
        connections: count(written.connections, connections, report) as usize,
        connections_per_address: count(written.connections_per_address, connections_per_address, report)
            as usize,
        streams: count(written.streams, streams, report),
        header_bytes: size(written.header_bytes.as_ref(), header_bytes, report),
        header_count: count(written.header_count, header_count, report),
        handshake_timeout: duration(written.handshake_timeout.as_ref(), handshake_timeout, report),
        header_timeout: duration(written.header_timeout.as_ref(), header_timeout, report),
        idle_timeout: duration(written.idle_timeout.as_ref(), idle_timeout, report),
        idle_body,
        drain_timeout: duration(written.drain_timeout.as_ref(), drain_timeout, report),
    }
}

/// The bounds on the work of passwords. By default half of the processors check them: on all of them, a flood of wrong
/// ones would triple what pulls take (`benches/attack.rs`).
pub(crate) fn passwords(file: &File, report: &mut Report<'_>) -> PasswordSettings {
    let none = Limits::default();
    let written = file.limits.as_ref().unwrap_or(&none);
    let checks = const { settings::count("limits.password_checks") };
    let processors = thread::available_parallelism().ok().and_then(|n| u32::try_from(n.get()).ok());
    let half = (processors.unwrap_or(1) / 2).clamp(checks.least, checks.most);
    let queue = const { settings::count("limits.password_queue") };
    let remember = const { settings::duration("limits.remember_passwords") };
    PasswordSettings {
        concurrent: count(written.password_checks, Bounds { default: half, ..checks }, report) as usize,
        queue: count(written.password_queue, queue, report) as usize,
        remember: duration(written.remember_passwords.as_ref(), remember, report),
    }
}

/// `limits.token_body`, in bytes.
pub(crate) fn token_body(file: &File, report: &mut Report<'_>) -> usize {
    let written = file.limits.as_ref().and_then(|limits| limits.token_body.as_ref());
    size(written, const { settings::size("limits.token_body") }, report) as usize
}

/// `limits.upstream_requests`.
pub(crate) fn upstream_requests(file: &File, report: &mut Report<'_>) -> usize {
    let written = file.limits.as_ref().and_then(|limits| limits.upstream_requests);
    count(written, const { settings::count("limits.upstream_requests") }, report) as usize
}

/// `limits.token_requests`, a second.
pub(crate) fn token_requests(file: &File, report: &mut Report<'_>) -> u32 {
    let written = file.limits.as_ref().and_then(|limits| limits.token_requests);
    count(written, const { settings::count("limits.token_requests") }, report)
}

/// `limits.idle_body`.
pub(crate) fn idle_body(file: &File, report: &mut Report<'_>) -> Duration {
    let written = file.limits.as_ref().and_then(|limits| limits.idle_body.as_ref());
    duration(written, const { settings::duration("limits.idle_body") }, report)
}
