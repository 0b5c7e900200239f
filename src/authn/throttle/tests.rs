//! Waits after failures, with a clock of the test's own.

use std::{cell::Cell, time::Duration};

use super::*;

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

/// The answers to a guesser at the owner's address must not depend on whether the owner signs in.
#[test]
fn rule_37_a_sign_in_changes_nothing_for_a_guesser_at_its_address() {
    let (mut with, mut without) = (scene(ThrottleSettings::default()), scene(ThrottleSettings::default()));
    for guess in 0..200_u32 {
        for scene in [&mut with, &mut without] {
            scene.seconds = f64::from(guess) * 3.7;
        }
        let _ = with.succeed("bob", HERE);
        let name = ["bob", "BOB", "eve"][(guess % 3) as usize];
        assert_eq!(with.fail(name, HERE), without.fail(name, HERE), "guess {guess}");
    }
}

#[test]
fn rule_37_an_address_out_of_guesses_answers_alike_for_who_signed_in_there() {
    let scene = scene(ThrottleSettings::default());
    scene.succeed("bob", HERE).unwrap();
    (0..60).for_each(|n| scene.fail(&format!("nobody{n}"), HERE).unwrap());
    assert_eq!([scene.fail("bob", HERE), scene.fail("never", HERE)], [blocked(5), blocked(5)]);
    assert_eq!(scene.fail_with("bob", "right", HERE), blocked(5), "the way is closed for ten seconds");
    let pair = scene.shown("bob", "x", HERE).pair;
    assert!(scene.throttle.lock().pairs.get_mut(pair).is_none(), "a sign-in leaves no counter");
}

#[test]
fn rule_37_all_names_and_all_their_spellings_count_in_one_way() {
    for spellings in
        [["dev", "DEV"], ["dev", "dev "], ["dev", "ｄｅｖ"], ["straße", "STRASSE"], ["dev", "de\u{200b}v"]]
    {
        let mut scene = scene(only_pairs());
        assert_eq!(scene.waits(spellings[0], HERE, 4), [0.; 4]);
        assert_eq!(scene.fail(spellings[1], HERE), blocked(1), "{spellings:?}");
        scene.seconds += 1.0;
        scene.succeed(spellings[1], HERE).unwrap();
        assert_eq!(
            scene.waits(spellings[0], HERE, 2),
            [0., 2.],
            "and who owns the one clears nothing of the other"
        );
    }
}

#[test]
fn rule_37_the_same_wrong_password_is_one_guess() {
    let scene = scene(ThrottleSettings::default());
    for _ in 0..1000 {
        assert_eq!(scene.fail_with("ci", "old", HERE), Ok(()));
    }
    assert_eq!(scene.succeed("ci", HERE), Ok(()), "a colleague's right one");
    (0..3).for_each(|_| assert_eq!(scene.fail("ci", HERE), Ok(())));
    assert_eq!(scene.fail("ci", HERE), blocked(1), "three more guesses, and it waits");
    (0..50)
        .for_each(|n| assert_eq!(scene.fail(&format!("n{n}"), HERE), Ok(()), "nor has the address lost any"));
}

#[test]
fn rule_37_the_same_wrong_password_costs_bounded_work() {
    let mut scene = scene(ThrottleSettings::default());
    let verified = |scene: &Scene, times| {
        let tries = (0..times).map(|_| scene.check_with("ci", "old", HERE).unwrap());
        tries.flatten().map(|attempt| attempt.failed(scene.now())).count()
    };
    assert_eq!(verified(&scene, 1000), 61, "the guess, and a bucket of repeats");
    scene.seconds += 10.0;
    assert_eq!(verified(&scene, 1000), 2);
}

#[test]
fn rule_37_the_same_wrong_password_at_once_is_one_guess_too() {
    let scene = scene(ThrottleSettings::default());
    let attempts: Vec<_> = (0..20).map(|_| scene.check_with("ci", "old", HERE).unwrap().unwrap()).collect();
    attempts.into_iter().for_each(|attempt| attempt.failed(scene.now()));
    (0..3).for_each(|_| assert_eq!(scene.fail("ci", HERE), Ok(())));
    assert_eq!(scene.fail("ci", HERE), blocked(1));
}

#[test]
fn rule_37_a_password_that_becomes_right_is_wrong_no_longer() {
    let scene = scene(ThrottleSettings::default());
    scene.fail_with("ci", "right", HERE).unwrap();
    scene.succeed("ci", HERE).unwrap();
    (0..3).for_each(|_| scene.fail("ci", HERE).unwrap());
    assert_eq!(scene.fail("other", HERE), Ok(()));
    assert_eq!(scene.succeed("ci", HERE), Ok(()), "it passes the wait");
}

#[test]
fn rule_37_no_password_is_no_guess() {
    let mut scene = scene(ThrottleSettings::default());
    for _ in 0..60 {
        scene.fail_with("dev", "", HERE).unwrap();
    }
    assert_eq!(scene.fail_with("dev", "", HERE), blocked(5), "its work is bounded");
    assert_eq!(scene.waits("dev", HERE, 5), [0., 0., 0., 0., 1.]);
}

