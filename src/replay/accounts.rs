//! The accounts of a configuration, as far as a recorded request needs them.

use std::collections::HashMap;

use crate::{
    authn::{Labels, SignInSection},
    workload::is_of,
};

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

/// The sections that are asked about any name with a password.
const BACK_ENDS: [&str; 3] = ["ext_auth", "ldap_auth", "xorm_auth"];

/// The state of a recorded account.
#[derive(Debug)]
pub(super) enum Known<'a> {
    /// It has these labels.
    Here(&'a Labels),
    /// It is there with these labels, and the credentials of the record no longer count: a phrase.
    Renewed(&'a Labels, &'static str),
    /// Its section is there; its labels are those of the record.
    Elsewhere,
    /// It is no longer there, a phrase; but a back end may know the name.
    Perhaps(&'static str),
    /// It is no longer there: a phrase.
    Gone(&'static str),
}

impl Accounts {
    /// Finds a recorded account; `None` for one that no Portwarden writes down.
    pub(super) fn find(&self, account: &str, source: Option<&str>, token: &str) -> Option<Known<'_>> {
        let known = match (source, account) {
            (None, "") => self.users.get("").map_or(Known::Gone("no anonymous account"), Known::Here),
            (None, _) | (_, "") => return None,
            (Some("users"), _) => match self.users.get(account) {
                None => self.left(account, "the account is not in `users`"),
                Some(labels) => Known::Here(labels),
            },
            (Some("robots"), _) => match self.robots.get(account) {
                None => self.left(account, "the robot is not in `robots`"),
                Some(robot) if !robot.tokens.iter().any(|id| **id == *token) => {
                    Known::Renewed(&robot.labels, "the robot's token is not in `robots`")
                }
                Some(robot) => Known::Here(&robot.labels),
            },
            (Some("workload_auth"), _) => match self.issuers.iter().any(|issuer| is_of(account, issuer)) {
                true => Known::Elsewhere,
                false => self.left(account, "the issuer is not in `workload_auth`"),
            },
            (Some("certificate_auth"), _) => {
                self.section(account, "certificate_auth", "no `certificate_auth`")
            }
            (Some("ext_auth"), _) => self.section(account, "ext_auth", "no `ext_auth`"),
            (Some("ldap_auth"), _) => self.section(account, "ldap_auth", "no `ldap_auth`"),
            (Some("xorm_auth"), _) => self.section(account, "xorm_auth", "no `xorm_auth`"),
            (Some(source), _) => {
                let section = SignInSection::parse(source)?;
                self.section(account, section.key(), "the section with which the person signed in is gone")
            }
        };
        Some(known)
    }

    fn section(&self, account: &str, name: &str, gone: &'static str) -> Known<'_> {
        match self.configured(account) {
            Some(labels) => Known::Renewed(labels, "the account has moved to `users` or `robots`"),
            None if self.sections.contains(&name) => Known::Elsewhere,
            None => self.left(account, gone),
        }
    }

    /// The state of an account that its section no longer has: another may know the name.
    fn left(&self, account: &str, gone: &'static str) -> Known<'_> {
        match self.configured(account) {
            Some(labels) => Known::Renewed(labels, gone),
            None if self.sections.iter().any(|section| BACK_ENDS.contains(section)) => Known::Perhaps(gone),
            None => Known::Gone(gone),
        }
    }

    /// The labels of an account that the configuration names: no back end is asked about it.
    fn configured(&self, account: &str) -> Option<&Labels> {
        self.users.get(account).or_else(|| Some(&self.robots.get(account)?.labels))
    }
}
