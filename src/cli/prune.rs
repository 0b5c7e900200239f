//! `portwarden prune`: the running server deletes what `retention` does not keep, or shows it.

use std::{
    io::{self, IsTerminal, Write},
    process::ExitCode,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use serde_json::json;

use super::{
    Prune,
    control_client::ask,
    output::{Failure, say},
};
use crate::{
    proxy::{PruneEvent, PruneItem, PruneSummary, PruneWhat},
    server::{ControlAnswer, ControlRequest},
};

/// The interval between lines of progress where standard error is no terminal.
const PAUSE: Duration = Duration::from_secs(10);
/// The digits of a digest that the table shows.
const SHORT: usize = 12;
/// The columns of the table.
const HEAD: [&str; 6] = ["REPOSITORY", "TAG", "DIGEST", "PUSHED", "WHAT", "WHY"];

/// Has the server prune, and prints what it reports. The exit code is 1 where something could not be read or deleted.
///
/// # Errors
/// The server cannot be reached, refuses, or standard output is closed.
pub(super) fn run(prune: &Prune) -> Result<ExitCode, Failure> {
    let request = ControlRequest::Prune {
        apply: prune.apply,
        kept: prune.verbose,
        repositories: prune.repositories.clone(),
    };
    let mut answers = ask(&prune.control.socket, &request)?;
    let mut shown = Shown::new(prune);
    loop {
        let event = match answers.next()? {
            ControlAnswer::Prune(event) => event,
            ControlAnswer::Refused { why } => return Err(why.into()),
            _ => return Err(
                "the server's answer is not understood; after an upgrade, restart it: systemctl restart portwarden".into(),
            ),
        };
        if let PruneEvent::Progress { .. } = event {
            shown.progress(&event);
            continue;
        }
        shown.clear();
        match event {
            PruneEvent::Progress { .. } => {}
            PruneEvent::Tag(item) => shown.tag(item)?,
            PruneEvent::Shown { .. } => shown.table()?,
            PruneEvent::Failed { repository, why } => shown.failed(&repository, &why)?,
            PruneEvent::End(summary) => return shown.end(&summary),
        }
    }
}

/// The output about a run.
struct Shown<'a> {
    prune: &'a Prune,
    /// The rows of a repository, until all of them are there.
    rows: Vec<[String; 6]>,
    has_head: bool,
    is_terminal: bool,
    has_progress: bool,
    next: Instant,
}

impl<'a> Shown<'a> {
    fn new(prune: &'a Prune) -> Self {
        let (is_terminal, next) = (io::stderr().is_terminal(), Instant::now() + PAUSE);
        Self { prune, rows: Vec::new(), has_head: false, is_terminal, has_progress: false, next }
    }

    fn tag(&mut self, item: PruneItem) -> Result<(), Failure> {
        if self.prune.json {
            return say(serde_json::to_string(&item).map_err(|error| error.to_string())?);
        }
        let digest = item.digest.strip_prefix("sha256:").unwrap_or(&item.digest);
        let digest = digest.get(..SHORT).unwrap_or(digest).to_owned();
        let pushed = spoken(item.pushed, item.is_exact, now());
        let what = match item.what {
            PruneWhat::Tag => "tag",
            PruneWhat::TagAndImage => "tag and image",
            PruneWhat::Kept => "kept",
        };
        self.rows.push([item.repository, item.tag, digest, pushed, what.to_owned(), item.why]);
        Ok(())
    }

