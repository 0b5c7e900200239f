//! `ext_authz`: the operator's command says whether the actions that are asked for are granted.

use std::time::Duration;

use super::Question;
use crate::backend::{CommandSettings, Limits, Unavailable};

/// The command.
#[derive(Debug)]
pub struct CommandRules {}

impl CommandRules {
    /// Nothing is run yet. An answer holds for `remember`, so that the layers of one image cost one run and not twenty.
    pub fn new(_settings: CommandSettings, _limits: &Limits, _remember: Duration) -> Self {
        Self {}
    }

    /// The granted ones of the requested actions: all, or none.
    ///
    /// # Errors
    /// It cannot be run, takes too long, or says that it failed.
    #[expect(clippy::unused_async, reason = "contract")]
    pub async fn decide(&self, _question: &Question<'_>) -> Result<Vec<String>, Unavailable> {
        Ok(Vec::new())
    }
}
