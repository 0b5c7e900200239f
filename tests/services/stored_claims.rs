//! Accounts whose labels are too long for a token: they stay in the state file, and the token names them.
//!
//! Needs: curl, docker-registry, htpasswd, sqlite3.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use tempfile::TempDir;

use crate::support::{
    audit,
    command::{self, Output},
    curl::{Response, curl},
    issuer::issuer,
    metrics,
    page_client::Visitor,
    portwarden::{ADMIN, Builder, Portwarden, User, portwarden},
    process::{PATIENCE, eventually},
    registry::{Registry, registry},
    token_exchange::{self, claims},
    workload::{self, log_in, member},
};

const STATE: &str = "state: {file: ./state.db}\nmetrics: {addr: \"127.0.0.1:0\"}\n";
/// The rules: a group opens the repositories that are named after it, and one is shut to whom the first rule says.
const ACL: &str = r#"
  - match: {account: "admin"}
    actions: ["*"]
  - match: {labels: {group: "team-7"}, name: "secret/*"}
    actions: []
  - match: {name: "secret/*"}
    actions: ["pull"]
  - match: {name: "${labels:group}/*"}
    actions: ["pull", "push"]
"#;
const LENA: User = User { name: "lena", password: "any" };
/// Claims that were read from the file.
const READS: &str = "portwarden_stored_claims_total{outcome=\"read\"}";
/// The longest token that a server in front, and a browser's cookie, are sure to take.
const LONGEST: usize = 2048;

/// A command that accepts everybody, in as many groups as a file says.
struct Groups(TempDir);

impl Groups {
    fn new(count: usize) -> Self {
        let groups = Self(tempfile::tempdir().unwrap());
        groups.set(count);
        let script = groups.0.path().join("groups");
        let count = groups.0.path().join("count");
        let text = format!(
            "#!/bin/sh\ncat >/dev/null\nprintf '{{\"labels\":{{\"group\":['\nfor i in $(seq $(cat {})); do printf '\"team-%s\",' $i; \
             done\nprintf '\"all\"]}}}}'\n",
            count.display()
        );
        fs::write(&script, text).unwrap();
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
        groups
    }

    /// From the next reload on: what a back end said is remembered.
    fn set(&self, count: usize) {
        fs::write(self.0.path().join("count"), count.to_string()).unwrap();
    }

    fn portwarden(&self, registry: &Registry) -> Builder {
        let command = self.0.path().join("groups");
        let section = format!("ext_auth: {{command: {command:?}}}");
        portwarden(registry).acl(ACL).with(&section).with(audit::TO_FILE)
    }
}

/// A token of lena for a repository.
fn token(warden: &Portwarden, repository: &str) -> String {
    token_exchange::token(warden, LENA, &[&format!("repository:{repository}:pull,push")])
}

/// The status of a list of tags: 404 where the account may pull, and nothing is there.
fn list(warden: &Portwarden, token: &str, repository: &str) -> Response {
    curl(warden).bearer(token).get(&format!("/v2/{repository}/tags/list"))
}

fn sql(file: &Path, statement: &str) -> Output {
    command::run("sqlite3", &[file.to_str().unwrap(), statement], &[])
}

#[test]
fn rule_49_an_account_with_a_thousand_groups_has_a_short_token_and_all_of_its_labels() {
    let registry = registry();
    let groups = Groups::new(1000);
    let mut warden = groups.portwarden(&registry).with(STATE).start();
    let tokens = ["team-1000/app", "secret/app"].map(|name| (token(&warden, name), name));
    let mut visitor = Visitor::new(&warden);
    let cookie = visitor.sign_in(LENA, "/").is(303).header("set-cookie").unwrap().len();
    assert!(cookie <= LONGEST, "{cookie} bytes");
    let session = visitor.cookie;
    for reads in [0.0, 1.0] {
        for (token, name) in &tokens {
            assert!(token.len() <= LONGEST, "{} bytes", token.len());
            assert!(claims(token)["labels"].is_null() && claims(token)["stored"].is_string());
            let status = if *name == "secret/app" { 401 } else { 404 };
            list(&warden, token, name).is(status);
        }
        let page =
            Visitor::with_cookie(&warden, session.clone()).get("/-/access?name=secret/app").is(200).text();
        assert!(page.contains("rule 2"), "the rule that denies: {page}");
        assert_eq!(
            metrics::value(&warden, READS),
            Some(reads),
            "from the file, where they are not in memory"
        );
        warden.crash_and_restart();
    }
}

