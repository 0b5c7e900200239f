//! The recorded `Authorization` headers that docker_auth was sent, against our reading of them and the user
//! table.
//!
//! Status codes, tokens and challenges are tested with the token endpoint; here only the account of a request.

use std::{collections::HashMap, fs};

use portwarden::authn::{Credentials, Outcome, UserSettings, Users};
use serde_json::Value;

/// Of the group's rows, as they are in the recorded file.
const ROWS: usize = 20;

#[test]
fn basic_headers_mean_who_docker_auth_thinks_they_mean() {
    let rows = rows();
    assert_eq!(rows.len(), ROWS);
    let failures: Vec<_> = rows.iter().filter_map(failure).collect();
    assert!(failures.is_empty(), "{} failed:\n{}", failures.len(), failures.join("\n"));
}

fn rows() -> Vec<Value> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cases/http.jsonl");
    let text = fs::read_to_string(path).unwrap();
    let rows = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    rows.filter(|row| row["group"] == "authn").collect()
}

fn failure(row: &Value) -> Option<String> {
    // Two headers: refused before they are read; docker_auth reads the first.
    let header = row["headers"]["Authorization"][0].as_str();
    let mut expected = row["expect"]["claims"]["sub"].as_str().map(str::to_owned);
    if expected.as_deref() == Some("open") {
        // `"open": {}`, which docker_auth lets in with any password, cannot be configured.
        expected = None;
    }
    let answer = who(&users(row["config"].as_str().unwrap()), header);
    (answer != expected).then(|| format!("{}: {header:?} is {answer:?}, not {expected:?}", row["id"]))
}

/// The account that is let in.
fn who(users: &Users, header: Option<&str>) -> Option<String> {
    let credentials = header.and_then(|header| Credentials::from_basic(header.as_bytes()).unwrap());
    let Some(Credentials { account, password }) = credentials else {
        return users.anonymous().map(|identity| identity.account);
    };
    match users.verify(&account, &password) {
        Outcome::Accepted(identity) => Some(identity.account),
        _ => None,
    }
}

fn users(config: &str) -> Users {
    let config: HashMap<String, Value> = serde_yaml::from_str(config).unwrap();
    let users = config["users"].as_object().unwrap().iter().map(|(name, user)| UserSettings {
        name: name.clone(),
        password: user.get("password").map(|hash| hash.as_str().unwrap().to_owned()),
        ..UserSettings::default()
    });
    Users::build(&users.filter(|user| user.name != "open").collect::<Vec<_>>()).unwrap()
}
