//! Rules by tag (rule 51): what an account gets that may use some tags only. What tags reach is held against the files of a
//! registry in `closure_model`.
//!
//! Needs: curl, docker-registry, htpasswd.

use serde_json::{Value, json};

use crate::support::{
    curl::{Request, Response, curl, curl_at},
    distribution::{MANIFEST, push_blob, put_manifest, start_upload, with_digest},
    image::{random_bytes, sha256},
    metrics,
    portwarden::{ADMIN, Portwarden, TEST2, USER, portwarden},
    registry::{Registry, registry},
    token_exchange::{claims, token},
    waiting::{PATIENCE, eventually},
};

pub(super) const NAME: &str = "acme/app";
pub(super) const INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// `user` may pull `1.*`; `test2` may do all with `pr-<n>`.
pub(super) const ACL: &str = r#"
  - match: {account: "admin"}
    actions: ["*"]
  - match: {account: "user", name: "acme/app", tag: "1.*"}
    actions: [pull]
  - match: {account: "test2", name: "acme/app", tag: ["/^pr-[0-9]+$/", "never"]}
    actions: [pull, push, delete]
  - match: {account: "test2", name: "acme/own"}
    actions: [pull, push]
"#;

const ACCEPT: &str = "Accept: application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, \
                      application/vnd.docker.distribution.manifest.v2+json";

/// A client that knows these manifests: the registry converts others, or has none.
pub(super) fn client(warden: &Portwarden) -> Request {
    curl(warden).header(ACCEPT)
}

pub(super) fn start(registry: &Registry) -> Portwarden {
    portwarden(registry).acl(ACL).start()
}

pub(super) fn digest_of(response: &Response) -> String {
    response.header("docker-content-digest").expect("a digest").to_owned()
}

/// Puts a manifest by a tag or a digest.
pub(super) fn put(request: &Request, reference: &str, media_type: &str, manifest: &Value) -> Response {
    let typed = request.clone().option(&["--data-binary", &manifest.to_string()]);
    typed
        .header(&format!("Content-Type: {media_type}"))
        .send("PUT", &format!("/v2/{NAME}/manifests/{reference}"))
}

/// Pushes an image of these layers; returns its digest.
pub(super) fn image(request: &Request, tag: &str, layers: &[&[u8]]) -> String {
    let config = random_bytes(100);
    push_blob(request, NAME, &config);
    layers.iter().for_each(|layer| drop(push_blob(request, NAME, layer)));
    digest_of(&put_manifest(request, NAME, tag, &config, layers).is(201))
}

pub(super) fn index(request: &Request, tag: &str, platforms: &[&str]) -> String {
    let entry = |digest: &&str| json!({"mediaType": MANIFEST, "size": 1, "digest": digest});
    let manifests: Vec<Value> = platforms.iter().map(entry).collect();
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests});
    digest_of(&put(request, tag, INDEX, &index).is(201))
}

pub(super) fn hex(digest: &str) -> &str {
    digest.strip_prefix("sha256:").unwrap()
}

pub(super) fn status(warden: &Portwarden, kind: &str, digest: &str) -> u16 {
    client(warden).user(USER).get(&format!("/v2/{NAME}/{kind}/{digest}")).status
}

