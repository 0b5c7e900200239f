//! Waits after failures, with a clock of the test's own.

use std::{cell::Cell, time::Duration};

use super::*;

mod elsewhere;
mod no_history;

/// A throttle with a clock: `at` moves it.
struct Scene {
    throttle: Arc<Throttle>,
    start: Instant,
    seconds: f64,
    shown: Cell<u32>,
}

fn scene(settings: ThrottleSettings) -> Scene {
    let throttle = Throttle::new(settings, DigestKey::random().unwrap());
    Scene { throttle, start: Instant::now(), seconds: 0.0, shown: Cell::new(0) }
}

/// As by default, but for one address's budget, so that what a test sees is the other counter.
fn only_pairs() -> ThrottleSettings {
    ThrottleSettings { address_burst: 1_000_000, ..Default::default() }
}

impl Scene {
    fn now(&self) -> Instant {
        self.start + Duration::from_secs_f64(self.seconds)
    }

    fn shown(&self, account: &str, password: &str, ip: &str) -> Shown {
        self.throttle.shown(account, &Secret::new(password), Some(ip.parse().unwrap()))
    }

    /// With a password that was not shown before.
    fn check(&self, account: &str, ip: &str) -> Result<Attempt, RetryAfter> {
        self.shown.set(self.shown.get() + 1);
        let attempt = self.check_with(account, &format!("guess{}", self.shown.get()), ip)?;
        Ok(attempt.expect("a password that is new is verified"))
    }

    /// As `proxy` does: first a look, then an attempt.
    fn check_with(&self, account: &str, password: &str, ip: &str) -> Result<Option<Attempt>, RetryAfter> {
        let shown = self.shown(account, password, ip);
        let passage = self.throttle.peek(&shown, self.now())?;
        self.throttle.check(&shown, passage, self.now())
    }

    fn fail(&self, account: &str, ip: &str) -> Result<(), RetryAfter> {
        self.check(account, ip).map(|attempt| attempt.failed(self.now()))
    }

    fn fail_with(&self, account: &str, password: &str, ip: &str) -> Result<(), RetryAfter> {
        let attempt = self.check_with(account, password, ip)?;
        if let Some(attempt) = attempt {
            attempt.failed(self.now());
        }
        Ok(())
    }

    /// With the account's right password.
    fn succeed(&self, account: &str, ip: &str) -> Result<(), RetryAfter> {
        self.check_with(account, "right", ip).map(|attempt| attempt.unwrap().succeeded())
    }

    /// Fails as soon as it is let, `times` times; the seconds waited before each.
    fn waits(&mut self, account: &str, ip: &str, times: usize) -> Vec<f64> {
        (0..times).map(|_| self.wait_and_fail(account, ip)).collect()
    }

    fn wait_and_fail(&mut self, account: &str, ip: &str) -> f64 {
        let before = self.seconds;
        while let Err(RetryAfter(wait)) = self.fail(account, ip) {
            assert!(!wait.is_zero());
            self.seconds += wait.as_secs_f64();
        }
        self.seconds - before
    }
}

fn blocked(seconds: u64) -> Result<(), RetryAfter> {
    Err(RetryAfter(Duration::from_secs(seconds)))
}

const HERE: &str = "192.0.2.1";
const THERE: &str = "192.0.2.2";

#[test]
fn rule_19_failures_back_off_exponentially_to_a_ceiling() {
    let mut scene = scene(only_pairs());
    let expected = [0., 0., 0., 0., 1., 2., 4., 8., 16., 32., 60., 60.];
    assert_eq!(scene.waits("bob", HERE, expected.len()), expected);
    let after_very_many = scene.waits("bob", HERE, 100);
    assert!(after_very_many.iter().all(|wait| *wait == 60.0), "{after_very_many:?}");
}

#[test]
fn rule_19_nobody_locks_out_an_account_from_elsewhere() {
    let mut scene = scene(only_pairs());
    scene.waits("admin", HERE, 20);
    assert_eq!(scene.fail("admin", HERE), blocked(60));
    assert_eq!(scene.succeed("admin", THERE), Ok(()));
    assert_eq!(scene.succeed("bob", HERE), Ok(()), "nor another account from here");
    assert_eq!(scene.fail("admin", HERE), blocked(60), "which clears no counter but its own");
}

