//! One tag that is deleted alone (rule 53), on a registry that deletes by digest only: what stays, who may, and what is left
//! where it breaks off.
//!
//! Needs: curl, docker-registry, htpasswd, skopeo.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use portwarden::registry::{PLACEHOLDER, PLACEHOLDER_DIGEST, PLACEHOLDER_TYPE};
use serde_json::{Value, json};

use super::{
    tag_rules::{NAME, client, hex, image, put},
    write_once::{ALL, TAGS},
};
use crate::support::{
    audit::{self, line_with},
    command,
    curl::{Request, Response, curl, curl_at},
    distribution::{MANIFEST, push_blob, put_manifest},
    metrics,
    page_client::Visitor,
    portwarden::{ADMIN, Builder, Portwarden, TEST2, USER, portwarden, portwarden_at, program},
    process::{PATIENCE, eventually},
    registry::{Registry, registry, registry_without_deletion},
    relay::{RelayFault, relay},
    skopeo::skopeo,
    waiting::pause,
};

fn open(registry: &Registry) -> Builder {
    portwarden(registry).acl(ALL).with(audit::TO_FILE).with(metrics::ON)
}

fn admin(warden: &Portwarden) -> Request {
    client(warden).user(ADMIN)
}

fn delete(request: &Request, reference: &str) -> Response {
    request.clone().send("DELETE", &format!("/v2/{NAME}/manifests/{reference}"))
}

fn get(request: &Request, reference: &str) -> Response {
    request.clone().get(&format!("/v2/{NAME}/manifests/{reference}"))
}

pub(crate) fn tags(request: &Request) -> Vec<String> {
    let list = request.clone().get(&format!("/v2/{NAME}/tags/list")).is(200).json();
    let tags = list["tags"].as_array().cloned().unwrap_or_default();
    let mut tags: Vec<String> = tags.iter().map(|tag| tag.as_str().unwrap().to_owned()).collect();
    tags.sort();
    tags
}

/// Gives the manifest of a tag another one.
pub(crate) fn copy(request: &Request, from: &str, to: &str) {
    let manifest = get(request, from).is(200);
    put(request, to, MANIFEST, &manifest.json()).is(201);
}

/// Leaves the placeholder on a tag, as a crash between the two steps does.
fn leave_over(registry: &Registry, tag: &str) {
    let direct = curl_at(&registry.url()).body_of(PLACEHOLDER_TYPE, PLACEHOLDER.as_bytes());
    direct.send("PUT", &format!("/v2/{NAME}/manifests/{tag}")).is(201);
}

/// The tags that the registry itself lists.
fn at_registry(registry: &Registry) -> Vec<String> {
    tags(&curl_at(&registry.url()))
}

fn has_placeholder(registry: &Registry) -> bool {
    let direct = curl_at(&registry.url()).header(&format!("Accept: {PLACEHOLDER_TYPE}"));
    direct.head(&format!("/v2/{NAME}/manifests/{PLACEHOLDER_DIGEST}")).status == 200
}

/// One account may do everything, the other what it likes with `pr-*`.
const PR_ONLY: &str = r#"
  - match: {account: "admin"}
    actions: ["*"]
  - match: {account: "test2", name: "acme/app", tag: "pr-*"}
    actions: [pull, push, delete]
"#;

