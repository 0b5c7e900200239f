//! The table of pushes, within its bounds.
//!
//! Within a repository, no push is stored as earlier than one before it: a clock that went back would make what is new
//! look old, and what looks old may be deleted.

use std::{ops::RangeInclusive, sync::atomic::Ordering};

use super::{
    Store,
    connection::{Answer, Connection, Lock, Row, Value, values},
};
use crate::state::stored::{StoreResult, StoredPush};

/// Made where they are missing: a file of an older version has none, and an older version does not look at them.
pub(super) const TABLES: [&str; 2] = [
    "CREATE TABLE IF NOT EXISTS pushed_tags (repository TEXT NOT NULL, tag TEXT NOT NULL, digest TEXT NOT NULL, \
     at INTEGER NOT NULL, is_exact INTEGER NOT NULL, PRIMARY KEY (repository, tag)) WITHOUT ROWID",
    "CREATE INDEX IF NOT EXISTS pushed_tags_at ON pushed_tags (repository, at)",
];

/// The most tags: some 150 MiB.
pub(in crate::state) const MOST: u64 = 500_000;

/// Returns the number of tags.
pub(super) async fn count(connection: &mut Connection) -> Answer<u64> {
    connection.number("SELECT count(*) FROM pushed_tags", &[]).await
}

impl Store {
    /// Stores when tags were pushed, each at most once in the list, in place of what is stored about them. Within a
    /// repository, none is stored as earlier than another that is there. Returns how many found no room.
    pub(in crate::state) async fn note_pushes(&self, pushes: &[StoredPush]) -> StoreResult<usize> {
        self.write(async |connection| {
            let mut transaction = connection.begin(Lock::State).await?;
            let (mut added, mut without_room) = (0, 0);
            for push in pushes {
                if update(&mut transaction, push).await? == 0 {
                    if self.pushes.load(Ordering::Relaxed) + added < MOST {
                        insert(&mut transaction, push).await?;
                        added += 1;
                    } else {
                        without_room += 1;
                    }
                }
            }
            transaction.commit().await?;
            self.pushes.fetch_add(added, Ordering::Relaxed);
            Ok(without_room)
        })
        .await
    }

    /// Stores of tags that are there when they were there, as far as nothing is stored about them but what is about
    /// another manifest and outside of `unsettled`. Returns how many found no room.
    pub(in crate::state) async fn note_seen(
        &self,
        seen: &[StoredPush],
        unsettled: &RangeInclusive<u64>,
    ) -> StoreResult<usize> {
        self.write(async |connection| {
            let mut transaction = connection.begin(Lock::State).await?;
            let (mut added, mut without_room) = (0, 0);
            for tag in seen {
                let find = "SELECT digest, at FROM pushed_tags WHERE repository = $1 AND tag = $2";
                match transaction.row(find, values![&tag.repository, &tag.tag]).await? {
                    None if self.pushes.load(Ordering::Relaxed) + added < MOST => {
                        insert(&mut transaction, tag).await?;
                        added += 1;
                    }
                    None => without_room += 1,
                    Some(found) => {
                        if found.get::<String>(0)? != tag.digest && !unsettled.contains(&found.number(1)?) {
                            update(&mut transaction, tag).await?;
                        }
                    }
                }
            }
            transaction.commit().await?;
            self.pushes.fetch_add(added, Ordering::Relaxed);
            Ok(without_room)
        })
        .await
    }

    /// Forgets when tags of a repository were pushed, but for times within `unsettled`.
    pub(in crate::state) async fn forget_pushes(
        &self,
        repository: &str,
        tags: &[String],
        unsettled: &RangeInclusive<u64>,
    ) -> StoreResult<()> {
        self.write(async |connection| {
            let mut transaction = connection.begin(Lock::State).await?;
            let mut removed = 0;
            for tag in tags {
                let delete =
                    "DELETE FROM pushed_tags WHERE repository = $1 AND tag = $2 AND at NOT BETWEEN $3 AND $4";
                let of = values![repository, tag, *unsettled.start(), *unsettled.end()];
                removed += transaction.execute(delete, of).await?;
            }
            transaction.commit().await?;
            // Other replicas add and remove, too: the number is about right, and never below zero.
            let known = self.pushes.load(Ordering::Relaxed);
            self.pushes.fetch_sub(removed.min(known), Ordering::Relaxed);
            Ok(())
        })
        .await
    }

    /// Reads when tags of a repository were pushed.
    pub(in crate::state) async fn pushes(&self, repository: &str) -> StoreResult<Vec<StoredPush>> {
        self.read(async |connection| {
            let read = "SELECT tag, digest, at, is_exact FROM pushed_tags WHERE repository = $1";
            let rows = connection.rows(read, values![repository]).await?;
            let push = |row: &Row| {
                Ok(StoredPush {
                    repository: repository.to_owned(),
                    tag: row.get(0)?,
                    digest: row.get(1)?,
                    at: row.number(2)?,
                    is_exact: row.get(3)?,
                })
            };
            rows.iter().map(push).collect()
        })
        .await
    }
}

async fn update(connection: &mut Connection, push: &StoredPush) -> Answer<u64> {
    let latest = latest(connection, push).await?;
    let update =
        "UPDATE pushed_tags SET digest = $3, at = $4, is_exact = $5 WHERE repository = $1 AND tag = $2";
    connection.execute(update, &columns(push, latest)).await
}

async fn insert(connection: &mut Connection, push: &StoredPush) -> Answer<u64> {
    let latest = latest(connection, push).await?;
    let insert =
        "INSERT INTO pushed_tags (repository, tag, digest, at, is_exact) VALUES ($1, $2, $3, $4, $5)";
    connection.execute(insert, &columns(push, latest)).await
}

/// The time of a push, and no earlier than another of its repository.
async fn latest(connection: &mut Connection, push: &StoredPush) -> Answer<u64> {
    let latest = "SELECT coalesce(max(at), 0) FROM pushed_tags WHERE repository = $1";
    Ok(connection.number(latest, values![&push.repository]).await?.max(push.at))
}

fn columns(push: &StoredPush, at: u64) -> [Value<'_>; 5] {
    let StoredPush { repository, tag, digest, is_exact, .. } = push;
    [repository.into(), tag.into(), digest.into(), at.into(), (*is_exact).into()]
}