#[test]
fn rule_19_asking_while_blocked_does_not_prolong_the_wait() {
    let mut scene = scene(only_pairs());
    scene.waits("bob", HERE, 5);
    (0..100).for_each(|_| assert_eq!(scene.fail("bob", HERE), blocked(2)));
    scene.seconds += 2.0;
    assert_eq!(scene.succeed("bob", HERE), Ok(()));
}

#[test]
fn rule_19_failures_are_forgotten_after_a_quiet_time_only() {
    let mut scene = scene(only_pairs());
    scene.waits("bob", HERE, 12);
    scene.seconds += 60.0 + 15.0 * 60.0 - 1.0;
    scene.fail("bob", HERE).unwrap();
    assert_eq!(scene.fail("bob", HERE), blocked(60), "not quite long enough");
    scene.seconds += 60.0 + 15.0 * 60.0;
    assert_eq!(scene.waits("bob", HERE, 5), [0., 0., 0., 0., 1.]);
}

#[test]
fn rule_19_guesses_in_flight_are_bounded_before_the_first_answer() {
    let mut scene = scene(only_pairs());
    let started: Vec<_> = (0..1000).filter_map(|_| scene.check("bob", HERE).ok()).collect();
    assert_eq!(started.len(), 16);
    started.into_iter().for_each(|attempt| attempt.failed(scene.now()));
    assert_eq!(scene.fail("bob", HERE), blocked(60), "all sixteen count");
    scene.seconds += 60.0;
    assert_eq!((0..1000).filter_map(|_| scene.check("bob", HERE).ok()).collect::<Vec<_>>().len(), 1);
}

#[test]
fn rule_19_two_at_the_same_time_do_not_wait_for_each_other() {
    let mut scene = scene(only_pairs());
    // One looks at the clock before the other does, and gets the lock after it.
    let early = scene.now();
    scene.seconds += 0.001;
    let attempt = scene.check("bob", HERE).unwrap();
    let peek = || scene.throttle.peek(&scene.shown("bob", "right", HERE), early).map(|_| ());
    assert_eq!(peek(), Ok(()), "while it is verified");
    attempt.succeeded();
    assert_eq!(peek(), Ok(()), "and after");
}

#[test]
fn rule_19_an_attempt_that_is_dropped_counts_as_failed() {
    let scene = scene(only_pairs());
    (0..5).for_each(|_| drop(scene.check("bob", HERE)));
    assert_eq!(scene.fail("bob", HERE), blocked(1));
}

#[test]
fn rule_19_one_address_spraying_many_accounts_is_slowed() {
    let mut scene = scene(ThrottleSettings::default());
    for account in 0..60 {
        assert_eq!(scene.fail(&account.to_string(), HERE), Ok(()));
    }
    assert_eq!(scene.fail("another", HERE), blocked(5));
    assert_eq!(scene.succeed("another", THERE), Ok(()));
    scene.seconds += 5.0;
    assert_eq!(scene.succeed("own", HERE), Ok(()));
    assert_eq!(scene.fail("another", HERE), Ok(()), "success gave back what it took");
    assert_eq!(scene.fail("another", HERE), blocked(5), "and no more than that");
}

#[test]
fn rule_19_many_right_passwords_from_one_address_are_not_slowed() {
    let scene = scene(ThrottleSettings::default());
    for account in 0..10_000 {
        assert_eq!(scene.succeed(&(account % 7).to_string(), HERE), Ok(()));
    }
}

#[test]
fn rule_19_ipv6_counts_per_64_and_v4_mapped_as_v4() {
    let network = |ip: &str| Network::from(Some(ip.parse().unwrap()));
    assert_eq!(network("2001:db8:1:2::1"), network("2001:db8:1:2:ffff:ffff:ffff:ffff"));
    assert_ne!(network("2001:db8:1:2::1"), network("2001:db8:1:3::1"));
    assert_eq!(network("::ffff:192.0.2.1"), network("192.0.2.1"));
    assert_ne!(network("192.0.2.1"), network("192.0.2.2"));
    assert_ne!(network("::"), Network::from(None));
    let mut scene = scene(only_pairs());
    for host in 1..20 {
        scene.wait_and_fail("bob", &format!("2001:db8:1:2::{host}"));
    }
    assert_eq!(scene.fail("bob", "2001:db8:1:2::ffff"), blocked(60));
}

