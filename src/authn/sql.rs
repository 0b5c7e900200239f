//! `xorm_auth`: accounts in docker_auth's table `xorm_user`.
//!
//! As docker_auth: the newest row of the account counts, by the database's own comparison of names. Safer: that row's
//! name must be the account byte for byte, because `BOB` is another account to the rules where MySQL's is not.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use tokio::{sync::Semaphore, task::spawn_blocking};

use super::{
    Answer, DEFAULT_COST, Labels, PasswordHash, Secret,
    password_hash::{HashError, burn},
};
use crate::backend::{BackendLimits, Database, Failure, Gate, Query, Row, SqlSettings, Table, Unavailable};

/// A bare `id` would be the text in PostgreSQL, which calls the cast column so, and 9 newer than 10.
const USER: Query = Query {
    standard: "SELECT CAST(id AS TEXT), CAST(username AS TEXT), CAST(password_hash AS TEXT), \
        CAST(labels AS TEXT) FROM xorm_user WHERE username = $1 ORDER BY xorm_user.id DESC LIMIT 1",
    mysql: "SELECT CAST(id AS CHAR), CAST(username AS CHAR), CAST(password_hash AS CHAR), \
        CAST(labels AS CHAR) FROM xorm_user WHERE username = ? ORDER BY xorm_user.id DESC LIMIT 1",
    table: Table {
        name: "xorm_user",
        columns: "id BIGINT, username VARCHAR(128), password_hash VARCHAR(128), labels TEXT",
    },
};

/// The highest cost of a hash that is computed: some three seconds of a core. One row with a higher cost would hold
/// every login up, since an unknown account costs as much.
const HIGHEST_COST: u32 = 16;

/// The table.
#[derive(Debug)]
pub(super) struct SqlUsers {
    database: Database,
    gate: Gate,
    /// bcrypt cannot be stopped: its slot is freed when it ends, and not when its caller stops waiting.
    turns: Arc<Semaphore>,
    /// The highest cost of the hashes seen so far (rule 17).
    highest_cost: Arc<AtomicU32>,
}

/// A row, read.
struct Stored {
    id: String,
    hash: Result<PasswordHash, HashError>,
    labels: Option<String>,
}

impl SqlUsers {
    /// Nothing is connected yet.
    pub(super) fn new(settings: SqlSettings, limits: &BackendLimits) -> Self {
        Self {
            database: Database::new(settings, limits),
            gate: Gate::new("xorm_auth", limits),
            turns: Arc::new(Semaphore::new(limits.concurrent)),
            highest_cost: Arc::new(AtomicU32::new(DEFAULT_COST)),
        }
    }

    /// Looks the account up and checks its password (docker_auth, `xorm_authn.go`, `Authenticate`).
    ///
    /// An unknown account takes as many rounds of bcrypt as a wrong password (rule 17): those of the costliest hash
    /// seen.
    ///
    /// # Errors
    /// The database gives no answer, or the labels of the account cannot be read.
    pub(super) async fn authenticate(&self, account: &str, password: &Secret) -> Result<Answer, Unavailable> {
        if account.is_empty() || password.expose().is_empty() {
            return Ok(Answer::NoSuchUser);
        }
        self.gate
            .ask(async {
                let stored = self.look_up(account).await?;
                self.check(stored, Secret::new(password.expose())).await
            })
            .await
    }

    async fn look_up(&self, account: &str) -> Result<Option<Stored>, String> {
        // PostgreSQL cannot hold a NUL, and has an error for it.
        if account.contains('\0') {
            return Ok(None);
        }
        match self.database.rows(&USER, Some(account)).await {
            Ok(rows) => Ok(rows.into_iter().next().and_then(|row| stored(row, account))),
            Err(Failure::NoSuchText) => Ok(None),
            Err(Failure::Other(why)) => Err(why),
        }
    }

    async fn check(&self, stored: Option<Stored>, password: Secret) -> Result<Answer, String> {
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(|error| error.to_string())?;
        let highest_cost = Arc::clone(&self.highest_cost);
        let work = move || {
            let _turn = turn;
            answer(stored, &password, &highest_cost)
        };
        spawn_blocking(work).await.map_err(|_| "checking the password was broken off".to_owned())?
    }
}

/// `None` when the name in the row is not the account byte for byte.
fn stored(row: Row, account: &str) -> Option<Stored> {
    let [id, name, hash, labels] = <[_; 4]>::try_from(row).ok()?;
    let hash = PasswordHash::parse(&hash.unwrap_or_default());
    (name.as_deref() == Some(account)).then(|| Stored { id: id.unwrap_or_default(), hash, labels })
}

