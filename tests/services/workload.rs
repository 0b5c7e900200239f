//! Logins with the JWT of a CI job: with curl and skopeo, an issuer that rotates its keys or is down, and what ends a
//! session.
//!
//! Needs: curl, docker-registry, htpasswd, skopeo.

use std::time::Instant;

use serde_json::{Value, json};

use crate::support::{
    audit, command,
    curl::curl,
    distribution::{push_blob, push_image},
    image::Image,
    issuer::{Behaviour, TestIssuer, issuer},
    portwarden::{ADMIN, Portwarden, portwarden, program},
    registry::registry,
    skopeo::skopeo,
    token_exchange::claims,
    waiting::{PATIENCE, eventually},
    workload::{ask, job, log_in, member, section, trusting},
};

const ALIVE: i64 = 300;

fn answer(warden: &Portwarden, issuer: &TestIssuer) -> Value {
    log_in(warden, &issuer.sign(&issuer.claims(ALIVE))).is(200).json()
}

#[test]
fn rule_42_a_jwt_is_a_login_at_the_token_endpoint_and_nowhere_else() {
    let (registry, issuer) = (registry(), issuer());
    let warden = trusting(portwarden(&registry), &issuer).start();
    let jwt = issuer.sign(&issuer.claims(ALIVE));
    let answer = log_in(&warden, &jwt).is(200);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let answer = answer.json();
    let token = member(&answer, "token");
    assert!(answer["expires_in"].as_u64().unwrap() > 3500, "{answer}");
    push_blob(&curl(&warden).bearer(&token), "acme/app", b"a layer");
    curl(&warden).bearer(&token).get("/v2/acme/other/tags/list").is(401);
    // As a password or a token of /v2 it is nothing.
    curl(&warden).user(job(&jwt)).get("/v2/").is(401);
    curl(&warden).bearer(&jwt).get("/v2/").is(401);
    // A POST as OAuth2 has it.
    let form =
        format!("grant_type=password&service=registry.test&username=ci&password={jwt}&access_type=offline");
    let posted =
        curl(&warden).header("Content-Type: application/x-www-form-urlencoded").body(form.as_bytes());
    assert!(posted.send("POST", "/auth").is(200).json()["refresh_token"].is_string());
    assert!(!warden.log().contains(&jwt), "it is never logged");
}

#[test]
fn rule_42_a_jwt_is_a_bearer_token_only_where_its_issuer_says_so() {
    let (registry, issuer) = (registry(), issuer());
    let section =
        section(&issuer, "{owner_id: \"42\"}").replace("      labels:", "      bearer: true\n      labels:");
    let warden = portwarden(&registry).acl(crate::support::workload::ACL).with(&section).start();
    let jwt = issuer.sign(&issuer.claims(ALIVE));
    push_blob(&curl(&warden).bearer(&jwt), "acme/app", b"a layer");
    curl(&warden).bearer(&jwt).get("/v2/acme/other/tags/list").is(401);
    let mut strangers = issuer.claims(ALIVE);
    strangers["owner_id"] = json!("43");
    let refused = curl(&warden).bearer(&issuer.sign(&strangers)).get("/v2/").is(401);
    assert!(refused.header("www-authenticate").unwrap().contains("owner_id"), "{refused:?}");
    curl(&warden).bearer(&format!("{jwt}x")).get("/v2/").is(401);
    curl(&warden).bearer(&issuer.sign(&issuer.claims(-100))).get("/v2/").is(401);
    assert!(!warden.log().contains(&jwt), "it is never logged");
}

#[test]
fn a_jwt_is_exchanged_as_rfc_8693_has_it() {
    let (registry, issuer) = (registry(), issuer());
    let warden = trusting(portwarden(&registry), &issuer).start();
    let jwt = issuer.sign(&issuer.claims(ALIVE));
    let post = |more: &str| {
        let form = format!(
            "grant_type=urn:ietf:params:oauth:grant-type:token-exchange&service=registry.test\
             &scope=repository:acme/app:pull,push{more}"
        );
        let request = curl(&warden).header("Content-Type: application/x-www-form-urlencoded");
        request.body(form.as_bytes()).send("POST", "/auth")
    };
    let (token, kind) =
        (format!("&subject_token={jwt}"), "&subject_token_type=urn:ietf:params:oauth:token-type:jwt");
    let answer = post(&format!("{token}{kind}")).is(200).json();
    assert_eq!(
        (&answer["token_type"], &answer["scope"]),
        (&json!("Bearer"), &json!("repository:acme/app:pull,push"))
    );
    assert!(answer["issued_token_type"].is_string() && answer["refresh_token"].is_null(), "{answer}");
    push_blob(&curl(&warden).bearer(&member(&answer, "access_token")), "acme/app", b"a layer");
    post(&format!("{token}{kind}&username=ci")).is(200);
    post(&format!("{token}{kind}&username=other")).is(401);
    post(&format!("{token}x{kind}")).is(401);
    post(kind).is(401);
    post(&token).is(400);
    post(&format!("{token}{kind}&actor_token=x")).is(400);
}

