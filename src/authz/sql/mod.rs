//! `acl_xorm`: rules in docker_auth's table `xorm_acl_entry`, read again and again by a task of their own.
//!
//! Requests are decided by the last good reading. A database that fails, or an entry that is wrong, leaves it in force
//! for a while, as in docker_auth, and is said once.

mod entry;
mod reading;

use std::{fmt, sync::Arc, time::Duration};

use tokio::{
    sync::watch,
    task::AbortHandle,
    time::{Instant, timeout},
};

use super::Policy;
use crate::backend::{BackendLimits, SqlSettings, Unavailable, one_line};
use reading::Table;

const SECTION: &str = "acl_xorm";

/// The time for which rules stay in force after they should have been read again. It is long enough for a database to
/// be restarted or repaired, and short enough that a right that was taken away does not come back for a day.
const STALE: Duration = Duration::from_secs(3600);

/// The first pause after a failure; each further one is twice as long, up to `cache_ttl`.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// The table of rules (`acl_xorm:`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqlRulesSettings {
    /// The database that holds them.
    pub database: SqlSettings,
    /// `acl_xorm.cache_ttl`: how often it is read.
    pub refresh: Duration,
}

/// The rules as they were last read. Dropped, it stops to read them.
pub(super) struct SqlRules {
    newest: watch::Receiver<Newest>,
    /// The greatest age of rules in force.
    oldest: Duration,
    /// The timeout for the first reading.
    patience: Duration,
    task: AbortHandle,
}

/// The results of the readings so far.
#[derive(Clone, Default)]
struct Newest {
    /// The last good rules, and when they were read.
    rules: Option<(Arc<Policy>, Instant)>,
    /// The error of the last reading, if it failed.
    failed: Option<String>,
}

impl SqlRules {
    /// Starts to read them, on the present runtime.
    pub(super) fn new(settings: SqlRulesSettings, limits: &BackendLimits) -> Self {
        let SqlRulesSettings { database, refresh } = settings;
        let (sender, newest) = watch::channel(Newest::default());
        let task = tokio::spawn(keep_reading(Table::new(database, limits), refresh, sender)).abort_handle();
        Self { newest, oldest: refresh + STALE, patience: limits.timeout, task }
    }

    /// The rules that were read last, however long ago; `None` before the first good reading.
    pub(super) fn last_read(&self) -> Option<Arc<Policy>> {
        self.newest.borrow().rules.as_ref().map(|(rules, _)| Arc::clone(rules))
    }

    /// The rules in force. Waits for the end of the first reading.
    ///
    /// # Errors
    /// They could not be read yet, or not for too long.
    pub(super) async fn rules(&self) -> Result<Arc<Policy>, Unavailable> {
        let mut newest = self.newest.clone();
        let read = newest.wait_for(|newest| newest.rules.is_some() || newest.failed.is_some());
        match timeout(self.patience, read).await {
            Ok(Ok(newest)) => newest.in_force(Instant::now(), self.oldest).map_err(unavailable),
            Ok(Err(_)) => Err(unavailable("its task has ended")),
            Err(_) => Err(unavailable(format!("not read within {:?}", self.patience))),
        }
    }
}

fn unavailable(why: impl Into<String>) -> Unavailable {
    Unavailable { backend: SECTION, why: why.into() }
}

impl Drop for SqlRules {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl fmt::Debug for SqlRules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqlRules").finish_non_exhaustive()
    }
}

/// Reads the table for as long as there is a receiver.
async fn keep_reading(mut table: Table, refresh: Duration, newest: watch::Sender<Newest>) {
    let mut pause = FIRST_PAUSE;
    while !newest.is_closed() {
        let read = table.read().await;
        let wait = if read.is_ok() { refresh } else { pause.min(refresh) };
        pause = if read.is_ok() { FIRST_PAUSE } else { (pause * 2).min(refresh) };
        newest.send_modify(|newest| newest.take(read));
        tokio::time::sleep(wait).await;
    }
}

