//! The tables of activity, within their bounds.
//!
//! From the times in `activity_since` on, every request is on record. Where something may be missing, its time moves on,
//! so that no tag looks unused for lack of knowledge: at the beginning, after an end that was not orderly, where the file
//! was put back from a copy, and where the oldest records gave way to others.

use std::{collections::HashMap, time::Duration};

use super::{
    Store,
    connection::{Answer, Connection, Lock, Row, Value, number, values},
    replicas,
};
use crate::{
    activity::{Activity, Batch, Days, Entry, Key, Last},
    state::stored::StoreResult,
};

/// Made where they are missing: a file of an older version has none, and an older version does not look at them.
pub(super) const TABLES: [&str; 5] = [
    "CREATE TABLE IF NOT EXISTS activity (repository TEXT NOT NULL, reference TEXT NOT NULL, pushed_at INTEGER, \
     pushed_by TEXT, digest TEXT, pulled_at INTEGER, pulled_by TEXT, asked_at INTEGER, asked_by TEXT, \
     days BLOB NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (repository, reference)) WITHOUT ROWID",
    "CREATE INDEX IF NOT EXISTS activity_at ON activity (at)",
    "CREATE INDEX IF NOT EXISTS activity_of_repository ON activity (repository, at)",
    "CREATE TABLE IF NOT EXISTS activity_since (scope TEXT PRIMARY KEY, at INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS activity_run (latest INTEGER NOT NULL, closed INTEGER NOT NULL)",
];

/// The scope of the moment at which recording began, or went on after a gap. No repository has such a name.
pub(super) const BEGINNING: &str = "";
/// The scope of records that gave way in any repository. No repository has such a name.
const GAVE_WAY: &str = "*";
/// The longest time for which a server may be stopped and go on where it ended, in seconds.
const LONGEST_STOP: u64 = 86_400;
/// The time after an orderly end within which the file was last changed, in seconds: by that end itself.
const JUST_THEN: u64 = 2;

/// The most records.
#[derive(Debug, Clone, Copy)]
pub(in crate::state) struct Bounds {
    /// In all: some 200 MiB.
    pub(in crate::state) all: u64,
    /// Of one repository: it cannot push out those of all others.
    pub(in crate::state) of_one: u64,
}

pub(in crate::state) const BOUNDS: Bounds = Bounds { all: 500_000, of_one: 50_000 };

/// The time after which a change of the file is not taken for that of its end.
pub(super) const PAST_THE_END: Duration = Duration::from_secs(JUST_THEN + 1);

/// Returns the latest time that is stored.
pub(super) async fn latest(connection: &mut Connection) -> Answer<u64> {
    connection.number("SELECT latest FROM activity_run", &[]).await
}

/// The columns that [`entry`] reads, of the records that a condition selects.
macro_rules! select {
    ($condition:literal) => {
        concat!(
            "SELECT repository, reference, pushed_at, pushed_by, digest, pulled_at, pulled_by, asked_at, asked_by, days \
             FROM activity WHERE ",
            $condition
        )
    };
}

/// References of a repository that are looked up one by one.
const ONE_BY_ONE: usize = 50;

impl Store {
    /// Returns the latest time of any activity that is stored, and the time up to which some may be missing that could
    /// not be stored as missing, 0 for none; in seconds since 1970.
    pub(in crate::state) fn latest_activity(&self) -> (u64, u64) {
        (self.latest_activity, self.activity_gap)
    }

    /// Ends in good order, at `now` in seconds since 1970: all that was heard is stored.
    pub(in crate::state) async fn end_activity(&self, now: u64) -> StoreResult<()> {
        self.in_background(async |connection| {
            if connection.is_shared() {
                return replicas::end(connection, &self.replica).await;
            }
            connection.execute("UPDATE activity_run SET closed = $1", values![now]).await.map(drop)
        })
        .await
    }

    /// Stores activity, all of the batch or nothing.
    pub(in crate::state) async fn note_activity(&self, batch: &Batch) -> StoreResult<()> {
        self.in_background(async |connection| {
            let mut transaction = connection.begin(Lock::Activity).await?;
            for (repository, reference) in &batch.forget {
                forget(&mut transaction, repository, reference).await?;
            }
            put(&mut transaction, &batch.add, self.bounds, Activity::add).await?;
            if batch.lost_at > 0 {
                raise(&mut transaction, BEGINNING, batch.lost_at).await?;
            }
            let latest = "UPDATE activity_run SET latest = $1 WHERE latest < $1";
            transaction.execute(latest, values![batch.latest]).await?;
            transaction.commit().await
        })
        .await
    }

    /// Joins records of activity with those that are stored, all of them or none: what both tell of counts once.
    pub(in crate::state) async fn join_activity(&self, entries: &[Entry]) -> StoreResult<()> {
        self.in_background(async |connection| {
            let mut transaction = connection.begin(Lock::Activity).await?;
            put(&mut transaction, entries, self.bounds, Activity::join).await?;
            transaction.commit().await
        })
        .await
    }