#[test]
fn rule_51_a_tag_that_may_not_be_pulled_is_as_one_that_is_not_there() {
    let registry = registry();
    let warden = start(&registry);
    let admin = curl(&warden).user(ADMIN);
    let (open, secret) = (image(&admin, "1.0", &[b"a layer"]), image(&admin, "2.0", &[b"secret"]));
    let get = |path: &str| client(&warden).user(USER).get(&format!("/v2/{NAME}/{path}"));
    for (there, absent) in [
        ("manifests/2.0".to_owned(), "manifests/9.9".to_owned()),
        (format!("manifests/{secret}"), format!("manifests/{}", sha256(b"no manifest"))),
        (format!("blobs/{}", sha256(b"secret")), format!("blobs/{}", sha256(b"no blob"))),
        (format!("referrers/{secret}"), format!("referrers/{}", sha256(b"no manifest"))),
    ] {
        let (there, absent) = (get(&there).is(404), get(&absent).is(404));
        assert_eq!(there.error(), absent.error());
    }
    // The answer is the registry's own, as an account that may pull everything gets it.
    let own = client(&warden).user(ADMIN).get(&format!("/v2/{NAME}/manifests/{}", sha256(b"no manifest")));
    assert_eq!(own.error(), get(&format!("manifests/{}", sha256(b"no manifest"))).error());
    get("manifests/1.0").is(200);
    get(&format!("manifests/{open}")).is(200);
    get(&format!("blobs/{}", sha256(b"a layer"))).is(200);
    let tags =
        |user| curl(&warden).user(user).get(&format!("/v2/{NAME}/tags/list")).is(200).json()["tags"].clone();
    assert_eq!((tags(USER), tags(ADMIN).as_array().unwrap().len()), (json!(["1.0"]), 2));
    curl(&warden).user(USER).send("PUT", &format!("/v2/{NAME}/manifests/1.0")).is(401);
    curl(&warden).user(USER).send("DELETE", &format!("/v2/{NAME}/manifests/{open}")).is(401);
}

#[test]
fn rule_51_a_token_lists_what_depends_on_the_tag_for_us_alone() {
    let registry = registry();
    let warden = start(&registry);
    image(&curl(&warden).user(ADMIN), "1.0", &[b"a layer"]);
    let token = token(&warden, USER, &["repository:acme/app:pull,push"]);
    let claims = claims(&token);
    assert_eq!(claims["access"].as_array().unwrap().len(), 1, "{claims}");
    assert_eq!(claims["access"][0]["actions"], json!([]), "{claims}");
    assert_eq!(claims["grants"][0]["actions"], json!(["pull"]), "{claims}");
    let with = |path: &str| client(&warden).bearer(&token).get(&format!("/v2/{NAME}/{path}")).status;
    assert_eq!((with("manifests/1.0"), with("manifests/2.0")), (200, 404));
}

#[test]
fn rule_51_no_push_draws_what_is_secret_into_the_closure() {
    let registry = registry();
    let warden = start(&registry);
    let admin = curl(&warden).user(ADMIN);
    let secret = image(&admin, "2.0", &[b"secret"]);
    let layer = sha256(b"secret");
    let pusher = curl(&warden).user(TEST2);
    image(&pusher, "pr-1", &[b"own layer"]);
    pusher.clone().get(&format!("/v2/{NAME}/blobs/{}", sha256(b"own layer"))).is(200);
    let config = push_blob(&pusher, NAME, b"{}");
    let of = |digest: &str| json!({"mediaType": MANIFEST, "size": 1, "digest": digest});
    let plain = json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": of(&config), "layers": []});
    let with = |key: &str, value: Value| {
        let mut manifest = plain.clone();
        manifest[key] = value;
        manifest
    };
    for (media_type, manifest) in [
        (MANIFEST, with("layers", json!([of(&layer)]))),
        (MANIFEST, with("config", of(&layer))),
        (MANIFEST, with("subject", of(&secret))),
        (MANIFEST, with("Layers", json!([of(&layer)]))),
        // A registry's reader takes this letter for an s.
        (MANIFEST, with("layers", json!([{"mediaType": MANIFEST, "size": 1, "dige\u{17f}t": layer}]))),
        (INDEX, json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [of(&secret)]})),
    ] {
        for reference in ["pr-2".to_owned(), sha256(manifest.to_string().as_bytes())] {
            let refused = put(&pusher, &reference, media_type, &manifest).is(400);
            assert_eq!(refused.error().0, "MANIFEST_BLOB_UNKNOWN", "{manifest}");
        }
    }
    put(&pusher, "pr-2", MANIFEST, &plain).is(201);
    put(&pusher, "2.0", MANIFEST, &plain).is(401);
    let by_digest = sha256(plain.to_string().as_bytes());
    put(&pusher, &format!("{by_digest}?tag=pr-4&tag=2.0"), MANIFEST, &plain).is(401);
    // What was uploaded may be named and looked at; what it is for, others say.
    push_blob(&pusher, NAME, b"no manifest has it");
    pusher.clone().head(&format!("/v2/{NAME}/blobs/{}", sha256(b"no manifest has it"))).is(200);
    pusher.clone().get(&format!("/v2/{NAME}/blobs/{}", sha256(b"no manifest has it"))).is(404);
    // A mount of what is secret is an upload.
    let mount = |blob: &str, to: &str| {
        pusher.clone().send("POST", &format!("/v2/{to}/blobs/uploads/?mount={blob}&from={NAME}")).status
    };
    assert_eq!((mount(&layer, "acme/own"), mount(&layer, NAME)), (202, 202));
    assert_eq!((mount(&sha256(b"own layer"), "acme/own"), mount(&config, "acme/own")), (201, 201));
    pusher.clone().head(&format!("/v2/{NAME}/blobs/{layer}")).is(404);
    // Another digest beside the mount is no proof of having the content.
    let both = format!("/v2/{NAME}/blobs/uploads/?mount={config}&from={NAME}&digest={layer}");
    pusher.clone().send("POST", &both);
    pusher.clone().head(&format!("/v2/{NAME}/blobs/{layer}")).is(404);
    // What it has the content of, it may push.
    let location = start_upload(&pusher, NAME);
    pusher.clone().body(b"secret").send("PUT", &with_digest(&location, &layer)).is(201);
    put(&pusher, "pr-3", MANIFEST, &with("layers", json!([of(&layer)]))).is(201);
}

