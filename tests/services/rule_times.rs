//! Rules with `from` and `until`, while a clock passes these times: what a client, a token, an upload, the catalogue and the
//! web pages have been told before counts for nothing.
//!
//! Needs: curl, docker-registry, faketime, htpasswd.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;

use crate::support::{
    clock::Clock,
    curl::{Response, curl},
    distribution::{push_image, start_upload},
    page_client::Visitor,
    portwarden::{ADMIN, Portwarden, TEST2, USER, portwarden},
    registry::{Registry, registry},
    token_exchange,
};

/// Well within the life of a token, in seconds: what ends then is not a token.
const CHANGE: u64 = 300;
const BEFORE: &str = "+0";
const AFTER: &str = "+310s";

/// A time from now, as RFC 3339 writes it.
fn in_seconds(seconds: u64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    humantime::format_rfc3339_seconds(UNIX_EPOCH + now + Duration::from_secs(seconds)).to_string()
}

/// `user` may do everything in `acme/app` until the change, and pull from `later/app` from then on; `test2` may pull
/// from `acme/app` once the rule that denies it has ended.
fn changing(registry: &Registry, clock: &Clock) -> (Portwarden, String) {
    let change = in_seconds(CHANGE);
    let rules = format!(
        "  - {{match: {{account: admin}}, actions: ['*']}}\n\
         \x20 - {{match: {{account: user, name: acme/app}}, actions: ['*'], until: {change}}}\n\
         \x20 - {{match: {{account: user, name: later/app}}, actions: [pull], from: {change}}}\n\
         \x20 - {{match: {{account: test2, name: acme/*}}, actions: [], until: {change}}}\n\
         \x20 - {{match: {{account: test2}}, actions: [pull]}}\n"
    );
    let warden = clock.of(portwarden(registry).acl(&rules)).start();
    for repository in ["acme/app", "later/app"] {
        push_image(&curl(&warden).user(ADMIN), repository, "1");
    }
    (warden, change)
}

fn names(response: &Response) -> Value {
    response.json()["repositories"].clone()
}

fn with_token(warden: &Portwarden, token: &str, repository: &str) -> u16 {
    curl(warden).bearer(token).get(&format!("/v2/{repository}/tags/list")).status
}

#[test]
fn rule_52_a_right_ends_with_its_time_for_passwords_tokens_and_lists() {
    let (registry, clock) = (registry(), Clock::right());
    let (warden, _) = changing(&registry, &clock);
    let scopes = ["repository:acme/app:pull,push", "repository:later/app:pull", "registry:catalog:*"];
    let token = token_exchange::token(&warden, USER, &scopes);
    let manifest = |repository: &str| curl(&warden).user(USER).get(&format!("/v2/{repository}/tags/list"));
    let catalog = || curl(&warden).bearer(&token).get("/v2/_catalog").is(200);
    // Asked before and after, and before again: nothing is kept.
    for (offset, acme, later, listed) in [
        (BEFORE, 200, 401, "acme/app"),
        (AFTER, 401, 200, "later/app"),
        (BEFORE, 200, 401, "acme/app"),
        (AFTER, 401, 200, "later/app"),
    ] {
        clock.set(offset);
        assert_eq!((manifest("acme/app").status, manifest("later/app").status), (acme, later), "{offset}");
        assert_eq!(with_token(&warden, &token, "acme/app"), acme, "{offset}");
        // What a token was refused stays refused: it is a ceiling.
        assert_eq!(with_token(&warden, &token, "later/app"), 401, "{offset}");
        assert_eq!(names(&catalog()), serde_json::json!([listed]), "{offset}");
    }
    clock.set(AFTER);
    assert_eq!(manifest("acme/app").denial(), "account 'user' may not pull from repository acme/app");
    let newer = token_exchange::token(&warden, USER, &scopes);
    assert_eq!(with_token(&warden, &newer, "later/app"), 200);
    let access = token_exchange::claims(&newer)["access"].clone();
    assert_eq!(access[0]["actions"], serde_json::json!([]), "{access}");
}

#[test]
fn rule_52_a_rule_that_denies_for_a_time_is_gone_after_it() {
    let (registry, clock) = (registry(), Clock::right());
    let (warden, _) = changing(&registry, &clock);
    let manifest = || curl(&warden).user(TEST2).get("/v2/acme/app/tags/list");
    assert_eq!(manifest().denial(), "account 'test2' may not pull from repository acme/app");
    clock.set(AFTER);
    manifest().is(200);
    clock.set(BEFORE);
    manifest().is(401);
}

#[test]
fn rule_52_an_upload_goes_on_only_while_the_rule_holds() {
    let (registry, clock) = (registry(), Clock::right());
    let (warden, _) = changing(&registry, &clock);
    let token = token_exchange::token(&warden, USER, &["repository:acme/app:pull,push"]);
    let user = curl(&warden).bearer(&token);
    let location = start_upload(&user, "acme/app");
    let part = |location: &str| user.clone().body(b"a part").send("PATCH", location);
    let location = part(&location).is(202).header("location").unwrap().to_owned();
    clock.set(AFTER);
    part(&location).is(401);
    let forwarded = registry.requests("PATCH").len();
    assert_eq!(forwarded, 1, "what was refused has reached the registry");
}

#[test]
fn rule_52_the_pages_follow_the_time_and_my_access_shows_the_end() {
    let (registry, clock) = (registry(), Clock::right());
    let (warden, change) = changing(&registry, &clock);
    let visitor = Visitor::signed_in(&warden, USER);
    let access = || visitor.get("/-/access").is(200).text();
    visitor.get("/acme/app").is(200);
    visitor.get("/acme/app:1").is(200);
    let before = access();
    assert!(before.contains(&format!("until <time datetime=\"{change}\">")), "{before}");
    assert!(before.contains("acme/app") && !before.contains("later/app"), "{before}");
    clock.set(AFTER);
    for gone in ["/acme/app", "/acme/app:1"] {
        assert_eq!(visitor.get(gone).status, visitor.get("/no/such").status, "{gone}");
    }
    let after = access();
    assert!(after.contains("later/app") && !after.contains("acme/app"), "{after}");
    visitor.get("/later/app:1").is(200);
}
