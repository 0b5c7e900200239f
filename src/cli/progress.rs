//! The progress of a long command, in one line that is overwritten; on a terminal only.

use std::{
    io::{IsTerminal, Write, stderr},
    time::{Duration, Instant},
};

/// The time between two lines, and before the first.
const PAUSE: Duration = Duration::from_millis(500);

/// The progress of a command.
#[derive(Debug)]
pub(super) struct Progress {
    done: usize,
    all: usize,
    next: Option<Instant>,
    is_shown: bool,
}

impl Progress {
    /// Nothing of `all` accounts is done.
    pub(super) fn new(all: usize) -> Self {
        let next = stderr().is_terminal().then(|| Instant::now() + PAUSE);
        Self { done: 0, all, next, is_shown: false }
    }

    /// One more account.
    pub(super) fn step(&mut self) {
        self.done += 1;
        if let Some(next) = self.next
            && self.done.is_multiple_of(64)
            && Instant::now() >= next
        {
            let _ = write!(stderr(), "\r{} of {} accounts", self.done, self.all);
            self.is_shown = true;
            self.next = Some(Instant::now() + PAUSE);
        }
    }

    /// Takes the line away, for others.
    pub(super) fn clear(&mut self) {
        if std::mem::take(&mut self.is_shown) {
            let _ = write!(stderr(), "\r\x1b[K");
        }
    }
}
