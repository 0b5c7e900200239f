//! Uploads whose token expires before they end (rule 48).
//!
//! Needs: curl, docker-registry, htpasswd.

use crate::support::{
    curl::{Request, curl},
    distribution::with_digest,
    image::sha256,
    portwarden::{ADMIN, Portwarden, portwarden},
    registry::registry,
    token_exchange::{expiring_in, token},
    waiting::{PATIENCE, eventually},
};

const UPLOADS: &str = "/v2/team/app/blobs/uploads/";

/// A token that has expired by now, and the `Location` of an upload that it began while it was valid.
fn begun(warden: &Portwarden) -> (String, String) {
    let lasting = token(warden, ADMIN, &["repository:team/app:pull,push,delete"]);
    let mut begun = None;
    // A few seconds are left of the minute by which clocks may differ. A busy machine may take longer.
    let has_begun = eventually(PATIENCE, || {
        let short = expiring_in(warden, &lasting, -55);
        let answer = curl(warden).bearer(&short).send("POST", UPLOADS);
        begun = answer.header("location").map(|location| (short, location.to_owned()));
        answer.status == 202
    });
    assert!(has_begun);
    let (token, location) = begun.unwrap();
    assert!(eventually(PATIENCE, || curl(warden).bearer(&token).get("/v2/").status == 401));
    (token, location)
}

fn location(answer: &crate::support::curl::Response) -> String {
    answer.header("location").expect("a Location").to_owned()
}

#[test]
fn rule_48_an_upload_goes_on_with_a_token_that_has_expired_and_the_registry_sees_no_key() {
    let registry = registry();
    let warden = portwarden(&registry).start();
    let (token, begun) = begun(&warden);
    let with = || curl(&warden).bearer(&token);
    assert!(begun.contains("portwarden="), "{begun}");
    let first = with().body(b"a ").send("PATCH", &begun).is(202);
    with().get(&location(&first)).is(204);
    let second = with().body(b"layer").send("PATCH", &location(&first)).is(202);
    let whole = with_digest(&location(&second), &sha256(b"a layer"));
    let made = with().body(b"").send("PUT", &whole).is(201);
    assert!(!location(&made).contains("portwarden="), "a blob's address is its own");
    let asked = registry.requests(UPLOADS);
    assert!(asked.len() >= 4 && asked.iter().all(|line| !line.contains("portwarden")), "{asked:?}");
    curl(&warden).user(ADMIN).head(&location(&made)).is(200);
}

#[test]
fn rule_48_a_key_is_for_its_upload_its_token_and_nothing_else() {
    let registry = registry();
    let warden = portwarden(&registry).start();
    let ((token, first), (other, second)) = (begun(&warden), begun(&warden));
    let key = first.split_once("portwarden=").unwrap().1;
    let (path_of_second, _) = second.split_once("portwarden=").unwrap();
    let patch =
        |token: &str, location: &str| curl(&warden).bearer(token).body(b"x").send("PATCH", location).status;
    assert_eq!(patch(&token, &format!("{path_of_second}portwarden={key}")), 401, "another upload");
    assert_eq!(patch(&other, &first), 401, "another token");
    assert_eq!(patch(&token, first.split_once("&portwarden").unwrap().0), 401, "no key");
    let send = |method: &str, path: &str| {
        curl(&warden).bearer(&token).send(method, &format!("{path}?portwarden={key}")).status
    };
    assert_eq!(send("POST", UPLOADS), 401, "another upload is not begun");
    assert_eq!(send("GET", "/v2/team/app/tags/list"), 401);
    assert_eq!(send("PUT", "/v2/team/app/manifests/1"), 401);
    let cancelled = curl(&warden).bearer(&token).send("DELETE", &first);
    assert_eq!(cancelled.status, 401, "it is not cancelled");
    assert_eq!(patch(&token, &first), 202, "it goes on all the same");
    // A password needs no key, since it comes with each request.
    let by_password: Request = curl(&warden).user(ADMIN);
    assert!(!location(&by_password.send("POST", UPLOADS).is(202)).contains("portwarden="));
}

#[test]
fn rule_48_the_policy_of_now_decides_about_an_upload_that_goes_on() {
    let registry = registry();
    let mut warden = portwarden(&registry).start();
    let (token, location) = begun(&warden);
    let patch = |warden: &Portwarden| curl(warden).bearer(&token).body(b"x").send("PATCH", &location).status;
    let acl = format!("  - match: {{account: {:?}}}\n    actions: [pull]\n", ADMIN.name);
    warden.reload(|builder| builder.acl(&acl));
    assert_eq!(patch(&warden), 401, "the account may not push any more");
}
