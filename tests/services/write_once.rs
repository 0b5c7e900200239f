//! Write-once tags before a real registry: what is refused and in which words, what goes on, and what an answer that is
//! lost does to the next push. The ways to break such a tag are in `attack_tags.rs`.
//!
//! Needs: curl, docker-registry, htpasswd.

use serde_json::json;

use crate::support::{
    audit::{self, line_with},
    command,
    curl::{Request, Response, curl},
    distribution::{MANIFEST, push_blob, push_image, put_manifest},
    image::sha256,
    metrics,
    misbehaving_registry::{Fault, misbehaving},
    page_client::Visitor,
    portwarden::{ADMIN, Builder, Portwarden, USER, portwarden, portwarden_at, program},
    registry::{Registry, registry},
};

/// Versions are write-once, but for `admin`.
pub(crate) const TAGS: &str = r#"
tags:
  write_once:
    - match: {name: "/.+/", tag: '/^v?[0-9]+\.[0-9]+\.[0-9]+$/'}
      except: {account: "admin"}
"#;
pub(crate) const ALL: &str = r#"
  - match: {account: "/.+/"}
    actions: ["*"]
"#;

fn guarded(registry: &Registry) -> Builder {
    portwarden(registry).acl(ALL).with(TAGS).with(audit::TO_FILE).with(metrics::ON)
}

fn user(warden: &Portwarden) -> Request {
    curl(warden).user(USER)
}

/// Pushes an image whose layer is that text.
fn push(request: &Request, tag: &str, layer: &str) -> Response {
    push_blob(request, "team/app", b"{}");
    push_blob(request, "team/app", layer.as_bytes());
    put_manifest(request, "team/app", tag, b"{}", &[layer.as_bytes()])
}

fn digest_at(request: &Request, reference: &str) -> Option<String> {
    let head = request.clone().header(&format!("Accept: {MANIFEST}"));
    let head = head.head(&format!("/v2/team/app/manifests/{reference}"));
    (head.status == 200).then(|| head.header("docker-content-digest").unwrap().to_owned())
}

#[test]
fn rule_50_a_tag_is_made_once_pushed_again_as_it_is_and_never_moved() {
    let registry = registry();
    let warden = guarded(&registry).start();
    let first = push(&user(&warden), "1.2.0", "one").is(201);
    let digest = first.header("docker-content-digest").unwrap().to_owned();
    // The same again: the registry's own answer.
    push(&user(&warden), "1.2.0", "one").is(201);
    let (code, message) = push(&user(&warden), "1.2.0", "two").is(403).error();
    assert_eq!(code, "DENIED");
    assert_eq!(message, format!("tag 1.2.0 of team/app is write-once and is {digest}; push another tag"));
    let line = line_with(&warden.file("audit.log"), &[("reference", "1.2.0"), ("decision", "refused")]);
    assert!(line["rule"].as_str().unwrap().starts_with("tags.write_once[0], line "), "{line}");
    assert_eq!(digest_at(&user(&warden), "1.2.0"), Some(digest.clone()));
    // By the digest, for a registry that knows `tag` there.
    let other = digest_at(&user(&warden), "latest").unwrap_or_else(|| {
        push(&user(&warden), "latest", "three").header("docker-content-digest").unwrap().to_owned()
    });
    let manifest =
        user(&warden).header(&format!("Accept: {MANIFEST}")).get(&format!("/v2/team/app/manifests/{other}"));
    for tags in ["tag=1.2.0", "tag=free&tag=1.2.0", "tag=1.2%2E0"] {
        let target = format!("/v2/team/app/manifests/{other}?{tags}");
        let (_, message) =
            user(&warden).body_of(MANIFEST, &manifest.body).send("PUT", &target).is(403).error();
        assert!(message.starts_with("tag 1.2.0 of team/app is write-once"), "{message}");
    }
    // Others move as ever.
    for layer in ["one", "two", "one"] {
        push(&user(&warden), "latest", layer).is(201);
        push(&user(&warden), "1.2.0-rc1", layer).is(201);
    }
    let refused = metrics::value(&warden, "portwarden_write_once_total{outcome=\"refused\"}");
    assert_eq!(refused, Some(4.0));
    // The account that is excepted may move it, and the log says so.
    push(&curl(&warden).user(ADMIN), "1.2.0", "two").is(201);
    let fields = [("reference", "1.2.0"), ("account", "admin"), ("decision", "allowed")];
    let line = line_with(&warden.file("audit.log"), &fields);
    assert!(line["rule"].as_str().unwrap().contains("excepted by tags.write_once[0]"), "{line}");
    assert_ne!(digest_at(&user(&warden), "1.2.0"), Some(digest));
}

