//! Wrong passwords at several replicas count as at one, and no login waits for the database.

use super::two;
use crate::support::{
    curl::curl,
    portwarden::{ADMIN, Portwarden, TEST2, USER, User},
    postgres::Postgres,
    process::{PATIENCE, eventually},
    registry::registry,
};

/// The status of a login, which is answered within seconds.
fn log_in(warden: &Portwarden, name: &'static str, password: &'static str) -> u16 {
    let request = curl(warden).user(User { name, password }).seconds(10);
    request.get(&format!("/auth?service=registry.test&account={name}")).status
}

/// Makes so many guesses, each as soon as it may be made.
fn guess(warden: &Portwarden, name: &'static str, guesses: usize) {
    for guess in 0..guesses {
        let password = format!("guess {guess}").leak();
        assert!(eventually(PATIENCE, || log_in(warden, name, password) == 401));
    }
}

#[test]
fn rule_64_wrong_passwords_at_one_replica_count_at_the_others() {
    let (registry, postgres) = (registry(), Postgres::start());
    let [a, b] = &two(&registry, &postgres.state_url(), "");
    // Four are free, and then each doubles the wait: eight seconds after these.
    guess(a, USER.name, 8);
    // A single password, which counts once at both.
    assert!(eventually(PATIENCE, || log_in(b, USER.name, "another") == 429), "the other one makes it wait");
    assert_eq!([log_in(a, ADMIN.name, ADMIN.password), log_in(b, ADMIN.name, ADMIN.password)], [200, 200]);
    assert!(eventually(PATIENCE, || log_in(b, USER.name, USER.password) == 200), "nor is it locked out");
}

#[test]
fn rule_64_while_the_database_is_down_each_replica_counts_and_no_login_waits_for_it() {
    let (registry, postgres) = (registry(), Postgres::start());
    let [a, b] = &two(&registry, &postgres.state_url(), "");
    postgres.hang();
    for warden in [a, b] {
        assert_eq!(log_in(warden, ADMIN.name, ADMIN.password), 200);
        guess(warden, TEST2.name, 5);
        assert!(eventually(PATIENCE, || log_in(warden, TEST2.name, "one more") == 429));
        assert_eq!(log_in(warden, USER.name, USER.password), 200);
    }
    postgres.go_on();
    guess(a, USER.name, 8);
    assert!(eventually(PATIENCE, || log_in(b, USER.name, "another") == 429), "they tell each other again");
}
