//! Robots behind docker and skopeo. What their tokens do and what ends them: `tests/services/robots.rs`.
//!
//! Needs: docker, docker-registry, htpasswd, root, skopeo.

use crate::support::{
    docker::docker,
    image::Image,
    portwarden::{ADMIN, User},
    registry::registry,
    robots::{CI, Made, SCOPES, with_robot},
    skopeo::skopeo,
};

#[test]
fn docker_and_skopeo_push_and_pull_inside_the_scope_and_not_outside() {
    let (registry, ci) = (registry(), Made::new());
    let warden = with_robot(&registry, &[ci.entry("")], SCOPES).start();
    let docker = docker();
    docker.user(&warden, None).login(ci.user()).succeeds().says("Login Succeeded");

    let client = docker.user(&warden, Some(ci.user()));
    let load =
        |name: &str| client.load(Image::random(2, 5_000).archive(&client.reference(name)).path()).succeeds();
    load("acme/app:1");
    let digest = client.push("acme/app:1").succeeds().digest_after("digest: ");
    for outside in ["acme/lib:1", "other/app:1"] {
        load(outside);
        let repository = outside.trim_end_matches(":1");
        client.push(outside).fails().says(&format!("account '{CI}' may not push to repository {repository}"));
    }
    client.forget("acme/app:1");
    assert_eq!(client.pull("acme/app:1").succeeds().digest_after("Digest: "), digest);
    assert_eq!(
        skopeo(&warden, ci.user()).inspect("acme/app:1").succeeds().digest_after("\"Digest\": "),
        digest
    );

    let archive = Image::random(1, 2_000).archive("any/image:1");
    skopeo(&warden, ADMIN).push(archive.path(), "other/app:1").succeeds();
    skopeo(&warden, ci.user()).pull("other/app:1").fails().says("may not pull from repository other/app");
    skopeo(&warden, ci.user()).delete("acme/app:1").fails();
}

#[test]
fn docker_shows_why_a_robots_token_is_not_taken() {
    let (registry, ci) = (registry(), Made::new());
    let warden = with_robot(&registry, &[ci.entry(", expires: 2001-02-03")], "").start();
    let login = |user| docker().user(&warden, None).login(user);
    login(ci.user())
        .fails()
        .says(&format!("the token of robot '{CI}' expired at the end of 2001-02-03 (UTC)"));
    login(User { password: &ci.token[..80], ..ci.user() }).fails().says("the token has a typing error");
}
