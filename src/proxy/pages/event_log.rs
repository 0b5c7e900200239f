//! Lines of the audit log that a filter leaves, read backwards within bounds; and their export.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use memchr::memmem;
use serde_json::{Map, Value};
use tokio::task::spawn_blocking;

use super::{
    events::{is_wanted, row, since, timestamp},
    page_error::{PageError, PageResult},
    visit::Request,
};
use crate::{
    registry::{ErrorCode, Refusal},
    telemetry::{History, Position, ReadBack},
    ui::{EventFilter, EventRow, LogPart},
};

/// Bytes of the log that are read for one answer: some 130,000 lines.
const READ: u64 = 64 << 20;
/// Readings of the log at a time.
pub(super) const AT_ONCE: usize = 2;

/// The bounds of an answer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// Lines that the filter leaves.
    rows: usize,
    /// Bytes of lines that are looked into: a filter by account or repository passes most over before.
    looked_into: usize,
}

/// Of a page.
pub(super) const PAGE: Bounds = Bounds { rows: 300, looked_into: 4 << 20 };
/// Of an export.
pub(super) const EXPORT: Bounds = Bounds { rows: 10_000, looked_into: 32 << 20 };

/// Lines that were found, the newest first.
pub(super) struct Found {
    pub(super) rows: Vec<EventRow>,
    pub(super) part: LogPart,
}

/// Reads the lines that a filter leaves, from the place that the query names; `None` where no log is written.
///
/// # Errors
/// The place is none, or the files cannot be read.
pub(super) async fn read(
    request: &Request<'_>,
    filter: &EventFilter,
    bounds: Bounds,
) -> PageResult<Option<Found>> {
    let Some(recent) = request.log.recent() else { return Ok(None) };
    let from = match request.parameter("from") {
        from if from.is_empty() => None,
        from => Some(from.parse::<Position>().map_err(|()| PageError::NoPage)?),
    };
    let mut search = Search::of(filter, bounds);
    let Some(history) = request.log.history() else {
        recent.iter().rev().all(|line| search.take(line));
        let part = LogPart { is_in_memory: true, reaches: search.reaches(), ..LogPart::default() };
        return Ok(Some(Found { rows: search.rows, part }));
    };
    // Held by the reading itself, which goes on where the client is gone.
    let turn = Arc::clone(&request.pages.log_readings).acquire_owned().await;
    let turn = turn.map_err(|_| unreadable("the server ends"))?;
    let reading = spawn_blocking(move || {
        let _turn = turn;
        search.run(&history, from, &recent)
    });
    let found = reading.await.map_err(|_| unreadable("the reading ended"))?;
    found.map(Some).map_err(|error| {
        tracing::warn!(%error, "the audit log could not be read for a page; let the user of the service read it");
        unreadable("the files of the audit log cannot be read; the log of Portwarden has the reason")
    })
}

fn unreadable(why: &str) -> PageError {
    Refusal::new(ErrorCode::Unavailable, why).into()
}

/// A search under way.
struct Search {
    filter: EventFilter,
    since: Option<SystemTime>,
    /// Texts that are in each line that the filter leaves.
    needles: Vec<memmem::Finder<'static>>,
    bounds: Bounds,
    looked_into: usize,
    rows: Vec<EventRow>,
    /// The time of the last line that was seen, as it is written.
    last: Vec<u8>,
}

/// The part of a line that has its time.
fn time_of(line: &[u8]) -> &[u8] {
    line.get(9..36).unwrap_or_default()
}

