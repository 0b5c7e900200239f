//! The table of sign-ins in the file. Its bounds are those of the memory, which holds all of it.

use sqlx::{Connection as _, Sqlite, sqlite::SqliteConnection};

use super::{
    SignIn,
    sqlite::{number, signed},
};
use crate::authn::{SignInEnd, SignInSection};

/// Made where they are missing: a file of an older version has none, and an older version does not look at them.
pub(super) const TABLES: [&str; 1] = [
    "CREATE TABLE IF NOT EXISTS sign_ins (name TEXT PRIMARY KEY, section TEXT NOT NULL, provider TEXT NOT NULL, \
     subject TEXT NOT NULL, account TEXT NOT NULL, labels TEXT NOT NULL, settings TEXT NOT NULL, confirmed_at INTEGER NOT NULL, ended TEXT, \
     secret TEXT) WITHOUT ROWID",
];

type Row = (String, String, String, String, String, String, i64, Option<String>, Option<String>);

/// Stores a record under the folded name of its account, and none other of the same person.
pub(super) async fn keep(
    connection: &mut SqliteConnection,
    name: &str,
    record: &SignIn,
) -> Result<(), sqlx::Error> {
    let SignIn { section, provider, subject, account, labels, settings, confirmed_at, ended, secret } =
        record;
    let mut transaction = connection.begin().await?;
    sqlx::query("DELETE FROM sign_ins WHERE section = ? AND provider = ? AND subject = ?")
        .bind(section.key())
        .bind(provider)
        .bind(subject)
        .execute(&mut *transaction)
        .await?;
    sqlx::query("INSERT OR REPLACE INTO sign_ins VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
        .bind(name)
        .bind(section.key())
        .bind(provider)
        .bind(subject)
        .bind(account)
        .bind(serde_json::to_string(&**labels).unwrap_or_default())
        .bind(settings)
        .bind(signed(*confirmed_at))
        .bind(ended.map(SignInEnd::code))
        .bind(secret)
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await
}

/// Forgets the record of that folded name.
pub(super) async fn forget(connection: &mut SqliteConnection, name: &str) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM sign_ins WHERE name = ?").bind(name).execute(connection).await.map(drop)
}

/// Reads all records. One that cannot be understood holds its name, and counts no longer.
pub(super) async fn read(connection: &mut SqliteConnection) -> Result<Vec<SignIn>, sqlx::Error> {
    let rows = sqlx::query_as::<Sqlite, Row>(
        "SELECT section, provider, subject, account, labels, settings, confirmed_at, ended, secret FROM sign_ins",
    );
    let rows = rows.fetch_all(connection).await?;
    Ok(rows.into_iter().filter_map(record).collect())
}

fn record((section, provider, subject, account, labels, settings, at, ended, secret): Row) -> Option<SignIn> {
    let labels = serde_json::from_str(&labels);
    let unread = labels.is_err().then_some(SignInEnd::Unknown);
    Some(SignIn {
        section: SignInSection::parse(&section)?,
        provider,
        subject,
        account,
        labels: std::sync::Arc::new(labels.unwrap_or_default()),
        settings,
        confirmed_at: number(at),
        ended: ended.map(|code| SignInEnd::parse(&code).unwrap_or(SignInEnd::Unknown)).or(unread),
        secret,
    })
}
