//! Rules by tag behind real clients: an account gets the tags that it may pull, and `manifest unknown` for the others.
//! The digests that tags reach: `tests/services/tag_rules.rs`.
//!
//! Needs: containerd, docker, docker-registry, htpasswd, podman, root, skopeo.

use crate::support::{
    containerd::containerd,
    docker::docker,
    image::Image,
    podman::podman,
    portwarden::{ADMIN, Portwarden, TEST2, USER, portwarden},
    registry::{Registry, registry},
    skopeo::skopeo,
};

/// `user` may pull `1.*`; `test2` may pull `1.*`, too, and do all with `pr-<n>`.
const ACL: &str = r#"
  - match: {account: "admin"}
    actions: ["*"]
  - match: {account: "test2", name: "acme/app", tag: "/^pr-[0-9]+$/"}
    actions: [pull, push, delete]
  - match: {account: "/^(user|test2)$/", name: "acme/app", tag: "1.*"}
    actions: [pull]
"#;

/// A registry with the tags `1.0` and `2.0`.
fn start(registry: &Registry) -> Portwarden {
    let warden = portwarden(registry).acl(ACL).start();
    for tag in ["1.0", "2.0"] {
        let archive = Image::random(2, 20_000).archive("any/image:1");
        skopeo(&warden, ADMIN).push(archive.path(), &format!("acme/app:{tag}")).succeeds();
    }
    warden
}

fn digest(warden: &Portwarden, name: &str) -> String {
    skopeo(warden, ADMIN).inspect(name).succeeds().digest_after("\"Digest\": ")
}

#[test]
fn docker_pulls_by_tag_and_digest_and_pushes_what_it_pulled() {
    let registry = registry();
    let warden = start(&registry);
    let (open, secret) = (digest(&warden, "acme/app:1.0"), digest(&warden, "acme/app:2.0"));
    let user = docker().user(&warden, Some(USER));
    assert_eq!(user.pull("acme/app:1.0").succeeds().digest_after("Digest: "), open);
    user.forget("acme/app:1.0");
    user.pull(&format!("acme/app@{open}")).succeeds();
    user.pull("acme/app:2.0").fails().says("manifest unknown");
    user.pull(&format!("acme/app@{secret}")).fails().says("manifest unknown");

    // The layers of 1.0 are there already, and an account that may pull them may name them.
    let pusher = docker().user(&warden, Some(TEST2));
    pusher.pull("acme/app:1.0").succeeds();
    pusher.tag("acme/app:1.0", "acme/app:pr-1").succeeds();
    pusher.push("acme/app:pr-1").succeeds().says("already exists");
    let own = Image::random(2, 20_000).archive(&pusher.reference("acme/app:pr-2"));
    pusher.load(own.path()).succeeds();
    let pushed = pusher.push("acme/app:pr-2").succeeds().digest_after("digest: ");
    pusher.forget("acme/app:pr-2");
    assert_eq!(pusher.pull("acme/app:pr-2").succeeds().digest_after("Digest: "), pushed);
    pusher.tag("acme/app:pr-2", "acme/app:2.1").succeeds();
    pusher.push("acme/app:2.1").fails().says("account 'test2' may not push to repository acme/app");
}

#[test]
fn skopeo_podman_and_containerd_get_what_the_tags_reach() {
    let registry = registry();
    let warden = start(&registry);
    let secret = digest(&warden, "acme/app:2.0");
    let client = skopeo(&warden, USER);
    client.pull("acme/app:1.0").succeeds();
    client.pull("acme/app:2.0").fails().says("manifest unknown");
    client.pull(&format!("acme/app@{secret}")).fails().says("manifest unknown");
    let tags = client.list_tags("acme/app").succeeds().text();
    assert!(tags.contains("\"1.0\"") && !tags.contains("2.0"), "{tags}");

    let archive = Image::random(2, 20_000).archive("any/image:1");
    skopeo(&warden, TEST2).push(archive.path(), "acme/app:pr-1").succeeds();
    skopeo(&warden, TEST2).pull("acme/app:pr-1").succeeds();
    skopeo(&warden, TEST2).push(archive.path(), "acme/app:2.0").fails().says("may not push");
    skopeo(&warden, TEST2).delete("acme/app:pr-1").succeeds();
    skopeo(&warden, TEST2).delete("acme/app:1.0").fails();
    client.pull("acme/app:1.0").succeeds();

    podman(&warden).pull(USER, "acme/app:1.0").succeeds();
    podman(&warden).pull(USER, "acme/app:2.0").fails().says("manifest unknown");

    let containerd = containerd(&warden);
    containerd.pull(USER, "acme/app:1.0").succeeds();
    containerd.pull(USER, "acme/app:2.0").fails().says("not found");
}
