//! The table of claims, within its bounds.

use super::{
    Store,
    connection::{Lock, values},
};
use crate::state::{
    ClaimsDigest,
    stored::{StoreResult, StoredClaims},
};

/// Made where they are missing: a file of an older version has none, and an older version does not look at them.
pub(super) const TABLES: [&str; 3] = [
    "CREATE TABLE IF NOT EXISTS account_claims (digest BLOB PRIMARY KEY, account TEXT NOT NULL, claims BLOB NOT NULL, \
     until INTEGER NOT NULL, bytes INTEGER NOT NULL)",
    "CREATE INDEX IF NOT EXISTS account_claims_bytes ON account_claims (account, bytes)",
    "CREATE INDEX IF NOT EXISTS account_claims_until ON account_claims (until)",
];

/// Bytes of all claims together.
const MOST: u64 = 64 << 20;
/// Bytes of the claims of one account: others find room, whatever it does.
const SHARE: u64 = MOST / 16;
/// Bytes that a row takes beside its texts, about.
const OVERHEAD: usize = 160;

impl Store {
    /// Stores claims under their digest, and throws away those whose time is over; `now` in seconds since 1970. Where they
    /// are stored already, the later end counts. Returns false if there is no room, or none left for that account.
    pub(in crate::state) async fn keep_claims(
        &self,
        digest: ClaimsDigest,
        claims: &StoredClaims,
        now: u64,
    ) -> StoreResult<bool> {
        self.write(async |connection| {
            let StoredClaims { account, text, until } = claims;
            let mut transaction = connection.begin(Lock::State).await?;
            let prolong = "UPDATE account_claims SET until = CASE WHEN until > $1 THEN until ELSE $1 END \
                           WHERE digest = $2";
            if transaction.execute(prolong, values![*until, digest.as_bytes()]).await? == 0 {
                transaction.execute("DELETE FROM account_claims WHERE until < $1", values![now]).await?;
                let bytes = (account.len() + text.len() + OVERHEAD) as u64;
                let sums = "SELECT CAST(coalesce(sum(bytes), 0) AS BIGINT), \
                            CAST(coalesce(sum(bytes) FILTER (WHERE account = $1), 0) AS BIGINT) \
                            FROM account_claims";
                let sums = transaction.row(sums, values![account]).await?.ok_or(sqlx::Error::RowNotFound)?;
                if sums.number(0)? + bytes > MOST || sums.number(1)? + bytes > SHARE {
                    transaction.commit().await?;
                    return Ok(false);
                }
                let insert = "INSERT INTO account_claims VALUES ($1, $2, $3, $4, $5)";
                let row = values![digest.as_bytes(), account, text.as_slice(), *until, bytes];
                transaction.execute(insert, row).await?;
            }
            transaction.commit().await.map(|()| true)
        })
        .await
    }

    /// Reads the claims of that digest; `None` where there are none.
    pub(in crate::state) async fn claims(&self, digest: ClaimsDigest) -> StoreResult<Option<StoredClaims>> {
        self.read(async |connection| {
            let read = "SELECT account, claims, until FROM account_claims WHERE digest = $1";
            let Some(row) = connection.row(read, values![digest.as_bytes()]).await? else { return Ok(None) };
            Ok(Some(StoredClaims { account: row.get(0)?, text: row.get(1)?, until: row.number(2)? }))
        })
        .await
    }
}
