//! Two servers that tell each other of wrong passwords.

use super::*;

/// Servers with the same key and the same clock.
fn servers(settings: &ThrottleSettings) -> [Scene; 2] {
    let (key, start) = (DigestKey::random().unwrap(), Instant::now());
    [(); 2].map(|()| {
        let throttle = Throttle::new(settings.clone(), key.clone());
        throttle.share();
        Scene { throttle, start, seconds: 0.0, shown: Cell::new(0) }
    })
}

/// Tells `to` of all that was wrong at `from`, as texts, and returns how many there were.
fn tell(from: &Scene, to: &Scene) -> usize {
    let untold = from.throttle.take_untold(from.now());
    for (_, wrong) in &untold {
        let [name, client, guess] = wrong.texts();
        let read = WrongPassword::parse(&name, &client, &guess);
        assert_eq!(read.as_ref(), Some(wrong));
        to.throttle.failed_elsewhere(&read.unwrap(), to.now());
    }
    untold.len()
}

#[test]
fn what_is_no_wrong_password_is_not_counted() {
    for texts in [["", "", "0"], ["x", "", "0"], ["0", "10.0.0", "0"], ["0", "", ""], ["0", "", "-1"]] {
        let [name, client, guess] = texts;
        assert_eq!(WrongPassword::parse(name, client, guess), None, "{texts:?}");
    }
}

#[test]
fn rule_64_a_guesser_that_asks_two_servers_has_the_tries_of_one() {
    let [one, other] = servers(&only_pairs());
    let free = ThrottleSettings::default().free_failures;
    for guess in 0..free {
        one.fail_with("bob", &format!("guess {guess}"), "10.0.0.1").unwrap();
    }
    assert_eq!(tell(&one, &other), free as usize);
    // The next one is counted here, and has to be paid for at both.
    other.fail_with("Bob", "one more", "10.0.0.1").unwrap();
    assert!(other.fail_with("bob", "too many", "10.0.0.1").is_err());
    assert_eq!(tell(&other, &one), 1, "what was told from elsewhere is not told back");
    assert!(one.fail_with("bob", "too many", "10.0.0.1").is_err());
    for server in [&one, &other] {
        server.fail_with("bob", "x", "10.0.0.2").unwrap();
        server.fail_with("eve", "x", "10.0.0.1").unwrap();
    }
}

#[test]
fn rule_64_the_same_wrong_password_at_two_servers_is_one_guess() {
    let [one, other] = servers(&only_pairs());
    for _ in 0..20 {
        one.fail_with("bob", "of last year", "2001:db8::1").unwrap();
        other.fail_with("bob", "of last year", "2001:db8::2").unwrap();
        tell(&one, &other);
        tell(&other, &one);
    }
    one.check("bob", "2001:db8::1").unwrap().succeeded();
    other.check("bob", "2001:db8::1").unwrap().succeeded();
}

#[test]
fn rule_64_one_client_that_tries_many_names_at_two_servers_has_one_budget() {
    let [one, other] = servers(&ThrottleSettings { address_burst: 10, ..Default::default() });
    for name in 0..10 {
        let server = if name % 2 == 0 { &one } else { &other };
        server.fail_with(&format!("name {name}"), "x", "10.0.0.1").unwrap();
        tell(&one, &other);
        tell(&other, &one);
    }
    assert!(one.fail_with("another", "x", "10.0.0.1").is_err());
    assert!(other.fail_with("another", "x", "10.0.0.1").is_err());
}

#[test]
fn what_cannot_be_told_waits_for_a_while_and_is_bounded() {
    let [mut one, other] = servers(&ThrottleSettings { address_burst: 1_000_000, ..Default::default() });
    for name in 0..1100 {
        one.fail_with(&format!("name {name}"), "x", "10.0.0.1").unwrap();
    }
    let untold = one.throttle.take_untold(one.now());
    assert_eq!(untold.len(), 1000);
    one.throttle.take_back(untold);
    one.seconds = 29.0;
    one.fail_with("late", "x", "10.0.0.1").unwrap();
    let untold = one.throttle.take_untold(one.now());
    assert_eq!(untold.len(), 1000, "there is no room");
    one.throttle.take_back(untold);
    one.seconds = 30.0;
    assert_eq!(tell(&one, &other), 0, "their waits would begin anew");
    // A server alone keeps none.
    let alone = scene(only_pairs());
    alone.fail("bob", "10.0.0.1").unwrap();
    assert_eq!(alone.throttle.take_untold(alone.now()), []);
}