#[test]
fn rule_43_a_registry_that_trusts_our_key_grants_nothing_by_a_token_of_a_job() {
    let (registry, issuer) = (registry(), issuer());
    let warden = trusting(portwarden(&registry), &issuer).start();
    let answer = answer(&warden, &issuer);
    let token = claims(&member(&answer, "token"));
    assert_eq!(token["access"], json!([]));
    assert_eq!(token["grants"][0]["name"], "acme/app");
    assert_eq!(token["sub"], "ci:acme/app");
}

#[test]
fn a_refresh_token_of_a_job_buys_tokens_and_is_not_renewed() {
    let (registry, issuer) = (registry(), issuer());
    let warden = trusting(portwarden(&registry), &issuer).start();
    let refresh = member(&answer(&warden, &issuer), "refresh_token");
    let form = format!(
        "grant_type=refresh_token&service=registry.test&scope=repository:acme/app:pull&refresh_token={refresh}"
    );
    let post = |form: &str| {
        let request = curl(&warden).header("Content-Type: application/x-www-form-urlencoded");
        request.body(form.as_bytes()).send("POST", "/auth")
    };
    let bought = post(&form).is(200).json();
    assert_eq!(member(&bought, "refresh_token"), refresh);
    curl(&warden).bearer(&member(&bought, "access_token")).get("/v2/acme/app/tags/list").is(404);
    curl(&warden).bearer(&refresh).get("/v2/").is(401);
    post(&form.replace("registry.test", "other")).is(401);
    assert!(claims(&member(&bought, "access_token"))["exp"] == claims(&refresh)["exp"]);
}

#[test]
fn rule_44_a_session_ends_on_the_next_request_when_its_line_is_removed_or_requires_more() {
    let (registry, issuer) = (registry(), issuer());
    let mut warden = trusting(portwarden(&registry), &issuer).start();
    let answer = answer(&warden, &issuer);
    let (token, refresh) = (member(&answer, "token"), member(&answer, "refresh_token"));
    let base = portwarden(&registry);
    let form = format!("grant_type=refresh_token&service=registry.test&refresh_token={refresh}");
    let both = |warden: &Portwarden| {
        let request = curl(warden).header("Content-Type: application/x-www-form-urlencoded");
        let bought = request.body(form.as_bytes()).send("POST", "/auth").status;
        [curl(warden).bearer(&token).get("/v2/acme/app/tags/list").status, bought]
    };
    assert_eq!(both(&warden), [404, 200]);
    for (require, expected) in [
        ("{owner_id: \"42\"}", [404, 200]),
        ("{}", [404, 200]),
        ("{owner_id: \"43\"}", [401, 401]),
        ("{owner_id: \"42\", event_name: push}", [401, 401]),
    ] {
        let changed = base.clone().acl(crate::support::workload::ACL).with(&section(&issuer, require));
        warden.reload(|_| changed);
        assert_eq!(both(&warden), expected, "{require}");
    }
    let removed = base.acl(crate::support::workload::ACL);
    warden.reload(|_| removed);
    assert_eq!(both(&warden), [401, 401]);
}

#[test]
fn rule_45_names_of_an_issuer_reach_no_back_end() {
    let (registry, issuer) = (registry(), issuer());
    let directory = tempfile::tempdir().unwrap();
    let seen = directory.path().join("seen");
    let script = directory.path().join("accept");
    std::fs::write(&script, format!("#!/bin/sh\ncat >> {}\nexit 0\n", seen.display())).unwrap();
    let command = format!("ext_auth: {{command: /bin/sh, args: [{:?}]}}", script.display().to_string());
    let warden = trusting(portwarden(&registry), &issuer).with(&command).start();
    for name in ["ci", "CI", "ci:acme/app", "Ci:acme/app"] {
        let name: &'static str = Box::leak(name.to_owned().into_boxed_str());
        let user = crate::support::portwarden::User { name, password: "a password" };
        ask(curl(&warden).user(user), "").is(401);
        curl(&warden).user(user).get("/v2/").is(401);
    }
    assert!(!seen.exists(), "the command was asked: {}", std::fs::read_to_string(&seen).unwrap_or_default());
    ask(curl(&warden).user(crate::support::portwarden::User { name: "other", password: "x" }), "").is(200);
    assert!(seen.exists(), "it is asked about others");
}

