//! The age of something, as people say it.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use maud::{Markup, Render, html};

/// The age of a moment: `3 days ago`. Rendered, it has the moment itself, for programs and as a tooltip.
#[derive(Debug, Clone, Copy)]
pub(super) struct Age {
    /// The moment, as the source claims it.
    pub(super) timestamp: SystemTime,
    /// The moment of the request.
    pub(super) now: SystemTime,
}

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
/// A twelfth of the mean year: months and years count once they have passed whole.
const MONTH: u64 = 2_629_746;
const YEAR: u64 = 12 * MONTH;

/// The largest unit of which there is at least one; weeks only from the second on, for `8 days` says more than `1
/// week`.
const UNITS: [(u64, u64, &str); 6] = [
    (YEAR, 1, "year"),
    (MONTH, 1, "month"),
    (7 * DAY, 2, "week"),
    (DAY, 1, "day"),
    (HOUR, 1, "hour"),
    (MINUTE, 1, "minute"),
];

/// Builds that leave out the date write 1970 or, where an archive can say nothing earlier, 1980.
const UNDATED: Duration = Duration::from_secs(315_619_200);

/// The last second that has four digits for its year.
const END: Duration = Duration::from_secs(253_402_300_799);

impl Age {
    /// Returns false for a moment that builds write where they leave out the date.
    pub(super) fn is_stated(self) -> bool {
        self.timestamp > SystemTime::UNIX_EPOCH + UNDATED
    }
}

impl fmt::Display for Age {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.is_stated() {
            return f.write_str("undated");
        }
        let (past, distance) = match self.now.duration_since(self.timestamp) {
            Ok(passed) => (true, passed),
            Err(ahead) => (false, ahead.duration()),
        };
        let seconds = distance.as_secs();
        let unit = UNITS.into_iter().find(|(unit, least, _)| seconds / unit >= *least);
        let Some((unit, _, name)) = unit else { return f.write_str("just now") };
        let count = seconds / unit;
        let plural = if count == 1 { "" } else { "s" };
        match past {
            true => write!(f, "{count} {name}{plural} ago"),
            false => write!(f, "in {count} {name}{plural}"),
        }
    }
}

impl Render for Age {
    fn render(&self) -> Markup {
        let (machine, people) = written(self.timestamp);
        html! { time datetime=(machine) title=(people) { (self.to_string()) } }
    }
}

/// `2026-01-02T03:04:05Z` and `2026-01-02 03:04:05 UTC`; what is out of all bounds, as the nearest of these.
pub(super) fn written(timestamp: SystemTime) -> (String, String) {
    let timestamp = timestamp.clamp(SystemTime::UNIX_EPOCH, SystemTime::UNIX_EPOCH + END);
    let machine = humantime::format_rfc3339_seconds(timestamp).to_string();
    let people = machine.replace('T', " ").replace('Z', " UTC");
    (machine, people)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn ages_at_their_edges() {
        let now = at(1_700_000_000);
        for (seconds, text) in [
            (0, "just now"),
            (59, "just now"),
            (60, "1 minute ago"),
            (HOUR - 1, "59 minutes ago"),
            (HOUR, "1 hour ago"),
            (DAY - 1, "23 hours ago"),
            (DAY, "1 day ago"),
            (14 * DAY - 1, "13 days ago"),
            (14 * DAY, "2 weeks ago"),
            (MONTH - 1, "4 weeks ago"),
            (MONTH, "1 month ago"),
            (YEAR - 1, "11 months ago"),
            (YEAR, "1 year ago"),
            (20 * YEAR, "20 years ago"),
        ] {
            let age = Age { timestamp: now - Duration::from_secs(seconds), now };
            assert_eq!(age.to_string(), text);
        }
    }

    #[test]
    fn clocks_differ_and_builds_leave_the_date_out() {
        let now = at(1_700_000_000);
        assert_eq!(Age { timestamp: at(1_700_000_030), now }.to_string(), "just now");
        assert_eq!(Age { timestamp: at(1_700_007_200), now }.to_string(), "in 2 hours");
        assert_eq!(Age { timestamp: at(0), now }.to_string(), "undated");
        assert_eq!(
            Age { timestamp: SystemTime::UNIX_EPOCH - Duration::from_secs(9), now }.to_string(),
            "undated"
        );
        assert_eq!(Age { timestamp: at(UNDATED.as_secs()), now }.to_string(), "undated");
    }

    #[test]
    fn moments_out_of_bounds_are_written_too() {
        assert_eq!(written(at(1_700_000_000)).0, "2023-11-14T22:13:20Z");
        assert_eq!(written(at(1_700_000_000)).1, "2023-11-14 22:13:20 UTC");
        assert_eq!(written(at(u64::MAX >> 2)).0, "9999-12-31T23:59:59Z");
        assert_eq!(written(SystemTime::UNIX_EPOCH - DAY_BEFORE).0, "1970-01-01T00:00:00Z");
    }

    const DAY_BEFORE: Duration = Duration::from_secs(DAY);
}
