//! Writes frozen for a garbage collection: pulls go on, pushes under way end, new ones wait, and nothing stays frozen
//! for ever. With the registry's own `garbage-collect`, and docker.
//!
//! Needs: curl, docker, docker-registry, htpasswd, jq, root.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    process::{Command, Stdio},
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
    time::Duration,
};

use serde_json::json;

use crate::support::{
    audit::{TO_FILE, line_with},
    command::{self, Output},
    curl::curl,
    distribution::{MANIFEST, push_blob, push_image, start_upload, with_digest},
    docker::docker,
    image::{Image, random_bytes, sha256},
    metrics,
    portwarden::{ADMIN, Portwarden, TEST, portwarden},
    process::{PATIENCE, eventually, pause},
    programs,
    registry::registry,
};

const IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const SOCKET: &str = "control: {socket: ./control.sock}";

/// `portwarden freeze`, `thaw` or `status`.
fn control(warden: &Portwarden, args: &[&str]) -> Output {
    let socket = warden.file("control.sock");
    let args = [args, &["--socket", socket.to_str().unwrap()]].concat();
    command::run(env!("CARGO_BIN_EXE_portwarden"), &args, &[])
}

/// Ends the loop of another thread, also where an assertion fails: its scope would wait for it forever.
struct StopsOnDrop<'a>(&'a AtomicBool);

impl Drop for StopsOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn garbage_is_collected_while_pulls_go_on_and_a_push_waits() {
    let mut registry = registry();
    let warden = portwarden(&registry).with(SOCKET).start();
    let docker = docker();
    let client = docker.user(&warden, Some(ADMIN));
    for name in ["team/kept:1", "team/dropped:1", "team/waiting:1"] {
        let archive = Image::random(2, 200_000).archive(&client.reference(name));
        client.load(archive.path()).succeeds();
    }
    client.push("team/kept:1").succeeds();
    let dropped = client.push("team/dropped:1").succeeds().digest_after("digest: ");
    curl(&warden).user(ADMIN).send("DELETE", &format!("/v2/team/dropped/manifests/{dropped}")).is(202);
    assert!(registry.blob_file(&dropped).exists());

    let (stop, pulls) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                let accept = format!("Accept: {MANIFEST}");
                curl(&warden).user(ADMIN).header(&accept).get("/v2/team/kept/manifests/1").is(200);
                pulls.fetch_add(1, Ordering::Relaxed);
            }
        });
        let _stop = StopsOnDrop(&stop);
        // The pushes of a moment ago count as under way until they have been quiet for ten seconds.
        control(&warden, &["freeze", "--for", "10m", "--drain", "30s"]).succeeds().says("no writes for 10m");
        let frozen = control(&warden, &["status"]).says("frozen: no writes for 9m");
        assert_eq!(frozen.status, Some(3), "{frozen:?}");
        let frozen = control(&warden, &["status", "--json"]);
        assert_eq!(frozen.status, Some(3), "{frozen:?}");
        let state: serde_json::Value = serde_json::from_str(&frozen.stdout).unwrap();
        assert_eq!((&state["state"], state["seconds"].is_u64()), (&"frozen".into(), true), "{state}");
        let before = pulls.load(Ordering::Relaxed);
        let pushing = scope.spawn(|| client.push("team/waiting:1"));
        let refused = || registry_is_told_nothing(&warden);
        assert!(eventually(PATIENCE, refused), "{}", warden.log());
        registry.collect_garbage().succeeds();
        assert!(!registry.blob_file(&dropped).exists(), "the registry has collected it");
        assert!(pulls.load(Ordering::Relaxed) > before, "pulls go on");
        control(&warden, &["thaw"]).succeeds().says("writes pass again");
        pushing.join().unwrap().succeeds();
        stop.store(true, Ordering::Relaxed);
    });
    client.forget("team/waiting:1");
    client.pull("team/waiting:1").succeeds();
    // As the operations guide says: the registry forgets the blobs that it remembered.
    registry.restart();
    client.forget("team/kept:1");
    client.pull("team/kept:1").succeeds();
    control(&warden, &["thaw"]).succeeds().says("writes were not frozen");
}