#[test]
fn rule_37_the_right_password_of_that_address_passes_a_wait_and_no_other() {
    let mut scene = scene(only_pairs());
    scene.succeed("bob", HERE).unwrap();
    scene.waits("bob", HERE, 20);
    let wait = || scene.fail("bob", HERE).unwrap_err();
    let first = wait();
    assert_eq!(scene.fail_with("bob", "right", HERE), Err(first), "no sooner than ten seconds after a guess");
    scene.seconds += 10.0;
    (0..5).for_each(|_| assert_eq!(scene.succeed("bob", HERE), Ok(())));
    assert_eq!(scene.fail_with("bob", "right", THERE), Ok(()), "there is no wait there");
    scene.waits("bob", THERE, 20);
    assert_eq!(scene.succeed("bob", THERE), blocked(60), "it was never right there");
}

#[test]
fn rule_37_a_known_wrong_password_does_not_close_the_way_of_the_right_one() {
    let mut scene = scene(only_pairs());
    scene.succeed("bob", HERE).unwrap();
    scene.waits("bob", HERE, 20);
    scene.fail_with("bob", "old", HERE).unwrap_err();
    scene.seconds += 60.0;
    scene.fail_with("bob", "old", HERE).unwrap();
    for _ in 0..100 {
        assert_eq!(scene.fail_with("bob", "old", HERE), blocked(60), "it waits like any other");
        assert_eq!(scene.succeed("bob", HERE), Ok(()));
    }
}

#[test]
fn rule_37_ten_thousand_guesses_at_an_account_that_is_signed_in_gain_nothing() {
    let mut scene = scene(ThrottleSettings::default());
    let mut verified = 0;
    let mut passed = 0;
    for n in 0..10_000 {
        // A hundred guesses a second, one in ten of them right, while the owner works on.
        scene.seconds += 0.01;
        if n % 10 == 5 {
            let shown = scene.shown("bob", "right", HERE);
            passed += usize::from(scene.throttle.peek(&shown, scene.now()).is_ok_and(|way| way.is_proven));
        } else if let Ok(attempt) = scene.check("bob", HERE) {
            attempt.failed(scene.now());
            verified += 1;
        }
        if n == 0 {
            scene.succeed("bob", HERE).unwrap();
        }
    }
    assert!(verified <= 10, "{verified} guesses in a hundred seconds");
    assert!(passed <= 1, "{passed} of the right ones were told apart");
}

#[test]
fn rule_37_what_could_not_be_verified_is_not_free() {
    let scene = scene(ThrottleSettings::default());
    let guesses = (0..1000).map_while(|n| scene.check_with("bob", &n.to_string(), HERE).ok().flatten());
    assert_eq!(guesses.map(Attempt::withdraw).count(), 60, "or the memory could be asked without end");
    assert_eq!(scene.fail("bob", THERE), Ok(()));
}

#[test]
fn rule_37_what_would_be_refused_is_not_looked_up() {
    let scene = scene(ThrottleSettings::default());
    let started: Vec<_> = (0..16).map(|_| scene.check("bob", HERE).unwrap()).collect();
    let shown = |password| scene.shown("bob", password, HERE);
    assert!(scene.throttle.peek(&shown("another"), scene.now()).is_err(), "too many in flight");
    drop(started);
    while scene.fail("spray", HERE).is_ok() || scene.fail(&scene.shown.get().to_string(), HERE).is_ok() {}
    assert!(scene.throttle.peek(&scene.shown("eve", "any", HERE), scene.now()).is_err(), "no guesses left");
}

#[test]
fn rule_35_the_64s_of_a_48_guess_as_one_client() {
    let mut pairs = scene(only_pairs());
    for host in 0..20 {
        pairs.wait_and_fail("bob", &format!("2001:db8:1:100::{host:x}"));
    }
    assert_eq!(pairs.fail("bob", "2001:db8:1:100:ffff::1"), blocked(60), "the same /64");
    assert_eq!(pairs.fail("bob", "2001:db8:1:200::1"), Ok(()), "a neighbour in the same /48 does not wait");

    let names = scene(ThrottleSettings::default());
    let guesses = |net: u32| {
        (0..60)
            .filter(|n| names.fail(&format!("{net}-{n}"), &format!("2001:db8:1:{net:x}00::1")).is_ok())
            .count()
    };
    assert_eq!((0..7).map(guesses).sum::<usize>(), 60, "seven have what one has");
}

/// Whatever happens at an address: the answers for a name do not depend on whether it signed in there.
#[test]
fn rule_37_no_history_tells_who_signed_in() {
    let mut random = 1_u64;
    let mut below = |most: u32| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        u32::try_from(random >> 33).unwrap() % most
    };
    for history in 0..200 {
        let scenes = [scene(ThrottleSettings::default()), scene(ThrottleSettings::default())];
        let [mut with, mut without] = scenes;
        for step in 0..100 {
            with.seconds += f64::from(below(200)) / 10.0;
            without.seconds = with.seconds;
            let name = ["bob", "BOB ", "eve", "ｂob"][below(4) as usize];
            let ask: fn(&Scene, &str) -> Result<(), RetryAfter> = match below(6) {
                0 | 1 => {
                    let _ = with.succeed("bob", HERE);
                    continue;
                }
                2 => |scene, name| scene.fail_with(name, "old", HERE),
                3 => |scene, name| scene.fail_with(name, "", HERE),
                _ => |scene, name| scene.fail(name, HERE),
            };
            assert_eq!(ask(&with, name), ask(&without, name), "history {history}, step {step}");
        }
    }
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
