//! Accounts of programs: `robots:`.

use crate::config::settings::row::{DefaultValue::Words, Setting, optional, required, section};

pub(crate) const ROWS: &[Setting] = &[
    section(
        "robots",
        "Accounts of programs, which sign in with tokens of `portwarden token new`: see docs/robots.md.",
    )
    .or(Words("none")),
    section(
        "robots.<name>.tokens",
        "At most two tokens, so that one can be replaced while the other is in use.",
    )
    .or(Words("none")),
    required(
        "robots.<name>.tokens[].sha256",
        "The digest of the token, which `portwarden token new` prints.",
    ),
    optional("robots.<name>.tokens[].expires", "The last day of the token, until midnight in UTC.")
        .or(Words("it does not expire")),
    optional("robots.<name>.tokens[].comment", "Repeated by the audit log."),
    optional("robots.<name>.scopes", "The most that the robot may do. The rules still decide.")
        .or(Words("whatever the rules grant")),
    optional("robots.<name>.ip", "The addresses and blocks from which it may be used.").or(Words("any")),
    section("robots.<name>.labels", "Labels with their values, for rules to match.").or(Words("none")),
];
