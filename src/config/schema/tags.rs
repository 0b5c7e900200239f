//! The sections about tags: `tags:` and `retention:`.

use serde::Deserialize;

use super::{Condition, Integer, OneOrMany, Switch, Text};

/// `tags:`, Portwarden's own.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default, expecting = "a mapping with `write_once`")]
pub(crate) struct Tags {
    pub(crate) write_once: Option<Vec<Option<WriteOnceEntry>>>,
}

/// An entry of `tags.write_once:`.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default, expecting = "a mapping with `match` and `except`")]
pub(crate) struct WriteOnceEntry {
    #[serde(rename = "match")]
    pub(crate) conditions: Option<TagMatch>,
    pub(crate) except: Option<Except>,
}

/// `match:` of such an entry.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default, expecting = "a mapping with `name` and `tag`")]
pub(crate) struct TagMatch {
    pub(crate) name: Option<Text>,
    pub(crate) tag: Option<OneOrMany>,
}

/// `except:` of such an entry.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default, expecting = "a mapping with `account`")]
pub(crate) struct Except {
    pub(crate) account: Option<Text>,
}

/// An entry of `retention:`, Portwarden's own.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default, expecting = "a mapping with `match` and `keep`")]
pub(crate) struct RetentionEntry {
    #[serde(rename = "match")]
    pub(crate) conditions: Option<RepositoryMatch>,
    pub(crate) keep: Option<Vec<Option<Keep>>>,
    pub(crate) dry_run: Option<Switch>,
}

/// `match:` of such an entry.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default, expecting = "a mapping with `name`")]
pub(crate) struct RepositoryMatch {
    pub(crate) name: Option<Text>,
}

/// An element of its `keep:`.
#[derive(Deserialize, Default)]
#[serde(
    deny_unknown_fields,
    default,
    expecting = "a mapping with `newest`, `tag`, `younger` or `pulled_within`"
)]
pub(crate) struct Keep {
    pub(crate) newest: Condition<Integer>,
    pub(crate) tag: Condition<OneOrMany>,
    pub(crate) younger: Condition<Text>,
    pub(crate) pulled_within: Condition<Text>,
}
