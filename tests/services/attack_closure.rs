//! Attacks on rules by tag (rule 51), by an account that may push, pull and delete some tags: each has to fail.
//!
//! Needs: curl, docker-registry, htpasswd.

use serde_json::{Value, json};

use super::tag_rules::{INDEX, NAME, client, digest_of, hex, image, put};
use crate::support::{
    curl::{Request, Response, curl},
    distribution::{MANIFEST, push_blob, put_manifest},
    image::{random_bytes, sha256},
    page_client::Visitor,
    portwarden::{ADMIN, ANYBODY, Portwarden, TEST, TEST2, USER, portwarden},
    registry::{Registry, registry},
    token_exchange::token,
};

/// `test2` attacks; `test` has other tags.
pub(super) const ACL: &str = r#"
  - match: {account: "admin"}
    actions: ["*"]
  - match: {account: "test2", name: "acme/app", tag: "pr-*"}
    actions: [pull, push, delete]
  - match: {account: "test", name: "acme/app", tag: "qa-*"}
    actions: [pull, push, delete]
"#;

pub(super) fn start(registry: &Registry) -> Portwarden {
    portwarden(registry).acl(ACL).start()
}

pub(super) fn attacker(warden: &Portwarden) -> Request {
    client(warden).user(TEST2)
}

pub(super) fn status(request: &Request, method: &str, kind: &str, reference: &str) -> u16 {
    request.clone().send(method, &format!("/v2/{NAME}/{kind}/{reference}")).status
}

pub(super) fn of(digest: &str) -> Value {
    json!({"mediaType": MANIFEST, "size": 1, "digest": digest})
}

pub(super) fn index_of(request: &Request, reference: &str, digests: &[&str]) -> Response {
    let manifests: Vec<Value> = digests.iter().map(|digest| of(digest)).collect();
    put(request, reference, INDEX, &json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests}))
}

/// Uploads a manifest as a blob, which names what is secret: no push of a manifest looks at it.
fn hide(request: &Request, secret: &str) -> (Vec<u8>, String) {
    let config = push_blob(request, NAME, b"{}");
    let manifest =
        json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": of(&config), "layers": [of(secret)]});
    let bytes = manifest.to_string().into_bytes();
    let digest = push_blob(request, NAME, &bytes);
    (bytes, digest)
}

#[test]
fn rule_51_a_layer_that_reads_like_a_manifest_reaches_nothing() {
    let registry = registry();
    let warden = start(&registry);
    image(&curl(&warden).user(ADMIN), "2.0", &[b"secret"]);
    let (secret, attacker) = (sha256(b"secret"), attacker(&warden));
    let (manifest, hidden) = hide(&attacker, &secret);
    put_manifest(&attacker, NAME, "pr-1", b"{}", &[&manifest]).is(201);
    println!("as a manifest: {}", status(&attacker, "GET", "manifests", &hidden));
    assert_eq!(status(&attacker, "GET", "blobs", &secret), 404);
}

#[test]
fn rule_51_an_index_of_a_layer_that_reads_like_a_manifest_reaches_nothing() {
    let registry = registry();
    let warden = start(&registry);
    image(&curl(&warden).user(ADMIN), "2.0", &[b"secret"]);
    let (secret, attacker) = (sha256(b"secret"), attacker(&warden));
    let (_, hidden) = hide(&attacker, &secret);
    println!("the index: {}", index_of(&attacker, "pr-1", &[&hidden]).status);
    assert_eq!(status(&attacker, "GET", "blobs", &secret), 404);
    // The same with one that is reached as a layer first.
    let (manifest, hidden) = hide(&attacker, &secret);
    put_manifest(&attacker, NAME, "pr-2", b"{}", &[&manifest]).is(201);
    println!("the index: {}", index_of(&attacker, "pr-3", &[&hidden]).status);
    assert_eq!(status(&attacker, "GET", "blobs", &secret), 404);
}

