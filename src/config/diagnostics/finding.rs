//! Errors and warnings about a configuration: file, line, key, problem and remedy.
//!
//! Findings never hold a value that could be a secret. The module of each section makes them.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use serde::Serialize;

use super::{path::Path, positions::Positions};
use crate::config::yaml::{Mark, Problem};

/// The effect of a finding: with an error, a configuration cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Nothing is wrong: what was not looked at.
    Note,
    /// It can, but the operator should know.
    Warning,
    /// It cannot.
    Error,
}

impl Severity {
    /// The word behind the place; an error needs none.
    fn as_prefix(self) -> &'static str {
        match self {
            Self::Note => ": note",
            Self::Warning => ": warning",
            Self::Error => "",
        }
    }
}

/// One thing to tell the operator. Displays as `auth_config.yml:12:5: acl[3].match.acount: unknown key. Did
/// you …`; serializes with these names, what is not there as null.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Error or warning.
    pub severity: Severity,
    /// The file as it was named.
    pub file: String,
    /// The line, from 1; `None` when the finding is about the file.
    pub line: Option<usize>,
    /// The column in characters, from 1.
    pub column: Option<usize>,
    /// The key: `acl[3].match.name`; empty when the finding is about the file.
    pub key: String,
    /// The problem, without a full stop.
    pub message: String,
    /// The remedy, a sentence.
    pub hint: Option<String>,
    /// The line with a caret below the place, where its very letters matter; values that may be secret are dots.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub excerpt: Option<String>,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        for number in [self.line, self.column].into_iter().flatten() {
            write!(f, ":{number}")?;
        }
        f.write_str(self.severity.as_prefix())?;
        if !self.key.is_empty() {
            write!(f, ": {}", self.key)?;
        }
        write!(f, ": {}", self.message)?;
        self.hint.as_ref().map_or(Ok(()), |hint| write!(f, ". {hint}"))?;
        self.excerpt.as_ref().map_or(Ok(()), |excerpt| write!(f, "\n{excerpt}"))
    }
}

/// The number of findings of a kind that are displayed. A program that writes a thousand rules makes the same mistake in
/// each, which would hide what else is wrong.
const EACH: usize = 20;

impl Finding {
    /// The text that findings of the same mistake have in common: theirs without names and numbers.
    fn kind(&self) -> String {
        let hint = self.hint.as_deref().unwrap_or_default();
        let text = format!("{:?} {} {} {hint}", self.severity, self.file, self.message);
        let without_names = text.split(['"', '`']).step_by(2);
        without_names.flat_map(str::chars).filter(|letter| !letter.is_ascii_digit()).collect()
    }
}

/// All findings of one reading, errors and warnings, in the order of the file. Displays one a line, and excerpts below
/// it; of many with the same mistake the first twenty, and where the others are.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Findings(pub Vec<Finding>);

impl Findings {
    /// Returns true if one of them is an error.
    pub fn has_errors(&self) -> bool {
        self.0.iter().any(|finding| finding.severity == Severity::Error)
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut kinds: BTreeMap<String, Vec<&Finding>> = BTreeMap::new();
        let mut separator = "";
        for finding in &self.0 {
            let of_kind = kinds.entry(finding.kind()).or_default();
            of_kind.push(finding);
            if of_kind.len() <= EACH {
                write!(f, "{separator}{finding}")?;
                separator = "\n";
            }
        }
        kinds.values().try_for_each(|findings| more(f, findings.get(EACH..).unwrap_or_default()))
    }
}

/// Writes how many findings of a kind are left out, and where they are.
fn more(f: &mut fmt::Formatter<'_>, left_out: &[&Finding]) -> fmt::Result {
    let (Some(first), Some(last)) = (left_out.first(), left_out.last()) else { return Ok(()) };
    let count = left_out.len();
    write!(f, "\n{}{}: {count} more like `{}`", first.file, first.severity.as_prefix(), first.key)?;
    if let (Some(from), Some(to)) = (first.line, last.line) {
        write!(f, ", between lines {from} and {to}")?;
    }
    write!(f, ". `portwarden check --json` lists them all")
}

impl std::error::Error for Findings {}

/// Collects the findings about one file and finds their lines.
pub(crate) struct Report<'a> {
    file: &'a str,
    positions: &'a Positions,
    findings: Vec<Finding>,
    /// Places about which enough is said: what else is wrong there follows from that.
    settled: Vec<Path>,
    /// The findings about another file that this one names.
    elsewhere: Vec<Finding>,
}

impl<'a> Report<'a> {
    /// An empty report about `file`, whose keys stand at `positions`.
    pub(crate) fn new(file: &'a str, positions: &'a Positions) -> Self {
        Self { file, positions, findings: Vec::new(), settled: Vec::new(), elsewhere: Vec::new() }
    }

    /// The configuration cannot be used: `message` without a full stop, `hint` a sentence.
    pub(crate) fn error(&mut self, at: impl Into<Path>, message: impl Into<String>, hint: impl Into<String>) {
        self.add(Severity::Error, &at.into(), message.into(), hint.into());
    }

    /// The configuration is used, and this is said.
    pub(crate) fn warn(&mut self, at: impl Into<Path>, message: impl Into<String>, hint: impl Into<String>) {
        self.add(Severity::Warning, &at.into(), message.into(), hint.into());
    }

    /// Notes that something was not looked at: `message` without a full stop.
    pub(crate) fn note(&mut self, at: impl Into<Path>, message: impl Into<String>) {
        self.add(Severity::Note, &at.into(), message.into(), String::new());
    }

