//! `portwarden replay`: what other rules would have done with the requests of an audit log.

use std::process::ExitCode;

use serde::Serialize;

use super::{
    Replay,
    audit_files::{self, Files},
    login_file::now,
    output::{Failure, say},
    policy_answer::say_json,
};
use crate::{
    config::{counted as counted_as, written_moment},
    replay::{Counts, Kind, Replay as Run, Report, Seen, Subject},
};

/// Prints the gains, the losses and what cannot be decided; 1 where there is a gain, or something undecided that is not
/// allowed to be. A file that broke off may have more.
///
/// # Errors
/// The rules or a file cannot be read, or no line was decided.
pub(super) fn run(replay: &Replay) -> Result<ExitCode, Failure> {
    let (_, rules) = audit_files::rules(&replay.config)?;
    let mut run = Run::new(rules, replay.at.unwrap_or_else(now));
    let files = Files::read(&replay.audit, |place, line| run.line(place, line))?;
    let report = run.report();
    if replay.json {
        say_differences_json(report)?;
        say_json(&Numbers::of(report, &files))?;
    } else {
        for kind in [Kind::Gain, Kind::Lose] {
            say_differences(report, kind, replay.verbose)?;
        }
        say_undecided(report)?;
        say_counts(&report.counts, &files)?;
    }
    if report.counts.requests + report.counts.tokens == 0 && report.undecided.is_empty() {
        let files = files.names.join(", ");
        return Err(format!("{files}: no decision of rules was found: name the file of `audit.to`").into());
    }
    let is_whole = report.undecided.is_empty() && files.broken.is_empty();
    let is_open = !is_whole && !replay.allow_undecided;
    Ok(if report.has_gains() || is_open { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn say_differences(report: &Report, kind: Kind, verbose: bool) -> Result<(), Failure> {
    let (word, more) = match kind {
        Kind::Gain => ("gain", report.more_gains),
        Kind::Lose => ("lose", report.more_losses),
    };
    let listed = report.listed(kind);
    if listed.is_empty() && more == 0 {
        return say(format!("{word}: none"));
    }
    for (subject, seen) in listed {
        say(format!("{word}: {}", sentence(subject, seen, verbose)))?;
    }
    if more > 0 {
        say(format!("{word}: {} more that are not listed", counted(more, "request")))?;
    }
    Ok(())
}

/// `eve may pull team/app: 12 times, last 2026-11-28T10:00:00Z, by rule 3, line 12; was denied by rule 5, line 40`
fn sentence(subject: &Subject, seen: &Seen, verbose: bool) -> String {
    let who = if subject.account.is_empty() { "anonymous".to_owned() } else { plain(&subject.account) };
    let name = plain(&subject.name);
    let actions = plain(&subject.action).replace(',', " and ");
    let what = match (subject.resource_type.as_str(), name.as_str()) {
        ("repository", _) => format!("{actions} {name}"),
        ("registry", "catalog") => "list all repositories".to_owned(),
        (other, _) => format!("{actions} {} {name}", plain(other)),
    };
    let (may, was) = match (subject.kind, subject.is_token) {
        (Kind::Gain, false) => ("may", "denied"),
        (Kind::Gain, true) => ("gets a token to", "denied"),
        (Kind::Lose, false) => ("may not", "allowed"),
        (Kind::Lose, true) => ("gets no token to", "allowed"),
    };
    let times = counted(seen.count, "time");
    let last = written_moment(seen.last);
    let from = subject.from.map(|from| format!(", from {}", written_moment(from))).unwrap_or_default();
    let by = by(&subject.by);
    let was = match self::by(&seen.was) {
        rule if rule.is_empty() => was.to_owned(),
        rule if rule.starts_with("by ") => format!("{was} {rule}"),
        reason => format!("{was}, {reason}"),
    };
    let named = seen.reference.as_ref().filter(|_| verbose);
    let named = named.map(|reference| format!(" (as {})", plain(reference))).unwrap_or_default();
    format!("{who} {may} {what}{named}: {times}, last {last}{from}, {by}; was {was}")
}

/// `by rule 3, line 12`; a reason that is no rule stands for itself.
fn by(rule: &str) -> String {
    let starts = ["rule ", "acl_xorm rule ", "the scopes of ", "the ip of ", "the command "];
    let is_rule = starts.iter().any(|start| rule.starts_with(start));
    format!("{}{}", if is_rule { "by " } else { "" }, plain(rule))
}

/// `1 line`, `2 lines`.
pub(super) fn counted(number: u64, noun: &str) -> String {
    counted_as(usize::try_from(number).unwrap_or(usize::MAX), noun)
}

/// A text of the log on a terminal: without characters that could steer it.
pub(super) fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        // Marks that turn the direction of a line are no control characters.
        let steers = c.is_control()
            || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}');
        if steers { plain.extend(c.escape_unicode()) } else { plain.push(c) }
    }
    plain
}

