//! `portwarden tags release`: the claim of a push whose answer was lost ends at all replicas, when an operator says so.

use super::{WRITE_ONCE, control, with_state};
use crate::support::{
    audit::{self, line_with},
    curl::{Response, curl},
    distribution::{MANIFEST, push_blob, put_manifest},
    misbehaving_registry::{Fault, misbehaving},
    portwarden::{ADMIN, Portwarden, portwarden_at},
    postgres::Postgres,
    registry::registry,
};

fn push(warden: &Portwarden, repository: &str, tag: &str, config: &[u8]) -> Response {
    let request = curl(warden).user(ADMIN);
    push_blob(&request, repository, config);
    put_manifest(&request, repository, tag, config, &[])
}

#[test]
fn rule_64_an_operator_ends_the_claim_of_an_unfinished_push_at_all_replicas() {
    let (registry, mut postgres) = (registry(), Postgres::start());
    let builder = with_state(&registry, &postgres.state_url(), "").with(WRITE_ONCE).with(audit::TO_FILE);
    let a = &builder.clone().start();
    let b = &builder.start_beside(a);
    let claim = |digest: &str, at: &str| {
        postgres.in_state(&format!(
            "INSERT INTO manifest_pushes VALUES ('acme/app', 'v1', md5(random()::text), '{digest}', {at})"
        ));
    };
    let release = |warden: &Portwarden, tag: &str| control(warden, &["tags", "release", "acme/app", tag]);
    let lost = format!("sha256:{}", "a".repeat(64));
    release(a, "v1").fails().says("no unfinished push holds acme/app:v1");
    claim(&lost, "0");
    let refused = push(b, "acme/app", "v1", b"{}").is(409).text();
    assert!(refused.contains("portwarden tags release acme/app v1"), "{refused}");
    // Another push of that digest is with the registry.
    claim(&lost, "extract(epoch FROM now())");
    release(a, "v1").fails().says("the registry may still be at work on it");
    push(b, "acme/app", "v1", b"{}").is(409);
    postgres.in_state("UPDATE manifest_pushes SET at = extract(epoch FROM now()) - 601");
    let says = format!(
        "released: acme/app:v1, which an unfinished push of {lost} held; the registry has no such tag"
    );
    release(a, "v1").succeeds().says(&says);
    let log = a.file("audit.log");
    let line = line_with(&log, &[("event", "release"), ("reference", "v1"), ("decision", "allowed")]);
    assert_eq!(line["digest"], lost);
    line_with(&log, &[("event", "release"), ("decision", "refused")]);
    let pushed = push(b, "acme/app", "v1", b"{}").is(201);
    let there = pushed.header("docker-content-digest").unwrap();
    // The push was done; and the registry shows what another one did.
    claim(there, "0");
    release(a, "v1").fails().says(&format!("the push of {there} was done"));
    postgres.in_state("DELETE FROM manifest_pushes");
    claim(&lost, "0");
    release(b, "v1").succeeds().says(&format!("the registry shows {there}"));
    push(a, "acme/app", "v1", b"{\"other\": 1}").is(403);
    postgres.crash();
    release(a, "v1").fails().says("the server cannot be used");
}

#[test]
fn rule_64_what_one_replica_releases_is_free_at_the_one_whose_push_was_lost() {
    let (upstream, postgres) = (misbehaving(Fault::LosesPushes), Postgres::start());
    let state = format!("state: {{url: \"{}\"}}\ncontrol: {{socket: ./control.sock}}", postgres.state_url());
    let builder = portwarden_at(&upstream.url()).with(&state).with(WRITE_ONCE);
    let a = &builder.clone().start();
    let b = &builder.start_beside(a);
    let put = |warden, manifest: &str| {
        let request = curl(warden).user(ADMIN).body_of(MANIFEST, manifest.as_bytes());
        request.send("PUT", "/v2/acme/app/manifests/v1")
    };
    put(b, "one").is(502);
    for warden in [a, b] {
        put(warden, "two").is(409);
    }
    postgres.in_state("UPDATE manifest_pushes SET at = 0");
    control(a, &["tags", "release", "acme/app", "v1"]).succeeds();
    put(b, "two").is(502);
    put(a, "one").is(409);
}

#[test]
fn rule_64_a_repository_whose_pushes_get_no_answer_leaves_room_for_the_claims_of_others() {
    let (registry, postgres) = (registry(), Postgres::start());
    let a = &with_state(&registry, &postgres.state_url(), "").with(WRITE_ONCE).start();
    let lost = format!("sha256:{}", "a".repeat(64));
    let fill = |repository: &str, count: u32| {
        postgres.in_state(&format!(
            "INSERT INTO manifest_pushes SELECT '{repository}', 't' || n, 'a crash', '{lost}', 0 \
             FROM generate_series(1, {count}) n"
        ));
    };
    fill("acme/app", 1000);
    let full = push(a, "acme/app", "v1", b"{}").is(503).text();
    assert!(full.contains("too many pushes of write-once tags of acme/app"), "{full}");
    push(a, "acme/other", "v1", b"{}").is(201);
    // One that is pushed again has its place, and its answer ends the claim.
    postgres.in_state("DELETE FROM manifest_pushes WHERE tag = 't1'");
    let pushed = push(a, "acme/app", "v1", b"{}").is(201);
    let digest = pushed.header("docker-content-digest").unwrap();
    postgres.in_state(&format!(
        "INSERT INTO manifest_pushes VALUES ('acme/app', 't1', 'a crash', '{digest}', 0)"
    ));
    push(a, "acme/app", "t1", b"{}").is(201);
}