    /// Prints the rows of a repository.
    fn table(&mut self) -> Result<(), Failure> {
        if self.rows.is_empty() {
            return Ok(());
        }
        if !std::mem::replace(&mut self.has_head, true) {
            self.rows.insert(0, HEAD.map(str::to_owned));
        }
        let rows = std::mem::take(&mut self.rows);
        let width = |column: usize| rows.iter().map(|row| row.get(column).map_or(0, String::len)).max();
        let widths: Vec<usize> = (0..HEAD.len()).map(|column| width(column).unwrap_or(0)).collect();
        for row in &rows {
            let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}  "));
            say(cells.collect::<String>().trim_end())?;
        }
        Ok(())
    }

    fn failed(&mut self, repository: &str, why: &str) -> Result<(), Failure> {
        self.table()?;
        if self.prune.json {
            return say(json!({ "repository": repository, "failed": why }));
        }
        let _ = writeln!(io::stderr(), "{repository}: {why}");
        Ok(())
    }

    fn progress(&mut self, event: &PruneEvent) {
        let PruneEvent::Progress { repository, step, done, all } = event else { return };
        let line = match all {
            0 => format!("{repository}: {step}"),
            _ => format!("{repository}: {done} of {all} {step}"),
        };
        if self.is_terminal {
            let _ = write!(io::stderr(), "\r\x1b[K{line}");
            self.has_progress = true;
        } else if Instant::now() >= self.next {
            let _ = writeln!(io::stderr(), "{line}");
            self.next = Instant::now() + PAUSE;
        }
    }

    /// Takes the line of progress away, for others.
    fn clear(&mut self) {
        if std::mem::take(&mut self.has_progress) {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }

    fn end(&mut self, summary: &PruneSummary) -> Result<ExitCode, Failure> {
        self.table()?;
        let has_failed = summary.failed > 0 || summary.stopped.is_some();
        if self.prune.json {
            say(serde_json::to_string(summary).map_err(|error| error.to_string())?)?;
        } else {
            if summary.repositories > 0 {
                sentences(summary, self.prune.apply).into_iter().try_for_each(say)?;
            }
            if let Some(why) = &summary.stopped {
                let _ = writeln!(io::stderr(), "stopped: {why}");
            }
        }
        Ok(if has_failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}

/// The numbers, in sentences.
fn sentences(summary: &PruneSummary, apply: bool) -> Vec<String> {
    let place = |tags: usize| {
        format!("{tags} of {} in {}", count(summary.tags, "tag"), repositories(summary.repositories))
    };
    if !apply {
        let goes = format!(
            "{} and {} would go",
            place(summary.tags_to_go),
            count(summary.manifests_to_go, "manifest")
        );
        let next = if summary.tags_to_go > 0 { "; run with --apply" } else { "" };
        return vec![goes + next];
    }
    let deleted = count(summary.manifests_deleted, "manifest");
    let mut lines = vec![format!("deleted {} and {deleted}", place(summary.tags_deleted))];
    if summary.tags_of_dry_run > 0 {
        let more = count(summary.tags_of_dry_run, "more tag");
        lines.push(format!("{more} would go, but for dry_run: true of the entry"));
    }
    lines
}

fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

fn repositories(number: usize) -> String {
    if number == 1 { "1 repository".to_owned() } else { format!("{number} repositories") }
}

/// The time of a push, for a person.
fn spoken(pushed: Option<u64>, is_exact: bool, now: u64) -> String {
    let Some(pushed) = pushed else { return "unknown".to_owned() };
    if !is_exact {
        // The day that follows: the time is within its day.
        return format!("before {}", day(pushed.saturating_add(86_400)));
    }
    let ago = |number: u64, what: &str| {
        format!("{} ago", count(usize::try_from(number).unwrap_or(usize::MAX), what))
    };
    match now.checked_sub(pushed) {
        None => format!("on {}", day(pushed)),
        Some(age) if age < 60 => "just now".to_owned(),
        Some(age) if age < 3600 => ago(age / 60, "minute"),
        Some(age) if age < 2 * 86_400 => ago(age / 3600, "hour"),
        Some(age) => ago(age / 86_400, "day"),
    }
}

fn day(at: u64) -> String {
    /// The last second of the year 9999.
    const LAST: u64 = 253_402_300_799;
    let time = UNIX_EPOCH + Duration::from_secs(at.min(LAST));
    humantime::format_rfc3339_seconds(time).to_string().get(..10).unwrap_or_default().to_owned()
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_spoken_as_far_as_they_are_known() {
        let now = 1_800_000_000;
        for (age, text) in
            [(5, "just now"), (60, "1 minute ago"), (7200, "2 hours ago"), (31 * 86_400, "31 days ago")]
        {
            assert_eq!(spoken(Some(now - age), true, now), text);
        }
        assert_eq!(spoken(Some(1_793_491_200), false, now), "before 2026-11-02");
        assert_eq!(spoken(Some(now + 5), true, now), "on 2027-01-15");
        assert_eq!(spoken(None, false, now), "unknown");
    }

    #[test]
    fn the_numbers_make_sentences() {
        let summary = PruneSummary {
            repositories: 3,
            tags: 40,
            tags_to_go: 12,
            manifests_to_go: 1,
            tags_deleted: 1,
            tags_of_dry_run: 1,
            ..PruneSummary::default()
        };
        assert_eq!(
            sentences(&summary, false),
            ["12 of 40 tags in 3 repositories and 1 manifest would go; run with --apply"]
        );
        assert_eq!(
            sentences(&summary, true),
            [
                "deleted 1 of 40 tags in 3 repositories and 0 manifests",
                "1 more tag would go, but for dry_run: true of the entry"
            ]
        );
    }
}