#[test]
fn rule_53_one_tag_goes_and_the_others_on_its_manifest_stay() {
    let registry = registry();
    let warden = open(&registry).start();
    let admin = admin(&warden);
    let digest = image(&admin, "1.0", &[b"a layer"]);
    ["latest", "stable"].iter().for_each(|tag| copy(&admin, "1.0", tag));
    let deleted = delete(&admin, "1.0").is(202);
    assert_eq!(deleted.header("docker-distribution-api-version"), Some("registry/2.0"));
    assert!(deleted.body.is_empty());
    assert_eq!(tags(&admin), ["latest", "stable"]);
    get(&admin, "1.0").is(404);
    for reference in ["latest", "stable", &digest] {
        get(&admin, reference).is(200);
    }
    assert!(!has_placeholder(&registry), "nothing is left");
    let line = line_with(
        &warden.file("audit.log"),
        &[("event", "transfer"), ("reference", "1.0"), ("method", "DELETE")],
    );
    assert_eq!(
        (line["digest"].as_str(), line["status"].as_u64()),
        (Some(digest.as_str()), Some(202)),
        "{line}"
    );
    let by = metrics::value(&warden, "portwarden_deleted_tags_total{how=\"placeholder\"}");
    assert_eq!(by, Some(1.0));
    // As the registry answers for a tag that never was.
    for (gone, never) in
        [(delete(&admin, "1.0"), delete(&admin, "9.9")), (get(&admin, "1.0"), get(&admin, "9.9"))]
    {
        assert_eq!(gone.is(404).text(), never.is(404).text().replace("9.9", "1.0"));
    }
    copy(&admin, "latest", "1.0");
    get(&admin, "1.0").is(200);
}

#[test]
fn rule_53_skopeo_deletes_the_manifest_as_ever() {
    let registry = registry();
    let warden = open(&registry).start();
    let admin = admin(&warden);
    image(&admin, "1.0", &[b"a layer"]);
    copy(&admin, "1.0", "latest");
    skopeo(&warden, ADMIN).delete(&format!("{NAME}:1.0")).succeeds();
    assert_eq!(tags(&admin), Vec::<String>::new(), "by the digest, with each tag on it");
}

#[test]
fn rule_53_where_deletion_is_off_nothing_is_written() {
    let registry = registry_without_deletion();
    let warden = open(&registry).start();
    let admin = admin(&warden);
    let digest = image(&admin, "1.0", &[b"a layer"]);
    registry.forget_log();
    let (code, message) = delete(&admin, "1.0").is(405).error();
    assert_eq!(code, "UNSUPPORTED");
    assert!(message.contains("storage.delete.enabled: true"), "{message}");
    assert_eq!(registry.requests("PUT "), Vec::<String>::new());
    assert_eq!(get(&admin, "1.0").is(200).header("docker-content-digest"), Some(digest.as_str()));
}

#[test]
fn rule_53_only_an_account_that_may_delete_has_it_done() {
    const ACL: &str = "\n  - match: {account: \"admin\"}\n    actions: [\"*\"]\n  \
                       - match: {account: \"user\"}\n    actions: [pull, push]\n";
    let registry = registry();
    let warden = portwarden(&registry).acl(ACL).start();
    image(&admin(&warden), "1.0", &[b"a layer"]);
    registry.forget_log();
    let user = client(&warden).user(USER);
    for tag in ["1.0", "none"] {
        assert_eq!(delete(&user, tag).status, 401);
        assert_eq!(delete(&client(&warden), tag).status, 401);
    }
    assert_eq!(registry.requests(""), Vec::<String>::new(), "before the rules decide, nothing is asked");
}

#[test]
fn rule_53_by_rules_with_tag_the_right_to_the_tag_decides() {
    let registry = registry();
    let warden = portwarden(&registry).acl(PR_ONLY).start();
    let (admin, limited) = (admin(&warden), client(&warden).user(TEST2));
    let digest = image(&admin, "main", &[b"a layer"]);
    copy(&admin, "main", "pr-1");
    // Another tag has the same manifest, which the account may not delete: only its own goes.
    delete(&limited, &digest).is(403);
    delete(&limited, "main").is(401);
    delete(&limited, "pr-1").is(202);
    assert_eq!(tags(&admin), ["main"]);
    // A signature goes as what it signs.
    let own = image(&limited, "pr-2", &[b"own"]);
    for (signed, status) in [(&digest, 403), (&own, 202)] {
        let tag = format!("sha256-{}.sig", hex(signed));
        copy(&admin, "main", &tag);
        assert_eq!(delete(&limited, &tag).status, status, "{tag}");
    }
    copy(&admin, "pr-2", "release");
    let tag = format!("sha256-{}.sig", hex(&own));
    copy(&admin, "main", &tag);
    delete(&limited, &tag).is(403);
    let request = format!("DELETE /v2/{NAME}/manifests/");
    for (tag, code) in [("pr-2", 0), ("main", 1)] {
        let file = warden.file("portwarden.yml");
        let args = [
            "explain",
            file.to_str().unwrap(),
            "--account",
            "test2",
            "--request",
            &format!("{request}{tag}"),
        ];
        assert_eq!(command::run(&program(), &args, &[]).status, Some(code), "{tag}");
    }
}