#[test]
fn rule_51_a_deletion_takes_no_tag_along_that_may_not_be_deleted() {
    let registry = registry();
    let warden = start(&registry);
    let admin = curl(&warden).user(ADMIN);
    let own = image(&admin, "pr-1", &[b"own"]);
    let shared = image(&admin, "pr-2", &[b"shared"]);
    index(&admin, "2.0", &[&shared]);
    let secret = image(&admin, "3.0", &[b"secret"]);
    let delete = |kind: &str, digest: &str| {
        curl(&warden).user(TEST2).send("DELETE", &format!("/v2/{NAME}/{kind}/{digest}")).status
    };
    assert_eq!((delete("manifests", &shared), delete("manifests", &secret)), (403, 404));
    assert_eq!(delete("blobs", &sha256(b"own")), 403);
    assert_eq!(delete("manifests", &own), 202);
    client(&warden).user(ADMIN).get(&format!("/v2/{NAME}/manifests/2.0")).is(200);
}

#[test]
fn rule_51_a_registry_that_fails_is_no_answer() {
    let mut registry = registry();
    let warden = start(&registry);
    let secret = image(&curl(&warden).user(ADMIN), "2.0", &[b"secret"]);
    registry.kill();
    let answer = status(&warden, "manifests", &secret);
    assert!([502, 503, 504].contains(&answer), "{answer}");
}

#[test]
fn rule_51_a_tag_that_moves_while_it_is_pulled_breaks_nothing() {
    let registry = registry();
    let warden = start(&registry);
    let admin = curl(&warden).user(ADMIN);
    let before = image(&admin, "1.0", &[b"before"]);
    client(&warden).user(USER).head(&format!("/v2/{NAME}/manifests/1.0")).is(200);
    image(&admin, "1.0", &[b"after"]);
    assert_eq!(status(&warden, "manifests", &before), 200);
    assert_eq!(status(&warden, "blobs", &sha256(b"before")), 200);
    assert_eq!(status(&warden, "blobs", &sha256(b"after")), 200);
}