#[test]
fn rule_49_labels_that_are_lost_end_their_tokens_and_sessions() {
    let registry = registry();
    let groups = Groups::new(1000);
    let mut warden = groups.portwarden(&registry).with(STATE).start();
    let (before, session) = (token(&warden, "team-1/app"), Visitor::signed_in(&warden, LENA).cookie);
    list(&warden, &before, "team-1/app").is(404);
    warden.stop();
    sql(&warden.file("state.db"), "DELETE FROM account_claims").succeeds();
    warden.crash_and_restart();
    // With no labels at all, the rule that denies would not match.
    for name in ["team-1/app", "secret/app"] {
        let refused = list(&warden, &before, name).is(401);
        let challenge = refused.header("www-authenticate").unwrap();
        assert!(
            challenge.contains("error=\"invalid_token\"") && challenge.contains("sign in again"),
            "{challenge}"
        );
    }
    Visitor::with_cookie(&warden, session).get("/").is(303);
    list(&warden, &token(&warden, "team-1/app"), "team-1/app").is(404);
}

#[test]
fn rule_49_labels_that_cannot_be_read_are_unavailable_and_not_missing() {
    let registry = registry();
    let groups = Groups::new(1000);
    let mut warden = groups.portwarden(&registry).with(STATE).start();
    let (before, session) = (token(&warden, "team-1/app"), Visitor::signed_in(&warden, LENA).cookie);
    warden.stop();
    let file = warden.file("state.db");
    let rename = |[one, other]: [&str; 2], [two, another]: [&str; 2]| {
        let table = "ALTER TABLE account_claims RENAME COLUMN";
        sql(&file, &format!("{table} {one} TO {other}; {table} {two} TO {another}")).succeeds();
    };
    rename(["claims", "moved"], ["until", "later"]);
    warden.crash_and_restart();
    for name in ["team-1/app", "secret/app"] {
        let refused = list(&warden, &before, name).is(503);
        assert_eq!(refused.header("retry-after"), Some("1"));
    }
    Visitor::with_cookie(&warden, session.clone()).get("/").is(503);
    assert_eq!(metrics::value(&warden, "portwarden_state_up"), Some(0.0));
    // It travels in the token for as long, if it can.
    groups.set(300);
    warden.reload(|builder| builder);
    let long = token(&warden, "team-1/app");
    assert!(long.len() > LONGEST && claims(&long)["labels"].is_array());
    list(&warden, &long, "team-1/app").is(404);
    curl(&warden).user(ADMIN).get("/v2/team-1/app/tags/list").is(404);
    warden.stop();
    rename(["moved", "claims"], ["later", "until"]);
    warden.crash_and_restart();
    list(&warden, &before, "team-1/app").is(404);
    Visitor::with_cookie(&warden, session).get("/").is(200);
}

#[test]
fn without_a_state_labels_travel_as_far_as_they_fit() {
    let registry = registry();
    let groups = Groups::new(100);
    let mut warden = groups.portwarden(&registry).start();
    let long = token(&warden, "team-1/app");
    assert!(claims(&long)["labels"].is_array(), "{}", claims(&long));
    list(&warden, &long, "team-1/app").is(404);
    groups.set(3000);
    warden.reload(|builder| builder);
    let refused = token_exchange::ask(&warden, Some(LENA), &["repository:team-1/app:pull"]).is(400);
    assert!(refused.text().contains("state.file"), "{}", refused.text());
    list(&warden, &long, "team-1/app").is(404);
    // A password needs no token.
    curl(&warden).user(LENA).get("/v2/team-3000/app/tags/list").is(404);
}

#[test]
fn rule_49_a_job_with_long_claims_has_short_tokens_which_end_with_what_is_required() {
    let registry = registry();
    let issuer = issuer();
    let configured = |require: &str| {
        let section = workload::section(&issuer, require);
        portwarden(&registry).acl(workload::ACL).with(&section).with(STATE).with(audit::TO_FILE)
    };
    let mut warden = configured("{owner_id: \"42\", long: \"*\"}").start();
    let job = || {
        let mut claims = issuer.claims(300);
        // A state that was just made takes no JWT of before, nor of the minute after.
        (claims["iat"], claims["long"]) = ((now() + 60).into(), "x".repeat(2000).into());
        issuer.sign(&claims)
    };
    assert!(eventually(PATIENCE, || log_in(&warden, &job()).status == 200), "{}", warden.log());
    let answer = log_in(&warden, &job()).is(200).json();
    let (access, refresh) = (member(&answer, "token"), member(&answer, "refresh_token"));
    for token in [&access, &refresh] {
        assert!(token.len() <= LONGEST, "{} bytes", token.len());
    }
    warden.crash_and_restart();
    let form = format!("grant_type=refresh_token&service=registry.test&refresh_token={refresh}");
    let refreshed = |warden: &Portwarden| {
        let request = curl(warden).header("Content-Type: application/x-www-form-urlencoded");
        request.body(form.as_bytes()).send("POST", "/auth").status
    };
    let used = |warden: &Portwarden| curl(warden).bearer(&access).get("/v2/acme/app/tags/list").status;
    assert_eq!((used(&warden), refreshed(&warden)), (404, 200));
    warden.reload(|_| configured("{owner_id: \"42\", long: \"y*\"}"));
    assert_eq!((used(&warden), refreshed(&warden)), (401, 401));
}

/// Seconds since 1970.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}