#[test]
fn rule_53_write_once_tags_and_a_freeze_are_in_the_way() {
    let registry = registry();
    let warden = open(&registry).with(TAGS).with("control: {socket: ./control.sock}").start();
    let user = client(&warden).user(USER);
    image(&user, "1.2.0", &[b"a layer"]);
    copy(&user, "1.2.0", "latest");
    let (code, message) = delete(&user, "1.2.0").is(403).error();
    assert!(code == "DENIED" && message.contains("is write-once, and cannot be deleted"), "{message}");
    delete(&user, "latest").is(202);
    let socket = warden.file("control.sock");
    let control = |command: &str| {
        command::run(&program(), &[command, "--socket", socket.to_str().unwrap()], &[]).succeeds()
    };
    control("freeze");
    delete(&admin(&warden), "1.2.0").is(503);
    control("thaw");
    delete(&admin(&warden), "1.2.0").is(202);
    assert_eq!(tags(&user), Vec::<String>::new());
    image(&user, "1.2.0", &[b"another"]);
}

#[test]
fn rule_53_a_tag_with_the_placeholder_counts_as_deleted_everywhere() {
    let registry = registry();
    let warden = open(&registry).with(TAGS).start();
    let admin = admin(&warden);
    let digest = image(&admin, "1.0", &[b"a layer"]);
    ["gone", "1.2.3"].iter().for_each(|tag| leave_over(&registry, tag));
    let accepts = [
        admin.clone(),
        curl(&warden).user(ADMIN),
        admin.clone().header(&format!("If-None-Match: \"{PLACEHOLDER_DIGEST}\"")),
    ];
    for request in &accepts {
        let path = |reference: &str| format!("/v2/{NAME}/manifests/{reference}");
        let (gone, never) = (get(request, "gone").is(404), get(request, "never").is(404));
        assert_eq!(gone.text(), never.text().replace("never", "gone"));
        request.clone().head(&path("gone")).is(404);
        let (code, message) = get(request, PLACEHOLDER_DIGEST).is(404).error();
        assert_eq!((code.as_str(), message.as_str()), ("MANIFEST_UNKNOWN", "manifest unknown"));
        request.clone().head(&path(PLACEHOLDER_DIGEST)).is(404);
        request.clone().get(&format!("/v2/{NAME}/blobs/{PLACEHOLDER_DIGEST}")).is(404);
    }
    delete(&admin, PLACEHOLDER_DIGEST).is(404);
    assert!(has_placeholder(&registry), "readers delete nothing");
    let visitor = Visitor::signed_in(&warden, ADMIN);
    visitor.get(&format!("/{NAME}:gone")).is(404);
    visitor.get(&format!("/{NAME}@{PLACEHOLDER_DIGEST}")).is(404);
    // A write-once tag that is deleted may be made again.
    image(&client(&warden).user(USER), "1.2.3", &[b"of another"]);
    assert_eq!(tags(&admin), ["1.0", "1.2.3"], "a list ends the deletion");
    assert_eq!((at_registry(&registry).len(), has_placeholder(&registry)), (2, false));
    get(&admin, &digest).is(200);
    leave_over(&registry, "gone");
    delete(&admin, "gone").is(404);
    assert!(!has_placeholder(&registry), "so does a deletion");
}

#[test]
fn rule_53_what_is_known_of_one_registry_is_not_believed_of_another() {
    let (first, second) = (registry(), registry());
    let mut warden = open(&first).start();
    let admin = admin(&warden);
    image(&admin, "1.0", &[b"a layer"]);
    assert_eq!(tags(&admin), ["1.0"]);
    leave_over(&second, "gone");
    warden.reload(|builder| builder.before(&second));
    assert_eq!(tags(&admin), Vec::<String>::new());
    assert!(!has_placeholder(&second));
}

