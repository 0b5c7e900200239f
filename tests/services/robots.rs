//! Robots in front of a real registry: their tokens sign in everywhere, below their ceiling, and end with their line,
//! their day and their address. Behind docker see `tests/system/robots.rs`; what `check` and `explain` say of them is
//! in `tests/fast/robot_commands.rs`.
//!
//! Needs: curl, docker-registry, htpasswd.

use std::{fs, os::unix::fs::PermissionsExt as _};

use crate::support::{
    audit,
    curl::{Request, Response, curl},
    page_client::Visitor,
    portwarden::{ADMIN, Portwarden, SERVICE, USER, User, portwarden},
    process::{PATIENCE, eventually},
    registry::registry,
    robots::{ACL, CI, Made, SCOPES, with_robot},
    token_exchange,
};

fn log_in(warden: &Portwarden, user: User) -> Response {
    token_exchange::ask(warden, Some(user), &[])
}

#[test]
fn a_token_is_a_password_at_the_token_endpoint_and_on_v2() {
    let (registry, ci) = (registry(), Made::new());
    let warden = with_robot(&registry, &[ci.entry("")], SCOPES).start();
    curl(&warden).user(ci.user()).get("/v2/").is(200);
    let form = format!("grant_type=password&username={CI}&password={}&service={SERVICE}", ci.token);
    let post = |scope: &str| {
        let form = format!("{form}&scope={scope}");
        let request = curl(&warden).option(&["--data", &form]);
        request.send("POST", "/auth").is(200).json()
    };
    assert_eq!(post("repository:acme/app:pull,push")["scope"], "repository:acme/app:pull,push");
    assert_eq!(post("repository:acme/lib:pull,push")["scope"], "repository:acme/lib:pull");
    assert_eq!(post("repository:other/app:pull")["scope"], "");

    let list = |request: Request| request.get("/v2/acme/app/tags/list");
    list(curl(&warden).user(ci.user())).is(404);
    let access = token_exchange::token(&warden, ci.user(), &["repository:acme/app:pull"]);
    list(curl(&warden).bearer(&access)).is(404);
    let claims = token_exchange::claims(&access);
    assert_eq!((&claims["sub"], &claims["robot_token"]), (&CI.into(), &ci.id.as_str().into()));
    assert!(claims.get("labels").is_none(), "labels stay here: {claims}");
    curl(&warden).user(ci.user()).get("/v2/other/app/tags/list").denial();
}

#[test]
fn a_token_is_replaced_without_a_gap() {
    let (registry, old, new) = (registry(), Made::new(), Made::new());
    let mut warden = with_robot(&registry, &[old.entry("")], "").start();
    let of_old = token_exchange::token(&warden, old.user(), &["repository:acme/app:pull"]);
    let list =
        |warden: &Portwarden, access: &str| curl(warden).bearer(access).get("/v2/acme/app/tags/list").status;

    warden.reload(|_| with_robot(&registry, &[old.entry(""), new.entry("")], ""));
    let of_new = token_exchange::token(&warden, new.user(), &["repository:acme/app:pull"]);
    assert_eq!(
        (list(&warden, &of_old), list(&warden, &of_new)),
        (404, 404),
        "the registry has no such repository"
    );
    log_in(&warden, old.user()).is(200);

    warden.reload(|_| with_robot(&registry, &[new.entry("")], ""));
    assert_eq!((list(&warden, &of_old), list(&warden, &of_new)), (401, 404));
    log_in(&warden, old.user()).is(401);
    log_in(&warden, new.user()).is(200);
}

#[test]
fn rule_41_what_was_issued_for_a_robots_token_ends_with_its_line_and_its_ceiling() {
    let (registry, ci, other) = (registry(), Made::new(), Made::new());
    let begin = || with_robot(&registry, &[ci.entry("")], "");
    let mut warden = begin().start();
    let access = token_exchange::token(&warden, ci.user(), &["repository:acme/app:pull"]);
    let list = |warden: &Portwarden| curl(warden).bearer(&access).get("/v2/acme/app/tags/list");
    list(&warden).is(404);

    for (what, rest) in [
        ("a scope", ", scopes: [\"repository:other/*:pull\"]"),
        ("no scope", ", scopes: []"),
        ("a push only", ", scopes: [\"repository:acme/app:push\"]"),
    ] {
        warden.reload(|_| with_robot(&registry, &[ci.entry("")], rest));
        assert_eq!(
            list(&warden).denial(),
            format!("account '{CI}' may not pull from repository acme/app"),
            "{what}"
        );
        warden.reload(|_| begin());
        list(&warden).is(404);
    }
    warden.reload(|_| with_robot(&registry, &[ci.entry("")], ", ip: [\"192.0.2.0/24\"]"));
    assert!(
        list(&warden).is(401).text().contains("may not be used from this address"),
        "{:?}",
        list(&warden)
    );
    for (what, tokens) in [
        ("its line", vec![other.entry("")]),
        ("all lines", vec![]),
        ("its day", vec![ci.entry(", expires: 2001-01-01")]),
    ] {
        warden.reload(|_| with_robot(&registry, &tokens, ""));
        assert!(
            list(&warden).is(401).header("www-authenticate").unwrap().contains("invalid_token"),
            "{what}"
        );
        warden.reload(|_| begin());
        list(&warden).is(404);
    }
    warden.reload(|_| portwarden(&registry).users(&[ADMIN]).acl(ACL));
    list(&warden).is(401);
    warden.reload(|_| portwarden(&registry).users(&[User { name: CI, password: "a user now" }]).acl(ACL));
    list(&warden).is(401);
}

