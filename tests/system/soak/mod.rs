//! The soak: everything at once for a while. Pulls, pushes, mounts, strangers and clients that vanish, over both
//! protocols, while the configuration is reloaded and the registry crashes; every byte is compared end to end, and at
//! the end memory and descriptors are where they were after the warm-up.
//!
//! Half a minute of it is among the tests; `make soak MINUTES=10` takes longer. `workers` is what the clients do,
//! `tally` what is counted and held against it, `footprint` what it costs.
//!
//! Needs: curl, docker-registry, htpasswd.

mod footprint;
mod tally;
mod workers;

use std::{
    env,
    io::Write as _,
    sync::Arc,
    time::{Duration, Instant},
};

use footprint::Footprint;
use tally::Tally;

use crate::support::{
    client::run,
    portwarden::{Portwarden, portwarden},
    process::{PATIENCE, eventually, pause},
    registry::{Registry, registry},
};

/// Rules that match no account here, in turn: each reload is another policy, and none changes an answer.
const HARMLESS: [&str; 2] = [
    r#"  - match: {account: "nobody here"}
    actions: []"#,
    r#"  - match: {account: "nobody there", name: "a/*"}
    actions: ["pull"]"#,
];
const POLICY: &str = r#"
  - match: {account: "admin"}
    actions: ["*"]
  - match: {account: "user"}
    actions: ["pull"]
  - match: {account: "test2"}
    actions: ["pull", "push"]
"#;
/// The intervals between disturbances of the servers.
struct Rhythm {
    length: Duration,
    reload: Duration,
    crash: Duration,
}

#[test]
fn half_a_minute_of_everything_at_once() {
    soak(&Rhythm {
        length: Duration::from_secs(28),
        reload: Duration::from_secs(1),
        crash: Duration::from_secs(9),
    });
}

#[test]
#[ignore = "takes minutes: `make soak MINUTES=5`"]
fn minutes_of_everything_at_once() {
    let minutes =
        env::var("SOAK_MINUTES").map_or(5.0, |minutes| minutes.parse().expect("a number of minutes"));
    soak(&Rhythm {
        length: Duration::from_secs_f64(minutes * 60.0),
        reload: Duration::from_secs(2),
        crash: Duration::from_secs(31),
    });
}

fn soak(rhythm: &Rhythm) {
    let _alone = crate::heavy_load();
    let mut registry = registry();
    // Idle connections are gone soon after the last request.
    let mut warden = portwarden(&registry).registry_setting("idle_timeout", "2s").acl(POLICY).start();
    let tally = Arc::new(Tally::default());
    let mut footprint = Footprint::default();
    let at_rest = warden.open_files();
    run(async {
        let workers = workers::start(&warden, &tally).await;
        tokio::task::block_in_place(|| {
            assert!(eventually(PATIENCE, || tally.is_warm()), "not everything is done: {tally}");
            supervise(rhythm, &mut warden, &mut registry, &tally, &mut footprint);
        });
        tally.stop();
        for worker in workers {
            let ended = tokio::time::timeout(PATIENCE, worker).await;
            ended.expect("a client that still waits for something").expect("a client that panicked");
        }
    });
    let left = || warden.open_files().saturating_sub(at_rest);
    let closed = eventually(PATIENCE, || left() <= workers::LEFT_OVER);
    say(&format!("{tally}\n{footprint}; {} descriptors more than at the start", left()));
    tally.assert_clean();
    footprint.assert_flat();
    assert!(closed, "{} descriptors are left over", left());
    assert!(warden.stop().is_some_and(|status| status.success()), "had to be killed");
}

/// Reloads, crashes, measures and reports until the time is up, and for as long after it as a slow machine takes for
/// the samples of a judgement.
fn supervise(
    rhythm: &Rhythm,
    warden: &mut Portwarden,
    registry: &mut Registry,
    tally: &Tally,
    footprint: &mut Footprint,
) {
    let began = Instant::now();
    let (mut reloads, mut crashes, mut reports) = (0_u32, 0_u32, 0_u32);
    while began.elapsed() < rhythm.length || !footprint.is_enough() {
        let due = |every: Duration, done: u32| began.elapsed() >= every * (done + 1);
        if due(rhythm.reload, reloads) {
            warden.reload(|builder| builder.acl(&format!("{POLICY}{}", HARMLESS[reloads as usize % 2])));
            reloads += 1;
            tally.count("reloads");
        }
        // Not at the very end: what it disturbs would not be judged.
        if due(rhythm.crash, crashes) && began.elapsed() + Duration::from_secs(3) < rhythm.length {
            crash(registry, tally);
            crashes += 1;
        }
        if due(Duration::from_secs(10), reports) {
            reports += 1;
            say(&format!("{:>5} s  {}  {}", reports * 10, tally.line(), footprint.last()));
            registry.forget_log();
        }
        footprint.take(warden);
        pause(Duration::from_millis(250));
    }
}

/// The registry dies with all its connections, and is back a moment later.
fn crash(registry: &mut Registry, tally: &Tally) {
    tally.during_an_outage(|| {
        registry.kill();
        pause(Duration::from_millis(500));
        registry.restart();
    });
    tally.count("crashes");
}

/// To the terminal at once: `println!` would be kept until the end.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