#[test]
fn rule_53_the_pages_and_limited_accounts_do_not_list_it() {
    let registry = registry();
    let warden = portwarden(&registry).acl(PR_ONLY).with("control: {socket: ./control.sock}").start();
    image(&admin(&warden), "pr-1", &[b"a layer"]);
    leave_over(&registry, "pr-2");
    // A freeze keeps the deletion from its end, so that the tags are hidden one by one.
    let socket = warden.file("control.sock");
    let control = |command: &str| {
        command::run(&program(), &[command, "--socket", socket.to_str().unwrap()], &[]).succeeds()
    };
    control("freeze");
    assert_eq!(tags(&client(&warden).user(TEST2)), ["pr-1"]);
    assert_eq!(tags(&admin(&warden)), ["pr-1"]);
    let page = Visitor::signed_in(&warden, ADMIN).get(&format!("/{NAME}")).is(200).text();
    assert!(page.contains(&format!("{NAME}:pr-1")) && !page.contains("pr-2"), "{page}");
    let of_limited = Visitor::signed_in(&warden, TEST2).get(&format!("/{NAME}")).is(200).text();
    assert!(of_limited.contains(&format!("{NAME}:pr-1")) && !of_limited.contains("pr-2"), "{of_limited}");
    assert!(has_placeholder(&registry));
    control("thaw");
    let page = Visitor::signed_in(&warden, ADMIN).get(&format!("/{NAME}")).is(200).text();
    assert!(page.contains(&format!("{NAME}:pr-1")) && !page.contains("pr-2"), "{page}");
    assert!(!has_placeholder(&registry), "the page ends the deletion");
}

#[test]
fn rule_53_no_client_pushes_the_placeholder() {
    let registry = registry();
    let warden = open(&registry).start();
    let admin = admin(&warden);
    image(&admin, "1.0", &[b"a layer"]);
    put(&admin, "other", PLACEHOLDER_TYPE, &json!({"schemaVersion": 2})).is(201);
    let by_digest = format!("{PLACEHOLDER_DIGEST}?tag=other");
    let targets = ["1.0", "other", PLACEHOLDER_DIGEST, &by_digest];
    for target in targets.map(|reference| format!("/v2/{NAME}/manifests/{reference}")) {
        let whole = admin.clone().body_of(PLACEHOLDER_TYPE, PLACEHOLDER.as_bytes()).send("PUT", &target);
        // Under another media type, too.
        let chunked =
            admin.clone().send_stream("PUT", &target, |pipe| pipe.write_all(PLACEHOLDER.as_bytes()));
        for refused in [whole, chunked] {
            let (code, message) = refused.is(400).error();
            assert_eq!(code, "MANIFEST_INVALID");
            assert!(!message.contains(hex(PLACEHOLDER_DIGEST)), "{message}");
        }
    }
    assert!(!has_placeholder(&registry));
    get(&admin, "1.0").is(200);
}

/// Each fault that a step of a deletion meets, with the status of the answer, and true if the tag is gone then.
fn faults(name: &str) -> [(RelayFault, u16, bool); 11] {
    let step = |method: &str, reference: &str| format!("{method} /v2/{name}/manifests/{reference}");
    let (put_step, delete_step) = (step("PUT", "1.0"), step("DELETE", PLACEHOLDER_DIGEST));
    [
        (RelayFault::Lost(step("DELETE", "1.0")), 502, false),
        (RelayFault::Lost(step("HEAD", "1.0")), 502, false),
        (RelayFault::Lost(put_step.clone()), 502, false),
        (RelayFault::Status(put_step.clone(), 500), 502, false),
        (RelayFault::Status(put_step.clone(), 400), 403, false),
        (RelayFault::Status(put_step.clone(), 403), 502, false),
        (RelayFault::Status(put_step.clone(), 429), 502, false),
        (RelayFault::Unanswered(put_step), 502, true),
        (RelayFault::Lost(delete_step.clone()), 202, true),
        (RelayFault::Status(delete_step.clone(), 500), 202, true),
        (RelayFault::Unanswered(delete_step), 202, true),
    ]
}

