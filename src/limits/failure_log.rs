//! Bounds what the log says of a service that fails: one line in a while for each kind of failure.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use parking_lot::Mutex;

/// The failures of a service behind this proxy, for the log. It fails at each request, and any client may send those:
/// each kind of failure is logged once in a while, with the number of lines left out since.
#[derive(Debug)]
pub(crate) struct FailureLog {
    every: Duration,
    /// For each kind, the time of its last line and the lines left out since. There are few kinds.
    kinds: Mutex<BTreeMap<&'static str, (Instant, u64)>>,
}

impl FailureLog {
    /// A log of nothing, with one line for each kind in this time at most.
    pub(crate) const fn every(every: Duration) -> Self {
        Self { every, kinds: Mutex::new(BTreeMap::new()) }
    }

    /// Returns whether to log a failure of this kind; then how many lines were left out since the last one.
    pub(crate) fn due(&self, kind: &'static str, now: Instant) -> Option<u64> {
        let mut kinds = self.kinds.lock();
        match kinds.get_mut(kind) {
            Some((since, suppressed)) if now.saturating_duration_since(*since) < self.every => {
                *suppressed += 1;
                None
            }
            _ => Some(kinds.insert(kind, (now, 0)).map_or(0, |(_, suppressed)| suppressed)),
        }
    }

    /// Begins anew once the failures are over, and returns how many lines were left out at their end.
    pub(crate) fn end(&self) -> u64 {
        let kinds = std::mem::take(&mut *self.kinds.lock());
        kinds.into_values().map(|(_, suppressed)| suppressed).sum()
    }
}

/// A field of a log line, which is left out at zero.
pub(crate) fn count_suppressed(suppressed: u64) -> Option<u64> {
    Some(suppressed).filter(|suppressed| *suppressed > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_failure_is_logged_once_in_a_while_and_counted() {
        let (log, now) = (FailureLog::every(Duration::from_secs(60)), Instant::now());
        let due = |kind, seconds| log.due(kind, now + Duration::from_secs(seconds));
        assert_eq!([due("down", 0), due("down", 0), due("down", 59)], [Some(0), None, None]);
        assert_eq!([due("slow", 30), due("slow", 31)], [Some(0), None]);
        assert_eq!([due("down", 60), due("down", 61)], [Some(2), None]);
        assert_eq!(log.end(), 2, "one of each");
        assert_eq!([due("down", 62), due("slow", 62)], [Some(0), Some(0)], "another outage");
        assert_eq!(log.end(), 0);
    }
}
