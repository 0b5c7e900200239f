//! The recorded tokens over the wire: also how they are presented, and that a refused request never reaches the
//! registry.

use std::collections::BTreeMap;

use crate::support::{
    in_process::{InProcess, in_process_with_key},
    raw::{self, Sink, exchange, latin1},
    recorded_tokens::{Keyring, Row, rows},
};

/// Every account may do everything, so that only the token decides; without the web pages, which the registry has not.
const CONFIG: &str = "
ui: {enabled: false}
server: {addr: ':0'}
token: {issuer: Acme auth server, expiration: 900, certificate: '@CERT@', key: '@KEY@'}
users: {USERS}
acl: [{match: {}, actions: ['*']}]
";
const ALICE: &str = "alice: {password: $2y$05$LO.vzwpWC5LZGqThvEfznu8qhb5SGqvBSWY1J3yZ4AxtMRZ3kN5jC}";

/// Answers that differ from the registry's: the rule behind each, and the answer.
const DEVIATIONS: &[(&str, u16, &[&str])] = &[
    ("rule 1: a method that the registry lets through without an access", 405, &["t297", "t299", "t300"]),
    ("rule 10: two Authorization headers", 400, &["t323", "t324", "t326"]),
    ("rule 13: `crit`", 401, &["t020", "t022"]),
    ("rule 13: `nbf` is required", 401, &["t086"]),
    ("rule 13: one pinned algorithm", 401, &["t116", "t117"]),
    ("rule 13: keys in the header are ignored", 401, &["t153", "t154", "t155", "t179", "t181", "t182"]),
    ("strict base64url", 401, &["t193", "t195"]),
    ("strict JSON", 401, &["t217", "t218", "t219", "t221", "t224"]),
    ("rule 13: null in `access`, where the registry crashes", 401, &["t304", "t305", "t306"]),
    ("rule 8: a mount without its source becomes a plain upload", 200, &["t292"]),
];

#[test]
fn presented_tokens_open_what_they_open_at_the_registry() {
    let keys = Keyring::generate();
    let sink = raw::sink("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    let start = |key: &str, users: &str| {
        in_process_with_key(&CONFIG.replace("USERS", users), &keys.pem(key), &sink.url())
    };
    let alice = start("auth", ALICE);
    let with_anonymous = start("auth", &format!("{ALICE}, '': {{}}"));
    let elliptic = start("ec", ALICE);
    let rows = rows();
    assert_eq!(rows.len(), 235);
    let mut wrong = Vec::new();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for row in &rows {
        let has_account = row.account().is_some_and(|account| !account.is_empty());
        let portwarden = match (row.key.as_str(), has_account) {
            ("ec", _) => &elliptic,
            (_, true) => &alice,
            (_, false) => &with_anonymous,
        };
        match judge(row, &keys, portwarden, &sink) {
            Ok(kind) => *counts.entry(kind).or_default() += 1,
            Err(why) => wrong.push(format!("{} {}: {why}", row.id, row.name)),
        }
    }
    println!("{counts:#?}");
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
    assert!(counts["the same"] > 200, "{counts:?}");
    let listed: usize = DEVIATIONS.iter().map(|(_, _, ids)| ids.len()).sum();
    assert_eq!(rows.len() - counts["the same"], listed, "a deviation is listed for no row: {counts:?}");
}

fn judge(row: &Row, keys: &Keyring, portwarden: &InProcess, sink: &Sink) -> Result<&'static str, String> {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let mut lines = String::new();
    for value in &row.authorization {
        lines += &format!("Authorization: {}\r\n", keys.fill(value, row, now));
    }
    for (name, value) in &row.headers {
        lines += &format!("{name}: {}\r\n", keys.fill(value, row, now));
    }
    let target = keys.fill(&row.target, row, now);
    let head = format!("{} {target} HTTP/1.1\r\nHost: registry.example\r\nConnection: close\r\n", row.method);
    let response = exchange(portwarden.address, &latin1(&format!("{head}{lines}\r\n"))).ok_or("no answer")?;
    let forwarded = sink.take().len();
    let deviation = DEVIATIONS.iter().find(|(_, _, ids)| ids.contains(&row.id.as_str()));
    let error = response.challenge("error");
    let told = || {
        format!(
            "{} {error:?}, forwarded {forwarded}; recorded {:?} {:?}",
            response.status, row.status, row.error
        )
    };
    let refused = response.status >= 400 && forwarded == 0;
    let fine = match (deviation, row.accepted) {
        (Some((_, 200, _)), _) => response.status == 200 && forwarded == 1,
        (Some((_, status, _)), _) => refused && response.status == *status,
        // Outside of /v2/ there is no token to judge: the redirect of /v2 and our own page.
        (None, None) => forwarded == 0 && response.status < 400,
        (None, Some(true)) => response.status == 200 && forwarded == 1,
        (None, Some(false)) => refused && Some(response.status) == row.status && error == row.error,
    };
    if !fine {
        return Err(told());
    }
    Ok(deviation.map_or("the same", |(reason, _, _)| *reason))
}
