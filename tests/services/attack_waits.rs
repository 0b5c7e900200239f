//! Attacks by an account that may push, pull and delete some tags, on the time of others: each has to fail (rule 51).
//!
//! Needs: curl, docker-registry, htpasswd.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::json;

use super::{
    attack_closure::{PULLS_ALL, attacker, index_of, of, start, status},
    tag_rules::{INDEX, NAME, client, image, put},
    write_once::{ALL, TAGS},
};
use crate::support::{
    curl::curl,
    distribution::{MANIFEST, push_blob},
    h2,
    image::{random_bytes, sha256},
    portwarden::{ADMIN, TEST, portwarden},
    process::eventually,
    registry::registry,
};

#[test]
fn rule_51_an_index_of_junk_keeps_nobody_from_deleting_and_asking() {
    let registry = registry();
    let warden = start(&registry);
    let attacker = attacker(&warden);
    let junk = push_blob(&attacker, NAME, b"junk");
    println!("the index: {}", index_of(&attacker, "pr-1", &[&junk]).status);
    let layer = json!({"mediaType": "application/vnd.oci.image.layer.v1.tar", "size": 4, "digest": junk});
    let cache = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [layer]});
    println!("the cache: {}", put(&attacker, "pr-2", INDEX, &cache).status);
    let own = client(&warden).user(TEST);
    let digest = image(&own, "qa-1", &[b"own"]);
    println!("a miss of the attacker: {}", status(&attacker, "HEAD", "blobs", &sha256(b"none")));
    assert_eq!(status(&own, "HEAD", "blobs", &sha256(b"none")), 404);
    assert_eq!(status(&own, "DELETE", "manifests", &digest), 202);
}

#[test]
fn rule_51_pushes_of_one_account_keep_no_other_from_an_answer() {
    let registry = registry();
    let warden = start(&registry);
    let admin = curl(&warden).user(ADMIN);
    (0..20).for_each(|n| drop(image(&admin, &format!("qa-{n}"), &[&random_bytes(40)])));
    let attacker = attacker(&warden);
    image(&attacker, "pr-1", &[b"a layer"]);
    let own = client(&warden).user(TEST);
    let mut answers = BTreeMap::new();
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    put(&attacker, "pr-9", MANIFEST, &json!({"schemaVersion": 2}));
                }
            });
        }
        for n in 0..20 {
            let none = sha256(format!("none {n}").as_bytes());
            *answers.entry(status(&own, "HEAD", "blobs", &none)).or_insert(0) += 1;
        }
        over.store(true, Ordering::Relaxed);
    });
    assert_eq!(answers.keys().copied().collect::<Vec<_>>(), [404], "{answers:?}");
}

#[test]
fn rule_51_a_slow_push_and_a_deletion_keep_no_other_push_waiting() {
    let registry = registry();
    let warden = portwarden(&registry).acl(PULLS_ALL).start();
    let (admin, attacker) = (client(&warden).user(ADMIN), attacker(&warden));
    let own = image(&attacker, "pr-1", &[b"own"]);
    let config = push_blob(&admin, NAME, b"{}");
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            attacker.clone().send_stream("PUT", &format!("/v2/{NAME}/manifests/pr-2"), |pipe| {
                pipe.write_all(b"{").and_then(|()| pipe.flush())?;
                // Until the other push is over, which would be refused if it had to wait for this one.
                eventually(Duration::from_secs(100), || over.load(Ordering::Relaxed));
                pipe.write_all(b"}")
            })
        });
        thread::sleep(Duration::from_secs(1));
        scope.spawn(|| println!("the deletion: {}", status(&attacker, "DELETE", "manifests", &own)));
        thread::sleep(Duration::from_secs(1));
        let plain = json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": of(&config), "layers": []});
        let pushed = put(&admin, "2.0", MANIFEST, &plain);
        over.store(true, Ordering::Relaxed);
        pushed.is(201);
    });
}

