//! `robots:`: accounts of programs with tokens, as `authn` takes them, and their ceilings, as `authz` does.

use std::collections::HashMap;

use super::access::{label_values, sentence};
use crate::{
    authn::{
        RobotError, RobotSettings, RobotTokenSettings, Robots, UserSettings, folded_name, holds_robot_token,
    },
    authz::{CeilingError, CeilingSettings, Ceilings},
    config::{
        diagnostics::{finding::Report, path::Path},
        schema::{Condition, Entries, File, OneOrMany, Robot, RobotToken, Text},
    },
};

/// The robots and their ceilings, in the order of the file. Tokens and scopes are not looked at: see [`check`].
pub(crate) fn settings(file: &File, report: &mut Report<'_>) -> (Vec<RobotSettings>, Vec<CeilingSettings>) {
    let none = Robot::default();
    let Some(Entries(robots)) = &file.robots else { return (Vec::new(), Vec::new()) };
    let read = robots.iter().map(|(name, robot)| {
        let robot = robot.as_ref().unwrap_or(&none);
        let settings = robot_settings(name, robot, report);
        let at = robot_path(name);
        let ceiling = CeilingSettings {
            account: name.clone(),
            scopes: list(&robot.scopes, &at.key("scopes"), report),
            ip: list(&robot.ip, &at.key("ip"), report),
            line: settings.line,
        };
        (settings, ceiling)
    });
    read.unzip()
}

/// Adds what `authn` and `authz` say about the robots, and that no other section may have their names.
pub(crate) fn check(
    robots: &[RobotSettings],
    ceilings: &[CeilingSettings],
    users: &[UserSettings],
    report: &mut Report<'_>,
) {
    for RobotError { robot, token, key, message, hint, .. } in
        Robots::build(robots).err().into_iter().flatten()
    {
        let at = token.map_or(robot_path(&robot), |token| robot_path(&robot).key("tokens").index(token));
        report.error(if key.is_empty() { at } else { at.key(key) }, message, sentence(&hint));
    }
    for error in Ceilings::compile(ceilings).err().into_iter().flatten() {
        let CeilingError { account, key, index, message, hint } = error;
        report.error(robot_path(&account).key(key).index(index), message, sentence(&hint));
    }
    if robots.is_empty() {
        return;
    }
    let written: HashMap<String, &UserSettings> =
        users.iter().map(|user| (folded_name(&user.name), user)).collect();
    for robot in robots {
        let Some(user) = written.get(&folded_name(&robot.name)) else { continue };
        let section = match user.line {
            0 => "the file of `htpasswd`".to_owned(),
            line => format!("`users`, on line {line}"),
        };
        let spelled = if user.name == robot.name { "" } else { " in another spelling" };
        let message = format!("the name is in {section}, too{spelled}");
        report.error(robot_path(&robot.name), message, "Give the robot a name of its own");
    }
}

/// Returns the path of a robot.
pub(crate) fn robot_path(name: &str) -> Path {
    Path::from("robots").key(name)
}

fn robot_settings(name: &str, written: &Robot, report: &mut Report<'_>) -> RobotSettings {
    let at = robot_path(name);
    let none = RobotToken::default();
    let tokens = written.tokens.iter().flatten().enumerate().map(|(number, token)| {
        let token = token.as_ref().unwrap_or(&none);
        RobotTokenSettings {
            sha256: token.sha256.as_ref().map(|text| text.0.clone()).unwrap_or_default(),
            expires: last_day(&token.expires, &at.key("tokens").index(number).key("expires"), report),
            comment: token.comment.as_ref().map(|text| text.0.clone()).filter(|text| !text.is_empty()),
        }
    });
    let tokens = tokens.collect();
    let labels = written.labels.as_ref().map(label_values).unwrap_or_default();
    RobotSettings { name: name.to_owned(), tokens, labels, line: report.line(&at) }
}

/// A bound without a value would be none.
fn list(written: &Condition<OneOrMany>, at: &Path, report: &mut Report<'_>) -> Option<Vec<String>> {
    match written {
        Condition::Absent => None,
        Condition::Value(OneOrMany(texts)) if texts.iter().any(|text| holds_robot_token(text)) => {
            // Before anything quotes it.
            let hint =
                "It has leaked with this file: remove it, and make another with `portwarden token new`";
            report.error(at, "a token stands here in the clear", hint);
            report.settle(at);
            Some(Vec::new())
        }
        Condition::Value(OneOrMany(texts)) => Some(texts.clone()),
        Condition::Empty => {
            report.error(
                at,
                "the key has no value",
                "Write a list, or remove the key if there is to be no bound",
            );
            // That the list is empty is no other mistake.
            report.settle(at);
            Some(Vec::new())
        }
    }
}

fn last_day(written: &Condition<Text>, at: &Path, report: &mut Report<'_>) -> Option<String> {
    match written {
        Condition::Absent => None,
        Condition::Value(text) => Some(text.0.clone()),
        Condition::Empty => {
            let hint = "Write a day, as 2027-03-01, or remove the key if the token is never to expire";
            report.error(at, "the key has no value", hint);
            None
        }
    }
}
