//! Recorded requests, decided again by other rules: what would be gained and lost, and which rules nothing used.
//!
//! No I/O: readers are handed in, and nothing is asked. A line decides nothing by itself: the request is made anew from
//! its fields, and put to `authz::authorize`, as the proxy does. What the log does not tell is undecided, never guessed.

mod accounts;
mod counts;
mod differences;
mod line;
mod lines;
mod memo;
mod outcome;
mod request;
mod rules;
#[cfg(test)]
mod tests;
mod unused;

pub use accounts::{Accounts, Robot};
pub use counts::{Counts, Place};
pub use differences::{Kind, MOST_DIFFERENCES, Open, Report, Seen, Subject};
pub use lines::{LONGEST_LINE, each_line};
pub use rules::{Rules, RulesSettings, Undecided};
pub use unused::{Unused, Use};

use crate::registry::Scope;
use line::{Apart, AuditLine, Recorded};
use memo::Memo;
use outcome::{Answer, Answers, First};

/// The time behind the switch in which rules that begin or end are looked at: 90 days.
pub const HORIZON: u64 = 90 * 24 * 3600;

/// A replay under way.
#[derive(Debug)]
pub struct Replay {
    rules: Rules,
    /// The time of the switch, and each at which a rule begins or ends behind it.
    moments: Vec<u64>,
    memo: Memo<Option<Answers>>,
    report: Report,
}

impl Replay {
    /// Replays requests against `rules`, as if they were in force from `at` on, in seconds since 1970.
    pub fn new(rules: Rules, at: u64) -> Self {
        let later = rules.bounds_between(at, at.saturating_add(HORIZON));
        let moments = std::iter::once(at).chain(later).collect();
        Self { rules, moments, memo: Memo::default(), report: Report::default() }
    }

    /// The result so far.
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// Takes a line, or that one was too long.
    pub fn line(&mut self, place: Place, text: Option<&[u8]>) {
        self.report.counts.lines += 1;
        let line: Option<AuditLine<'_>> = text.and_then(|text| serde_json::from_slice(text).ok());
        let Some(line) = line else { return self.report.counts.unreadable(place) };
        let recorded = line.recorded();
        let Some(time) = line.seconds() else { return self.report.counts.apart(Apart::Foreign, place) };
        self.report.counts.at(time);
        match recorded {
            Recorded::Other(why) => self.report.counts.apart(why, place),
            Recorded::Outside if self.rules.admits_robot(&line) => {
                self.report.leaves_open(Undecided::Address, open(false));
            }
            Recorded::Outside => self.report.counts.apart(Apart::Unauthenticated, place),
            Recorded::Summary { allowed, denied } => self.summed_up(allowed, denied),
            _ if line.is_cut() => {
                self.report.leaves_open(Undecided::Truncated, open(recorded == Recorded::Allowed));
            }
            Recorded::Token => self.token(&line, time, place),
            _ => self.request(&line, recorded, time, place),
        }
    }

    /// Those who were denied gain nothing where there is no anonymous account.
    fn summed_up(&mut self, allowed: u64, denied: u64) {
        let denied = if self.rules.has_anonymous() { denied } else { 0 };
        self.report.counts.not_of_rules += 1;
        if allowed > 0 || denied > 0 {
            self.report.leaves_open(Undecided::SummedUp, Open { allowed, denied });
        }
    }

    fn request(&mut self, line: &AuditLine<'_>, recorded: Recorded, time: u64, place: Place) {
        let (rules, moments) = (&self.rules, &self.moments);
        let key = |key: &mut Vec<u8>| request::write_key(key, line, &rules.aspects);
        let answers = self.memo.get(key, || outcome::of_request(rules, moments, line));
        let Some(answers) = answers.as_ref() else { return self.report.counts.apart(Apart::Foreign, place) };
        self.report.counts.requests += 1;
        let scope =
            Scope::parse_all(line.requested().next()).ok().and_then(|scopes| scopes.into_iter().next());
        let Some(scope) = scope else { return };
        match verdict(line, recorded, answers) {
            Verdict::Same => {}
            Verdict::Open(why) => self.report.leaves_open(why, open(recorded == Recorded::Allowed)),
            Verdict::Differs(kind, first) => {
                let action = scope.actions.join(",");
                self.differs(line, time, (kind, first), (&scope.resource_type, &scope.name, action));
            }
            Verdict::SourceDiffers(kind, first) => {
                let source = line.from().unwrap_or_default();
                self.differs(line, time, (kind, first), ("repository", source, "pull".to_owned()));
            }
        }
    }