    /// Every request from `from` to `until` is on record, both in seconds since 1970. If that reaches the time from which on
    /// they are all the same, this time moves back. Records that gave way are still gone.
    pub(in crate::state) async fn extend_activity(&self, from: u64, until: u64) -> StoreResult<()> {
        self.in_background(async |connection| {
            let extend = "UPDATE activity_since SET at = $1 WHERE scope = $2 AND at <= $3 AND at > $1";
            connection.execute(extend, values![from, BEGINNING, until]).await.map(drop)
        })
        .await
    }

    /// Returns the records of references, in their order. Of a repository with many of them, all records are read at once.
    pub(in crate::state) async fn activity(&self, keys: &[Key]) -> StoreResult<Vec<Option<Activity>>> {
        self.in_background(async |connection| {
            let mut found = HashMap::new();
            for of_one in keys.chunk_by(|one, next| one.0 == next.0) {
                let Some((repository, _)) = of_one.first() else { continue };
                if of_one.len() > ONE_BY_ONE {
                    for row in &connection.rows(select!("repository = $1"), values![repository]).await? {
                        let Entry { repository, reference, activity } = entry(row)?;
                        found.insert((repository, reference), activity);
                    }
                    continue;
                }
                for (repository, reference) in of_one {
                    if let Some(activity) = read_one(connection, repository, reference).await? {
                        found.insert((repository.clone(), reference.clone()), activity);
                    }
                }
            }
            Ok(keys.iter().map(|key| found.get(key).cloned()).collect())
        })
        .await
    }

    /// Returns at most so many records, in order, behind that of this reference.
    pub(in crate::state) async fn activity_behind(
        &self,
        (repository, reference): &Key,
        most: u64,
    ) -> StoreResult<Vec<Entry>> {
        self.in_background(async |connection| {
            let rows = select!("(repository, reference) > ($1, $2) ORDER BY repository, reference LIMIT $3");
            connection.rows(rows, values![repository, reference, most]).await?.iter().map(entry).collect()
        })
        .await
    }

    /// Reads when each reference of a repository was asked for last, and the time from which on all requests about it are
    /// on record; in seconds since 1970.
    pub(in crate::state) async fn asked(&self, repository: &str) -> StoreResult<(Vec<(String, u64)>, u64)> {
        self.in_background(async |connection| {
            let asked =
                "SELECT reference, asked_at FROM activity WHERE repository = $1 AND asked_at IS NOT NULL";
            let asked = connection.rows(asked, values![repository]).await?;
            let asked = asked.iter().map(|row| Ok((row.get(0)?, row.number(1)?))).collect::<Answer<_>>()?;
            let since = since(connection, repository).await?;
            Ok((asked, since.max(replicas::unheard_until(connection).await?)))
        })
        .await
    }
}

/// Begins to record, at `now` in seconds since 1970. `changed` is the time of the last change of the file, whatever that
/// was. Returns the latest time that is stored.
pub(super) async fn begin(connection: &mut Connection, now: u64, changed: u64) -> Answer<u64> {
    let Some(run) = connection.row("SELECT latest, closed FROM activity_run", &[]).await? else {
        connection.execute("INSERT INTO activity_run VALUES ($1, 0)", values![now]).await?;
        raise(connection, BEGINNING, now).await?;
        return Ok(now);
    };
    let (latest, closed) = (run.number(0)?, run.number(1)?);
    // A copy that was put back was changed since. One of a server that runs was not ended.
    let goes_on = closed > 0
        && (closed.saturating_sub(JUST_THEN)..=closed.saturating_add(JUST_THEN)).contains(&changed)
        && (closed..=closed.saturating_add(LONGEST_STOP)).contains(&now);
    if !goes_on {
        raise(connection, BEGINNING, now.max(latest)).await?;
    }
    connection.script("UPDATE activity_run SET closed = 0").await?;
    Ok(latest)
}

async fn forget(connection: &mut Connection, repository: &str, reference: &str) -> Answer<()> {
    let delete = "DELETE FROM activity WHERE repository = $1 AND reference = $2";
    connection.execute(delete, values![repository, reference]).await.map(drop)
}

/// Changes the records of these references with `change`.
async fn put(
    connection: &mut Connection,
    entries: &[Entry],
    bounds: Bounds,
    change: fn(&mut Activity, &Activity),
) -> Answer<()> {
    let mut grown: Vec<&str> = Vec::new();
    for Entry { repository, reference, activity } in entries {
        let stored = read_one(connection, repository, reference).await?;
        if stored.is_none() {
            grown.push(repository);
        }
        let mut whole = stored.unwrap_or_default();
        change(&mut whole, activity);
        write(connection, repository, reference, &whole).await?;
    }
    grown.sort_unstable();
    grown.dedup();
    for repository in &grown {
        let count = "SELECT count(*) FROM activity WHERE repository = $1";
        let count = connection.number(count, values![*repository]).await?;
        give_way(connection, Some(repository), count, bounds.of_one).await?;
    }
    if !grown.is_empty() {
        let count = connection.number("SELECT count(*) FROM activity", &[]).await?;
        give_way(connection, None, count, bounds.all).await?;
    }
    Ok(())
}