#[test]
fn rule_50_what_a_tag_needs_cannot_be_deleted_and_all_else_can() {
    let registry = registry();
    let warden = guarded(&registry).start();
    let kept = push(&user(&warden), "1.2.0", "one").header("docker-content-digest").unwrap().to_owned();
    let other = push(&user(&warden), "latest", "two").header("docker-content-digest").unwrap().to_owned();
    let delete = |reference: &str| user(&warden).send("DELETE", &format!("/v2/team/app/{reference}"));
    let (_, message) = delete(&format!("manifests/{kept}")).is(403).error();
    assert!(message.starts_with(&format!("{kept} belongs to tag 1.2.0 of team/app")), "{message}");
    let (_, message) = delete("manifests/1.2.0").is(403).error();
    assert!(message.contains("is write-once, and cannot be deleted"), "{message}");
    let (_, message) = delete(&format!("blobs/{}", sha256(b"one"))).is(403).error();
    assert!(message.contains("garbage collection"), "{message}");
    delete(&format!("manifests/{other}")).is(202);
    assert_eq!(digest_at(&user(&warden), "latest"), None);
    delete(&format!("manifests/sha256:{}", "0".repeat(64))).is(404);
    // Of another algorithm: it may be the same manifest.
    delete(&format!("manifests/sha512:{}", "0".repeat(128))).is(403);
    delete(&format!("manifests/{}", kept.to_uppercase().replace("SHA256", "sha256"))).is(403);
    curl(&warden).user(ADMIN).send("DELETE", &format!("/v2/team/app/manifests/{kept}")).is(202);
    assert_eq!(digest_at(&user(&warden), "1.2.0"), None);
    push(&user(&warden), "1.2.0", "three").is(201);
}

#[test]
fn rule_50_pages_show_such_tags_and_delete_none() {
    let registry = registry();
    let warden = guarded(&registry).start();
    let kept = push(&user(&warden), "1.2.0", "one").header("docker-content-digest").unwrap().to_owned();
    push(&user(&warden), "latest", "two").is(201);
    let visitor = Visitor::signed_in(&warden, USER);
    let list = visitor.get("/team/app").is(200).text();
    assert_eq!(list.matches("write-once").count(), 1, "{list}");
    assert!(!list.contains(&format!("/-/delete/team/app@{kept}")), "{list}");
    assert!(visitor.get("/team/app:1.2.0").is(200).text().contains("write-once"));
    assert!(!visitor.get("/team/app:latest").is(200).text().contains("write-once"));
    let admin = Visitor::signed_in(&warden, ADMIN);
    // Its page has no form for it: another account's is sent.
    let path = format!("/-/delete/team/app@{kept}");
    let form = admin.get(&path).is(200).text();
    let (_, tags) = form.split_once("name=\"tags\" value=\"").unwrap();
    let tags = tags.split('"').next().unwrap();
    let refused = visitor.post(&path, &[("csrf", &visitor.csrf()), ("tags", tags)]).is(403).text();
    assert!(refused.contains("belongs to tag 1.2.0"), "{refused}");
    assert!(!admin.get("/team/app").is(200).text().contains("write-once"), "it is not, for admin");
    admin.delete(&path).is(303);
}

