//! Several Portwardens that share a state in PostgreSQL: what one changes the others follow, and what happens while the
//! database is killed, stopped, cut off, lost or restored.
//!
//! Needs: curl, docker-registry, faketime, haproxy, htpasswd, postgresql.

mod demo;
mod device;
mod freeze;
mod passwords;
mod release;
mod rolling;
mod stores;

use std::{
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::support::{
    clock::Clock,
    command::{self, Output},
    curl::{Request, curl},
    distribution::{MANIFEST, push_blob, push_image, put_manifest, start_upload, with_digest},
    haproxy::haproxy,
    image::{random_bytes, sha256},
    metrics,
    page_client::Visitor,
    personal_tokens,
    portwarden::{ADMIN, Builder, Portwarden, USER, User, portwarden, program},
    postgres::Postgres,
    process::{PATIENCE, eventually},
    registry::{Registry, registry},
    relay_tcp::TcpRelay,
    robots::{CI, Made},
    token_exchange::claims,
    workload::member,
};

const WRITE_ONCE: &str = "tags: {write_once: [{match: {name: 'acme/*', tag: '*'}}]}";

/// A Portwarden with its state at `url`, and a control socket.
fn with_state(registry: &Registry, url: &str, more: &str) -> Builder {
    let state = format!("state: {{url: \"{url}\"{more}}}\ncontrol: {{socket: ./control.sock}}");
    portwarden(registry).with(&state).with_token("refresh_tokens", "true").with(metrics::ON)
}

/// Two of them.
fn two(registry: &Registry, url: &str, more: &str) -> [Portwarden; 2] {
    both(with_state(registry, url, more))
}

fn both(builder: Builder) -> [Portwarden; 2] {
    let first = builder.clone().start();
    let second = builder.start_beside(&first);
    [first, second]
}

fn control(warden: &Portwarden, args: &[&str]) -> Output {
    let socket = warden.file("control.sock");
    command::run(&program(), &[args, &["--socket", socket.to_str().unwrap()]].concat(), &[])
}

fn token(request: Request, user: User) -> String {
    let target = "/auth?service=registry.test&scope=repository:acme/app:pull,push";
    let answer: Value = request.user(user).get(target).is(200).json();
    member(&answer, "token")
}

fn status(warden: &Portwarden, token: &str) -> u16 {
    curl(warden).bearer(token).get("/v2/").status
}

#[test]
fn rule_64_what_is_revoked_at_one_replica_is_refused_at_the_others_within_two_seconds() {
    let (registry, postgres) = (registry(), Postgres::start());
    let [a, b] = &mut two(&registry, &postgres.state_url(), "");
    let (admin, user) = (token(curl(a), ADMIN), token(curl(a), USER));
    assert_eq!(
        [&*a, &*b].map(|warden| status(warden, &admin)),
        [200, 200],
        "the token of one counts at both"
    );
    control(a, &["revoke", "--account", "admin"]).succeeds();
    let began = Instant::now();
    assert!(eventually(PATIENCE, || status(b, &admin) == 401));
    println!("revoked at one, refused at the other after {:?}", began.elapsed());
    assert_eq!([&*a, &*b].map(|warden| status(warden, &user)), [200, 200], "that of another account");
    // Both revoke the account again, and the last one ends what the first has issued since.
    let again = token(curl(a), ADMIN);
    assert_eq!(claims(&again)["generation"], 1);
    control(b, &["revoke", "--account", "admin"]).succeeds();
    assert_eq!(status(b, &again), 401);
    assert!(eventually(PATIENCE, || status(a, &again) == 401));
    b.crash_and_restart();
    assert_eq!(status(b, &again), 401, "after a restart");
    control(b, &["revoke", "--all-sessions"]).succeeds();
    assert!(eventually(PATIENCE, || status(a, &user) == 401));
    assert!(eventually(PATIENCE, || status(a, &token(curl(b), USER)) == 200), "a new one of the other");
}

#[test]
fn rule_64_a_database_of_another_isolation_loses_no_change() {
    let (registry, postgres) = (registry(), Postgres::start());
    let url = postgres.state_url();
    postgres.in_state("ALTER DATABASE state SET default_transaction_isolation TO 'repeatable read'");
    let [a, b] = &two(&registry, &url, "");
    thread::scope(|scope| {
        let revoke =
            |warden, name: String| move || control(warden, &["revoke", "--account", &name]).succeeds();
        for n in 0..12 {
            scope.spawn(revoke(if n % 2 == 0 { a } else { b }, format!("account-{n}")));
        }
    });
    for warden in [a, b] {
        assert!(eventually(PATIENCE, || metrics::value(warden, "portwarden_revocations") == Some(12.0)));
    }
}

#[test]
fn rule_64_a_personal_token_counts_and_ends_at_every_replica() {
    let (registry, postgres) = (registry(), Postgres::start());
    let [a, b] = &two(&registry, &postgres.state_url(), "");
    let visitor = Visitor::signed_in(a, ADMIN);
    let made = personal_tokens::make(&visitor, ADMIN, "acme/*", "pull");
    let signs_in =
        |warden: &Portwarden| curl(warden).user(made.user()).get("/auth?service=registry.test").status;
    assert!(eventually(PATIENCE, || signs_in(b) == 200));
    // The session of one is a session of the other.
    let there = Visitor::with_cookie(b, visitor.cookie);
    personal_tokens::revoke(&there, &made.id);
    assert_eq!(signs_in(b), 401);
    assert!(eventually(PATIENCE, || signs_in(a) == 401));
}

/// Both have read the state.
fn both_follow(a: &Portwarden, b: &Portwarden) -> bool {
    eventually(PATIENCE, || {
        [a, b].iter().all(|warden| metrics::value(warden, "portwarden_state_up") == Some(1.0))
    })
}

/// An image is pulled with a token of before, whatever becomes of the database.
fn pulls(warden: &Portwarden, token: &str) -> u16 {
    let request = curl(warden).bearer(token).header(&format!("Accept: {MANIFEST}")).seconds(5);
    request.get("/v2/acme/app/manifests/v1").status
}

#[test]
fn rule_64_while_the_database_is_down_known_tokens_go_on_and_what_is_revoked_holds() {
    let (registry, mut postgres) = (registry(), Postgres::start());
    let relay = TcpRelay::start(postgres.address());
    let url = postgres.state_url().replace(&postgres.address().to_string(), &relay.address().to_string());
    let [a, b] = &two(&registry, &url, "");
    let pusher = token(curl(a), ADMIN);
    push_image(&curl(a).bearer(&pusher), "acme/app", "v1");
    for how in ["killed", "stopped", "cut off"] {
        let before = [token(curl(a), ADMIN), token(curl(a), USER)];
        match how {
            "killed" => postgres.kill(),
            "stopped" => postgres.hang(),
            _ => relay.stop(),
        }
        assert!(eventually(PATIENCE, || metrics::value(b, "portwarden_state_up") == Some(0.0)), "{how}");
        for warden in [a, b] {
            assert_eq!(before.each_ref().map(|token| pulls(warden, token)), [200, 200], "{how}");
        }
        assert!(pulls(b, &token(curl(b), USER)) == 200, "{how}: a new token");
        control(a, &["revoke", "--account", "user"]).fails().says("could not store that");
        assert_eq!(pulls(a, &before[1]), 401, "{how}: what was revoked here");
        match how {
            "killed" => postgres.start_again(),
            "stopped" => postgres.go_on(),
            _ => relay.go_on(),
        }
        assert!(eventually(PATIENCE, || pulls(b, &before[1]) == 401), "{how}: the other learns of it");
        assert!(both_follow(a, b), "{how}");
        assert_eq!(pulls(b, &before[0]), 200, "{how}: that of another account");
    }
}

#[test]
fn rule_64_after_the_time_for_which_revocations_are_trusted_tokens_get_503() {
    let (registry, mut postgres) = (registry(), Postgres::start());
    let [a, b] = &two(&registry, &postgres.state_url(), ", when_down: {revocations: 5s}");
    let visitor = Visitor::signed_in(a, ADMIN);
    let (made, admin) = (personal_tokens::make(&visitor, ADMIN, "acme/*", "pull"), token(curl(a), ADMIN));
    assert_eq!(status(b, &admin), 200);
    postgres.crash();
    assert!(eventually(PATIENCE, || status(b, &admin) == 503));
    let refused = curl(b).bearer(&admin).get("/v2/").is(503);
    assert!(refused.text().contains("what was revoked, cannot be read now"), "{}", refused.text());
    let basic = curl(b).user(made.user()).get("/auth?service=registry.test");
    assert!([401, 503].contains(&basic.status), "{}", basic.text());
    assert!(eventually(PATIENCE, || curl(a).user(made.user()).get("/v2/").status == 503));
    postgres.start_again();
    assert!(eventually(PATIENCE, || [a, b].map(|warden| status(warden, &admin)) == [200, 200]));
}

#[test]
fn rule_64_a_state_that_is_restored_or_lost_ends_all_tokens_on_replicas_that_run() {
    let (registry, postgres) = (registry(), Postgres::start());
    let url = postgres.state_url();
    let robot = Made::new();
    let robots = format!("robots: {{{CI}: {{tokens: [{}]}}}}", robot.entry(""));
    let [a, b] = &mut both(with_state(&registry, &url, "").with(&robots));
    let first = token(curl(a), USER);
    postgres.back_state_up();
    assert!(eventually(PATIENCE, || control(a, &["revoke", "--account", "admin"]).succeeded()));
    assert!(eventually(PATIENCE, || metrics::value(b, "portwarden_revocations") == Some(1.0)));
    assert_eq!([&*a, &*b].map(|warden| status(warden, &first)), [200, 200]);
    // The backup lacks the revocation, which both know: which others it lacks, is not known.
    postgres.restore_state();
    assert!(eventually(PATIENCE, || [&*a, &*b].map(|warden| status(warden, &first)) == [401, 401]));
    // Each of the two may end all tokens, one after the other.
    let mut second = String::new();
    assert!(eventually(PATIENCE, || {
        second = token(curl(a), USER);
        status(b, &second) == 200
    }));
    // Lost, and made again by one that starts.
    let robot_is = |warden: &Portwarden| curl(warden).user(robot.user()).get("/v2/").status;
    assert_eq!([&*a, &*b].map(robot_is), [200, 200]);
    assert!(eventually(PATIENCE, || control(a, &["revoke", "--token", &robot.id]).succeeded()));
    postgres.state_url();
    b.crash_and_restart();
    assert_eq!(status(b, &second), 401);
    assert!(eventually(PATIENCE, || status(a, &second) == 401));
    let third = token(curl(a), USER);
    assert!(eventually(PATIENCE, || status(b, &third) == 200));
    // The token of a robot is of no state: what the one that runs knows of it goes into the new one.
    assert!(eventually(PATIENCE, || [&*a, &*b].map(robot_is) == [401, 401]));
    b.crash_and_restart();
    assert_eq!(robot_is(b), 401);
}

#[test]
fn rule_64_a_session_that_is_signed_out_at_one_replica_ends_at_the_others_and_for_the_next_start() {
    let (registry, postgres) = (registry(), Postgres::start());
    let [a, b] = &mut two(&registry, &postgres.state_url(), "");
    let visitor = Visitor::signed_in(a, USER);
    let (copy, csrf) = (visitor.cookie.clone(), visitor.csrf());
    let other = Visitor::signed_in(b, USER).cookie;
    let is_in = |warden: &Portwarden, cookie: &Option<String>| {
        Visitor::with_cookie(warden, cookie.clone()).get("/-/tokens").status == 200
    };
    assert!([&*a, &*b].iter().all(|warden| is_in(warden, &copy)));
    visitor.post("/-/sign-out", &[("csrf", &csrf)]).is(303);
    assert!(!is_in(a, &copy));
    assert!(eventually(Duration::from_secs(2), || !is_in(b, &copy)));
    assert!([&*a, &*b].iter().all(|warden| is_in(warden, &other)));
    a.crash_and_restart();
    assert!(!is_in(a, &copy) && is_in(a, &other));
}

#[test]
fn rule_64_a_sign_out_while_the_database_is_down_ends_the_session_at_the_others_afterwards() {
    let (registry, mut postgres) = (registry(), Postgres::start());
    let [a, b] = &two(&registry, &postgres.state_url(), "");
    let visitor = Visitor::signed_in(a, USER);
    let (copy, csrf) = (visitor.cookie.clone(), visitor.csrf());
    let status = |warden: &Portwarden| Visitor::with_cookie(warden, copy.clone()).get("/-/tokens").status;
    assert_eq!([a, b].map(status), [200, 200]);
    postgres.crash();
    visitor.post("/-/sign-out", &[("csrf", &csrf)]).is(303);
    assert_ne!(status(a), 200);
    postgres.start_again();
    assert!(eventually(PATIENCE, || status(b) != 200));
}

#[test]
fn rule_64_a_clock_that_jumps_at_one_replica_brings_nothing_back_and_shortens_no_freeze() {
    let (registry, postgres) = (registry(), Postgres::start());
    let (url, clock) = (postgres.state_url(), Clock::right());
    let a = &with_state(&registry, &url, "").start();
    let b = &clock.of(with_state(&registry, &url, "")).start_beside(a);
    let (revoked, other) = (token(curl(a), USER), token(curl(b), ADMIN));
    let visitor = Visitor::signed_in(b, USER);
    let cookie = visitor.cookie;
    let signed_in =
        |warden: &Portwarden| Visitor::with_cookie(warden, cookie.clone()).get("/-/tokens").status == 200;
    assert!(signed_in(a) && signed_in(b));
    for offset in ["-2h", "+0", "-400d", "+0"] {
        clock.set(offset);
        control(b, &["revoke", "--account", "user"]).succeeds();
        assert!(eventually(Duration::from_secs(2), || status(a, &revoked) == 401), "{offset}");
        assert!(!signed_in(a), "{offset}");
        assert_eq!(status(a, &other), 200, "{offset}");
        control(b, &["freeze", "--for", "10m", "--drain", "1s"]).succeeds().says("at 2 replicas");
        let left = control(a, &["status"]).text();
        // With a while for the drain, until its end is known.
        let is_right =
            ["9m", "10m", "11m"].iter().any(|time| left.contains(&format!("no writes for {time}")));
        assert!(is_right, "{offset}: {left}");
        control(b, &["thaw"]).succeeds();
        let again = token(curl(a), USER);
        assert_eq!(status(a, &again), 200, "{offset}: the account comes again");
    }
    assert!(eventually(PATIENCE, || [a, b].map(|warden| status(warden, &revoked)) == [401, 401]));
}

#[test]
fn pushes_and_sign_ins_go_over_all_replicas() {
    let (registry, postgres) = (registry(), Postgres::start());
    let [a, b] = &mut two(&registry, &postgres.state_url(), "");
    let front = haproxy(&[a, b]);
    assert!(eventually(PATIENCE, || front.curl().get("/v2/").status == 401));
    let all = token(front.curl(), ADMIN);
    let request = front.curl().bearer(&all).header(&format!("Accept: {MANIFEST}"));
    // Each request of the upload is on a connection of its own: begun on one replica, continued on the other.
    let (config, layer) = (b"{}".to_vec(), random_bytes(200_000));
    for content in [&config, &layer] {
        let mut location = start_upload(&request, "acme/app");
        let (begin, end) = content.split_at(content.len() / 2);
        let patched = request.clone().body(begin).send("PATCH", &location).is(202);
        location = patched.header("location").unwrap().to_owned();
        request.clone().body(end).send("PUT", &with_digest(&location, &sha256(content))).is(201);
    }
    put_manifest(&request, "acme/app", "v1", &config, &[&layer]).is(201);
    for _ in 0..4 {
        request.clone().get("/v2/acme/app/manifests/v1").is(200);
    }
    // Each page is of the next replica.
    let form =
        ["--data-urlencode", "account=admin", "--data-urlencode", "password=badmin", "--data", "next=/"];
    let origin = format!("Origin: {}", front.url());
    let signed_in = front.curl().header(&origin).option(&form).send("POST", "/-/sign-in").is(303);
    let cookie = signed_in.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
    let page =
        |path: &str| front.curl().header("Accept: text/html").header(&format!("Cookie: {cookie}")).get(path);
    for _ in 0..4 {
        assert!(page("/acme/app").is(200).text().contains("v1"));
    }
    // One is killed: the next connections go to the other.
    a.stop();
    for _ in 0..10 {
        request.clone().get("/v2/acme/app/manifests/v1").is(200);
        page("/").is(200);
    }
}

#[test]
fn a_database_of_a_newer_version_or_of_others_is_refused_in_words() {
    let (registry, postgres) = (registry(), Postgres::start());
    let url = postgres.state_url();
    let warden = with_state(&registry, &url, "").start();
    let refused = |url: &str, with: &[&str]| {
        let directory = warden.directory();
        let text = std::fs::read_to_string(directory.join("portwarden.yml")).unwrap();
        let file = directory.join("other.yml");
        std::fs::write(&file, text.replace(&postgres_url(&text), url)).unwrap();
        let said = command::run(&program(), &["serve", "--config", file.to_str().unwrap()], &[]).fails();
        for with in with {
            assert!(said.text().contains(with), "{with}: {}", said.text());
        }
        assert!(!said.text().contains("se\\cret") && !said.text().contains("se%5Ccret"), "{}", said.text());
    };
    refused(
        &url.replace("reader:", "reader:wrong"),
        &["state.url: postgres://127.0.0.1:", "password authentication failed"],
    );
    refused(&url.replace("/state?", "/none?"), &["does not exist", "createdb"]);
    refused("postgres://reader@127.0.0.1:1/state?sslmode=disable", &["cannot be used"]);
    refused(&url.replace("sslmode=disable", "sslmode=verify-full"), &["cannot be used"]);
    postgres.in_state("INSERT INTO portwarden_schema VALUES (99)");
    refused(&url, &["found 99", "a newer Portwarden changed them"]);
    postgres.state_url();
    postgres.in_state("CREATE TABLE activity (at int)");
    refused(&url, &["already exists", "a database of its own"]);
}

/// Pushes of a tag at once.
const AT_ONCE: usize = 50;

/// The number of pushes: `make attack-tags` has 1,000.
fn pushes() -> usize {
    std::env::var("RACING_PUSHES").map_or(200, |number| number.parse().unwrap())
}

#[test]
fn rule_64_of_racing_pushes_of_a_write_once_tag_over_all_replicas_one_wins() {
    let (registry, postgres) = (registry(), Postgres::start());
    let builder = with_state(&registry, &postgres.state_url(), "").with(WRITE_ONCE);
    let a = &builder.clone().start();
    let b = &builder.start_beside(a);
    let pusher = token(curl(a), ADMIN);
    for round in 0..pushes() / AT_ONCE {
        let tag = format!("v{round}");
        let pushes: Vec<_> = (0..AT_ONCE)
            .map(|n| {
                let (config, tag) = (format!("{{\"n\": {n}}}").into_bytes(), tag.clone());
                let request = curl(if n % 2 == 0 { a } else { b }).bearer(&pusher);
                push_blob(&request, "acme/app", &config);
                thread::spawn(move || put_manifest(&request, "acme/app", &tag, &config, &[]))
            })
            .collect();
        let answers: Vec<_> = pushes.into_iter().map(|push| push.join().unwrap()).collect();
        let won: Vec<_> = answers.iter().filter(|answer| answer.status == 201).collect();
        assert_eq!(won.len(), 1, "{:?}", answers.iter().map(|answer| answer.status).collect::<Vec<_>>());
        assert!(answers.iter().all(|answer| [201, 403, 409, 429, 503].contains(&answer.status)));
        let request = curl(b).bearer(&pusher).header(&format!("Accept: {MANIFEST}"));
        let found = request.get(&format!("/v2/acme/app/manifests/{tag}")).is(200);
        assert_eq!(found.header("docker-content-digest"), won[0].header("docker-content-digest"));
    }
}

#[test]
fn rule_64_a_claim_of_another_replica_ends_when_the_registry_shows_the_tag_and_never_with_time() {
    let (registry, mut postgres) = (registry(), Postgres::start());
    let builder = with_state(&registry, &postgres.state_url(), "").with(WRITE_ONCE);
    let a = &builder.clone().start();
    let b = &builder.start_beside(a);
    let pusher = token(curl(a), ADMIN);
    let claim = |digest: &str| {
        postgres.in_state(&format!(
            "INSERT INTO manifest_pushes VALUES ('acme/app', 'v1', 'a crash {digest}', 'sha256:{digest}', 0)"
        ));
    };
    claim(&"a".repeat(64));
    let push = |warden: &Portwarden, config: &[u8]| {
        let request = curl(warden).bearer(&pusher);
        push_blob(&request, "acme/app", config);
        put_manifest(&request, "acme/app", "v1", config, &[])
    };
    for warden in [a, b] {
        let refused = push(warden, b"{}").is(409).text();
        assert!(refused.contains("unfinished push of sha256:aaaa"), "{refused}");
    }
    postgres.in_state("DELETE FROM manifest_pushes");
    push(a, b"{}").is(201);
    claim(&"a".repeat(64));
    assert!(push(b, b"{\"other\": 1}").is(403).text().contains("is write-once"));
    push(b, b"{}").is(201);
    // No manifest is deleted while one of another replica is pushed, and none is pushed while one is deleted.
    postgres.in_state("INSERT INTO manifest_deletions VALUES ('acme/app', 'another', 9999999999)");
    let held = put_manifest(&curl(a).bearer(&pusher).seconds(5), "acme/app", "v1", b"{}", &[]);
    assert_eq!((held.exit, held.status), (28, 0), "it waits: {}", held.text());
    postgres.in_state("DELETE FROM manifest_deletions");
    postgres.crash();
    let refused = push(a, b"{\"late\": 1}").is(503).text();
    assert!(
        refused.contains("the state that this server shares with others cannot be used now"),
        "{refused}"
    );
    let request = curl(b).user(ADMIN);
    push_blob(&request, "other/app", b"{}");
    put_manifest(&request, "other/app", "v1", b"{}", &[]).is(201);
}

fn postgres_url(text: &str) -> String {
    let (_, rest) = text.split_once("url: \"postgres").unwrap();
    format!("postgres{}", rest.split('"').next().unwrap())
}