#[test]
fn rule_41_a_robot_signs_in_from_its_addresses_only_and_until_its_last_day() {
    let (registry, ci) = (registry(), Made::new());
    let mut warden = with_robot(&registry, &[ci.entry("")], ", ip: [\"10.0.0.0/8\", \"127.0.0.1\"]").start();
    log_in(&warden, ci.user()).is(200);

    warden.reload(|_| with_robot(&registry, &[ci.entry("")], ", ip: [\"10.0.0.0/8\"]"));
    let elsewhere = format!("robot '{CI}' may not sign in from 127.0.0.1");
    assert!(log_in(&warden, ci.user()).is(401).text().contains(&elsewhere));
    let on_v2 = curl(&warden).user(ci.user()).get("/v2/").is(401);
    assert!(on_v2.text().contains(&elsewhere) && on_v2.header("www-authenticate").is_some(), "{on_v2:?}");

    warden.reload(|_| with_robot(&registry, &[ci.entry(", expires: 2001-02-03")], ""));
    let ended = format!("the token of robot '{CI}' expired at the end of 2001-02-03 (UTC)");
    for _ in 0..20 {
        assert!(log_in(&warden, ci.user()).is(401).text().contains(&ended), "a right secret is no guess");
    }
    let stranger = Made::new();
    assert!(!log_in(&warden, stranger.user()).text().contains("2001"), "only the holder learns of it");
    for reason in [&elsewhere, &ended] {
        let fields = [("source", "robots"), ("decision", "unauthenticated"), ("reason", reason.as_str())];
        let line = audit::line_with(&warden.file("audit.log"), &fields);
        assert_eq!(line["robot_token"], *ci.id, "a stolen token is seen: {line}");
    }
}

#[test]
fn rule_41_robots_and_their_tokens_are_shown_to_no_back_end() {
    let (registry, ci, other) = (registry(), Made::new(), Made::new());
    let scripts = tempfile::tempdir().unwrap();
    let (script, asked) = (scripts.path().join("accounts"), scripts.path().join("asked"));
    fs::write(&script, format!("#!/bin/sh\ncat >>'{}'\nexit 2\n", asked.display())).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let command = format!("ext_auth: {{command: {}}}", script.display());
    let warden = with_robot(&registry, &[ci.entry("")], "").with(&command).start();
    let mistyped: &'static str = format!("{}0", &ci.token[..87]).leak();
    let quoted: &'static str = format!("\"{}\"", ci.token).leak();
    let upper: &'static str = ci.token.to_ascii_uppercase().leak();
    for user in [
        ci.user(),
        other.user(),
        ci.user_named("stranger"),
        User { name: "stranger", password: mistyped },
        User { name: "stranger", password: "pwt_" },
        User { name: "another", password: quoted },
        User { name: "a third", password: upper },
        User { name: quoted, password: "no token" },
        User { name: "CI-Deploy", password: "no token" },
        User { name: " ci-deploy", password: "no token" },
        User { name: CI, password: "no token" },
        User { name: ci.token, password: CI },
        User { name: ci.token, password: "" },
        User { name: "", password: other.token },
    ] {
        log_in(&warden, user);
    }
    assert!(!asked.exists(), "{}", fs::read_to_string(&asked).unwrap_or_default());
    log_in(&warden, User { name: "stranger", password: "no token" }).is(401);
    assert_eq!(fs::read_to_string(&asked).unwrap(), "stranger no token", "other names are asked about");
}

#[test]
fn rule_16_no_robot_token_reaches_a_log_and_the_audit_log_names_it() {
    let (registry, ci, other) = (registry(), Made::new(), Made::new());
    let warden = with_robot(&registry, &[ci.entry(", comment: \"cluster A\"")], "").start();
    let access = token_exchange::token(&warden, ci.user(), &["repository:acme/app:pull"]);
    curl(&warden).bearer(&access).get("/v2/acme/app/tags/list").is(404);
    log_in(&warden, other.user()).is(401);
    let mistyped: &'static str = ci.token.replace(&ci.token[20..22], "zz").leak();
    let said = log_in(&warden, User { name: CI, password: mistyped }).is(401).text();
    assert!(said.contains("typing error"), "{said}");
    log_in(&warden, User { name: ci.token, password: CI }).is(401);
    curl(&warden).user(User { name: ci.token, password: "x" }).get("/v2/").is(401);
    curl(&warden).user(User { name: ci.token, password: "x" }).get("/auth?account=ci").is(400);
    curl(&warden).user(USER).get(&format!("/auth?account={}", ci.token)).is(400);

    let file = warden.file("audit.log");
    for fields in [
        [("event", "token"), ("credentials", "robot_token")],
        [("event", "transfer"), ("credentials", "token")],
    ] {
        let line = audit::line_with(&file, &[&fields[..], &[("source", "robots")]].concat());
        let found = ["account", "robot_token", "token_comment"]
            .map(|field| line[field].as_str().unwrap_or_default().to_owned());
        assert_eq!(found, [CI, &ci.id, "cluster A"], "{line}");
    }
    audit::line_with(&file, &[("account", "pwt_***"), ("decision", "unauthenticated")]);
    let logs = warden.log() + &fs::read_to_string(file).unwrap();
    for secret in [&ci.token[16..80], &other.token[16..80], &mistyped[22..80], &ci.token[80..], ci.token] {
        assert!(!logs.contains(secret), "{logs}");
    }
}

