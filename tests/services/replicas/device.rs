//! `portwarden login` where the program, the person and the next question of the program reach different replicas.
//!
//! Needs: curl, docker-registry, haproxy, htpasswd, postgresql.

use std::{fs, thread};

use serde_json::Value;

use super::{both_follow, control, two, with_state};
use crate::support::{
    audit::{self, line_with},
    curl::Response,
    device_login::{Codes, Login, PAGE, answer, begin, error, poll, send},
    haproxy::haproxy,
    metrics,
    page_client::Visitor,
    portwarden::{Portwarden, TEST2, USER, User},
    postgres::Postgres,
    process::{PATIENCE, eventually},
    registry::registry,
    token_exchange::{self, claims},
};

/// The page of a program's code, at one replica.
fn page(visitor: &Visitor<'_>, codes: &Codes) -> Response {
    visitor.get(&format!("{PAGE}?user_code={}", codes.user))
}

/// The error in the answer to a program.
#[track_caller]
fn told(warden: &Portwarden, codes: &Codes) -> String {
    error(&poll(warden, codes).is(400))
}

/// The token that a program gets, as a password.
#[track_caller]
fn issued(answer: Response, name: &'static str) -> User {
    let told = answer.is(200).json();
    assert_eq!(told["username"], name);
    User { name, password: told["access_token"].as_str().unwrap().to_owned().leak() }
}

fn signs_in(warden: &Portwarden, user: User) -> bool {
    token_exchange::ask(warden, Some(user), &[]).status == 200
}

#[test]
fn rule_64_a_login_begun_at_one_replica_and_allowed_at_another_gets_one_token_of_both() {
    let (registry, postgres) = (registry(), Postgres::start());
    let [a, b] = &mut two(&registry, &postgres.state_url(), "");
    let [at_a, at_b] = [&*a, &*b].map(|warden| Visitor::signed_in(warden, USER));
    for _ in 0..4 {
        let codes = begin(a, &[("host_name", "laptop")]);
        assert_eq!([&*a, &*a].map(|warden| told(warden, &codes)), ["authorization_pending", "slow_down"]);
        assert!(page(&at_b, &codes).is(200).text().contains("laptop"));
        assert_eq!(answer(&at_b, &codes.user, "allow").status, 200);
        assert_eq!([&at_a, &at_b].map(|visitor| answer(visitor, &codes.user, "refuse").status), [404, 404]);
        let second = begin(b, &[]);
        assert_eq!(answer(&at_a, &second.user, "allow").status, 200);
        let answers: Vec<Response> = thread::scope(|scope| {
            let asked = [&*a, &*b].map(|warden| scope.spawn(|| poll(warden, &second)));
            asked.into_iter().map(|asked| asked.join().unwrap()).collect()
        });
        let (got, not): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 200);
        assert_eq!((got.len(), not.len()), (1, 1), "one token");
        assert!(["invalid_grant", "authorization_pending"].contains(&error(&not[0]).as_str()));
        issued(poll(b, &codes), "user");
    }
    // What one refuses.
    let refused = begin(b, &[]);
    answer(&at_a, &refused.user, "refuse").is(200);
    assert_eq!([&*a, &*b].map(|warden| told(warden, &refused)), ["access_denied", "invalid_grant"]);
    // The replica at which it began is gone.
    let codes = begin(a, &[]);
    answer(&at_b, &codes.user, "allow").is(200);
    a.stop();
    let user = issued(poll(b, &codes), "user");
    assert!(signs_in(b, user));
}

#[test]
fn rule_65_a_login_ends_with_its_session_at_every_replica_and_the_database_tells_no_code_and_no_session() {
    let (registry, postgres) = (registry(), Postgres::start());
    let builder = with_state(&registry, &postgres.state_url(), "").with(audit::TO_FILE);
    let a = &builder.clone().start();
    let b = &builder.start_beside(a);
    let [codes, of_account] = [(); 2].map(|()| begin(a, &[("comment", "my own words")]));
    let [visitor, other] = [USER, TEST2].map(|user| Visitor::signed_in(b, user));
    answer(&visitor, &codes.user, "allow").is(200);
    answer(&other, &of_account.user, "allow").is(200);
    let cookie = visitor.cookie.clone().unwrap();
    let signature = cookie.rsplit('.').next().unwrap();
    let stored = postgres.dump_state();
    assert!(stored.contains("COPY public.device_logins"), "{stored}");
    for secret in [&codes.device, &codes.user, signature, "my own words"] {
        assert!(!stored.contains(secret), "{secret} in {stored}");
    }
    visitor.post("/-/sign-out", &[("csrf", &visitor.csrf())]).is(303);
    let answer = poll(a, &codes).is(400);
    assert_eq!(error(&answer), "access_denied");
    assert!(answer.text().contains("the session in which it was allowed has ended"), "{}", answer.text());
    line_with(&a.file("audit.log"), &[("event", "device_login"), ("account", "user")]);
    assert_eq!(told(b, &codes), "invalid_grant");
    control(b, &["revoke", "--account", TEST2.name]).succeeds();
    assert!(eventually(PATIENCE, || metrics::value(a, "portwarden_revocations") == Some(1.0)));
    assert_eq!(told(a, &of_account), "access_denied");
}

