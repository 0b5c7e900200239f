//! `log:`, `audit:`, `metrics:`, `control:` and `state:`.

use crate::config::settings::row::{DefaultValue::Words, Setting, optional, plain, section};

pub(crate) const LOG: &[Setting] = &[
    section("log", "Level and form of the log, and whether clients see which rule denied them."),
    plain("log.level", "info", "`error`, `warn`, `info` or `debug`."),
    plain("log.format", "text", "`text` or `json`."),
    plain(
        "log.explain_denials",
        "false",
        "Show a client which rule denied it, with the rule's comment. Otherwise only the log has it.",
    ),
];

pub(crate) const AUDIT: &[Setting] = &[
    section("audit", "One JSON line for each decision, transfer and token; see docs/monitoring.md."),
    plain("audit.to", "stdout", "`stdout`, `none`, or the path of a file, which may be rotated at any time."),
    plain(
        "audit.labels",
        "false",
        "Write the labels of an account into the lines about its decisions and tokens.",
    ),
];

pub(crate) const METRICS: &[Setting] = &[
    section("metrics", "Metrics for Prometheus and health for supervisors: /metrics, /healthz, /readyz."),
    optional("metrics.addr", "Where to serve them, over plain HTTP. For loopback."),
];

pub(crate) const CONTROL: &[Setting] = &[
    section(
        "control",
        "The socket of `portwarden freeze`, `thaw`, `status`, `untag`, `prune`, `revoke` and `token list`.",
    ),
    optional(
        "control.socket",
        "Its path, in a directory that is writable for the service; `none` for no such socket.",
    )
    .or(Words("control.sock in the RuntimeDirectory of systemd, /run/portwarden; else none")),
];

pub(crate) const STATE: &[Setting] = &[
    section("state", "Where revocations, labels too long for a token and the times of pushes are stored: see docs/revoking.md. A reload changes nothing here."),
    optional(
        "state.file",
        "The path of a file, which is made if there is none, in a directory that is writable for the service; `none` for \
         no state: then nothing can be revoked.",
    )
    .or(Words("state.db in the StateDirectory of systemd, /var/lib/portwarden; else none")),
    optional(
        "state.url",
        "Instead of `file`: a PostgreSQL database that several Portwardens share, as \
         `postgres://portwarden@db.example/portwarden?sslmode=verify-full`; see docs/scaling.md.",
    )
    .or(Words("none")),
    optional("state.password_file", "The file with the password of the user in `url`.").or(Words("none")),
    optional(
        "state.key_file",
        "The file with the key, the same at all replicas, that seals the keys of `server.letsencrypt` in the database; \
         `openssl rand -base64 32` makes one. Required with `url` and `server.letsencrypt`.",
    )
    .or(Words("none")),
    section("state.when_down", "What holds while the database gives no answer."),
    plain(
        "state.when_down.revocations",
        "never",
        "How long the revocations that are known count, from 5s to 24h; after it, tokens get 503. `never` is no end to \
         that: what other replicas revoke meanwhile is not known.",
    ),
];
