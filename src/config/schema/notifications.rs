//! `notifications:` as the registry has it in its own configuration, with keys of Portwarden's.

use serde::Deserialize;

use super::{Entries, Integer, OneOrMany, Switch, Text};

/// `notifications:`; `spool` and `waiting` are Portwarden's own.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default, expecting = "a mapping with `endpoints`")]
pub(crate) struct Notifications {
    pub(crate) endpoints: Option<Vec<Option<NotificationEndpoint>>>,
    pub(crate) events: Option<NotificationEvents>,
    pub(crate) spool: Option<Text>,
    pub(crate) waiting: Option<Integer>,
}

/// An entry of `notifications.endpoints:`; `secret_file` and `ca_certificate` are Portwarden's own.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default, expecting = "a mapping with `name` and `url`")]
pub(crate) struct NotificationEndpoint {
    pub(crate) name: Option<Text>,
    pub(crate) disabled: Option<Switch>,
    pub(crate) url: Option<Text>,
    pub(crate) headers: Option<Entries<Option<OneOrMany>>>,
    pub(crate) timeout: Option<Text>,
    pub(crate) threshold: Option<Integer>,
    pub(crate) backoff: Option<Text>,
    pub(crate) ignoredmediatypes: Option<OneOrMany>,
    pub(crate) ignore: Option<NotificationIgnore>,
    pub(crate) secret_file: Option<Text>,
    pub(crate) ca_certificate: Option<Text>,
}

/// `ignore:` of an endpoint.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default, expecting = "a mapping with `mediatypes` and `actions`")]
pub(crate) struct NotificationIgnore {
    pub(crate) mediatypes: Option<OneOrMany>,
    pub(crate) actions: Option<OneOrMany>,
}

/// `notifications.events:`.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default, expecting = "a mapping with `includereferences`")]
pub(crate) struct NotificationEvents {
    pub(crate) includereferences: Option<Switch>,
}
