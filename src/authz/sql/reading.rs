//! One reading of `xorm_acl_entry`: all of it, within bounds, compiled.

use std::sync::Arc;

use tokio::task::spawn_blocking;

use super::{SECTION, entry};
use crate::{
    authz::{Policy, RuleSettings},
    backend::{
        BackendLimits, Database, Failure, Gate, Query, Row, SqlSettings, Table as TableName, Unavailable,
    },
};

/// More rules than any real policy has; each is asked at every request.
const MOST_ROWS: u64 = 100_000;
/// As large as a configuration may be.
const MOST_BYTES: u64 = 16 << 20;

const TABLE: TableName = TableName { name: "xorm_acl_entry", columns: "acl_entry TEXT, seq BIGINT" };

/// Before they are read, so that no table can fill the memory.
const SIZE: Query = Query {
    standard: "SELECT CAST(COUNT(*) AS TEXT), \
        CAST(COALESCE(SUM(OCTET_LENGTH(CAST(acl_entry AS TEXT))), 0) AS TEXT) FROM xorm_acl_entry",
    mysql: "SELECT CAST(COUNT(*) AS CHAR), \
        CAST(COALESCE(SUM(OCTET_LENGTH(CAST(acl_entry AS CHAR))), 0) AS CHAR) FROM xorm_acl_entry",
    table: TABLE,
};

/// docker_auth, `acl_xorm.go`, `updateACLCache`. Rows with one `seq` come as the database likes, there as here.
/// PostgreSQL calls a cast column by its own name, too: a bare `seq` would be the text, with 10 before 2.
const ENTRIES: Query = Query {
    standard: "SELECT CAST(acl_entry AS TEXT), CAST(seq AS TEXT) FROM xorm_acl_entry \
        ORDER BY xorm_acl_entry.seq LIMIT 100001",
    mysql: "SELECT CAST(acl_entry AS CHAR), CAST(seq AS CHAR) FROM xorm_acl_entry \
        ORDER BY xorm_acl_entry.seq LIMIT 100001",
    table: TABLE,
};

/// The table, and what it held when it was last good.
pub(super) struct Table {
    database: Database,
    gate: Gate,
    last: Option<(Arc<Vec<Row>>, Arc<Policy>)>,
}

impl Table {
    /// Nothing is connected yet.
    pub(super) fn new(settings: SqlSettings, limits: &BackendLimits) -> Self {
        Self { database: Database::new(settings, limits), gate: Gate::new(SECTION, limits), last: None }
    }

    /// The rules of now; those of the last time where nothing has changed.
    ///
    /// # Errors
    /// Why there are none: the database gives no answer, there is too much of them, or an entry is wrong.
    pub(super) async fn read(&mut self) -> Result<Arc<Policy>, String> {
        let rows = self.gate.ask(rows(&self.database)).await;
        let rows = Arc::new(rows.map_err(|Unavailable { why, .. }| why)?);
        if let Some((before, policy)) = &self.last
            && *before == rows
        {
            return Ok(Arc::clone(policy));
        }
        let read = Arc::clone(&rows);
        // Many rules take long to compile.
        let compiled = spawn_blocking(move || compile(&read)).await;
        let policy = Arc::new(compiled.map_err(|_| "compiling the rules was broken off".to_owned())??);
        self.last = Some((rows, Arc::clone(&policy)));
        Ok(policy)
    }
}

async fn rows(database: &Database) -> Result<Vec<Row>, String> {
    let why = |failure| match failure {
        Failure::Other(why) => why,
        Failure::NoSuchText => "the database refuses the question".to_owned(),
    };
    let size = database.rows(&SIZE, None).await.map_err(why)?;
    let numbers = size.iter().flatten().flatten().map(|text| text.parse::<u64>());
    let (rows, bytes) = match numbers.collect::<Result<Vec<_>, _>>().as_deref() {
        Ok([rows, bytes]) => (*rows, *bytes),
        _ => return Err("the size of xorm_acl_entry is no number".to_owned()),
    };
    if rows > MOST_ROWS || bytes > MOST_BYTES {
        return Err(format!(
            "too many rules: {rows} with {bytes} bytes; up to {MOST_ROWS} with {MOST_BYTES} are read"
        ));
    }
    database.rows(&ENTRIES, None).await.map_err(why)
}

fn compile(rows: &[Row]) -> Result<Policy, String> {
    let rules: Vec<RuleSettings> =
        rows.iter().enumerate().map(|(index, row)| rule(index, row)).collect::<Result<_, _>>()?;
    Policy::compile(&rules).map_err(|errors| {
        let more = errors.len().saturating_sub(1);
        let more = if more > 0 { format!(" ({more} more)") } else { String::new() };
        let first = errors.first().map(|error| {
            format!(
                "{}, {}: {}; {}{more}",
                place(error.rule, rows.get(error.rule)),
                error.key,
                error.message,
                error.hint
            )
        });
        first.unwrap_or_default()
    })
}

fn rule(index: usize, row: &Row) -> Result<RuleSettings, String> {
    let json = row.first().and_then(Option::as_deref).unwrap_or_default();
    entry::read(json).map_err(|why| format!("{}: {why}", place(index, Some(row))))
}

/// Names the position of an entry.
fn place(index: usize, row: Option<&Row>) -> String {
    let seq = row.and_then(|row| row.get(1)?.as_deref()).unwrap_or("null");
    format!("{SECTION} rule {} (seq {seq})", index + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compiled(entries: &[(&str, Option<&str>)]) -> Result<Policy, String> {
        let row = |(json, seq): &(&str, Option<&str>)| vec![Some((*json).to_owned()), seq.map(str::to_owned)];
        compile(&entries.iter().map(row).collect::<Vec<_>>())
    }

    #[test]
    fn errors_name_the_rule_and_its_seq() {
        let good = r#"{"Match":{},"Actions":["*"],"Comment":"c"}"#;
        let policy = compiled(&[(good, Some("10")), (good, None)]).unwrap();
        assert_eq!(policy.len(), 2);
        for (bad, expected) in [
            (r#"{"Match":{"acount":"a"},"Actions":[]}"#, "acl_xorm rule 2 (seq 20): match.\"acount\""),
            (r#"{"Match":{"name":"a[","ip":"x"},"Actions":[]}"#, "acl_xorm rule 2 (seq 20), match.ip: "),
            ("", "acl_xorm rule 2 (seq 20): not JSON"),
        ] {
            let error = compiled(&[(good, Some("10")), (bad, Some("20"))]).unwrap_err();
            assert!(error.starts_with(expected), "{error}");
        }
        assert!(compiled(&[("", None)]).unwrap_err().starts_with("acl_xorm rule 1 (seq null)"));
    }
}
