//! The table of pushes in the file, within its bounds.
//!
//! Within a repository, no push is stored as earlier than one before it: a clock that went back would make what is new
//! look old, and what looks old may be deleted.

use std::{
    ops::RangeInclusive,
    sync::atomic::{AtomicU64, Ordering},
};

use sqlx::{
    Connection as _, Sqlite,
    sqlite::{SqliteConnection, SqliteQueryResult},
};

use super::{
    sqlite::{number, signed},
    store::StoredPush,
};

/// Made where they are missing: a file of an older version has none, and an older version does not look at them.
pub(super) const TABLES: [&str; 2] = [
    "CREATE TABLE IF NOT EXISTS pushed_tags (repository TEXT NOT NULL, tag TEXT NOT NULL, digest TEXT NOT NULL, \
     at INTEGER NOT NULL, is_exact INTEGER NOT NULL, PRIMARY KEY (repository, tag)) WITHOUT ROWID",
    "CREATE INDEX IF NOT EXISTS pushed_tags_at ON pushed_tags (repository, at)",
];

/// The most tags: some 150 MiB.
pub(super) const MOST: u64 = 500_000;

/// Returns the number of tags.
pub(super) async fn count(connection: &mut SqliteConnection) -> Result<u64, sqlx::Error> {
    let count = sqlx::query_scalar::<Sqlite, i64>("SELECT count(*) FROM pushed_tags");
    count.fetch_one(connection).await.map(number)
}

/// Stores pushes; returns how many found no room. `count` is the number of tags.
pub(super) async fn note(
    connection: &mut SqliteConnection,
    count: &AtomicU64,
    pushes: &[StoredPush],
) -> Result<usize, sqlx::Error> {
    let mut transaction = connection.begin().await?;
    let (mut added, mut without_room) = (0, 0);
    for push in pushes {
        if update(&mut transaction, push).await?.rows_affected() == 0 {
            if count.load(Ordering::Relaxed) + added < MOST {
                insert(&mut transaction, push).await?;
                added += 1;
            } else {
                without_room += 1;
            }
        }
    }
    transaction.commit().await?;
    count.fetch_add(added, Ordering::Relaxed);
    Ok(without_room)
}

/// Stores of tags that they are there, where nothing better is known; returns how many found no room.
pub(super) async fn note_seen(
    connection: &mut SqliteConnection,
    count: &AtomicU64,
    seen: &[StoredPush],
    unsettled: &RangeInclusive<u64>,
) -> Result<usize, sqlx::Error> {
    let mut transaction = connection.begin().await?;
    let (mut added, mut without_room) = (0, 0);
    for tag in seen {
        let found = sqlx::query_as::<Sqlite, (String, i64)>(
            "SELECT digest, at FROM pushed_tags WHERE repository = ? AND tag = ?",
        )
        .bind(&tag.repository)
        .bind(&tag.tag)
        .fetch_optional(&mut *transaction)
        .await?;
        match found {
            None if count.load(Ordering::Relaxed) + added < MOST => {
                insert(&mut transaction, tag).await?;
                added += 1;
            }
            None => without_room += 1,
            Some((digest, at)) if digest != tag.digest && !unsettled.contains(&number(at)) => {
                update(&mut transaction, tag).await?;
            }
            Some(_) => {}
        }
    }
    transaction.commit().await?;
    count.fetch_add(added, Ordering::Relaxed);
    Ok(without_room)
}

/// Forgets these tags of a repository, but for times within `unsettled`.
pub(super) async fn forget(
    connection: &mut SqliteConnection,
    count: &AtomicU64,
    (repository, tags): (&str, &[String]),
    unsettled: &RangeInclusive<u64>,
) -> Result<(), sqlx::Error> {
    let mut transaction = connection.begin().await?;
    let mut removed = 0;
    for tag in tags {
        let delete = sqlx::query(
            "DELETE FROM pushed_tags WHERE repository = ? AND tag = ? AND at NOT BETWEEN ? AND ?",
        );
        let (from, to) = (signed(*unsettled.start()), signed(*unsettled.end()));
        let delete = delete.bind(repository).bind(tag).bind(from).bind(to);
        removed += delete.execute(&mut *transaction).await?.rows_affected();
    }
    transaction.commit().await?;
    count.fetch_sub(removed, Ordering::Relaxed);
    Ok(())
}

/// Reads the pushes of a repository.
pub(super) async fn read(
    connection: &mut SqliteConnection,
    repository: String,
) -> Result<Vec<StoredPush>, sqlx::Error> {
    let rows = sqlx::query_as::<Sqlite, (String, String, i64, bool)>(
        "SELECT tag, digest, at, is_exact FROM pushed_tags WHERE repository = ?",
    )
    .bind(&repository)
    .fetch_all(connection)
    .await?;
    let push = |(tag, digest, at, is_exact)| StoredPush {
        repository: repository.clone(),
        tag,
        digest,
        at: number(at),
        is_exact,
    };
    Ok(rows.into_iter().map(push).collect())
}

async fn update(
    connection: &mut SqliteConnection,
    push: &StoredPush,
) -> Result<SqliteQueryResult, sqlx::Error> {
    let update = sqlx::query(
        "UPDATE pushed_tags SET digest = ?3, is_exact = ?5, \
         at = max(?4, (SELECT max(at) FROM pushed_tags WHERE repository = ?1)) WHERE repository = ?1 AND tag = ?2",
    );
    bound(update, push).execute(connection).await
}

async fn insert(
    connection: &mut SqliteConnection,
    push: &StoredPush,
) -> Result<SqliteQueryResult, sqlx::Error> {
    let insert = sqlx::query(
        "INSERT INTO pushed_tags (repository, tag, digest, at, is_exact) VALUES (?1, ?2, ?3, \
         max(?4, coalesce((SELECT max(at) FROM pushed_tags WHERE repository = ?1), 0)), ?5)",
    );
    bound(insert, push).execute(connection).await
}

type Query<'a> = sqlx::query::Query<'a, Sqlite, sqlx::sqlite::SqliteArguments>;

fn bound<'a>(query: Query<'a>, push: &'a StoredPush) -> Query<'a> {
    let StoredPush { repository, tag, digest, at, is_exact } = push;
    query.bind(repository).bind(tag).bind(digest).bind(signed(*at)).bind(is_exact)
}
