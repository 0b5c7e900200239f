//! The pushes and deletions of manifests that are under way at any replica: those of one repository exclude each other,
//! and a write-once tag is pushed with one digest only.
//!
//! Times are those of the server.

use super::{
    connection::{Connection, Lock, values},
    replicas::now,
};
use crate::state::store::{HoldAnswer, PushHold};

/// The most pushes of write-once tags without an answer.
const MOST: u64 = 10_000;

/// Begins a push: `Held`, unless a deletion is under way, or one of its write-once tags is pushed with another digest.
pub(super) async fn begin_push(
    connection: &mut Connection,
    holder: &str,
    push: &PushHold,
) -> Result<HoldAnswer, sqlx::Error> {
    let PushHold { repository, tags, digest } = push;
    let mut transaction = connection.begin(Lock::State).await?;
    let deletions = "SELECT count(*) FROM manifest_deletions WHERE repository = $1";
    if transaction.number(deletions, values![repository]).await? > 0 {
        return forget_old(transaction).await.map(|()| HoldAnswer::Busy);
    }
    for tag in tags {
        let other =
            "SELECT digest FROM manifest_pushes WHERE repository = $1 AND tag = $2 AND digest <> $3 LIMIT 1";
        if let Some(other) = transaction.row(other, values![repository, tag, digest]).await? {
            let digest = other.get(0)?;
            return transaction.commit().await.map(|()| HoldAnswer::Claimed(digest));
        }
    }
    let count = "SELECT count(*) FROM manifest_pushes WHERE tag <> ''";
    if !tags.is_empty() && transaction.number(count, &[]).await? >= MOST {
        return transaction.commit().await.map(|()| HoldAnswer::Busy);
    }
    let none = [String::new()];
    for tag in if tags.is_empty() { &none[..] } else { tags } {
        let insert = concat!("INSERT INTO manifest_pushes VALUES ($1, $2, $3, $4, ", now!(), ")");
        transaction.execute(insert, values![repository, tag, holder, digest]).await?;
    }
    transaction.commit().await.map(|()| HoldAnswer::Held)
}

/// Begins a deletion: from now on no push begins in the repository. `Busy` where another deletion is under way.
pub(super) async fn begin_deletion(
    connection: &mut Connection,
    holder: &str,
    repository: &str,
) -> Result<HoldAnswer, sqlx::Error> {
    let mut transaction = connection.begin(Lock::State).await?;
    let old = concat!("DELETE FROM manifest_deletions WHERE at < ", now!(), " - 600");
    transaction.script(old).await?;
    transaction.script(concat!("DELETE FROM pushed_manifests WHERE at < ", now!(), " - 86400")).await?;
    let insert = concat!(
        "INSERT INTO manifest_deletions VALUES ($1, $2, ",
        now!(),
        ") ON CONFLICT (repository) DO NOTHING"
    );
    let is_held = transaction.execute(insert, values![repository, holder]).await? > 0;
    transaction.commit().await?;
    Ok(if is_held { HoldAnswer::Held } else { HoldAnswer::Busy })
}

/// Returns true while pushes are under way in a repository. One that began ten minutes ago has ended: its answer was lost.
pub(super) async fn has_pushes(connection: &mut Connection, repository: &str) -> Result<bool, sqlx::Error> {
    let count =
        concat!("SELECT count(*) FROM manifest_pushes WHERE repository = $1 AND at > ", now!(), " - 600");
    Ok(connection.number(count, values![repository]).await? > 0)
}

/// Reads the digests of the manifests that were pushed to a repository in the last day.
pub(super) async fn pushed_lately(
    connection: &mut Connection,
    repository: &str,
) -> Result<Vec<String>, sqlx::Error> {
    let digests = "SELECT digest FROM pushed_manifests WHERE repository = $1 \
                   UNION SELECT digest FROM manifest_pushes WHERE repository = $1";
    connection.rows(digests, values![repository]).await?.iter().map(|row| row.get(0)).collect()
}

/// Ends what a holder has begun.
pub(super) async fn end(connection: &mut Connection, holder: &str) -> Result<(), sqlx::Error> {
    let mut transaction = connection.begin(Lock::State).await?;
    let pushed = concat!(
        "INSERT INTO pushed_manifests SELECT DISTINCT repository, digest, ",
        now!(),
        " FROM manifest_pushes WHERE holder = $1 ON CONFLICT (repository, digest) DO UPDATE SET at = excluded.at"
    );
    transaction.execute(pushed, values![holder]).await?;
    transaction.execute("DELETE FROM manifest_pushes WHERE holder = $1", values![holder]).await?;
    transaction.execute("DELETE FROM manifest_deletions WHERE holder = $1", values![holder]).await?;
    transaction.commit().await
}

/// Ends all pushes of a write-once tag: the registry shows it.
pub(super) async fn settle(
    connection: &mut Connection,
    repository: &str,
    tag: &str,
) -> Result<(), sqlx::Error> {
    let settle = "DELETE FROM manifest_pushes WHERE repository = $1 AND tag = $2 AND tag <> ''";
    connection.execute(settle, values![repository, tag]).await.map(drop)
}

/// Forgets deletions, and pushes of tags that are not write-once, that a crash has left.
async fn forget_old(mut transaction: super::connection::Transaction<'_>) -> Result<(), sqlx::Error> {
    transaction.script(concat!("DELETE FROM manifest_deletions WHERE at < ", now!(), " - 600")).await?;
    let pushes = concat!("DELETE FROM manifest_pushes WHERE tag = '' AND at < ", now!(), " - 600");
    transaction.script(pushes).await?;
    transaction.commit().await
}
