//! `portwarden prune`: the running server deletes what `retention` does not keep, or shows it.

use std::{
    io::{self, IsTerminal, Write},
    process::ExitCode,
    time::{Duration, Instant},
};

use serde_json::json;

use super::{
    Prune,
    control_client::ask,
    login_file::now,
    output::{Failure, say},
    table::{Table, ago, count, day, short},
};
use crate::{
    proxy::{PruneEvent, PruneItem, PruneSummary, PruneWhat},
    server::{ControlAnswer, ControlRequest},
};

/// The interval between lines of progress where standard error is no terminal.
const PAUSE: Duration = Duration::from_secs(10);
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
            PruneEvent::Shown { .. } => shown.table.print()?,
            PruneEvent::Failed { repository, why } => shown.failed(&repository, &why)?,
            PruneEvent::End(summary) => return shown.end(&summary),
        }
    }
}

/// The output about a run.
struct Shown<'a> {
    prune: &'a Prune,
    table: Table<6>,
    is_terminal: bool,
    has_progress: bool,
    next: Instant,
}

impl<'a> Shown<'a> {
    fn new(prune: &'a Prune) -> Self {
        let (is_terminal, next) = (io::stderr().is_terminal(), Instant::now() + PAUSE);
        Self { prune, table: Table::new(HEAD), is_terminal, has_progress: false, next }
    }

    fn tag(&mut self, item: PruneItem) -> Result<(), Failure> {
        if self.prune.json {
            return say(serde_json::to_string(&item).map_err(|error| error.to_string())?);
        }
        let digest = short(&item.digest).to_owned();
        let pushed = spoken(item.pushed, item.is_exact, now());
        let what = match item.what {
            PruneWhat::Tag => "tag",
            PruneWhat::TagAndImage => "tag and image",
            PruneWhat::Kept => "kept",
        };
        self.table.row([item.repository, item.tag, digest, pushed, what.to_owned(), item.why]);
        Ok(())
    }

    fn failed(&mut self, repository: &str, why: &str) -> Result<(), Failure> {
        self.table.print()?;
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
        self.table.print()?;
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
    ago(pushed, now)
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
