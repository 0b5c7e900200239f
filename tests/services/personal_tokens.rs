//! Personal tokens in front of a real registry: made and revoked on their page, shown by clients, and ended by whatever
//! has to end them. The table behind them is tested beside it, in `src/state/personal_tokens/tests.rs`.
//!
//! Needs: curl, docker-registry, faketime, htpasswd, skopeo.

use std::{fs, os::unix::fs::PermissionsExt as _, path::PathBuf};

use tempfile::TempDir;

use crate::support::{
    audit::{self, line_with},
    clock::Clock,
    command::{self, Output},
    curl::{Response, curl},
    distribution::{MANIFEST, push_image, start_upload},
    image::Image,
    metrics,
    page_client::Visitor,
    personal_tokens::{MadeToken, PAGE, ask_for, make, revoke},
    portwarden::{ADMIN, Builder, Portwarden, TEST2, USER, User, portwarden, program},
    process::{PATIENCE, eventually},
    registry::{Registry, registry},
    robots::{CI, Made},
    skopeo::skopeo,
    token_exchange::{self, claims},
};

/// The state, the control socket and the audit log, each a file beside the configuration.
const STATE: &str = "state: {file: ./state.db}\ncontrol: {socket: ./control.sock}\n";
/// An account that the command of `ext_auth` knows.
const LENA: User = User { name: "lena", password: "any" };

fn with_state(registry: &Registry) -> Builder {
    portwarden(registry).with(STATE).with(audit::TO_FILE)
}

/// `portwarden revoke`, `token list`, ….
fn control(warden: &Portwarden, args: &[&str]) -> Output {
    let socket = warden.file("control.sock");
    command::run(&program(), &[args, &["--socket", socket.to_str().unwrap()]].concat(), &[])
}

fn log_in(warden: &Portwarden, user: User) -> Response {
    token_exchange::ask(warden, Some(user), &[])
}

/// The statuses of a login with a token, and of a request with what was issued for it.
fn statuses(warden: &Portwarden, made: &MadeToken, access: &str) -> [u16; 2] {
    let list = curl(warden).bearer(access).get("/v2/team/app/tags/list").status;
    [log_in(warden, made.user()).status, if list == 404 { 200 } else { list }]
}

fn access(warden: &Portwarden, made: &MadeToken) -> String {
    token_exchange::token(warden, made.user(), &["repository:team/app:pull"])
}

#[test]
fn rule_62_a_token_opens_what_its_scope_and_the_rules_allow_and_nothing_else() {
    let registry = registry();
    let warden = with_state(&registry).start();
    for repository in ["team/app", "team/lib", "other/app"] {
        push_image(&curl(&warden).user(ADMIN), repository, "1");
    }
    let made = make(&Visitor::signed_in(&warden, TEST2), TEST2, "team/*", "delete");
    curl(&warden).user(made.user()).get("/v2/").is(200);
    let list = |repository: &str| curl(&warden).user(made.user()).get(&format!("/v2/{repository}/tags/list"));
    list("team/app").is(200);
    assert_eq!(list("other/app").denial(), "account 'test2' may not pull from repository other/app");
    curl(&warden).user(TEST2).get("/v2/other/app/tags/list").is(200);

    let ask = |scopes: &[&str]| token_exchange::token(&warden, made.user(), scopes);
    let token =
        ask(&["repository:team/app:pull,push,delete", "repository:other/app:pull", "registry:catalog:*"]);
    let told = claims(&token);
    assert_eq!((&told["sub"], &told["personal_token"]), (&"test2".into(), &made.id.as_str().into()));
    assert!(told.get("pwd").is_none() && told.get("labels").is_none(), "{told}");
    let granted: Vec<Vec<String>> = told["access"]
        .as_array()
        .unwrap()
        .iter()
        .map(|scope| serde_json::from_value(scope["actions"].clone()).unwrap())
        .collect();
    let expected: [&[&str]; 3] = [&["pull", "push"], &[], &[]];
    assert_eq!(granted, expected.map(|actions| actions.iter().map(|a| (*a).to_owned()).collect::<Vec<_>>()));
    curl(&warden).bearer(&token).get("/v2/team/app/tags/list").is(200);
    curl(&warden).bearer(&token).get("/v2/other/app/tags/list").is(401);
    let names = curl(&warden).bearer(&token).get("/v2/_catalog").is(200).json();
    assert_eq!(names["repositories"], serde_json::json!(["team/app", "team/lib"]));

    let skopeo = skopeo(&warden, made.user());
    let image = Image::random(1, 2_000).archive("any/image:2");
    skopeo.push(image.path(), "team/app:2").succeeds();
    skopeo.inspect("team/app:2").succeeds();
    skopeo.push(image.path(), "other/app:2").fails();
    skopeo.delete("team/app:2").fails();
}

