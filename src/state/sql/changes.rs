//! The list of changes that the other replicas have not seen yet. A file has none: it is used by one process.

use super::{
    Store,
    connection::{Answer, Connection, values},
    ended_sessions, freeze, personal_tokens, revocations, sign_ins,
};
use crate::state::stored::{Followed, Seen, SharedChange, StoreResult};

/// The kinds of changes, with the key of what has changed: the folded name of an account that was revoked.
pub(super) const ACCOUNT: &str = "account";
/// The id of a token that was revoked.
pub(super) const TOKEN: &str = "token";
/// The new id of the state, since everything was revoked.
pub(super) const ALL: &str = "all";
/// The id of a personal token.
pub(super) const PERSONAL_TOKEN: &str = "personal_token";
/// The folded name of a person's account.
pub(super) const SIGN_IN: &str = "sign_in";
/// The freeze of all replicas.
pub(super) const FREEZE: &str = "freeze";

/// The key of a session that was ended.
pub(super) const ENDED_SESSION: &str = "ended_session";
/// The name of a record that one replica at a time writes.
pub(super) const RECORD: &str = "record";

/// The number of changes that are kept. A replica that has missed more reads everything.
const KEPT: u64 = 20_000;
/// The most changes that are read at a time.
const AT_A_TIME: u64 = 1000;

/// Notes a change, in the transaction that makes it.
pub(super) async fn note(connection: &mut Connection, kind: &str, key: &str) -> Answer<()> {
    if !connection.is_shared() {
        return Ok(());
    }
    // The order is that in which they become visible: writers have a lock.
    let insert = "INSERT INTO changes (sequence, kind, key) \
                  SELECT coalesce(max(sequence), 0) + 1, $1, $2 FROM changes RETURNING sequence";
    let sequence = connection.number(insert, values![kind, key]).await?;
    if sequence.is_multiple_of(KEPT / 10) {
        let old = "DELETE FROM changes WHERE sequence <= $1";
        connection.execute(old, values![sequence.saturating_sub(KEPT)]).await?;
    }
    Ok(())
}

impl Store {
    /// Returns the last change that is stored. Read before all else, so that nothing is missed.
    pub(in crate::state) async fn last_change(&self) -> StoreResult<Seen> {
        self.read(async |connection| {
            if !connection.is_shared() {
                return Ok(Seen::default());
            }
            let last = "SELECT sequence, mark FROM changes ORDER BY sequence DESC LIMIT 1";
            let Some(row) = connection.row(last, &[]).await? else { return Ok(Seen::default()) };
            Ok(Seen { sequence: row.number(0)?, mark: row.get(1)? })
        })
        .await
    }

    /// Reads what all processes have changed behind `seen`.
    pub(in crate::state) async fn follow(&self, seen: &Seen) -> StoreResult<Followed> {
        self.read(async |connection| {
            let rows = "SELECT sequence, mark, kind, key FROM changes WHERE sequence >= $1 \
                        ORDER BY sequence LIMIT $2";
            let rows = connection.rows(rows, values![seen.sequence, AT_A_TIME]).await?;
            let mut rows = rows.iter();
            if seen.sequence > 0 {
                let first = rows.next();
                let known = match first {
                    Some(row) => Some(Seen { sequence: row.number(0)?, mark: row.get(1)? }),
                    None => None,
                };
                match known {
                    Some(known) if known == *seen => {}
                    // So many changes were missed that the last one that was seen is gone.
                    Some(known) if known.sequence > seen.sequence => return Ok(Followed::Missed),
                    _ => return Ok(Followed::Restored),
                }
            }
            let (mut changes, mut last) = (Vec::new(), seen.clone());
            let id = revocations::id(connection).await?;
            for row in rows {
                match change(connection, &row.get::<String>(2)?, row.get(3)?).await? {
                    Some(change) => {
                        changes.push(change);
                        last = Seen { sequence: row.number(0)?, mark: row.get(1)? };
                    }
                    // What came before it is put in force first.
                    None if !changes.is_empty() => break,
                    None => return Ok(Followed::Missed),
                }
            }
            Ok(Followed::Changes { id, changes, last })
        })
        .await
    }
}

/// Reads what the thing is now that has changed; `None` if everything has to be read.
async fn change(connection: &mut Connection, kind: &str, key: String) -> Answer<Option<SharedChange>> {
    Ok(match kind {
        // There is none where everything was revoked since.
        ACCOUNT => {
            let account = revocations::read_account(connection, &key).await?;
            account.map(|(name, generation, at)| SharedChange::Account { name, generation, at })
        }
        TOKEN => {
            revocations::read_token(connection, &key).await?.map(|(id, at)| SharedChange::Token { id, at })
        }
        PERSONAL_TOKEN => {
            let token = personal_tokens::read_one(connection, &key).await?;
            Some(SharedChange::PersonalToken(key, token.map(Box::new)))
        }
        SIGN_IN => {
            let record = sign_ins::read_one(connection, &key).await?;
            Some(SharedChange::SignIn(key, record.map(Box::new)))
        }
        ENDED_SESSION => {
            // Where it is gone, it is over, or all of its account were ended, which is a change of its own.
            Some(SharedChange::EndedSession(ended_sessions::read_one(connection, &key).await?))
        }
        FREEZE => Some(SharedChange::Freeze(freeze::read(connection, None).await?.current)),
        RECORD => {
            let content = "SELECT content FROM leased_records WHERE name = $1";
            let row = connection.row(content, values![&key]).await?;
            let content = row.map(|row| row.get::<Option<String>>(0)).transpose()?.flatten();
            Some(SharedChange::Record(key, content))
        }
        // Also what a newer version has noted.
        _ => None,
    })
}