#[test]
fn what_is_wrong_with_a_jwt_is_logged_and_said() {
    let (registry, issuer) = (registry(), issuer());
    let warden = trusting(portwarden(&registry), &issuer).start();
    for (name, value, logged) in [
        ("aud", json!("https://other.example"), "its `aud`"),
        ("iss", json!("https://other.example"), "its `iss`"),
        ("exp", json!(1), "expired"),
        ("owner_id", json!("43"), "its claim `owner_id` is not"),
        ("ref", json!(null), "its claim `ref` is missing"),
    ] {
        let mut job = issuer.claims(ALIVE);
        job[name] = value;
        let refused = log_in(&warden, &issuer.sign(&job)).is(401);
        assert!(refused.text().contains(logged), "{}", refused.text());
        warden.says(logged);
    }
    log_in(&warden, "no.jwt.at-all").is(401);
}

#[test]
fn wrong_jwts_are_counted_by_address_and_a_unix_socket_has_none() {
    let (registry, issuer) = (registry(), issuer());
    let warden = trusting(portwarden(&registry), &issuer).start();
    // What costs no signature keeps out no job of the same address.
    assert!((0..90).all(|_| log_in(&warden, "a.b.c").status == 401));
    let mut wrong = issuer.sign(&issuer.claims(ALIVE));
    answer(&warden, &issuer);
    wrong.replace_range(wrong.len() - 20..wrong.len() - 10, "AAAAAAAAAA");
    // One more is free each second: several at once are faster, on any machine.
    let is_refused = || eventually(PATIENCE, || log_in(&warden, &wrong).status == 429);
    std::thread::scope(|scope| {
        let all: Vec<_> = (0..8).map(|_| scope.spawn(is_refused)).collect();
        assert!(all.into_iter().all(|one| one.join().unwrap()));
    });
    let refused = log_in(&warden, &wrong);
    assert!(refused.status != 429 || refused.header("retry-after").is_some());
    ask(curl(&warden).user(ADMIN), "").is(200);
}

#[test]
fn a_rotated_key_is_fetched_and_a_storm_of_unknown_ones_is_not() {
    let (registry, issuer) = (registry(), issuer());
    let warden = trusting(portwarden(&registry), &issuer).start();
    assert_eq!(issuer.asked(), 0, "the start waits for no issuer");
    let begins = Instant::now();
    answer(&warden, &issuer);
    assert_eq!(issuer.asked(), 1);
    for n in 0..40 {
        log_in(&warden, &issuer.sign_as(&format!("kid-{n}"), &issuer.claims(ALIVE))).is(401);
    }
    // On a busy machine, forty logins take longer than that.
    let most = 1 + usize::try_from(begins.elapsed().as_secs() / 30).unwrap();
    assert!(issuer.asked() <= most, "asked {} times, at most every half a minute", issuer.asked());
    answer(&warden, &issuer);
}

#[test]
fn rule_44_a_file_of_keys_is_watched_and_a_key_that_is_taken_out_ends_its_sessions() {
    let (registry, issuer, other) = (registry(), issuer(), issuer());
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), issuer.key_set()).unwrap();
    let (fetched, read) = (
        format!("ca_certificate: {}", issuer.authority_file().display()),
        format!("jwks_file: {}", file.path().display()),
    );
    let section = section(&issuer, "{owner_id: \"42\"}").replace(&fetched, &read);
    let warden = portwarden(&registry).acl(crate::support::workload::ACL).with(&section).start();
    let token = member(&answer(&warden, &issuer), "token");
    let status = || curl(&warden).bearer(&token).get("/v2/acme/app/tags/list").status;
    assert_eq!((status(), issuer.asked()), (404, 0), "nothing is fetched");
    issuer.rotate("second");
    std::fs::write(file.path(), issuer.key_set()).unwrap();
    let taken = || log_in(&warden, &issuer.sign(&issuer.claims(ALIVE))).status == 200;
    assert!(eventually(PATIENCE, taken), "the file is read again: {}", warden.log());
    assert_eq!(status(), 404, "the first key is still there");
    std::fs::write(file.path(), other.key_set().replace("first", "third")).unwrap();
    assert!(eventually(PATIENCE, || status() == 401), "{}", warden.log());
}