/// Deletes the oldest records if there are more than `most`, and a hundredth more. Before the time of the last of them,
/// something may be missing.
async fn give_way(
    connection: &mut Connection,
    repository: Option<&str>,
    count: u64,
    most: u64,
) -> Answer<()> {
    let Some(excess) = count.checked_sub(most).filter(|excess| *excess > 0) else { return Ok(()) };
    let oldest = "SELECT repository, reference, at FROM activity WHERE $1 IS NULL OR repository = $1 ORDER BY at LIMIT $2";
    let oldest = connection.rows(oldest, values![repository, excess + most / 100]).await?;
    for row in &oldest {
        forget(connection, &row.get::<String>(0)?, &row.get::<String>(1)?).await?;
    }
    let last = oldest.last().map_or(Ok(0), |row| row.number(2))?;
    raise(connection, repository.unwrap_or(GAVE_WAY), last).await
}

/// Something may be missing before `at`.
pub(super) async fn raise(connection: &mut Connection, scope: &str, at: u64) -> Answer<()> {
    let raise = "INSERT INTO activity_since VALUES ($1, $2) ON CONFLICT (scope) DO UPDATE SET at = \
                 CASE WHEN activity_since.at > excluded.at THEN activity_since.at ELSE excluded.at END";
    connection.execute(raise, values![scope, at]).await.map(drop)
}

/// Returns the time from which on every request about a repository is on record, in seconds since 1970.
pub(super) async fn since(connection: &mut Connection, repository: &str) -> Answer<u64> {
    let since = "SELECT max(at) FROM activity_since WHERE scope IN ($1, $2, $3)";
    let since = connection.row(since, values![BEGINNING, GAVE_WAY, repository]).await?;
    let since = since.map_or(Ok(None), |row| row.get::<Option<i64>>(0))?;
    // A file whose mark is gone knows nothing.
    Ok(since.map_or(u64::MAX, number))
}

/// Returns the record of a reference.
pub(super) async fn read_one(
    connection: &mut Connection,
    repository: &str,
    reference: &str,
) -> Answer<Option<Activity>> {
    let read = select!("repository = $1 AND reference = $2");
    let row = connection.row(read, values![repository, reference]).await?;
    row.as_ref().map(|row| entry(row).map(|entry| entry.activity)).transpose()
}

fn entry(row: &Row) -> Answer<Entry> {
    let last = |at: usize, account: usize| -> Answer<Option<Last>> {
        let (at, account) = (row.get::<Option<i64>>(at)?, row.get::<Option<String>>(account)?);
        Ok(at.map(|at| Last { at: number(at), account: account.unwrap_or_default() }))
    };
    let activity = Activity {
        pushed: last(2, 3)?,
        digest: row.get(4)?,
        pulled: last(5, 6)?,
        asked: last(7, 8)?,
        pulls: Days::decode(&row.get::<Vec<u8>>(9)?),
    };
    Ok(Entry { repository: row.get(0)?, reference: row.get(1)?, activity })
}

async fn write(
    connection: &mut Connection,
    repository: &str,
    reference: &str,
    activity: &Activity,
) -> Answer<()> {
    let Activity { pushed, digest, pulled, asked, pulls } = activity;
    let at = |last: &Option<Last>| Value::from(last.as_ref().map(|last| last.at));
    let (days, latest) = (pulls.encode(), Value::from(activity.latest()));
    let [pushed_by, pulled_by, asked_by] = [pushed, pulled, asked].map(by);
    let digest = Value::from(digest.as_deref());
    let (pushed, pulled, asked) = (at(pushed), at(pulled), at(asked));
    let [repository, reference] = [repository, reference].map(Value::from);
    let days = Value::from(days.as_slice());
    let row =
        [repository, reference, pushed, pushed_by, digest, pulled, pulled_by, asked, asked_by, days, latest];
    let write = "INSERT INTO activity VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) \
                 ON CONFLICT (repository, reference) DO UPDATE SET pushed_at = excluded.pushed_at, \
                 pushed_by = excluded.pushed_by, digest = excluded.digest, pulled_at = excluded.pulled_at, \
                 pulled_by = excluded.pulled_by, asked_at = excluded.asked_at, asked_by = excluded.asked_by, \
                 days = excluded.days, at = excluded.at";
    connection.execute(write, &row).await.map(drop)
}

fn by(last: &Option<Last>) -> Value<'_> {
    last.as_ref().map(|last| last.account.as_str()).into()
}