/// A script of the operations guide, by its second line.
fn script(name: &str) -> String {
    let guide = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/operations.md")).unwrap();
    let start = guide.find(&format!("#!/bin/sh\n# {name}: ")).unwrap();
    guide[start..].split_once("```").unwrap().0.to_owned()
}

#[test]
fn what_no_tag_leads_to_is_listed_and_the_platforms_of_an_index_are_not() {
    let registry = registry();
    let warden = portwarden(&registry).start();
    let ask = || curl(&warden).user(ADMIN);
    let put = |reference: &str, media_type: &str, document: &serde_json::Value| {
        let body = document.to_string();
        let request = ask().header(&format!("Content-Type: {media_type}")).option(&["--data-binary", &body]);
        request.send("PUT", &format!("/v2/team/multi/manifests/{reference}")).is(201);
        json!({"mediaType": media_type, "digest": sha256(body.as_bytes()), "size": body.len()})
    };
    let image = |architecture: &str| {
        let content = json!({"os": "linux", "architecture": architecture}).to_string();
        let digest = push_blob(&ask(), "team/multi", content.as_bytes());
        let config =
            json!({"mediaType": "application/octet-stream", "digest": digest, "size": content.len()});
        json!({"schemaVersion": 2, "mediaType": IMAGE, "config": config, "layers": []})
    };
    let by_digest =
        |document: &serde_json::Value| put(&sha256(document.to_string().as_bytes()), IMAGE, document);
    let platforms = [by_digest(&image("amd64")), by_digest(&image("arm64"))];
    put("1", INDEX, &json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": platforms}));
    let untagged = by_digest(&image("mips"));
    put("2", IMAGE, &image("s390x"));
    let store = registry.store();
    programs::require("jq");
    let run = |script: &str| {
        command::run("sh", &["-ec", script, "untagged-manifests", store.to_str().unwrap()], &[])
    };
    assert_eq!(run(&script("untagged-manifests")).succeeds().stdout, "", "all of it was pushed today");
    run("find \"$1\" -name link -exec touch -d '2 days ago' {} +").succeeds();
    let listed = run(&script("untagged-manifests")).succeeds().stdout;
    assert_eq!(listed, format!("team/multi {}\n", untagged["digest"].as_str().unwrap()));
    // The guide's reason: the collector's own way takes the platforms of the tagged index.
    registry.collect_garbage_and_untagged().succeeds();
    for platform in &platforms {
        let path = format!("/v2/team/multi/manifests/{}", platform["digest"].as_str().unwrap());
        // With 200 this registry is mended, and the guide may say so.
        ask().header(&format!("Accept: {IMAGE}")).get(&path).is(404);
    }
}

/// Returns true if a push was rejected by now.
fn registry_is_told_nothing(warden: &Portwarden) -> bool {
    warden.log().lines().any(|line| line.contains("\"status\":503") && line.contains("\"method\":\"POST\""))
}

#[test]
fn a_push_under_way_ends_and_a_new_one_is_told_to_try_again() {
    let registry = registry();
    let warden = portwarden(&registry).with(SOCKET).with(TO_FILE).with(metrics::ON).start();
    let ask = || curl(&warden).user(ADMIN);
    let blob = random_bytes(1 << 20);
    let location = start_upload(&ask(), "team/under-way");
    thread::scope(|scope| {
        let freezing = scope.spawn(|| control(&warden, &["freeze", "--for", "1h"]));
        let draining = || {
            let status = control(&warden, &["status"]);
            status.status == Some(3) && status.text().contains("draining: one push")
        };
        assert!(eventually(PATIENCE, draining));
        let refused = ask().send("POST", "/v2/team/other/blobs/uploads/").is(503);
        let wait: u32 = refused.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=15).contains(&wait), "{refused:?}");
        let (code, message) = refused.error();
        assert_eq!(code, "UNAVAILABLE");
        assert!(message.contains("takes no changes for a while"), "{message}");
        ask().body(&blob).send("PUT", &with_digest(&location, &sha256(&blob))).is(201);
        freezing
            .join()
            .unwrap()
            .succeeds()
            .says("draining: one push is still under way")
            .says("no writes for 1h");
    });
    assert_eq!(metrics::value(&warden, "portwarden_frozen"), Some(1.0));
    for (method, path) in [
        ("POST", "/v2/team/under-way/blobs/uploads/"),
        ("PUT", "/v2/team/under-way/manifests/1"),
        ("DELETE", "/v2/team/under-way/manifests/1"),
    ] {
        ask().send(method, path).is(503);
    }
    ask().get(&format!("/v2/team/under-way/blobs/{}", sha256(&blob))).is(200);
    // A client that may not write gets that answer, and learns nothing of the operator's work.
    curl(&warden).user(TEST).send("PUT", "/v2/team/under-way/manifests/1").is(401);
    let line = line_with(&warden.file("audit.log"), &[("event", "freeze")]);
    assert!(line["reason"].as_str().unwrap().starts_with("frozen for 3600 s by user "), "{line}");
}

