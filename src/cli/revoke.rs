//! `portwarden revoke` and `token list`, and what `explain` says of revocations.

use std::{io::ErrorKind, path::Path, time::Duration};

use serde_json::json;

use super::{
    DEFAULT_SOCKET, Revoke, RevokeSubject, TokenList,
    control_client::{ask, ask_briefly},
    output::{Failure, say},
};
use crate::{
    server::{ControlAnswer, ControlRequest, PersonalTokenEntry, RevocationEntry, RobotTokenEntry},
    state::{LONGEST_ID, NotRevoked, Target},
};

/// For an answer of a server of another version.
const NOT_UNDERSTOOD: &str = "the server's answer is not understood; after an upgrade, restart the server: \
                              systemctl restart portwarden";
/// For `explain`, which answers without the server too.
const PATIENCE: Duration = Duration::from_secs(2);

/// Has the server refuse what was issued.
///
/// # Errors
/// It is not in force, or would not survive a restart; the sentence says which.
pub(super) fn revoke(revoke: &Revoke) -> Result<(), Failure> {
    let target = match &revoke.subject {
        RevokeSubject { account: Some(account), .. } => Target::Account(account.clone()),
        RevokeSubject { token: Some(id), .. } => Target::Token(token_id(id)),
        RevokeSubject { jti: Some(id), .. } => Target::Token(id.clone()),
        RevokeSubject { all_sessions: _, .. } => Target::All,
    };
    // A longer line would not reach the server, and may be the token itself.
    if let Target::Token(id) = &target
        && id.len() > LONGEST_ID
    {
        return Err(NotRevoked::Id(id.len()).to_string().into());
    }
    let is_jti = revoke.subject.jti.is_some();
    let request = ControlRequest::Revoke { target, is_jti, forget: revoke.forget };
    match ask(&revoke.control.socket, &request)?.next()? {
        ControlAnswer::Revoked { target, at, robot, account, forgotten } if revoke.json => {
            let (revoked, name) = (subject(&target), name(&target));
            let mut answer =
                json!({"revoked": revoked, "name": name, "robot": robot, "account": account, "at": at});
            let object = answer.as_object_mut().filter(|_| revoke.forget);
            object
                .into_iter()
                .for_each(|object| drop(object.insert("forgotten".to_owned(), forgotten.into())));
            say(answer)
        }
        ControlAnswer::Revoked { target: Target::Token(id), account: Some(account), .. } => {
            say(format!("revoked: personal token {id} of account {account:?}, and what was issued for it"))
        }
        ControlAnswer::Revoked { target, at, robot, account: _, forgotten } => {
            for line in done(&target, &at, robot.as_deref()) {
                say(line)?;
            }
            match (revoke.forget, forgotten) {
                (false, _) => Ok(()),
                (true, true) => say(
                    "forgotten: the person who has signed in under this name; another one may have it now",
                ),
                (true, false) => {
                    say("No person has signed in under this name, so there was nothing to forget.")
                }
            }
        }
        ControlAnswer::Refused { why } => Err(why.into()),
        _ => Err(NOT_UNDERSTOOD.into()),
    }
}

/// The id that is meant: of a robot's token it is the beginning of its `sha256`, in small letters.
fn token_id(written: &str) -> String {
    let is_hex = written.bytes().all(|byte| byte.is_ascii_hexdigit());
    match written.get(..12) {
        Some(id) if is_hex && matches!(written.len(), 12 | 64) => id.to_ascii_lowercase(),
        _ => written.to_owned(),
    }
}

/// The lines that say what is in force, and what is not.
fn done(target: &Target, at: &str, robot: Option<&str>) -> Vec<String> {
    match (target, robot) {
        (Target::Account(account), _) => vec![
            format!("revoked: what was issued to account {account:?} before {at}, from its next request on"),
            "The account can sign in again. To keep it out, remove it, or add a rule that denies it.".to_owned(),
        ],
        (Target::Token(id), Some(robot)) => vec![
            format!("revoked: token {id} of robot {robot:?}, and what was issued for it"),
            "Remove its line from the configuration when you can.".to_owned(),
        ],
        (Target::Token(id), None) => vec![
            format!("revoked: every token and JWT with the id {id:?}, and the session of a job that began with it"),
            "The server cannot tell whether one exists. Access tokens that a refresh token has fetched end with their account \
             only: portwarden revoke --account NAME."
                .to_owned(),
        ],
        (Target::All, _) => vec![
            format!("revoked: all tokens and sessions that were issued before {at}"),
            "Accounts can sign in again, with a JWT after a minute.".to_owned(),
        ],
    }
}