#[test]
fn rule_64_while_the_database_is_down_logins_wait_and_go_on_afterwards() {
    let (registry, mut postgres) = (registry(), Postgres::start());
    let [a, b] = &two(&registry, &postgres.state_url(), "");
    let [asks, allowed, left] = [(); 3].map(|()| begin(a, &[]));
    let [visitor, leaver] = [USER, TEST2].map(|user| Visitor::signed_in(b, user));
    answer(&visitor, &allowed.user, "allow").is(200);
    answer(&leaver, &left.user, "allow").is(200);
    let session = claims(leaver.cookie.as_ref().unwrap().split_once('=').unwrap().1)["jti"].clone();
    let (session, signs_out) = (session.as_str().unwrap(), leaver.csrf());
    assert!(postgres.dump_state().contains(session));
    let csrf = visitor.csrf();
    postgres.crash();
    assert!(eventually(PATIENCE, || metrics::value(b, "portwarden_state_up") == Some(0.0)));
    let down = |answer: Response| {
        assert_eq!(answer.header("retry-after"), Some("60"));
        assert!(answer.text().contains("the state that this server shares with others"), "{}", answer.text());
        assert_eq!(error(&answer.is(503)), "temporarily_unavailable");
    };
    // More than an address may have: those that were not stored leave no trace.
    for _ in 0..40 {
        down(send(a, "code", &[("client_id", "x")]));
    }
    down(poll(a, &asks));
    down(poll(a, &allowed));
    // More than an account may guess.
    for _ in 0..12 {
        assert!(page(&visitor, &asks).is(503).text().contains("the programs that wait"));
    }
    let form = [("csrf", csrf.as_str()), ("user_code", &asks.user), ("decision", "refuse")];
    visitor.post(PAGE, &form).is(503);
    leaver.post("/-/sign-out", &[("csrf", &signs_out)]).is(303);
    // Codes that no replica has made are no question, or they would get 503, too.
    let [other_end, other_proof] = [45, 90].map(|at| {
        let mut code = asks.device.clone();
        let other = if &code[at..=at] == "A" { "B" } else { "A" };
        code.replace_range(at..=at, other);
        code
    });
    for device in ["x", &"A".repeat(107), &asks.device[1..], &other_end, &other_proof, &asks.user] {
        assert_eq!(told(a, &Codes { device: device.to_owned(), ..asks.clone() }), "invalid_grant");
    }
    postgres.start_again();
    assert!(both_follow(a, b));
    // The session that ended meanwhile.
    let of_session = format!("SELECT 1 FROM device_logins WHERE session = '{session}'");
    assert!(eventually(PATIENCE, || !postgres.state_has(&of_session)));
    assert_eq!(told(a, &left), "access_denied");
    // Codes that are typed at the same time are counted, though none is answered.
    postgres.hang();
    let typed_at_once = || -> Vec<u16> {
        thread::scope(|scope| {
            let typed: Vec<_> = (0..16).map(|_| scope.spawn(|| page(&visitor, &asks).status)).collect();
            typed.into_iter().map(|typed| typed.join().unwrap()).collect()
        })
    };
    assert!(eventually(PATIENCE, || typed_at_once().contains(&429)));
    postgres.go_on();
    assert!(both_follow(a, b));
    issued(poll(b, &allowed), "user");
    assert_eq!(told(b, &asks), "authorization_pending");
    answer(&Visitor::signed_in(a, USER), &asks.user, "allow").is(200);
    begin(a, &[]);
    assert!(eventually(PATIENCE, || poll(a, &asks).status == 200));
}

