//! docker in front of Portwarden in front of a real registry: logging in, pulling, pushing, deleting and listing, and
//! the messages that a person at the command line sees for a denied request.
//!
//! Needs: curl, docker, docker-registry, htpasswd, root.

use crate::support::{
    command::Output,
    curl::{curl, curl_at},
    distribution::{self, MANIFEST, push_image},
    docker::docker,
    image::{Image, random_bytes, sha256},
    portwarden::{ADMIN, Portwarden, TEST, TEST2, USER, User, portwarden},
    process::{PATIENCE, eventually},
    registry::registry,
    same_rules::same_rules,
    token_exchange,
};

/// The text that docker shows for a pull that the ACL denies; `{account}` and `{repository}` stand for the names.
const DENIED_PULL: &str = "account '{account}' may not pull from repository {repository}";
/// The text that docker shows for a push that the ACL denies.
const DENIED_PUSH: &str = "account '{account}' may not push to repository {repository}";
/// The text that the API answers to a deletion that the ACL denies.
const DENIED_DELETE: &str = "account '{account}' may not delete from repository team/deleted";
/// The text that docker shows for a wrong password.
const WRONG_PASSWORD: &str = "unauthorized";

/// The four users of `config/auth_config.yml`, and what each may do.
const TABLE: [(User, [bool; 5]); 4] = [
    //        login  pull   push   delete is listed to
    (ADMIN, [true, true, true, true, true]),
    (USER, [true, true, false, false, true]),
    (TEST2, [true, true, true, false, true]),
    (TEST, [true, false, false, false, false]),
];

#[test]
fn each_user_may_do_what_the_acl_says_and_is_told_otherwise() {
    let registry = registry();
    let warden = portwarden(&registry).shipped().start();
    let docker = docker();
    let admin = docker.user(&warden, Some(ADMIN));
    load(&admin, "team/app:1", &Image::random(2, 20_000));
    let digest = admin.push("team/app:1").succeeds().digest_after("digest: ");

    for (user, [may_log_in, may_pull, may_push, may_delete, may_list]) in TABLE {
        let client = docker.user(&warden, Some(user));
        let login = docker.user(&warden, None).login(user);
        expect(&format!("{} login", user.name), login, may_log_in, WRONG_PASSWORD);

        client.forget("team/app:1");
        let denied = DENIED_PULL.replace("{account}", user.name).replace("{repository}", "team/app");
        let pull = client.pull("team/app:1");
        if may_pull {
            assert_eq!(pull.clone().succeeds().digest_after("Digest: "), digest, "{}", user.name);
        }
        expect(&format!("{} pull", user.name), pull, may_pull, &denied);

        let own = format!("team/of-{}:1", user.name);
        load(&client, &own, &Image::random(1, 2_000));
        let denied = DENIED_PUSH.replace("{account}", user.name);
        let denied = denied.replace("{repository}", &format!("team/of-{}", user.name));
        expect(&format!("{} push", user.name), client.push(&own), may_push, &denied);

        assert_eq!(deletes(&warden, user), may_delete, "{} delete", user.name);
        assert_eq!(lists_catalogue(&warden, user), may_list, "{} catalogue", user.name);
    }
}

#[test]
fn rule_50_docker_pushes_a_write_once_tag_once_and_is_told_why_not_again() {
    const TAGS: &str = "tags: {write_once: [{match: {name: 'team/*', tag: '1.*'}}]}";
    let registry = registry();
    let warden = portwarden(&registry).shipped().with(TAGS).start();
    let docker = docker();
    let client = docker.user(&warden, Some(ADMIN));
    load(&client, "team/once:1.0", &Image::random(2, 20_000));
    let digest = client.push("team/once:1.0").succeeds().digest_after("digest: ");
    client.push("team/once:1.0").succeeds().says(&digest);
    load(&client, "team/once:1.0", &Image::random(1, 20_000));
    let refused = client.push("team/once:1.0").fails();
    refused.says(&format!("denied: tag 1.0 of team/once is write-once and is {digest}; push another tag"));
    assert_eq!(client.pull("team/once:1.0").succeeds().digest_after("Digest: "), digest);
    load(&client, "team/once:latest", &Image::random(1, 2_000));
    client.push("team/once:latest").succeeds();
    load(&client, "team/once:latest", &Image::random(1, 2_000));
    client.push("team/once:latest").succeeds();
}

