//! The pushes and deletions of manifests that are under way at any replica: those of one repository exclude each other,
//! and a write-once tag is pushed with one digest only.
//!
//! Times are those of the server.

use std::time::Duration;

use super::{
    Store,
    connection::{Answer, Connection, Lock, Transaction, values},
    replicas::now,
};
use crate::state::{
    holds::{MOST_PUSH_CLAIMS, PUSH_CLAIMS_SHARE},
    stored::{HoldAnswer, PushClaim, PushHold, StoreResult},
};

/// The most pushes of one tag without an answer.
const MOST_OF_TAG: u64 = 16;

impl Store {
    /// Begins a push: `Held`, unless a deletion is under way, or one of its write-once tags is pushed with another digest.
    pub(in crate::state) async fn begin_push(
        &self,
        holder: &str,
        push: &PushHold,
    ) -> StoreResult<HoldAnswer> {
        self.write(async |connection| {
            let PushHold { repository, tags, digest } = push;
            let mut transaction = connection.begin(Lock::State).await?;
            let deletions = "SELECT count(*) FROM manifest_deletions WHERE repository = $1";
            if transaction.number(deletions, values![repository]).await? > 0 {
                return forget_old(transaction).await.map(|()| HoldAnswer::Busy);
            }
            let mut more = 0;
            for tag in tags {
                let pushes = "SELECT digest, count(*) FROM manifest_pushes WHERE repository = $1 AND tag = $2 \
                              GROUP BY digest";
                match transaction.row(pushes, values![repository, tag]).await? {
                    None => more += 1,
                    Some(row) if row.get::<String>(0)? != *digest => {
                        let (tag, digest) = (tag.clone(), row.get(0)?);
                        return transaction.commit().await.map(|()| HoldAnswer::Claimed { tag, digest });
                    }
                    // Also where there is no room for more: its answer ends the claim.
                    Some(row) if row.number(1)? < MOST_OF_TAG => {}
                    Some(_) => return transaction.commit().await.map(|()| HoldAnswer::Full),
                }
            }
            if more > 0 && !has_room(&mut transaction, repository, more).await? {
                return transaction.commit().await.map(|()| HoldAnswer::Full);
            }
            let none = [String::new()];
            for tag in if tags.is_empty() { &none[..] } else { tags } {
                let insert = concat!("INSERT INTO manifest_pushes VALUES ($1, $2, $3, $4, ", now!(), ")");
                transaction.execute(insert, values![repository, tag, holder, digest]).await?;
            }
            transaction.commit().await.map(|()| HoldAnswer::Held)
        })
        .await
    }

    /// Begins a deletion: from now on no push begins in the repository. `Busy` where another deletion is under way.
    pub(in crate::state) async fn begin_deletion(
        &self,
        holder: &str,
        repository: &str,
    ) -> StoreResult<HoldAnswer> {
        self.write(async |connection| {
            let mut transaction = connection.begin(Lock::State).await?;
            let old = concat!("DELETE FROM manifest_deletions WHERE at < ", now!(), " - 600");
            transaction.script(old).await?;
            transaction
                .script(concat!("DELETE FROM pushed_manifests WHERE at < ", now!(), " - 86400"))
                .await?;
            let insert = concat!(
                "INSERT INTO manifest_deletions VALUES ($1, $2, ",
                now!(),
                ") ON CONFLICT (repository) DO NOTHING"
            );
            let is_held = transaction.execute(insert, values![repository, holder]).await? > 0;
            transaction.commit().await?;
            Ok(if is_held { HoldAnswer::Held } else { HoldAnswer::Busy })
        })
        .await
    }

    /// Returns true while pushes are under way in a repository. One that began ten minutes ago has ended: its answer was lost.
    pub(in crate::state) async fn has_pushes(&self, repository: &str) -> StoreResult<bool> {
        self.read(async |connection| {
            let count = concat!(
                "SELECT count(*) FROM manifest_pushes WHERE repository = $1 AND at > ",
                now!(),
                " - 600"
            );
            Ok(connection.number(count, values![repository]).await? > 0)
        })
        .await
    }

