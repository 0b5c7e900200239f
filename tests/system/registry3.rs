//! docker in front of Portwarden in front of registry 3: logging in, pushing, mounting, pulling, and what a denied request
//! shows.
//!
//! Needs: curl, docker, docker-registry, htpasswd, registry-3, root.

use crate::support::{
    curl::curl,
    distribution::MANIFEST,
    docker::{Client, docker},
    image::Image,
    portwarden::{ADMIN, TEST, TEST2, USER, portwarden},
    registry3::registry3,
};

fn load(client: &Client, name: &str, image: &Image) {
    let reference = client.reference(name);
    client.load(image.archive(&reference).path()).succeeds();
}

#[test]
#[ignore = "run by `make test-registry3`, which builds registry 3"]
fn docker_pushes_pulls_mounts_deletes_and_is_denied() {
    let registry = registry3();
    let warden = portwarden(&registry).shipped().start();
    let docker = docker();
    let admin = docker.user(&warden, Some(ADMIN));
    docker.user(&warden, None).login(ADMIN).succeeds().says("Login Succeeded");

    load(&admin, "team/app:1", &Image::random(3, 200_000));
    let digest = admin.push("team/app:1").succeeds().digest_after("digest: ");
    admin.tag("team/app:1", "team/other:1").succeeds();
    admin.push("team/other:1").succeeds().says("Mounted from team/app");
    let id = admin.image_id("team/app:1");

    for user in [USER, TEST2] {
        let client = docker.user(&warden, Some(user));
        client.forget("team/app:1");
        assert_eq!(client.pull("team/app:1").succeeds().digest_after("Digest: "), digest, "{}", user.name);
        assert_eq!(client.image_id("team/app:1"), id);
    }
    let denied = docker.user(&warden, Some(TEST));
    denied.forget("team/app:1");
    denied.pull("team/app:1").fails().says("account 'test' may not pull from repository team/app");
    let reader = docker.user(&warden, Some(USER));
    load(&reader, "team/of-user:1", &Image::random(1, 2_000));
    reader.push("team/of-user:1").fails().says("account 'user' may not push to repository team/of-user");

    let manifest = |method: &str, reference: &str| {
        let request = curl(&warden).user(ADMIN).header(&format!("Accept: {MANIFEST}"));
        request.send(method, &format!("/v2/team/app/manifests/{reference}")).status
    };
    assert_eq!((manifest("DELETE", "1"), manifest("HEAD", &digest)), (202, 200), "the tag alone");
    assert_eq!((manifest("DELETE", &digest), manifest("HEAD", &digest)), (202, 404));
    admin.forget("team/app:1");
    admin.pull("team/app:1").fails().says("manifest unknown");
    admin.forget("team/other:1");
    admin.pull("team/other:1").succeeds();
}
