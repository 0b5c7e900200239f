//! A question to a policy: may this account do that, from there?

use std::{collections::BTreeMap, net::IpAddr};

use super::{TokenScopes, patterns::placeholder::Field};

/// A question to a policy.
#[derive(Debug, Clone, Copy)]
pub struct Question<'q> {
    /// The account; empty for the anonymous one.
    pub account: &'q str,
    /// The account's labels.
    pub labels: &'q BTreeMap<String, Vec<String>>,
    /// The client's address. `None` when unknown: it is then unclear whether a rule with an `ip` matches.
    pub ip: Option<IpAddr>,
    /// The service that the token is for.
    pub service: &'q str,
    /// `repository`, `registry`, ….
    pub resource_type: &'q str,
    /// The resource.
    pub name: &'q str,
    /// The tag; `None` where it is not known, or where the request names none.
    pub tag: Option<&'q str>,
    /// The actions that are asked for.
    pub actions: &'q [String],
    /// The scopes of the personal token that proved the account; `None` where it was proved otherwise.
    pub token_scopes: Option<&'q TokenScopes>,
    /// The time of the request, in seconds since 1970: rules may be bounded in time.
    pub now: u64,
}

impl<'q> Question<'q> {
    /// All that a placeholder can stand for.
    pub(super) fn texts(&self) -> impl Iterator<Item = &'q str> {
        let fields = [self.account, self.resource_type, self.name, self.service];
        fields.into_iter().chain(self.labels.values().flatten().map(String::as_str))
    }

    pub(super) fn field(&self, field: Field) -> &'q str {
        match field {
            Field::Account => self.account,
            Field::Type => self.resource_type,
            Field::Name => self.name,
            Field::Service => self.service,
        }
    }
}