fn say_undecided(report: &Report) -> Result<(), Failure> {
    for (why, open) in &report.undecided {
        let (allowed, denied) = (open.allowed, open.denied);
        say(format!("undecided: {allowed} that were allowed, {denied} that were denied: {}", why.as_str()))?;
    }
    Ok(())
}

/// The numbers of lines, and the places of those that were no use.
pub(super) fn say_counts(counts: &Counts, files: &Files) -> Result<(), Failure> {
    let decided = format!("{} and {}", counted(counts.requests, "request"), counted(counts.tokens, "token"));
    let span = match (counts.earliest, counts.latest) {
        (Some(first), Some(last)) => format!(", from {} to {}", written_moment(first), written_moment(last)),
        _ => String::new(),
    };
    say(format!("read {}{span}: decided {decided} again", counted(counts.lines, "line")))?;
    let parts = [
        (counts.transfers, "ends of requests"),
        (counts.by_token, "denied by a token"),
        (counts.unauthenticated, "unauthenticated"),
        (counts.refused, "refused for other reasons"),
        (counts.not_of_rules, "not of rules"),
        (counts.foreign, "foreign"),
        (counts.unreadable, "unreadable"),
    ];
    let parts: Vec<String> =
        parts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
    if !parts.is_empty() {
        say(format!("the others: {}", parts.join(", ")))?;
    }
    for place in &counts.places {
        say(format!("foreign or unreadable: {}", plain(&files.place(place))))?;
    }
    files.broken.iter().try_for_each(|broken| say(plain(broken)))
}

/// A difference as JSON.
#[derive(Serialize)]
struct Difference<'a> {
    kind: &'static str,
    account: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<&'a str>,
    token: bool,
    r#type: &'a str,
    name: &'a str,
    action: &'a str,
    count: u64,
    last: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    by: &'a str,
    was: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reference: Option<&'a str>,
}

/// Undecided requests as JSON.
#[derive(Serialize)]
struct Undecided {
    kind: &'static str,
    reason: &'static str,
    allowed: u64,
    denied: u64,
}

fn say_differences_json(report: &Report) -> Result<(), Failure> {
    for (kind, word) in [(Kind::Gain, "gain"), (Kind::Lose, "lose")] {
        for (subject, seen) in report.listed(kind) {
            say_json(&Difference {
                kind: word,
                account: &subject.account,
                source: subject.source.as_deref(),
                token: subject.is_token,
                r#type: &subject.resource_type,
                name: &subject.name,
                action: &subject.action,
                count: seen.count,
                last: written_moment(seen.last),
                from: subject.from.map(written_moment),
                by: &subject.by,
                was: &seen.was,
                reference: seen.reference.as_deref(),
            })?;
        }
    }
    for (why, open) in &report.undecided {
        let (allowed, denied) = (open.allowed, open.denied);
        say_json(&Undecided { kind: "undecided", reason: why.word(), allowed, denied })?;
    }
    Ok(())
}

/// The numbers as JSON.
#[derive(Serialize)]
struct Numbers<'a> {
    kind: &'static str,
    #[serde(flatten)]
    lines: Lines<'a>,
    more_gains: u64,
    more_losses: u64,
}

impl<'a> Numbers<'a> {
    fn of(report: &Report, files: &'a Files) -> Self {
        let lines = Lines::of(&report.counts, files);
        Self { kind: "counts", lines, more_gains: report.more_gains, more_losses: report.more_losses }
    }
}

/// The lines by what became of them, as JSON.
#[derive(Serialize)]
pub(super) struct Lines<'a> {
    lines: u64,
    requests: u64,
    tokens: u64,
    transfers: u64,
    by_token: u64,
    unauthenticated: u64,
    refused: u64,
    not_of_rules: u64,
    foreign: u64,
    unreadable: u64,
    places: Vec<String>,
    broken: &'a [String],
    earliest: Option<String>,
    latest: Option<String>,
}

impl<'a> Lines<'a> {
    /// The numbers of `counts`.
    pub(super) fn of(counts: &Counts, files: &'a Files) -> Self {
        Self {
            lines: counts.lines,
            requests: counts.requests,
            tokens: counts.tokens,
            transfers: counts.transfers,
            by_token: counts.by_token,
            unauthenticated: counts.unauthenticated,
            refused: counts.refused,
            not_of_rules: counts.not_of_rules,
            foreign: counts.foreign,
            unreadable: counts.unreadable,
            places: counts.places.iter().map(|place| files.place(place)).collect(),
            broken: &files.broken,
            earliest: counts.earliest.map(written_moment),
            latest: counts.latest.map(written_moment),
        }
    }
}