/// A narrow token is not let in because a wide one, or the password, was allowed the same a moment before.
#[test]
fn rule_62_a_scope_that_was_pulled_by_another_token_stays_shut() {
    let registry = registry();
    let rules = "\n  - match: {account: admin}\n    actions: ['*']\n  - match: {account: user, tag: 'pub-*'}\n    actions: [pull]\n";
    let warden = with_state(&registry).acl(rules).start();
    let digest = push_image(&curl(&warden).user(ADMIN), "team/app", "pub-1");
    let visitor = Visitor::signed_in(&warden, USER);
    let (wide, narrow) = (make(&visitor, USER, "", "pull"), make(&visitor, USER, "other/*", "pull"));
    let accept = format!("Accept: {MANIFEST}");
    for path in [format!("/v2/team/app/manifests/{digest}"), "/v2/team/app/manifests/pub-1".to_owned()] {
        let get = |user: User| curl(&warden).user(user).header(&accept).get(&path).status;
        assert_eq!(
            [get(USER), get(wide.user()), get(narrow.user()), get(wide.user())],
            [200, 200, 401, 200],
            "{path}"
        );
    }
}

#[test]
fn rule_62_a_token_ends_with_its_account_and_outlives_a_changed_password() {
    let registry = registry();
    let mut warden = with_state(&registry).start();
    let made = make(&Visitor::signed_in(&warden, USER), USER, "", "pull");
    let issued = access(&warden, &made);
    assert_eq!(statuses(&warden, &made, &issued), [200, 200]);
    let others = |users: &'static [User]| move |builder: Builder| builder.users(users);
    warden.reload(others(&[ADMIN, User { name: "user", password: "another" }]));
    assert_eq!(statuses(&warden, &made, &issued), [200, 200]);
    warden.reload(others(&[ADMIN, TEST2]));
    assert_eq!(statuses(&warden, &made, &issued), [401, 401]);
    let told = log_in(&warden, made.user()).text();
    assert!(told.contains("account 'user' of this personal token is no longer there"), "{told}");
    let fields = [("decision", "unauthenticated"), ("personal_token", made.id.as_str())];
    assert_eq!(line_with(&warden.file("audit.log"), &fields)["account"], "user");
    for off in ["personal_tokens: {enabled: false}\n", "ui: {enabled: false}\n"] {
        warden.reload(|builder| builder.users(&[ADMIN, USER]));
        assert_eq!(statuses(&warden, &made, &issued), [200, 200]);
        warden.reload(|builder| builder.users(&[ADMIN, USER]).with(off));
        assert_eq!(statuses(&warden, &made, &issued), [401, 401], "{off}");
        warden.reload(|_| with_state(&registry));
    }
    warden.reload(|_| {
        with_state(&registry)
            .users(&[ADMIN])
            .with(&format!("robots: {{user: {{tokens: [{}]}}}}\n", Made::new().entry("")))
    });
    assert_eq!(statuses(&warden, &made, &issued), [401, 401], "the name is a robot's now");
}

