//! A freeze of one replica holds at all, and a thaw ends it at all.

use std::{
    fs,
    process::{Command, Stdio},
    thread,
};

use super::{both_follow, control, status, token, two};
use crate::support::{
    curl::curl,
    distribution::{push_blob, start_upload},
    metrics,
    portwarden::{ADMIN, Portwarden, USER, program},
    postgres::Postgres,
    process::{PATIENCE, eventually},
    registry::registry,
    relay_tcp::TcpRelay,
};

/// The status of the first request of a push.
fn writes(warden: &Portwarden) -> u16 {
    curl(warden).user(ADMIN).send("POST", "/v2/acme/app/blobs/uploads/").status
}

fn is_frozen(warden: &Portwarden) -> bool {
    let status = control(warden, &["status"]);
    writes(warden) == 503 && status.status == Some(3) && status.text().contains("frozen: no writes for ")
}

#[test]
fn rule_64_a_freeze_of_one_replica_holds_at_all_when_the_command_returns_and_a_thaw_ends_it() {
    let (registry, postgres) = (registry(), Postgres::start());
    let [a, b] = &mut two(&registry, &postgres.state_url(), "");
    assert_eq!([&*a, &*b].map(writes), [202, 202]);
    control(a, &["freeze", "--for", "10m", "--drain", "1s"])
        .succeeds()
        .says("no writes for 10m at 2 replicas");
    // No wait: the registry collects its garbage now.
    assert_eq!([&*b, &*a].map(writes), [503, 503]);
    assert!(is_frozen(a) && is_frozen(b));
    assert_eq!(metrics::value(b, "portwarden_frozen"), Some(1.0));
    curl(b).user(ADMIN).get("/v2/").is(200);
    // Another length, of the other one.
    control(b, &["freeze", "--for", "20m"]).succeeds().says("no writes for 20m");
    assert!(eventually(PATIENCE, || control(a, &["status"]).text().contains("no writes for 19m")));
    assert_eq!(writes(a), 503);
    control(b, &["thaw"]).succeeds().says("writes pass again");
    assert_eq!(writes(b), 202);
    assert!(eventually(PATIENCE, || writes(a) == 202), "{}", a.log());
    // It ends by itself, at both.
    control(a, &["freeze", "--for", "2s", "--drain", "1s"]).succeeds();
    assert_eq!(writes(b), 503);
    assert!(eventually(PATIENCE, || [&*a, &*b].map(writes) == [202, 202]));
    // One that was away when it began.
    b.stop();
    control(a, &["freeze", "--for", "1h"]).succeeds().says("at 1 replica,");
    b.crash_and_restart();
    assert_eq!(writes(b), 503, "it has the freeze before its first client");
}

#[test]
fn rule_64_a_freeze_waits_for_the_pushes_of_other_replicas() {
    let (registry, postgres) = (registry(), Postgres::start());
    let [a, b] = &two(&registry, &postgres.state_url(), "");
    let push = curl(b).user(ADMIN);
    let location = start_upload(&push, "acme/app");
    thread::scope(|scope| {
        let frozen = scope.spawn(|| control(a, &["freeze", "--for", "10m", "--drain", "40s"]));
        let drains = |warden| control(warden, &["status"]).text().contains("draining");
        assert!(eventually(PATIENCE, || drains(b)), "{}", b.log());
        // The push goes on, and a new one does not begin.
        push.clone().body(b"layer").send("PATCH", &location).is(202);
        let new = curl(b).user(ADMIN).send("POST", "/v2/other/app/blobs/uploads/");
        assert_eq!(new.status, 503);
        assert!(!frozen.is_finished(), "it waits for the push at the other");
        control(b, &["freeze", "--for", "1m"]).fails().says("about to begin already");
        frozen.join().unwrap().succeeds().says("no writes for 10m");
    });
    assert!(is_frozen(a) && is_frozen(b));
    control(a, &["thaw"]).succeeds();
    assert!(eventually(PATIENCE, || writes(b) == 202));
    // One whose command is interrupted is called off.
    push_blob(&push, "acme/app", b"layer");
    let socket = a.file("control.sock");
    let freeze = ["freeze", "--for", "10m", "--drain", "40s", "--socket", socket.to_str().unwrap()];
    let mut command = Command::new(program()).args(freeze).stdout(Stdio::null()).spawn().unwrap();
    assert!(eventually(PATIENCE, || control(b, &["status"]).text().contains("draining")));
    command.kill().unwrap();
    command.wait().unwrap();
    assert!(eventually(PATIENCE, || [a, b].map(writes) == [202, 202]));
    // One that is thawed at another replica while it drains does not begin.
    push_blob(&push, "acme/app", b"layer");
    thread::scope(|scope| {
        let frozen = scope.spawn(|| control(a, &["freeze", "--for", "10m", "--drain", "40s"]));
        assert!(eventually(PATIENCE, || control(b, &["status"]).text().contains("draining")));
        control(b, &["thaw"]).succeeds();
        frozen.join().unwrap().fails().says("it was thawed before it came into force");
    });
    assert!(eventually(PATIENCE, || [a, b].map(writes) == [202, 202]));
}

