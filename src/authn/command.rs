//! `ext_auth`: the operator's command says whether a password is right.

use super::{Answer, Secret};
use crate::backend::{CommandSettings, Limits, Unavailable};

/// The command.
#[derive(Debug)]
pub struct CommandUsers {}

impl CommandUsers {
    /// Nothing is run yet.
    pub fn new(_settings: CommandSettings, _limits: &Limits) -> Self {
        Self {}
    }

    /// Asks the command about a name and a password.
    ///
    /// # Errors
    /// It cannot be run, takes too long, or says that it failed.
    #[expect(clippy::unused_async, reason = "contract")]
    pub async fn authenticate(&self, _account: &str, _password: &Secret) -> Result<Answer, Unavailable> {
        Ok(Answer::NoSuchUser)
    }
}