#[test]
fn what_does_not_end_in_time_is_cut_off_and_the_time_of_a_freeze_ends() {
    let registry = registry();
    let warden = portwarden(&registry).with(SOCKET).with(metrics::ON).start();
    let ask = || curl(&warden).user(ADMIN);
    let location = start_upload(&ask(), "team/slow");
    thread::scope(|scope| {
        let slow = scope.spawn(|| {
            ask().seconds(60).send_stream("PATCH", &location, |pipe| {
                loop {
                    pipe.write_all(&[0; 1024])?;
                    pipe.flush()?;
                    pause(Duration::from_millis(20));
                }
            })
        });
        let moved = || metrics::value(&warden, "portwarden_transfer_bytes_total{direction=\"in\"}");
        assert!(eventually(PATIENCE, || moved() > Some(0.0)), "the upload is not under way");
        let frozen = control(&warden, &["freeze", "--for", "15s", "--drain", "1s"]).succeeds();
        frozen.says("1 writes had not ended within 1s and were cut off");
        let cut = slow.join().unwrap();
        assert!(matches!(cut.status, 503 | 0), "{cut:?}");
        ask().send("POST", "/v2/team/slow/blobs/uploads/").is(503);
    });
    let open = || ask().send("POST", "/v2/team/slow/blobs/uploads/").status == 202;
    assert!(eventually(PATIENCE, open), "it thaws by itself");
    warden.says("the time of the freeze is over");
}

#[test]
fn a_freeze_outlives_a_restart_and_ends_on_time() {
    let registry = registry();
    let mut warden = portwarden(&registry).with(SOCKET).start();
    control(&warden, &["freeze", "--for", "1h", "--drain", "0s"]).succeeds();
    warden.crash_and_restart();
    warden.says("writes are still frozen");
    curl(&warden).user(ADMIN).send("POST", "/v2/a/blobs/uploads/").is(503);
    control(&warden, &["thaw"]).succeeds();
    warden.crash_and_restart();
    curl(&warden).user(ADMIN).send("POST", "/v2/a/blobs/uploads/").is(202);
}

#[test]
fn who_gives_up_waiting_calls_it_off_and_the_socket_is_for_root_alone() {
    let registry = registry();
    let warden = portwarden(&registry).with(SOCKET).start();
    let socket = warden.file("control.sock");
    assert_eq!(socket.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    push_blob(&curl(&warden).user(ADMIN), "team/app", b"x");
    let asker = Command::new(env!("CARGO_BIN_EXE_portwarden"))
        .args(["freeze", "--socket", socket.to_str().unwrap()])
        .stdout(Stdio::null())
        .spawn();
    let mut asker = asker.unwrap();
    let waits = || control(&warden, &["status"]).text().contains("draining");
    assert!(eventually(PATIENCE, waits), "it waits for the push of a moment ago");
    asker.kill().unwrap();
    asker.wait().unwrap();
    let open = || {
        let status = control(&warden, &["status"]);
        status.succeeded() && status.text().contains("open: writes pass")
    };
    assert!(eventually(PATIENCE, open));
    warden.says("called off");
    push_image(&curl(&warden).user(ADMIN), "team/app", "1");
    for wrong in [&["freeze", "--for", "0s"][..], &["freeze", "--for", "25h"], &["freeze", "--for", "soon"]] {
        control(&warden, wrong).fails();
    }
    let nobody =
        command::run(env!("CARGO_BIN_EXE_portwarden"), &["status", "--socket", "/nowhere/x.sock"], &[]);
    nobody.fails().says("cannot reach the server at /nowhere/x.sock").says("control.socket");
}
