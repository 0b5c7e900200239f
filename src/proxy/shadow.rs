//! The next rules beside those in force (`shadow`): each live request is put to both, and no answer changes.

mod tally;

use std::{
    fmt::Display,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use parking_lot::Mutex;

use super::{request_log::RequestLog, snapshot::unix_now};
use crate::{
    authz::{
        Authorizers, Caller, Comparison, NextRules, NotPermitted, Permit, Policy, RuleError, RuleSettings,
    },
    registry::Route,
};
use tally::Tally;
pub use tally::{Difference, Subject, Totals};

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
    /// The differences so far. Later snapshots with the same rules go on with it.
    tally: Arc<Mutex<Tally>>,
    /// True once the log has the line about the end.
    end_is_logged: AtomicBool,
}

impl Shadow {
    /// Compiles the next rules, to be held against those in force. If `before` has the same, its differences are kept.
    ///
    /// # Errors
    /// Everything that is wrong with every rule.
    pub fn compile(
        settings: &ShadowSettings,
        in_force: &Authorizers,
        before: Option<&Self>,
    ) -> Result<Self, Vec<RuleError>> {
        let next = NextRules::new(Policy::compile(&settings.acl)?, in_force);
        let same = before.filter(|before| {
            (&before.settings.name, &before.settings.acl) == (&settings.name, &settings.acl)
        });
        let tally = same.map_or_else(Arc::default, |before| Arc::clone(&before.tally));
        Ok(Self { settings: settings.clone(), next, tally, end_is_logged: AtomicBool::new(false) })
    }

    /// The second in which the comparison is over, since 1970.
    pub fn until(&self) -> u64 {
        self.settings.until
    }

    /// The file of the next rules, as the configuration names it.
    pub fn file(&self) -> &str {
        &self.settings.name
    }

    /// Returns true once nothing is compared any more.
    pub fn has_ended(&self) -> bool {
        unix_now() >= self.settings.until
    }

    /// The differences so far, losses first, and the number of requests whose difference found no room.
    pub fn differences(&self) -> (Vec<Difference>, u64) {
        let (mut differences, more) = {
            let tally = self.tally.lock();
            (tally.differences(), tally.more())
        };
        tally::sort(&mut differences);
        (differences, more)
    }

    /// The number of requests with a difference, by its kind.
    pub fn totals(&self) -> Totals {
        self.tally.lock().totals()
    }

    /// Returns true while requests are compared. The first time that they no longer are, a line is logged.
    pub(super) fn is_on(&self) -> bool {
        let is_on = !self.has_ended();
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
        let need = route.needs().first().cloned();
        let compared = caught(log.id(), || self.next.compare(caller, route, in_force));
        let Some((comparison, rule)) = compared else { return };
        if let Some(need) = need.filter(|_| comparison != Comparison::Same) {
            let action = need.actions.into_iter().next_back().unwrap_or_default();
            let subject = Subject { account: caller.account.to_owned(), action, name: need.name, comparison };
            self.tally.lock().add(subject, rule.clone(), caller.now);
        }
        log.compared(comparison, rule);
    }
}

/// Returns what `compare` returns; undecided where it panics, which is logged with the id of the request.
fn caught(
    id: impl Display,
    compare: impl FnOnce() -> Option<(Comparison, Option<String>)>,
) -> Option<(Comparison, Option<String>)> {
    catch_unwind(AssertUnwindSafe(compare)).unwrap_or_else(|_| {
        tracing::error!(request = %id, "a comparison with the next rules failed; the request goes on");
        Some((Comparison::Undecided, None))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rule_56_a_comparison_that_panics_ends_there_and_is_undecided() {
        assert_eq!(caught("1", || panic!("a comparison broke")), Some((Comparison::Undecided, None)));
        let gain = Some((Comparison::Gain, Some("rule 1".to_owned())));
        assert_eq!(caught("2", || gain.clone()), gain);
        assert_eq!(caught("3", || None), None);
    }
}
