//! Tags that hold: `tags:`.

use crate::config::settings::row::{
    DefaultValue::{Required, Words},
    Setting, optional, required, section,
};

pub(crate) const ROWS: &[Setting] = &[
    section("tags", "Tags that hold: see docs/tags.md.").or(Words("none")),
    section("tags.write_once", "Tags that may be made, and never moved, deleted or hollowed out.")
        .or(Words("none")),
    section("tags.write_once[].match", "Which tags these are.").or(Required),
    required("tags.write_once[].match.name", "A pattern for the repository, as in a rule."),
    required("tags.write_once[].match.tag", "A pattern for the tag, or a list of patterns."),
    section("tags.write_once[].except", "For whom they are as any other tag.").or(Words("none")),
    optional("tags.write_once[].except.account", "A pattern for the accounts that may move and delete them.")
        .or(Words("none")),
];
