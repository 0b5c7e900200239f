//! The processes that share a database: from one that has crashed, activity may be missing.
//!
//! Times are those of the server: the clocks of the replicas may differ.

use super::{
    Store, activity,
    connection::{Answer, Connection, Lock, values},
};
use crate::state::stored::StoreResult;

/// The clock of the server, in seconds since 1970.
macro_rules! now {
    () => {
        "CAST(extract(epoch FROM clock_timestamp()) AS BIGINT)"
    };
}

pub(super) use now;

impl Store {
    /// Notes that this process is alive, and that what others of them had heard when they crashed may be missing. To be
    /// called every few seconds, where the store is shared.
    pub(in crate::state) async fn is_alive(&self) -> StoreResult<()> {
        self.in_background(async |connection| note(connection, &self.replica).await).await
    }
}

/// Notes that a replica is alive. One that was not heard of for a minute has crashed or is cut off: all tags count as
/// pulled until now. Only a replica that was heard of all that minute tells: where the server itself was away, the others
/// come back as this one does.
pub(super) async fn note(connection: &mut Connection, replica: &str) -> Answer<()> {
    let mut transaction = connection.begin(Lock::Activity).await?;
    let note = concat!(
        "INSERT INTO replicas VALUES ($1, ",
        now!(),
        ", ",
        now!(),
        ") ON CONFLICT (name) DO UPDATE SET heard_at = excluded.heard_at, \
         since = CASE WHEN replicas.heard_at < excluded.heard_at - 15 THEN excluded.heard_at ELSE replicas.since END"
    );
    transaction.execute(note, values![replica]).await?;
    let crashed = concat!(
        "DELETE FROM replicas WHERE heard_at < ",
        now!(),
        " - 60 AND EXISTS (SELECT 1 FROM replicas own WHERE own.name = $1 AND own.since <= ",
        now!(),
        " - 60)"
    );
    if transaction.execute(crashed, values![replica]).await? > 0 {
        let now = transaction.number(concat!("SELECT ", now!()), &[]).await?;
        activity::raise(&mut transaction, activity::BEGINNING, now).await?;
        tracing::warn!("a replica ended without storing its activity: all tags count as pulled until now");
    }
    transaction.commit().await
}

/// Ends a replica in good order: all that it has heard is stored.
pub(super) async fn end(connection: &mut Connection, replica: &str) -> Answer<()> {
    connection.execute("DELETE FROM replicas WHERE name = $1", values![replica]).await.map(drop)
}

/// Returns the time up to which activity may be missing since a replica was not heard of for a while; 0 for none.
pub(super) async fn unheard_until(connection: &mut Connection) -> Answer<u64> {
    if !connection.is_shared() {
        return Ok(0);
    }
    let unheard = concat!("SELECT count(*), ", now!(), " FROM replicas WHERE heard_at < ", now!(), " - 15");
    let unheard = connection.row(unheard, &[]).await?.ok_or(sqlx::Error::RowNotFound)?;
    if unheard.number(0)? > 0 { unheard.number(1) } else { Ok(0) }
}
