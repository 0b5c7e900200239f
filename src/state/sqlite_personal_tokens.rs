//! The table of personal tokens in the file. What a row may be is for the reader to see.

use sqlx::{Connection as _, Row as _, Sqlite, sqlite::SqliteConnection};

use super::{
    sqlite::{number, signed},
    store::StoredPersonalToken,
};

/// Made where it is missing: a file of an older version has none, and an older version does not look at it.
pub(super) const TABLES: [&str; 1] = [
    "CREATE TABLE IF NOT EXISTS personal_tokens (id TEXT PRIMARY KEY, sha256 TEXT NOT NULL, account TEXT NOT NULL, \
     source TEXT NOT NULL, claims TEXT, person TEXT, scopes TEXT NOT NULL, comment TEXT NOT NULL, made INTEGER NOT NULL, \
     ends INTEGER NOT NULL, used INTEGER NOT NULL, state TEXT NOT NULL, generation INTEGER NOT NULL) WITHOUT ROWID",
];

/// Reads all of them.
pub(super) async fn read(connection: &mut SqliteConnection) -> Result<Vec<StoredPersonalToken>, sqlx::Error> {
    let rows = sqlx::query("SELECT * FROM personal_tokens").fetch_all(connection).await?;
    let read = |row: &sqlx::sqlite::SqliteRow| {
        Ok(StoredPersonalToken {
            id: row.try_get("id")?,
            sha256: row.try_get("sha256")?,
            account: row.try_get("account")?,
            source: row.try_get("source")?,
            claims: row.try_get("claims")?,
            person: row.try_get("person")?,
            scopes: row.try_get("scopes")?,
            comment: row.try_get("comment")?,
            made: number(row.try_get("made")?),
            ends: number(row.try_get("ends")?),
            used: number(row.try_get("used")?),
            state: row.try_get("state")?,
            generation: number(row.try_get("generation")?),
        })
    };
    rows.iter().map(read).collect()
}

/// Stores one.
pub(super) async fn keep(
    connection: &mut SqliteConnection,
    token: &StoredPersonalToken,
) -> Result<(), sqlx::Error> {
    sqlx::query("INSERT INTO personal_tokens VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
        .bind(&token.id)
        .bind(&token.sha256)
        .bind(&token.account)
        .bind(&token.source)
        .bind(&token.claims)
        .bind(&token.person)
        .bind(&token.scopes)
        .bind(&token.comment)
        .bind(signed(token.made))
        .bind(signed(token.ends))
        .bind(signed(token.used))
        .bind(&token.state)
        .bind(signed(token.generation))
        .execute(connection)
        .await
        .map(drop)
}

/// Deletes those of these ids, and stores last uses.
pub(super) async fn settle(
    connection: &mut SqliteConnection,
    gone: &[String],
    used: &[(String, u64)],
) -> Result<(), sqlx::Error> {
    let mut transaction = connection.begin().await?;
    for id in gone {
        let delete = sqlx::query::<Sqlite>("DELETE FROM personal_tokens WHERE id = ?").bind(id);
        delete.execute(&mut *transaction).await?;
    }
    for (id, at) in used {
        let update = sqlx::query::<Sqlite>("UPDATE personal_tokens SET used = max(used, ?) WHERE id = ?");
        update.bind(signed(*at)).bind(id).execute(&mut *transaction).await?;
    }
    transaction.commit().await
}
