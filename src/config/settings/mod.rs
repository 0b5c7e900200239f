//! The table of settings: every key of the configuration once, with its default, its range and unit, and a line about
//! it.
//!
//! Sections read numbers, sizes and durations within the bounds of their rows, and a key without a row is unknown.
//! `config/reference.yml`, `docs/limits.md` and portwarden(5) repeat the rows: `make man` writes them there.

#[cfg(test)]
mod documents;
#[cfg(test)]
mod reference;
mod row;
mod rows;
#[cfg(test)]
mod tests;

use std::time::Duration;

use super::diagnostics::path::Step;
pub(crate) use row::Bounds;
use row::{Kind, Setting};
use rows::{
    accounts, backends, certificates, limits, notifications, personal_tokens, refused, registry, reporting,
    retention, robots, server, shadow, sign_in, tags, token, ui, workload,
};

/// The rows of each section, in the order of [`File`](super::schema::File). The first row of a section is its own.
const TABLE: &[&[Setting]] = &[
    server::ROWS,
    token::ROWS,
    accounts::USERS,
    accounts::ACL,
    accounts::EXT_AUTH,
    accounts::LDAP_AUTH,
    sign_in::GOOGLE,
    sign_in::GITHUB,
    sign_in::GITLAB,
    sign_in::OIDC,
    refused::MONGO,
    accounts::XORM_AUTH,
    refused::BACKENDS,
    accounts::ACL_XORM,
    refused::CASBIN,
    accounts::EXT_AUTHZ,
    refused::PLUGIN,
    accounts::HTPASSWD,
    robots::ROWS,
    workload::ROWS,
    certificates::ROWS,
    tags::ROWS,
    retention::ROWS,
    shadow::ROWS,
    notifications::ROWS,
    registry::ROWS,
    backends::ROWS,
    limits::ROWS,
    reporting::LOG,
    reporting::AUDIT,
    reporting::METRICS,
    reporting::CONTROL,
    reporting::STATE,
    ui::ROWS,
    personal_tokens::ROWS,
];

/// The default and the range of a count. Call it in `const { … }`: a key that is no row, or no count, then does not
/// compile.
pub(crate) const fn count(key: &str) -> Bounds<u32> {
    match row(key).kind {
        Kind::Count { bounds, .. } => bounds,
        _ => not_of_this_kind(),
    }
}

/// The default and the range of a size in bytes. Call it in `const { … }`, as [`count`].
pub(crate) const fn size(key: &str) -> Bounds<u32> {
    match row(key).kind {
        Kind::Size(bounds) => bounds,
        _ => not_of_this_kind(),
    }
}

/// The default and the range of a duration. Call it in `const { … }`, as [`count`].
pub(crate) const fn duration(key: &str) -> Bounds<Duration> {
    match row(key).kind {
        Kind::Duration(bounds) => bounds,
        _ => not_of_this_kind(),
    }
}

/// The keys that may stand in the mapping at `steps`, in the order of the table. None where an operator chooses the
/// names, and where the content of a section is not looked at.
pub(in crate::config) fn known_keys(steps: &[Step]) -> Vec<&'static str> {
    let section = match steps {
        [] => return TABLE.iter().copied().flatten().filter_map(|row| row.child_of(&[])).collect(),
        [Step::Key(section), ..] => section,
        _ => return Vec::new(),
    };
    let is_section = |rows: &&&[Setting]| rows.first().is_some_and(|row| row.key == section);
    let rows = TABLE.iter().find(is_section).copied().unwrap_or_default();
    rows.iter().filter_map(|row| row.child_of(steps)).collect()
}

const fn row(key: &str) -> &'static Setting {
    let mut sections = TABLE;
    while let [rows, others @ ..] = sections {
        let mut rows: &'static [Setting] = rows;
        while let [row, rest @ ..] = rows {
            if same(row.key.as_bytes(), key.as_bytes()) {
                return row;
            }
            rows = rest;
        }
        sections = others;
    }
    no_such_row()
}

const fn same(one: &[u8], other: &[u8]) -> bool {
    match (one, other) {
        ([], []) => true,
        ([a, one @ ..], [b, other @ ..]) => *a == *b && same(one, other),
        _ => false,
    }
}

#[expect(clippy::panic, reason = "evaluated by the compiler")]
const fn no_such_row() -> ! {
    panic!("this key is no row of the table of settings")
}

#[expect(clippy::panic, reason = "evaluated by the compiler")]
const fn not_of_this_kind() -> ! {
    panic!("the row of this key has another kind")
}
