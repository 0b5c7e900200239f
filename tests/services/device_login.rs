//! `portwarden login`, and the device authorization behind it (RFC 8628): a program asks, a person answers on a page, and
//! docker's configuration has a token. The table of codes is tested beside it, in `src/proxy/auth/device/tests.rs`.
//!
//! Needs: curl, docker-registry, htpasswd, skopeo.

use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::Path,
};

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{
    audit::{self, line_with},
    command::{self, Output},
    curl::{Response, curl},
    device_login::{Codes, Login, PAGE, answer, answer_with, begin, error, poll, send},
    distribution::push_image,
    metrics,
    page_client::Visitor,
    personal_tokens,
    portwarden::{ADMIN, Builder, Portwarden, TEST2, USER, User, portwarden, program},
    registry::{Registry, registry},
    skopeo::skopeo,
    token_exchange,
};

const STATE: &str = "state: {file: ./state.db}\ncontrol: {socket: ./control.sock}\n";

fn with_state(registry: &Registry) -> Builder {
    portwarden(registry).with(STATE).with(audit::TO_FILE)
}

fn home() -> TempDir {
    tempfile::Builder::new().prefix("portwarden-docker-config-").tempdir().unwrap()
}

/// A command of portwarden with docker's configuration in `home`.
fn run(warden: &Portwarden, home: &Path, command: &str, args: &[&str]) -> Output {
    let (url, authority) = (warden.url(), warden.authority_file());
    let args = [&[command, &url, "--ca-certificate", authority.to_str().unwrap()], args].concat();
    command::run(&program(), &args, &[("DOCKER_CONFIG", home.to_str().unwrap())])
}

/// The account and password that docker would send.
fn stored(home: &Path, host: &str) -> Option<User> {
    let config: Value = serde_json::from_slice(&fs::read(home.join("config.json")).unwrap()).unwrap();
    let auth = config["auths"][host]["auth"].as_str()?;
    let pair = String::from_utf8(BASE64.decode(auth).unwrap()).unwrap();
    let (name, password) = pair.split_once(':').unwrap();
    Some(User { name: name.to_owned().leak(), password: password.to_owned().leak() })
}

/// The token in an answer.
#[track_caller]
fn token_in(answer: Response, account: &'static str) -> User {
    let told = answer.is(200).json();
    assert_eq!((&told["username"], &told["token_type"]), (&json!(account), &json!("Basic")), "{told}");
    User { name: account, password: told["access_token"].as_str().unwrap().to_owned().leak() }
}

fn log_in(warden: &Portwarden, user: User) -> u16 {
    token_exchange::ask(warden, Some(user), &[]).status
}

