//! The table of personal tokens. What a row may be is for the reader to see.

use super::{
    Store, changes,
    connection::{Answer, Connection, Lock, Row, values},
};
use crate::state::stored::{StoreError, StoredPersonalToken};

/// Made where it is missing: a file of an older version has none, and an older version does not look at it.
pub(super) const TABLES: [&str; 1] = [
    "CREATE TABLE IF NOT EXISTS personal_tokens (id TEXT PRIMARY KEY, sha256 TEXT NOT NULL, account TEXT NOT NULL, \
     source TEXT NOT NULL, claims TEXT, person TEXT, scopes TEXT NOT NULL, comment TEXT NOT NULL, made INTEGER NOT NULL, \
     ends INTEGER NOT NULL, used INTEGER NOT NULL, state TEXT NOT NULL, generation INTEGER NOT NULL) WITHOUT ROWID",
];

/// The columns that [`token`] reads, of the rows behind it.
macro_rules! select {
    ($condition:literal) => {
        concat!(
            "SELECT id, sha256, account, source, claims, person, scopes, comment, made, ends, used, state, generation \
             FROM personal_tokens",
            $condition
        )
    };
}

impl Store {
    /// Reads at most so many personal tokens, in the order of their ids, behind that id.
    pub(in crate::state) async fn personal_tokens_behind(
        &self,
        after: &str,
        most: u64,
    ) -> Result<Vec<StoredPersonalToken>, StoreError> {
        self.read(async |connection| {
            let rows =
                connection.rows(select!(" WHERE id > $1 ORDER BY id LIMIT $2"), values![after, most]).await?;
            rows.iter().map(token).collect()
        })
        .await
    }

    /// Stores a personal token, so that it survives a crash from when this returns.
    pub(in crate::state) async fn keep_personal_token(
        &self,
        token: &StoredPersonalToken,
    ) -> Result<(), StoreError> {
        self.write(async |connection| {
            let StoredPersonalToken { id, sha256, account, source, claims, person, scopes, .. } = token;
            let StoredPersonalToken { comment, made, ends, used, state, generation, .. } = token;
            let mut transaction = connection.begin(Lock::State).await?;
            let insert =
                "INSERT INTO personal_tokens VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)";
            let row = values![
                id,
                sha256,
                account,
                source,
                claims.as_deref(),
                person.as_deref(),
                scopes,
                comment,
                *made,
                *ends,
                *used,
                state,
                *generation
            ];
            transaction.execute(insert, row).await?;
            changes::note(&mut transaction, changes::PERSONAL_TOKEN, id).await?;
            transaction.commit().await
        })
        .await
    }

    /// Deletes the personal tokens of these ids, and stores the last uses of others, in seconds since 1970.
    pub(in crate::state) async fn settle_personal_tokens(
        &self,
        gone: &[String],
        used: &[(String, u64)],
    ) -> Result<(), StoreError> {
        self.write(async |connection| {
            let mut transaction = connection.begin(Lock::State).await?;
            for id in gone {
                transaction.execute("DELETE FROM personal_tokens WHERE id = $1", values![id]).await?;
                changes::note(&mut transaction, changes::PERSONAL_TOKEN, id).await?;
            }
            for (id, at) in used {
                let update = "UPDATE personal_tokens SET used = $1 WHERE id = $2 AND used < $1";
                if transaction.execute(update, values![*at, id]).await? > 0 {
                    changes::note(&mut transaction, changes::PERSONAL_TOKEN, id).await?;
                }
            }
            transaction.commit().await
        })
        .await
    }
}

/// Reads that of an id.
pub(super) async fn read_one(connection: &mut Connection, id: &str) -> Answer<Option<StoredPersonalToken>> {
    connection.row(select!(" WHERE id = $1"), values![id]).await?.as_ref().map(token).transpose()
}

fn token(row: &Row) -> Answer<StoredPersonalToken> {
    Ok(StoredPersonalToken {
        id: row.get(0)?,
        sha256: row.get(1)?,
        account: row.get(2)?,
        source: row.get(3)?,
        claims: row.get(4)?,
        person: row.get(5)?,
        scopes: row.get(6)?,
        comment: row.get(7)?,
        made: row.number(8)?,
        ends: row.number(9)?,
        used: row.number(10)?,
        state: row.get(11)?,
        generation: row.number(12)?,
    })
}
