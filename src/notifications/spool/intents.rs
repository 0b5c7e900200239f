//! The intents in the spool: changes that the registry was to make, kept until it is known whether it did.

use sqlx::{Connection as _, Sqlite, sqlite::SqliteConnection};

use super::{Spool, SpoolError};
use crate::telemetry::{IntentId, RegistryEvent};

/// The table of version 2.
pub(super) const TABLES: [&str; 2] = [
    "CREATE TABLE intents (id INTEGER PRIMARY KEY, server TEXT NOT NULL, event TEXT NOT NULL)",
    "PRAGMA user_version = 2",
];

/// An intent that is to be kept.
pub(in crate::notifications) struct NewIntent<'a> {
    pub(in crate::notifications) id: IntentId,
    pub(in crate::notifications) event: &'a RegistryEvent,
}

impl Spool {
    /// Stores intents of a server, so that they survive a crash from when this returns. `is_over` is asked under the lock of
    /// the spool, and nothing is stored of an intent for which it is true: [`Self::keep`] may have come first.
    ///
    /// # Errors
    /// None of them is stored.
    pub(in crate::notifications) async fn keep_intents(
        &self,
        server: &str,
        intents: &[NewIntent<'_>],
        is_over: impl Fn(IntentId) -> bool,
    ) -> Result<(), SpoolError> {
        let mut connection = self.connection().await?;
        let open: Vec<_> = intents.iter().filter(|intent| !is_over(intent.id)).collect();
        let kept = insert(&mut connection, server, &open).await;
        drop(connection);
        self.settle(kept).await
    }

    /// Returns the intents that servers other than this one have left.
    ///
    /// # Errors
    /// They cannot be read.
    pub(in crate::notifications) async fn left_intents(
        &self,
        server: &str,
    ) -> Result<Vec<(IntentId, RegistryEvent)>, SpoolError> {
        let select = "SELECT id, event FROM intents WHERE server <> ? ORDER BY rowid";
        let query = sqlx::query_as::<Sqlite, (i64, String)>(select).bind(server);
        let read = query.fetch_all(&mut *self.connection().await?).await;
        let read = self.settle(read).await?;
        let (mut left, mut unreadable) = (Vec::new(), Vec::new());
        for (id, event) in read {
            match serde_json::from_str(&event) {
                Ok(event) => left.push((IntentId(id), event)),
                Err(_) => unreadable.push(IntentId(id)),
            }
        }
        if !unreadable.is_empty() {
            let forgotten = delete_within(&mut *self.connection().await?, &unreadable).await;
            self.settle(forgotten).await?;
        }
        Ok(left)
    }
}

async fn insert(
    connection: &mut SqliteConnection,
    server: &str,
    intents: &[&NewIntent<'_>],
) -> Result<(), sqlx::Error> {
    let mut transaction = connection.begin().await?;
    for intent in intents {
        // Texts and numbers only, so this does not fail.
        let event = serde_json::to_string(intent.event).unwrap_or_default();
        let insert = sqlx::query("INSERT INTO intents (id, server, event) VALUES (?, ?, ?)");
        insert.bind(intent.id.0).bind(server).bind(event).execute(&mut *transaction).await?;
    }
    transaction.commit().await
}

/// Deletes intents as a part of a transaction.
pub(super) async fn delete_within(
    connection: &mut SqliteConnection,
    ids: &[IntentId],
) -> Result<(), sqlx::Error> {
    for id in ids {
        sqlx::query("DELETE FROM intents WHERE id = ?").bind(id.0).execute(&mut *connection).await?;
    }
    Ok(())
}
