//! The last day of a robot's token, which ends at midnight in UTC.

use std::{
    fmt,
    time::{Duration, UNIX_EPOCH},
};

/// Seconds of a day.
const DAY: u64 = 24 * 3600;

/// A day, written `2027-03-01`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LastDay {
    /// Its first second, since 1970.
    begins: u64,
}

impl LastDay {
    /// Reads a day of the calendar, from 1970 on, as RFC 3339 writes it; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        // Exactly this form: others would be a day in one reader's eyes and another day in another's.
        let is_digit_or_dash =
            |(n, c): (usize, u8)| if n == 4 || n == 7 { c == b'-' } else { c.is_ascii_digit() };
        if text.len() != 10 || !text.bytes().enumerate().all(is_digit_or_dash) {
            return None;
        }
        let begins = humantime::parse_rfc3339(&format!("{text}T00:00:00Z")).ok()?;
        let day = Self { begins: begins.duration_since(UNIX_EPOCH).ok()?.as_secs() };
        // A 31st of February would come back as another day.
        (day.to_string() == text).then_some(day)
    }

    /// The second in which it begins, since 1970.
    pub fn begin(self) -> u64 {
        self.begins
    }

    /// The second in which it is over, since 1970.
    pub fn end(self) -> u64 {
        self.begins.saturating_add(DAY)
    }

    /// Returns true if it is over at `now`, in seconds since 1970.
    pub fn is_over(self, now: u64) -> bool {
        now >= self.end()
    }
}

impl fmt::Display for LastDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text =
            humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(self.begins)).to_string();
        f.write_str(text.split('T').next().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_good_until_the_last_second_of_its_day_in_utc() {
        let day = LastDay::parse("2027-03-01").unwrap();
        let last = humantime::parse_rfc3339("2027-03-01T23:59:59Z").unwrap();
        let last = last.duration_since(UNIX_EPOCH).unwrap().as_secs();
        assert!(!day.is_over(last - DAY) && !day.is_over(last) && day.is_over(last + 1));
        assert_eq!((day.end(), day.to_string()), (last + 1, "2027-03-01".to_owned()));
    }

    #[test]
    fn only_days_of_the_calendar_are_read() {
        assert!(LastDay::parse("2028-02-29").is_some());
        for wrong in [
            "",
            "2027",
            "2027-3-1",
            "2027-02-29",
            "2027-02-30",
            "2027-13-01",
            "2027-00-01",
            "2027-04-31",
            "01.03.2027",
            "2027/03/01",
            "2027-03-01T00:00:00Z",
            " 2027-03-01",
            "2027-03-0x",
            "1969-12-31",
            "+027-03-01",
            "never",
        ] {
            assert_eq!(LastDay::parse(wrong), None, "{wrong}");
        }
    }
}
