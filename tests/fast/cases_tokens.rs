//! The recorded tokens, as far as a token alone decides: signature, header, claims, and whether its access reaches what
//! the request needs. How a token is presented (`presentation` rows) is for the test of the HTTP layer.

use std::{collections::BTreeMap, time::Duration};

use portwarden::{
    registry::Scope,
    token::{Authority, Settings, SigningKey},
};

use crate::support::recorded_tokens::{ISSUER, Keyring, Row, SERVICE, rows};

const NOW: u64 = 1_767_225_600;

/// Rows about the `Authorization` header's shape, other headers and the query.
const DELEGATED: [&str; 32] = [
    "t024", "t025", "t026", "t029", "t030", "t031", "t308", "t310", "t311", "t312", "t314", "t315", "t316",
    "t318", "t319", "t321", "t322", "t323", "t324", "t326", "t328", "t329", "t331", "t332", "t333", "t334",
    "t335", "t336", "t338", "t339", "t341", "t342",
];

/// Tokens that the registry accepts, or refuses with another error, and that are refused here; each time because
/// docker_auth would not make such a token. The answer is always `invalid_token`.
const STRICTER: &[(&str, &[&str])] = &[
    ("`crit` demands unsupported extensions (RFC 7515, 4.1.11)", &["t020", "t022"]),
    ("`nbf` is required", &["t086"]),
    ("one algorithm for the key: RS384 and RS512 are others", &["t116", "t117"]),
    ("keys that the header brings along are not used: `x5c`", &["t153", "t154", "t155"]),
    ("keys that the header brings along are not used: `jwk`", &["t179", "t181", "t182"]),
    ("strict base64url: spare bits", &["t193"]),
    ("strict base64url: padding", &["t195"]),
    (
        "a repeated claim, of which the registry takes the last or a mixture",
        &["t217", "t218", "t219", "t221"],
    ),
    ("names in other letters: no `alg`, no `kid`", &["t224"]),
    ("`null` in `access`: the registry crashes without an answer", &["t304", "t305", "t306"]),
];

#[test]
fn a_token_opens_what_it_opens_at_the_registry() {
    let keys = Keyring::generate();
    let authorities = BTreeMap::from(["auth", "ec"].map(|name| (name, authority(&keys, name))));
    let rows = rows();
    assert_eq!(rows.len(), 235);
    let mut failures = Vec::new();
    let (mut same, mut stricter) = (0, BTreeMap::<&str, usize>::new());
    for row in rows.iter().filter(|row| !DELEGATED.contains(&row.id.as_str())) {
        // Some rows were recorded with a registry that trusts an EC key as well; an authority has one key.
        let trusted = if row.key == "ec" { "ec" } else { "auth" };
        let answer = answer(&authorities[trusted], &keys.token(row, NOW), row);
        let recorded = (row.accepted == Some(true), row.error.as_deref());
        match reason(&row.id) {
            None if answer == recorded => same += 1,
            Some(reason) if answer == (false, Some("invalid_token")) && answer != recorded => {
                *stricter.entry(reason).or_default() += 1;
            }
            reason => failures.push(format!("{} {}: {answer:?}, {recorded:?}, {reason:?}", row.id, row.name)),
        }
    }
    assert!(
        failures.is_empty(),
        "{} rows (we, the registry, deviation):\n{}",
        failures.len(),
        failures.join("\n")
    );
    let listed: BTreeMap<&str, usize> = STRICTER.iter().map(|(reason, ids)| (*reason, ids.len())).collect();
    assert_eq!(stricter, listed, "a deviation is listed for no row");
    assert_eq!((same, stricter.values().sum::<usize>(), DELEGATED.len()), (182, 21, 32));
}

#[test]
fn exactly_the_rows_on_presentation_are_delegated() {
    let presentation: Vec<String> =
        rows().into_iter().filter(|row| row.group == "presentation").map(|row| row.id).collect();
    assert_eq!(presentation, DELEGATED);
}

fn reason(id: &str) -> Option<&'static str> {
    STRICTER.iter().find(|(_, ids)| ids.contains(&id)).map(|(reason, _)| *reason)
}

fn authority(keys: &Keyring, name: &str) -> Authority {
    let settings = Settings {
        issuer: ISSUER.to_owned(),
        service: SERVICE.to_owned(),
        lifetime: Duration::from_secs(900),
    };
    Authority::new(SigningKey::from_pem(keys.pem(name).as_bytes(), true).unwrap(), settings)
}

/// Accepted or not, and the challenge's `error`.
fn answer(authority: &Authority, token: &str, row: &Row) -> (bool, Option<&'static str>) {
    let presented = row.authorization.first().unwrap().strip_prefix("Bearer ").unwrap().replace("{T}", token);
    let Ok(token) = authority.verify(&presented, NOW) else { return (false, Some("invalid_token")) };
    let reaches = need(row).iter().all(|need| reaches(&token.access, need));
    if reaches { (true, None) } else { (false, Some("insufficient_scope")) }
}

/// Returns the access that the registry demands for the few requests that occur here; where a row names it, it must be
/// the same.
fn need(row: &Row) -> Vec<Scope> {
    let (path, query) = row.target.split_once('?').unwrap_or((&row.target, ""));
    let path = path.replace("%2F", "/");
    let mut need = match (actions(&row.method), path.as_str()) {
        (None, _) | (_, "/v2/") => Vec::new(),
        (_, "/v2/_catalog") => vec![Scope::new("registry", "catalog", &["*"])],
        (Some(actions), path) => vec![Scope::repository(repository(path), actions)],
    };
    let from = query.split('&').find_map(|pair| pair.strip_prefix("from="));
    need.extend(from.map(|name| Scope::repository(name, &["pull"])));
    if let Some(scope) = &row.scope {
        assert_eq!(&need.iter().map(Scope::to_string).collect::<Vec<_>>().join(" "), scope, "{}", row.id);
    }
    need
}

/// `None` for methods that the registry lets pass without any access.
fn actions(method: &str) -> Option<&'static [&'static str]> {
    match method {
        "GET" | "HEAD" => Some(&["pull"]),
        "DELETE" => Some(&["delete"]),
        "POST" | "PUT" | "PATCH" => Some(&["pull", "push"]),
        _ => None,
    }
}

fn repository(path: &str) -> &str {
    let rest = path.strip_prefix("/v2/").unwrap();
    let end = ["/tags/", "/manifests/", "/blobs/"].iter().find_map(|suffix| rest.find(suffix));
    rest.get(..end.expect("a repository's path")).unwrap()
}

/// Returns true if each action is granted by some entry.
fn reaches(access: &[Scope], need: &Scope) -> bool {
    need.actions.iter().all(|action| access.iter().any(|entry| entry.grants(need, action)))
}
