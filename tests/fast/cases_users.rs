//! The recorded logins of docker_auth's `users:` section, against Portwarden's.
//!
//! Reading a configuration file is tested with `config`: here the YAML is read as leniently as docker_auth does, so
//! that it is the user table that has to refuse.

use std::{collections::BTreeMap, fs};

use portwarden::authn::{Outcome, Secret, UserSettings, Users};
use regex::Regex;
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
struct Case {
    id: String,
    users_yaml: String,
    user: String,
    password: String,
    #[serde(default)]
    note: String,
    expect: Expect,
}

#[derive(Deserialize)]
struct Expect {
    outcome: String,
    labels: Option<BTreeMap<String, Vec<String>>>,
}

/// An answer, docker_auth's or Portwarden's. `Eq` is what the test is about.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    Accepted(BTreeMap<String, Vec<String>>),
    WrongPassword,
    NoSuchUser,
    /// The YAML is not a map of users.
    Unreadable,
    /// By `Users::build`; whether for a missing password (or else for a bad hash).
    Refused {
        missing: bool,
    },
}

/// The reason why Portwarden's answer differs from docker_auth's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Reason {
    Same,
    /// docker_auth takes `bob: {}` and `password: null` for any password; that is refused but for `""`.
    NoPassword,
    /// docker_auth ignores what follows a hash, takes any version, and never matches other mistakes: refused
    /// at load.
    BadHash,
    /// docker_auth takes the last of two entries; that is an error.
    DuplicateKey,
    /// docker_auth cuts a password after 72 bytes; it is wrong.
    LongPassword,
}

#[test]
fn users_answer_as_docker_auth_does_or_safer() {
    let hash = Regex::new(r"\A\$2[aby]\$(0[4-9]|[12][0-9]|3[01])\$[./A-Za-z0-9]{53}\z").unwrap();
    let mut counts = BTreeMap::<Reason, usize>::new();
    let mut failures = Vec::new();
    for case in cases() {
        let users = read(&case.users_yaml);
        let (reason, expected) = expected(&case, users.as_deref(), &hash);
        *counts.entry(reason).or_default() += 1;
        let answer = users.map_or(Answer::Unreadable, |users| ask(&users, &case));
        if answer != expected {
            failures
                .push(format!("{} ({reason:?}): {answer:?}, not {expected:?}\n{}", case.id, case.users_yaml));
        }
    }
    assert!(failures.is_empty(), "{} failed:\n{}", failures.len(), failures.join("\n"));
    // The recorded file has this many of each; another number means that rows are lost, or permitted by
    // mistake.
    let recorded = [
        (Reason::Same, 44),
        (Reason::NoPassword, 23),
        (Reason::BadHash, 50),
        (Reason::DuplicateKey, 2),
        (Reason::LongPassword, 2),
    ];
    assert_eq!(counts, BTreeMap::from(recorded));
}

fn cases() -> Vec<Case> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cases/static_users.jsonl");
    let text = fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Returns the answer that Portwarden must give, found from the case alone.
fn expected(case: &Case, users: Option<&[UserSettings]>, hash: &Regex) -> (Reason, Answer) {
    let users = users.unwrap_or_default();
    let bad_hash = |user: &UserSettings| user.password.as_ref().is_some_and(|text| !hash.is_match(text));
    if case.note.starts_with("duplicate key") {
        (Reason::DuplicateKey, Answer::Unreadable)
    } else if users.iter().any(|user| user.password.is_none() && !user.name.is_empty()) {
        (Reason::NoPassword, Answer::Refused { missing: true })
    } else if users.iter().any(bad_hash) {
        (Reason::BadHash, Answer::Refused { missing: false })
    } else if case.password.len() > 72 && case.expect.outcome == "ok" {
        (Reason::LongPassword, Answer::WrongPassword)
    } else {
        (Reason::Same, recorded(&case.expect))
    }
}

fn recorded(expect: &Expect) -> Answer {
    match expect.outcome.as_str() {
        "ok" => Answer::Accepted(expect.labels.clone().unwrap_or_default()),
        "denied" => Answer::WrongPassword,
        "no_match" => Answer::NoSuchUser,
        "bad_config" => Answer::Unreadable,
        other => panic!("an outcome this test does not know: {other}"),
    }
}

fn ask(settings: &[UserSettings], case: &Case) -> Answer {
    let users = match Users::build(settings) {
        Ok(users) => users,
        Err(errors) => {
            assert!(
                errors.iter().all(|error| error.key == "password" && error.hint.contains("portwarden hash"))
            );
            return Answer::Refused { missing: errors.iter().any(|e| e.message.contains("has no password")) };
        }
    };
    match users.verify(&case.user, &Secret::new(case.password.as_str())) {
        Outcome::Accepted(identity) => {
            assert_eq!(identity.account, case.user);
            Answer::Accepted((*identity.labels).clone())
        }
        Outcome::WrongPassword => Answer::WrongPassword,
        Outcome::NoSuchUser => Answer::NoSuchUser,
    }
}

/// The users as docker_auth reads them: unknown keys are ignored, an entry that is null is none, a null key
/// is `""`.
fn read(yaml: &str) -> Option<Vec<UserSettings>> {
    let users: Option<BTreeMap<Option<String>, Value>> = serde_yaml::from_str(yaml).ok()?;
    let present = users.into_iter().flatten().filter(|(_, user)| !user.is_null());
    present.map(|(name, user)| read_user(&name.unwrap_or_default(), &user)).collect()
}

fn read_user(name: &str, user: &Value) -> Option<UserSettings> {
    let user = user.as_object()?;
    let password = match user.get("password") {
        None | Some(Value::Null) => None,
        Some(password) => Some(scalar(password)?),
    };
    let labels = match user.get("labels") {
        None | Some(Value::Null) => BTreeMap::new(),
        Some(labels) => labels
            .as_object()?
            .iter()
            .map(|(label, values)| {
                Some((label.clone(), values.as_array()?.iter().map(scalar).collect::<Option<_>>()?))
            })
            .collect::<Option<_>>()?,
    };
    Some(UserSettings { name: name.to_owned(), password, labels, line: 1 })
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::Null => Some(String::new()),
        Value::Bool(value) => Some(value.to_string()),
        Value::Number(value) => Some(value.to_string()),
        Value::String(value) => Some(value.clone()),
        _ => None,
    }
}
