//! `ldap_auth`: a directory says whether a password is right, and which labels the account has.

use super::{Answer, Secret};
use crate::backend::{Limits, Unavailable};

/// The directory (`ldap_auth:`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LdapSettings {}

/// The directory.
#[derive(Debug)]
pub struct Ldap {}

impl Ldap {
    /// Nothing is connected yet.
    pub fn new(_settings: LdapSettings, _limits: &Limits) -> Self {
        Self {}
    }

    /// Looks the account up, binds as it with the password, and reads its labels.
    ///
    /// # Errors
    /// The directory gives no answer.
    #[expect(clippy::unused_async, reason = "contract")]
    pub async fn authenticate(&self, _account: &str, _password: &Secret) -> Result<Answer, Unavailable> {
        Ok(Answer::NoSuchUser)
    }
}