#[test]
fn rule_62_a_revocation_ends_tokens_and_a_restart_brings_none_back() {
    let registry = registry();
    let mut warden = with_state(&registry).start();
    let visitor = Visitor::signed_in(&warden, USER);
    let [by_page, by_id, by_account] = ["a/*", "b/*", ""].map(|names| make(&visitor, USER, names, "pull"));
    let other = make(&Visitor::signed_in(&warden, ADMIN), ADMIN, "", "pull");
    let issued = access(&warden, &by_account);
    revoke(&visitor, &by_page.id).is(303);
    control(&warden, &["revoke", "--token", &by_id.id]).succeeds().says("of account \"user\"");
    control(&warden, &["revoke", "--token", &by_id.id]).fails().says("nor has an account");
    let after = |warden: &Portwarden, counts: u16| {
        assert_eq!(log_in(warden, by_page.user()).status, 401);
        assert_eq!(log_in(warden, by_id.user()).status, 401);
        assert_eq!(statuses(warden, &by_account, &issued), [counts, counts]);
        assert_eq!(log_in(warden, other.user()).status, 200);
    };
    after(&warden, 200);
    warden.crash_and_restart();
    after(&warden, 200);
    control(&warden, &["revoke", "--account", "USER"]).succeeds();
    after(&warden, 401);
    warden.crash_and_restart();
    after(&warden, 401);
    control(&warden, &["token", "list", "--account", "user"]).succeeds().does_not_say("personal token");
    control(&warden, &["revoke", "--all-sessions"]).succeeds();
    assert_eq!(log_in(&warden, other.user()).status, 401);
    let log = warden.file("audit.log");
    let fields = [("event", "revocation"), ("source", "users"), ("personal_token", by_page.id.as_str())];
    assert_eq!(line_with(&log, &fields)["reason"], "revoked by its account");
    line_with(&log, &[("event", "revocation"), ("account", "user"), ("personal_token", &by_id.id)]);
    let last = make(&Visitor::signed_in(&warden, ADMIN), ADMIN, "", "pull");
    log_in(&warden, last.user()).is(200);
    fs::remove_file(warden.file("state.db")).unwrap();
    warden.crash_and_restart();
    log_in(&warden, last.user()).is(401);
}

#[test]
fn rule_62_a_token_ends_with_its_day_and_with_the_longest_lifetime_of_now() {
    let (registry, clock) = (registry(), Clock::right());
    let mut warden = clock.of(with_state(&registry)).start();
    let visitor = Visitor::signed_in(&warden, USER);
    let (short, long) = (make(&visitor, USER, "", "pull"), {
        ask_for(&visitor, ("long", "", "pull", "90")).is(200);
        ask_for(&visitor, ("too long", "", "pull", "91")).is(400);
        let page = ask_for(&visitor, ("long", "", "pull", "30")).is(200).text();
        let token = page.split_once("data-copy=\"pwt_").unwrap().1.split('"').next().unwrap().to_owned();
        User { name: "user", password: format!("pwt_{token}").leak() }
    });
    let issued = access(&warden, &short);
    // Five minutes before its end, which is less than an access token has otherwise.
    clock.set("+86100s");
    assert_eq!(log_in(&warden, short.user()).status, 200);
    let near = access(&warden, &short);
    let left = claims(&near)["exp"].as_i64().unwrap() - claims(&near)["iat"].as_i64().unwrap();
    assert!(left <= 300, "no token outlasts it: {left}");
    clock.set("+25h");
    assert_eq!(statuses(&warden, &short, &issued), [401, 401]);
    let told = log_in(&warden, short.user()).text();
    assert!(told.contains("has expired; make another on the page /-/tokens"), "{told}");
    assert_eq!(log_in(&warden, long).status, 200);
    warden.reload(|builder| builder.with("personal_tokens: {lifetime: 24h}\n"));
    assert_eq!(log_in(&warden, long).status, 401, "the longest lifetime of now");
}

