//! The tables of activity in the file, within their bounds.
//!
//! From the times in `activity_since` on, every request is on record. Where something may be missing, its time moves on,
//! so that no tag looks unused for lack of knowledge: at the beginning, after an end that was not orderly, where the file
//! was put back from a copy, and where the oldest records gave way to others.

use std::time::Duration;

use sqlx::{
    Connection as _, Row as _, Sqlite,
    sqlite::{SqliteConnection, SqliteRow},
};

use super::sqlite::{number, signed};
use crate::activity::{Activity, Batch, Days, Entry, Key, Last};

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
const BEGINNING: &str = "";
/// The scope of records that gave way in any repository. No repository has such a name.
const GAVE_WAY: &str = "*";
/// The longest time for which a server may be stopped and go on where it ended, in seconds.
const LONGEST_STOP: u64 = 86_400;
/// The time after an orderly end within which the file was last changed, in seconds: by that end itself.
const JUST_THEN: u64 = 2;

/// The most records.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// In all: some 200 MiB.
    pub(super) all: u64,
    /// Of one repository: it cannot push out those of all others.
    pub(super) of_one: u64,
}

pub(super) const BOUNDS: Bounds = Bounds { all: 500_000, of_one: 50_000 };

/// The time after which a change of the file is not taken for that of its end.
pub(super) const PAST_THE_END: Duration = Duration::from_secs(JUST_THEN + 1);

/// Returns the latest time that is stored.
pub(super) async fn latest(connection: &mut SqliteConnection) -> Result<u64, sqlx::Error> {
    sqlx::query_scalar::<Sqlite, i64>("SELECT latest FROM activity_run")
        .fetch_one(connection)
        .await
        .map(number)
}

/// Begins to record, at `now` in seconds since 1970. `changed` is the time of the last change of the file, whatever that
/// was. Returns the latest time that is stored.
pub(super) async fn begin(
    connection: &mut SqliteConnection,
    now: u64,
    changed: u64,
) -> Result<u64, sqlx::Error> {
    let run = sqlx::query_as::<Sqlite, (i64, i64)>("SELECT latest, closed FROM activity_run");
    let Some((latest, closed)) = run.fetch_optional(&mut *connection).await? else {
        sqlx::query("INSERT INTO activity_run VALUES (?, 0)")
            .bind(signed(now))
            .execute(&mut *connection)
            .await?;
        raise(connection, BEGINNING, now).await?;
        return Ok(now);
    };
    let (latest, closed) = (number(latest), number(closed));
    // A copy that was put back was changed since. One of a server that runs was not ended.
    let goes_on = closed > 0
        && (closed.saturating_sub(JUST_THEN)..=closed.saturating_add(JUST_THEN)).contains(&changed)
        && (closed..=closed.saturating_add(LONGEST_STOP)).contains(&now);
    if !goes_on {
        raise(connection, BEGINNING, now.max(latest)).await?;
    }
    sqlx::query("UPDATE activity_run SET closed = 0").execute(connection).await?;
    Ok(latest)
}

/// Ends in good order, at `now` in seconds since 1970: all that was heard is stored.
pub(super) async fn end(connection: &mut SqliteConnection, now: u64) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE activity_run SET closed = ?").bind(signed(now)).execute(connection).await.map(drop)
}

/// Stores a batch.
pub(super) async fn note(
    connection: &mut SqliteConnection,
    batch: &Batch,
    bounds: Bounds,
) -> Result<(), sqlx::Error> {
    let mut transaction = connection.begin().await?;
    for (repository, reference) in &batch.forget {
        let delete = sqlx::query("DELETE FROM activity WHERE repository = ? AND reference = ?");
        delete.bind(repository).bind(reference).execute(&mut *transaction).await?;
    }
    put(&mut transaction, &batch.add, bounds, Activity::add).await?;
    if batch.lost_at > 0 {
        raise(&mut transaction, BEGINNING, batch.lost_at).await?;
    }
    let latest = sqlx::query("UPDATE activity_run SET latest = max(latest, ?)");
    latest.bind(signed(batch.latest)).execute(&mut *transaction).await?;
    transaction.commit().await
}

/// Joins records with those that are stored.
pub(super) async fn join(
    connection: &mut SqliteConnection,
    entries: &[Entry],
    bounds: Bounds,
) -> Result<(), sqlx::Error> {
    let mut transaction = connection.begin().await?;
    put(&mut transaction, entries, bounds, Activity::join).await?;
    transaction.commit().await
}

/// Every request from `from` to `until` is on record. If that reaches the time from which on they are all the same, this
/// time moves back. Records that gave way are still gone.
pub(super) async fn extend(
    connection: &mut SqliteConnection,
    from: u64,
    until: u64,
) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE activity_since SET at = min(at, ?) WHERE scope = ? AND at <= ?")
        .bind(signed(from))
        .bind(BEGINNING)
        .bind(signed(until))
        .execute(connection)
        .await
        .map(drop)
}

/// Changes the records of these references with `change`.
async fn put(
    connection: &mut SqliteConnection,
    entries: &[Entry],
    bounds: Bounds,
    change: fn(&mut Activity, &Activity),
) -> Result<(), sqlx::Error> {
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
        let count = "SELECT count(*) FROM activity WHERE repository = ?";
        let count: i64 = sqlx::query_scalar(count).bind(repository).fetch_one(&mut *connection).await?;
        give_way(connection, Some(repository), number(count), bounds.of_one).await?;
    }
    if !grown.is_empty() {
        let count: i64 =
            sqlx::query_scalar("SELECT count(*) FROM activity").fetch_one(&mut *connection).await?;
        give_way(connection, None, number(count), bounds.all).await?;
    }
    Ok(())
}