#[test]
fn rule_50_a_deletion_whose_client_is_gone_keeps_no_push_waiting() {
    let registry = registry();
    let warden = portwarden(&registry).acl(ALL).with(TAGS).start();
    let (admin, attacker) = (client(&warden).user(ADMIN), attacker(&warden));
    image(&attacker, "pr-many", &[b"many"]);
    let many: Vec<String> = (0..500).map(|n| format!("pr-{n:05}")).collect();
    registry.add_tags(NAME, "pr-many", &many);
    let config = push_blob(&admin, NAME, b"{}");
    let plain = json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": of(&config), "layers": []});
    let own = image(&attacker, "pr-1", &[&random_bytes(20)]);
    let began = Instant::now();
    assert_eq!(status(&attacker, "DELETE", "manifests", &own), 202);
    let whole = began.elapsed();
    for n in 1..=12 {
        let own = image(&attacker, "pr-1", &[&random_bytes(20)]);
        // In all its steps, however long they take on this machine.
        let patience = format!("{:.3}", whole.as_secs_f64() * f64::from(n) / 13.0);
        let hasty = attacker.clone().option(&["--max-time", &patience]);
        let deleted = status(&hasty, "DELETE", "manifests", &own);
        let began = Instant::now();
        let pushed = put(&admin, "1.0.0", MANIFEST, &plain).status;
        let took = began.elapsed();
        println!("{patience}: {deleted}, then {pushed} in {took:?}");
        // A lock that outlives the client's request does so for half a minute.
        assert_eq!(pushed, 201, "after {took:?}, {patience}");
        assert!(took < Duration::from_secs(25), "{took:?}, {patience}");
    }
}

#[test]
fn rule_50_a_deletion_with_a_body_that_does_not_end_keeps_no_push_waiting() {
    let registry = registry();
    let warden = portwarden(&registry).acl(ALL).with(TAGS).start();
    let (admin, attacker) = (client(&warden).user(ADMIN), attacker(&warden));
    let own = image(&attacker, "pr-1", &[b"own"]);
    let config = push_blob(&admin, NAME, b"{}");
    let plain = json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": of(&config), "layers": []});
    let mut frames = h2::connect(&warden, &[]);
    let credentials = STANDARD.encode(format!("{}:{}", TEST.name, TEST.password));
    let head = frames.head("DELETE", &format!("/v2/{NAME}/manifests/{own}"), &format!("Basic {credentials}"));
    frames.send(h2::HEADERS, h2::END_HEADERS, 1, &head).unwrap();
    frames.send(h2::DATA, 0, 1, b"{").unwrap();
    let answer = frames.find(|frame| frame.stream == 1 && frame.flags & h2::END_STREAM != 0);
    assert!(answer.is_some(), "it waits for the body");
    assert_eq!(status(&admin, "HEAD", "manifests", &own), 404);
    put(&admin, "1.0.0", MANIFEST, &plain).is(201);
}

#[test]
fn rule_51_deletions_of_one_account_keep_no_other_from_an_answer() {
    let registry = registry();
    let warden = start(&registry);
    let admin = curl(&warden).user(ADMIN);
    (0..20).for_each(|n| drop(image(&admin, &format!("qa-{n}"), &[&random_bytes(40)])));
    let attacker = attacker(&warden);
    let gone = image(&attacker, "pr-1", &[b"a layer"]);
    let own = client(&warden).user(TEST);
    let layer = image(&own, "qa-layer", &[b"of qa"]);
    let mut answers = BTreeMap::new();
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    status(&attacker, "DELETE", "manifests", &gone);
                }
            });
        }
        for n in 0..20 {
            let none = sha256(format!("none {n}").as_bytes());
            *answers.entry(("none", status(&own, "HEAD", "blobs", &none))).or_insert(0) += 1;
            *answers.entry(("own", status(&own, "GET", "manifests", &layer))).or_insert(0) += 1;
        }
        over.store(true, Ordering::Relaxed);
    });
    assert_eq!(answers.keys().copied().collect::<Vec<_>>(), [("none", 404), ("own", 200)], "{answers:?}");
}