    /// Reports a fault of the text itself: an error where the problem says.
    pub(crate) fn problem(&mut self, problem: Problem) {
        let Problem { at, path, message, hint, excerpt } = problem;
        self.push(Severity::Error, Some(at), &path, message, hint);
        if let Some(finding) = self.findings.last_mut().filter(|_| !excerpt.is_empty()) {
            finding.excerpt = Some(excerpt);
        }
    }

    /// Adds findings about another file.
    pub(crate) fn extend(&mut self, elsewhere: impl IntoIterator<Item = Finding>) {
        self.elsewhere.extend(elsewhere);
    }

    /// Leaves out what else is found at this place, after an error from which it follows.
    pub(crate) fn settle(&mut self, at: &Path) {
        if self.has_errors() {
            self.settled.push(at.clone());
        }
    }

    /// Returns whether something is written at this place.
    pub(crate) fn is_written(&self, at: &Path) -> bool {
        self.positions.has(at)
    }

    /// The file as it was named.
    pub(crate) fn file(&self) -> &'a str {
        self.file
    }

    /// The line of a place, from 1; 0 when unknown.
    pub(crate) fn line(&self, at: &Path) -> usize {
        self.positions.nearest(at).map_or(0, |(line, _)| line)
    }

    /// Returns true if an error was reported.
    pub(crate) fn has_errors(&self) -> bool {
        self.findings.iter().any(|finding| finding.severity == Severity::Error)
    }

    /// Returns whether every error is about one of these sections.
    pub(crate) fn has_errors_only_in(&self, sections: &[&str]) -> bool {
        let mut errors = self.findings.iter().filter(|finding| finding.severity == Severity::Error);
        errors.all(|error| sections.contains(&error.key.split(['.', '[']).next().unwrap_or_default()))
    }

    /// Returns the indices of the elements of a top-level list that have an error.
    pub(crate) fn wrong_elements(&self, list: &str) -> BTreeSet<usize> {
        let errors = self.findings.iter().filter(|finding| finding.severity == Severity::Error);
        let index = |finding: &Finding| {
            let (index, _) = finding.key.strip_prefix(list)?.strip_prefix('[')?.split_once(']')?;
            index.parse().ok()
        };
        errors.filter_map(index).collect()
    }

    /// All that was reported, in the order of the file, then about other files.
    pub(crate) fn finish(mut self) -> Findings {
        self.findings.sort_by_key(|finding| (finding.line, finding.column));
        self.findings.append(&mut self.elsewhere);
        Findings(self.findings)
    }

    fn add(&mut self, severity: Severity, at: &Path, message: String, hint: String) {
        if !self.settled.iter().any(|settled| at.steps().starts_with(settled.steps())) {
            self.push(severity, self.positions.nearest(at), at, message, hint);
        }
    }

    fn push(&mut self, severity: Severity, mark: Option<Mark>, at: &Path, message: String, hint: String) {
        let (line, column) = mark.unzip();
        let (file, key) = (self.file.to_owned(), at.to_string());
        let hint = Some(hint).filter(|hint| !hint.is_empty());
        self.findings.push(Finding { severity, file, line, column, key, message, hint, excerpt: None });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_file_line_key_what_and_what_to_do() {
        let finding = Finding {
            severity: Severity::Error,
            file: "auth_config.yml".into(),
            line: Some(12),
            column: Some(5),
            key: "acl[3].match.acount".into(),
            message: "unknown key".into(),
            hint: Some("Did you mean `account`?".into()),
            excerpt: None,
        };
        let text = "auth_config.yml:12:5: acl[3].match.acount: unknown key. Did you mean `account`?";
        assert_eq!(finding.to_string(), text);
        let warning =
            Finding { severity: Severity::Warning, line: None, column: None, hint: None, ..finding };
        assert_eq!(warning.to_string(), "auth_config.yml: warning: acl[3].match.acount: unknown key");
    }

    #[test]
    fn sums_up_what_is_wrong_in_the_same_way_a_thousand_times() {
        let finding = |severity, line: usize, message: String| Finding {
            severity,
            file: "f.yml".into(),
            line: Some(line),
            column: Some(1),
            key: format!("acl[{line}]"),
            message,
            hint: Some(format!("Line {line} wants `x{line}`")),
            excerpt: None,
        };
        let mut findings: Vec<Finding> = (1..=1000)
            .map(|line| finding(Severity::Warning, line, format!("no account \"team{line}\"")))
            .collect();
        findings.push(finding(Severity::Error, 1001, "no account \"team1001\"".into()));
        findings.push(finding(Severity::Warning, 1002, "no other account \"team1002\"".into()));
        let text = Findings(findings.clone()).to_string();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 23, "{text}");
        assert!(lines[19].starts_with("f.yml:20:1: warning: acl[20]: no account"), "{text}");
        assert!(
            lines[20].starts_with("f.yml:1001:1: acl[1001]: no account"),
            "errors are of their own: {text}"
        );
        assert!(lines[21].starts_with("f.yml:1002:1: warning"), "{text}");
        let more = "f.yml: warning: 980 more like `acl[21]`, between lines 21 and 1000. `portwarden check --json` lists them all";
        assert_eq!(lines[22], more);
        findings.truncate(20);
        assert_eq!(Findings(findings).to_string().lines().count(), 20, "nothing is left out");
    }
}
