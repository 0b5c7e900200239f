//! Two replicas behind HAProxy: a login, a push, a revocation, and one that is killed under pulls. `make demo-replicas`.
//!
//! Needs: curl, docker-registry, haproxy, htpasswd, postgresql.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::Instant,
};

use super::{control, status, token, two};
use crate::support::{
    curl::curl,
    distribution::{MANIFEST, push_blob, put_manifest, start_upload, with_digest},
    haproxy::haproxy,
    image::{random_bytes, sha256},
    portwarden::ADMIN,
    postgres::Postgres,
    process::{PATIENCE, eventually},
    registry::registry,
};

/// Pulls while a replica is killed.
const PULLS: usize = 200;
/// Clients that pull at the same time.
const CLIENTS: usize = 4;

#[test]
fn two_replicas_behind_a_balancer() {
    let (registry, postgres) = (registry(), Postgres::start());
    let [a, b] = &mut two(&registry, &postgres.state_url(), "");
    let front = haproxy(&[a, b]);
    assert!(eventually(PATIENCE, || front.curl().get("/v2/").status == 401));
    println!("HAProxy at {} before {} and {}, without stickiness", front.url(), a.host(), b.host());

    let admin = token(curl(a), ADMIN);
    println!("a login at the first counts at the second: {}", status(b, &admin));
    let request = front.curl().bearer(&admin).header(&format!("Accept: {MANIFEST}"));
    let layer = random_bytes(1_000_000);
    let location = start_upload(&curl(a).bearer(&admin), "acme/app");
    let there = location.replace(&a.url(), &b.url());
    let whole = with_digest(&there, &sha256(&layer));
    curl(b).bearer(&admin).body(&layer).send("PUT", &whole).is(201);
    push_blob(&request, "acme/app", b"{}");
    put_manifest(&request, "acme/app", "v1", b"{}", &[&layer]).is(201);
    println!("an upload that began at the first ended at the second");

    let (failed, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                for _ in 0..PULLS / CLIENTS {
                    let path = format!("/v2/acme/app/blobs/{}", sha256(&layer));
                    let mut pulled = request.clone().get(&path);
                    if pulled.exit != 0 {
                        failed.fetch_add(1, Ordering::Relaxed);
                        pulled = request.clone().get(&path);
                    }
                    assert_eq!(
                        (pulled.status, pulled.body.len()),
                        (200, layer.len()),
                        "{}",
                        pulled.complaint
                    );
                    done.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        assert!(eventually(PATIENCE, || done.load(Ordering::Relaxed) > PULLS / 4));
        b.kill();
    });
    let failed = failed.load(Ordering::Relaxed);
    println!(
        "the second was killed under {PULLS} pulls: {failed} broke off with it, and went on at the first"
    );
    assert!(failed <= CLIENTS, "{failed} failed: more than were on open connections");

    b.crash_and_restart();
    assert_eq!(status(b, &admin), 200);
    control(a, &["revoke", "--account", "admin"]).succeeds();
    let began = Instant::now();
    assert!(eventually(PATIENCE, || status(b, &admin) == 401));
    println!("revoked at the first, refused at the second {} ms later", began.elapsed().as_millis());
    assert!(eventually(PATIENCE, || request.clone().get("/v2/acme/app/manifests/v1").status == 401));
}
