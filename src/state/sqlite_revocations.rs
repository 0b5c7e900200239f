//! The tables of revocations, and the id of the state, in the file.

use sqlx::{Connection as _, Sqlite, sqlite::SqliteConnection};

use super::{
    sqlite::{execute, number, signed},
    store::{Change, StoredRevocations},
};

pub(super) const TABLES: [&str; 4] = [
    "CREATE TABLE state (id TEXT NOT NULL, since INTEGER NOT NULL, all_revoked INTEGER NOT NULL)",
    "CREATE TABLE revoked_accounts (name TEXT PRIMARY KEY, generation INTEGER NOT NULL, at INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE TABLE revoked_tokens (id TEXT PRIMARY KEY, at INTEGER NOT NULL) WITHOUT ROWID",
    "PRAGMA user_version = 1",
];

/// Reads all revocations.
pub(super) async fn read(connection: &mut SqliteConnection) -> Result<StoredRevocations, sqlx::Error> {
    let (id, since, all_revoked) =
        sqlx::query_as::<Sqlite, (String, i64, bool)>("SELECT id, since, all_revoked FROM state")
            .fetch_one(&mut *connection)
            .await?;
    let accounts =
        sqlx::query_as::<Sqlite, (String, i64, i64)>("SELECT name, generation, at FROM revoked_accounts")
            .fetch_all(&mut *connection)
            .await?;
    let tokens = sqlx::query_as::<Sqlite, (String, i64)>("SELECT id, at FROM revoked_tokens")
        .fetch_all(&mut *connection)
        .await?;
    Ok(StoredRevocations {
        id,
        since: number(since),
        all_revoked,
        accounts: accounts
            .into_iter()
            .map(|(name, generation, at)| (name, number(generation), number(at)))
            .collect(),
        tokens: tokens.into_iter().map(|(id, at)| (id, number(at))).collect(),
    })
}

/// Stores a change.
pub(super) async fn keep(connection: &mut SqliteConnection, change: &Change) -> Result<(), sqlx::Error> {
    let mut transaction = connection.begin().await?;
    match change {
        Change::Account { name, generation, at } => {
            sqlx::query("INSERT OR REPLACE INTO revoked_accounts VALUES (?, ?, ?)")
                .bind(name)
                .bind(signed(*generation))
                .bind(signed(*at))
                .execute(&mut *transaction)
                .await?;
        }
        Change::Token { id, at } => keep_token(&mut transaction, id, *at).await?,
        Change::All(StoredRevocations { id, since, all_revoked, tokens, .. }) => {
            execute(&mut transaction, "DELETE FROM revoked_accounts").await?;
            execute(&mut transaction, "DELETE FROM revoked_tokens").await?;
            for (id, at) in tokens {
                keep_token(&mut transaction, id, *at).await?;
            }
            set_id(&mut transaction, id, *since, *all_revoked).await?;
        }
    }
    transaction.commit().await
}

/// Gives the state another id.
pub(super) async fn set_id(
    connection: &mut SqliteConnection,
    id: &str,
    since: u64,
    all_revoked: bool,
) -> Result<(), sqlx::Error> {
    execute(connection, "DELETE FROM state").await?;
    let insert =
        sqlx::query("INSERT INTO state VALUES (?, ?, ?)").bind(id).bind(signed(since)).bind(all_revoked);
    insert.execute(connection).await.map(drop)
}

async fn keep_token(connection: &mut SqliteConnection, id: &str, at: u64) -> Result<(), sqlx::Error> {
    let insert = sqlx::query("INSERT OR REPLACE INTO revoked_tokens VALUES (?, ?)").bind(id).bind(signed(at));
    insert.execute(connection).await.map(drop)
}
