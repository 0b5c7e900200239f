//! The registry's files on a disk that hangs (`registry.storage`): who needs them waits a moment, and nothing else waits.
//!
//! Needs: curl, docker-registry, htpasswd, root.

use std::{fs, thread, time::Instant};

use crate::support::{
    curl::curl,
    distribution::{push_blob, push_image},
    hanging_disk::HangingDisk,
    image::random_bytes,
    metrics::{self, value},
    portwarden::{ADMIN, USER, portwarden},
    process::{PATIENCE, eventually},
    registry::registry,
};

#[test]
fn rule_66_a_disk_that_hangs_holds_up_nothing_else_and_the_registry_answers_in_its_place() {
    let registry = registry();
    fs::create_dir_all(registry.store()).unwrap();
    let disk = HangingDisk::of(&registry.store());
    let store = format!("'{}'", disk.path().display());
    let warden = portwarden(&registry)
        .registry_setting("storage", &store)
        .registry_setting("storage_answers", "true")
        .with(metrics::ON)
        .start();
    let admin = curl(&warden).user(ADMIN);
    let content = random_bytes(3_000_000);
    let digest = push_blob(&admin, "team/app", &content);
    push_image(&admin, "team/app", "1");
    let target = format!("/v2/team/app/blobs/{digest}");
    let pull = || assert!(curl(&warden).user(USER).get(&target).is(200).body == content);
    let count = |outcome: &str| {
        value(&warden, &format!("portwarden_stored_blobs_total{{outcome=\"{outcome}\"}}")).unwrap()
    };
    pull();
    assert_eq!((count("file"), count("slow")), (1.0, 0.0), "{}", warden.log());
    // Answers are no use there.
    warden.says("its file system may show what the files were a while ago");
    let hanging = disk.hangs();
    thread::scope(|scope| {
        // More than may wait for the disk at once.
        let pulls: Vec<_> = (0..70).map(|_| scope.spawn(pull)).collect();
        let began = Instant::now();
        while pulls.iter().any(|pull| !pull.is_finished()) {
            let asked = Instant::now();
            curl(&warden).user(USER).get("/v2/team/app/tags/list").is(200);
            curl(&warden).user(USER).get("/v2/team/app/manifests/1");
            let (answered, all) = (asked.elapsed(), began.elapsed());
            assert!(all < PATIENCE, "others took {answered:?}, all {all:?}");
        }
    });
    assert_eq!((count("file"), count("slow")), (1.0, 70.0));
    drop(hanging);
    // The turns come back as the disk answers.
    assert!(eventually(PATIENCE, || {
        pull();
        count("file") > 1.0
    }));
}

#[test]
fn a_pull_from_a_disk_that_hangs_is_cut_off_and_others_go_on() {
    let registry = registry();
    fs::create_dir_all(registry.store()).unwrap();
    let disk = HangingDisk::of(&registry.store());
    let store = format!("'{}'", disk.path().display());
    let warden = portwarden(&registry)
        .registry_setting("storage", &store)
        .with("limits: {idle_body: 2s}")
        .with(metrics::ON)
        .start();
    let content = random_bytes(64 << 20);
    let digest = push_blob(&curl(&warden).user(ADMIN), "team/app", &content);
    let files = tempfile::tempdir().unwrap();
    let request = curl(&warden).user(USER).option(&["--limit-rate", "20M"]);
    let mut child = request.start(&format!("/v2/team/app/blobs/{digest}"), files.path());
    let mut out = child.stdout.take().unwrap();
    let mut some = vec![0; 1 << 20];
    std::io::Read::read_exact(&mut out, &mut some).unwrap();
    let _hanging = disk.hangs();
    std::io::Read::read_to_end(&mut out, &mut some).unwrap();
    assert!(!child.wait().unwrap().success(), "it looks whole");
    assert!(some.len() < content.len() && content.starts_with(&some));
    curl(&warden).user(USER).get("/v2/").is(200);
}
