//! Tables on standard output, and times in them for a person.

use super::output::{Failure, say};

/// A table that is printed in parts, each as wide as it needs.
pub(super) struct Table<const COLUMNS: usize> {
    head: Option<[&'static str; COLUMNS]>,
    rows: Vec<[String; COLUMNS]>,
}

impl<const COLUMNS: usize> Table<COLUMNS> {
    /// An empty table with these columns.
    pub(super) fn new(head: [&'static str; COLUMNS]) -> Self {
        Self { head: Some(head), rows: Vec::new() }
    }

    /// Adds a row.
    pub(super) fn row(&mut self, row: [String; COLUMNS]) {
        self.rows.push(row);
    }

    /// Prints the rows since the last time; the first ones below the names of the columns.
    ///
    /// # Errors
    /// Standard output cannot be written.
    pub(super) fn print(&mut self) -> Result<(), Failure> {
        if self.rows.is_empty() {
            return Ok(());
        }
        let mut rows = std::mem::take(&mut self.rows);
        if let Some(head) = self.head.take() {
            rows.insert(0, head.map(str::to_owned));
        }
        let width = |column: usize| {
            rows.iter().map(|row| row.get(column).map_or(0, |cell| cell.chars().count())).max()
        };
        let widths: Vec<usize> = (0..COLUMNS).map(|column| width(column).unwrap_or(0)).collect();
        for row in &rows {
            let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}  "));
            say(cells.collect::<String>().trim_end())?;
        }
        Ok(())
    }
}

/// The digits of a digest that a table shows.
const SHORT: usize = 12;

/// The first digits of a digest; another text as it is.
pub(super) fn short(digest: &str) -> &str {
    let digits = digest.strip_prefix("sha256:").unwrap_or(digest);
    if digits.len() < digest.len() { digits.get(..SHORT).unwrap_or(digits) } else { digest }
}

/// `3 days ago`, or the day of a time in the future; both in seconds since 1970.
pub(super) fn ago(at: u64, now: u64) -> String {
    let ago = |number: u64, what: &str| {
        format!("{} ago", count(usize::try_from(number).unwrap_or(usize::MAX), what))
    };
    match now.checked_sub(at) {
        None => format!("on {}", day(at)),
        Some(age) if age < 60 => "just now".to_owned(),
        Some(age) if age < 3600 => ago(age / 60, "minute"),
        Some(age) if age < 2 * 86_400 => ago(age / 3600, "hour"),
        Some(age) => ago(age / 86_400, "day"),
    }
}

/// `1 tag`, `2 tags`.
pub(super) fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// The day of a time in seconds since 1970, as `2026-11-02`.
pub(super) fn day(at: u64) -> String {
    crate::config::written_moment(at).get(..10).unwrap_or_default().to_owned()
}
