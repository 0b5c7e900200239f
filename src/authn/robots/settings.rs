//! The robots as configured, and what is wrong with them.

use std::{
    fmt,
    sync::{Arc, atomic::AtomicU64},
};

use super::{LastDay, MOST_TOKENS, Token, TokenDigest, TokenName, is_robot_token};
use crate::authn::Labels;

/// A robot as configured; `config` builds these, [`super::Robots`] checks them.
#[derive(Debug, Clone, Default)]
pub struct RobotSettings {
    /// The account.
    pub name: String,
    /// Its tokens, at most two.
    pub tokens: Vec<RobotTokenSettings>,
    /// The labels an ACL may ask for.
    pub labels: Labels,
    /// The line of the robot in the file it came from, from 1; 0 when unknown.
    pub line: usize,
}

/// A token as configured.
#[derive(Clone, Default)]
pub struct RobotTokenSettings {
    /// The SHA-256 of its secret, as written.
    pub sha256: String,
    /// Its last day, as written.
    pub expires: Option<String>,
    /// The operator's own words.
    pub comment: Option<String>,
}

/// Leaves the text out: what is written there may be a token in the clear, by mistake.
impl fmt::Debug for RobotTokenSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// A mistake in a robot. Displays the place, the mistake and the remedy, and never what is written there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RobotError {
    /// The robot.
    pub robot: String,
    /// The line of the robot, from 1; 0 when unknown.
    pub line: usize,
    /// The token, from 0; `None` for the robot itself.
    pub token: Option<usize>,
    /// The key: `sha256`, …; empty for the whole.
    pub key: &'static str,
    /// The mistake, without a full stop.
    pub message: String,
    /// The remedy, a clause.
    pub hint: String,
}

impl RobotSettings {
    /// The tokens that can be read, and what is wrong with the robot.
    pub(super) fn read(&self) -> (Vec<Token>, Vec<RobotError>) {
        let mut errors: Vec<RobotError> = self.name_errors().collect();
        if self.tokens.len() > MOST_TOKENS {
            let message = format!("a robot has at most {MOST_TOKENS} tokens, found {}", self.tokens.len());
            let hint = "remove the oldest; for another program, add another robot";
            errors.push(self.error(None, "tokens", message, hint));
        }
        let tokens = self.tokens.iter().enumerate().take(MOST_TOKENS);
        let read = tokens.filter_map(|(number, token)| self.token(number, token, &mut errors)).collect();
        (read, errors)
    }

    /// The error for a token that another robot has, or the other entry of this one.
    pub(super) fn shared_token(&self, number: usize) -> RobotError {
        let hint = "make one for each with `portwarden token new`, so that each can be ended alone";
        self.error(Some(number), "sha256", "the same token stands twice under `robots`", hint)
    }

    pub(super) fn duplicate(&self) -> RobotError {
        self.error(None, "", "the robot is there twice", "remove one of the two")
    }

    fn token(
        &self,
        number: usize,
        written: &RobotTokenSettings,
        errors: &mut Vec<RobotError>,
    ) -> Option<Token> {
        let RobotTokenSettings { sha256, expires, comment } = written;
        let mut wrong =
            |key, message: String, hint: &str| errors.push(self.error(Some(number), key, message, hint));
        let digest = TokenDigest::parse(sha256);
        let comment_is_token = comment.as_deref().is_some_and(holds_robot_token);
        if holds_robot_token(sha256) || comment_is_token {
            let key = if comment_is_token { "comment" } else { "sha256" };
            let message = "a token stands here in the clear, where its `sha256` belongs";
            let hint = "it has leaked with this file: remove it, make another with `portwarden token new`, and write the \
                        line that it prints";
            wrong(key, message.to_owned(), hint);
        } else if digest.is_none() {
            let found = sha256.chars().count();
            let message = if found == 0 {
                "missing".to_owned()
            } else {
                format!("expected 64 hexadecimal digits, found other text of {found} characters")
            };
            wrong("sha256", message, "write the line that `portwarden token new` prints");
        }
        let last_day = expires.as_deref().map(LastDay::parse);
        if last_day == Some(None) {
            let message = "expected a day of the calendar, as 2027-03-01".to_owned();
            wrong(
                "expires",
                message,
                "write the last day in UTC on which the token is good; without `expires`, it does not expire",
            );
        }
        let digest = digest?;
        let name = TokenName { id: digest.id().into(), comment: comment.as_deref().map(Box::from) };
        let used = Arc::new(AtomicU64::new(0));
        Some(Token { digest, last_day: last_day.flatten(), name: Arc::new(name), used })
    }

    fn name_errors(&self) -> impl Iterator<Item = RobotError> {
        let name = self.name.as_str();
        let faults = [
            (name.is_empty(), "the robot has no name", "write one, as `ci-deploy`"),
            (
                name.contains(':') || name.chars().any(char::is_control),
                "a name that signs in has no colon and no control character",
                "choose another name",
            ),
            (
                is_robot_token(name.as_bytes()),
                "expected the name of the robot, found text of a token (`pwt_…`)",
                "choose another name; if a token stood here, it has leaked: make another",
            ),
        ];
        let found = faults.into_iter().filter(|(is_wrong, ..)| *is_wrong);
        found.map(|(_, message, hint)| self.error(None, "", message, hint))
    }

    fn error(
        &self,
        token: Option<usize>,
        key: &'static str,
        message: impl Into<String>,
        hint: &str,
    ) -> RobotError {
        let (robot, message, hint) = (self.name.clone(), message.into(), hint.to_owned());
        RobotError { robot, line: self.line, token, key, message, hint }
    }
}

/// Returns true if a part of the text is meant as a robot's token, and so must not be shown.
pub fn holds_robot_token(text: &str) -> bool {
    text.split(|c: char| c.is_whitespace() || "\"'=:,;(".contains(c))
        .any(|word| is_robot_token(word.as_bytes()))
}

impl fmt::Display for RobotError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let robot = if is_robot_token(self.robot.as_bytes()) { "pwt_…" } else { &self.robot };
        write!(f, "robots: {robot:?}")?;
        if let Some(token) = self.token {
            write!(f, ": tokens[{token}]")?;
        }
        if !self.key.is_empty() {
            write!(f, ": {}", self.key)?;
        }
        if self.line > 0 {
            write!(f, " (line {})", self.line)?;
        }
        write!(f, ": {}; {}", self.message, self.hint)
    }
}

impl std::error::Error for RobotError {}