#[test]
fn rule_50_signatures_and_lists_of_referrers_are_written_again() {
    let registry = registry();
    let every = TAGS.replace(r"/^v?[0-9]+\.[0-9]+\.[0-9]+$/", "*");
    let warden = portwarden(&registry).acl(ALL).with(&every).start();
    let digest = push(&user(&warden), "1.2.0", "one").header("docker-content-digest").unwrap().to_owned();
    let tag = digest.replace(':', "-");
    for suffix in [".sig", ".att", ""] {
        for layer in ["first", "second"] {
            push(&user(&warden), &format!("{tag}{suffix}"), layer).is(201);
        }
    }
    push(&user(&warden), "1.2.0", "two").is(403);
}

#[test]
fn rule_50_a_registry_that_does_not_answer_lets_nothing_through() {
    for fault in [Fault::Silence, Fault::Garbage, Fault::Close, Fault::Reset, Fault::ShortBody] {
        let upstream = misbehaving(fault);
        let warden = portwarden_at(&upstream.url())
            .acl(ALL)
            .with(TAGS)
            .registry_setting("response_timeout", "1s")
            .start();
        for (method, path) in [
            ("PUT", "manifests/1.2.0".to_owned()),
            ("DELETE", format!("manifests/sha256:{}", "0".repeat(64))),
        ] {
            let answer = user(&warden).body_of(MANIFEST, b"{}").send(method, &format!("/v2/team/app/{path}"));
            assert!(matches!(answer.status, 502..=504), "{fault:?} {method}: {}", answer.status);
        }
    }
}

#[test]
fn rule_50_a_push_whose_answer_is_lost_holds_its_tag_whoever_sent_it() {
    let upstream = misbehaving(Fault::LosesPushes);
    let control = "control: {socket: ./control.sock}";
    let warden = portwarden_at(&upstream.url()).acl(ALL).with(TAGS).with(control).start();
    let put = |user, manifest: &str| {
        let request = curl(&warden).user(user).body_of(MANIFEST, manifest.as_bytes());
        request.send("PUT", "/v2/team/app/manifests/1.2.0")
    };
    let held_by = |answer: Response, manifest: &str| {
        let (code, message) = answer.is(409).error();
        let says = format!("an unfinished push of {} holds it", sha256(manifest.as_bytes()));
        assert!(code == "DENIED" && message.contains(&says), "{message}");
        assert!(message.ends_with("portwarden tags release team/app 1.2.0"), "{message}");
    };
    put(USER, "one").is(502);
    held_by(put(USER, "two"), "one");
    put(USER, "one").is(502);
    // An account that may move the tag does, and what it pushed may land at any moment.
    put(ADMIN, "three").is(502);
    held_by(put(USER, "one"), "three");
    put(ADMIN, "four").is(502);
    held_by(put(USER, "three"), "four");
    // The registry may be at work on it yet.
    let socket = warden.file("control.sock");
    let release = |tag| {
        let socket = socket.to_str().unwrap();
        command::run(&program(), &["tags", "release", "team/app", tag, "--socket", socket], &[]).fails()
    };
    release("1.2.0").says(&format!("not released: team/app:1.2.0: a push of {} began ", sha256(b"four")));
    release("1.3.0").says("no unfinished push holds team/app:1.3.0");
    held_by(put(USER, "three"), "four");
}

#[test]
fn rule_50_a_push_whose_client_is_gone_ends_with_the_answer_of_the_registry() {
    let upstream = misbehaving(Fault::AnswersPushesLate);
    let warden = portwarden_at(&upstream.url()).acl(ALL).with(TAGS).start();
    let put = |request: Request, manifest: &str| {
        let request = request.body_of(MANIFEST, manifest.as_bytes());
        request.send("PUT", "/v2/team/app/manifests/1.2.0").status
    };
    user(&warden).get("/v2/").is(200);
    assert_ne!(put(user(&warden).option(&["--max-time", "2"]), "one"), 201);
    // The registry does not show the tag, so the push was nothing: it holds the tag for no longer than it takes.
    assert_eq!(put(user(&warden), "two"), 201);
}

