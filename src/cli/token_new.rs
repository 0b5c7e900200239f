//! `portwarden token new`: a token for a robot, and its line for the configuration.

use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::{
    TokenNew,
    output::{Failure, say},
};
use crate::authn::{LastDay, NewToken, RobotSettings, RobotTokenSettings, Robots};

/// Prints a new token and the line to add. Nothing is stored: the token cannot be shown again.
///
/// # Errors
/// A name or a day that the configuration would not take; no random bytes.
pub(super) fn run(new: &TokenNew) -> Result<(), Failure> {
    if let Some(day) = &new.expires
        && LastDay::parse(day).is_none()
    {
        return Err("--expires: write the last day on which the token is good, as 2027-03-01".into());
    }
    let NewToken { token, digest } = NewToken::random().map_err(|error| error.to_string())?;
    let sha256 = digest.to_string();
    check(new, &sha256)?;
    let token = Zeroizing::new(token.expose_text().unwrap_or_default().to_owned());
    if new.json {
        let made = json!({
            "robot": new.robot, "token": *token, "id": digest.id(), "sha256": sha256, "expires": new.expires,
            "comment": new.comment,
        });
        return say(made);
    }
    say(&*token)?;
    say("\nIt is not shown again. Add its line to the configuration:\n\nrobots:")?;
    say(format!("  {}:\n    tokens:\n      - {}", Value::from(new.robot.as_str()), line(new, &sha256)))
}

/// Holds the options against what the configuration takes.
fn check(new: &TokenNew, sha256: &str) -> Result<(), String> {
    let token = RobotTokenSettings {
        sha256: sha256.to_owned(),
        expires: new.expires.clone(),
        comment: new.comment.clone(),
    };
    let robot = RobotSettings { name: new.robot.clone(), tokens: vec![token], ..RobotSettings::default() };
    let errors = Robots::build(&[robot]).err().unwrap_or_default();
    let Some(error) = errors.first() else { return Ok(()) };
    let option = if error.key == "comment" { "--comment" } else { "--robot" };
    Err(format!("{option}: {}; {}", error.message, error.hint))
}

/// JSON strings are YAML, whatever stands in them.
fn line(new: &TokenNew, sha256: &str) -> String {
    let expires = new.expires.iter().map(|day| format!("expires: {day}"));
    let comment = new.comment.iter().map(|text| format!("comment: {}", Value::from(text.as_str())));
    let parts: Vec<String> =
        std::iter::once(format!("sha256: {}", Value::from(sha256))).chain(expires).chain(comment).collect();
    format!("{{{}}}", parts.join(", "))
}