#[test]
fn a_wrong_password_does_not_log_in() {
    let registry = registry();
    let warden = portwarden(&registry).start();
    let nobody = docker().user(&warden, None);
    nobody.login(User { password: "wrong", ..ADMIN }).fails().says(WRONG_PASSWORD);
    nobody.login(User { name: "stranger", password: "wrong" }).fails().says(WRONG_PASSWORD);
    nobody.login(ADMIN).succeeds().says("Login Succeeded");
}

#[test]
fn docker_verifies_the_certificate_in_these_tests() {
    let registry = registry();
    let trusted = portwarden(&registry).start();
    let stranger = portwarden(&registry).authority("A stranger's authority").start();
    docker().user(&trusted, None).login(ADMIN).succeeds();
    docker().user(&stranger, None).login(ADMIN).fails().says("unknown authority");
}

#[test]
fn an_image_of_many_layers_comes_back_as_it_was_pushed() {
    let registry = registry();
    let warden = same_rules(&registry);
    let client = docker().user(&warden, Some(TEST2));
    load(&client, "team/many:1", &Image::random(6, 1_000_000));
    let id = client.image_id("team/many:1");
    let pushed = client.push("team/many:1").succeeds().digest_after("digest: ");

    client.forget("team/many:1").succeeds();
    let pulled = client.pull("team/many:1").succeeds().does_not_say("Already exists");
    assert_eq!(pulled.digest_after("Digest: "), pushed);
    assert_eq!(client.image_id("team/many:1"), id);
    warden.assert_no_difference();
}

#[test]
fn layers_are_mounted_from_a_repository_the_account_may_pull() {
    let registry = registry();
    let warden = portwarden(&registry).start();
    let client = docker().user(&warden, Some(TEST2));
    load(&client, "team/source:1", &Image::random(2, 50_000));
    client.push("team/source:1").succeeds().says("Pushed");

    client.tag("team/source:1", "team/copy:1").succeeds();
    client.push("team/copy:1").succeeds().says("Mounted from team/source").does_not_say("Pushed");
    assert_eq!(registry.requests("mount=sha256:").len(), 2, "{:#?}", registry.requests(" /v2/team/copy/"));
}

#[test]
fn layers_are_uploaded_when_the_account_may_no_longer_pull_their_source() {
    let registry = registry();
    let mut warden = portwarden(&registry).start();
    let client = docker().user(&warden, Some(TEST2));
    load(&client, "team/source:1", &Image::random(2, 50_000));
    client.push("team/source:1").succeeds().says("Pushed");
    // docker remembers where the layers are and asks to mount them from there.
    warden.reload(|settings| settings.acl(NO_SOURCE_FOR_TEST2));

    client.tag("team/source:1", "team/copy:1").succeeds();
    client.push("team/copy:1").succeeds().says("Pushed").does_not_say("Mounted from");
    assert!(
        !registry.log().contains("mount="),
        "nothing of the mount reaches the registry: {}",
        registry.log()
    );
}

/// test2 may push to `team/copy` and has no right on `team/source`.
const NO_SOURCE_FOR_TEST2: &str = r#"
  - match: {account: "test2", name: "team/copy"}
    actions: ["pull", "push"]
  - match: {account: "admin"}
    actions: ["*"]
"#;

