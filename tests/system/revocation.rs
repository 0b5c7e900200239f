//! Revocations on a machine that fails: a full disk, a clock that is set.
//!
//! Needs: curl, docker-registry, faketime, htpasswd, root.

use serde_json::Value;

use crate::support::{
    clock::Clock,
    command::{self, Output},
    curl::curl,
    portwarden::{ADMIN, Portwarden, portwarden, program},
    registry::registry,
    small_disk::SmallDisk,
    token_exchange,
};

const SOCKET: &str = "control: {socket: ./control.sock}\n";

fn revoke(warden: &Portwarden, account: &str) -> Output {
    let socket = warden.file("control.sock");
    command::run(&program(), &["revoke", "--account", account, "--socket", socket.to_str().unwrap()], &[])
}

fn status(warden: &Portwarden, token: &str) -> u16 {
    curl(warden).bearer(token).get("/v2/").status
}

#[test]
fn rule_47_a_full_disk_lets_a_revocation_fail_loudly_and_what_is_in_memory_holds() {
    let (registry, disk) = (registry(), SmallDisk::new(256));
    let state = format!("{SOCKET}state: {{file: {}}}", disk.path().join("state.db").display());
    let mut warden = portwarden(&registry).with(&state).start();
    let old = token_exchange::token(&warden, ADMIN, &[]);
    disk.fill();
    let mut failed = 0;
    // A page of the file may have room for some.
    for n in 0..200 {
        failed += u32::from(!revoke(&warden, &format!("account-with-a-name-that-is-long-{n}")).succeeded());
    }
    assert!(failed > 0, "no revocation needed room");
    revoke(&warden, "admin").fails().says("a restart would forget it").says("disk");
    assert_eq!(status(&warden, &old), 401);
    let new = token_exchange::token(&warden, ADMIN, &[]);
    assert_eq!(status(&warden, &new), 200);
    // A restart forgets, as was said, and takes nothing that was issued since.
    warden.crash_and_restart();
    warden.says("cannot store that activity begins");
    assert_eq!((status(&warden, &old), status(&warden, &new)), (200, 401));
    disk.clear();
    revoke(&warden, "admin").succeeds();
    assert_eq!(status(&warden, &old), 401);
    warden.crash_and_restart();
    assert_eq!(status(&warden, &old), 401);
}

#[test]
fn rule_47_a_clock_that_is_set_changes_nothing_about_what_is_revoked() {
    let registry = registry();
    let clock = Clock::right();
    let state = format!("{SOCKET}state: {{file: ./state.db}}");
    let mut warden = clock.of(portwarden(&registry).with(&state)).start();
    let before = token_exchange::token(&warden, ADMIN, &[]);
    for offset in ["-50s", "+50s", "-10s"] {
        clock.set(offset);
        let old = token_exchange::token(&warden, ADMIN, &[]);
        assert_eq!(status(&warden, &old), 200, "{offset}");
        revoke(&warden, "admin").succeeds();
        assert_eq!((status(&warden, &before), status(&warden, &old)), (401, 401), "{offset}");
        let new: Value = token_exchange::claims(&token_exchange::token(&warden, ADMIN, &[]));
        assert!(new["generation"].as_u64() > Some(0), "{new}");
        warden.crash_and_restart();
        assert_eq!(status(&warden, &old), 401, "{offset}");
    }
}
