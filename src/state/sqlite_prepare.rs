//! The first transaction on a file that was opened: its tables, its version, and the beginning of activity.

use std::{fs, os::unix::fs::PermissionsExt as _, sync::atomic::AtomicU64};

use super::{
    revocations::random_id,
    sqlite::{SqliteStore, VERSION, execute},
    sqlite_activity, sqlite_claims,
    sqlite_file::{MOVE_AWAY, error, failure},
    sqlite_personal_tokens, sqlite_pushes, sqlite_revocations, sqlite_sign_ins,
    store::StoreError,
};

impl SqliteStore {
    /// Takes the lock, and makes the tables where there are none. Damage is found when all of them are read. `changed` is the
    /// time of the last change of the file before it was opened; without it, activity does not begin.
    pub(super) async fn prepare(&mut self, now: u64, changed: Option<u64>) -> Result<(), StoreError> {
        let path = self.path.clone();
        let failed = |error: sqlx::Error| failure(&path, &error);
        let connection = self.connection.get_mut();
        // In this locking mode, the lock stays when the transaction ends.
        execute(connection, "BEGIN EXCLUSIVE").await.map_err(failed)?;
        let version: i64 =
            sqlx::query_scalar("PRAGMA user_version").fetch_one(&mut *connection).await.map_err(failed)?;
        let tables: i64 = sqlx::query_scalar("SELECT count(*) FROM sqlite_schema")
            .fetch_one(&mut *connection)
            .await
            .map_err(failed)?;
        match (version, tables) {
            (VERSION, _) => {}
            (0, 0) => {
                let id = random_id()
                    .ok_or_else(|| error(&path, "no random bytes".to_owned(), "see the log of the system"))?;
                for table in sqlite_revocations::TABLES {
                    execute(connection, table).await.map_err(failed)?;
                }
                sqlite_revocations::set_id(connection, &id, now, false).await.map_err(failed)?;
                self.is_new = true;
            }
            (0, _) => return Err(error(&path, "the file is another database".to_owned(), MOVE_AWAY)),
            (version, _) => {
                let message = format!("expected version {VERSION} of the file, found {version}");
                return Err(error(&path, message, "a newer Portwarden made it: run that one"));
            }
        }
        let tables = sqlite_claims::TABLES.into_iter().chain(sqlite_pushes::TABLES);
        let tables = tables.chain(sqlite_sign_ins::TABLES).chain(sqlite_activity::TABLES);
        for table in tables.chain(sqlite_personal_tokens::TABLES) {
            execute(connection, table).await.map_err(failed)?;
        }
        let pushes = sqlite_pushes::count(connection).await.map_err(failed)?;
        self.pushes = AtomicU64::new(pushes);
        if let Some(changed) = changed {
            self.activity_gap = now;
            self.latest_activity = sqlite_activity::begin(connection, now, changed).await.map_err(failed)?;
        }
        execute(connection, "COMMIT").await.map_err(failed)?;
        if changed.is_some() {
            self.activity_gap = 0;
        }
        Ok(())
    }

    /// Goes on without a note that activity begins, which could not be stored: a disk that is full does not keep the server
    /// from starting. Nothing is on record up to now, which is stored with the next activity.
    pub(super) async fn prepare_on_full_disk(
        &mut self,
        now: u64,
        full: &StoreError,
    ) -> Result<(), StoreError> {
        // It may have been rolled back already.
        let _ = execute(self.connection.get_mut(), "ROLLBACK").await;
        self.prepare(now, None).await?;
        tracing::error!(error = %full, "cannot store that activity begins; every tag counts as pulled until now");
        self.latest_activity = sqlite_activity::latest(self.connection.get_mut()).await.unwrap_or(now);
        self.activity_gap = now.max(self.latest_activity);
        // The next start must not take the file for one that nothing has happened to since its last end.
        tokio::time::sleep(sqlite_activity::PAST_THE_END).await;
        fs::set_permissions(&self.path, fs::Permissions::from_mode(0o600))
            .map_err(|why| error(&self.path, format!("cannot be changed: {why}"), "make room on its disk"))
    }
}