#[test]
fn rule_53_what_breaks_off_is_done_or_can_be_tried_again() {
    let registry = registry();
    let relay = relay(registry.address());
    let warden = portwarden_at(&relay.url()).acl(ALL).start();
    let (direct, admin) = (curl_at(&registry.url()), admin(&warden));
    let at = |n: usize, reference: &str| format!("/v2/acme/app-{n}/manifests/{reference}");
    let delete = |n| admin.clone().send("DELETE", &at(n, "1.0")).status;
    let list = |request: &Request, n: usize| {
        let mut tags =
            request.clone().get(&format!("/v2/acme/app-{n}/tags/list")).is(200).json()["tags"].clone();
        tags.as_array_mut().unwrap().sort_by_key(Value::to_string);
        tags
    };
    let faults = |n: usize| faults(&format!("acme/app-{n}"))[n].clone();
    for n in 0..9 {
        // A repository for each: locks stay for a while where an answer is lost.
        let (fault, status, is_gone) = faults(n);
        push_blob(&direct, &format!("acme/app-{n}"), b"{}");
        for tag in ["1.0", "kept"] {
            put_manifest(&direct, &format!("acme/app-{n}"), tag, b"{}", &[]).is(201);
        }
        relay.set(Some(fault.clone()));
        assert_eq!(delete(n), status, "{fault:?}");
        relay.set(None);
        let left = if is_gone { json!(["kept"]) } else { json!(["1.0", "kept"]) };
        assert_eq!(list(&admin, n), left, "{fault:?}");
        assert_eq!(admin.clone().get(&at(n, "1.0")).status, if is_gone { 404 } else { 200 }, "{fault:?}");
    }
    for n in 0..9 {
        let (fault, _, is_gone) = faults(n);
        let again = || delete(n) == if is_gone { 404 } else { 202 };
        assert!(eventually(PATIENCE, again), "{fault:?}");
        let is_clean = || list(&admin, n) == json!(["kept"]) && list(&direct, n) == json!(["kept"]);
        assert!(eventually(PATIENCE, is_clean), "{fault:?}");
        let placeholder = direct.clone().header(&format!("Accept: {PLACEHOLDER_TYPE}"));
        placeholder.get(&at(n, PLACEHOLDER_DIGEST)).is(404);
        admin.clone().get(&at(n, "kept")).is(200);
    }
}

#[test]
fn rule_53_a_registry_that_dies_half_way_leaves_nothing_that_stays() {
    let mut registry = registry();
    let warden = open(&registry).start();
    let admin = admin(&warden);
    image(&admin, "1.0", &[b"a layer"]);
    copy(&admin, "1.0", "kept");
    // So does registry 2.8 when it is killed between the manifest and its tags.
    leave_over(&registry, "half");
    let revision = format!(
        "docker/registry/v2/repositories/{NAME}/_manifests/revisions/sha256/{}",
        hex(PLACEHOLDER_DIGEST)
    );
    std::fs::remove_dir_all(registry.store().join(revision)).unwrap();
    registry.kill();
    assert!(matches!(delete(&admin, "1.0").status, 502..=504));
    registry.restart();
    delete(&admin, "half").is(202);
    delete(&admin, "1.0").is(202);
    assert_eq!((tags(&admin), at_registry(&registry)), (vec!["kept".to_owned()], vec!["kept".to_owned()]));
}

