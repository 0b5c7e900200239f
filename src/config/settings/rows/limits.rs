//! `limits:`. The defaults suit a registry of a company.

use std::{ops::RangeInclusive, time::Duration};

use crate::config::settings::row::{
    DefaultValue::Words, Setting, count, duration, hours, seconds, section, size,
};

/// Without a deadline a client could hold a connection for ever, so it has at least a second.
const TIMEOUT: RangeInclusive<Duration> = seconds(1)..=hours(1);

/// A duration that may be zero.
const SPAN: RangeInclusive<Duration> = seconds(0)..=hours(1);

pub(crate) const ROWS: &[Setting] = &[
    section(
        "limits",
        "Bounds on connections, requests, transfers and passwords: see docs/limits.md. A reload changes these, but for \
         `password_checks` and `password_queue`; those on connections for new ones.",
    ),
    count(
        "limits.connections",
        10_000,
        1..=1_000_000,
        "connections",
        "Connections in all. Close to it, idle ones are closed; if none is idle, new ones wait.",
    ),
    count(
        "limits.connections_per_address",
        1000,
        1..=1_000_000,
        "connections",
        "Connections from one address; more are refused. An IPv6 /48 is one, of which a /64 may take three quarters. \
         `trusted_proxies` and Unix sockets do not count.",
    ),
    count("limits.streams", 100, 1..=10_000, "streams", "Concurrent HTTP/2 streams in a connection."),
    size("limits.header_bytes", 32 << 10, 8 << 10..=1 << 20, "The head of a request; then 431."),
    count("limits.header_count", 50, 20..=1000, "headers", "Headers of a request; then 431."),
    duration("limits.handshake_timeout", seconds(10), TIMEOUT, "For the TLS handshake."),
    duration("limits.header_timeout", seconds(30), TIMEOUT, "For the head of a request."),
    duration("limits.idle_timeout", seconds(120), TIMEOUT, "For a connection without a request."),
    duration(
        "limits.drain_timeout",
        seconds(30),
        SPAN,
        "How long transfers may go on when the server stops.",
    ),
    duration(
        "limits.idle_body",
        seconds(60),
        TIMEOUT,
        "How long a body may stand still. There is no limit on the whole of a transfer.",
    ),
    size("limits.token_body", 64 << 10, 1 << 10..=16 << 20, "The body of a request for a token."),
    count(
        "limits.token_requests",
        100,
        1..=100_000,
        "requests a second",
        "Requests for tokens from one address, after a burst of half a minute's worth; more are answered 429.",
    ),
    count(
        "limits.upstream_requests",
        1024,
        2..=100_000,
        "requests",
        "Concurrent requests to the registry, each until its response ends. An address may hold at most as many as are \
         still free: a lone one gets half, two get a third each. More wait 5 seconds for a slot, then get 503.",
    ),
    // On all processors, a flood of wrong passwords would triple the time that pulls take (`benches/attack.rs`).
    count("limits.password_checks", 1, 1..=1024, "checks", "Passwords checked at the same time.")
        .or(Words("half the number of processors, at least 1")),
    count(
        "limits.password_queue",
        64,
        0..=100_000,
        "checks",
        "More that may wait. Beyond that, those of the address that tried most, then the longest waiting, get 503.",
    ),
    duration(
        "limits.remember_passwords",
        seconds(60),
        SPAN,
        "How long a verified password is remembered; 0 for never.",
    ),
];
