//! The table of personal tokens. A row that is damaged opens nothing.

use std::sync::atomic::Ordering;

use super::{
    Store, changes,
    connection::{Answer, Connection, Lock, Row, values},
};
use crate::{
    authn::{SignInSection, Source, TokenDigest},
    state::{ClaimsDigest, NewPersonalToken, PersonalTokenRecord, stored::StoreResult},
};

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
    /// Reads at most so many personal tokens behind that id, with their ids and in the order of these; `None` for one that
    /// is damaged.
    pub(in crate::state) async fn personal_tokens_behind(
        &self,
        after: &str,
        most: u64,
    ) -> StoreResult<Vec<(String, Option<PersonalTokenRecord>)>> {
        self.read(async |connection| {
            let rows =
                connection.rows(select!(" WHERE id > $1 ORDER BY id LIMIT $2"), values![after, most]).await?;
            rows.iter().map(|row| Ok((row.get(0)?, token(row)?))).collect()
        })
        .await
    }

    /// Stores a personal token, so that it survives a crash from when this returns.
    pub(in crate::state) async fn keep_personal_token(&self, token: &PersonalTokenRecord) -> StoreResult<()> {
        self.write(async |connection| {
            let NewPersonalToken { digest, account, source, claims, person, scopes, comment, at, ends } =
                &token.made;
            let (id, sha256) = (digest.id(), digest.to_string());
            let claims = claims.as_ref().map(ClaimsDigest::encoded);
            let mut transaction = connection.begin(Lock::State).await?;
            let insert =
                "INSERT INTO personal_tokens VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)";
            let row = values![
                &id,
                &sha256,
                &**account,
                source.section(),
                claims.as_deref(),
                person.as_deref(),
                &**scopes,
                &**comment,
                *at,
                *ends,
                token.used.load(Ordering::Relaxed),
                &*token.state,
                token.generation
            ];
            transaction.execute(insert, row).await?;
            changes::note(&mut transaction, changes::PERSONAL_TOKEN, &id).await?;
            transaction.commit().await
        })
        .await
    }

    /// Deletes the personal tokens of these ids, and stores the last uses of others, in seconds since 1970.
    pub(in crate::state) async fn settle_personal_tokens(
        &self,
        gone: &[String],
        used: &[(String, u64)],
    ) -> StoreResult<()> {
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
pub(super) async fn read_one(connection: &mut Connection, id: &str) -> Answer<Option<PersonalTokenRecord>> {
    connection.row(select!(" WHERE id = $1"), values![id]).await?.as_ref().map_or(Ok(None), token)
}

/// Reads a row; `None` where it is damaged, or of a section that has none.
fn token(row: &Row) -> Answer<Option<PersonalTokenRecord>> {
    let sections = [Source::Users, Source::ExtAuth, Source::LdapAuth, Source::XormAuth].into_iter();
    let mut sections = sections.chain(SignInSection::ALL.map(Source::SignIn));
    let (section, claims) = (row.get::<String>(3)?, row.get::<Option<String>>(4)?);
    let source = sections.find(|source| source.section() == section);
    let claims = claims.map(|text| ClaimsDigest::decode(&text).ok_or(())).transpose();
    let (Some(digest), Some(source), Ok(claims)) =
        (TokenDigest::parse(&row.get::<String>(1)?), source, claims)
    else {
        return Ok(None);
    };
    let made = NewPersonalToken {
        digest,
        account: row.get::<String>(2)?.into(),
        source,
        claims,
        person: row.get::<Option<String>>(5)?.map(String::into_boxed_str),
        scopes: row.get::<String>(6)?.into(),
        comment: row.get::<String>(7)?.into(),
        at: row.number(8)?,
        ends: row.number(9)?,
    };
    let (used, state, generation) = (row.number(10)?, row.get::<String>(11)?.into(), row.number(12)?);
    Ok(Some(PersonalTokenRecord { made, state, generation, used: used.into(), stored_use: used.into() }))
}