#[test]
fn rule_62_no_token_no_robot_and_no_other_page_makes_a_token() {
    let (registry, ci) = (registry(), Made::new());
    let robots = format!("robots: {{{CI}: {{tokens: [{}]}}}}\n", ci.entry(""));
    let warden = with_state(&registry).with(&robots).start();
    let visitor = Visitor::signed_in(&warden, USER);
    let made = make(&visitor, USER, "", "delete");
    for user in [made.user(), ci.user()] {
        let mut with_token = Visitor::new(&warden);
        assert_eq!(with_token.sign_in(user, "/").status, 403);
        assert_eq!(with_token.cookie, None);
        curl(&warden).user(user).get(PAGE).is(403);
        curl(&warden).user(user).body(b"comment=x").send("POST", PAGE).is(403);
        curl(&warden).bearer(&token_exchange::token(&warden, user, &[])).get(PAGE).is(401);
    }
    // A password that comes with the request can only look elsewhere.
    curl(&warden).user(USER).get(PAGE).is(403);
    Visitor::new(&warden).get(PAGE).is(303);
    let fields = [("comment", "x"), ("repositories", ""), ("access", "pull"), ("days", "1")];
    visitor.post(PAGE, &fields).is(403);
    let csrf = visitor.csrf();
    let forged = Visitor::signed_in(&warden, TEST2).csrf();
    let with_csrf = |csrf: &'static str| [&fields[..], &[("csrf", csrf)]].concat();
    let (csrf, forged): (&'static str, &'static str) = (csrf.leak(), forged.leak());
    visitor.post(PAGE, &with_csrf(forged)).is(403);
    visitor.post_from(&["Origin: https://evil.example"], PAGE, &with_csrf(csrf)).is(403);
    visitor.post_from(&["Sec-Fetch-Site: cross-site"], PAGE, &with_csrf(csrf)).is(403);
    assert_eq!(visitor.get(PAGE).text().matches("value=\"revoke\"").count(), 0);
    assert_eq!(rows(&visitor), 1, "none of these made one");
    visitor.post(PAGE, &with_csrf(csrf)).is(200);
    assert_eq!(rows(&visitor), 2);
}

/// The number of tokens on the page.
fn rows(visitor: &Visitor<'_>) -> usize {
    visitor.get(PAGE).is(200).text().matches("name=\"revoke\"").count()
}

#[test]
fn rule_62_a_visitor_sees_and_revokes_its_own_tokens_only() {
    let registry = registry();
    const SPELLED: User = User { name: "User", password: "another" };
    let warden = with_state(&registry).users(&[ADMIN, USER, SPELLED]).start();
    let (user, admin) = (Visitor::signed_in(&warden, USER), Visitor::signed_in(&warden, ADMIN));
    let spelled = Visitor::signed_in(&warden, SPELLED);
    let made = make(&user, USER, "", "pull");
    let hostile = "<script>alert(1)</script>\" onload=\"x";
    ask_for(&user, (hostile, "", "pull", "7")).is(200);
    let page = user.get(PAGE).text();
    assert!(page.contains("&lt;script&gt;alert(1)") && !page.contains("<script>alert"), "{page}");
    assert!(!page.contains("\" onload=\""), "{page}");
    assert!(!page.contains(made.token) && !page.contains(&made.token[16..80]), "it is shown once");
    assert_eq!((rows(&user), rows(&admin), rows(&spelled)), (2, 0, 0));
    revoke(&spelled, &made.id).is(404);
    assert!(!admin.get(PAGE).text().contains(&made.id));
    revoke(&admin, &made.id).is(404);
    revoke(&admin, "000000000000").is(404);
    log_in(&warden, made.user()).is(200);
    log_in(&warden, made.user_named("admin")).is(401);
    log_in(&warden, made.user_named("User")).is(401);
    assert!(user.get(PAGE).text().contains("just now"), "the last use");
}

/// A link from elsewhere may say so, and its owner would let a token live that has leaked.
#[test]
fn rule_62_the_page_calls_no_token_revoked_that_is_in_force() {
    let registry = registry();
    let warden = with_state(&registry).start();
    let visitor = Visitor::signed_in(&warden, USER);
    let made = make(&visitor, USER, "", "pull");
    let says_so = |id: &str| {
        let page = visitor.get(&format!("{PAGE}?revoked={id}")).is(200).text();
        page.contains("is revoked. What it was used for")
    };
    assert!(!says_so(&made.id), "it is in force");
    for no_id in ["", "x", "your%20password", "0000000000000"] {
        assert!(!says_so(no_id), "{no_id}");
    }
    let revoked = revoke(&visitor, &made.id).is(303);
    assert_eq!(revoked.header("location"), Some(&*format!("{PAGE}?revoked={}", made.id)));
    assert!(says_so(&made.id));
}

