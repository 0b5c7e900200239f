//! The endpoints that events are sent to: `notifications:`.

use crate::config::settings::row::{
    DefaultValue::Words, Setting, count, duration, hours, milliseconds, optional, plain, required, seconds,
    section,
};

pub(crate) const ROWS: &[Setting] = &[
    section(
        "notifications",
        "Events about pushes, pulls, mounts and deletions, as the registry sends them, with the account: see \
         docs/notifications.md.",
    )
    .or(Words("none")),
    required("notifications.endpoints", "Where events are sent, in the form of the registry's own section."),
    required("notifications.endpoints[].name", "The name of the endpoint, in the log and the metrics."),
    plain(
        "notifications.endpoints[].disabled",
        "false",
        "Send it nothing. What waits for it is dropped, as if it were removed.",
    ),
    required(
        "notifications.endpoints[].url",
        "Where events are posted: an `https` or `http` URL. No redirect is followed.",
    ),
    section(
        "notifications.endpoints[].headers",
        "Headers of each request, each with a value or a list of values.",
    )
    .or(Words("none")),
    duration(
        "notifications.endpoints[].timeout",
        seconds(1),
        milliseconds(100)..=seconds(60),
        "The time for one attempt, from the lookup of the name to the answer.",
    ),
    count(
        "notifications.endpoints[].threshold",
        10,
        1..=1000,
        "failures",
        "Failures in a row after which attempts wait for `backoff`.",
    ),
    duration(
        "notifications.endpoints[].backoff",
        seconds(1),
        milliseconds(100)..=hours(1),
        "The time between attempts from then on.",
    ),
    optional(
        "notifications.endpoints[].ignoredmediatypes",
        "As `ignore.mediatypes`, under the name that older registries have.",
    ),
    section("notifications.endpoints[].ignore", "Events that are not sent to it.").or(Words("none")),
    optional(
        "notifications.endpoints[].ignore.mediatypes",
        "Those about manifests of these media types; `application/octet-stream` is every blob.",
    ),
    optional(
        "notifications.endpoints[].ignore.actions",
        "Those of these actions: `push`, `pull`, `mount`, `delete`.",
    ),
    optional(
        "notifications.endpoints[].secret_file",
        "The file with the key of a signature (HMAC-SHA256), at least 16 bytes; a line feed at its end does not count.",
    ),
    optional(
        "notifications.endpoints[].ca_certificate",
        "The authorities that its certificate may be from, in PEM.",
    )
    .or(Words("the authorities of this machine")),
    section("notifications.events", "The form of events.").or(Words("none")),
    plain(
        "notifications.events.includereferences",
        "false",
        "Lists what a manifest refers to in `target.references`: its configuration and layers, or the manifests of an index.",
    ),
    optional(
        "notifications.spool",
        "The file in which events wait for their endpoints, in a directory that is writable for the service. A reload does \
         not change it.",
    )
    .or(Words(
        "notifications.spool in the StateDirectory of systemd, /var/lib/portwarden; else beside state.file",
    )),
    count(
        "notifications.waiting",
        100_000,
        100..=1_000_000,
        "events",
        "The events that may wait for one endpoint, of about 1 KiB each. Further ones are dropped and counted.",
    ),
];
