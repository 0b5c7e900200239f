//! An answer that differs by account is challenged for first: many clients sign in only when they are asked to.
//!
//! Needs: curl, docker-registry, htpasswd.

use crate::support::{
    curl::{Request, curl},
    distribution::{MANIFEST, push_blob, push_image},
    portwarden::{ADMIN, ANYBODY, USER, portwarden},
    registry::registry,
    token_exchange,
};

/// The anonymous user has a part of what `user` has.
const ACL: &str = r#"
  - match: {account: "admin"}
    actions: ["*"]
  - match: {name: "open/*"}
    actions: ["pull", "push"]
  - match: {account: "user", name: "inner/*"}
    actions: ["pull"]
"#;

const UI: &str = "Origin: https://ui.example";

#[test]
fn a_catalogue_without_credentials_is_challenged_for() {
    let registry = registry();
    let cors = "{origins: ['https://ui.example']}";
    let warden =
        portwarden(&registry).users(&[ADMIN, USER, ANYBODY]).acl(ACL).with_server("cors", cors).start();
    for name in ["open/a", "inner/b"] {
        push_image(&curl(&warden).user(ADMIN), name, "1");
    }
    for method in ["GET", "HEAD"] {
        let ask = curl(&warden).option(if method == "HEAD" { &["--head"] } else { &[] });
        let challenged = ask.send(method, "/v2/_catalog?n=100").is(401);
        let challenge = challenged.header("www-authenticate").unwrap();
        assert!(challenge.starts_with("Bearer realm="), "{challenge}");
        assert!(challenge.contains("scope=\"registry:catalog:*\""), "{challenge}");
        assert!(!challenge.contains("error="), "nothing was wrong: {challenge}");
    }
    let names = |ask: Request| ask.get("/v2/_catalog").is(200).text();
    let anonymous = token_exchange::token(&warden, ANYBODY, &["registry:catalog:*"]);
    assert_eq!(names(curl(&warden).bearer(&anonymous)), "{\"repositories\":[\"open/a\"]}\n");
    let of_user = token_exchange::token(&warden, USER, &["registry:catalog:*"]);
    let both = "{\"repositories\":[\"inner/b\",\"open/a\"]}\n";
    assert_eq!(names(curl(&warden).bearer(&of_user)), both);
    assert_eq!(names(curl(&warden).user(USER)), both);
    // A front end that the operator has named cannot sign in.
    assert_eq!(names(curl(&warden).header(UI)), "{\"repositories\":[\"open/a\"]}\n");
    curl(&warden).header("Origin: https://evil.example").get("/v2/_catalog").is(401);
    // Parts that are the same for all needs require no challenge.
    curl(&warden).get("/v2/open/a/tags/list").is(200);
    curl(&warden).header(&format!("Accept: {MANIFEST}")).get("/v2/open/a/manifests/1").is(200);
}

#[test]
fn a_mount_whose_source_an_account_might_have_is_challenged_for() {
    let registry = registry();
    let warden = portwarden(&registry).users(&[ADMIN, USER, ANYBODY]).acl(ACL).start();
    let digest = push_blob(&curl(&warden).user(ADMIN), "inner/b", b"layer");
    let mount = |ask: Request, from: &str| {
        ask.body(b"").send("POST", &format!("/v2/open/a/blobs/uploads/?mount={digest}&from={from}"))
    };
    let challenged = mount(curl(&warden), "inner/b").is(401);
    let challenge = challenged.header("www-authenticate").unwrap();
    assert!(challenge.contains("repository:inner/b:pull"), "{challenge}");
    mount(curl(&warden).user(USER), "inner/b").is(201);
    let scopes = ["repository:open/a:pull,push", "repository:inner/b:pull"];
    let anonymous = token_exchange::token(&warden, ANYBODY, &scopes);
    mount(curl(&warden).bearer(&anonymous), "inner/b").is(202);
    curl(&warden).body(b"").send("POST", "/v2/open/a/blobs/uploads/").is(202);
}
