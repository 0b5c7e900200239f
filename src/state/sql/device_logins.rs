//! The table of the programs that wait for their logins at any replica, for as long as the clock of the server says.
//!
//! Strangers cause its statements: they are on the connection on which no revocation waits.

use super::{Store, connection::values, replicas::now};
use crate::state::{
    device_logins::{DeviceLogin, DeviceLoginStanding},
    stored::StoreResult,
};

/// The most programs that wait at all replicas; replicas that begin some at the same moment may exceed it by a few.
/// Each has 20 KiB at most, answered.
const MOST: u64 = 16_384;

impl Store {
    /// Stores a program that waits, for so many seconds, and forgets the one that was given up for it. Returns false if
    /// there is no room.
    pub(in crate::state) async fn begin_device_login(
        &self,
        login: &DeviceLogin,
        given_up: Option<&str>,
        seconds: u64,
    ) -> StoreResult<bool> {
        self.in_background(async |connection| {
            let over = concat!("DELETE FROM device_logins WHERE until <= ", now!(), " OR id = $1");
            connection.execute(over, values![given_up]).await?;
            let begin = concat!(
                "INSERT INTO device_logins (id, user_code, request, until) SELECT $1, $2, $3, ",
                now!(),
                " + $4 WHERE (SELECT count(*) FROM device_logins) < $5 ON CONFLICT DO NOTHING"
            );
            let DeviceLogin { id, user_code, request } = login;
            Ok(connection.execute(begin, values![id, user_code, request, seconds, MOST]).await? > 0)
        })
        .await
    }

    /// Reads the program that waits unanswered with this user code.
    pub(in crate::state) async fn device_login(&self, user_code: &str) -> StoreResult<Option<DeviceLogin>> {
        let waiting = concat!(
            "SELECT id, request FROM device_logins WHERE user_code = $1 AND answer IS NULL AND until > ",
            now!()
        );
        self.in_background(async |connection| {
            let Some(row) = connection.row(waiting, values![user_code]).await? else { return Ok(None) };
            let user_code = user_code.to_owned();
            Ok(Some(DeviceLogin { id: row.get(0)?, user_code, request: row.get(1)? }))
        })
        .await
    }

    /// Answers a program, for a session or for none. Returns false if it does not wait any longer: one answer wins.
    pub(in crate::state) async fn answer_device_login(
        &self,
        id: &str,
        session: Option<&str>,
        answer: &str,
    ) -> StoreResult<bool> {
        let answer_it = concat!(
            "UPDATE device_logins SET session = $2, answer = $3 WHERE id = $1 AND answer IS NULL AND until > ",
            now!()
        );
        let values = values![id, session, answer];
        self.in_background(async |connection| Ok(connection.execute(answer_it, values).await? > 0)).await
    }

    /// Takes the answer of a program out, if there is one: one question at one replica gets it.
    pub(in crate::state) async fn take_device_login(&self, id: &str) -> StoreResult<DeviceLoginStanding> {
        // The count is of before the deletion.
        let take = concat!(
            "WITH taken AS (DELETE FROM device_logins WHERE id = $1 AND answer IS NOT NULL AND until > ",
            now!(),
            " RETURNING user_code, request, answer, session) SELECT waiting.rows, user_code, request, answer, session \
             FROM (SELECT count(*) AS rows FROM device_logins WHERE id = $1) AS waiting LEFT JOIN taken ON true"
        );
        self.in_background(async |connection| {
            let row = connection.row(take, values![id]).await?.ok_or(sqlx::Error::RowNotFound)?;
            let Some(answer) = row.get(3)? else {
                let is_there = row.number(0)? > 0;
                return Ok(if is_there { DeviceLoginStanding::Waits } else { DeviceLoginStanding::Gone });
            };
            let login = DeviceLogin { id: id.to_owned(), user_code: row.get(1)?, request: row.get(2)? };
            Ok(DeviceLoginStanding::Answered { login, answer, session: row.get(4)? })
        })
        .await
    }

    /// Takes the session away from all answers that were given in it.
    pub(in crate::state) async fn end_device_logins(&self, session: &str) -> StoreResult<()> {
        let end = "UPDATE device_logins SET session = NULL WHERE session = $1";
        self.in_background(async |connection| connection.execute(end, values![session]).await.map(drop)).await
    }
}
