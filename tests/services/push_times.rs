//! The times of pushes, as the state file has them: `retention` counts from them.
//!
//! Needs: curl, docker-registry, htpasswd, sqlite3.

use std::{
    fs,
    time::{SystemTime, UNIX_EPOCH},
};

use crate::support::{
    command,
    curl::{Request, curl},
    distribution::{MANIFEST, push_blob, put_manifest},
    misbehaving_registry::no_registry,
    portwarden::{ADMIN, Builder, Portwarden, portwarden, portwarden_at},
    registry::registry,
};

const RETENTION: &str = r#"
state: {file: ./state.db}
retention:
  - match: {name: "ci/*"}
    keep: [{newest: 10}, {younger: 30d}]
"#;
const OLD: u64 = 1_000_000_000;

fn with_retention(builder: Builder) -> Builder {
    builder.acl("\n  - match: {account: \"admin\"}\n    actions: [\"*\"]\n").with(RETENTION)
}

fn admin(warden: &Portwarden) -> Request {
    curl(warden).user(ADMIN)
}

/// Pushes an image whose layer is that text; returns its digest.
fn push(warden: &Portwarden, name: &str, tag: &str, layer: &str) -> String {
    push_blob(&admin(warden), name, b"{}");
    push_blob(&admin(warden), name, layer.as_bytes());
    let pushed = put_manifest(&admin(warden), name, tag, b"{}", &[layer.as_bytes()]).is(201);
    pushed.header("docker-content-digest").unwrap().to_owned()
}

/// The result of a statement about the file of a server that is stopped for it.
fn sql(warden: &mut Portwarden, statement: &str) -> String {
    warden.stop();
    let file = warden.file("state.db");
    let output = command::run("sqlite3", &[file.to_str().unwrap(), statement], &[]);
    output.stdout.trim().to_owned()
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

#[test]
fn rule_54_a_push_of_a_tag_is_noted_with_its_manifest_and_survives_a_crash() {
    let registry = registry();
    let mut warden = with_retention(portwarden(&registry)).start();
    let began = now();
    let first = push(&warden, "ci/app", "a", "one");
    push(&warden, "ci/app", "b", "two");
    let moved = push(&warden, "ci/app", "b", "three");
    push(&warden, "team/app", "a", "one");
    // A manifest by its digest has no tag, but for registries that take one beside it.
    let manifest = admin(&warden).header(&format!("Accept: {MANIFEST}"));
    let manifest = manifest.get(&format!("/v2/ci/app/manifests/{first}")).is(200).body;
    for query in ["", "?tag=c"] {
        let target = format!("/v2/ci/app/manifests/{first}{query}");
        admin(&warden).body_of(MANIFEST, &manifest).send("PUT", &target).is(201);
    }
    warden.crash_and_restart();
    let all = "SELECT repository, tag, digest, is_exact FROM pushed_tags ORDER BY tag";
    let expected =
        [format!("ci/app|a|{first}|1"), format!("ci/app|b|{moved}|1"), format!("ci/app|c|{first}|1")];
    assert_eq!(sql(&mut warden, all).lines().collect::<Vec<_>>(), expected);
    let outside = format!("SELECT count(*) FROM pushed_tags WHERE at NOT BETWEEN {began} AND {}", now());
    assert_eq!(sql(&mut warden, &outside), "0");
}

#[test]
fn rule_54_the_same_image_again_is_as_new_as_its_last_push() {
    let registry = registry();
    let mut warden = with_retention(portwarden(&registry)).start();
    let first = push(&warden, "ci/app", "a", "one");
    sql(&mut warden, &format!("UPDATE pushed_tags SET at = {OLD}, is_exact = 0"));
    warden.crash_and_restart();
    let began = now();
    assert_eq!(push(&warden, "ci/app", "a", "one"), first);
    let renewed = format!("SELECT count(*) FROM pushed_tags WHERE at >= {began} AND is_exact");
    assert_eq!(sql(&mut warden, &renewed), "1");
}

#[test]
fn rule_54_a_push_that_is_refused_or_lost_leaves_no_time_of_what_the_tag_has() {
    let registry = registry();
    let mut warden = with_retention(portwarden(&registry)).start();
    let first = push(&warden, "ci/app", "a", "one");
    sql(&mut warden, &format!("UPDATE pushed_tags SET at = {OLD}"));
    warden.crash_and_restart();
    // Its layer is not there.
    put_manifest(&admin(&warden), "ci/app", "a", b"{}", &[b"nowhere"]).is(400);
    let head = admin(&warden).header(&format!("Accept: {MANIFEST}")).head("/v2/ci/app/manifests/a").is(200);
    assert_eq!(head.header("docker-content-digest"), Some(&*first));
    let old = format!("SELECT count(*) FROM pushed_tags WHERE digest = '{first}' OR at = {OLD}");
    assert_eq!(sql(&mut warden, &old), "0");
    // It is noted before the registry has it: it may take a push although its answer is lost.
    let mut warden = with_retention(portwarden_at(&no_registry())).start();
    put_manifest(&admin(&warden), "ci/app", "a", b"{}", &[b"layer"]).is(503);
    assert_eq!(sql(&mut warden, "SELECT tag, is_exact FROM pushed_tags"), "a|1");
}

#[test]
fn a_push_goes_on_while_its_time_cannot_be_noted_and_is_noted_later() {
    let registry = registry();
    let mut warden = with_retention(portwarden(&registry)).start();
    let (file, away) = (warden.file("state.db"), warden.file("away"));
    fs::rename(&file, &away).unwrap();
    push(&warden, "ci/app", "a", "one");
    let said = warden.says("cannot note when a tag was pushed");
    assert!(said.contains("repository=ci/app") && said.contains("removed or replaced"), "{said}");
    fs::rename(&away, &file).unwrap();
    push(&warden, "ci/app", "b", "two");
    assert_eq!(sql(&mut warden, "SELECT tag FROM pushed_tags ORDER BY tag"), "a\nb");
}
