//! `registry:`.

use std::{ops::RangeInclusive, time::Duration};

use crate::config::settings::row::{Setting, duration, hours, optional, plain, seconds, section};

/// Without a deadline, a registry that hangs would hold its clients for ever.
const TIMEOUT: RangeInclusive<Duration> = seconds(1)..=hours(1);

pub(crate) const ROWS: &[Setting] = &[
    section("registry", "Where the registry is, the name of the service, what the web pages read, timeouts."),
    plain(
        "registry.url",
        "http://127.0.0.1:5000",
        "`http://host:port`, or `unix:/path` of a socket. No other client should reach it.",
    ),
    plain(
        "registry.service",
        "Docker registry",
        "The name of the service; only tokens for it open the registry.",
    ),
    plain(
        "registry.catalog",
        "filtered",
        "What an account without registry:catalog:* sees of /v2/_catalog: `filtered`, the repositories that it may pull; \
         `strict`, nothing.",
    ),
    optional(
        "registry.follow_redirects",
        "Object stores to which the web pages follow a redirect of the registry, each as scheme, host and port; see \
         docs/operations.md. Clients get the redirect itself in any case.",
    ),
    optional(
        "registry.storage",
        "The directory in which a registry on this machine stores (`rootdirectory`). The bytes of blobs are then read from \
         its files, after the registry was asked for their heads; see docs/performance.md.",
    ),
    plain(
        "registry.storage_answers",
        "false",
        "Reads of manifests, blobs and lists are answered from registry.storage without asking the registry, as long as it \
         is shown every minute to have the files of that registry. Its pull events end; see docs/performance.md.",
    ),
    duration("registry.connect_timeout", seconds(5), TIMEOUT, "To connect."),
    duration(
        "registry.response_timeout",
        seconds(300),
        TIMEOUT,
        "From the end of a request to the head of its response. To finish a large upload, an object store may copy it.",
    ),
    // `registry:2` sets no idle timeout of its own, so the end of a kept connection is free to choose.
    duration(
        "registry.idle_timeout",
        seconds(90),
        TIMEOUT,
        "How long an idle connection to the registry is kept; the registry itself closes none.",
    ),
];