#[test]
fn rule_50_an_index_in_odd_letters_is_not_hollowed_out() {
    const INDEX: &str = "application/vnd.oci.image.index.v1+json";
    let registry = registry();
    let warden = guarded(&registry).start();
    let child = push(&user(&warden), "latest", "one").header("docker-content-digest").unwrap().to_owned();
    let entry = json!({"mediaType": MANIFEST, "digest": child, "size": 1}).to_string();
    let mut taken = 0;
    for (number, name) in ["Manifests", "MANIFESTS", r"manifest\u0073"].iter().enumerate() {
        let index = format!(r#"{{"schemaVersion":2,"mediaType":"{INDEX}","{name}":[{entry}]}}"#);
        let tag = format!("/v2/team/app/manifests/1.{number}.0");
        taken += usize::from(user(&warden).body_of(INDEX, index.as_bytes()).send("PUT", &tag).status == 201);
        user(&warden).send("DELETE", &format!("/v2/team/app/manifests/{child}")).is(403);
    }
    assert!(taken > 0, "the registry takes none of them, so this shows nothing");
    assert!(digest_at(&user(&warden), &child).is_some());
}

#[test]
fn rule_50_a_hollow_tag_is_not_filled_and_blocks_what_it_may_need() {
    let registry = registry();
    let warden = guarded(&registry).start();
    let digest = push(&user(&warden), "1.2.0", "one").header("docker-content-digest").unwrap().to_owned();
    let other = push(&user(&warden), "latest", "two").header("docker-content-digest").unwrap().to_owned();
    std::fs::remove_file(registry.blob_file(&digest)).unwrap();
    let (_, message) = push(&user(&warden), "1.2.0", "three").is(403).error();
    assert!(message.contains("its manifest cannot be read"), "{message}");
    let undecided = user(&warden).send("DELETE", &format!("/v2/team/app/manifests/{other}")).is(503);
    assert!(undecided.text().contains("tag 1.2.0"), "{}", undecided.text());
    let counted = metrics::value(&warden, "portwarden_write_once_total{outcome=\"undecided\"}");
    assert_eq!(counted, Some(1.0));
}

#[test]
fn what_no_entry_concerns_passes_unread() {
    let registry = registry();
    let elsewhere = TAGS.replace("/.+/", "release/*");
    let warden = portwarden(&registry).acl(ALL).with(&elsewhere).start();
    push(&user(&warden), "1.2.0", "one").is(201);
    registry.forget_log();
    push(&user(&warden), "1.2.0", "two").is(201);
    let digest = digest_at(&user(&warden), "1.2.0").unwrap();
    user(&warden).send("DELETE", &format!("/v2/team/app/blobs/{}", sha256(b"one"))).is(202);
    user(&warden).send("DELETE", &format!("/v2/team/app/manifests/{digest}")).is(202);
    assert_eq!(registry.requests("tags/list").len(), 0);
    assert_eq!(registry.requests("HEAD").len(), 1, "the test's own");
}

#[test]
fn a_manifest_of_four_mebibytes_is_the_largest_that_is_held() {
    let registry = registry();
    let warden = guarded(&registry).start();
    let put = |size: usize| {
        let layer = json!({"mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip", "size": 1,
            "digest": sha256(b"x"), "urls": ["https://x.example/".to_owned() + &"x".repeat(size)]});
        let manifest = json!({"schemaVersion": 2, "mediaType": MANIFEST, "layers": [layer],
            "config": {"mediaType": "application/vnd.docker.container.image.v1+json", "size": 2,
                "digest": sha256(b"{}")}});
        let request = user(&warden).body_of(MANIFEST, manifest.to_string().as_bytes());
        request.send("PUT", "/v2/team/app/manifests/1.2.0")
    };
    assert_eq!(put(5 << 20).status, 413);
    // The registry's own word: the layer is not there.
    put(1 << 20).is(400);
    push_image(&user(&warden), "team/app", "1.2.0");
}
