//! The tables of claims in the file, within their bounds.

use sqlx::{Connection as _, Sqlite, sqlite::SqliteConnection};

use super::{
    ClaimsDigest,
    sqlite::{number, signed},
    store::StoredClaims,
};

/// Made where they are missing: a file of an older version has none, and an older version does not look at them.
pub(super) const TABLES: [&str; 3] = [
    "CREATE TABLE IF NOT EXISTS account_claims (digest BLOB PRIMARY KEY, account TEXT NOT NULL, claims BLOB NOT NULL, \
     until INTEGER NOT NULL, bytes INTEGER NOT NULL)",
    "CREATE INDEX IF NOT EXISTS account_claims_bytes ON account_claims (account, bytes)",
    "CREATE INDEX IF NOT EXISTS account_claims_until ON account_claims (until)",
];

/// Bytes of all claims together.
const MOST: i64 = 64 << 20;
/// Bytes of the claims of one account: others find room, whatever it does.
const SHARE: i64 = MOST / 16;
/// Bytes that a row takes beside its texts, about.
const OVERHEAD: usize = 160;

/// Stores claims; returns false if there is no room for them. `now` in seconds since 1970.
pub(super) async fn keep(
    connection: &mut SqliteConnection,
    digest: ClaimsDigest,
    claims: &StoredClaims,
    now: u64,
) -> Result<bool, sqlx::Error> {
    let StoredClaims { account, text, until } = claims;
    let mut transaction = connection.begin().await?;
    let prolonged = sqlx::query("UPDATE account_claims SET until = max(until, ?) WHERE digest = ?")
        .bind(signed(*until))
        .bind(digest.as_bytes())
        .execute(&mut *transaction)
        .await?;
    if prolonged.rows_affected() == 0 {
        sqlx::query("DELETE FROM account_claims WHERE until < ?")
            .bind(signed(now))
            .execute(&mut *transaction)
            .await?;
        let bytes = signed((account.len() + text.len() + OVERHEAD) as u64);
        let (all, own) = sqlx::query_as::<Sqlite, (i64, i64)>(
            "SELECT coalesce(sum(bytes), 0), coalesce(sum(bytes) FILTER (WHERE account = ?), 0) FROM account_claims",
        )
        .bind(account)
        .fetch_one(&mut *transaction)
        .await?;
        if all + bytes > MOST || own + bytes > SHARE {
            transaction.commit().await?;
            return Ok(false);
        }
        sqlx::query("INSERT INTO account_claims VALUES (?, ?, ?, ?, ?)")
            .bind(digest.as_bytes())
            .bind(account)
            .bind(text)
            .bind(signed(*until))
            .bind(bytes)
            .execute(&mut *transaction)
            .await?;
    }
    transaction.commit().await.map(|()| true)
}

/// Reads the claims of a digest.
pub(super) async fn read(
    connection: &mut SqliteConnection,
    digest: ClaimsDigest,
) -> Result<Option<StoredClaims>, sqlx::Error> {
    let row = sqlx::query_as::<Sqlite, (String, Vec<u8>, i64)>(
        "SELECT account, claims, until FROM account_claims WHERE digest = ?",
    )
    .bind(digest.as_bytes())
    .fetch_optional(connection)
    .await?;
    Ok(row.map(|(account, text, until)| StoredClaims { account, text, until: number(until) }))
}
