//! Personal tokens behind docker. What they do and what ends them: `tests/services/personal_tokens.rs`.
//!
//! Needs: curl, docker, docker-registry, htpasswd, podman, root.

use crate::support::{
    device_login::{Login, answer_with},
    docker::docker,
    image::Image,
    page_client::Visitor,
    personal_tokens::{make, revoke},
    podman::podman,
    portwarden::{TEST2, portwarden},
    registry::registry,
};

#[test]
fn docker_signs_in_with_a_token_and_is_told_why_it_may_not() {
    let registry = registry();
    let warden = portwarden(&registry).with("state: {file: ./state.db}\n").start();
    let visitor = Visitor::signed_in(&warden, TEST2);
    let made = make(&visitor, TEST2, "team/*", "push");
    let docker = docker();
    docker.user(&warden, None).login(made.user()).succeeds().says("Login Succeeded");

    let client = docker.user(&warden, Some(made.user()));
    let load =
        |name: &str| client.load(Image::random(2, 5_000).archive(&client.reference(name)).path()).succeeds();
    load("team/app:1");
    let digest = client.push("team/app:1").succeeds().digest_after("digest: ");
    load("other/app:1");
    client.push("other/app:1").fails().says("account 'test2' may not push to repository other/app");
    client.forget("team/app:1");
    assert_eq!(client.pull("team/app:1").succeeds().digest_after("Digest: "), digest);

    revoke(&visitor, &made.id).is(303);
    client.forget("team/app:1");
    client.pull("team/app:1").fails();
    docker.user(&warden, None).login(made.user()).fails();
}

#[test]
fn docker_and_podman_use_what_portwarden_login_stores() {
    let registry = registry();
    let warden = portwarden(&registry).with("state: {file: ./state.db}\n").start();
    let client = docker().user(&warden, None);
    let config = client.configuration();
    client.load(Image::random(2, 5_000).archive(&client.reference("team/app:1")).path()).succeeds();
    client.push("team/app:1").fails();
    let login = Login::start(&warden, config.parent().unwrap(), &[]);
    let wish = ("docker", "team/*", "push", "1");
    answer_with(&Visitor::signed_in(&warden, TEST2), &login.code(), "allow", wish).is(200);
    login.end().succeeds();
    client.run(&["login", &warden.host()]).succeeds().says("Login Succeeded");
    let digest = client.push("team/app:1").succeeds().digest_after("digest: ");
    client.forget("team/app:1");
    assert_eq!(client.pull("team/app:1").succeeds().digest_after("Digest: "), digest);
    podman(&warden).login_by(&config).succeeds();
}
