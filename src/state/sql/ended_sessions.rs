//! The table of sessions that were ended before their time: a few for each account, until they would be over.

use super::{
    Store, changes,
    connection::{Answer, Connection, Lock, Row, values},
};
use crate::state::{
    EndedSession,
    ended_sessions::{LONGEST, SESSIONS, seconds},
    stored::StoreResult,
};

/// Made where it is missing: a file of an older version has none, and an older version does not look at it.
pub(super) const TABLES: [&str; 1] =
    ["CREATE TABLE IF NOT EXISTS ended_sessions (key TEXT PRIMARY KEY, account TEXT NOT NULL, id TEXT, \
     issued_at INTEGER NOT NULL, expires_at INTEGER NOT NULL) WITHOUT ROWID"];

impl Store {
    /// Stores that a session was ended, at `now` in seconds since 1970, and forgets those that would be over by then. Of an
    /// account with as many as it may have, all that began until now have ended.
    pub(in crate::state) async fn end_session(&self, session: &EndedSession, now: u64) -> StoreResult<()> {
        self.write(async |connection| {
            let mut transaction = connection.begin(Lock::State).await?;
            transaction.execute("DELETE FROM ended_sessions WHERE expires_at <= $1", values![now]).await?;
            let of_account =
                "SELECT count(*), coalesce(max(issued_at), 0) FROM ended_sessions WHERE account = $1";
            let of_account = transaction.row(of_account, values![&session.account]).await?;
            let of_account = of_account.ok_or(sqlx::Error::RowNotFound)?;
            let mut session = session.clone();
            if of_account.number(0)? >= SESSIONS as u64 {
                let all = "DELETE FROM ended_sessions WHERE account = $1";
                transaction.execute(all, values![&session.account]).await?;
                // Another replica's clock may be ahead.
                let issued_at = session.issued_at.max(seconds(now)).max(seconds(of_account.number(1)?));
                session =
                    EndedSession { id: None, issued_at, expires_at: now.saturating_add(LONGEST), ..session };
            }
            let EndedSession { account, id, issued_at, expires_at } = &session;
            // No name of a session has a space.
            let key = id.as_ref().map_or_else(|| format!("all of {account}"), String::clone);
            let issued_at = u64::try_from(*issued_at).unwrap_or_default();
            let insert =
                "INSERT INTO ended_sessions VALUES ($1, $2, $3, $4, $5) ON CONFLICT (key) DO NOTHING";
            transaction
                .execute(insert, values![&key, account, id.as_deref(), issued_at, *expires_at])
                .await?;
            changes::note(&mut transaction, changes::ENDED_SESSION, &key).await?;
            transaction.commit().await
        })
        .await
    }

    /// Reads the sessions that were ended.
    pub(in crate::state) async fn ended_sessions(&self) -> StoreResult<Vec<EndedSession>> {
        self.read(async |connection| {
            let rows = "SELECT account, id, issued_at, expires_at FROM ended_sessions";
            connection.rows(rows, &[]).await?.iter().map(session).collect()
        })
        .await
    }
}

/// Reads the one of this key; `None` where another has taken its place.
pub(super) async fn read_one(connection: &mut Connection, key: &str) -> Answer<Option<EndedSession>> {
    let row = "SELECT account, id, issued_at, expires_at FROM ended_sessions WHERE key = $1";
    connection.row(row, values![key]).await?.as_ref().map(session).transpose()
}

fn session(row: &Row) -> Answer<EndedSession> {
    let issued_at = seconds(row.number(2)?);
    Ok(EndedSession { account: row.get(0)?, id: row.get(1)?, issued_at, expires_at: row.number(3)? })
}
