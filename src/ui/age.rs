//! The age of something, as people say it.

use std::time::{Duration, SystemTime};

use maud::{Markup, Render, html};

use super::{model::Frame, texts::Texts};

/// The age of a moment: `3 days ago`. Rendered, it has the moment itself, for programs and as a tooltip.
#[derive(Debug, Clone, Copy)]
pub(super) struct Age {
    texts: &'static Texts,
    /// The moment, as the source claims it.
    timestamp: SystemTime,
    /// The moment of the request.
    now: SystemTime,
}

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
/// A twelfth of the mean year: months and years count once they have passed whole.
const MONTH: u64 = 2_629_746;
const YEAR: u64 = 12 * MONTH;

/// The largest unit of which there is at least one counts; weeks only from the second on, for `8 days` says more than
/// `1 week`. In the order of [`Texts::ago`].
const UNITS: [(u64, u64); 6] = [(YEAR, 1), (MONTH, 1), (7 * DAY, 2), (DAY, 1), (HOUR, 1), (MINUTE, 1)];

/// Builds that leave out the date write 1970 or, where an archive can say nothing earlier, 1980.
const UNDATED: Duration = Duration::from_secs(315_619_200);

/// The last second that has four digits for its year.
const END: Duration = Duration::from_secs(253_402_300_799);

impl Age {
    /// The age of a moment at the time of the request.
    pub(super) fn new(frame: &Frame<'_>, timestamp: SystemTime) -> Self {
        Self { texts: frame.texts(), timestamp, now: frame.now }
    }

    /// Returns false for a moment that builds write where they leave out the date.
    pub(super) fn is_stated(self) -> bool {
        self.timestamp > SystemTime::UNIX_EPOCH + UNDATED
    }

    /// Returns the age in words.
    fn in_words(self) -> String {
        let t = self.texts;
        if !self.is_stated() {
            return t.undated.to_owned();
        }
        let (distance, texts) = match self.now.duration_since(self.timestamp) {
            Ok(passed) => (passed, &t.ago),
            Err(ahead) => (ahead.duration(), &t.ahead),
        };
        let seconds = distance.as_secs();
        let unit = UNITS.iter().zip(texts).find(|((unit, least), _)| seconds / unit >= *least);
        unit.map_or_else(|| t.just_now.to_owned(), |((unit, _), text)| text.plain(seconds / unit))
    }
}

impl Render for Age {
    fn render(&self) -> Markup {
        let moment = Moment::new(self.texts, self.timestamp);
        html! { time datetime=(moment.machine) title=(moment.people) { (self.in_words()) } }
    }
}

/// A moment, to the second, in UTC; what is out of all bounds, as the nearest one that has a year of four digits.
#[derive(Debug, Clone)]
pub(super) struct Moment {
    /// `2026-01-02T03:04:05Z`.
    machine: String,
    /// `2026-01-02 03:04:05 UTC`, or as the language writes it.
    people: String,
}

impl Moment {
    pub(super) fn new(t: &Texts, timestamp: SystemTime) -> Self {
        let timestamp = timestamp.clamp(SystemTime::UNIX_EPOCH, SystemTime::UNIX_EPOCH + END);
        let machine = humantime::format_rfc3339_seconds(timestamp).to_string();
        let (date, time) = machine.split_once('T').unwrap_or((&machine, ""));
        let mut date = date.split('-');
        let mut part = || date.next().unwrap_or_default();
        let (year, month, day) = (part(), part(), part());
        let people = t.date_and_time.plain([&year, &month, &day, &time.trim_end_matches('Z')]);
        Self { machine, people }
    }
}

impl Render for Moment {
    fn render(&self) -> Markup {
        html! { time datetime=(self.machine) { (self.people) } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::Language;

    fn age(timestamp: SystemTime, now: SystemTime, language: Language) -> String {
        Age { texts: language.texts(), timestamp, now }.in_words()
    }

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
            assert_eq!(age(now - Duration::from_secs(seconds), now, Language::English), text);
        }
    }

    #[test]
    fn clocks_differ_and_builds_leave_the_date_out() {
        let now = at(1_700_000_000);
        assert_eq!(age(at(1_700_000_030), now, Language::English), "just now");
        assert_eq!(age(at(1_700_007_200), now, Language::English), "in 2 hours");
        assert_eq!(age(at(0), now, Language::English), "undated");
        assert_eq!(age(SystemTime::UNIX_EPOCH - Duration::from_secs(9), now, Language::English), "undated");
        assert_eq!(age(at(UNDATED.as_secs()), now, Language::English), "undated");
    }

    #[test]
    fn moments_out_of_bounds_are_written_too() {
        let moment = |timestamp| Moment::new(Language::English.texts(), timestamp);
        assert_eq!(moment(at(1_700_000_000)).machine, "2023-11-14T22:13:20Z");
        assert_eq!(moment(at(1_700_000_000)).people, "2023-11-14 22:13:20 UTC");
        assert_eq!(moment(at(u64::MAX >> 2)).machine, "9999-12-31T23:59:59Z");
        assert_eq!(moment(SystemTime::UNIX_EPOCH - DAY_BEFORE).machine, "1970-01-01T00:00:00Z");
    }

    const DAY_BEFORE: Duration = Duration::from_secs(DAY);
}