#[test]
fn rule_51_nothing_that_was_pulled_outlasts_the_rule() {
    let registry = registry();
    let mut warden = start(&registry);
    let digest = image(&curl(&warden).user(ADMIN), "1.0", &[b"a layer"]);
    let layer = sha256(b"a layer");
    client(&warden).user(USER).get(&format!("/v2/{NAME}/manifests/1.0")).is(200);
    assert_eq!((status(&warden, "manifests", &digest), status(&warden, "blobs", &layer)), (200, 200));
    warden.reload(|builder| builder.acl(&ACL.replace("\"1.*\"", "\"2.*\"")));
    assert_eq!((status(&warden, "manifests", &digest), status(&warden, "blobs", &layer)), (404, 404));
    warden.reload(|builder| builder.acl(&ACL.replace("tag: \"1.*\"", "tag: \"1.*\", ip: 192.0.2.1")));
    client(&warden).user(USER).get(&format!("/v2/{NAME}/blobs/{layer}")).is(401);
}

#[test]
fn rule_51_a_push_counts_at_once() {
    let registry = registry();
    let warden = start(&registry);
    let admin = curl(&warden).user(ADMIN);
    let digest = image(&admin, "2.0", &[b"a layer"]);
    image(&admin, "1.0", &[b"another"]);
    let layer = sha256(b"a layer");
    for (tag, expected) in [("3.0", 404), ("1.1", 200)] {
        assert_eq!((status(&warden, "manifests", &digest), status(&warden, "blobs", &layer)), (404, 404));
        let manifest = client(&warden).user(ADMIN).get(&format!("/v2/{NAME}/manifests/2.0")).is(200).json();
        let again = put(&admin, tag, MANIFEST, &manifest).is(201);
        assert_eq!(status(&warden, "blobs", &layer), expected, "{tag}");
        assert_eq!(status(&warden, "manifests", &digest_of(&again)), expected, "{tag}");
    }
}

#[test]
fn rule_51_what_is_moved_or_deleted_is_reached_no_longer() {
    let registry = registry();
    let warden = start(&registry);
    let admin = curl(&warden).user(ADMIN);
    let before = image(&admin, "1.0", &[b"before"]);
    let subject = image(&admin, "1.1", &[b"a subject"]);
    image(&admin, "2.0", &[b"after"]);
    // A referrer without a tag, and a layer of its own.
    let of = |digest: &str| json!({"mediaType": MANIFEST, "size": 1, "digest": digest});
    let (config, layer) = (push_blob(&admin, NAME, b"{}"), push_blob(&admin, NAME, b"of a referrer"));
    let referrer = json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": of(&config),
                          "layers": [of(&layer)], "subject": of(&subject)});
    let referrer =
        digest_of(&put(&admin, &sha256(referrer.to_string().as_bytes()), MANIFEST, &referrer).is(201));
    assert_eq!((status(&warden, "manifests", &referrer), status(&warden, "blobs", &layer)), (200, 200));
    admin.send("DELETE", &format!("/v2/{NAME}/manifests/{referrer}")).is(202);
    assert_eq!((status(&warden, "manifests", &referrer), status(&warden, "blobs", &layer)), (404, 404));

    // Past Portwarden, which sees it within two seconds.
    let lost = sha256(b"before");
    assert_eq!((status(&warden, "manifests", &before), status(&warden, "blobs", &lost)), (200, 200));
    let direct = curl_at(&registry.url()).header(ACCEPT);
    let other = direct.clone().get(&format!("/v2/{NAME}/manifests/2.0")).is(200).json();
    put(&direct, "1.0", MANIFEST, &other).is(201);
    let is_lost = || status(&warden, "manifests", &before) == 404 && status(&warden, "blobs", &lost) == 404;
    assert!(eventually(PATIENCE, is_lost));
    // That nothing reached it is remembered for 30 seconds.
    assert!(eventually(PATIENCE, || status(&warden, "blobs", &sha256(b"after")) == 200));
}

