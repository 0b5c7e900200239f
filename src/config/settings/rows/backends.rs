//! `backends:`.

use crate::config::settings::row::{Setting, count, duration, hours, milliseconds, seconds, section};

pub(crate) const ROWS: &[Setting] = &[
    section("backends", "Bounds on querying each command, directory and database."),
    // Docker gives up on a token request after 30 seconds or less, so no client waits longer.
    duration(
        "backends.timeout",
        seconds(5),
        milliseconds(100)..=seconds(60),
        "The time for an answer, the time in the queue included; then 503.",
    ),
    count("backends.concurrent", 8, 1..=1024, "queries", "Queries at the same time."),
    count(
        "backends.queue",
        64,
        0..=100_000,
        "queries",
        "More that may wait; new ones beyond that get 503. One address may hold half of `concurrent` and `queue` \
         together.",
    ),
    duration(
        "backends.remember_decisions",
        seconds(30),
        seconds(0)..=hours(1),
        "How long an answer of `ext_authz` holds; 0 for never.",
    ),
];
