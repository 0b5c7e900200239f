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
    /// `None` where it is not known.
    all: Option<usize>,
    what: &'static str,
    next: Option<Instant>,
    is_shown: bool,
}

impl Progress {
    /// Nothing of `all` accounts is done.
    pub(super) fn new(all: usize) -> Self {
        let next = stderr().is_terminal().then(|| Instant::now() + PAUSE);
        Self { done: 0, all: Some(all), what: "accounts", next, is_shown: false }
    }

    /// No line is read, of files that have any number of them.
    pub(super) fn of_lines() -> Self {
        Self { all: None, what: "lines", ..Self::new(0) }
    }

    /// One more.
    pub(super) fn step(&mut self) {
        self.done += 1;
        if let Some(next) = self.next
            && self.done.is_multiple_of(64)
            && Instant::now() >= next
        {
            let (done, what) = (self.done, self.what);
            let _ = match self.all {
                Some(all) => write!(stderr(), "\r{done} of {all} {what}"),
                None => write!(stderr(), "\r{done} {what}"),
            };
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
