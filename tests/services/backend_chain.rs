//! The chain of authenticators and authorizers over the wire: the order in which they are asked, the effect of an
//! answer, and the handling of a missing one. The back ends here are commands; each other kind has a test file of its
//! own.
//!
//! Needs: no other program.

use std::{
    fs,
    io::Write as _,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{
    backoff::guesses_in_a_row,
    in_process::{InProcess, in_process},
    raw::{self, Response, Sink, exchange, request},
    waiting::{PATIENCE, eventually},
};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

const SERVER: &str = r#"
server: {addr: ":0"}
token: {issuer: Acme auth server, expiration: 900, certificate: "@CERT@", key: "@KEY@"}
"#;

/// The password is `badmin`.
const USERS: &str = "
users:
  local: {password: \"$2y$05$LO.vzwpWC5LZGqThvEfznu8qhb5SGqvBSWY1J3yZ4AxtMRZ3kN5jC\"}
";

const ACL: &str = r#"
acl:
  - {match: {account: local}, actions: ["*"]}
  - {match: {name: "${labels:team}/*"}, actions: [pull]}
  - {match: {name: "frozen/*"}, actions: [], comment: nobody touches these}
"#;

/// A Portwarden with back ends, and the files of its commands.
struct Scene {
    portwarden: InProcess,
    registry: Sink,
    commands: TempDir,
}

impl Scene {
    /// `ext_auth` runs this shell script, which finds name and password in `$u` and `$p`.
    fn with_accounts(script: &str) -> Self {
        Self::new(&[("ext_auth", &format!("read u p; {script}"))], "")
    }

    /// `ext_authz` runs this shell script, which finds the question in `$q`.
    fn with_rules(script: &str) -> Self {
        Self::new(&[("ext_authz", &format!("read q; {script}"))], "")
    }

    /// `ext_auth` runs this shell script, and these are the rules besides the one of `in_process`.
    fn with_acl(rules: &str, script: &str) -> Self {
        let scene = Self::with_accounts(script);
        scene.set_acl(rules, &[("ext_auth", script)]);
        scene
    }

    /// Puts other rules in force, and these commands.
    fn set_acl(&self, rules: &str, sections: &[(&str, &str)]) {
        let commands: String =
            sections.iter().map(|(section, script)| command(section, script, self.commands.path())).collect();
        let acl = format!("acl:\n  - {{match: {{account: local}}, actions: [\"*\"]}}\n{rules}");
        self.portwarden.reload(&format!("{SERVER}{USERS}{acl}{commands}"));
    }

    fn new(sections: &[(&str, &str)], rest: &str) -> Self {
        let commands = tempfile::tempdir().unwrap();
        let sections: String =
            sections.iter().map(|(section, script)| command(section, script, commands.path())).collect();
        let registry = raw::sink(OK);
        let portwarden = in_process(&format!("{SERVER}{USERS}{ACL}{sections}{rest}"), &registry.url());
        Self { portwarden, registry, commands }
    }

    fn ask(&self, method: &str, target: &str, headers: &str) -> Response {
        exchange(self.portwarden.address, &request(method, target, headers)).expect("an answer")
    }

    /// With Basic.
    fn ask_as(&self, account: &str, password: &str, target: &str) -> Response {
        self.ask("GET", target, &basic(account, password))
    }

    /// Returns the status of the token endpoint for a request without scopes.
    fn log_in(&self, account: &str, password: &str) -> u16 {
        self.ask_as(account, password, "/auth?service=Docker%20registry").status
    }

    fn token(&self, account: &str, password: &str, query: &str) -> Value {
        let response = self.ask_as(account, password, &format!("/auth?service=Docker%20registry&{query}"));
        assert_eq!(response.status, 200, "{response:?}");
        serde_json::from_str(&response.text()).unwrap()
    }

    fn with_token(&self, token: &Value, target: &str) -> Response {
        self.ask("GET", target, &format!("Authorization: Bearer {}\r\n", token["token"].as_str().unwrap()))
    }

    /// Returns the number of runs of the command of the section.
    fn runs(&self, section: &str) -> usize {
        fs::read_to_string(runs_file(section, self.commands.path())).map_or(0, |runs| runs.lines().count())
    }
}

fn basic(account: &str, password: &str) -> String {
    format!("Authorization: Basic {}\r\n", STANDARD.encode(format!("{account}:{password}")))
}

fn runs_file(section: &str, directory: &Path) -> PathBuf {
    directory.join(format!("{section}.runs"))
}

/// A section whose command writes down that it runs, and then does as the script says.
fn command(section: &str, script: &str, directory: &Path) -> String {
    let file = directory.join(section);
    let runs = runs_file(section, directory);
    fs::write(&file, format!("echo run >> {}\n{script}\n", runs.display())).unwrap();
    format!("{section}: {{command: /bin/sh, args: [\"{}\"]}}\n", file.display())
}

#[test]
fn who_is_in_users_is_decided_there() {
    let scene = Scene::with_accounts("exit 0");
    assert_eq!(scene.log_in("local", "wrong"), 401, "a wrong password stops");
    assert_eq!(scene.log_in("local", "badmin"), 200);
    assert_eq!(scene.runs("ext_auth"), 0, "the command does not hear of them");
    assert_eq!(scene.log_in("remote", "anything"), 200);
    assert_eq!(scene.runs("ext_auth"), 1);
}

#[test]
fn labels_of_a_back_end_open_what_the_rules_say() {
    let scene =
        Scene::with_accounts(r#"[ "$p" = right ] || exit 1; printf '{"labels":{"team":["dev","ops"]}}'"#);
    let token = scene.token("remote", "right", "scope=repository:dev/app:pull,push");
    assert_eq!(scene.with_token(&token, "/v2/dev/app/tags/list").status, 200);
    assert_eq!(scene.with_token(&token, "/v2/ops/app/tags/list").status, 401, "the token does not list it");
    assert_eq!(scene.ask_as("remote", "right", "/v2/ops/app/tags/list").status, 200, "the password does");
    assert_eq!(scene.ask_as("remote", "right", "/v2/web/app/tags/list").status, 401);
    assert_eq!(scene.ask_as("remote", "wrong", "/v2/ops/app/tags/list").status, 401);
    assert_eq!(scene.registry.take().len(), 2);
}

#[test]
fn a_right_answer_is_remembered_and_a_wrong_one_is_not() {
    let scene = Scene::with_accounts(r#"[ "$p" = right ]"#);
    for _ in 0..5 {
        assert_eq!(scene.log_in("remote", "right"), 200);
    }
    assert_eq!(scene.runs("ext_auth"), 1);
    assert_eq!([scene.log_in("remote", "wrong"), scene.log_in("remote", "wrong")], [401, 401]);
    assert_eq!(scene.runs("ext_auth"), 3);
}

#[test]
fn rule_19_guessing_backs_off_in_front_of_a_back_end_too() {
    let attempt = |scene: &Scene, n| scene.log_in("remote", &format!("wrong{n}"));
    let (scene, statuses) = guesses_in_a_row(|| Scene::with_accounts("exit 1"), 6, attempt);
    assert_eq!(statuses, [401, 401, 401, 401, 429, 429]);
    assert_eq!(scene.runs("ext_auth"), 4);
}

/// An old password in a script asks a directory no more often than guesses may, and locks no account there.
#[test]
fn rule_37_the_same_wrong_password_asks_a_back_end_a_bounded_number_of_times() {
    let scene = Scene::with_accounts("exit 1");
    let began = Instant::now();
    assert!((0..150).all(|_| scene.log_in("remote", "old") == 401));
    let refilled = usize::try_from(began.elapsed().as_secs()).unwrap() / 5 + 1;
    assert!((61..=61 + refilled).contains(&scene.runs("ext_auth")), "{}", scene.runs("ext_auth"));
}

/// A directory takes `REMOTE` for `remote`: its spellings are not so many accounts to guess for.
#[test]
fn rule_19_guesses_in_other_spellings_count_together() {
    let scene = || Scene::with_accounts(r#"[ "$p" = right ] || exit 1"#);
    let names = ["remote", "REMOTE", "Remote", "rEMOTE", "ReMoTe", "remote"];
    let (_, statuses) = guesses_in_a_row(scene, names.len(), |scene, n| scene.log_in(names[n], "wrong"));
    assert_eq!(statuses, [401, 401, 401, 401, 429, 429]);
    // `users` compares byte by byte: an account in there is another one than the one the command knows by that name.
    // They count together all the same, and a login with the one name clears nothing of the other.
    let signed_in = || {
        let scene = scene();
        assert_eq!(scene.log_in("local", "badmin"), 200);
        scene
    };
    let names = ["LOCAL", "local", "Local", "lOCAL", "local", "LOCAL"];
    let attempt = |scene: &Scene, n: usize| match names.get(n) {
        Some(name) => scene.log_in(name, &format!("wrong{n}")),
        None => scene.log_in("Local", "right"),
    };
    let (scene, statuses) = guesses_in_a_row(signed_in, names.len() + 1, attempt);
    assert_eq!(statuses, [401, 401, 401, 401, 429, 429, 429]);
    thread::sleep(Duration::from_millis(1100));
    assert_eq!(scene.log_in("Local", "right"), 200);
    let began = Instant::now();
    assert_eq!(scene.log_in("LOCAL", "wrong6"), 401);
    let next = scene.log_in("LOCAL", "wrong7");
    assert!(next == 429 || began.elapsed() >= Duration::from_secs(2), "the second wait is longer: {next}");
}

#[test]
fn rule_21_a_back_end_that_fails_lets_nobody_in_and_holds_it_against_nobody() {
    let scene = Scene::with_accounts("exit 3");
    for _ in 0..8 {
        let response = scene.ask_as("remote", "x", "/auth?service=Docker%20registry");
        assert_eq!((response.status, response.header("retry-after").is_some()), (503, true), "{response:?}");
        assert!(!response.text().contains("ext_auth"), "which one is for the log: {}", response.text());
    }
    let direct = scene.ask_as("remote", "x", "/v2/dev/app/tags/list");
    assert_eq!((direct.status, direct.header("retry-after").is_some()), (503, true), "{direct:?}");
    assert_eq!(scene.log_in("local", "badmin"), 200);
    assert_eq!(scene.registry.take(), Vec::<String>::new());
}

/// While a back end is down, guesses are no failures: the memory of right passwords must not answer them for all that.
#[test]
fn rule_37_a_back_end_that_is_down_makes_no_oracle_of_the_memory() {
    let scene = Scene::with_accounts(r#"[ "$p" = right ] || exit 3"#);
    let owner = || {
        let mut stream = raw::connect_from(Ipv4Addr::new(127, 0, 0, 2), scene.portwarden.address);
        stream.write_all(&request("GET", "/auth", &basic("remote", "right"))).unwrap();
        raw::read_response(&mut stream).unwrap().status
    };
    assert_eq!(owner(), 200, "remembered from here on");
    let guesses: Vec<u16> = (0..150).map(|n| scene.log_in("remote", &n.to_string())).collect();
    assert!(
        guesses.contains(&429) && guesses.iter().all(|status| [503, 429].contains(status)),
        "{guesses:?}"
    );
    assert_eq!(scene.log_in("remote", "right"), 429, "it waits as the others do");
    assert_eq!(owner(), 200);
}

#[test]
fn a_back_end_that_hangs_does_not_stall_those_who_do_not_need_it() {
    let limits = "backends: {timeout: 12s, concurrent: 2, queue: 6}\n";
    let scene = Scene::new(&[("ext_auth", "sleep 600")], limits);
    let address = scene.portwarden.address;
    thread::scope(|scope| {
        let stalled: Vec<_> = (0..8)
            .map(|n| {
                // Of each two one shows what the other shows.
                let login = request("GET", "/auth?service=x", &basic(&format!("remote{}", n / 2), "x"));
                scope.spawn(move || exchange(address, &login).map(|response| response.status))
            })
            .collect();
        assert!(eventually(PATIENCE, || scene.runs("ext_auth") == 2), "nothing hangs");
        assert_eq!(scene.log_in("local", "badmin"), 200);
        assert_eq!(scene.ask_as("local", "badmin", "/v2/any/app/tags/list").status, 200);
        assert!(!stalled.iter().any(|stalled| stalled.is_finished()), "it waited for the end of the others");
        for thread in stalled {
            assert_eq!(thread.join().unwrap(), Some(503));
        }
    });
    // Two run, two wait, and get their turn at the moment when their own time is up.
    assert!((2..=4).contains(&scene.runs("ext_auth")), "{}", scene.runs("ext_auth"));
}

#[test]
fn rule_14_a_token_ends_with_the_section_that_vouched_for_it() {
    let scene = Scene::with_accounts(r#"printf '{"labels":{"team":["dev"]}}'"#);
    let token = scene.token("remote", "x", "scope=repository:dev/app:pull");
    let target = "/v2/dev/app/tags/list";
    assert_eq!(scene.with_token(&token, target).status, 200);
    let section = command("ext_auth", "exit 1", scene.commands.path());
    scene.portwarden.reload(&format!("{SERVER}{USERS}{ACL}{section}"));
    assert_eq!(scene.with_token(&token, target).status, 200, "valid until it expires");
    let taken = USERS.replace("local", "remote");
    scene.portwarden.reload(&format!("{SERVER}{taken}{ACL}{section}"));
    assert_eq!(scene.with_token(&token, target).status, 401, "users has the name now, and is asked first");
    scene.portwarden.reload(&format!("{SERVER}{USERS}{ACL}"));
    let refused = scene.with_token(&token, target);
    assert_eq!((refused.status, refused.challenge("error").as_deref()), (401, Some("invalid_token")));
}

const TEAM_AND_CITY: &str = r#"printf '{"labels":{"team":["dev","ops"],"city":["Ulm"]}}'"#;

/// The claims of an access token.
fn claims(token: &Value) -> Value {
    let part = token["token"].as_str().unwrap().split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

#[test]
fn a_token_carries_the_labels_that_rules_look_at() {
    for (rules, labels) in [
        ("", json!(null)),
        ("  - {match: {labels: {team: ops}}, actions: [pull]}\n", json!([["team", "ops"]])),
        ("  - {match: {labels: {team: qa}}, actions: [pull]}\n", json!([["team"]])),
        (
            "  - {match: {labels: {team: \"*\", city: \"U*\"}}, actions: []}\n",
            json!([["city", "Ulm"], ["team", "dev", "ops"]]),
        ),
        ("  - {match: {name: \"${labels:team}/*\"}, actions: [pull]}\n", json!([["team", "dev", "ops"]])),
    ] {
        let scene = Scene::with_acl(rules, TEAM_AND_CITY);
        assert_eq!(claims(&scene.token("remote", "x", ""))["labels"], labels, "{rules}");
    }
    let all = Scene::new(&[("ext_auth", TEAM_AND_CITY), ("ext_authz", "exit 0")], "");
    let told = json!([["city", "Ulm"], ["team", "dev", "ops"]]);
    assert_eq!(claims(&all.token("remote", "x", ""))["labels"], told, "the command is given all of them");
}

#[test]
fn rule_39_labels_that_a_token_left_out_are_never_taken_for_missing() {
    const OPEN: &str = "  - {match: {account: \"/.+/\"}, actions: [pull]}\n";
    let denied_by = |condition: &str| format!("  - {{match: {{{condition}}}, actions: []}}\n{OPEN}");
    let target = "/v2/any/app/tags/list";
    let scene = Scene::with_acl(&denied_by("labels: {team: qa}"), TEAM_AND_CITY);
    let token = scene.token("remote", "x", "scope=repository:any/app:pull");
    assert_eq!(scene.with_token(&token, target).status, 200);
    for (condition, then) in [
        ("labels: {city: \"*\"}", 401),
        ("labels: {team: dev}", 401),
        ("labels: {team: \"/^(dev|ops)$/\"}", 401),
        ("labels: {team: \"*\", city: Ulm}", 401),
        ("name: \"*/*\", labels: {team: \"${account}\"}", 200),
    ] {
        scene.set_acl(&denied_by(condition), &[("ext_auth", TEAM_AND_CITY)]);
        let refused = scene.with_token(&token, target);
        let error = refused.challenge("error");
        assert_eq!((refused.status, error.as_deref()), (401, Some("invalid_token")), "{condition}");
        let fresh = scene.token("remote", "x", "scope=repository:any/app:pull");
        assert_eq!(scene.with_token(&fresh, target).status, then, "{condition}");
        assert_eq!(scene.ask_as("remote", "x", target).status, then, "{condition}");
    }
    // A command sees all labels, so it decides by none that are not there.
    scene.set_acl("", &[("ext_auth", TEAM_AND_CITY), ("ext_authz", "exit 0")]);
    assert_eq!(scene.with_token(&token, target).status, 401);
    // Rules that look at nothing that was left out decide by the token as before.
    scene.set_acl(OPEN, &[("ext_auth", TEAM_AND_CITY)]);
    assert_eq!(scene.with_token(&token, target).status, 200);
    scene.set_acl(&denied_by("labels: {floor: \"3\"}"), &[("ext_auth", TEAM_AND_CITY)]);
    assert_eq!(scene.with_token(&token, target).status, 200, "the account has no such label");
}

#[test]
fn rule_20_what_a_back_end_said_is_forgotten_with_a_reload() {
    let scene = Scene::with_accounts("exit 0");
    assert_eq!(scene.log_in("remote", "x"), 200);
    let section = command("ext_auth", "exit 1", scene.commands.path());
    scene.portwarden.reload(&format!("{SERVER}{USERS}{ACL}{section}"));
    assert_eq!(scene.log_in("remote", "x"), 401);
}

/// Only the path of a script is in the configuration: after a change of its content, an operator reloads.
#[test]
fn rule_20_what_the_command_decided_is_forgotten_with_a_reload() {
    let scene = Scene::new(&[("ext_auth", "exit 0"), ("ext_authz", "exit 0")], "");
    let target = "/v2/open/app/tags/list";
    assert_eq!(scene.ask_as("remote", "x", target).status, 200);
    let sections = [("ext_auth", "exit 0"), ("ext_authz", "exit 1")];
    let sections = sections.map(|(section, script)| command(section, script, scene.commands.path())).concat();
    assert_eq!(scene.ask_as("remote", "x", target).status, 200, "remembered");
    scene.portwarden.reload(&format!("{SERVER}{USERS}{ACL}{sections}"));
    assert_eq!(scene.ask_as("remote", "x", target).status, 401);
}

#[test]
fn nobody_with_nothing_is_asked_about_once() {
    let open = Scene::with_accounts(r#"[ -z "$u" ] || exit 1; printf '{"labels":{"team":["open"]}}'"#);
    for _ in 0..3 {
        let response = open.ask("GET", "/auth?service=Docker%20registry&scope=repository:open/app:pull", "");
        assert_eq!(response.status, 200, "{response:?}");
        let token: Value = serde_json::from_str(&response.text()).unwrap();
        assert_eq!(open.with_token(&token, "/v2/open/app/tags/list").status, 200);
    }
    assert_eq!(open.runs("ext_auth"), 1);
    let shut = Scene::with_accounts("exit 1");
    for _ in 0..10 {
        assert_eq!(shut.ask("GET", "/auth?service=Docker%20registry", "").status, 401, "and never 429");
    }
    assert_eq!(shut.runs("ext_auth"), 1);
}

#[test]
fn an_account_of_a_back_end_gets_no_refresh_token() {
    let scene = Scene::with_accounts("exit 0");
    let section = command("ext_auth", "exit 0", scene.commands.path());
    let with_refresh_tokens = SERVER.replace("expiration: 900", "expiration: 900, refresh_tokens: true");
    scene.portwarden.reload(&format!("{with_refresh_tokens}{USERS}{ACL}{section}"));
    assert!(scene.token("local", "badmin", "offline_token=true")["refresh_token"].is_string());
    assert_eq!(scene.token("remote", "x", "offline_token=true")["refresh_token"], Value::Null);
}

#[test]
fn labels_that_no_token_can_carry_are_an_error_and_not_fewer_rights() {
    let many = "v=$(printf 'x%.0s' $(seq 1 1000)); printf '{\"labels\":{\"team\":['; \
                for n in $(seq 1 14); do printf '\"%s%s\",' $n $v; done; printf '\"dev\"]}}'";
    let scene = Scene::with_accounts(many);
    let response = scene.ask_as("remote", "x", "/auth?service=Docker%20registry");
    assert_eq!(response.status, 400, "{response:?}");
    assert!(response.text().contains("labels"), "{}", response.text());
    assert_eq!(scene.ask_as("remote", "x", "/v2/dev/app/tags/list").status, 200, "a password needs no token");
}

#[test]
fn the_command_decides_where_no_rule_matches() {
    let scene = Scene::with_rules(r#"case "$q" in *'"Name":"open/app"'*) exit 0;; esac; exit 1"#);
    assert_eq!(scene.ask_as("local", "badmin", "/v2/any/app/tags/list").status, 200);
    assert_eq!(scene.runs("ext_authz"), 0, "a rule matched");
    let scene = Scene::new(
        &[
            ("ext_auth", "exit 0"),
            ("ext_authz", r#"read q; case "$q" in *'"Name":"open/app"'*|*frozen*) exit 0;; esac; exit 1"#),
        ],
        "",
    );
    for _ in 0..3 {
        assert_eq!(scene.ask_as("remote", "x", "/v2/open/app/tags/list").status, 200);
    }
    assert_eq!(scene.runs("ext_authz"), 1, "an answer holds for a while");
    assert_eq!(scene.ask_as("remote", "x", "/v2/shut/app/tags/list").status, 401);
    assert_eq!(
        scene.ask_as("remote", "x", "/v2/frozen/app/tags/list").status,
        401,
        "a rule that grants nothing ends it"
    );
    assert_eq!(scene.runs("ext_authz"), 2);
}

#[test]
fn rule_21_an_authorizer_that_fails_grants_nothing() {
    let scene = Scene::new(&[("ext_auth", "exit 0"), ("ext_authz", "exit 2")], "");
    let direct = scene.ask_as("remote", "x", "/v2/open/app/tags/list");
    assert_eq!((direct.status, direct.header("retry-after").is_some()), (503, true), "{direct:?}");
    let token = scene.ask_as("remote", "x", "/auth?service=Docker%20registry&scope=repository:open/app:pull");
    assert_eq!((token.status, token.header("retry-after").is_some()), (503, true), "{token:?}");
    assert_eq!(scene.log_in("remote", "x"), 200, "who asks for nothing is not decided by it");
    assert_eq!(scene.registry.take(), Vec::<String>::new());
    assert_eq!(scene.ask_as("local", "badmin", "/v2/any/app/tags/list").status, 200);
}

#[test]
fn a_denial_says_by_which_rule_only_when_the_operator_wants_that() {
    let denied = |scene: &Scene, target: &str| {
        scene.ask_as("remote", "x", target).challenge("error_description").unwrap()
    };
    let scene = Scene::with_accounts("exit 0");
    let (frozen, other) = ("/v2/frozen/app/tags/list", "/v2/other/app/tags/list");
    assert_eq!(denied(&scene, frozen), "account 'remote' may not pull from repository frozen/app");
    assert_eq!(denied(&scene, other), "account 'remote' may not pull from repository other/app");
    let scene = Scene::new(&[("ext_auth", "exit 0")], "log: {explain_denials: true}\n");
    let line = format!("{SERVER}{USERS}{ACL}").lines().position(|line| line.contains("frozen")).unwrap() + 1;
    assert_eq!(
        denied(&scene, frozen),
        format!(
            "account 'remote' may not pull from repository frozen/app: rule 3, line {line} (nobody touches these)"
        )
    );
    assert_eq!(
        denied(&scene, other),
        "account 'remote' may not pull from repository other/app: no rule matches"
    );
}