#[test]
fn an_issuer_that_does_not_answer_rightly_is_no_issuer() {
    let (registry, issuer) = (registry(), issuer());
    for (behaviour, logged) in [
        (Behaviour::Down, "expected 200, the answer is 503"),
        (Behaviour::Huge, "larger than 64 KiB"),
        (Behaviour::Redirect, "expected 200, the answer is 302"),
        (Behaviour::Elsewhere, "on another origin"),
        (Behaviour::Slow(20_000), "no answer within 5 s"),
    ] {
        issuer.behave(behaviour);
        let warden = trusting(portwarden(&registry), &issuer).start();
        let refused = log_in(&warden, &issuer.sign(&issuer.claims(ALIVE))).is(503);
        assert!(refused.header("retry-after").is_some());
        warden.says(logged);
    }
    issuer.behave(Behaviour::Right);
    let stranger = crate::support::issuer::issuer();
    let section = section(&issuer, "{}").replace(
        &issuer.authority_file().display().to_string(),
        &stranger.authority_file().display().to_string(),
    );
    let warden = portwarden(&registry).acl("  []").with(&section).start();
    log_in(&warden, &issuer.sign(&issuer.claims(ALIVE))).is(503);
    warden.says("invalid peer certificate");
}

#[test]
fn skopeo_pushes_with_jwts_of_one_and_six_kib() {
    let (registry, issuer) = (registry(), issuer());
    let warden = trusting(portwarden(&registry), &issuer).start();
    let archive = Image::random(1, 2_000).archive("app:1");
    for bytes in [700, 4_100] {
        let mut claims = issuer.claims(ALIVE);
        claims["more"] = json!("x".repeat(bytes));
        let jwt = issuer.sign(&claims);
        skopeo(&warden, job(&jwt)).push(archive.path(), "acme/app:1").succeeds();
        let other = skopeo(&warden, job(&jwt)).push(archive.path(), "acme/other:1");
        other.fails().says("account 'ci:acme/app' may not");
    }
}

#[test]
fn the_audit_log_names_the_jwt_and_never_has_it() {
    let (registry, issuer) = (registry(), issuer());
    let directory = tempfile::tempdir().unwrap();
    let audit = directory.path().join("audit.log");
    let to = format!("audit: {{to: {:?}}}", audit.display().to_string());
    let warden = trusting(portwarden(&registry), &issuer).with(&to).start();
    let jwt = issuer.sign(&issuer.claims(ALIVE));
    log_in(&warden, &jwt).is(200);
    let lines = || std::fs::read_to_string(&audit).unwrap_or_default();
    let says =
        r#""account":"ci:acme/app","source":"workload_auth","credentials":"jwt","jti":"job-1","kid":"first""#;
    assert!(eventually(PATIENCE, || lines().contains(says)), "{}", lines());
    assert!(!lines().contains(&jwt), "{}", lines());
    audit::assert_lines_valid(&lines());
}

#[test]
fn explain_shows_the_account_and_labels_of_a_jwt_and_why_one_is_no_login() {
    let (registry, issuer) = (registry(), issuer());
    let warden = trusting(portwarden(&registry), &issuer).start();
    let (config, file) = (warden.file("portwarden.yml"), warden.file("job.jwt"));
    let explain = |jwt: &str, more: &[&str]| {
        std::fs::write(&file, format!("{jwt}\n")).unwrap();
        let mut all = vec!["explain", "--config", config.to_str().unwrap(), "--jwt", file.to_str().unwrap()];
        all.extend(more);
        let told = command::run(&program(), &all, &[]);
        assert!(!format!("{}{}", told.stdout, told.stderr).contains(jwt), "{told:?}");
        told
    };
    let jwt = issuer.sign(&issuer.claims(ALIVE));
    explain(&jwt, &[]).succeeds().says("a login as ci:acme/app").says("ref: refs/heads/main");
    let push = ["--scope", "repository:acme/app:push"];
    explain(&jwt, &push).succeeds().says("push: allowed, by rule 2");
    explain(&jwt, &["--scope", "repository:acme/other:push"]).fails().says("push: denied");
    let answer = explain(&jwt, &["--json"]).succeeds().stdout;
    assert!(answer.starts_with(r#"{"account":"ci:acme/app","labels":{"#), "{answer}");
    explain(&issuer.sign(&issuer.claims(-100)), &push).fails().says("it has expired");
    explain("a.b.c", &push).fails().says("not a JWT");
    let labels = ["--account", "ci:acme/app", "--label", "repo=acme/app", "--label", "ref=refs/heads/main"];
    let begin = ["explain", "--config", config.to_str().unwrap()];
    let asked = [&begin[..], &labels, &push].concat();
    command::run(&program(), &asked, &[])
        .succeeds()
        .says("issuer \"ci\" of `workload_auth`")
        .says("push: allowed");
}

#[test]
fn an_image_of_a_job_is_pulled_by_a_person() {
    let (registry, issuer) = (registry(), issuer());
    let warden = trusting(portwarden(&registry), &issuer).start();
    let token = member(&answer(&warden, &issuer), "token");
    push_image(&curl(&warden).bearer(&token), "acme/app", "1");
    curl(&warden).user(ADMIN).get("/v2/acme/app/tags/list").is(200);
}
