//! Guesses that come fast enough for the first wait of the throttle (`authn/backoff.rs`), on a slow machine too.

use std::time::{Duration, Instant};

/// Guesses that are looked at before the first wait; the last of them begins it.
const LOOKED_AT: usize = 4;
/// Length of the first wait.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// Of so many attempts one is fast enough, or the machine is of no use.
const ATTEMPTS: usize = 30;

/// Makes `count` guesses in a row, and returns the scene with its answers to them. All after the first four came within
/// the first wait: where the machine was too slow for that, another scene is tried from its beginning.
pub fn guesses_in_a_row<S, T>(
    fresh: impl Fn() -> S,
    count: usize,
    guess: impl Fn(&S, usize) -> T,
) -> (S, Vec<T>) {
    for _ in 0..ATTEMPTS {
        let scene = fresh();
        let mut begins = Instant::now();
        let mut answers = Vec::new();
        for n in 0..count {
            if n < LOOKED_AT {
                begins = Instant::now();
            }
            answers.push(guess(&scene, n));
        }
        if begins.elapsed() < FIRST_WAIT {
            return (scene, answers);
        }
    }
    panic!("{} guesses took longer than {FIRST_WAIT:?}, {ATTEMPTS} times", count - LOOKED_AT);
}