    fn token(&mut self, line: &AuditLine<'_>, time: u64, place: Place) {
        let read =
            |texts: &mut dyn Iterator<Item = &str>| -> Option<Vec<Scope>> { texts.map(one_scope).collect() };
        let scopes = (read(&mut line.requested()), read(&mut line.granted()));
        let (Some(requested), Some(granted)) = scopes else {
            return self.report.counts.apart(Apart::Foreign, place);
        };
        self.report.counts.tokens += 1;
        for (scope, action) in
            requested.iter().flat_map(|scope| scope.actions.iter().map(move |it| (scope, it)))
        {
            let (rules, moments) = (&self.rules, &self.moments);
            let key =
                |key: &mut Vec<u8>| request::write_token_key(key, line, &rules.aspects, (scope, action));
            let answers = self.memo.get(key, || outcome::of_scope(rules, moments, line, (scope, action)));
            let Some(answers) = answers.as_ref() else {
                return self.report.counts.apart(Apart::Foreign, place);
            };
            let is_same =
                |other: &&Scope| other.resource_type == scope.resource_type && other.name == scope.name;
            let was_granted = granted.iter().filter(is_same).any(|granted| granted.actions.contains(action));
            match compared(was_granted, answers, false) {
                Verdict::Open(why) => self.report.leaves_open(why, open(was_granted)),
                Verdict::Differs(kind, first) => {
                    self.differs(
                        line,
                        time,
                        (kind, first),
                        (&scope.resource_type, &scope.name, action.clone()),
                    );
                }
                Verdict::Same | Verdict::SourceDiffers(..) => {}
            }
        }
    }

    fn differs(
        &mut self,
        line: &AuditLine<'_>,
        time: u64,
        (kind, First { by, from }): (Kind, First),
        (resource_type, name, action): (&str, &str, String),
    ) {
        let subject = Subject {
            kind,
            account: line.account().to_owned(),
            source: line.source().map(str::to_owned),
            action,
            name: name.to_owned(),
            resource_type: resource_type.to_owned(),
            is_token: line.recorded() == Recorded::Token,
            by,
            from,
        };
        self.report.differs(subject, (time, line.rule()), line.reference());
    }
}

/// The comparison of a recorded decision with the answers of other rules.
enum Verdict {
    Same,
    Open(Undecided),
    Differs(Kind, First),
    /// Of a mount the source alone.
    SourceDiffers(Kind, First),
}

fn verdict(line: &AuditLine<'_>, recorded: Recorded, answers: &Answers) -> Verdict {
    // Anyone else may start an upload in place of a mount; a client that shows nothing is challenged.
    let without_source = !line.nothing_shown();
    let is_mount = line.requested().nth(1).is_some();
    match recorded {
        Recorded::Hidden => hidden(line, answers),
        Recorded::Allowed if is_mount && without_source => match compared(true, answers, true) {
            Verdict::Same => source(line, answers),
            other => other,
        },
        _ => compared(recorded == Recorded::Allowed, answers, without_source),
    }
}

fn compared(was_allowed: bool, answers: &Answers, without_source: bool) -> Verdict {
    let differs = |answer: &Answer| answer.differs_from(was_allowed, without_source);
    let kind = if was_allowed { Kind::Lose } else { Kind::Gain };
    match (answers.first(was_allowed, differs), answers.undecided()) {
        (Some(first), _) => Verdict::Differs(kind, first),
        (None, Some(why)) => Verdict::Open(why),
        (None, None) => Verdict::Same,
    }
}

/// A mount that was allowed: with its source, or as the start of an upload?
fn source(line: &AuditLine<'_>, answers: &Answers) -> Verdict {
    let whole = answers.first(true, |answer| matches!(answer, Answer::Whole(_)));
    let without = answers.first(true, |answer| matches!(answer, Answer::WithoutSource(_)));
    match (line.grants(), whole, without) {
        // Whether tags reached the blob was found out later, and is not in the log.
        (Some(2), Some(_), _) if line.is_source_by_tags() => Verdict::Open(Undecided::Mount),
        (Some(1), Some(first), _) => Verdict::SourceDiffers(Kind::Gain, first),
        (Some(2), _, Some(first)) => Verdict::SourceDiffers(Kind::Lose, first),
        (Some(1 | 2), ..) | (_, None, _) => Verdict::Same,
        _ => Verdict::Open(Undecided::Mount),
    }
}

/// A refusal after the rules were asked: by rules that grant some tags only, or since nothing was there.
fn hidden(line: &AuditLine<'_>, answers: &Answers) -> Verdict {
    let rule = line.rule();
    let by_tags = line.is_by_tags() || rule.starts_with("no rule matches");
    match (answers.first(false, |answer| answer.allows(true)), answers.undecided()) {
        (Some(first), _) if by_tags => Verdict::Differs(Kind::Gain, first),
        (Some(first), None) if *first.by == *rule => Verdict::Same,
        (Some(_), _) => Verdict::Open(Undecided::NotFound),
        (None, Some(why)) => Verdict::Open(why),
        (None, None) => Verdict::Same,
    }
}

fn open(was_allowed: bool) -> Open {
    Open { allowed: u64::from(was_allowed), denied: u64::from(!was_allowed) }
}

/// Reads a scope that stands alone, and as Portwarden writes it.
fn one_scope(text: &str) -> Option<Scope> {
    let scopes = Scope::parse_all([text]).ok()?;
    scopes.into_iter().next().filter(|scope| scope.to_string() == text)
}
