//! The next rules beside those in force (`shadow`): each live request is put to both, and no answer changes.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::atomic::{AtomicBool, Ordering},
};

use super::{request_log::RequestLog, snapshot::unix_now};
use crate::{
    authz::{
        Authorizers, Caller, Comparison, NextRules, NotPermitted, Permit, Policy, RuleError, RuleSettings,
    },
    registry::Route,
};

/// `shadow:`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShadowSettings {
    /// The file of the next rules, as the configuration names it.
    pub name: String,
    /// `acl` of that file.
    pub acl: Vec<RuleSettings>,
    /// The second in which the comparison is over, since 1970.
    pub until: u64,
}

/// The next rules, and until when live requests are put to them.
#[derive(Debug)]
pub struct Shadow {
    settings: ShadowSettings,
    next: NextRules,
    /// True once the log has the line about the end.
    end_is_logged: AtomicBool,
}

impl Shadow {
    /// Compiles the next rules, to be held against those in force.
    ///
    /// # Errors
    /// Everything that is wrong with every rule.
    pub fn compile(settings: &ShadowSettings, in_force: &Authorizers) -> Result<Self, Vec<RuleError>> {
        let next = NextRules::new(Policy::compile(&settings.acl)?, in_force);
        Ok(Self { settings: settings.clone(), next, end_is_logged: AtomicBool::new(false) })
    }

    /// The second in which the comparison is over, since 1970.
    pub fn until(&self) -> u64 {
        self.settings.until
    }

    /// Returns true while requests are compared. The first time that they no longer are, a line is logged.
    pub(super) fn is_on(&self) -> bool {
        let is_on = unix_now() < self.settings.until;
        if !is_on && !self.end_is_logged.swap(true, Ordering::Relaxed) {
            tracing::info!(file = self.settings.name, "the shadow has ended; nothing is compared any more");
        }
        is_on
    }

    /// Compares a request that was decided with what the next rules say of it, for the log of the request. Nothing is
    /// returned, and a panic ends here: the request goes on as decided.
    pub(super) fn observe(
        &self,
        caller: Caller<'_>,
        route: Route,
        in_force: &Result<Permit, NotPermitted>,
        log: &mut RequestLog,
    ) {
        let compared = catch_unwind(AssertUnwindSafe(|| self.next.compare(caller, route, in_force)));
        let compared = compared.unwrap_or_else(|_| {
            tracing::error!(request = %log.id(), "a comparison with the next rules failed; the request goes on");
            Some((Comparison::Undecided, None))
        });
        let Some((comparison, rule)) = compared else { return };
        log.compared(comparison, rule);
    }
}
