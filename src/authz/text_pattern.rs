//! A pattern of a rule, by itself: for a name or an account.

use std::collections::BTreeMap;

use super::{Policy, Question, RuleError, RuleSettings, Verdict};

/// A compiled pattern.
#[derive(Debug, Clone)]
pub struct TextPattern {
    rule: Policy,
    subject: Subject,
}

/// The condition for which a pattern is compiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Subject {
    Account,
    Name,
}

impl TextPattern {
    /// Compiles a pattern for names of repositories, or for tags.
    ///
    /// # Errors
    /// The problem, and the next step.
    pub fn of_names(text: &str) -> Result<Self, (String, String)> {
        Self::compile(Subject::Name, text)
    }

    /// Compiles a pattern for accounts.
    ///
    /// # Errors
    /// The problem, and the next step.
    pub fn of_accounts(text: &str) -> Result<Self, (String, String)> {
        Self::compile(Subject::Account, text)
    }

    fn compile(subject: Subject, text: &str) -> Result<Self, (String, String)> {
        if text.contains("${") {
            let hint = "write the pattern without a placeholder".to_owned();
            return Err(("a placeholder has no value here".to_owned(), hint));
        }
        let pattern = Some(text.to_owned());
        let rule = match subject {
            Subject::Account => RuleSettings { account: pattern, ..RuleSettings::default() },
            Subject::Name => RuleSettings { name: pattern, ..RuleSettings::default() },
        };
        Policy::compile(&[rule]).map(|rule| Self { rule, subject }).map_err(|errors| {
            let first = errors.into_iter().next();
            first.map_or_else(Default::default, |RuleError { message, hint, .. }| (message, hint))
        })
    }

    /// Returns true if it is certain that it matches.
    pub fn matches(&self, text: &str) -> bool {
        self.judge(text, |verdict| matches!(verdict, Verdict::Matches)).unwrap_or(false)
    }

    /// Returns true unless it is certain that it does not match.
    pub fn may_match(&self, text: &str) -> bool {
        self.judge(text, |verdict| !matches!(verdict, Verdict::Unmet(_))).unwrap_or(true)
    }

    fn judge(&self, text: &str, is: impl FnOnce(Verdict<'_>) -> bool) -> Option<bool> {
        let (account, name) = match self.subject {
            Subject::Account => (text, ""),
            Subject::Name => ("", text),
        };
        let question = Question {
            account,
            labels: &BTreeMap::new(),
            ip: None,
            service: "",
            resource_type: "repository",
            name,
            tag: None,
            actions: &[],
            token_scopes: None,
            now: 0,
        };
        Some(is(self.rule.rule(0)?.judge(&question)))
    }
}
