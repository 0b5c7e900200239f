//! `limits:`: bounds on connections, bodies and passwords, each with a default that suits a registry of a
//! company.

use std::{ops::RangeInclusive, thread, time::Duration};

use crate::{
    config::{
        diagnostics::{finding::Report, path::Path},
        schema::{File, Integer, Limits, Text},
        values::quantity,
    },
    proxy::PasswordSettings,
    server,
};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

/// The bounds on connections.
pub(crate) fn connections(file: &File, idle_body: Duration, report: &mut Report<'_>) -> server::Limits {
    let none = Limits::default();
    let written = file.limits.as_ref().unwrap_or(&none);
    server::Limits {
        connections: count(written.connections, "connections", 10_000, 1..=1_000_000, report) as usize,
        connections_per_address: count(
            written.connections_per_address,
            "connections_per_address",
            1_000,
            1..=1_000_000,
            report,
        ) as usize,
        streams: count(written.streams, "streams", 100, 1..=10_000, report),
        header_bytes: size(
            written.header_bytes.as_ref(),
            "header_bytes",
            32 << 10,
            (8 << 10)..=(1 << 20),
            report,
        ),
        header_count: count(written.header_count, "header_count", 50, 20..=1000, report),
        handshake_timeout: timeout(written.handshake_timeout.as_ref(), "handshake_timeout", 10, report),
        header_timeout: timeout(written.header_timeout.as_ref(), "header_timeout", 30, report),
        idle_timeout: timeout(written.idle_timeout.as_ref(), "idle_timeout", 120, report),
        idle_body,
        drain_timeout: span(written.drain_timeout.as_ref(), "drain_timeout", 30, report),
    }
}

/// The bounds on the work of passwords. By default half of the processors check them: on all of them, a flood of wrong
/// ones would triple what pulls take (`benches/attack.rs`).
pub(crate) fn passwords(file: &File, report: &mut Report<'_>) -> PasswordSettings {
    let none = Limits::default();
    let written = file.limits.as_ref().unwrap_or(&none);
    let processors = thread::available_parallelism().ok().and_then(|n| u32::try_from(n.get()).ok());
    let half = (processors.unwrap_or(1) / 2).clamp(1, 1024);
    PasswordSettings {
        concurrent: count(written.password_checks, "password_checks", half, 1..=1024, report) as usize,
        queue: count(written.password_queue, "password_queue", 64, 0..=100_000, report) as usize,
        remember: span(written.remember_passwords.as_ref(), "remember_passwords", 60, report),
    }
}

/// `limits.token_body`, in bytes.
pub(crate) fn token_body(file: &File, report: &mut Report<'_>) -> usize {
    let written = file.limits.as_ref().and_then(|limits| limits.token_body.as_ref());
    size(written, "token_body", 64 << 10, (1 << 10)..=(16 << 20), report) as usize
}

/// `limits.upstream_requests`.
pub(crate) fn upstream_requests(file: &File, report: &mut Report<'_>) -> usize {
    let written = file.limits.as_ref().and_then(|limits| limits.upstream_requests);
    count(written, "upstream_requests", 1024, 2..=100_000, report) as usize
}

/// `limits.token_requests`, a second.
pub(crate) fn token_requests(file: &File, report: &mut Report<'_>) -> u32 {
    let written = file.limits.as_ref().and_then(|limits| limits.token_requests);
    count(written, "token_requests", 100, 1..=100_000, report)
}

/// `limits.idle_body`.
pub(crate) fn idle_body(file: &File, report: &mut Report<'_>) -> Duration {
    let written = file.limits.as_ref().and_then(|limits| limits.idle_body.as_ref());
    timeout(written, "idle_body", 60, report)
}

/// A deadline: without one a client could hold a connection for ever, so it has at least a second.
fn timeout(written: Option<&Text>, key: &str, default: u64, report: &mut Report<'_>) -> Duration {
    quantity::duration(written, at(key), Duration::from_secs(default), SECOND..=HOUR, report)
}

/// A duration that may be zero.
fn span(written: Option<&Text>, key: &str, default: u64, report: &mut Report<'_>) -> Duration {
    quantity::duration(written, at(key), Duration::from_secs(default), Duration::ZERO..=HOUR, report)
}

fn count(
    written: Option<Integer>,
    key: &str,
    default: u32,
    bounds: RangeInclusive<u32>,
    report: &mut Report<'_>,
) -> u32 {
    quantity::count(written, at(key), default, bounds, report)
}

fn size(
    written: Option<&Text>,
    key: &str,
    default: u32,
    bounds: RangeInclusive<u32>,
    report: &mut Report<'_>,
) -> u32 {
    quantity::size(written, at(key), default, bounds, report)
}

fn at(key: &str) -> Path {
    Path::from("limits").key(key)
}