#[test]
fn a_login_in_a_browser_is_one_of_docker_and_skopeo_until_it_is_ended() {
    let (registry, home) = (registry(), home());
    let warden = with_state(&registry).start();
    push_image(&curl(&warden).user(ADMIN), "team/app", "1");
    fs::write(home.path().join("config.json"), r#"{"auths":{"other.example":{}},"psFormat":"x"}"#).unwrap();
    let login =
        Login::start(&warden, home.path(), &["--scope", "repository:team/*:push,pull", "--lifetime", "14d"]);
    let code = login.code();
    let visitor = Visitor::signed_in(&warden, TEST2);
    let page = visitor.get(&format!("{PAGE}?user_code={code}")).is(200).text();
    for shown in [
        code.as_str(),
        "<dd><code>127.0.0.1</code></dd>",
        "value=\"portwarden login on ",
        "value=\"team/*\"",
        "<option value=\"push\" selected>",
        "<option value=\"14\" selected>14 days</option>",
    ] {
        assert!(page.contains(shown), "{shown}: {page}");
    }
    assert!(!page.contains("This is another address than yours"));
    let done = answer_with(&visitor, &code, "allow", ("laptop", "team/*", "push", "14")).is(200).text();
    assert!(done.contains("Go back to the program"), "{done}");
    let said = login.end().succeeds().says("logged in to").says("as test2: repository:team/*:pull,push");
    let user = stored(home.path(), &warden.host()).unwrap();
    assert!(
        user.name == "test2" && user.password.starts_with("pwt_") && !said.text().contains(user.password)
    );
    let config = home.path().join("config.json");
    assert_eq!(fs::metadata(&config).unwrap().permissions().mode() & 0o777, 0o600);
    let text = fs::read_to_string(&config).unwrap();
    assert!(text.contains("other.example") && text.contains("psFormat"), "{text}");

    skopeo(&warden, ADMIN).login_by(&config).succeeds();
    skopeo(&warden, user).inspect("team/app:1").succeeds();
    curl(&warden).user(user).get("/v2/other/app/tags/list").is(401);
    assert!(visitor.get(personal_tokens::PAGE).is(200).text().contains("laptop"));

    run(&warden, home.path(), "logout", &[]).succeeds().says("the token is revoked");
    assert_eq!((log_in(&warden, user), stored(home.path(), &warden.host()).is_none()), (401, true));
    run(&warden, home.path(), "logout", &[]).fails().says("there is no login of");
    let reason = line_with(&warden.file("audit.log"), &[("event", "revocation"), ("account", "test2")]);
    assert_eq!(reason["reason"], "revoked by its holder");
}

#[test]
fn the_token_is_printed_alone_and_no_file_is_written() {
    let (registry, home) = (registry(), home());
    let warden = with_state(&registry).start();
    let login = Login::start(&warden, home.path(), &["--print"]);
    let visitor = Visitor::signed_in(&warden, USER);
    // As people type it.
    let typed = login.code().replace('-', " ").to_lowercase();
    answer(&visitor, &typed, "allow").is(200);
    let said = login.end().succeeds();
    let token = said.stdout.strip_suffix('\n').unwrap().to_owned().leak();
    assert!(said.stderr.contains("the password of the account user: all repositories: pull"), "{said:?}");
    assert_eq!(log_in(&warden, User { name: "user", password: token }), 200);
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0);
}

