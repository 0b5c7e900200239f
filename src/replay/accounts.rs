//! The accounts of a configuration, as far as a recorded request needs them.

use std::collections::HashMap;

use crate::{authn::Labels, workload::is_of};

/// The accounts that a configuration knows.
#[derive(Debug, Default)]
pub struct Accounts {
    /// `users`; the empty name is the anonymous account.
    pub users: HashMap<String, Labels>,
    /// `robots`.
    pub robots: HashMap<String, Robot>,
    /// The issuers of `workload_auth`.
    pub issuers: Vec<String>,
    /// The other sections that know accounts: `ldap_auth`, `certificate_auth`, ….
    pub sections: Vec<&'static str>,
}

/// A robot.
#[derive(Debug, Default)]
pub struct Robot {
    /// Its labels.
    pub labels: Labels,
    /// The ids of its tokens.
    pub tokens: Vec<Box<str>>,
}

/// The state of a recorded account.
#[derive(Debug)]
pub(super) enum Known<'a> {
    /// It has these labels.
    Here(&'a Labels),
    /// Its section is there; its labels are those of the record.
    Elsewhere,
    /// It is no longer there: a phrase.
    Gone(&'static str),
}

impl Accounts {
    /// Finds a recorded account; `None` for one that no Portwarden writes down.
    pub(super) fn find(&self, account: &str, source: Option<&str>, token: &str) -> Option<Known<'_>> {
        let known = match (source, account) {
            (None, "") => self.users.get("").map_or(Known::Gone("no anonymous account"), Known::Here),
            (None, _) | (_, "") => return None,
            (Some("users"), _) => {
                self.users.get(account).map_or(Known::Gone("the account is not in `users`"), Known::Here)
            }
            (Some("robots"), _) => match self.robots.get(account) {
                None => Known::Gone("the robot is not in `robots`"),
                Some(robot) if !robot.tokens.iter().any(|id| **id == *token) => {
                    Known::Gone("the robot's token is not in `robots`")
                }
                Some(robot) => Known::Here(&robot.labels),
            },
            (Some("workload_auth"), _) => match self.issuers.iter().any(|issuer| is_of(account, issuer)) {
                true => Known::Elsewhere,
                false => Known::Gone("the issuer is not in `workload_auth`"),
            },
            (Some("certificate_auth"), _) => self.section("certificate_auth", "no `certificate_auth`"),
            (Some("ext_auth"), _) => self.section("ext_auth", "no `ext_auth`"),
            (Some("ldap_auth"), _) => self.section("ldap_auth", "no `ldap_auth`"),
            (Some("xorm_auth"), _) => self.section("xorm_auth", "no `xorm_auth`"),
            (Some(_), _) => return None,
        };
        Some(known)
    }

    fn section(&self, name: &str, gone: &'static str) -> Known<'static> {
        if self.sections.contains(&name) { Known::Elsewhere } else { Known::Gone(gone) }
    }
}
