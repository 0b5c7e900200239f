//! Revocations with a running server: every kind of token, robots, JWTs and a back end, restarts, and a state file that is
//! removed, damaged, restored or shared. What needs a full disk is in `tests/system/revocation.rs`.
//!
//! Needs: curl, docker-registry, htpasswd.

use std::{
    fs,
    os::unix::fs::MetadataExt as _,
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use serde_json::Value;

use crate::support::{
    audit::{self, line_with},
    command::{self, Output},
    curl::curl,
    distribution::{MANIFEST, push_image, start_upload, with_digest},
    image::{random_bytes, sha256},
    issuer::issuer,
    metrics,
    page_client::Visitor,
    portwarden::{ADMIN, Builder, Portwarden, USER, User, portwarden, program},
    process::{PATIENCE, eventually},
    registry::{Registry, registry},
    robots::{CI, Made, with_robot},
    token_exchange::{claims, expiring_in},
    workload::{self, log_in, member},
};

/// The state, the control socket and the audit log, each a file beside the configuration.
const STATE: &str = "state: {file: ./state.db}\ncontrol: {socket: ./control.sock}\n";

fn with_state(registry: &Registry) -> Builder {
    portwarden(registry).with(STATE).with(audit::TO_FILE)
}

#[test]
fn rule_47_a_session_that_was_signed_out_stays_so_after_a_restart() {
    let registry = registry();
    let mut warden = with_state(&registry).start();
    let (out, on) = (Visitor::signed_in(&warden, USER), Visitor::signed_in(&warden, USER));
    let cookies = [out.cookie.clone(), on.cookie];
    out.post("/-/sign-out", &[("csrf", &out.csrf())]).is(303);
    let statuses = |warden: &Portwarden| {
        let page = |cookie: &Option<String>| Visitor::with_cookie(warden, cookie.clone()).get("/-/tokens");
        cookies.each_ref().map(|cookie| page(cookie).status == 200)
    };
    assert_eq!(statuses(&warden), [false, true]);
    warden.crash_and_restart();
    assert_eq!(statuses(&warden), [false, true]);
}

/// `portwarden revoke`, `token list`, ….
fn control(warden: &Portwarden, args: &[&str]) -> Output {
    let socket = warden.file("control.sock");
    command::run(&program(), &[args, &["--socket", socket.to_str().unwrap()]].concat(), &[])
}

fn refresh_tokens(builder: Builder) -> Builder {
    builder.with_token("refresh_tokens", "true")
}

/// The answer of the token endpoint, with a refresh token where there is one.
fn tokens(warden: &Portwarden, user: User) -> Value {
    let target = "/auth?service=registry.test&scope=repository:acme/app:pull,push&offline_token=true";
    curl(warden).user(user).get(target).is(200).json()
}

/// The status of a request with an access token, and of one for another with a refresh token.
fn statuses(warden: &Portwarden, answer: &Value) -> [u16; 2] {
    let form = format!(
        "grant_type=refresh_token&service=registry.test&refresh_token={}",
        member(answer, "refresh_token")
    );
    let request = curl(warden).header("Content-Type: application/x-www-form-urlencoded");
    let bought = request.body(form.as_bytes()).send("POST", "/auth").status;
    let used = curl(warden).bearer(&member(answer, "token")).get("/v2/acme/app/tags/list").status;
    [if used == 200 { 404 } else { used }, bought]
}

#[test]
fn rule_47_what_was_issued_to_an_account_ends_with_the_next_request_and_stays_ended_after_a_crash() {
    let registry = registry();
    let mut warden = refresh_tokens(with_state(&registry)).start();
    let (admin, user) = (tokens(&warden, ADMIN), tokens(&warden, USER));
    let visitor = Visitor::signed_in(&warden, ADMIN);
    let visitor = visitor.cookie;
    let page = |warden: &Portwarden| Visitor::with_cookie(warden, visitor.clone()).get("/").status;
    // Twice, so that its signature is remembered.
    assert_eq!([statuses(&warden, &admin), statuses(&warden, &admin)], [[404, 200]; 2]);
    assert_eq!(page(&warden), 200);
    control(&warden, &["revoke", "--account", "admin"]).succeeds().says("can sign in again");
    let ends = |warden: &Portwarden| {
        assert_eq!(statuses(warden, &admin), [401, 401]);
        assert_eq!(page(warden), 303);
        assert_eq!(statuses(warden, &user), [404, 200], "that of another account");
        let refused = curl(warden).bearer(&member(&admin, "token")).get("/v2/").is(401);
        let challenge = refused.header("www-authenticate").unwrap().to_owned();
        assert!(challenge.contains("error=\"invalid_token\""), "{challenge}");
        assert!(challenge.contains("was revoked: sign in again"), "{challenge}");
    };
    ends(&warden);
    let log = warden.file("audit.log");
    let reason = "what was issued to this account was revoked: sign in again";
    let line = line_with(&log, &[("decision", "unauthenticated"), ("account", "admin"), ("reason", reason)]);
    assert_eq!(line["credentials"], "token", "{line}");
    line_with(&log, &[("reason", &format!("Auth failed: {reason}"))]);
    line_with(&log, &[("route", "page"), ("reason", reason)]);
    let line = line_with(&log, &[("event", "revocation"), ("account", "admin")]);
    let user_id = fs::metadata(&log).unwrap().uid();
    assert_eq!(line["reason"], format!("revoked by user {user_id}"), "{line}");
    // Again from the start.
    let again = tokens(&warden, ADMIN);
    assert_eq!(claims(&member(&again, "token"))["generation"], 1);
    assert_eq!(statuses(&warden, &again), [404, 200]);
    warden.crash_and_restart();
    ends(&warden);
    assert_eq!(statuses(&warden, &again), [404, 200], "a restart ends nothing else");
    // Its passwords are hashed anew, which ends refresh tokens.
    warden.reload(|builder| builder.with("log: {level: debug}"));
    let access = |answer: &Value| statuses(&warden, answer)[0];
    assert_eq!((access(&admin), access(&user), access(&again)), (401, 404, 404), "a reload");
    // Two within a second.
    for _ in 0..2 {
        let before = tokens(&warden, ADMIN);
        control(&warden, &["revoke", "--account", "admin"]).succeeds();
        assert_eq!(statuses(&warden, &before), [401, 401]);
    }
    warden.crash_and_restart();
    assert_eq!(statuses(&warden, &again), [401, 401]);
}

#[test]
fn rule_47_everything_and_a_single_token_are_revoked() {
    let registry = registry();
    let mut warden = refresh_tokens(with_state(&registry)).start();
    let (first, second) = (tokens(&warden, ADMIN), tokens(&warden, ADMIN));
    let id = claims(&member(&first, "token"))["jti"].as_str().unwrap().to_owned();
    let refresh = claims(&member(&second, "refresh_token"))["jti"].as_str().unwrap().to_owned();
    control(&warden, &["revoke", "--token", &id]).succeeds().says("every token and JWT");
    assert_eq!(statuses(&warden, &first), [401, 200]);
    assert_eq!(statuses(&warden, &second), [404, 200]);
    control(&warden, &["revoke", "--token", &refresh]).succeeds();
    assert_eq!(statuses(&warden, &second), [404, 401]);
    warden.crash_and_restart();
    assert_eq!([statuses(&warden, &first), statuses(&warden, &second)], [[401, 200], [404, 401]]);
    let revoked = control(&warden, &["revoke", "--all-sessions", "--json"]).succeeds().stdout;
    let revoked: Value = serde_json::from_str(&revoked).unwrap();
    assert_eq!((&revoked["revoked"], &revoked["name"]), (&"all".into(), &Value::Null), "{revoked}");
    for _ in 0..2 {
        assert_eq!([statuses(&warden, &first), statuses(&warden, &second)], [[401, 401]; 2]);
        assert_eq!(statuses(&warden, &tokens(&warden, USER)), [404, 200]);
        warden.crash_and_restart();
    }
    control(&warden, &["revoke", "--token", "0123456789ab"]).fails().says("no robot has a token");
    control(&warden, &["revoke", "--token", ""]).fails().says("expected an id");
    let whole = member(&first, "token");
    control(&warden, &["revoke", "--token", &whole]).fails().says("not the token").does_not_say(&whole);
    assert!(!warden.log().contains(&whole), "it is never logged");
    control(&warden, &["revoke", "--account", &"x".repeat(600)]).fails().says("nothing is revoked");
}

#[test]
fn rule_47_a_robots_token_is_revoked_by_its_id_and_so_is_what_was_issued_for_it() {
    let (registry, stolen, other) = (registry(), Made::new(), Made::new());
    let entries = [stolen.entry(", comment: \"cluster A\""), other.entry(", expires: 2099-12-31")];
    let builder = refresh_tokens(with_robot(&registry, &entries, ""));
    let mut warden = builder.with(STATE).start();
    let (by_stolen, by_other) = (tokens(&warden, stolen.user()), tokens(&warden, other.user()));
    let list = || control(&warden, &["token", "list", "--account", CI]).succeeds();
    list().says("(\"cluster A\"): no end, used 20").says("until 2099-12-31, used 20");
    for option in ["--token", "--account"] {
        let shown = control(&warden, &["revoke", option, stolen.token]).fails();
        shown.says("the twelve digits after pwt_").does_not_say(stolen.token);
    }
    let hashed = stolen.sha256.to_uppercase();
    control(&warden, &["revoke", "--token", &hashed]).succeeds().says("of robot \"ci-deploy\"");
    list().says(", revoked 20");
    let ended = |warden: &Portwarden| {
        curl(warden).user(stolen.user()).get("/v2/").is(401);
        let refused = curl(warden).user(stolen.user()).get("/auth?service=registry.test").is(401);
        assert!(refused.text().contains("was revoked"), "{}", refused.text());
        assert_eq!(statuses(warden, &by_stolen), [401, 401]);
        assert_eq!(statuses(warden, &by_other), [404, 200], "the other token goes on");
    };
    ended(&warden);
    let log = warden.file("audit.log");
    line_with(&log, &[("event", "revocation"), ("account", CI), ("robot_token", &stolen.id)]);
    line_with(&log, &[("decision", "unauthenticated"), ("robot_token", &stolen.id)]);
    let written = fs::read_to_string(&log).unwrap() + &warden.log();
    assert!(!written.contains(stolen.token), "no token that was given in place of its id is logged");
    // The use since the start outlives a reload.
    warden.reload(|builder| builder.with("log: {level: debug}"));
    control(&warden, &["token", "list"]).succeeds().says("(\"cluster A\"): no end, used 20");
    ended(&warden);
    warden.crash_and_restart();
    ended(&warden);
    control(&warden, &["token", "list"]).succeeds().says("(\"cluster A\"): no end, not used since the start");
    // The account: its tokens end, and the robot may come again.
    control(&warden, &["revoke", "--account", CI]).succeeds();
    assert_eq!(statuses(&warden, &by_other), [401, 401]);
    assert_eq!(statuses(&warden, &tokens(&warden, other.user())), [404, 200]);
    let listed = control(&warden, &["token", "list", "--json"]).succeeds().stdout;
    let listed: Vec<Value> = listed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |key: &str, value: &str| listed.iter().filter(|line| line[key] == value).count();
    assert_eq!([of("robot", CI), of("revoked", "account"), of("revoked", "token")], [2, 1, 1], "{listed:#?}");
}

#[test]
fn rule_47_a_jobs_session_ends_and_its_jwt_begins_no_other() {
    let (registry, issuer) = (registry(), issuer());
    let takes_bearer = workload::section(&issuer, "{owner_id: \"42\"}")
        .replace("      algorithms:", "      bearer: true\n      algorithms:");
    let mut warden = with_state(&registry).acl(workload::ACL).with(&takes_bearer).start();
    let by_bearer =
        |warden: &Portwarden, jwt: &str| curl(warden).bearer(jwt).get("/v2/acme/app/tags/list").status;
    // A state that was just made takes no JWT of before, nor of the minute after: clocks differ.
    let young = log_in(&warden, &issuer.sign(&issuer.claims(300))).is(401);
    assert!(young.text().contains("or the state file was made"), "{}", young.text());
    // By a clock that is ahead as far as is allowed.
    let job_of = |id: &str| {
        let mut claims = issuer.claims(300);
        (claims["iat"], claims["jti"]) = ((now() + 60).into(), id.into());
        issuer.sign(&claims)
    };
    assert!(eventually(PATIENCE, || log_in(&warden, &job_of("job-0")).status == 200), "{}", warden.log());
    // Twelve hexadecimal digits, as the id of a robot's token.
    let (one, two) = (job_of("60e05bd1b195"), job_of("job-2"));
    let (first, second) = (log_in(&warden, &one).is(200).json(), log_in(&warden, &two).is(200).json());
    assert_eq!([statuses(&warden, &first), statuses(&warden, &second)], [[404, 200]; 2]);
    assert_eq!([by_bearer(&warden, &one), by_bearer(&warden, &two)], [404; 2]);
    // By the `jti` that the audit log has: the JWT, and the session that began with it.
    control(&warden, &["revoke", "--token", "60e05bd1b195"]).fails().says("if it is a jti, use --jti");
    assert_eq!(statuses(&warden, &first), [404, 200]);
    control(&warden, &["revoke", "--jti", "60e05bd1b195"]).succeeds();
    assert_eq!([statuses(&warden, &first), statuses(&warden, &second)], [[401, 401], [404, 200]]);
    log_in(&warden, &one).is(401);
    assert_eq!([by_bearer(&warden, &one), by_bearer(&warden, &two)], [401, 404]);
    let (configuration, file) = (warden.file("portwarden.yml"), warden.file("job.jwt"));
    fs::write(&file, &two).unwrap();
    let explain = |more: &[&str]| {
        let words = ["explain", "--config", configuration.to_str().unwrap(), "--jwt", file.to_str().unwrap()];
        command::run(&program(), &[&words[..], more].concat(), &[]).succeeds()
    };
    explain(&[]).does_not_say("revoked");
    control(&warden, &["revoke", "--account", "ci:acme/app"]).succeeds();
    explain(&[]).says("revoked: what was issued to account \"ci:acme/app\" before 20");
    explain(&["--json"]).says("\"revoked\":[\"revoked: what");
    for _ in 0..2 {
        assert_eq!(statuses(&warden, &second), [401, 401]);
        let refused = log_in(&warden, &two).is(401);
        assert!(refused.text().contains("before its account was revoked"), "{}", refused.text());
        assert_eq!(by_bearer(&warden, &two), 401);
        warden.crash_and_restart();
    }
    workload::ask(curl(&warden).user(ADMIN), "").is(200);
}

#[test]
fn rule_47_an_account_of_a_back_end_ends_in_every_spelling_and_comes_back() {
    let registry = registry();
    let script = "ext_auth: {command: /bin/sh, args: [-c, \"cat >/dev/null\"]}";
    let acl = "  - match: {account: \"/^.+$/\"}\n    actions: [\"*\"]";
    let warden = with_state(&registry).acl(acl).with(script).start();
    let lena = User { name: "Lena", password: "any" };
    let token = member(&tokens(&warden, lena), "token");
    curl(&warden).bearer(&token).get("/v2/").is(200);
    control(&warden, &["revoke", "--account", " lena"]).succeeds();
    curl(&warden).bearer(&token).get("/v2/").is(401);
    curl(&warden).bearer(&member(&tokens(&warden, lena), "token")).get("/v2/").is(200);
}

#[test]
fn rule_16_a_token_in_place_of_a_name_or_an_id_is_refused_and_reaches_no_log() {
    let registry = registry();
    let warden = with_state(&registry).start();
    let token = member(&tokens(&warden, ADMIN), "token");
    // One of an elliptic curve is short enough for a name.
    let secret = &token[token.len() - 40..];
    let short = format!("eyJhbGciOiJFUzI1NiJ9.e30.{secret}");
    for (option, token) in
        [("--account", &token), ("--token", &token), ("--account", &short), ("--token", &short)]
    {
        control(&warden, &["revoke", option, token]).fails().says("nothing is revoked").does_not_say(secret);
    }
    assert!(!warden.log().contains(secret), "{}", warden.log());
    assert!(!fs::read_to_string(warden.file("audit.log")).unwrap().contains(secret));
    curl(&warden).bearer(&token).get("/v2/").is(200);
}

#[test]
fn rule_47_a_transfer_that_runs_goes_on_and_the_next_request_is_refused() {
    let registry = registry();
    let warden = with_state(&registry).start();
    let token = member(&tokens(&warden, ADMIN), "token");
    let location = start_upload(&curl(&warden).bearer(&token), "acme/app");
    let content = random_bytes(100_000);
    let target = with_digest(&location, &sha256(&content));
    let (before, rest) = content.split_at(50_000);
    let log = warden.file("audit.log");
    let sent = curl(&warden).bearer(&token).send_stream("PUT", &target, |pipe| {
        pipe.write_all(before)?;
        pipe.flush()?;
        line_with(&log, &[("event", "decision"), ("method", "PUT"), ("decision", "allowed")]);
        control(&warden, &["revoke", "--account", "admin"]).succeeds();
        curl(&warden).bearer(&token).get("/v2/").is(401);
        // The rest is sent only now.
        pipe.write_all(rest)
    });
    sent.is(201);
}

#[test]
fn rule_47_an_upload_does_not_go_on_with_an_expired_token_that_was_revoked() {
    let registry = registry();
    let warden = with_state(&registry).start();
    let lasting = member(&tokens(&warden, ADMIN), "token");
    let mut begun = None;
    // A few seconds are left of the minute by which clocks may differ. A busy machine may take longer.
    assert!(eventually(PATIENCE, || {
        let short = expiring_in(&warden, &lasting, -55);
        let answer = curl(&warden).bearer(&short).send("POST", "/v2/acme/app/blobs/uploads/");
        begun = answer.header("location").map(|location| (short, location.to_owned()));
        answer.status == 202
    }));
    let (token, location) = begun.unwrap();
    assert!(eventually(PATIENCE, || curl(&warden).bearer(&token).get("/v2/").status == 401));
    let patch = |location: &str| curl(&warden).bearer(&token).body(b"x").send("PATCH", location);
    let location = patch(&location).is(202).header("location").unwrap().to_owned();
    control(&warden, &["revoke", "--account", "admin"]).succeeds();
    let refused = patch(&location).is(401);
    assert!(refused.header("www-authenticate").unwrap().contains("was revoked"), "{refused:?}");
}

#[test]
fn rule_47_a_file_that_is_removed_while_the_server_runs_is_noticed_and_lets_nothing_in_again() {
    let registry = registry();
    let mut warden = refresh_tokens(with_state(&registry).with("metrics: {addr: \"127.0.0.1:0\"}")).start();
    let (admin, user) = (tokens(&warden, ADMIN), tokens(&warden, USER));
    assert_eq!(metrics::value(&warden, "portwarden_state_up"), Some(1.0));
    fs::remove_file(warden.file("state.db")).unwrap();
    let failed = control(&warden, &["revoke", "--account", "admin"]).fails();
    failed.says("removed or replaced").says("a restart would forget it");
    assert_eq!(statuses(&warden, &admin), [401, 401], "what is in memory holds");
    assert_eq!(statuses(&warden, &user), [404, 200]);
    let log = warden.file("audit.log");
    assert!(line_with(&log, &[("event", "revocation")])["reason"].as_str().unwrap().contains("removed"));
    assert_eq!(metrics::value(&warden, "portwarden_state_up"), Some(0.0));
    assert_eq!(metrics::value(&warden, "portwarden_revocations"), Some(1.0));
    metrics::watcher(&warden).get("/readyz").is(200).text().lines().nth(1).expect("degraded");
    let from = warden.log().len();
    warden.crash_and_restart();
    warden.wait_for_log(from, "made a new state file");
    for answer in [&admin, &user] {
        assert_eq!(statuses(&warden, answer), [401, 401], "all that was issued with the old file");
    }
}

#[test]
fn rule_47_a_second_server_with_the_same_file_and_a_damaged_file_do_not_start() {
    let registry = registry();
    let mut warden = with_state(&registry).start();
    let start = |directory: &Path| {
        let configuration = directory.join("portwarden.yml");
        let serve = ["serve", "--config", configuration.to_str().unwrap(), "--listen", "127.0.0.1:0"];
        command::run("timeout", &[&["20", &program()], &serve[..]].concat(), &[]).fails()
    };
    start(warden.directory()).says("state.file: ").says("another process uses it");
    warden.stop();
    fs::write(warden.file("state.db"), "no database".repeat(1000)).unwrap();
    start(warden.directory()).says("state.file: ").says("damaged").says("all tokens end");
}

#[test]
fn rule_47_a_default_file_that_cannot_be_opened_stops_no_server() {
    let registry = registry();
    let directory = tempfile::tempdir().unwrap();
    let in_directory =
        |builder: Builder| builder.environment("STATE_DIRECTORY", directory.path().to_str().unwrap());
    let control_socket = "control: {socket: ./control.sock}";
    let builder = || in_directory(refresh_tokens(portwarden(&registry)).with(control_socket));
    let mut warden = builder().start();
    let before = tokens(&warden, ADMIN);
    assert!(claims(&member(&before, "token"))["state"].is_string());
    control(&warden, &["revoke", "--account", "user"]).succeeds();
    fs::write(directory.path().join("state.db"), "no database".repeat(1000)).unwrap();
    warden.crash_and_restart();
    warden.says("the state file cannot be used");
    assert_eq!(statuses(&warden, &before), [401, 401], "it may be revoked");
    let after = tokens(&warden, ADMIN);
    assert_eq!(statuses(&warden, &after), [404, 200]);
    control(&warden, &["revoke", "--account", "admin"]).fails().says("nothing is revoked").says("damaged");
    assert_eq!(statuses(&warden, &after), [404, 200]);
    // Without any, tokens are as they were.
    let warden = portwarden(&registry).with(control_socket).start();
    let token = claims(&member(&tokens(&warden, ADMIN), "token"));
    assert!(token["state"].is_null() && token["generation"].is_null(), "{token}");
    control(&warden, &["revoke", "--all-sessions"]).fails().says("no state file").says("state.file");
}

#[test]
fn explain_says_that_something_was_revoked_and_when() {
    let registry = registry();
    let warden = with_state(&registry).start();
    let configuration = warden.file("portwarden.yml");
    let explain = |more: &[&str]| {
        let words = ["explain", "--config", configuration.to_str().unwrap(), "--account", "admin"];
        let scope = ["--scope", "repository:acme/app:pull"];
        command::run(&program(), &[&words[..], &scope, more].concat(), &[]).succeeds()
    };
    explain(&[]).does_not_say("revoked");
    control(&warden, &["revoke", "--account", "admin"]).succeeds();
    explain(&[]).says("revoked: what was issued to account \"admin\" before 20");
    explain(&["--json"]).says("\"revoked\":[\"revoked: what");
    control(&warden, &["revoke", "--all-sessions"]).succeeds();
    explain(&[]).says("revoked: everything that was issued before 20");
}

#[test]
fn a_login_goes_on_behind_a_revocation() {
    let registry = registry();
    let warden = with_state(&registry).start();
    push_image(&curl(&warden).user(ADMIN), "acme/app", "1");
    control(&warden, &["revoke", "--account", "admin"]).succeeds();
    let accept = format!("Accept: {MANIFEST}");
    curl(&warden).user(ADMIN).header(&accept).get("/v2/acme/app/manifests/1").is(200);
}

fn now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(now.as_secs()).unwrap()
}