#[test]
fn rule_62_an_account_has_a_bounded_number_and_a_form_is_read_strictly() {
    let registry = registry();
    let warden = with_state(&registry).with("personal_tokens: {per_account: 2}\n").start();
    let visitor = Visitor::signed_in(&warden, USER);
    let long = "x".repeat(101);
    let many = "a ".repeat(21);
    let leaked = Made::new().token;
    for (wish, says) in [
        (("", "", "pull", "1"), "Say in 1 to 100 characters"),
        ((long.as_str(), "", "pull", "1"), "Say in 1 to 100 characters"),
        (("a\u{1}b", "", "pull", "1"), "Say in 1 to 100 characters"),
        (("x", "", "admin", "1"), "Choose what the token may be used for"),
        (("x", "", "pull", "0"), "Choose a lifetime of 1 to 90 days"),
        (("x", "", "pull", "-1"), "Choose a lifetime"),
        (("x", many.as_str(), "pull", "1"), "Name at most 20 repositories"),
        (("x", "team[", "pull", "1"), "is a malformed glob"),
        (("x", "/team.*/", "pull", "1"), "is no name of a repository"),
        (("x", "${account}/*", "pull", "1"), "is no name of a repository"),
        ((leaked, "", "pull", "1"), "It may have leaked"),
    ] {
        let page = ask_for(&visitor, wish).is(400).text();
        assert!(page.contains(says) && !page.contains(leaked), "{wish:?}: {page}");
    }
    assert_eq!(rows(&visitor), 0);
    let first = make(&visitor, USER, "team/app host.example:5000/x", "pull");
    make(&visitor, USER, "", "pull");
    let refused = ask_for(&visitor, ("one more", "team/*", "push", "7")).is(409).text();
    assert!(refused.contains("This account has as many tokens as it may (2)"), "{refused}");
    assert!(refused.contains("value=\"one more\""), "what was typed stays: {refused}");
    revoke(&visitor, &first.id).is(303);
    make(&visitor, USER, "", "pull");
}

#[test]
fn rule_62_an_address_makes_tokens_at_a_bounded_rate() {
    let registry = registry();
    let warden = with_state(&registry).with("limits: {token_requests: 1}\n").start();
    let visitor = Visitor::signed_in(&warden, USER);
    let csrf = visitor.csrf();
    // Refused as a form, and counted all the same: half a minute's worth is free.
    let send = || visitor.post(PAGE, &[("csrf", csrf.as_str()), ("comment", "")]).status;
    let mut sent = 0;
    let refused = eventually(PATIENCE, || {
        sent += 1;
        send() == 429
    });
    assert!(refused && sent > 20, "{sent}");
    assert_eq!(visitor.get(PAGE).status, 200, "looking is free");
}

/// A command that knows `lena`, in a number of groups that the test sets, and writes each question down.
struct Command(TempDir);

impl Command {
    fn new(groups: usize) -> Self {
        let command = Self(tempfile::tempdir().unwrap());
        let groups: Vec<String> = (0..groups).map(|n| format!("\"team-{n}\"")).collect();
        let text = format!(
            "#!/bin/sh\nread u p; echo \"$u $p\" >>'{}'\ncase \"$u\" in lena|-lena) ;; *) exit 2;; esac\n[ \"$p\" = any ] || exit 1\n\
             echo '{{\"labels\":{{\"group\":[{}]}}}}'\n",
            command.asked().display(),
            groups.join(",")
        );
        let script = command.0.path().join("accounts");
        fs::write(&script, text).unwrap();
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
        command
    }

    fn asked(&self) -> PathBuf {
        self.0.path().join("asked")
    }

    fn section(&self) -> String {
        format!("ext_auth: {{command: {}}}\n", self.0.path().join("accounts").display())
    }
}