#[test]
fn what_cannot_be_stored_is_refused_before_a_person_is_asked() {
    let (registry, home) = (registry(), home());
    let warden = with_state(&registry).with("metrics: {addr: \"127.0.0.1:0\"}\n").start();
    let config = home.path().join("config.json");
    let helper = format!(r#"{{"credHelpers":{{"{}":"pass"}}}}"#, warden.host());
    for (text, says) in [
        (r#"{"credsStore":"desktop"}"#, "docker-credential-desktop (credsStore)"),
        (&helper, "docker-credential-pass (credHelpers)"),
        (r#"{"credsStore":"#, "expected the JSON of docker's configuration"),
    ] {
        fs::write(&config, text).unwrap();
        run(&warden, home.path(), "login", &[]).fails().says(says);
        run(&warden, home.path(), "logout", &[]).fails().says(says);
        assert_eq!(fs::read_to_string(&config).unwrap(), text);
    }
    fs::rename(&config, home.path().join("other.json")).unwrap();
    symlink(home.path().join("other.json"), &config).unwrap();
    run(&warden, home.path(), "login", &[]).fails().says("expected a file, found a link");
    for (args, says) in [
        (&["--scope", "registry:catalog"][..], "is no scope"),
        (&["--lifetime", "1h"], "expected whole days"),
        (&["--comment", ""], "expected 1 to 100 printable characters"),
    ] {
        run(&warden, home.path(), "login", args).fails().says(says);
    }
    assert_eq!(metrics::value(&warden, "portwarden_device_logins_total{outcome=\"begun\"}"), Some(0.0));
    let refused = ["--print", "--scope", "repository:a:pull", "--scope", "repository:b:push,pull"];
    run(&warden, home.path(), "login", &refused).fails().says("all with the same actions");
}

#[test]
fn a_login_that_is_refused_or_that_the_registry_does_not_know_says_so() {
    let (registry, home) = (registry(), home());
    let mut warden = with_state(&registry).start();
    let login = Login::start(&warden, home.path(), &[]);
    answer(&Visitor::signed_in(&warden, USER), &login.code(), "refuse").is(200);
    login.end().fails().says("a person has refused it; run portwarden login again");
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0);
    for off in [
        "personal_tokens: {device_login: false}\n",
        "personal_tokens: {enabled: false}\n",
        "ui: {enabled: false}\n",
    ] {
        warden.reload(|_| with_state(&registry).with(off));
        run(&warden, home.path(), "login", &[]).fails().says("make one on its page /-/tokens");
    }
}

/// RFC 8628 section 3.5, and RFC 6749 section 5.2.
#[test]
fn rfc8628_a_program_is_told_how_its_request_stands() {
    let registry = registry();
    let warden = with_state(&registry).start();
    let told = send(&warden, "code", &[("client_id", "x")]).is(200);
    assert_eq!((told.header("cache-control"), told.header("pragma")), (Some("no-store"), Some("no-cache")));
    let told = told.json();
    let page = format!("{}{PAGE}", warden.url());
    assert_eq!(told["verification_uri"], json!(page));
    let code = told["user_code"].as_str().unwrap();
    assert_eq!(told["verification_uri_complete"], json!(format!("{page}?user_code={code}")));
    assert_eq!((&told["expires_in"], &told["interval"]), (&json!(600), &json!(5)));

    let codes = begin(&warden, &[]);
    assert_eq!(error(&poll(&warden, &codes).is(400)), "authorization_pending");
    assert_eq!(error(&poll(&warden, &codes).is(400)), "slow_down");
    let visitor = Visitor::signed_in(&warden, USER);
    answer(&visitor, &codes.user, "allow").is(200);
    let user = token_in(poll(&warden, &codes), "user");
    assert_eq!(log_in(&warden, user), 200);
    assert_eq!(error(&poll(&warden, &codes).is(400)), "invalid_grant", "a code works once");
    let refused = begin(&warden, &[]);
    answer(&visitor, &refused.user, "refuse").is(200);
    assert_eq!(error(&poll(&warden, &refused).is(400)), "access_denied");
    assert_eq!(error(&poll(&warden, &refused).is(400)), "invalid_grant");
    let of_user_code = Codes { device: codes.user.clone(), ..codes };
    assert_eq!(error(&poll(&warden, &of_user_code).is(400)), "invalid_grant");

    let grant = "urn:ietf:params:oauth:grant-type:device_code";
    let token = [("grant_type", grant), ("client_id", "x"), ("device_code", "y")];
    for (endpoint, fields, code) in [
        ("code", &[][..], "invalid_request"),
        ("code", &[("client_id", "x"), ("client_id", "y")], "invalid_request"),
        ("code", &[("client_id", "x"), ("days", "many")], "invalid_request"),
        ("code", &[("client_id", "x"), ("host_name", "a\u{1b}[2J")], "invalid_request"),
        ("code", &[("client_id", "x"), ("host_name", &"x".repeat(64))], "invalid_request"),
        ("code", &[("client_id", "x"), ("comment", &"x".repeat(101))], "invalid_request"),
        ("code", &[("client_id", "x"), ("scope", "repository:team/${account}:pull")], "invalid_scope"),
        ("code", &[("client_id", "x"), ("scope", &"repository:a:pull ".repeat(21))], "invalid_scope"),
        ("token", &token[..2], "invalid_request"),
        ("token", &[token[0], token[2]], "invalid_request"),
        ("token", &[("grant_type", "password"), token[1], token[2]], "unsupported_grant_type"),
        ("token", &token, "invalid_grant"),
        ("revoke", &[("token", "hunter2"), ("username", "user")], "unsupported_token_type"),
    ] {
        assert_eq!(error(&send(&warden, endpoint, fields).is(400)), code, "{endpoint} {fields:?}");
    }
    for endpoint in ["code", "token", "revoke"] {
        curl(&warden).get(&format!("{PAGE}/{endpoint}")).is(405);
    }
}

/// The trap of RFC 8628 section 5.4: a thief starts a login, and sends its link to a person who is signed in.
#[test]
fn rule_65_a_link_and_a_form_of_another_site_allow_nothing() {
    let registry = registry();
    let warden = with_state(&registry).start();
    let codes = begin(&warden, &[]);
    let visitor = Visitor::signed_in(&warden, USER);
    let link = format!("{PAGE}?user_code={}", codes.user);
    visitor.get(&link).is(200);
    visitor.get(&format!("{link}&decision=allow&comment=x&access=pull&days=1")).is(200);
    let anonymous = Visitor::new(&warden).get(&link).is(303);
    let location = anonymous.header("location").unwrap();
    assert!(location.starts_with("/-/sign-in?next="), "{location}");

    let (csrf, other) = (visitor.csrf(), Visitor::signed_in(&warden, TEST2).csrf());
    let fields = |csrf| {
        [
            ("csrf", csrf),
            ("user_code", codes.user.as_str()),
            ("decision", "allow"),
            ("comment", "x"),
            ("repositories", ""),
            ("access", "delete"),
            ("days", "1"),
        ]
    };
    visitor.post(PAGE, &fields("")).is(403);
    visitor.post(PAGE, &fields(&other)).is(403);
    visitor.post_from(&["Origin: https://evil.example"], PAGE, &fields(&csrf)).is(403);
    visitor.post_from(&["Sec-Fetch-Site: cross-site"], PAGE, &fields(&csrf)).is(403);
    Visitor::new(&warden).post(PAGE, &fields(&csrf)).is(303);
    curl(&warden).user(USER).body(b"user_code=x").send("POST", PAGE).is(403);
    let mut unclear = fields(&csrf);
    unclear[2].1 = "";
    visitor.post(PAGE, &unclear).is(400);
    assert_eq!(error(&poll(&warden, &codes).is(400)), "authorization_pending", "nothing was allowed");
    // Pages of other sites do not begin logins, either.
    for endpoint in ["code", "token", "revoke"] {
        let foreign = curl(&warden).header("Origin: https://evil.example").body(b"client_id=x");
        let refused = foreign.send("POST", &format!("{PAGE}/{endpoint}")).is(403);
        assert_eq!(refused.header("access-control-allow-origin"), None);
    }
    visitor.post(PAGE, &fields(&csrf)).is(200);
    token_in(poll(&warden, &codes), "user");
}

#[test]
fn rule_65_a_person_is_told_who_asks_and_decides_what_it_gets() {
    let registry = registry();
    let warden = with_state(&registry).with_server("trusted_proxies", "[127.0.0.1/32]").start();
    let hostile = "<script>alert(1)</script>\" onload=\"x";
    let wanted = [
        ("client_id", "x"),
        ("host_name", hostile),
        ("comment", hostile),
        ("scope", "repository:/.*/:pull,push,delete"),
        ("days", "999999"),
    ];
    let all: Vec<String> = wanted
        .iter()
        .flat_map(|(name, value)| ["--data-urlencode".to_owned(), format!("{name}={value}")])
        .collect();
    let from = curl(&warden).header("X-Forwarded-For: 198.51.100.7").header("X-Forwarded-Proto: https");
    let options: Vec<&str> = all.iter().map(String::as_str).collect();
    let told = from.option(&options).send("POST", &format!("{PAGE}/code")).is(200).json();
    let text = |key: &str| told[key].as_str().unwrap().to_owned();
    let codes = Codes { device: text("device_code"), user: text("user_code") };
    let visitor = Visitor::signed_in(&warden, USER);
    let page = visitor.get(&format!("{PAGE}?user_code={}", codes.user)).is(200).text();
    assert!(page.contains("198.51.100.7") && page.contains("This is another address than yours"), "{page}");
    assert!(!page.contains("<script>alert") && !page.contains("\" onload=\""), "{page}");
    assert!(page.contains("<option value=\"90\" selected>"), "not longer than the longest: {page}");
    let refused = answer_with(&visitor, &codes.user, "allow", ("x", "", "pull", "91")).is(400).text();
    assert!(refused.contains("Choose a lifetime of 1 to 90 days"), "{refused}");
    answer_with(&visitor, &codes.user, "allow", ("mine", "team/*", "pull", "1")).is(200);
    let answered = poll(&warden, &codes).is(200).json();
    assert_eq!(answered["scope"], json!("repository:team/*:pull"));
    let log = warden.file("audit.log");
    let line = line_with(&log, &[("event", "device_login"), ("account", "user"), ("source", "users")]);
    let said = line["reason"].as_str().unwrap();
    assert!(
        said.starts_with("allowed the login of a program on ") && said.ends_with("198.51.100.7"),
        "{said}"
    );
    let made = line_with(&log, &[("event", "personal_token"), ("token_comment", "mine")]);
    assert!(made["reason"].as_str().unwrap().starts_with("made for portwarden login on "), "{made}");
}

#[test]
fn rule_65_a_code_ends_with_what_vouches_for_the_person() {
    let registry = registry();
    let mut warden = with_state(&registry).start();
    let allowed = |warden: &Portwarden, user| {
        let codes = begin(warden, &[]);
        answer(&Visitor::signed_in(warden, user), &codes.user, "allow").is(200);
        codes
    };
    let denied = |warden: &Portwarden, codes: &Codes, why: &str| {
        let told = poll(warden, codes).is(400);
        assert_eq!(error(&told), "access_denied", "{why}");
        assert_eq!(error(&poll(warden, codes).is(400)), "invalid_grant", "{why}");
        let socket = warden.file("control.sock");
        let list = ["token", "list", "--socket", socket.to_str().unwrap()];
        command::run(&program(), &list, &[]).succeeds().does_not_say("(\"a test\")");
    };
    let codes = allowed(&warden, USER);
    warden.reload(|builder| builder.users(&[ADMIN, TEST2]));
    denied(&warden, &codes, "the account is gone");
    warden.reload(|_| with_state(&registry));
    let codes = allowed(&warden, USER);
    warden.reload(|builder| builder.users(&[ADMIN, User { name: "user", password: "another" }]));
    denied(&warden, &codes, "its password is another");
    warden.reload(|_| with_state(&registry));
    let codes = allowed(&warden, USER);
    let socket = warden.file("control.sock");
    let revoke = ["revoke", "--account", "USER", "--socket", socket.to_str().unwrap()];
    command::run(&program(), &revoke, &[]).succeeds();
    denied(&warden, &codes, "the account was revoked");
    line_with(&warden.file("audit.log"), &[("event", "device_login"), ("account", "user")]);
    for off in ["personal_tokens: {enabled: false}\n", "personal_tokens: {device_login: false}\n"] {
        let codes = allowed(&warden, USER);
        warden.reload(|_| with_state(&registry).with(off));
        poll(&warden, &codes).is(404);
        Visitor::signed_in(&warden, USER).get(PAGE).is(404);
        warden.reload(|_| with_state(&registry));
    }
    token_in(poll(&warden, &allowed(&warden, USER)), "user");
    // Of what was not allowed yet, a restart remembers nothing.
    let codes = begin(&warden, &[]);
    warden.crash_and_restart();
    assert_eq!(error(&poll(&warden, &codes).is(400)), "invalid_grant");
}

/// A person that has allowed it by mistake, and signs out.
#[test]
fn rule_65_a_code_ends_with_the_session_in_which_it_was_allowed() {
    let registry = registry();
    let warden = with_state(&registry).start();
    let codes = begin(&warden, &[]);
    let (visitor, again) = (Visitor::signed_in(&warden, USER), Visitor::signed_in(&warden, USER));
    answer(&visitor, &codes.user, "allow").is(200);
    visitor.post("/-/sign-out", &[("csrf", &visitor.csrf())]).is(303);
    assert_eq!(error(&poll(&warden, &codes).is(400)), "access_denied");
    assert_eq!(error(&poll(&warden, &codes).is(400)), "invalid_grant");
    line_with(&warden.file("audit.log"), &[("event", "device_login"), ("account", "user")]);
    // The other session goes on.
    let codes = begin(&warden, &[]);
    answer(&again, &codes.user, "allow").is(200);
    token_in(poll(&warden, &codes), "user");
}

#[test]
fn rule_65_wrong_codes_are_typed_at_a_bounded_rate() {
    let registry = registry();
    let warden = with_state(&registry).start();
    let codes = begin(&warden, &[]);
    let (guesser, person) = (Visitor::signed_in(&warden, TEST2), Visitor::signed_in(&warden, USER));
    for guess in 0..10 {
        let typed = if guess % 2 == 0 { "BBBB-BBBB" } else { "nonsense" };
        guesser.get(&format!("{PAGE}?user_code={typed}")).is(404);
    }
    let told = guesser.get(&format!("{PAGE}?user_code={}", codes.user)).is(429);
    assert!(told.header("retry-after").is_some());
    answer(&guesser, &codes.user, "allow").is(429);
    answer(&person, &codes.user, "allow").is(200);
    token_in(poll(&warden, &codes), "user");
}

#[test]
fn rule_65_an_address_holds_a_bounded_number_of_codes() {
    let registry = registry();
    let warden = with_state(&registry).with("metrics: {addr: \"127.0.0.1:0\"}\n").start();
    for _ in 0..32 {
        begin(&warden, &[]);
    }
    let refused = send(&warden, "code", &[("client_id", "x")]).is(503);
    assert_eq!(
        (error(&refused).as_str(), refused.header("retry-after")),
        ("temporarily_unavailable", Some("60"))
    );
    let count = |name: &str| metrics::value(&warden, name);
    assert_eq!(count("portwarden_device_logins_total{outcome=\"begun\"}"), Some(32.0));
    assert_eq!(count("portwarden_limited_total{limit=\"device_logins\"}"), Some(1.0));
}

#[test]
fn rule_65_an_account_that_may_have_no_more_tokens_allows_no_program() {
    let registry = registry();
    let warden = with_state(&registry).with("personal_tokens: {per_account: 1}\n").start();
    let visitor = Visitor::signed_in(&warden, USER);
    let (first, second) = (begin(&warden, &[]), begin(&warden, &[]));
    answer(&visitor, &first.user, "allow").is(200);
    // Both are allowed before one is fetched.
    answer(&visitor, &second.user, "allow").is(200);
    let user = token_in(poll(&warden, &first), "user");
    let told = poll(&warden, &second).is(400);
    assert_eq!(error(&told), "access_denied");
    assert!(told.text().contains("this account has as many tokens as it may (1)"), "{}", told.text());
    let third = begin(&warden, &[]);
    let refused = answer(&visitor, &third.user, "allow").is(409).text();
    assert!(refused.contains("This account has as many tokens as it may (1)"), "{refused}");
    // A token, a robot and a password in the request are no person in a session.
    curl(&warden).user(user).get(PAGE).is(403);
    curl(&warden).user(USER).get(PAGE).is(403);
    assert_eq!(error(&poll(&warden, &third).is(400)), "authorization_pending");
}

#[test]
fn rule_65_a_holder_revokes_its_own_token_and_no_other() {
    let registry = registry();
    let warden = with_state(&registry).start();
    let visitor = Visitor::signed_in(&warden, USER);
    let [one, other] = ["a/*", "b/*"].map(|names| personal_tokens::make(&visitor, USER, names, "pull"));
    let revoke = |token: &str, account| send(&warden, "revoke", &[("token", token), ("username", account)]);
    let mistyped = one.token.replace(&one.token[20..22], "zz");
    revoke(&mistyped, "user").is(200);
    revoke(one.token, "admin").is(200);
    assert_eq!([log_in(&warden, one.user()), log_in(&warden, other.user())], [200, 200]);
    revoke(one.token, "user").is(200);
    revoke(one.token, "user").is(200);
    assert_eq!([log_in(&warden, one.user()), log_in(&warden, other.user())], [401, 200]);
}

#[test]
fn rule_16_no_code_and_no_token_of_a_login_reaches_a_log() {
    let registry = registry();
    let warden = with_state(&registry).start();
    let codes = begin(&warden, &[("host_name", "laptop")]);
    let visitor = Visitor::signed_in(&warden, USER);
    visitor.get(&format!("{PAGE}?user_code={}", codes.user)).is(200);
    answer(&visitor, &codes.user, "allow").is(200);
    let user = token_in(poll(&warden, &codes), "user");
    line_with(&warden.file("audit.log"), &[("event", "personal_token"), ("account", "user")]);
    let logs = warden.log() + &fs::read_to_string(warden.file("audit.log")).unwrap();
    let secrets = [codes.device.as_str(), codes.user.as_str(), user.password, &user.password[16..80]];
    assert!(secrets.iter().all(|secret| !logs.contains(secret)), "{logs}");
}
