//! Waiting for what must come, on machines of any speed.

use std::{
    thread,
    time::{Duration, Instant},
};

/// The time for which a test waits for an event that must come: far longer than it takes, for machines that are busy.
/// Tests hold that it comes at all; where a deadline is at work, they also hold that it does not come too early.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Waits; for polling what has no event to wait for.
#[allow(
    clippy::disallowed_methods,
    reason = "tests are threads of their own; nothing asynchronous is held up"
)]
pub fn pause(time: Duration) {
    thread::sleep(time);
}

/// Asks `done` until it is true; false after `limit`.
pub fn eventually(limit: Duration, mut done: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + limit;
    while !done() {
        if Instant::now() > deadline {
            return false;
        }
        pause(Duration::from_millis(20));
    }
    true
}
