//! The tables of revocations, and the id of the state.

use super::{
    Store, changes,
    connection::{Answer, Connection, Lock, Row, values},
    file::{self, MOVE_AWAY},
};
use crate::state::stored::{Change, StoreResult, StoredRevocations};

pub(super) const TABLES: [&str; 4] = [
    "CREATE TABLE state (id TEXT NOT NULL, since INTEGER NOT NULL, all_revoked INTEGER NOT NULL)",
    "CREATE TABLE revoked_accounts (name TEXT PRIMARY KEY, generation INTEGER NOT NULL, at INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE TABLE revoked_tokens (id TEXT PRIMARY KEY, at INTEGER NOT NULL) WITHOUT ROWID",
    "PRAGMA user_version = 1",
];

impl Store {
    /// Reads all revocations.
    ///
    /// # Errors
    /// They cannot be read, or it holds something else.
    pub(in crate::state) async fn load(&self) -> StoreResult<StoredRevocations> {
        let mut connection = self.ready(&self.connection).await?;
        read(&mut connection).await.map_err(|failed| match failed {
            sqlx::Error::RowNotFound | sqlx::Error::ColumnDecode { .. } => {
                file::error(&self.place, "the file is damaged: it has no id".to_owned(), MOVE_AWAY)
            }
            failed => self.failure(&failed),
        })
    }

    /// Stores a change, so that it survives a crash from when this returns.
    pub(in crate::state) async fn keep(&self, change: &Change) -> StoreResult<()> {
        self.write(async |connection| {
            let mut transaction = connection.begin(Lock::State).await?;
            match change {
                Change::Account { name, generation, at } => {
                    // Another replica may have revoked the account too, and issued tokens of that generation since.
                    let keep = if transaction.is_shared() {
                        "INSERT INTO revoked_accounts AS known VALUES ($1, $2, $3) \
                         ON CONFLICT (name) DO UPDATE \
                         SET generation = greatest(excluded.generation, known.generation + 1), \
                         at = greatest(excluded.at, known.at)"
                    } else {
                        "INSERT OR REPLACE INTO revoked_accounts VALUES ($1, $2, $3)"
                    };
                    transaction.execute(keep, values![name, *generation, *at]).await?;
                    changes::note(&mut transaction, changes::ACCOUNT, name).await?;
                }
                Change::Token { id, at } => {
                    keep_token(&mut transaction, id, *at).await?;
                    changes::note(&mut transaction, changes::TOKEN, id).await?;
                }
                Change::All(StoredRevocations { id, since, all_revoked, tokens, .. }) => {
                    transaction.script("DELETE FROM revoked_accounts").await?;
                    // Another replica may have revoked a robot's token that is not known here yet: it stays.
                    let others = if transaction.is_shared() {
                        "DELETE FROM revoked_tokens WHERE id !~ '^[0-9a-f]{12}$'"
                    } else {
                        "DELETE FROM revoked_tokens"
                    };
                    transaction.script(others).await?;
                    for (id, at) in tokens {
                        keep_token(&mut transaction, id, *at).await?;
                    }
                    set_id(&mut transaction, id, *since, *all_revoked).await?;
                    changes::note(&mut transaction, changes::ALL, id).await?;
                }
            }
            transaction.commit().await
        })
        .await?;
        self.check_place()
    }
}

async fn read(connection: &mut Connection) -> Answer<StoredRevocations> {
    let state = connection.row("SELECT id, since, all_revoked FROM state", &[]).await?;
    let state = state.ok_or(sqlx::Error::RowNotFound)?;
    let accounts = connection.rows("SELECT name, generation, at FROM revoked_accounts", &[]).await?;
    let tokens = connection.rows("SELECT id, at FROM revoked_tokens", &[]).await?;
    Ok(StoredRevocations {
        id: state.get(0)?,
        since: state.number(1)?,
        all_revoked: state.get(2)?,
        accounts: accounts.iter().map(account).collect::<Result<_, _>>()?,
        tokens: tokens.iter().map(token).collect::<Result<_, _>>()?,
    })
}

/// Reads the id of the state.
pub(super) async fn id(connection: &mut Connection) -> Answer<String> {
    connection.row("SELECT id FROM state", &[]).await?.ok_or(sqlx::Error::RowNotFound)?.get(0)
}

fn account(row: &Row) -> Answer<(String, u64, u64)> {
    Ok((row.get(0)?, row.number(1)?, row.number(2)?))
}

fn token(row: &Row) -> Answer<(String, u64)> {
    Ok((row.get(0)?, row.number(1)?))
}

/// Gives the state another id.
pub(super) async fn set_id(
    connection: &mut Connection,
    id: &str,
    since: u64,
    all_revoked: bool,
) -> Answer<()> {
    connection.script("DELETE FROM state").await?;
    let insert = "INSERT INTO state (id, since, all_revoked) VALUES ($1, $2, $3)";
    connection.execute(insert, values![id, since, all_revoked]).await.map(drop)
}

async fn keep_token(connection: &mut Connection, id: &str, at: u64) -> Answer<()> {
    let insert = "INSERT INTO revoked_tokens VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET at = excluded.at";
    connection.execute(insert, values![id, at]).await.map(drop)
}

/// Reads the revocation of one account, by its folded name: its generation and its time.
pub(super) async fn read_account(
    connection: &mut Connection,
    name: &str,
) -> Answer<Option<(String, u64, u64)>> {
    let read = "SELECT name, generation, at FROM revoked_accounts WHERE name = $1";
    connection.row(read, values![name]).await?.as_ref().map(account).transpose()
}

/// Reads the revocation of one token.
pub(super) async fn read_token(connection: &mut Connection, id: &str) -> Answer<Option<(String, u64)>> {
    let read = "SELECT id, at FROM revoked_tokens WHERE id = $1";
    connection.row(read, values![id]).await?.as_ref().map(token).transpose()
}
