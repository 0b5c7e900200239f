//! The recorded routes of registry 2.8 against our parser: the same access, or a refusal.

use std::collections::{BTreeMap, BTreeSet};

use portwarden::registry::{Endpoint, Route};
use serde_json::Value;

use crate::support::routes::{is_canonical, recorded_access, rows};

#[test]
fn every_recorded_route_demands_the_same_access_or_is_refused() {
    let rows = rows();
    assert!(rows.len() > 3000, "the case file is incomplete: {} rows", rows.len());
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let mut wrong = Vec::new();
    for row in &rows {
        let verdict = judge(row);
        *counts.entry(verdict).or_default() += 1;
        if verdict.starts_with("WRONG") {
            wrong.push(format!("{verdict}: {row}"));
        }
    }
    println!("{counts:#?}");
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
    assert!(counts["same"] > 900, "the parser refuses too much: {counts:?}");
}

/// Returns the parser's judgement of a row. Headers and bodies are judged over the wire, in
/// `tests/services/security.rs`.
fn judge(row: &Value) -> &'static str {
    let method = row["method"].as_str().unwrap();
    let target = row["target"].as_str().unwrap();
    let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
    if !path.starts_with('/') {
        return "not in origin-form: refused before the parser";
    }
    let route = Route::parse(method, path, query);
    let is_referrers = |route: &Route| matches!(route.endpoint(), Endpoint::Referrers(..));
    let demanded = route.as_ref().map(|route| {
        let flat = |scope: &portwarden::registry::Scope| {
            let prefix = format!("{}:{}", scope.resource_type, scope.name);
            scope.actions.iter().map(move |action| format!("{prefix}:{action}")).collect::<Vec<_>>()
        };
        route.needs().iter().flat_map(flat).collect::<BTreeSet<_>>()
    });
    let recorded = recorded_access(row);
    match (demanded, recorded) {
        (Ok(ours), Some(theirs)) if ours == theirs => "same",
        (Ok(_), None) if route.as_ref().is_ok_and(is_referrers) => "referrers, which registry 2.8 has not",
        (Ok(_), Some(_)) if row.get("body").is_some() => "form body: refused before the parser",
        (Ok(_), _) => "WRONG access",
        (Err(_), Some(_)) if is_canonical(row) => "WRONG refusal of a canonical request",
        (Err(_), _) => "refused",
    }
}