impl Search {
    fn of(filter: &EventFilter, bounds: Bounds) -> Self {
        // Other texts are escaped in the log.
        let is_plain = |text: &&String| {
            !text.is_empty() && !text.contains(['"', '\\']) && !text.contains(char::is_control)
        };
        let account = Some(&filter.account).filter(is_plain).filter(|name| *name != "anonymous");
        let account = account.map(|name| format!("\"account\":\"{name}\""));
        let repository = Some(&filter.repository).filter(is_plain).cloned();
        let needles = [account, repository].into_iter().flatten();
        Self {
            since: since(filter, SystemTime::now()),
            filter: filter.clone(),
            needles: needles.map(|needle| memmem::Finder::new(&needle).into_owned()).collect(),
            bounds,
            looked_into: 0,
            rows: Vec::new(),
            last: Vec::new(),
        }
    }

    /// Takes a line, and returns whether more are wanted.
    fn take(&mut self, line: &[u8]) -> bool {
        self.last.clear();
        self.last.extend_from_slice(time_of(line));
        if self.needles.iter().any(|needle| needle.find(line).is_none()) {
            // Without it, the end of a time that was chosen would not be seen.
            return self.is_in_time();
        }
        self.looked_into += line.len();
        if let Some(row) = row(line).filter(|row| is_wanted(row, &self.filter, self.since)) {
            self.rows.push(row);
        }
        self.rows.len() < self.bounds.rows && self.looked_into < self.bounds.looked_into && self.is_in_time()
    }

    /// Returns false for a line that is clearly from before the time that was chosen.
    fn is_in_time(&self) -> bool {
        self.since.is_none_or(|since| self.reaches().is_none_or(|time| time + SLACK >= since))
    }

    fn reaches(&self) -> Option<SystemTime> {
        timestamp(std::str::from_utf8(&self.last).ok()?)
    }

    /// Reads the files. `recent` are the last lines, of which some may not be written yet.
    fn run(
        mut self,
        history: &History,
        from: Option<Position>,
        recent: &[Vec<u8>],
    ) -> std::io::Result<Found> {
        let is_older = from.is_some() || self.filter.until.is_some();
        let until = self.filter.pairs().into_iter().find(|(name, _)| *name == "until").map(|(_, text)| text);
        let from = match (from, until.filter(|text| !text.is_empty())) {
            (None, Some(until)) => match history.before(&until)? {
                Some(position) => Some(position),
                None => return Ok(self.found(ReadBack::Whole, is_older)),
            },
            (from, _) => from,
        };
        let mut newest = (!is_older).then_some(recent);
        let end = history.read_back(from, READ, |line| {
            // Those that are not in the file yet.
            let unwritten = newest.take().unwrap_or_default().iter().rev();
            for line in unwritten.take_while(|recent| time_of(recent) > time_of(line)) {
                self.take(line);
            }
            self.take(line)
        })?;
        if let Some(recent) = newest {
            recent.iter().rev().all(|line| self.take(line));
        }
        Ok(self.found(end, is_older))
    }

    fn found(self, end: ReadBack, is_older: bool) -> Found {
        let reaches = self.reaches();
        let is_over = !self.is_in_time();
        let older = match end {
            ReadBack::Until(position) if !is_over => Some(position.to_string()),
            _ => None,
        };
        let (is_gone, has_unread) = (end == ReadBack::Gone, end == ReadBack::Unread && !is_over);
        let part = LogPart { is_in_memory: false, is_older, is_gone, has_unread, reaches, older };
        Found { rows: self.rows, part }
    }
}

/// Lines may be a little out of order.
const SLACK: Duration = Duration::from_secs(60);

