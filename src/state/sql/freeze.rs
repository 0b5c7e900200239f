//! The freeze of all replicas. Times are those of the server.

use std::time::Duration;

use super::{
    Store, changes,
    connection::{Answer, Connection, Lock, values},
    replicas::now,
};
use crate::state::{
    freeze::{FreezeBegin, FreezeConfirmation, GRACE},
    stored::{StoreResult, StoredFreeze, StoredFreezes},
};

/// The time for which freezes that have ended stay on record, in seconds: longer than any freeze.
macro_rules! on_record {
    () => {
        "172800"
    };
}

impl Store {
    /// Reads the freeze of all replicas, and whether another one of this id is on record.
    pub(in crate::state) async fn freezes(&self, known: Option<&str>) -> StoreResult<StoredFreezes> {
        self.read(async |connection| read(connection, known).await).await
    }

    /// Begins a freeze of this id, for so long behind its drain.
    pub(in crate::state) async fn begin_freeze(
        &self,
        id: &str,
        length: Duration,
        drain: Duration,
    ) -> StoreResult<FreezeBegin> {
        self.write(async |connection| {
            let mut transaction = connection.begin(Lock::State).await?;
            let draining = concat!(
                "SELECT count(*) FROM freezes WHERE NOT is_held AND until > ",
                now!(),
                " AND drains_until + $1 > ",
                now!()
            );
            if transaction.number(draining, values![GRACE.as_secs()]).await? > 0 {
                return transaction.commit().await.map(|()| FreezeBegin::Another);
            }
            let frozen = concat!("SELECT count(*) FROM freezes WHERE until > ", now!());
            let was_frozen = transaction.number(frozen, &[]).await? > 0;
            end_all(&mut transaction).await?;
            transaction
                .script(concat!("DELETE FROM freezes WHERE until < ", now!(), " - ", on_record!()))
                .await?;
            let insert =
                concat!("INSERT INTO freezes VALUES ($1, ", now!(), " + $2, ", now!(), " + $2 + $3, false)");
            let (drain, length) = (drain.as_secs(), (length + GRACE).as_secs());
            transaction.execute(insert, values![id, drain, length]).await?;
            changes::note(&mut transaction, changes::FREEZE, id).await?;
            transaction.commit().await.map(|()| FreezeBegin::Begun { was_frozen })
        })
        .await
    }

    /// Stores the freeze of this id, in force for so long, unless it is on record.
    pub(in crate::state) async fn restore_freeze(&self, id: &str, left: Duration) -> StoreResult<()> {
        self.write(async |connection| {
            let mut transaction = connection.begin(Lock::State).await?;
            let insert = concat!(
                "INSERT INTO freezes VALUES ($1, ",
                now!(),
                ", ",
                now!(),
                " + $2, true) ON CONFLICT (id) DO NOTHING"
            );
            if transaction.execute(insert, values![id, left.as_secs()]).await? > 0 {
                changes::note(&mut transaction, changes::FREEZE, id).await?;
            }
            transaction.commit().await
        })
        .await
    }

    /// Notes that no write passes at this process, in the freeze of this id, and how many were cut off.
    pub(in crate::state) async fn note_frozen(&self, id: &str, cut_off: usize) -> StoreResult<()> {
        self.write(async |connection| {
            let note = concat!(
                "INSERT INTO replicas VALUES ($1, ",
                now!(),
                ", ",
                now!(),
                ", $2, $3) ON CONFLICT (name) DO UPDATE \
                 SET frozen = excluded.frozen, cut_off = excluded.cut_off"
            );
            connection.execute(note, values![&self.replica, id, cut_off as u64]).await.map(drop)
        })
        .await
    }