/// Lists the tokens of robots, personal tokens, and the revocations that are in force.
///
/// # Errors
/// The server cannot be reached.
pub(super) fn list(list: &TokenList) -> Result<(), Failure> {
    let request = ControlRequest::Tokens { account: list.account.clone() };
    let mut answers = ask(&list.control.socket, &request)?;
    let mut lines = 0;
    while let Some(answer) = answers.next_of_list()? {
        lines += 1;
        say(if list.json { as_json(&answer) } else { as_text(&answer) })?;
    }
    if lines == 0 && !list.json {
        say("no token of a robot, no personal token, and no revocation")?;
    }
    Ok(())
}

fn as_json(answer: &ControlAnswer) -> String {
    match answer {
        ControlAnswer::RobotToken(entry) => json!(entry),
        ControlAnswer::PersonalToken(entry) => {
            let PersonalTokenEntry { account, source, token, comment, scopes, made, ends, last_use, is_out } = entry;
            json!({
                "account": account, "source": source, "token": token, "comment": comment, "scopes": scopes, "made": made,
                "ends": ends, "last_use": last_use, "in_force": !is_out,
            })
        }
        ControlAnswer::Revocation(RevocationEntry { target, at }) => {
            json!({"revoked": subject(target), "name": name(target), "at": at})
        }
        other => json!(other),
    }
    .to_string()
}

fn as_text(answer: &ControlAnswer) -> String {
    match answer {
        ControlAnswer::RobotToken(entry) => {
            let RobotTokenEntry { robot, token, comment, expires, last_use, revoked } = entry;
            let comment = comment.as_ref().map(|comment| format!(" ({comment:?})")).unwrap_or_default();
            let expires = expires.as_ref().map_or("no end".to_owned(), |day| format!("until {day}"));
            let used =
                last_use.as_ref().map_or("not used since the start".to_owned(), |at| format!("used {at}"));
            let revoked = revoked.as_ref().map(|at| format!(", revoked {at}")).unwrap_or_default();
            format!("token {token} of robot {robot:?}{comment}: {expires}, {used}{revoked}")
        }
        ControlAnswer::PersonalToken(entry) => personal_token(entry),
        ControlAnswer::Revocation(entry) => revocation(entry),
        _ => NOT_UNDERSTOOD.to_owned(),
    }
}

/// Comments and accounts are people's own texts: quoted, they show what a terminal would act upon.
fn personal_token(entry: &PersonalTokenEntry) -> String {
    let PersonalTokenEntry { account, token, comment, scopes, ends, last_use, is_out, .. } = entry;
    let used = last_use.as_ref().map_or("never used".to_owned(), |at| format!("used {at}"));
    let out = if *is_out { ", not in force" } else { "" };
    let scopes = scopes.join(" ");
    format!("personal token {token} of {account:?} ({comment:?}): {scopes}, until {ends}, {used}{out}")
}

fn revocation(RevocationEntry { target, at }: &RevocationEntry) -> String {
    match target {
        Target::Account(account) => format!("revoked: what was issued to account {account:?} before {at}"),
        Target::Token(id) => format!("revoked: token {id:?}, at {at}"),
        Target::All => {
            format!("revoked: everything that was issued before {at}")
        }
    }
}

/// A line for each revocation that concerns an account, as the running server knows them; none where none runs.
/// `socket` is that of the configuration.
///
/// # Errors
/// They are not known: a note that says why.
pub(super) fn of_account(socket: Option<&Path>, account: &str) -> Result<Vec<String>, String> {
    let socket = socket.unwrap_or(Path::new(DEFAULT_SOCKET));
    let request = ControlRequest::Revocations { account: account.to_owned() };
    let mut answers = match ask_briefly(socket, &request, PATIENCE) {
        Ok(answers) => answers,
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            return Err("note: run this as root to see revocations, too".to_owned());
        }
        Err(_) => return Ok(Vec::new()),
    };
    let mut lines = Vec::new();
    let failed = |why| format!("note: the server did not list its revocations: {why}");
    while let Some(answer) = answers.next_of_list().map_err(failed)? {
        lines.push(as_text(&answer));
    }
    Ok(lines)
}

fn subject(target: &Target) -> &'static str {
    match target {
        Target::Account(_) => "account",
        Target::Token(_) => "token",
        Target::All => "all",
    }
}

fn name(target: &Target) -> Option<&str> {
    match target {
        Target::Account(name) | Target::Token(name) => Some(name),
        Target::All => None,
    }
}
