//! Guesses until the throttle (`authn/backoff.rs`) makes a client wait so long that a slow machine notices.

use super::{
    curl::Response,
    waiting::{PATIENCE, eventually},
};

/// A wait that is still there when the next request comes, on a slow machine too, in seconds.
const LONG: u64 = 8;

/// Guesses, each time with another wrong password by its number, until the wait is long: each wait is twice as long as the
/// one before. Returns the answer to a guess during it.
pub fn guess_until_slowed(guess: impl Fn(usize) -> Response) -> Response {
    let (mut n, mut last) = (0, None);
    let is_slowed = eventually(2 * PATIENCE, || {
        n += 1;
        let answer = guess(n);
        let wait = answer.header("retry-after").and_then(|seconds| seconds.parse().ok());
        let is_long = answer.status == 429 && wait.is_some_and(|seconds: u64| seconds >= LONG);
        last = Some(answer);
        is_long
    });
    assert!(is_slowed, "{n} wrong guesses, and the last is answered with {last:?}");
    last.expect("a guess was made")
}