#[test]
fn a_mount_tells_nothing_about_a_blob_the_account_may_not_pull() {
    let registry = registry();
    let warden = portwarden(&registry).acl(NO_SOURCE_FOR_TEST2).start();
    let admin =
        curl(&warden).bearer(&token_exchange::token(&warden, ADMIN, &["repository:team/source:pull,push"]));
    let secret = distribution::push_blob(&admin, "team/source", &random_bytes(1000));
    let missing = sha256(b"a blob that nobody has");
    let scopes = ["repository:team/copy:pull,push", "repository:team/source:pull"];
    let test2 = curl(&warden).bearer(&token_exchange::token(&warden, TEST2, &scopes));

    for digest in [&secret, &missing] {
        let mount = format!("/v2/team/copy/blobs/uploads/?mount={digest}&from=team/source");
        let answer = test2.clone().send("POST", &mount).is(202);
        assert_eq!(answer.header("docker-content-digest"), None);
        test2.clone().get(&format!("/v2/team/copy/blobs/{digest}")).is(404);
    }
}

/// A token lives at least 60 s and the registry's leeway adds 60 s, which is too long to wait for. The test has
/// Portwarden's key, so it moves the life of a genuine token into the past: what is left of it is part of the leeway,
/// and ends for real between two layers.
#[test]
fn a_push_goes_on_with_a_new_token_when_the_first_expires_between_two_layers() {
    const LEEWAY: i64 = 60;
    let registry = registry();
    let warden = portwarden(&registry).start();
    let scope = "repository:team/slow:pull,push";
    let fresh = token_exchange::token(&warden, TEST2, &[scope]);
    let dying = curl(&warden).bearer(&token_exchange::expiring_in(&warden, &fresh, 3 - LEEWAY));
    let (first, second) = (random_bytes(3_000), random_bytes(3_000));

    distribution::push_blob(&dying, "team/slow", &first);
    let location = distribution::start_upload(&dying, "team/slow");
    let refused = || dying.clone().get("/v2/").status == 401;
    assert!(eventually(PATIENCE, refused), "the token should expire");

    // Without the key that would let this upload go on with the first token: see `services::upload_grace`.
    let (location, _) = location.split_once("&portwarden=").expect("a key");
    let target = distribution::with_digest(location, &sha256(&second));
    let answer = dying.clone().body(&second).send("PUT", &target).is(401);
    let challenge = answer.header("www-authenticate").expect("a challenge").to_owned();
    assert!(challenge.contains("error=\"invalid_token\""), "{challenge}");
    assert!(challenge.contains(&format!("scope=\"{scope}\"")), "{challenge}");

    // The client asks for another token, and the upload that the first had begun goes on.
    let renewed = curl(&warden).bearer(&token_exchange::token(&warden, TEST2, &[scope]));
    renewed.clone().body(&second).send("PUT", &target).is(201);
    distribution::put_manifest(&renewed, "team/slow", "1", &first, &[&second]).is(201);
}

/// The token is read with the head of a request: a layer that takes longer than the token lives is not cut.
#[test]
fn a_layer_that_outlives_its_token_is_uploaded_to_its_end() {
    const LEEWAY: i64 = 60;
    let registry = registry();
    let warden = portwarden(&registry).start();
    let fresh = token_exchange::token(&warden, TEST2, &["repository:team/slow:pull,push"]);
    let dying = curl(&warden).bearer(&token_exchange::expiring_in(&warden, &fresh, 2 - LEEWAY));
    let location = distribution::start_upload(&dying, "team/slow");

    let answer = dying.clone().send_stream("PATCH", &location, |body| {
        body.write_all(b"the first half ")?;
        body.flush()?;
        let refused = || dying.clone().get("/v2/").status == 401;
        assert!(eventually(PATIENCE, refused), "the token should expire");
        body.write_all(b"and the second")
    });
    let answer = answer.is(202);
    let location = answer.header("location").expect("a Location");
    let renewed = curl(&warden).bearer(&fresh);
    let digest = sha256(b"the first half and the second");
    renewed.send("PUT", &distribution::with_digest(location, &digest)).is(201);
}

/// A registry that verifies tokens itself, as docker_auth's users have them, opens to tokens of our endpoint.
mod registry_with_token_auth {
    use super::*;
    use crate::support::{
        pki::KeyType,
        portwarden::{ISSUER, SERVICE},
        registry::{Registry, registry_with_token_auth},
    };

