//! The tags that `portwarden prune` keeps: `retention:`.

use crate::config::settings::row::{
    DefaultValue::{Required, Words},
    Setting, optional, required, section,
};

pub(crate) const ROWS: &[Setting] = &[
    section(
        "retention",
        "Which tags `portwarden prune` keeps: see docs/tags.md. The first entry that matches a repository decides, and \
         where none does, everything is kept.",
    )
    .or(Words("none")),
    section("retention[].match", "Which repositories it is for.").or(Required),
    required("retention[].match.name", "A pattern for the repository, as in a rule."),
    section(
        "retention[].keep",
        "What is kept: a tag stays if one of these keeps it. Each has one key. Write-once tags always stay.",
    )
    .or(Required),
    optional(
        "retention[].keep[].newest",
        "So many tags, by the time of their last push, from 1 to 1000000. A tag whose time is not known stays. Needs a \
         state file.",
    ),
    optional("retention[].keep[].tag", "The tags that a pattern matches, or one in a list of patterns."),
    optional(
        "retention[].keep[].younger",
        "The tags that were pushed so lately, from 1s to 36500d. A tag whose time is not known stays. Needs a state file.",
    ),
    optional(
        "retention[].keep[].pulled_within",
        "The tags that were pulled so lately, or pushed, from 1s to 36500d. A tag of which it is not known stays. Needs a \
         state file, and every pull has to go through this Portwarden.",
    ),
    optional("retention[].dry_run", "Delete nothing by this entry: `portwarden prune --apply` shows what would go.")
        .or(Words("false")),
];