#[test]
fn rule_19_flooding_the_table_does_not_reset_a_counter() {
    let mut scene = scene(ThrottleSettings { capacity: 64, ..only_pairs() });
    scene.waits("admin", HERE, 12);
    scene.seconds += 61.0;
    for stranger in 0..10_000 {
        scene.fail(&format!("stranger{stranger}"), HERE).unwrap();
    }
    scene.fail("admin", HERE).unwrap();
    assert_eq!(scene.fail("admin", HERE), blocked(60));
}

#[test]
fn rule_19_flooding_the_table_does_not_hide_what_is_in_flight() {
    let scene = scene(ThrottleSettings { capacity: 8, ..only_pairs() });
    let started: Vec<_> = (0..16).filter_map(|_| scene.check("bob", HERE).ok()).collect();
    for stranger in 0..1000 {
        scene.fail(&format!("stranger{}", stranger / 2), HERE).unwrap();
    }
    assert_eq!(scene.fail("bob", HERE), blocked(1));
    assert_eq!(started.len(), 16);
}

#[test]
fn rule_19_flooding_the_table_does_not_refill_an_address() {
    let scene = scene(ThrottleSettings { capacity: 64, ..Default::default() });
    (0..60).for_each(|account| scene.fail(&account.to_string(), HERE).unwrap());
    for stranger in 0..10_000_u32 {
        let ip = std::net::Ipv4Addr::from_bits(0x0a00_0000 + stranger).to_string();
        scene.fail("admin", &ip).unwrap();
    }
    assert_eq!(scene.fail("another", HERE), blocked(5));
}

#[test]
fn rule_19_forgotten_counters_do_not_push_fresh_ones_out() {
    let mut scene = scene(ThrottleSettings { capacity: 8, ..only_pairs() });
    for old in 0..8 {
        scene.waits(&format!("old{old}"), HERE, 10);
    }
    scene.seconds += 3600.0;
    scene.waits("admin", HERE, 5);
    scene.fail("stranger", HERE).unwrap();
    assert_eq!(scene.fail("admin", HERE), blocked(2));
}

#[test]
fn a_withdrawn_attempt_is_no_failure() {
    let scene = scene(only_pairs());
    for _ in 0..1000 {
        scene.check("bob", HERE).unwrap().withdraw();
    }
    assert_eq!(scene.succeed("bob", HERE), Ok(()));
}

#[test]
fn rule_18_who_has_tried_less_is_known_for_as_long_as_failures_count() {
    let mut scene = scene(ThrottleSettings::default());
    let tried = |scene: &Scene, account: &str, ip: &str| {
        let attempt = scene.check(account, ip).unwrap();
        let tried = attempt.tried();
        attempt.succeeded();
        tried
    };
    (0..5).for_each(|n| scene.fail(&format!("n{n}"), HERE).unwrap());
    assert!(tried(&scene, "bob", HERE) >= 5, "what failed");
    assert_eq!(tried(&scene, "bob", THERE), 0);
    let at_once: Vec<_> = (0..5).map(|n| scene.check(&format!("n{n}"), THERE).unwrap()).collect();
    assert_eq!(tried(&scene, "bob", THERE), 5, "what has no answer yet");
    at_once.into_iter().for_each(Attempt::succeeded);
    assert_eq!(tried(&scene, "bob", THERE), 0, "right passwords");
    scene.seconds += 600.0;
    assert_eq!(tried(&scene, "bob", HERE), 5, "longer than the budget takes to be full again");
    scene.succeed("bob", HERE).unwrap();
    let attempt = scene.check_with("bob", "right", HERE).unwrap().unwrap();
    assert_eq!(attempt.tried(), 0, "a password that was right there is none of the guesses");
    attempt.succeeded();
    assert_eq!(tried(&scene, "alice", HERE), 5, "and clears nothing of theirs");
    scene.seconds += 600.0;
    assert_eq!(tried(&scene, "alice", HERE), 0);
}
