//! The personal tokens of people who sign in at a provider: the password of their `docker login`.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::json;

use super::{ALLOWED, Browser, DENIED, people::revoke, with};
use crate::support::{
    clock::Clock,
    curl::curl,
    device_login,
    page_client::Visitor,
    personal_tokens::{self, MadeToken},
    portwarden::{Portwarden, User},
    provider::provider,
    registry::registry,
};

/// The account of the person at the provider.
const ADA: User = User { name: "ada@example.com", password: "" };
const SESSION: &str = "__Host-portwarden-session";

/// Makes a token in the session of a browser.
#[track_caller]
fn make(browser: &Browser<'_>) -> MadeToken {
    let cookie = format!("{SESSION}={}", browser.cookies[SESSION]);
    personal_tokens::make(&Visitor::with_cookie(browser.warden, Some(cookie)), ADA, "*/*", "pull")
}

/// The statuses of two lists of tags, asked for with a token.
fn tags(warden: &Portwarden, token: &MadeToken) -> [u16; 2] {
    ["dev/app", "ops/app"]
        .map(|name| curl(warden).user(token.user()).get(&format!("/v2/{name}/tags/list")).status)
}

#[test]
fn rule_60_a_personal_token_counts_while_the_sign_in_of_its_person_does() {
    let (registry, provider, clock) = (registry(), provider(), Clock::right());
    let warden = clock.of(with(&registry, &provider.oidc())).start();
    let mut browser = Browser::new(&warden);
    browser.sign_in(&provider, "oidc_auth").is(200);
    let token = make(&browser);
    assert_eq!(tags(&warden, &token), [ALLOWED, DENIED]);
    let login =
        || curl(&warden).user(token.user()).get("/auth?service=registry.example&account=ada@example.com");
    let bearer = login().is(200).json()["token"].as_str().unwrap().to_owned();
    let with_bearer = || curl(&warden).bearer(&bearer).get("/v2/dev/app/tags/list").status;

    // The person is in another group by now.
    provider.world().userinfo["groups"] = json!(["ops"]);
    clock.set("+61m");
    assert_eq!(tags(&warden, &token), [DENIED, DENIED]);
    assert_eq!(with_bearer(), DENIED);

    provider.world().refuses = true;
    clock.set("+130m");
    let refused = login().is(401).text();
    assert!(refused.contains("the provider no longer confirms this sign-in"), "{refused}");
    assert_eq!(tags(&warden, &token), [DENIED, DENIED]);
}

#[test]
fn rule_60_a_clock_that_was_ahead_gives_no_sign_in_more_time() {
    let (registry, provider, clock) = (registry(), provider(), Clock::right());
    clock.set("+3h");
    let warden = clock.of(with(&registry, &provider.oidc())).start();
    let ahead = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() + 3 * 3600;
    provider.world().claims["iat"] = json!(ahead);
    provider.world().claims["exp"] = json!(ahead + 300);
    let mut browser = Browser::new(&warden);
    browser.sign_in(&provider, "oidc_auth").is(200);
    let token = make(&browser);
    assert_eq!(tags(&warden, &token), [ALLOWED, DENIED]);
    clock.set("+0");
    assert_eq!(tags(&warden, &token), [ALLOWED, DENIED], "the provider confirms it");
    clock.set("-2h");
    provider.world().refuses = true;
    assert_eq!(tags(&warden, &token), [DENIED, DENIED]);
}

#[test]
fn rule_60_a_personal_token_is_of_the_person_and_not_of_the_name() {
    let (registry, provider) = (registry(), provider());
    let mut warden = with(&registry, &provider.oidc()).start();
    let mut first = Browser::new(&warden);
    first.sign_in(&provider, "oidc_auth").is(200);
    let token = make(&first);
    warden.crash_and_restart();
    assert_eq!(tags(&warden, &token), [ALLOWED, DENIED], "after a restart");
    revoke(&warden, &["--account", ADA.name, "--forget"]).succeeds();
    assert_eq!(tags(&warden, &token), [DENIED, DENIED]);
    provider.world().claims["sub"] = json!("subject-2");
    let mut second = Browser::new(&warden);
    second.sign_in(&provider, "oidc_auth").is(200);
    assert_eq!(tags(&warden, &token), [DENIED, DENIED]);
    assert_eq!(tags(&warden, &make(&second)), [ALLOWED, DENIED]);
}

/// The provider is asked again when the program comes for its token: the hour of its word is over.
#[test]
fn rule_65_a_code_ends_with_the_sign_in_of_the_person() {
    let (registry, provider, clock) = (registry(), provider(), Clock::right());
    let warden = clock.of(with(&registry, &provider.oidc())).start();
    let mut browser = Browser::new(&warden);
    browser.sign_in(&provider, "oidc_auth").is(200);
    let cookie = format!("{SESSION}={}", browser.cookies[SESSION]);
    let visitor = Visitor::with_cookie(&warden, Some(cookie));
    let [confirmed, refused] = [(); 2].map(|()| {
        let codes = device_login::begin(&warden, &[]);
        device_login::answer(&visitor, &codes.user, "allow").is(200);
        codes
    });
    clock.set("+61m");
    let told = device_login::poll(&warden, &confirmed).is(200).json();
    assert_eq!(told["username"], ADA.name);
    let password = told["access_token"].as_str().unwrap().to_owned().leak();
    let list = curl(&warden).user(User { password, ..ADA }).get("/v2/dev/app/tags/list");
    assert_eq!(list.status, ALLOWED);
    provider.world().refuses = true;
    clock.set("+130m");
    let told = device_login::poll(&warden, &refused).is(400);
    assert_eq!(device_login::error(&told), "access_denied");
    assert!(told.text().contains("the provider no longer confirms this sign-in"), "{}", told.text());
}