#[test]
fn rule_65_rows_that_another_writes_give_no_token_and_no_page() {
    let (registry, postgres) = (registry(), Postgres::start());
    let [a, b] = &two(&registry, &postgres.state_url(), "");
    let [at_a, at_b] = [a, b].map(|warden| Visitor::signed_in(warden, USER));
    let user = "(SELECT id FROM device_logins ORDER BY until, id LIMIT 1)";
    // A thief's program, under the code of a person's.
    let [thief, person] = [(); 2].map(|()| begin(a, &[]));
    page(&at_b, &person).is(200);
    postgres.in_state(&format!(
        "CREATE TABLE kept AS SELECT * FROM device_logins; DELETE FROM device_logins WHERE id = {user}; \
         UPDATE device_logins SET user_code = (SELECT k.user_code FROM kept k WHERE k.id NOT IN \
         (SELECT id FROM device_logins))"
    ));
    assert_eq!([&thief, &person].map(|codes| page(&at_b, codes).status), [404, 404]);
    // The answer of a person's program, in the row of a thief's.
    postgres.in_state("DELETE FROM device_logins; INSERT INTO device_logins SELECT * FROM kept");
    answer(&at_b, &person.user, "allow").is(200);
    postgres.in_state(
        "UPDATE device_logins SET (answer, session) = \
         (SELECT answer, session FROM device_logins WHERE answer IS NOT NULL)",
    );
    assert_eq!(told(a, &thief), "invalid_grant");
    issued(poll(a, &person), "user");
    // Anything else.
    for forged in ["null", "", "AAAA"] {
        let codes = begin(b, &[]);
        postgres.in_state(&format!("UPDATE device_logins SET session = 's', answer = '{forged}'"));
        assert_eq!(told(a, &codes), "invalid_grant", "{forged}");
    }
    // One that was answered, and waits again in the eyes of the database.
    let codes = begin(b, &[]);
    postgres.in_state("UPDATE device_logins SET request = 'AAAA'");
    page(&at_a, &codes).is(404);
    // All replicas together have room for so many.
    postgres.in_state(
        "INSERT INTO device_logins SELECT n, n, '', 9999999999 FROM generate_series(1, 16384) AS n",
    );
    let full = send(a, "code", &[("client_id", "x")]).is(503);
    assert!(full.text().contains("too many programs wait"), "{}", full.text());
    postgres.in_state("UPDATE device_logins SET until = 0");
    begin(a, &[]);
}

#[test]
fn a_login_works_through_a_balancer_that_sends_each_connection_to_another_replica() {
    let (registry, postgres) = (registry(), Postgres::start());
    let [a, b] = &two(&registry, &postgres.state_url(), "");
    let front = haproxy(&[a, b]);
    assert!(eventually(PATIENCE, || front.curl().get("/v2/").status == 401));
    let home = tempfile::Builder::new().prefix("portwarden-docker-config-").tempdir().unwrap();
    let login = Login::start_at(&front.url(), &a.authority_file(), home.path(), &[]);
    let code = login.code();
    let origin = format!("Origin: {}", front.url());
    let send = |cookie: &str, fields: &[(&str, &str)], path: &str| {
        let fields: Vec<String> = fields.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let options: Vec<&str> = fields.iter().flat_map(|field| ["--data-urlencode", field]).collect();
        front.curl().header(&origin).header(&format!("Cookie: {cookie}")).option(&options).send("POST", path)
    };
    let signed_in =
        send("x=y", &[("account", "user"), ("password", USER.password), ("next", "/")], "/-/sign-in");
    let cookie = signed_in.is(303).header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
    let page = front.curl().header(&format!("Cookie: {cookie}")).get(&format!("{PAGE}?user_code={code}"));
    let page = page.is(200).text();
    let (_, rest) = page.rsplit_once("name=\"csrf\" value=\"").unwrap();
    let csrf = rest.split('"').next().unwrap();
    let fields = [
        ("csrf", csrf),
        ("user_code", &code),
        ("decision", "allow"),
        ("comment", "a test"),
        ("repositories", ""),
        ("access", "pull"),
        ("days", "1"),
    ];
    send(&cookie, &fields, PAGE).is(200);
    login.end().succeeds().says("as user");
    let config: Value = serde_json::from_slice(&fs::read(home.path().join("config.json")).unwrap()).unwrap();
    let host = front.url().replace("https://", "");
    assert!(config["auths"][&host]["auth"].is_string(), "{config}");
}
