//! Wrong passwords that the replicas tell each other: digests, for ten minutes.
//!
//! Each is read by the others within a second. Times are those of the server.

use super::{
    connection::{Connection, Lock, values},
    replicas::now,
};
use crate::{authn::WrongPassword, state::store::Told};

/// The most that are read at a time.
const AT_A_TIME: u64 = 1000;

/// Stores those of this replica, and reads those of the others behind `after`; `None` for a replica that has just begun.
pub(super) async fn exchange(
    connection: &mut Connection,
    replica: &str,
    own: &[WrongPassword],
    after: Option<u64>,
) -> Result<Told, sqlx::Error> {
    if !own.is_empty() {
        store(connection, replica, own).await?;
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
        if row.get::<String>(1)? == replica {
            continue;
        }
        let (name, client, guess): (String, String, String) = (row.get(2)?, row.get(3)?, row.get(4)?);
        told.wrong.extend(WrongPassword::parse(&name, &client, &guess));
    }
    Ok(told)
}

/// In a transaction of its own lock: the order of the numbers is that in which they become visible.
async fn store(connection: &mut Connection, replica: &str, own: &[WrongPassword]) -> Result<(), sqlx::Error> {
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