#[test]
fn rule_41_wrong_robot_tokens_count_as_wrong_passwords_whether_or_not_the_robot_exists() {
    let (registry, ci) = (registry(), Made::new());
    let answers_to = |name: &'static str| {
        let warden = with_robot(&registry, &[ci.entry("")], "").start();
        let guess = || log_in(&warden, Made::new().user_named(name));
        let mut told = Vec::new();
        while told.len() < 50 && told.last().is_none_or(|(status, _)| *status == 401) {
            let answer = guess();
            told.push((answer.status, answer.text().replace(name, "NAME")));
        }
        assert_eq!(told.last().unwrap().0, 429, "{told:?}");
        log_in(&warden, ci.user()).is(200);
        told
    };
    // Between two guesses of a busy machine a wait may be over: then one more is free.
    let mut last = None;
    let is_same = eventually(PATIENCE, || {
        let answers = (answers_to(CI), answers_to("unknown"));
        let is_same = answers.0 == answers.1;
        last = Some(answers);
        is_same
    });
    assert!(is_same, "the answers tell which robot exists: {last:?}");
}

#[test]
fn robots_stay_out_of_the_web_pages() {
    let (registry, ci) = (registry(), Made::new());
    let warden = with_robot(&registry, &[ci.entry("")], "").start();
    let mut visitor = Visitor::new(&warden);
    let answer = visitor.sign_in(ci.user(), "/");
    assert!(
        answer.status == 403 && answer.text().contains("Robots and tokens do not sign in here"),
        "{}",
        answer.text()
    );
    assert_eq!(visitor.cookie, None);
    let page = curl(&warden).user(ci.user()).header("Accept: text/html").get("/-/access").is(403);
    assert!(page.text().contains("Robots and tokens do not sign in to the web pages"), "{}", page.text());
}

#[test]
fn a_robot_gets_a_refresh_token_where_accounts_do_and_it_ends_with_the_line() {
    let (registry, ci, other) = (registry(), Made::new(), Made::new());
    let offline = format!("/auth?service={SERVICE}&offline_token=true&scope=repository:acme/app:pull");
    let mut warden = with_robot(&registry, &[other.entry(""), ci.entry("")], SCOPES).start();
    let ask = |warden: &Portwarden| curl(warden).user(ci.user()).get(&offline).is(200).json();
    assert!(ask(&warden).get("refresh_token").is_none());

    let refreshing = |tokens: &[String], rest: &str| {
        with_robot(&registry, tokens, rest).with_token("refresh_tokens", "true")
    };
    warden.reload(|_| refreshing(&[other.entry(""), ci.entry("")], SCOPES));
    let refresh = ask(&warden)["refresh_token"].as_str().unwrap().to_owned();
    let form = format!(
        "grant_type=refresh_token&refresh_token={refresh}&service={SERVICE}&scope=repository:acme/app:push,delete"
    );
    let buy = |warden: &Portwarden| curl(warden).option(&["--data", &form]).send("POST", "/auth");
    let bought = buy(&warden).is(200).json();
    assert_eq!(bought["scope"], "repository:acme/app:push");
    let claims = token_exchange::claims(bought["access_token"].as_str().unwrap());
    assert_eq!(claims["robot_token"], ci.id.as_str(), "it is tied to the token that it was bought with");

    warden.reload(|_| refreshing(&[ci.entry(", expires: 2001-01-01")], SCOPES));
    buy(&warden).is(401);
    warden.reload(|_| refreshing(&[ci.entry("")], ", ip: [\"192.0.2.1\"]"));
    buy(&warden).is(401);
    warden.reload(|_| refreshing(&[other.entry("")], SCOPES));
    buy(&warden).is(401);
}

#[test]
fn a_line_is_removed_in_the_file_and_the_next_request_is_refused() {
    let (registry, ci) = (registry(), Made::new());
    let warden = with_robot(&registry, &[ci.entry("")], "").start();
    log_in(&warden, ci.user()).is(200);
    let file = warden.file("portwarden.yml");
    let text = fs::read_to_string(&file).unwrap().replace(&ci.entry(""), "");
    fs::write(&file, text).unwrap();
    let ended = eventually(PATIENCE, || log_in(&warden, ci.user()).status == 401);
    assert!(ended, "{}", warden.log());
    warden.says("the robot has no token");
}
