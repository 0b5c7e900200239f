//! The recorded routes of registry 2.8: `tests/cases/routes.jsonl`.

use std::collections::BTreeSet;

use portwarden::registry::RepositoryName;
use serde_json::Value;

/// All rows.
pub fn rows() -> Vec<Value> {
    let rows = include_str!("../cases/routes.jsonl").lines();
    let rows: Vec<Value> = rows.map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(rows.len() > 3000, "the case file is incomplete: {} rows", rows.len());
    rows
}

/// The accesses that the registry demanded, as `type:name:action`; `None` where it authorises nothing.
pub fn recorded_access(row: &Value) -> Option<BTreeSet<String>> {
    let list = row["access"].as_array()?;
    Some(list.iter().map(|access| access.as_str().unwrap().to_owned()).collect())
}

/// As a client writes it: plain path, known method, at most one of each parameter, `from` a repository's name.
pub fn is_canonical(row: &Value) -> bool {
    let target = row["target"].as_str().unwrap();
    let known = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"].contains(&row["method"].as_str().unwrap());
    let plain = target.starts_with('/')
        && target.bytes().all(|b| b.is_ascii_alphanumeric() || b"/-._:?=&".contains(&b));
    let query = target.split_once('?').map_or("", |(_, query)| query);
    let mut keys: Vec<&str> = query.split('&').map(|pair| pair.split('=').next().unwrap()).collect();
    keys.sort_unstable();
    let unique = keys.windows(2).all(|pair| pair[0] != pair[1]);
    let from = query.split('&').find_map(|pair| pair.strip_prefix("from="));
    let names_a_repository = from.is_none_or(|from| from.is_empty() || RepositoryName::parse(from).is_some());
    let ordinary = ["version", "headers", "no_host"].iter().all(|key| row.get(*key).is_none());
    known && plain && unique && names_a_repository && ordinary && row["access"].is_array()
}