/// Registry 2.8 reads the link of each tag, and then removes those that were on the manifest: with many tags, there is time
/// for a push in between.
#[test]
fn rule_53_a_push_during_a_deletion_is_not_lost() {
    const ROUNDS: u32 = 40;
    let registry = registry();
    let warden = open(&registry).start();
    let admin = admin(&warden);
    image(&admin, "kept", &[b"a layer"]);
    let many: Vec<String> = (0..4000).map(|n| format!("many-{n:04}")).collect();
    registry.add_tags(NAME, "kept", &many);
    let manifest = get(&admin, "kept").json();
    put(&admin, "1.0", MANIFEST, &manifest).is(201);
    let began = Instant::now();
    delete(&admin, "1.0").is(202);
    let whole = began.elapsed();
    for round in 0..ROUNDS {
        // Each stands in another place of the registry's list.
        let tag = format!("tag-{round}");
        put(&admin, &tag, MANIFEST, &manifest).is(201);
        thread::scope(|scope| {
            let deleting = scope.spawn(|| delete(&admin, &tag).is(202));
            assert!(eventually(PATIENCE, || get(&admin, &tag).status == 404));
            pause(whole * round / ROUNDS);
            // A client that sees that it is deleted may make it again.
            put(&admin, &tag, MANIFEST, &manifest).is(201);
            deleting.join().unwrap();
        });
        assert_eq!(get(&admin, &tag).status, 200, "round {round} of {whole:?}: an acknowledged push is lost");
    }
}

#[test]
fn rule_53_of_racing_pushes_and_deletions_readers_see_a_manifest_or_none() {
    let registry = registry();
    let warden = open(&registry).start();
    let admin = admin(&warden);
    let digests = [image(&admin, "a", &[b"one"]), image(&admin, "b", &[b"two"])];
    let manifests = ["a", "b"].map(|tag| get(&admin, tag).json());
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        for request in [&admin, &curl(&warden).user(ADMIN).header(&format!("Accept: {MANIFEST}"))] {
            let (request, digests, over) = (request.clone(), &digests, &over);
            scope.spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    let seen = get(&request, "race");
                    match seen.status {
                        200 => assert!(
                            digests.iter().any(|d| Some(d.as_str()) == seen.header("docker-content-digest"))
                        ),
                        404 => {
                            assert_eq!(seen.error().1, "manifest unknown");
                            assert!(!seen.text().contains(hex(PLACEHOLDER_DIGEST)), "{}", seen.text());
                        }
                        // Registry 2.8 writes the link of a tag in place, and cannot read it meanwhile.
                        other => assert_eq!(other, 500),
                    }
                    let known = |tag: &String| ["a", "b", "race"].contains(&tag.as_str());
                    assert!(tags(&request).iter().all(known));
                }
            });
        }
        let deleting = scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                assert!(matches!(delete(&admin, "race").status, 202 | 404));
            }
        });
        let pushed = (0..200).all(|n| {
            let manifest: &Value = &manifests[n % 2];
            put(&admin, "race", MANIFEST, manifest).status == 201
        });
        over.store(true, Ordering::Relaxed);
        deleting.join().unwrap();
        assert!(pushed);
    });
    put(&admin, "race", MANIFEST, &manifests[0]).is(201);
    assert_eq!(get(&admin, "race").is(200).header("docker-content-digest"), Some(digests[0].as_str()));
    delete(&admin, "race").is(202);
    assert_eq!(tags(&admin), ["a", "b"]);
}

#[test]
fn rule_53_a_slow_push_keeps_no_deletion_and_no_other_push_waiting() {
    let registry = registry();
    let warden = open(&registry).start();
    let admin = admin(&warden);
    image(&admin, "1.0", &[b"a layer"]);
    let manifest = get(&admin, "1.0").json();
    let is_done = AtomicBool::new(false);
    thread::scope(|scope| {
        let slow = scope.spawn(|| {
            admin.clone().send_stream("PUT", &format!("/v2/{NAME}/manifests/slow"), |pipe| {
                pipe.write_all(b"{").and_then(|()| pipe.flush())?;
                assert!(eventually(PATIENCE, || is_done.load(Ordering::Relaxed)), "it was waited for");
                pipe.write_all(b"}")
            })
        });
        assert!(eventually(PATIENCE, || metrics::value(&warden, "portwarden_active_requests") == Some(1.0)));
        delete(&admin, "1.0").is(202);
        put(&admin, "2.0", MANIFEST, &manifest).is(201);
        is_done.store(true, Ordering::Relaxed);
        slow.join().unwrap();
    });
}

