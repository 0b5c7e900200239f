//! A PostgreSQL server as the store: its tables, how they are made and changed, and the errors about it.

use std::path::Path;

use super::{
    Store, activity,
    connection::{Connection, Lock, values},
    file::error,
    pushes, replicas, revocations,
};
use crate::{
    backend::SqlServer,
    state::{
        revocations::random_id,
        stored::{StoreError, StoreResult},
    },
};

/// The steps that make the tables, in order: each is a version. One that was released is never changed.
const MIGRATIONS: [&str; 1] = [include_str!("postgres.sql")];

impl Store {
    /// The path of the file, or the address of the server.
    pub(in crate::state) fn place(&self) -> &Path {
        &self.place
    }

    /// Connects to the server, and makes the tables there, or those that this version needs. `now` in seconds since 1970.
    ///
    /// # Errors
    /// It cannot be used, or a newer version has changed the tables.
    pub(in crate::state) async fn connect(server: &SqlServer, now: u64) -> StoreResult<Self> {
        let place = server.place().into();
        let mut store = Self::holding(place, Connection::postgres(server.options()));
        let no_random = || error(&store.place, "no random bytes".to_owned(), "see the log of the system");
        let (id, replica) = (random_id().ok_or_else(no_random)?, random_id().ok_or_else(no_random)?);
        store.background = Some(tokio::sync::Mutex::new(Connection::postgres(server.options())));
        let prepared = async {
            let mut connection = store.ready(&store.connection).await?;
            let is_new = store.migrate(&mut connection, &id, now).await?;
            let read = async {
                replicas::note(&mut connection, &replica).await?;
                Ok((pushes::count(&mut connection).await?, activity::latest(&mut connection).await?))
            };
            Ok((is_new, store.said(read.await)?))
        };
        let (is_new, (pushes, latest)) = prepared.await?;
        Ok(Self { is_new, replica, pushes: pushes.into(), latest_activity: latest, ..store })
    }

    /// Makes the tables, or changes them. One replica at a time does that; the others wait for it. Returns true if there
    /// were none.
    async fn migrate(&self, connection: &mut Connection, id: &str, now: u64) -> StoreResult<bool> {
        let migrated = async {
            let mut transaction = connection.begin(Lock::State).await?;
            let exists = "SELECT count(*) FROM pg_tables WHERE tablename = 'portwarden_schema' \
                          AND schemaname = ANY (current_schemas(false))";
            if transaction.number(exists, &[]).await? == 0 {
                transaction.script("CREATE TABLE portwarden_schema (version BIGINT NOT NULL)").await?;
            }
            let version = "SELECT coalesce(max(version), 0) FROM portwarden_schema";
            let version = transaction.number(version, &[]).await?;
            if version > MIGRATIONS.len() as u64 {
                return Ok(Err(version));
            }
            for (to, step) in (1u64..).zip(MIGRATIONS) {
                if to > version {
                    transaction.script(step).await?;
                    transaction.execute("INSERT INTO portwarden_schema VALUES ($1)", values![to]).await?;
                }
            }
            if version == 0 {
                revocations::set_id(&mut transaction, id, now, false).await?;
                activity::begin(&mut transaction, now, now).await?;
            }
            transaction.commit().await.map(|()| Ok(version == 0))
        };
        self.said(migrated.await)?.map_err(|found| {
            let message = format!("expected tables of version {} at most, found {found}", MIGRATIONS.len());
            error(&self.place, message, "a newer Portwarden changed them: run that one")
        })
    }
}

/// The error for what another replica has stored a moment ago.
pub(super) fn overtaken(place: &Path) -> StoreError {
    error(place, "another replica has just given that name to a person".to_owned(), "sign in again")
}

/// The error of a query. The server's texts quote no parameters here, but for names of tables and roles.
pub(super) fn failure(place: &Path, failed: &sqlx::Error) -> StoreError {
    let sqlx::Error::Database(said) = failed else {
        let message = format!("the server cannot be used: {failed}");
        return error(place, message, "see whether it runs, and whether it can be reached from here");
    };
    let hint = match said.code().as_deref() {
        Some("28000" | "28P01") => "correct `state.url` or the password in `state.password_file`",
        Some("3D000") => "make the database: `createdb --owner=<user> <database>`",
        Some("42501") => "let the user make tables there: make it the owner of the database",
        Some("42P07") => "give Portwarden a database of its own",
        Some("42P01" | "42703") => "restart Portwarden: it makes the tables, and all tokens end",
        Some("25006") => "name the primary server in `state.url`: this one only reads",
        Some("53100" | "53200" | "53300") => "give the server more disk, memory or connections",
        _ => "see its log",
    };
    error(place, format!("the server says: {}", said.message()), hint)
}