/// Everything but some tags: a rule that denies, before one that allows.
#[test]
fn rule_51_tags_that_are_denied_reach_nothing() {
    let registry = registry();
    let warden = portwarden(&registry)
        .acl(
            r#"
  - match: {account: "admin"}
    actions: ["*"]
  - match: {account: "user", name: "acme/app", tag: "internal-*"}
    actions: []
  - match: {account: "user", name: "acme/*"}
    actions: [pull]
"#,
        )
        .with(metrics::ON)
        .start();
    let admin = curl(&warden).user(ADMIN);
    let open = image(&admin, "1.0", &[b"open"]);
    let internal = image(&admin, "internal-1", &[b"internal"]);
    let shared = image(&admin, "2.0", &[b"shared"]);
    index(&admin, "internal-2", &[&shared]);
    for (digest, expected) in [(&open, 200), (&shared, 200), (&internal, 404)] {
        assert_eq!(status(&warden, "manifests", digest), expected, "{digest}");
    }
    for (layer, expected) in [(&b"open"[..], 200), (b"shared", 200), (b"internal", 404)] {
        assert_eq!(status(&warden, "blobs", &sha256(layer)), expected);
    }
    let tags = client(&warden).user(USER).get(&format!("/v2/{NAME}/tags/list")).is(200).json();
    assert_eq!(tags["tags"], json!(["1.0", "2.0"]));
    // Nothing is looked up where no rule looks at tags.
    let looked_up = || {
        let count = |outcome| {
            metrics::value(&warden, &format!("portwarden_closure_total{{outcome=\"{outcome}\"}}")).unwrap()
        };
        (count("reached"), count("not_reached"))
    };
    let before = looked_up();
    assert!(before.0 >= 4.0 && before.1 >= 2.0, "{before:?}");
    client(&warden).user(USER).get("/v2/acme/other/manifests/1.0").is(404);
    client(&warden).user(ADMIN).get(&format!("/v2/{NAME}/manifests/{open}")).is(200);
    assert_eq!(looked_up(), before);
}

/// As cosign does it: the signature is a tag that has the digest of what it signs.
#[test]
fn rule_51_a_signature_follows_what_it_signs() {
    let registry = registry();
    let warden = start(&registry);
    let admin = curl(&warden).user(ADMIN);
    let (own, secret) = (image(&admin, "pr-1", &[b"own"]), image(&admin, "2.0", &[b"secret"]));
    let pusher = curl(&warden).user(TEST2);
    let signature = |digest: &str| format!("sha256-{}.sig", hex(digest));
    let signed = image(&pusher, &signature(&own), &[b"a signature"]);
    pusher.clone().header(ACCEPT).get(&format!("/v2/{NAME}/manifests/{}", signature(&own))).is(200);
    let config = push_blob(&pusher, NAME, b"a configuration");
    let manifest = json!({"schemaVersion": 2, "mediaType": MANIFEST, "layers": [],
                          "config": {"mediaType": MANIFEST, "size": 15, "digest": config}});
    for other in [&secret, &sha256(b"no manifest")] {
        put(&pusher, &signature(other), MANIFEST, &manifest).is(403);
        pusher.clone().header(ACCEPT).get(&format!("/v2/{NAME}/manifests/{}", signature(other))).is(404);
    }
    // `user` may pull `1.*` only, and then the signature, too.
    assert_eq!(status(&warden, "manifests", &signature(&own)), 404);
    assert_eq!(status(&warden, "manifests", &signed), 404);
    let manifest = client(&warden).user(ADMIN).get(&format!("/v2/{NAME}/manifests/pr-1")).is(200).json();
    let again = digest_of(&put(&admin, "1.0", MANIFEST, &manifest).is(201));
    let of_again = image(&admin, &signature(&again), &[b"another signature"]);
    assert_eq!(status(&warden, "manifests", &of_again), 200);
    assert_eq!(status(&warden, "blobs", &sha256(b"another signature")), 200);
    // It goes with what it signs, and what it signs goes without it; but not while another tag needs that.
    let next = image(&pusher, "pr-2", &[b"next"]);
    let of_next = image(&pusher, &signature(&next), &[b"a third signature"]);
    let delete =
        |digest: &str| pusher.clone().send("DELETE", &format!("/v2/{NAME}/manifests/{digest}")).status;
    assert_eq!((delete(&of_again), delete(&own)), (403, 403));
    assert_eq!((delete(&of_next), delete(&next)), (202, 202));
}