#[test]
fn rule_62_an_account_that_cannot_be_asked_is_as_it_was_for_a_shorter_time() {
    let registry = registry();
    let rules = "\n  - match: {account: admin}\n    actions: ['*']\n  - match: {labels: {group: team-1}, name: 'team/*'}\n    actions: [pull]\n";
    // Few labels, and more than fit into a token.
    for groups in [2, 200] {
        let command = Command::new(groups);
        let mut warden = with_state(&registry).acl(rules).with(&command.section()).start();
        let visitor = Visitor::signed_in(&warden, LENA);
        let refused = ask_for(&visitor, ("x", "", "pull", "8")).is(400).text();
        assert!(refused.contains("Choose a lifetime of 1 to 7 days"), "{refused}");
        let made = make(&visitor, LENA, "", "pull");
        fs::remove_file(command.asked()).unwrap();
        let issued = access(&warden, &made);
        assert_eq!(statuses(&warden, &made, &issued), [200, 200], "with its labels");
        let last = if made.token.ends_with('0') { "1" } else { "0" };
        let mistyped: &'static str = format!("{}{last}", &made.token[..87]).leak();
        let quoted: &'static str = format!("'{}'", made.token).leak();
        for user in [
            User { name: "lena", password: mistyped },
            User { name: "lena", password: quoted },
            User { name: "stranger", password: made.token },
            User { name: "lena", password: Made::new().token },
        ] {
            log_in(&warden, user).is(401);
        }
        assert!(!command.asked().exists(), "no back end sees a token");
        warden.crash_and_restart();
        assert_eq!(statuses(&warden, &made, &issued), [200, 200]);
        warden.reload(|_| with_state(&registry).acl(rules));
        assert_eq!(statuses(&warden, &made, &issued), [401, 401], "no section vouches for it");
        warden.reload(|_| with_state(&registry).acl(rules).with(&command.section()).users(&[ADMIN, LENA]));
        assert_eq!(statuses(&warden, &made, &issued), [401, 401], "the name is of `users` now");
    }
}

#[test]
fn rule_62_a_token_buys_no_refresh_token_and_no_session() {
    let registry = registry();
    let warden = with_state(&registry).with_token("refresh_tokens", "true").start();
    let made = make(&Visitor::signed_in(&warden, USER), USER, "a/*", "pull");
    let ask = |user: User| {
        let target = "/auth?service=registry.test&offline_token=true&scope=repository:a/b:pull";
        curl(&warden).user(user).get(target).is(200).json()
    };
    assert!(ask(USER).get("refresh_token").is_some());
    assert!(ask(made.user()).get("refresh_token").is_none(), "it would outlast the scope");
}

/// An upload goes on with the rights of the token of now.
#[test]
fn rule_62_an_upload_ends_with_the_token() {
    let registry = registry();
    let warden = with_state(&registry).start();
    let visitor = Visitor::signed_in(&warden, TEST2);
    let made = make(&visitor, TEST2, "team/*", "push");
    let token = token_exchange::token(&warden, made.user(), &["repository:team/app:pull,push"]);
    let location = start_upload(&curl(&warden).bearer(&token), "team/app");
    revoke(&visitor, &made.id).is(303);
    let path = location.strip_prefix(&warden.url()).unwrap_or(&location).to_owned();
    curl(&warden).bearer(&token).body(b"x").send("PATCH", &path).is(401);
}

