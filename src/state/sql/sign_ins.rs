//! The table of sign-ins. Its bounds are those of the memory, which holds all of it.

use std::{collections::HashMap, sync::Arc};

use super::{
    Store, changes,
    connection::{Answer, Connection, Lock, Row, Value, values},
    postgres,
};
use crate::{
    authn::{Labels, SignInEnd, SignInSection},
    state::{SignIn, stored::StoreResult},
};

/// Made where they are missing: a file of an older version has none, and an older version does not look at them.
pub(super) const TABLES: [&str; 1] = [
    "CREATE TABLE IF NOT EXISTS sign_ins (name TEXT PRIMARY KEY, section TEXT NOT NULL, provider TEXT NOT NULL, \
     subject TEXT NOT NULL, account TEXT NOT NULL, labels TEXT NOT NULL, settings TEXT NOT NULL, confirmed_at INTEGER NOT NULL, ended TEXT, \
     secret TEXT) WITHOUT ROWID",
];

/// The columns that [`record`] reads, of the rows behind it.
macro_rules! select {
    ($condition:literal) => {
        concat!(
            "SELECT section, provider, subject, account, labels, settings, confirmed_at, ended, secret, name FROM sign_ins",
            $condition
        )
    };
}

impl Store {
    /// Stores the record of a sign-in under the folded name of its account, in place of any of that name or person.
    ///
    /// # Errors
    /// It may be stored or not. In a shared store, another replica may have given the name to another person.
    pub(in crate::state) async fn keep_sign_in(&self, name: &str, record: &SignIn) -> StoreResult<()> {
        let is_kept = self
            .write(async |connection| {
                let SignIn { section, provider, subject, .. } = record;
                let person = [section.key(), provider, subject];
                let mut transaction = connection.begin(Lock::State).await?;
                if transaction.is_shared() && is_held(&mut transaction, name, person).await? {
                    return transaction.commit().await.map(|()| false);
                }
                let others =
                    "DELETE FROM sign_ins WHERE name = $4 OR section = $1 AND provider = $2 AND subject = $3";
                transaction.execute(others, values![person[0], person[1], person[2], name]).await?;
                let insert = "INSERT INTO sign_ins VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
                transaction.execute(insert, &columns(name, record, &labels(record))).await?;
                changes::note(&mut transaction, changes::SIGN_IN, name).await?;
                transaction.commit().await.map(|()| true)
            })
            .await?;
        if is_kept { Ok(()) } else { Err(postgres::overtaken(&self.place)) }
    }

    /// Stores another record of the same person under the same name, if that is still there.
    pub(in crate::state) async fn renew_sign_in(&self, name: &str, record: &SignIn) -> StoreResult<()> {
        self.write(async |connection| {
            let mut transaction = connection.begin(Lock::State).await?;
            let update = "UPDATE sign_ins SET account = $5, labels = $6, settings = $7, \
                          confirmed_at = $8, ended = $9, \
                          secret = $10 WHERE name = $1 AND section = $2 AND provider = $3 AND subject = $4";
            if transaction.execute(update, &columns(name, record, &labels(record))).await? > 0 {
                changes::note(&mut transaction, changes::SIGN_IN, name).await?;
            }
            transaction.commit().await
        })
        .await
    }

    /// Forgets the record of a sign-in by the folded name of its account.
    pub(in crate::state) async fn forget_sign_in(&self, name: &str) -> StoreResult<()> {
        self.write(async |connection| {
            let mut transaction = connection.begin(Lock::State).await?;
            transaction.execute("DELETE FROM sign_ins WHERE name = $1", values![name]).await?;
            changes::note(&mut transaction, changes::SIGN_IN, name).await?;
            transaction.commit().await
        })
        .await
    }

    /// Reads all records, some at a time: rows take more memory than what is made of them. A record that cannot be understood
    /// holds its name, and counts no longer.
    pub(in crate::state) async fn sign_ins(&self) -> StoreResult<Vec<SignIn>> {
        self.read(async |connection| {
            let (mut records, mut after, mut seen) = (Vec::new(), String::new(), SeenLabels::new());
            loop {
                let rows = connection
                    .rows(select!(" WHERE name > $1 ORDER BY name LIMIT 1000"), values![&*after])
                    .await?;
                let Some(last) = rows.last() else { return Ok(records) };
                after = last.get(9)?;
                for row in &rows {
                    records.extend(record(row, &mut seen)?);
                }
            }
        })
        .await
    }
}

fn labels(record: &SignIn) -> String {
    serde_json::to_string(&*record.labels).unwrap_or_default()
}

fn columns<'a>(name: &'a str, record: &'a SignIn, labels: &'a str) -> [Value<'a>; 10] {
    let SignIn { section, provider, subject, account, settings, confirmed_at, ended, secret, .. } = record;
    let ended = ended.map(SignInEnd::code);
    let (at, secret) = (*confirmed_at, secret.as_deref());
    let [name, section, labels] = [name, section.key(), labels].map(Value::from);
    let [provider, subject, account, settings] = [provider, subject, account, settings].map(Value::from);
    [name, section, provider, subject, account, labels, settings, at.into(), ended.into(), secret.into()]
}

/// Returns true if another person has the name, or this one has another: what `Known::admit` sees in memory.
async fn is_held(
    connection: &mut Connection,
    name: &str,
    [section, provider, subject]: [&str; 3],
) -> Answer<bool> {
    let held = "SELECT count(*) FROM sign_ins WHERE name = $1 AND NOT (section = $2 AND provider = $3 AND subject = $4) \
                AND NOT (section = $2 AND provider <> $3) \
                OR name <> $1 AND section = $2 AND provider = $3 AND subject = $4";
    Ok(connection.number(held, values![name, section, provider, subject]).await? > 0)
}

/// Reads the record of a folded name.
pub(super) async fn read_one(connection: &mut Connection, name: &str) -> Answer<Option<SignIn>> {
    let row = connection.row(select!(" WHERE name = $1"), values![name]).await?;
    row.as_ref().map_or(Ok(None), |row| record(row, &mut SeenLabels::new()))
}

/// Labels by their text, which many people share.
type SeenLabels = HashMap<String, Arc<Labels>>;

fn record(row: &Row, seen: &mut SeenLabels) -> Answer<Option<SignIn>> {
    let text = row.get::<String>(4)?;
    let labels = match seen.get(&text) {
        Some(known) => Ok(Arc::clone(known)),
        None => serde_json::from_str::<Labels>(&text).map(Arc::new),
    };
    if let Ok(labels) = &labels {
        seen.entry(text).or_insert_with(|| Arc::clone(labels));
    }
    let unread = labels.is_err().then_some(SignInEnd::Unknown);
    let ended = row.get::<Option<String>>(7)?;
    let Some(section) = SignInSection::parse(&row.get::<String>(0)?) else { return Ok(None) };
    Ok(Some(SignIn {
        section,
        provider: row.get(1)?,
        subject: row.get(2)?,
        account: row.get(3)?,
        labels: labels.unwrap_or_default(),
        settings: row.get(5)?,
        confirmed_at: row.number(6)?,
        ended: ended.map(|code| SignInEnd::parse(&code).unwrap_or(SignInEnd::Unknown)).or(unread),
        secret: row.get(8)?,
    }))
}