#[test]
fn rule_64_a_freeze_waits_for_a_replica_that_was_cut_off_as_the_others_were() {
    let (registry, postgres) = (registry(), Postgres::start());
    let relay = TcpRelay::start(postgres.address());
    let [a, b] = &mut two(&registry, &postgres.state_url(), "");
    let file = b.file("portwarden.yml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace(&postgres.address().to_string(), &relay.address().to_string())).unwrap();
    b.stop();
    b.crash_and_restart();
    relay.stop();
    b.says("the shared state cannot be used");
    // The database was away from all for long, and the first replica is back.
    postgres.in_state("UPDATE replicas SET heard_at = 0, since = 0");
    assert!(eventually(PATIENCE, || postgres.state_has("SELECT FROM replicas WHERE heard_at > 0")));
    thread::scope(|scope| {
        let frozen = scope.spawn(|| control(a, &["freeze", "--for", "10m", "--drain", "1s"]));
        assert!(eventually(PATIENCE, || writes(a) == 503));
        assert_eq!(writes(b), 202);
        assert!(!frozen.is_finished(), "it waits for the other one");
        relay.go_on();
        frozen.join().unwrap().succeeds().says("at 2 replicas");
    });
    assert_eq!(writes(b), 503);
}

#[test]
fn rule_64_while_the_database_is_down_a_freeze_holds_and_none_begins_or_ends() {
    let (registry, mut postgres) = (registry(), Postgres::start());
    let [a, b] = &two(&registry, &postgres.state_url(), "");
    control(a, &["freeze", "--for", "10m", "--drain", "1s"]).succeeds();
    postgres.crash();
    assert!(eventually(PATIENCE, || metrics::value(b, "portwarden_state_up") == Some(0.0)));
    control(b, &["thaw"]).fails().says("some replicas may still be frozen");
    control(a, &["freeze", "--for", "20m"]).fails().says("cannot be stored for all replicas");
    assert!(is_frozen(a) && is_frozen(b));
    postgres.start_again();
    assert!(both_follow(a, b));
    assert!(is_frozen(a) && is_frozen(b));
    control(b, &["thaw"]).succeeds();
    assert!(eventually(PATIENCE, || [a, b].map(writes) == [202, 202]));
    // None begins, here or there, also not later.
    postgres.crash();
    assert!(eventually(PATIENCE, || metrics::value(a, "portwarden_state_up") == Some(0.0)));
    control(a, &["freeze", "--for", "10m"]).fails().says("so none begins");
    assert_eq!([a, b].map(writes), [202, 202]);
    postgres.start_again();
    assert!(both_follow(a, b));
    assert_eq!([a, b].map(writes), [202, 202]);
}

#[test]
fn rule_64_a_database_that_is_restored_or_lost_thaws_nothing() {
    let (registry, postgres) = (registry(), Postgres::start());
    let [a, b] = &mut two(&registry, &postgres.state_url(), "");
    postgres.back_state_up();
    assert!(both_follow(a, b));
    control(a, &["freeze", "--for", "1h", "--drain", "1s"]).succeeds();
    postgres.restore_state();
    // The first one ends all tokens, so that it is another state to the second one.
    let has_noticed = |warden: &Portwarden| {
        let log = warden.log();
        log.contains("was restored from a backup") || log.contains("the shared state was replaced")
    };
    assert!(eventually(PATIENCE, || has_noticed(a) && has_noticed(b)));
    assert!(both_follow(a, b));
    assert!(is_frozen(a) && is_frozen(b));
    b.crash_and_restart();
    assert!(is_frozen(b), "it is in the restored one again");
    // Lost, and made again by one that starts.
    let of_old_one = token(curl(a), USER);
    postgres.state_url();
    b.crash_and_restart();
    assert_eq!(writes(b), 503);
    assert!(eventually(PATIENCE, || status(a, &of_old_one) == 401), "{}", a.log());
    assert!(both_follow(a, b));
    assert!(is_frozen(a) && is_frozen(b));
    // No replica runs that knows of it.
    a.stop();
    b.stop();
    postgres.state_url();
    b.crash_and_restart();
    assert_eq!(writes(b), 503);
    assert!(is_frozen(b));
    // A thaw while a replica is away ends what that one has kept.
    control(b, &["thaw"]).succeeds().says("writes pass again");
    a.crash_and_restart();
    assert!(eventually(PATIENCE, || [&*a, &*b].map(writes) == [202, 202]), "{}", a.log());
}
