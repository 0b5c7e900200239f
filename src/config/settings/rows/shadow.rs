//! The next rules, to which live requests are put: `shadow:`.

use crate::config::settings::row::{DefaultValue::Words, Setting, required, section};

pub(crate) const ROWS: &[Setting] = &[
    section(
        "shadow",
        "Next rules that are asked about each live request and never change an answer: see docs/changing-rules.md.",
    )
    .or(Words("none")),
    required(
        "shadow.acl_file",
        "The file of the next rules: a mapping with `acl`. Of a whole configuration, only `acl` is read.",
    ),
    required("shadow.until", "The last day, in UTC, or the time at which the comparison ends."),
];