#[test]
fn rule_51_a_layer_that_refers_to_a_manifest_reaches_nothing() {
    let registry = registry();
    let warden = start(&registry);
    image(&curl(&warden).user(ADMIN), "2.0", &[b"secret"]);
    let (secret, attacker) = (sha256(b"secret"), attacker(&warden));
    let own = image(&attacker, "pr-1", &[b"own"]);
    let config = push_blob(&attacker, NAME, b"{}");
    let manifest = json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": of(&config), "layers": [of(&secret)],
        "subject": of(&own)});
    let hidden = push_blob(&attacker, NAME, manifest.to_string().as_bytes());
    println!("as a manifest: {}", status(&attacker, "GET", "manifests", &hidden));
    assert_eq!(status(&attacker, "GET", "blobs", &secret), 404);
    // A true referrer is reached.
    let layers = json!([of(&config)]);
    let referrer = json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": of(&config), "layers": layers,
        "subject": of(&own)});
    let referrer = digest_of(&put(&client(&warden).user(ADMIN), "2.1", MANIFEST, &referrer).is(201));
    assert_eq!(status(&attacker, "GET", "manifests", &referrer), 200);
}

#[test]
fn rule_51_no_deletion_as_a_manifest_takes_a_layer_of_another_tag() {
    let registry = registry();
    let warden = start(&registry);
    let admin = client(&warden).user(ADMIN);
    image(&admin, "2.0", &[b"shared"]);
    let attacker = attacker(&warden);
    let shared = push_blob(&attacker, NAME, b"shared");
    image(&attacker, "pr-1", &[b"shared"]);
    let deleted = status(&attacker, "DELETE", "manifests", &shared);
    assert_eq!(status(&admin, "GET", "blobs", &shared), 200, "the deletion: {deleted}");
}

#[test]
fn rule_50_no_deletion_as_a_manifest_takes_a_layer_of_a_write_once_tag() {
    let registry = registry();
    let warden = portwarden(&registry).acl(super::write_once::ALL).with(super::write_once::TAGS).start();
    let request = client(&warden).user(TEST);
    image(&request, "1.0.0", &[b"layer"]);
    let deleted = status(&request, "DELETE", "manifests", &sha256(b"layer"));
    assert_eq!(status(&request, "GET", "blobs", &sha256(b"layer")), 200, "the deletion: {deleted}");
}

#[test]
fn rule_51_a_copy_of_a_tag_grants_nothing_about_its_signatures() {
    let registry = registry();
    let acl = ACL.replace("name: \"acme/app\", tag: \"pr-*\"}\n    actions: [pull, push, delete]",
        "name: \"acme/app\", tag: \"pr-*\"}\n    actions: [pull, push, delete]\n  - match: {account: \"test2\", name: \"acme/app\", tag: \"1.*\"}\n    actions: [pull]");
    let warden = portwarden(&registry).acl(&acl).start();
    let admin = client(&warden).user(ADMIN);
    let release = image(&admin, "1.0", &[b"release"]);
    let signature = format!("sha256-{}.sig", hex(&release));
    let signed = image(&admin, &signature, &[b"signature"]);
    let attacker = attacker(&warden);
    push_blob(&attacker, NAME, b"{}");
    let forged = || put_manifest(&attacker, NAME, &signature, b"{}", &[]).status;
    assert_eq!(forged(), 403);
    let copy = attacker.clone().get(&format!("/v2/{NAME}/manifests/1.0")).is(200).json();
    println!("the copy: {}", put(&attacker, "pr-1", MANIFEST, &copy).status);
    println!("the forgery: {}", forged());
    let now = digest_of(&admin.head(&format!("/v2/{NAME}/manifests/{signature}")).is(200));
    assert_eq!(now, signed);
}

/// `test2` may pull all, and do all with `pr-*`.
pub(super) const PULLS_ALL: &str = r#"
  - match: {account: "admin"}
    actions: ["*"]
  - match: {account: "test2", name: "acme/app", tag: "pr-*"}
    actions: [pull, push, delete]
  - match: {account: "test2", name: "acme/app"}
    actions: [pull]
"#;

