//! Throttles the log lines about a sender that has had too much: it may go on as often as it likes, and the log may
//! not.

use std::{
    fmt,
    time::{Duration, Instant},
};

use parking_lot::Mutex;

use super::{CounterTable, Network, Worth};

/// The last line about each sender. Its memory is fixed.
pub(crate) struct LogThrottle(Mutex<CounterTable<Said>>);

#[derive(Debug)]
struct Said {
    at: Option<Instant>,
    suppressed: u64,
}

/// The time for which nothing more is logged about the same sender.
const QUIET: Duration = Duration::from_secs(60);
/// The least number of senders that are remembered. More of them in a minute make more lines, and no more memory.
const SENDERS: usize = 256;

impl Default for LogThrottle {
    fn default() -> Self {
        Self(Mutex::new(CounterTable::new(SENDERS)))
    }
}

impl LogThrottle {
    /// Returns whether to say it, at most once a minute of a client and its neighbours; then how often it was not
    /// said since.
    pub(crate) fn due(&self, of: Network, now: Instant) -> Option<u64> {
        let mut table = self.0.lock();
        let key = table.fingerprint(&of.widest());
        let said = table.get_or_insert(key, Said { at: None, suppressed: 0 }, now)?;
        if said.at.is_some_and(|at| now.saturating_duration_since(at) < QUIET) {
            said.suppressed += 1;
            return None;
        }
        said.at = Some(now);
        Some(std::mem::take(&mut said.suppressed))
    }
}

/// The latest is worth most.
impl Worth for Said {
    type Worth = Option<Instant>;
    fn worth(&self, _: Instant) -> Self::Worth {
        self.at
    }
}

/// The number of senders in a table is no news.
impl fmt::Debug for LogThrottle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LogThrottle")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_sender_is_complained_of_once_a_minute() {
        let (log_throttle, now) = (LogThrottle::default(), Instant::now());
        let (one, other) = (Network::V4(1), Network::V4(2));
        assert_eq!(
            [one, one, other, one].map(|of| log_throttle.due(of, now)),
            [Some(0), None, Some(0), None]
        );
        assert_eq!(log_throttle.due(one, now + QUIET), Some(2));
        assert_eq!(log_throttle.due(one, now + QUIET), None);
    }
}
