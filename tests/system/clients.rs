//! Every other client than docker: skopeo, podman, containerd and curl, each doing what its account may and failing at
//! what it may not. The full table of users is in `docker`.
//!
//! Needs: containerd, curl, docker, docker-registry, htpasswd, podman, root, skopeo.

use crate::support::{
    containerd::containerd,
    curl::curl,
    distribution::{self, MANIFEST, push_blob, push_image},
    docker::docker,
    image::{Image, random_bytes},
    podman::podman,
    portwarden::{ADMIN, TEST, TEST2, USER, User, portwarden},
    registry::registry,
    same_rules::same_rules,
    skopeo::skopeo,
    token_exchange,
};

/// Text that a client shows, in its own words, when the ACL denies a pull of `team/app` to `test`.
const DENIED_PULL: &str = "account 'test' may not pull from repository team/app";
/// The same of a push by `user`.
const DENIED_PUSH: &str = "account 'user' may not push to repository team/app";
/// Text that a client shows for a wrong password.
const WRONG_PASSWORD: &str = "unauthorized";
/// The same of newer versions of skopeo.
const WRONG_PASSWORD_TOO: &str = "authentication required";
/// An account with a password that is not its own.
const IMPOSTOR: User = User { name: "admin", password: "guess" };

#[test]
fn rule_40_what_docker_login_keeps_serves_the_other_clients_and_the_way_back() {
    let registry = registry();
    let warden = portwarden(&registry).start();
    let client = docker().user(&warden, None);
    client.login(USER).succeeds().says("Login Succeeded");
    let file = client.configuration();
    let kept: serde_json::Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    let kept = &kept["auths"][warden.host()];
    assert_eq!(kept["auth"], "dXNlcjp1c2Vy", "the name and the password, as with docker_auth: {kept}");
    assert!(kept.get("identitytoken").is_none(), "{kept}");
    podman(&warden).login_by(&file).succeeds().says("Existing credentials are valid");
    skopeo(&warden, USER).login_by(&file).succeeds().says("Existing credentials are valid");
}

#[test]
fn skopeo_copies_inspects_lists_and_deletes() {
    let registry = registry();
    let warden = same_rules(&registry);
    let archive = Image::random(2, 20_000).archive("any/image:1");

    skopeo(&warden, USER).push(archive.path(), "team/app:1").fails().says(DENIED_PUSH);
    let impostor = skopeo(&warden, IMPOSTOR).push(archive.path(), "team/app:1").fails().text();
    assert!(impostor.contains(WRONG_PASSWORD) || impostor.contains(WRONG_PASSWORD_TOO), "{impostor}");
    skopeo(&warden, TEST2).push(archive.path(), "team/app:1").succeeds();

    skopeo(&warden, USER).pull("team/app:1").succeeds();
    skopeo(&warden, TEST).pull("team/app:1").fails().says(DENIED_PULL);
    skopeo(&warden, USER).inspect("team/app:1").succeeds().digest_after("\"Digest\": ");
    skopeo(&warden, TEST).inspect("team/app:1").fails().says(DENIED_PULL);
    skopeo(&warden, USER).list_tags("team/app").succeeds().says("\"1\"");
    skopeo(&warden, TEST).list_tags("team/app").fails();

    skopeo(&warden, TEST2).delete("team/app:1").fails();
    skopeo(&warden, USER).inspect("team/app:1").succeeds();
    skopeo(&warden, ADMIN).delete("team/app:1").succeeds();
    skopeo(&warden, USER).inspect("team/app:1").fails().says("manifest unknown");
    warden.assert_no_difference();
}

#[test]
fn podman_logs_in_pushes_and_pulls() {
    let registry = registry();
    let warden = same_rules(&registry);
    let podman = podman(&warden);
    podman.login(TEST).succeeds();
    podman.login(IMPOSTOR).fails().says("invalid username/password");

    let name = format!("{}/team/app:1", warden.host());
    podman.load(Image::random(2, 20_000).archive(&name).path()).succeeds();
    podman.push(USER, "team/app:1").fails().says(DENIED_PUSH);
    podman.push(TEST2, "team/app:1").succeeds();

    podman.forget("team/app:1").succeeds();
    podman.pull(TEST, "team/app:1").fails().says(DENIED_PULL);
    podman.pull(USER, "team/app:1").succeeds();
    warden.assert_no_difference();
}