#[test]
fn rule_51_a_deletion_that_races_a_push_hollows_nothing_out() {
    let registry = registry();
    let warden = portwarden(&registry).acl(PULLS_ALL).start();
    let (admin, attacker) = (client(&warden).user(ADMIN), attacker(&warden));
    let mut outcomes = std::collections::BTreeMap::new();
    for n in 0..15 {
        let platform = image(&attacker, "pr-1", &[&random_bytes(30)]);
        let tag = format!("2.{n}");
        let (pushed, deleted) = std::thread::scope(|scope| {
            let deletion = scope.spawn(|| status(&attacker, "DELETE", "manifests", &platform));
            (index_of(&admin, &tag, &[&platform]).status, deletion.join().unwrap())
        });
        *outcomes.entry((pushed, deleted)).or_insert(0) += 1;
        let is_there = status(&admin, "HEAD", "manifests", &platform) == 200;
        assert_eq!(is_there, pushed == 201, "{pushed} {deleted}");
    }
    println!("{outcomes:?}");
}

#[test]
fn rule_51_no_odd_manifest_draws_what_is_secret_into_the_closure() {
    let registry = registry();
    let warden = start(&registry);
    let platform = image(&curl(&warden).user(ADMIN), "2.0", &[b"secret"]);
    let (secret, attacker) = (sha256(b"secret"), attacker(&warden));
    let config = push_blob(&attacker, NAME, b"{}");
    let head = r#""schemaVersion":2,"#.to_owned();
    let own = format!(r#""config":{{"digest":"{config}","size":2}},"#);
    let s = format!(r#"{{"digest":"{secret}","size":6}}"#);
    let p = format!(r#"{{"digest":"{platform}","size":6}}"#);
    let escaped = secret.replace("sha256:", r"sha256\u003a");
    let o = format!(r#"{{"digest":"{config}","size":2}}"#);
    let mut accepted = 0;
    for media_type in [
        MANIFEST,
        INDEX,
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.docker.distribution.manifest.v1+prettyjws",
        "application/json",
    ] {
        let typed = format!(r#""mediaType":"{media_type}","#);
        for body in [
            format!(r#"{{{head}{typed}{own}"layers":[{o}],"layers":[{s}]}}"#),
            format!(r#"{{{head}{typed}{own}"layers":[{o}],"Layers":[{s}]}}"#),
            format!(r#"{{{head}{typed}{own}"laye\u0072s":[{s}]}}"#),
            format!(r#"{{{head}{typed}{own}"layers":[{{"digest":"{escaped}"}}]}}"#),
            format!(
                r#"{{{head}{typed}{own}"layers":[{{"annotations":{{"digest":"{secret}"}},"digest":"{config}"}}]}}"#
            ),
            format!(r#"{{{head}{typed}{own}"layers":[],"annotations":{{"layers":"{secret}"}}}}"#),
            format!(
                r#"{{{head}{typed}{own}"annotations":{{"x":"y"}},"Annotations":{{"layers":[{s}]}},"layers":[]}}"#
            ),
            format!(
                r#"{{{head}{typed}{own}"layers":[{{"urls":["https://a/b"],"digest":"{secret}","mediaType":"application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"}}]}}"#
            ),
            format!(r#"{{{head}{typed}{own}"layers":[],"manifests":[{p}]}}"#),
            format!(r#"{{{head}{typed}{own}"layers":[],"blobs":[{s}]}}"#),
            format!(r#"{{{head}{typed}{own}"layers":[],"fsLayers":[{{"blobSum":"{secret}"}}]}}"#),
            format!(r#"{{{head}{typed}{own}"layers":[],"subject":{p}}}"#),
            format!(r#"{{{head}{typed}"manifests":[{p}]}}"#),
            format!(r#"{{{head}{typed}"MANIFESTS":[{p}],"manifests":[]}}"#),
            format!(r#"{{{head}{typed}"manife\u017ft\u0073":[{p}]}}"#),
            format!("\u{feff}{{{head}{typed}{own}\"layers\":[{s}]}}"),
            format!(r#"{{{head}{typed}{own}"layers":[]}} {{"layers":[{s}]}}"#),
            format!(r#"{{{head}{typed}{own}"layers":[{s}],"x":"\ud800"}}"#),
            format!(r#"{{{head}{typed}{own}"layers":[{s}],"x":{}1{}}}"#, "[".repeat(200), "]".repeat(200)),
            format!(r#"{{{head}{typed}{own}"layers":[{s}],"x":1e999}}"#),
            format!(r#"{{{head}{typed}{own}"layers":[{o}],"layers":null}}"#),
        ] {
            let pushed = attacker.clone().body_of(media_type, body.as_bytes());
            let pushed = pushed.send("PUT", &format!("/v2/{NAME}/manifests/pr-2"));
            accepted += usize::from(pushed.status == 201);
            if pushed.status == 201 {
                println!("{body}");
                attacker.clone().get(&format!("/v2/{NAME}/manifests/pr-2"));
                attacker.clone().get(&format!("/v2/{NAME}/manifests/{}", digest_of(&pushed)));
            }
            for (kind, digest) in [("blobs", &secret), ("manifests", &platform)] {
                assert_eq!(status(&attacker, "GET", kind, digest), 404, "{body}");
            }
        }
    }
    println!("{accepted} were accepted");
}

#[test]
fn rule_51_no_spelling_mount_or_query_shows_what_is_secret() {
    let registry = registry();
    let warden = start(&registry);
    let platform = image(&curl(&warden).user(ADMIN), "2.0", &[b"secret"]);
    let (secret, attacker) = (sha256(b"secret"), attacker(&warden));
    image(&attacker, "pr-1", &[b"own"]);
    let own = sha256(b"own");
    let upper = format!("sha256:{}", hex(&secret).to_uppercase());
    let uploads = format!("/v2/{NAME}/blobs/uploads/");
    let mut seen = Vec::new();
    for (method, target) in [
        ("GET", format!("/v2/{NAME}/blobs/{upper}")),
        ("GET", format!("/v2/{NAME}/blobs/{secret}?from={NAME}&mount={own}")),
        ("GET", format!("/v2/{NAME}/blobs/sha256%3a{}", hex(&secret))),
        ("GET", format!("/v2/{NAME}/manifests/{secret}")),
        ("GET", format!("/v2/{NAME}/blobs/{platform}")),
        ("GET", format!("/v2/{NAME}/manifests/%32.0")),
        ("HEAD", format!("/v2/{NAME}/manifests/2.0")),
        ("GET", format!("/v2/{NAME}/referrers/{platform}")),
        ("POST", format!("/v2/{NAME}/blobs/{secret}")),
        ("PUT", format!("/v2/{NAME}/blobs/{secret}")),
        ("PUT", format!("{uploads}?mount={secret}&from={NAME}")),
        ("PATCH", format!("{uploads}?mount={secret}&from={NAME}")),
        ("POST", format!("{uploads}?mount={secret}&from={NAME}")),
        ("POST", format!("{uploads}?mount={secret}")),
        ("POST", format!("{uploads}?mount={secret}&from=")),
        ("POST", format!("{uploads}?mount={upper}&from={NAME}")),
        ("POST", format!("{uploads}?mount={own}&from={NAME}&digest={secret}")),
        ("POST", format!("{uploads}?digest={secret}&from={NAME}")),
        ("POST", format!("{uploads}?digest={secret}")),
        ("PUT", format!("/v2/{NAME}/manifests/{platform}?tag=pr-2")),
        ("PUT", format!("/v2/{NAME}/manifests/{platform}?tag=2.0")),
        ("DELETE", format!("/v2/{NAME}/manifests/2.0")),
        ("DELETE", format!("/v2/{NAME}/manifests/{platform}")),
        ("DELETE", format!("/v2/{NAME}/blobs/{secret}")),
    ] {
        seen.push((method, target.clone(), attacker.clone().send(method, &target).status));
        for (kind, digest) in [("blobs", &secret), ("manifests", &platform)] {
            assert_eq!(status(&attacker, "HEAD", kind, digest), 404, "{method} {target}");
        }
    }
    seen.iter().for_each(|(method, target, answer)| println!("{answer} {method} {target}"));
    let is_mount = |target: &str| target.contains(&format!("mount={own}"));
    assert!(seen.iter().all(|(_, target, answer)| match answer {
        201 => is_mount(target),
        503 => false,
        answer => *answer == 202 || *answer >= 400,
    }));
    client(&warden).user(ADMIN).get(&format!("/v2/{NAME}/manifests/{platform}")).is(200);
}

#[test]
fn rule_51_pages_tokens_and_strangers_are_shown_nothing_else() {
    let registry = registry();
    let acl = ACL.to_owned() + "  - match: {name: \"acme/app\", tag: \"1.*\"}\n    actions: [pull]\n";
    let warden = portwarden(&registry).users(&[ADMIN, USER, TEST2, ANYBODY]).acl(&acl).start();
    let admin = curl(&warden).user(ADMIN);
    let open = image(&admin, "1.0", &[b"open"]);
    image(&admin, "1.1", &[b"open too"]);
    let platform = image(&admin, "2.0", &[b"secret"]);
    let secret = sha256(b"secret");
    // A stranger.
    let stranger = client(&warden);
    assert_eq!(status(&stranger, "GET", "manifests", "1.0"), 200);
    assert_eq!(status(&stranger, "GET", "blobs", &sha256(b"open")), 200);
    for (kind, reference) in [("manifests", "2.0"), ("manifests", &platform), ("blobs", &secret)] {
        assert_eq!(status(&stranger, "GET", kind, reference), 401, "{reference}");
        assert_eq!(status(&client(&warden).user(USER), "GET", kind, reference), 404, "{reference}");
    }
    // Tokens.
    let with = |scope: &str| client(&warden).bearer(&token(&warden, TEST2, &[scope]));
    for (scope, expected) in [
        ("repository:acme/other:pull", 401),
        ("repository:acme/app:push", 401),
        ("repository:acme/app:pull", 404),
        ("repository:acme/app:*", 401),
    ] {
        let answers = [("manifests", &platform), ("blobs", &secret)]
            .map(|(kind, digest)| status(&with(scope), "GET", kind, digest));
        println!("{scope}: {answers:?}, {}", status(&with(scope), "GET", "manifests", &open));
        assert!(answers.iter().all(|answer| [401, 404].contains(answer)), "{scope}: {expected}");
    }
    assert_eq!(status(&with("repository:acme/app:pull"), "PUT", "manifests", "pr-1"), 401);
    assert_eq!(status(&with("repository:acme/app:pull"), "DELETE", "manifests", &open), 401);
    // Lists.
    let list = |query: &str| {
        let page = client(&warden).user(USER).get(&format!("/v2/{NAME}/tags/list{query}")).is(200);
        (page.json()["tags"].to_string(), page.header("link").map(str::to_owned))
    };
    for query in ["", "?n=1", "?n=1&last=1.0", "?last=1.1", "?n=0", "?last=2.0", "?n=99999999999999999999"] {
        println!("{query}: {:?}", list(query));
        assert!(!format!("{:?}", list(query)).contains("2.0"), "{query}");
    }
    // Pages.
    let visitor = Visitor::signed_in(&warden, USER);
    let page = visitor.get("/acme/app").is(200).text();
    assert!(page.contains("1.1") && !page.contains(">2.0<") && !page.contains(hex(&platform)), "{page}");
    for path in [
        "/acme/app:2.0".to_owned(),
        format!("/acme/app@{platform}"),
        format!("/-/delete/acme/app@{platform}"),
        format!("/-/search?q={platform}"),
        format!("/?q={platform}"),
    ] {
        let page = visitor.get(&path);
        println!("{path}: {} {:?}", page.status, page.header("location"));
        assert!(page.status != 303 || !page.header("location").unwrap().contains("acme"), "{path}");
        assert!(page.status != 200 || !page.text().contains("acme/app@"), "{path}");
    }
}