#[test]
fn rule_53_a_deletion_whose_client_is_gone_goes_on_and_keeps_no_push_waiting() {
    let registry = registry();
    let warden = open(&registry).start();
    let admin = admin(&warden);
    image(&admin, "kept", &[b"a layer"]);
    let many: Vec<String> = (0..500).map(|n| format!("many-{n:04}")).collect();
    registry.add_tags(NAME, "kept", &many);
    let manifest = get(&admin, "kept").json();
    put(&admin, "1.0", MANIFEST, &manifest).is(201);
    let began = Instant::now();
    delete(&admin, "1.0").is(202);
    let whole = began.elapsed().as_secs_f64();
    for step in 1..=5 {
        put(&admin, "1.0", MANIFEST, &manifest).is(201);
        // In all its steps, however long they take on this machine.
        let patience = format!("{:.3}", whole * f64::from(step) / 6.0);
        let hasty = delete(&admin.clone().option(&["--max-time", &patience]), "1.0");
        let began = Instant::now();
        put(&admin, "other", MANIFEST, &manifest).is(201);
        assert!(
            began.elapsed() < Duration::from_secs(20),
            "{patience}: {hasty:?}, then {:?}",
            began.elapsed()
        );
        assert!(!has_placeholder(&registry), "{patience}");
    }
}

#[test]
fn rule_53_the_pages_delete_one_tag_and_only_what_was_shown() {
    let registry = registry();
    let warden = open(&registry).with(TAGS).start();
    let admin = admin(&warden);
    let digest = image(&admin, "1.0", &[b"a layer"]);
    ["latest", "1.2.0"].iter().for_each(|tag| copy(&admin, "1.0", tag));
    let path = format!("/-/delete-tag/{NAME}:1.0");
    let visitor = Visitor::signed_in(&warden, USER);
    assert!(visitor.get(&format!("/{NAME}:1.0")).is(200).text().contains(&path));
    assert!(!visitor.get(&format!("/{NAME}:1.2.0")).is(200).text().contains("/-/delete-tag/"), "write-once");
    let whole = visitor.get(&format!("/-/delete/{NAME}@{digest}?tag=1.0")).is(200).text();
    assert!(whole.contains(&path), "the way to delete no other");
    let page = visitor.get(&path).is(200).text();
    assert!(
        page.contains("The image that it names stays") && page.contains("collects its garbage"),
        "{page}"
    );
    let csrf = visitor.csrf();
    let form = [("csrf", csrf.as_str()), ("digest", digest.as_str())];
    visitor.post(&path, &[("csrf", "x"), ("digest", &digest)]).is(403);
    visitor.post_from(&["Origin: https://evil.example"], &path, &form).is(403);
    visitor.post(&path, &[("csrf", &csrf), ("digest", "sha256:00")]).is(409);
    visitor.post(&format!("/-/delete-tag/{NAME}:1.2.0"), &form).is(403);
    visitor.get(&format!("/-/delete-tag/{NAME}:none")).is(404);
    assert_eq!(tags(&admin), ["1.0", "1.2.0", "latest"]);
    let done = visitor.post(&path, &form).is(303);
    let there = done.header("location").unwrap().to_owned();
    assert_eq!(there, format!("/{NAME}?untagged=1.0"));
    assert!(visitor.get(&there).is(200).text().contains("Deleted the tag"));
    assert_eq!(tags(&admin), ["1.2.0", "latest"]);
    let of_another = visitor.get(&format!("/{NAME}?untagged=latest")).is(200).text();
    assert!(!of_another.contains("Deleted the tag"), "a link that says so");
    let line = line_with(
        &warden.file("audit.log"),
        &[("event", "transfer"), ("reference", "1.0"), ("route", "page")],
    );
    assert_eq!(line["digest"], digest, "{line}");
    visitor.post(&path, &form).is(404);
}
