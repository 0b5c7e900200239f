//! The table of records that one replica at a time may write: the one whose lease has not ended by the server's clock.

use super::{
    Store, changes,
    connection::{Lock, values},
    file,
    replicas::now,
};
use crate::state::stored::{StoreError, StoreResult};

impl Store {
    /// Takes the lease of a record for so many seconds, and reads its content; `None` while another replica has it.
    ///
    /// # Errors
    /// It may be taken or not.
    pub(in crate::state) async fn take_lease(
        &self,
        name: &str,
        seconds: u64,
    ) -> StoreResult<Option<Option<String>>> {
        let take = concat!(
            "INSERT INTO leased_records AS known VALUES ($1, NULL, $2, ",
            now!(),
            " + $3) ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until = excluded.until \
             WHERE known.until <= ",
            now!(),
            " OR known.holder = excluded.holder RETURNING content"
        );
        self.write(async |connection| {
            let taken = connection.row(take, values![name, &self.replica, seconds]).await?;
            taken.map(|row| row.get(0)).transpose()
        })
        .await
    }

    /// Prolongs a lease, or ends it with 0 seconds, and writes the record if there is something to write. Returns false
    /// if another replica has it, or it has ended.
    ///
    /// # Errors
    /// It may be done or not.
    pub(in crate::state) async fn hold_lease(
        &self,
        name: &str,
        content: Option<&str>,
        seconds: u64,
    ) -> StoreResult<bool> {
        self.write(async |connection| {
            let mut transaction = connection.begin(Lock::State).await?;
            let hold = concat!(
                "UPDATE leased_records SET content = coalesce($3, content), until = ",
                now!(),
                " + $4 WHERE name = $1 AND holder = $2 AND until > ",
                now!()
            );
            let is_held =
                transaction.execute(hold, values![name, &self.replica, content, seconds]).await? > 0;
            if is_held && content.is_some() {
                changes::note(&mut transaction, changes::RECORD, name).await?;
            }
            transaction.commit().await.map(|()| is_held)
        })
        .await
    }

    /// Reads all records.
    ///
    /// # Errors
    /// They cannot be read.
    pub(in crate::state) async fn leased_records(&self) -> StoreResult<Vec<(String, String)>> {
        self.read(async |connection| {
            let all = "SELECT name, content FROM leased_records WHERE content IS NOT NULL";
            connection.rows(all, &[]).await?.iter().map(|row| Ok((row.get(0)?, row.get(1)?))).collect()
        })
        .await
    }

    /// Returns the error for a lease that has ended.
    pub(in crate::state) fn lost_lease(&self) -> StoreError {
        let message = "the lease has ended, and another replica may have taken it".to_owned();
        file::error(&self.place, message, "see whether this one was stopped, or cut off from the server")
    }
}
