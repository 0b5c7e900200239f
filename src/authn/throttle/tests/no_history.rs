//! Rule 37: no answer tells an account, or its history, from another; the right password passes.

use super::*;

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
    assert!(scene.throttle.tables.lock().pairs.get_mut(pair).is_none(), "a sign-in leaves no counter");
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
