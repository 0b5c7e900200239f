//! Wrong passwords that the replicas tell each other: digests, for ten minutes.
//!
//! Each is read by the others within a second. Times are those of the server.

use super::{
    Store,
    connection::{Answer, Connection, Lock, values},
    replicas::now,
};
use crate::{
    authn::WrongPassword,
    state::stored::{StoreResult, Told},
};

/// The most that are read at a time.
const AT_A_TIME: u64 = 1000;

impl Store {
    /// Stores wrong passwords of this process for the others of a shared store, and reads theirs behind `after`; `None` for
    /// a process that has just begun, which reads none. Many at a time, while passwords are guessed: no request and no
    /// revocation waits for them.
    pub(in crate::state) async fn exchange_wrong_passwords(
        &self,
        own: &[WrongPassword],
        after: Option<u64>,
    ) -> StoreResult<Told> {
        self.in_background(async |connection| {
            if !own.is_empty() {
                store(connection, &self.replica, own).await?;
            }
            let last = "SELECT coalesce(max(sequence), 0) FROM wrong_passwords";
            let last = connection.number(last, &[]).await?;
            // Behind the last one in a database that was restored from a backup.
            let Some(after) = after.filter(|after| *after <= last) else {
                return Ok(Told { wrong: Vec::new(), last });
            };
            let rows = "SELECT sequence, replica, name, client, guess FROM wrong_passwords \
                        WHERE sequence > $1 ORDER BY sequence LIMIT $2";
            let mut told = Told { wrong: Vec::new(), last: after };
            for row in connection.rows(rows, values![after, AT_A_TIME]).await? {
                told.last = row.number(0)?;
                if row.get::<String>(1)? == self.replica {
                    continue;
                }
                let (name, client, guess): (String, String, String) = (row.get(2)?, row.get(3)?, row.get(4)?);
                told.wrong.extend(WrongPassword::parse(&name, &client, &guess));
            }
            Ok(told)
        })
        .await
    }
}

/// In a transaction of its own lock: the order of the numbers is that in which they become visible.
async fn store(connection: &mut Connection, replica: &str, own: &[WrongPassword]) -> Answer<()> {
    let mut transaction = connection.begin(Lock::WrongPasswords).await?;
    transaction.script(concat!("DELETE FROM wrong_passwords WHERE at < ", now!(), " - 600")).await?;
    let insert = concat!(
        "INSERT INTO wrong_passwords (replica, name, client, guess, at) VALUES ($1, $2, $3, $4, ",
        now!(),
        ")"
    );
    for wrong in own {
        let [name, client, guess] = wrong.texts();
        transaction.execute(insert, values![replica, &name, &client, &guess]).await?;
    }
    transaction.commit().await
}
