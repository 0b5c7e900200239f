//! `xorm_auth`: accounts in docker_auth's table `xorm_user`.

use super::{Answer, Secret};
use crate::backend::{Limits, SqlSettings, Unavailable};

/// The table.
#[derive(Debug)]
pub struct SqlUsers {}

impl SqlUsers {
    /// Nothing is connected yet.
    pub fn new(_settings: SqlSettings, _limits: &Limits) -> Self {
        Self {}
    }

    /// Looks the account up and checks its password.
    ///
    /// # Errors
    /// The database gives no answer.
    #[expect(clippy::unused_async, reason = "contract")]
    pub async fn authenticate(&self, _account: &str, _password: &Secret) -> Result<Answer, Unavailable> {
        Ok(Answer::NoSuchUser)
    }
}