    /// Its message for a key that its libtrust does not know, before it ends.
    const NO_SUCH_KEY: &str = "public key type ed25519.PublicKey is not supported";

    #[test]
    fn opens_to_a_token_of_ours_signed_with_rsa_and_the_nist_curves() {
        let plain = registry();
        for key_type in [KeyType::Rsa, KeyType::P256, KeyType::P384] {
            let warden = portwarden(&plain).token_key(key_type).start();
            let guarded = guarded_by(&warden).unwrap_or_else(|log| panic!("{key_type:?}: {log}"));
            let upload = |token: &str, repository: &str| {
                let target = format!("/v2/{repository}/blobs/uploads/");
                curl_at(&guarded.url()).bearer(token).send("POST", &target).status
            };
            let token = token_exchange::token(&warden, ADMIN, &["repository:team/app:pull,push"]);
            assert_eq!(upload(&token, "team/app"), 202, "{key_type:?}");
            assert_eq!(
                upload(&token, "team/other"),
                401,
                "{key_type:?}: the token is for another repository"
            );
            let denied = token_exchange::token(&warden, USER, &["repository:team/app:pull,push"]);
            assert_eq!(upload(&denied, "team/app"), 401, "{key_type:?}: user may not push");
        }
    }

    /// Portwarden signs with Ed25519 and opens to it; registry 2.8 knows no such key and does not even start.
    #[test]
    fn cannot_be_served_with_an_ed25519_key() {
        let plain = registry();
        let warden = portwarden(&plain).token_key(KeyType::Ed25519).start();
        let token = token_exchange::token(&warden, ADMIN, &[]);
        curl(&warden).bearer(&token).get("/v2/").is(200);
        let log = guarded_by(&warden).err().expect("the registry cannot start with this certificate");
        assert!(log.contains(NO_SUCH_KEY), "{log}");
    }

    fn guarded_by(warden: &Portwarden) -> Result<Registry, String> {
        let realm = format!("{}/auth", warden.url());
        registry_with_token_auth(&realm, SERVICE, ISSUER, &warden.token_certificate_file())
    }
}

/// Puts an image into the daemon under `name`.
fn load(client: &crate::support::docker::Client, name: &str, image: &Image) {
    client.load(image.archive(&client.reference(name)).path()).succeeds();
}

/// Checks one cell of the table: it succeeded, or failed and said why.
#[track_caller]
fn expect(cell: &str, output: Output, allowed: bool, otherwise: &str) {
    assert_eq!(output.succeeded(), allowed, "{cell}: {output:#?}");
    if !allowed {
        output.fails().says(otherwise);
    }
}

/// Deletes a manifest, which only the API does; `user` asks for the right, and the refusal has to name the reason.
fn deletes(warden: &Portwarden, user: User) -> bool {
    let scope = "repository:team/deleted:delete,pull,push";
    let admin = curl(warden).bearer(&token_exchange::token(warden, ADMIN, &[scope]));
    let path = format!("/v2/team/deleted/manifests/{}", push_image(&admin, "team/deleted", "1"));
    let answer = curl(warden).bearer(&token_exchange::token(warden, user, &[scope])).send("DELETE", &path);
    let kept = curl(warden).user(ADMIN).header(&format!("Accept: {MANIFEST}")).get(&path).status;
    assert_eq!(kept, if answer.status == 202 { 404 } else { 200 });
    answer.status == 202 || refused(&answer, user, DENIED_DELETE)
}

fn lists_catalogue(warden: &Portwarden, user: User) -> bool {
    let token = token_exchange::token(warden, user, &["registry:catalog:*"]);
    curl(warden).bearer(&token).get("/v2/_catalog").is(200).text().contains("\"team/app\"")
}

/// False when it is a proper refusal that says `why`; fails the test when it is something else.
#[track_caller]
fn refused(answer: &crate::support::curl::Response, user: User, why: &str) -> bool {
    assert_eq!(answer.denial(), why.replace("{account}", user.name));
    false
}