#[test]
fn containerd_pushes_and_pulls() {
    let registry = registry();
    let warden = same_rules(&registry);
    let containerd = containerd(&warden);
    let name = format!("{}/team/app:1", warden.host());
    containerd.load(Image::random(2, 20_000).archive(&name).path()).succeeds();

    // ctr shows the code of the challenge and not its words.
    containerd.push(USER, "team/app:1").fails().says("insufficient_scope");
    containerd.push(IMPOSTOR, "team/app:1").fails().says("401");
    containerd.push(TEST2, "team/app:1").succeeds();

    containerd.forget("team/app:1").succeeds();
    containerd.pull(TEST, "team/app:1").fails().says("insufficient_scope");
    containerd.pull(USER, "team/app:1").succeeds();
    warden.assert_no_difference();
}

#[test]
fn curl_with_a_token_may_do_what_the_token_and_the_acl_both_allow() {
    let registry = registry();
    let warden = portwarden(&registry).start();
    let with = |user, scope: &str| curl(&warden).bearer(&token_exchange::token(&warden, user, &[scope]));
    let everything = "repository:team/app:delete,pull,push";

    let pushed = push_image(&with(TEST2, everything), "team/app", "1");
    let accepting = with(USER, everything).header(&format!("Accept: {MANIFEST}"));
    let manifest = accepting.get("/v2/team/app/manifests/1").is(200);
    assert_eq!(manifest.header("docker-content-digest"), Some(pushed.as_str()));

    // The ACL denies.
    assert_eq!(with(TEST, everything).get("/v2/team/app/manifests/1").denial(), DENIED_PULL);
    assert_eq!(with(USER, everything).send("POST", "/v2/team/app/blobs/uploads/").denial(), DENIED_PUSH);

    // The account may, the token is for less: it tells the client what to ask for.
    let narrow = with(TEST2, "repository:team/app:pull").send("POST", "/v2/team/app/blobs/uploads/");
    assert!(narrow.denial().contains("the token of account 'test2'"), "{narrow:?}");
    let challenge = narrow.header("www-authenticate").expect("a challenge");
    assert!(challenge.contains("scope=\"repository:team/app:pull,push\""), "{challenge}");
}

#[test]
fn curl_without_a_token_is_told_where_to_get_one() {
    let registry = registry();
    let warden = portwarden(&registry).start();
    let answer = curl(&warden).get("/v2/team/app/tags/list").is(401);
    assert_eq!(answer.error().0, "UNAUTHORIZED");
    let challenge = answer.header("www-authenticate").expect("a challenge");
    let realm = format!("Bearer realm=\"{}/auth\",service=\"registry.test\"", warden.url());
    assert!(challenge.starts_with(&realm), "{challenge}");
    assert!(challenge.contains("scope=\"repository:team/app:pull\""), "{challenge}");
    curl(&warden).get("/v2/").is(401);
    curl(&warden).bearer("not.a.token").get("/v2/").is(401);
}

#[test]
fn curl_with_a_password_needs_no_token() {
    let registry = registry();
    let warden = portwarden(&registry).start();
    push_blob(&curl(&warden).user(TEST2), "team/app", &random_bytes(100));
    curl(&warden).user(USER).get("/v2/").is(200);
    let denied = curl(&warden).user(USER).send("POST", "/v2/team/app/blobs/uploads/");
    assert_eq!(denied.denial(), DENIED_PUSH);
    curl(&warden).user(IMPOSTOR).get("/v2/").is(401);
}

#[test]
fn a_right_taken_away_is_gone_on_the_next_request_with_the_same_token() {
    let registry = registry();
    let mut warden = portwarden(&registry).start();
    let token = token_exchange::token(&warden, TEST2, &["repository:team/app:pull,push"]);
    let digest = push_blob(&curl(&warden).bearer(&token), "team/app", &random_bytes(100));
    let blob = format!("/v2/team/app/blobs/{digest}");
    curl(&warden).bearer(&token).get(&blob).is(200);

    warden.reload(|settings| settings.acl("  - match: {account: \"admin\"}\n    actions: [\"*\"]\n"));
    let reason = curl(&warden).bearer(&token).get(&blob).denial();
    assert_eq!(reason, "account 'test2' may not pull from repository team/app");
}

/// The registry speaks plain HTTP on a loopback port; no client may be sent there, nor learn of it.
#[test]
fn a_location_leads_back_to_portwarden() {
    let registry = registry();
    let warden = portwarden(&registry).start();
    let request = curl(&warden).user(TEST2);
    let location = distribution::start_upload(&request, "team/app");
    let ours = location.starts_with('/') || location.starts_with(&warden.url());
    assert!(ours && !location.contains(&registry.url()), "{location}");
    request.body(b"some bytes").send("PATCH", &location).is(202);
}