/// Blocks for as long as bcrypt takes.
fn answer(stored: Option<Stored>, password: &Secret, highest_cost: &AtomicU32) -> Result<Answer, String> {
    let Some(Stored { id, hash, labels }) = stored else {
        burn(highest_cost.load(Ordering::Relaxed), password);
        return Ok(Answer::NoSuchUser);
    };
    let hash = match hash {
        Ok(hash) if hash.cost() <= HIGHEST_COST => hash,
        unusable => {
            warn_of(&id, &unusable);
            burn(highest_cost.load(Ordering::Relaxed), password);
            return Ok(Answer::WrongPassword);
        }
    };
    let highest = highest_cost.fetch_max(hash.cost(), Ordering::Relaxed).max(hash.cost());
    if hash.verify(password) {
        return read_labels(labels.as_deref()).map(Answer::Accepted).ok_or_else(|| {
            format!("row {id} of xorm_user: labels is not a JSON object of lists of text, as {{\"group\": [\"dev\"]}}")
        });
    }
    // After 2^cost rounds, the rest of 2^highest.
    for cost in hash.cost()..highest {
        burn(cost, password);
    }
    Ok(Answer::WrongPassword)
}

fn warn_of(id: &str, hash: &Result<PasswordHash, HashError>) {
    let why = match hash {
        Err(error) => error.to_string(),
        Ok(hash) => format!("a bcrypt cost of {} is more than {HIGHEST_COST}", hash.cost()),
    };
    tracing::warn!(row = id, "xorm_auth: no account can sign in with this row of xorm_user: {why}");
}

/// Go's JSON of a map of lists: null is none, for all of them and for one. `None` when it is something else.
fn read_labels(json: Option<&str>) -> Option<Labels> {
    let Some(json) = json.filter(|json| !json.trim().is_empty()) else { return Some(Labels::new()) };
    let labels: Option<BTreeMap<String, Option<Vec<String>>>> = serde_json::from_str(json).ok()?;
    let labels = labels.unwrap_or_default().into_iter();
    Some(labels.map(|(label, values)| (label, values.unwrap_or_default())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authn::password_hash::work::rounds;

    fn row(name: &str, password: &str, cost: u32, labels: Option<&str>) -> Row {
        let hash = PasswordHash::create(&Secret::new(password), cost).unwrap();
        vec![Some("7".into()), Some(name.into()), Some(hash), labels.map(Into::into)]
    }

    fn asked(stored: Option<Stored>, password: &str, highest: &AtomicU32) -> Result<Answer, String> {
        answer(stored, &Secret::new(password), highest)
    }

    #[test]
    fn the_name_in_the_row_is_the_account_byte_for_byte() {
        for name in ["BOB", "bob ", "bób", ""] {
            assert!(stored(row(name, "x", 4, None), "bob").is_none(), "{name:?}");
        }
        assert!(stored(row("bob", "x", 4, None), "bob").is_some());
        assert!(stored(vec![Some("7".into()), None, None, None], "").is_none());
    }

    #[test]
    fn rule_17_an_unknown_account_costs_as_much_as_a_wrong_password() {
        let highest = AtomicU32::new(5);
        let cheap = || stored(row("bob", "x", 4, None), "bob");
        let cost = |stored: Option<Stored>| rounds(|| drop(asked(stored, "wrong", &highest)));
        assert_eq!((cost(None), cost(cheap())), (1 << 5, 1 << 5));
        let dear = stored(row("eve", "x", 7, None), "eve");
        assert_eq!((cost(dear), cost(None), cost(cheap())), (1 << 7, 1 << 7, 1 << 7));
    }

    #[test]
    fn what_is_no_usable_hash_is_a_wrong_password() {
        let highest = AtomicU32::new(4);
        let dear = format!("$2y$17${}", "a".repeat(53));
        for hash in ["x", "", "$1$abc$x", &dear] {
            let row = vec![Some("7".into()), Some("bob".into()), Some(hash.into()), None];
            let found = stored(row, "bob");
            assert!(found.is_some());
            let spent =
                rounds(|| assert_eq!(asked(found, "x", &highest), Ok(Answer::WrongPassword), "{hash:?}"));
            assert_eq!(spent, 1 << 4, "{hash:?}");
        }
    }

    #[test]
    fn labels_are_read_as_go_does() {
        let labels = |json| read_labels(json).map(|labels| format!("{labels:?}"));
        for (json, expected) in [
            (None, Some("{}")),
            (Some(""), Some("{}")),
            (Some("null"), Some("{}")),
            (Some("{}"), Some("{}")),
            (
                Some(r#"{"group":["dev","ops"],"none":null}"#),
                Some(r#"{"group": ["dev", "ops"], "none": []}"#),
            ),
            (Some("[]"), None),
            (Some(r#"{"group":"dev"}"#), None),
            (Some(r#"{"group":[1]}"#), None),
            (Some("{"), None),
        ] {
            assert_eq!(labels(json).as_deref(), expected, "{json:?}");
        }
    }

    #[test]
    fn labels_that_cannot_be_read_are_only_known_to_who_has_the_password() {
        let highest = AtomicU32::new(4);
        let bad = || stored(row("bob", "right", 4, Some("[")), "bob");
        assert_eq!(asked(bad(), "wrong", &highest), Ok(Answer::WrongPassword));
        assert!(asked(bad(), "right", &highest).unwrap_err().contains("row 7 of xorm_user"));
    }
}