    /// Lets the freeze of this id end this long from now on, where all processes have noted it.
    pub(in crate::state) async fn confirm_freeze(
        &self,
        id: &str,
        length: Duration,
    ) -> StoreResult<FreezeConfirmation> {
        self.write(async |connection| {
            let mut transaction = connection.begin(Lock::State).await?;
            let there = concat!("SELECT count(*) FROM freezes WHERE id = $1 AND until > ", now!());
            if transaction.number(there, values![id]).await? == 0 {
                return transaction.commit().await.map(|()| FreezeConfirmation::Gone);
            }
            let waiting = "SELECT count(*) FROM replicas WHERE frozen IS DISTINCT FROM $1";
            let waiting = transaction.number(waiting, values![id]).await?;
            if waiting > 0 {
                return transaction.commit().await.map(|()| FreezeConfirmation::Waiting(waiting));
            }
            let frozen =
                "SELECT count(*), CAST(coalesce(sum(cut_off), 0) AS BIGINT) FROM replicas WHERE frozen = $1";
            let frozen = transaction.row(frozen, values![id]).await?.ok_or(sqlx::Error::RowNotFound)?;
            let (replicas, cut_off) = (frozen.number(0)?, frozen.number(1)?);
            // Not even this one: the list of replicas was lost.
            if replicas == 0 {
                return transaction.commit().await.map(|()| FreezeConfirmation::Waiting(1));
            }
            let hold = concat!("UPDATE freezes SET is_held = true, until = ", now!(), " + $2 WHERE id = $1");
            transaction.execute(hold, values![id, length.as_secs()]).await?;
            changes::note(&mut transaction, changes::FREEZE, id).await?;
            let cut_off = usize::try_from(cut_off).unwrap_or(usize::MAX);
            transaction.commit().await.map(|()| FreezeConfirmation::Held { cut_off, replicas })
        })
        .await
    }

    /// Ends the freeze of this id, and tells all processes.
    pub(in crate::state) async fn call_freeze_off(&self, id: &str) -> StoreResult<()> {
        self.write(async |connection| {
            let mut transaction = connection.begin(Lock::State).await?;
            let end = concat!("UPDATE freezes SET until = ", now!(), " WHERE id = $1 AND until > ", now!());
            if transaction.execute(end, values![id]).await? > 0 {
                changes::note(&mut transaction, changes::FREEZE, id).await?;
            }
            transaction.commit().await
        })
        .await
    }

    /// Ends any freeze, and tells all processes. The one of this id is on record then.
    pub(in crate::state) async fn thaw(&self, known: Option<&str>) -> StoreResult<()> {
        self.write(async |connection| {
            let mut transaction = connection.begin(Lock::State).await?;
            end_all(&mut transaction).await?;
            if let Some(id) = known {
                let ended = concat!(
                    "INSERT INTO freezes VALUES ($1, ",
                    now!(),
                    ", ",
                    now!(),
                    ", true) ON CONFLICT (id) DO NOTHING"
                );
                transaction.execute(ended, values![id]).await?;
            }
            // Also told where there was none.
            changes::note(&mut transaction, changes::FREEZE, "").await?;
            transaction.commit().await
        })
        .await
    }
}

/// Reads the freeze that has not ended, and whether the one of the id `known` is on record.
pub(super) async fn read(connection: &mut Connection, known: Option<&str>) -> Answer<StoredFreezes> {
    if !connection.is_shared() {
        return Ok(StoredFreezes::default());
    }
    let read = concat!(
        "SELECT id, greatest(drains_until - ",
        now!(),
        ", 0), until - ",
        now!(),
        " FROM freezes WHERE until > ",
        now!(),
        " ORDER BY until DESC LIMIT 1"
    );
    let current = match connection.row(read, &[]).await? {
        Some(row) => {
            let time = |at| row.number(at).map(Duration::from_secs);
            // Part of a second is cut off on the way: a freeze never ends too early.
            let left = time(2)? + Duration::from_secs(1);
            Some(StoredFreeze { id: row.get(0)?, drain: time(1)?, left })
        }
        None => None,
    };
    let is_on_record = match known {
        Some(id) => connection.number("SELECT count(*) FROM freezes WHERE id = $1", values![id]).await? > 0,
        None => false,
    };
    Ok(StoredFreezes { current, is_on_record })
}

/// Ends all freezes.
async fn end_all(connection: &mut Connection) -> Answer<()> {
    let end = concat!("UPDATE freezes SET until = ", now!(), " WHERE until > ", now!());
    connection.execute(end, &[]).await.map(drop)
}