impl Newest {
    /// The rules that decide at `now`, or why there are none.
    fn in_force(&self, now: Instant, oldest: Duration) -> Result<Arc<Policy>, String> {
        let failed = self.failed.clone().unwrap_or_default();
        match &self.rules {
            Some((rules, read)) if now.duration_since(*read) <= oldest => Ok(Arc::clone(rules)),
            Some(_) => Err(format!("the rules are too old: {failed}")),
            None => Err(failed),
        }
    }

    /// Takes a reading in, and says what has changed.
    fn take(&mut self, read: Result<Arc<Policy>, String>) {
        let failed = read.as_ref().err().map(|why| one_line(why));
        self.say(failed.as_deref(), read.as_ref().map(|rules| rules.len()).unwrap_or_default());
        self.failed = failed;
        if let Ok(rules) = read {
            self.rules = Some((rules, Instant::now()));
        }
    }

    /// Once for each change: a database that is down for a night fills no log.
    fn say(&self, failed: Option<&str>, rules: usize) {
        match (self.failed.as_deref(), failed) {
            (before, Some(why)) if before != Some(why) && self.rules.is_some() => {
                tracing::error!("{SECTION}: the last good rules stay in force for at most an hour: {why}");
            }
            (before, Some(why)) if before != Some(why) => tracing::error!("{SECTION}: no rules: {why}"),
            (Some(_), None) => tracing::info!(rules, "{SECTION}: the rules can be read again"),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_millis(200);

    fn rules(newest: Newest) -> (watch::Sender<Newest>, SqlRules) {
        let (sender, newest) = watch::channel(newest);
        let task = tokio::spawn(std::future::pending::<()>()).abort_handle();
        (sender, SqlRules { newest, oldest: STALE, patience: PATIENCE, task })
    }

    #[test]
    fn rules_that_cannot_be_read_again_are_in_force_for_an_hour() {
        let mut newest = Newest::default();
        newest.take(Ok(Arc::default()));
        newest.take(Err("the database is down".to_owned()));
        let read = newest.rules.as_ref().unwrap().1;
        assert!(newest.in_force(read + STALE, STALE).is_ok());
        let why = newest.in_force(read + STALE + Duration::from_secs(1), STALE).unwrap_err();
        assert_eq!(why, "the rules are too old: the database is down");
    }

    #[test]
    fn a_reason_is_one_line_and_not_without_end() {
        let mut newest = Newest::default();
        newest.take(Err(format!("match.\n{}", "x".repeat(5_000))));
        let why = newest.in_force(Instant::now(), STALE).unwrap_err();
        assert!(why.starts_with("match. x") && why.chars().count() == 400, "{why}");
    }

    #[tokio::test]
    async fn the_first_reading_is_waited_for_and_not_for_ever() {
        let (sender, rules) = rules(Newest::default());
        let began = Instant::now();
        let why = rules.rules().await.unwrap_err().to_string();
        assert_eq!(why, "acl_xorm gave no answer: not read within 200ms");
        assert!(began.elapsed() >= PATIENCE);
        let read = async {
            tokio::time::sleep(PATIENCE / 10).await;
            sender.send_modify(|newest| newest.take(Ok(Arc::default())));
        };
        let (found, ()) = tokio::join!(rules.rules(), read);
        assert!(found.is_ok());
    }

    #[tokio::test]
    async fn a_first_reading_that_failed_is_not_waited_for() {
        let mut newest = Newest::default();
        newest.take(Err("no such table".to_owned()));
        let (_sender, rules) = rules(newest);
        assert_eq!(rules.rules().await.unwrap_err().why, "no such table");
    }

    #[tokio::test]
    async fn the_task_ends_with_the_rules() {
        let (_sender, rules) = rules(Newest::default());
        let task = rules.task.clone();
        drop(rules);
        tokio::task::yield_now().await;
        assert!(task.is_finished());
    }
}