    /// Reads the digests of the manifests that were pushed to a repository in the last day.
    pub(in crate::state) async fn pushed_lately(&self, repository: &str) -> StoreResult<Vec<String>> {
        self.read(async |connection| {
            let digests = "SELECT digest FROM pushed_manifests WHERE repository = $1 \
                           UNION SELECT digest FROM manifest_pushes WHERE repository = $1";
            connection.rows(digests, values![repository]).await?.iter().map(|row| row.get(0)).collect()
        })
        .await
    }

    /// Ends the push or the deletion of this holder.
    pub(in crate::state) async fn end_hold(&self, holder: &str) -> StoreResult<()> {
        self.write(async |connection| {
            let mut transaction = connection.begin(Lock::State).await?;
            let pushed = concat!(
                "INSERT INTO pushed_manifests SELECT DISTINCT repository, digest, ",
                now!(),
                " FROM manifest_pushes WHERE holder = $1 ON CONFLICT (repository, digest) DO UPDATE \
                 SET at = excluded.at"
            );
            transaction.execute(pushed, values![holder]).await?;
            transaction.execute("DELETE FROM manifest_pushes WHERE holder = $1", values![holder]).await?;
            transaction.execute("DELETE FROM manifest_deletions WHERE holder = $1", values![holder]).await?;
            transaction.commit().await
        })
        .await
    }

    /// Ends all pushes of a write-once tag: the registry shows it.
    pub(in crate::state) async fn settle_pushes(&self, repository: &str, tag: &str) -> StoreResult<()> {
        self.write(async |connection| {
            let settle = "DELETE FROM manifest_pushes WHERE repository = $1 AND tag = $2 AND tag <> ''";
            connection.execute(settle, values![repository, tag]).await.map(drop)
        })
        .await
    }

    /// Reads the digest for which a write-once tag is claimed, with the time since its last push began.
    pub(in crate::state) async fn push_claim(
        &self,
        repository: &str,
        tag: &str,
    ) -> StoreResult<Option<PushClaim>> {
        self.read(async |connection| {
            let claim = concat!(
                "SELECT digest, greatest(",
                now!(),
                " - max(at), 0) FROM manifest_pushes \
                 WHERE repository = $1 AND tag = $2 AND tag <> '' GROUP BY digest"
            );
            let Some(row) = connection.row(claim, values![repository, tag]).await? else { return Ok(None) };
            Ok(Some(PushClaim { digest: row.get(0)?, age: Duration::from_secs(row.number(1)?) }))
        })
        .await
    }

    /// Ends the claim of a write-once tag, unless one of its pushes began less than `age` ago; returns false if none was
    /// ended.
    pub(in crate::state) async fn release_pushes(
        &self,
        repository: &str,
        tag: &str,
        age: Duration,
    ) -> StoreResult<bool> {
        self.write(async |connection| {
            let mut transaction = connection.begin(Lock::State).await?;
            let release = concat!(
                "DELETE FROM manifest_pushes WHERE repository = $1 AND tag = $2 AND tag <> '' AND NOT EXISTS \
                 (SELECT 1 FROM manifest_pushes WHERE repository = $1 AND tag = $2 AND at > ",
                now!(),
                " - $3)"
            );
            let released = transaction.execute(release, values![repository, tag, age.as_secs()]).await?;
            transaction.commit().await.map(|()| released > 0)
        })
        .await
    }
}

/// Returns true if there is room for the claims of so many more tags of a repository.
async fn has_room(connection: &mut Connection, repository: &str, more: u64) -> Answer<bool> {
    let count =
        "SELECT count(*), count(*) FILTER (WHERE repository = $1) FROM manifest_pushes WHERE tag <> ''";
    let count = connection.row(count, values![repository]).await?.ok_or(sqlx::Error::RowNotFound)?;
    Ok(count.number(0)? + more <= MOST_PUSH_CLAIMS && count.number(1)? + more <= PUSH_CLAIMS_SHARE)
}

/// Forgets deletions, and pushes of tags that are not write-once, that a crash has left.
async fn forget_old(mut transaction: Transaction<'_>) -> Answer<()> {
    transaction.script(concat!("DELETE FROM manifest_deletions WHERE at < ", now!(), " - 600")).await?;
    let pushes = concat!("DELETE FROM manifest_pushes WHERE tag = '' AND at < ", now!(), " - 600");
    transaction.script(pushes).await?;
    transaction.commit().await
}