/// The fields of a row, by the names of the audit log.
fn fields(row: &EventRow) -> [(&'static str, String); 12] {
    let time = row.time.map(|time| humantime::format_rfc3339_seconds(time).to_string());
    [
        ("time", time.unwrap_or_default()),
        ("event", row.event.clone()),
        ("action", row.action.name().to_owned()),
        ("account", row.account.clone().unwrap_or_default()),
        ("address", row.address.clone()),
        ("method", row.method.clone()),
        ("repository", row.repository.clone()),
        ("reference", row.reference.clone()),
        ("decision", row.decision.clone()),
        ("why", row.why.clone()),
        ("status", row.status.map(|status| status.to_string()).unwrap_or_default()),
        ("request_id", row.request_id.clone()),
    ]
}

/// The row behind those of an export that is not whole: the query that goes on.
fn rest(found: &Found) -> Option<EventRow> {
    let older = found.part.older.as_ref()?;
    let (event, why) = ("truncated".to_owned(), format!("there may be more; go on with from={older}"));
    Some(EventRow { event, why, ..EventRow::default() })
}

/// The rows as JSON, one object a line.
pub(super) fn as_json_lines(found: &Found) -> String {
    let line = |row: &EventRow| {
        let texts = fields(row).map(|(name, text)| (name.to_owned(), Value::from(text)));
        let mut object: Map<String, Value> = texts.into_iter().collect();
        object.insert("account".to_owned(), row.account.clone().into());
        object.insert("status".to_owned(), row.status.into());
        format!("{}\n", Value::Object(object))
    };
    found.rows.iter().chain(&rest(found)).map(line).collect()
}

/// The rows as CSV (RFC 4180). A text that a spreadsheet would take for a formula has a `'` before it.
pub(super) fn as_csv(found: &Found) -> String {
    let quoted = |text: &str| {
        let is_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
        format!("\"{}{}\"", if is_formula { "'" } else { "" }, text.replace('"', "\"\""))
    };
    let line = |texts: Vec<String>| format!("{}\r\n", texts.join(","));
    let names = fields(&EventRow::default()).map(|(name, _)| name.to_owned());
    let rest = rest(found);
    let rows = found.rows.iter().chain(&rest);
    let rows = rows.map(|row| line(fields(row).map(|(_, text)| quoted(&text)).to_vec()));
    std::iter::once(line(names.to_vec())).chain(rows).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_formula_is_text_and_what_is_left_out_is_said() {
        let rows = vec![EventRow {
            account: Some("=HYPERLINK(\"x\")".to_owned()),
            reference: "@sha256:1".to_owned(),
            repository: "a,b\r\nc".to_owned(),
            ..EventRow::default()
        }];
        let part = LogPart { older: Some("1-2".to_owned()), ..LogPart::default() };
        let found = Found { rows, part };
        let csv = as_csv(&found);
        assert!(csv.starts_with("time,event,action,account,"), "{csv}");
        assert!(csv.contains(r#","'=HYPERLINK(""x"")","#) && csv.contains("\"'@sha256:1\""), "{csv}");
        assert!(csv.contains("\"a,b\r\nc\"") && csv.trim_end().contains("go on with from=1-2"), "{csv}");
        let lines: Vec<serde_json::Value> =
            as_json_lines(&found).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!((lines.len(), &lines[1]["event"]), (2, &"truncated".into()));
        assert_eq!(lines[0]["reference"], "@sha256:1");
    }

    #[test]
    fn a_filter_passes_over_what_cannot_match_and_misses_nothing() {
        let line = |account: &str, repository: &str| {
            let line = serde_json::json!({"time": "2026-01-02T03:04:05.000000Z", "event": "decision", "account": account,
                "source": "users", "decision": "allowed", "repository": repository});
            line.to_string().into_bytes()
        };
        let lines = [
            line("bob", "team/app"),
            line("bob\"x", "team/app"),
            line("", "team/app"),
            line("bobby", "team/web"),
        ];
        let found = |account: &str, repository: &str| {
            let filter = EventFilter {
                account: account.into(),
                repository: repository.into(),
                ..EventFilter::default()
            };
            let mut search = Search::of(&filter, PAGE);
            for line in &lines {
                search.take(line);
            }
            search.rows.len()
        };
        assert_eq!((found("bob", ""), found("bob\"x", ""), found("anonymous", "")), (1, 1, 1));
        assert_eq!((found("", "app"), found("bobby", "web"), found("", "")), (3, 1, 4));
    }
}