#[test]
fn rule_16_no_personal_token_reaches_a_log_and_the_audit_log_names_it() {
    let registry = registry();
    let warden = with_state(&registry).with("metrics: {addr: \"127.0.0.1:0\"}\n").start();
    let visitor = Visitor::signed_in(&warden, USER);
    let made = make(&visitor, USER, "team/*", "pull");
    let issued = access(&warden, &made);
    curl(&warden).bearer(&issued).get("/v2/team/app/tags/list").is(404);
    curl(&warden).user(made.user()).get("/v2/other/app/tags/list").is(401);
    let mistyped: &'static str = made.token.replace(&made.token[20..22], "zz").leak();
    let told = log_in(&warden, User { name: "user", password: mistyped }).is(401).text();
    assert!(told.contains("the token has a typing error"), "{told}");
    assert_eq!(metrics::value(&warden, "portwarden_personal_tokens"), Some(1.0));
    assert_eq!(
        metrics::value(&warden, "portwarden_personal_token_changes_total{outcome=\"made\"}"),
        Some(1.0)
    );
    revoke(&visitor, &made.id).is(303);
    let file = warden.file("audit.log");
    let id = ("personal_token", made.id.as_str());
    let line = line_with(&file, &[("event", "personal_token"), ("account", "user"), id]);
    assert!(line["reason"].as_str().unwrap().starts_with("made, until 20"), "{line}");
    assert_eq!(
        (&line["token_comment"], &line["granted"][0]),
        (&"a test".into(), &"repository:team/*:pull".into())
    );
    for fields in [
        [("event", "token"), ("credentials", "personal_token"), ("source", "users"), id],
        [("event", "transfer"), ("credentials", "token"), ("source", "users"), id],
        [("decision", "denied"), ("credentials", "personal_token"), ("source", "users"), id],
        [("event", "revocation"), ("account", "user"), ("source", "users"), id],
    ] {
        line_with(&file, &fields);
    }
    let denied = line_with(&file, &[("decision", "denied"), id]);
    assert_eq!(denied["rule"], "the scopes of the personal token");
    let logs = warden.log() + &fs::read_to_string(file).unwrap();
    for secret in [&made.token[16..80], &made.token[80..], &mistyped[22..80]] {
        assert!(!logs.contains(secret), "{logs}");
    }
    let state = fs::read(warden.file("state.db")).unwrap();
    assert!(!String::from_utf8_lossy(&state).contains(&made.token[16..80]), "nor the state file");
}

#[test]
fn the_commands_list_and_revoke_what_people_made() {
    const HYPHEN: User = User { name: "-lena", password: "any" };
    let (registry, command) = (registry(), Command::new(1));
    let warden = with_state(&registry).with(&command.section()).start();
    let (user, hyphen) = (Visitor::signed_in(&warden, USER), Visitor::signed_in(&warden, HYPHEN));
    let (made, other) = (make(&user, USER, "team/*", "push"), make(&hyphen, HYPHEN, "", "pull"));
    log_in(&warden, made.user()).is(200);
    let listed = control(&warden, &["token", "list"]).succeeds().text();
    let of = |id: &str| listed.lines().find(|line| line.contains(id)).unwrap_or_else(|| panic!("{listed}"));
    assert!(
        of(&made.id).contains("of \"user\" (\"a test\"): repository:team/*:pull,push, until 20"),
        "{listed}"
    );
    assert!(of(&made.id).contains(", used 20") && of(&other.id).contains("never used"), "{listed}");
    let of_hyphen = control(&warden, &["token", "list", "--account=-lena"]).succeeds();
    of_hyphen.says(&other.id).does_not_say(&made.id);
    let json = control(&warden, &["token", "list", "--account", "user", "--json"]).succeeds().stdout;
    let json: serde_json::Value = serde_json::from_str(json.trim()).unwrap();
    assert_eq!((&json["token"], &json["in_force"]), (&made.id.as_str().into(), &true.into()), "{json}");
    assert_eq!(json["scopes"], serde_json::json!(["repository:team/*:pull,push"]));
    let revoked = control(&warden, &["revoke", "--token", &made.id, "--json"]).succeeds().stdout;
    let revoked: serde_json::Value = serde_json::from_str(revoked.trim()).unwrap();
    assert_eq!((&revoked["revoked"], &revoked["account"]), (&"token".into(), &"user".into()), "{revoked}");
    log_in(&warden, made.user()).is(401);
    control(&warden, &["revoke", "--account=-lena"]).succeeds();
    log_in(&warden, other.user()).is(401);
    control(&warden, &["revoke", "--token", made.token]).fails().says("give its id");
}

#[test]
fn without_a_state_file_there_is_no_page_and_no_token() {
    let registry = registry();
    let warden = portwarden(&registry).start();
    let visitor = Visitor::signed_in(&warden, USER);
    visitor.get(PAGE).is(404);
    assert!(!visitor.get("/").text().contains(PAGE));
    visitor.post(PAGE, &[("csrf", &visitor.csrf()), ("comment", "x")]).is(404);
    log_in(&warden, User { name: "user", password: Made::new().token }).is(401);
}
