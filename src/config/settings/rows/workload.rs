//! `workload_auth:`.

use crate::config::settings::row::{
    DefaultValue::Words, Setting, duration, hours, optional, plain, required, seconds, section,
};

pub(crate) const ROWS: &[Setting] = &[
    section("workload_auth", "CI jobs and clusters that sign in with a signed JWT: see docs/ci.md.")
        .or(Words("none")),
    required(
        "workload_auth.audience",
        "The address of this registry, or a list: `aud` must contain one of them.",
    ),
    duration("workload_auth.session", hours(1), seconds(300)..=hours(24), "How long one login lasts."),
    required("workload_auth.issuers", "The issuers of JWTs."),
    required(
        "workload_auth.issuers[].name",
        "The user of `docker login`, and the beginning of the accounts: up to 32 lower case letters, digits, dots, \
         dashes and underscores.",
    ),
    required("workload_auth.issuers[].issuer", "What `iss` must be, byte for byte: an https URL."),
    plain("workload_auth.issuers[].algorithms", "[\"RS256\"]", "The algorithms, with a public key only."),
    required(
        "workload_auth.issuers[].account",
        "The account behind the name and a colon, with `${claim:…}` in it.",
    ),
    section(
        "workload_auth.issuers[].require",
        "Claims, and what each must be: a text, a glob, or a /regular expression/ for the whole value.",
    )
    .or(Words("none")),
    section(
        "workload_auth.issuers[].labels",
        "Labels, and the claim of each. A missing claim refuses the login.",
    )
    .or(Words("none")),
    plain(
        "workload_auth.issuers[].bearer",
        "false",
        "Whether its JWTs are bearer tokens below `/v2/`, too, for programs that do not log in.",
    ),
    optional(
        "workload_auth.issuers[].ca_certificate",
        "The authorities that its certificate may be from, in PEM.",
    )
    .or(Words("the authorities of this machine")),
    optional("workload_auth.issuers[].jwks_uri", "The https URL of its keys.").or(Words("discovered")),
    optional("workload_auth.issuers[].jwks_file", "The file with its keys, if none are to be fetched."),
];
