//! A row of the table.

#![cfg_attr(
    not(test),
    expect(dead_code, reason = "units and lines about a key are read by the tests of documents")
)]

use std::{ops::RangeInclusive, time::Duration};

use crate::config::diagnostics::path::Step;

/// A key of the configuration.
pub(crate) struct Setting {
    /// The path from the top: `limits.streams`. `[]` is each element of a list, and `<name>` a name that an operator
    /// chooses: `acl[].match.name`, `users.<name>.password`.
    pub(crate) key: &'static str,
    pub(crate) kind: Kind,
    pub(crate) default: DefaultValue,
    /// Whole sentences: what it sets.
    pub(crate) doc: &'static str,
}

/// The value of a setting, as far as the table knows of it.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    /// A mapping or a list of further keys.
    Section,
    /// One of docker_auth's that Portwarden refuses: no document has it.
    Refused,
    /// Text, a list of text, `true` or `false`: its section knows which are right.
    Plain,
    /// A whole number. The unit is in the plural: `connections`.
    Count {
        bounds: Bounds<u32>,
        unit: &'static str,
    },
    /// Bytes.
    Size(Bounds<u32>),
    Duration(Bounds<Duration>),
}

/// The value of a key that is not written.
#[derive(Clone, Copy)]
pub(crate) enum DefaultValue {
    /// An error.
    Required,
    /// That of the bounds.
    OfBounds,
    /// A value, as it would be written.
    Written(&'static str),
    /// A value that is computed, in words; or none.
    Words(&'static str),
    /// Nothing to say: its keys have defaults of their own.
    OfKeys,
}

/// A number or duration: its key, and the default and range of its value.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds<T> {
    /// The path from the top: `limits.streams`.
    pub(crate) key: &'static str,
    /// The value if none is written.
    pub(crate) default: T,
    /// The smallest value that is accepted.
    pub(crate) least: T,
    /// The largest value that is accepted.
    pub(crate) most: T,
}

impl<T: PartialOrd> Bounds<T> {
    /// Returns true if `value` is in the range.
    pub(crate) fn contains(&self, value: &T) -> bool {
        (&self.least..=&self.most).contains(&value)
    }
}

/// A section, or a mapping or list within one.
pub(crate) const fn section(key: &'static str, doc: &'static str) -> Setting {
    Setting { key, kind: Kind::Section, default: DefaultValue::OfKeys, doc }
}

/// A key whose section is an error.
pub(crate) const fn refused(key: &'static str) -> Setting {
    Setting { key, kind: Kind::Refused, default: DefaultValue::OfKeys, doc: "" }
}

/// A value with a default, as it would be written.
pub(crate) const fn plain(key: &'static str, default: &'static str, doc: &'static str) -> Setting {
    Setting { key, kind: Kind::Plain, default: DefaultValue::Written(default), doc }
}

/// A value that need not be there.
pub(crate) const fn optional(key: &'static str, doc: &'static str) -> Setting {
    Setting { key, kind: Kind::Plain, default: DefaultValue::Words("none"), doc }
}

/// A value that must be there.
pub(crate) const fn required(key: &'static str, doc: &'static str) -> Setting {
    Setting { key, kind: Kind::Plain, default: DefaultValue::Required, doc }
}

/// A whole number, in `unit`.
pub(crate) const fn count(
    key: &'static str,
    default: u32,
    range: RangeInclusive<u32>,
    unit: &'static str,
    doc: &'static str,
) -> Setting {
    let bounds = Bounds { key, default, least: *range.start(), most: *range.end() };
    Setting { key, kind: Kind::Count { bounds, unit }, default: DefaultValue::OfBounds, doc }
}

/// A size, in bytes.
pub(crate) const fn size(
    key: &'static str,
    default: u32,
    range: RangeInclusive<u32>,
    doc: &'static str,
) -> Setting {
    let bounds = Bounds { key, default, least: *range.start(), most: *range.end() };
    Setting { key, kind: Kind::Size(bounds), default: DefaultValue::OfBounds, doc }
}

/// A duration.
pub(crate) const fn duration(
    key: &'static str,
    default: Duration,
    range: RangeInclusive<Duration>,
    doc: &'static str,
) -> Setting {
    let bounds = Bounds { key, default, least: *range.start(), most: *range.end() };
    Setting { key, kind: Kind::Duration(bounds), default: DefaultValue::OfBounds, doc }
}

pub(crate) const fn milliseconds(number: u64) -> Duration {
    Duration::from_millis(number)
}

pub(crate) const fn seconds(number: u64) -> Duration {
    Duration::from_secs(number)
}

pub(crate) const fn hours(number: u64) -> Duration {
    Duration::from_secs(3600 * number)
}

impl Setting {
    /// The same with another default: one that is required, or said in words.
    pub(crate) const fn or(self, default: DefaultValue) -> Self {
        Self { default, ..self }
    }

    /// Returns the last name of the key, if this is a key of the mapping at `parent`, under a name of its own.
    pub(crate) fn child_of(&self, parent: &[Step]) -> Option<&'static str> {
        let mut own = segments(self.key);
        for step in parent {
            let is_on_the_way = match (step, own.next()?) {
                (Step::Index(_), segment) => segment == "[]",
                (Step::Key(key), segment) => segment == key || segment.starts_with('<'),
            };
            if !is_on_the_way {
                return None;
            }
        }
        own.next().filter(|name| own.next().is_none() && !name.starts_with(['<', '[']))
    }
}

/// `acl[].match` is `acl`, `[]` and `match`.
pub(crate) fn segments(key: &'static str) -> impl Iterator<Item = &'static str> {
    let parts = key.split('.').map(|part| match part.strip_suffix("[]") {
        Some(list) => [Some(list), Some("[]")],
        None => [Some(part), None],
    });
    parts.flatten().flatten()
}