/// Deletes the oldest records if there are more than `most`, and a hundredth more. Before the time of the last of them,
/// something may be missing.
async fn give_way(
    connection: &mut SqliteConnection,
    repository: Option<&str>,
    count: u64,
    most: u64,
) -> Result<(), sqlx::Error> {
    let Some(excess) = count.checked_sub(most).filter(|excess| *excess > 0) else { return Ok(()) };
    let oldest = "SELECT repository, reference, at FROM activity WHERE ?1 IS NULL OR repository = ?1 ORDER BY at LIMIT ?2";
    let oldest = sqlx::query_as::<Sqlite, (String, String, i64)>(oldest);
    let oldest =
        oldest.bind(repository).bind(signed(excess + most / 100)).fetch_all(&mut *connection).await?;
    for (repository, reference, _) in &oldest {
        let delete = sqlx::query("DELETE FROM activity WHERE repository = ? AND reference = ?");
        delete.bind(repository).bind(reference).execute(&mut *connection).await?;
    }
    let last = oldest.last().map_or(0, |(.., at)| number(*at));
    raise(connection, repository.unwrap_or(GAVE_WAY), last).await
}

async fn raise(connection: &mut SqliteConnection, scope: &str, at: u64) -> Result<(), sqlx::Error> {
    let raise =
        "INSERT INTO activity_since VALUES (?, ?) ON CONFLICT DO UPDATE SET at = max(at, excluded.at)";
    sqlx::query(raise).bind(scope).bind(signed(at)).execute(connection).await.map(drop)
}

/// Returns the time from which on every request about a repository is on record, in seconds since 1970.
pub(super) async fn since(connection: &mut SqliteConnection, repository: &str) -> Result<u64, sqlx::Error> {
    let since = "SELECT max(at) FROM activity_since WHERE scope IN (?, ?, ?)";
    let since =
        sqlx::query_scalar::<Sqlite, Option<i64>>(since).bind(BEGINNING).bind(GAVE_WAY).bind(repository);
    // A file whose mark is gone knows nothing.
    Ok(since.fetch_one(connection).await?.map_or(u64::MAX, number))
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

/// Returns the record of a reference.
pub(super) async fn read_one(
    connection: &mut SqliteConnection,
    repository: &str,
    reference: &str,
) -> Result<Option<Activity>, sqlx::Error> {
    let row = sqlx::query(select!("repository = ? AND reference = ?")).bind(repository).bind(reference);
    let row = row.fetch_optional(connection).await?;
    row.as_ref().map(|row| entry(row).map(|entry| entry.activity)).transpose()
}

/// Returns at most so many records, in order, behind that of `after`.
pub(super) async fn read_behind(
    connection: &mut SqliteConnection,
    (repository, reference): &Key,
    most: u64,
) -> Result<Vec<Entry>, sqlx::Error> {
    let rows =
        sqlx::query(select!("(repository, reference) > (?, ?) ORDER BY repository, reference LIMIT ?"));
    let rows = rows.bind(repository).bind(reference).bind(signed(most)).fetch_all(connection).await?;
    rows.iter().map(entry).collect()
}

/// Returns when each reference of a repository was asked for last, in seconds since 1970.
pub(super) async fn asked(
    connection: &mut SqliteConnection,
    repository: &str,
) -> Result<Vec<(String, u64)>, sqlx::Error> {
    let asked = "SELECT reference, asked_at FROM activity WHERE repository = ? AND asked_at IS NOT NULL";
    let asked = sqlx::query_as::<Sqlite, (String, i64)>(asked).bind(repository).fetch_all(connection).await?;
    Ok(asked.into_iter().map(|(reference, at)| (reference, number(at))).collect())
}

fn entry(row: &SqliteRow) -> Result<Entry, sqlx::Error> {
    let last = |at: usize, account: usize| -> Result<Option<Last>, sqlx::Error> {
        let (at, account) = (row.try_get::<Option<i64>, _>(at)?, row.try_get::<Option<String>, _>(account)?);
        Ok(at.map(|at| Last { at: number(at), account: account.unwrap_or_default() }))
    };
    let activity = Activity {
        pushed: last(2, 3)?,
        digest: row.try_get(4)?,
        pulled: last(5, 6)?,
        asked: last(7, 8)?,
        pulls: Days::decode(&row.try_get::<Vec<u8>, _>(9)?),
    };
    Ok(Entry { repository: row.try_get(0)?, reference: row.try_get(1)?, activity })
}

async fn write(
    connection: &mut SqliteConnection,
    repository: &str,
    reference: &str,
    activity: &Activity,
) -> Result<(), sqlx::Error> {
    let Activity { pushed, digest, pulled, asked, pulls } = activity;
    let at = |last: &Option<Last>| last.as_ref().map(|last| signed(last.at));
    let by = |last: &Option<Last>| last.as_ref().map(|last| last.account.clone());
    sqlx::query("INSERT OR REPLACE INTO activity VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
        .bind(repository)
        .bind(reference)
        .bind(at(pushed))
        .bind(by(pushed))
        .bind(digest)
        .bind(at(pulled))
        .bind(by(pulled))
        .bind(at(asked))
        .bind(by(asked))
        .bind(pulls.encode())
        .bind(signed(activity.latest()))
        .execute(connection)
        .await
        .map(drop)
}
