//! A time as an operator writes it: a day, which is one in UTC, or a time as RFC 3339 has it.

use std::time::{Duration, UNIX_EPOCH};

use crate::authn::LastDay;

/// The two forms, as a clause.
pub(crate) const FORM: &str = "write a day in UTC, as 2026-12-31, or a time, as 2026-12-31T18:00:00Z";

/// The last second whose year has four digits.
const LAST: u64 = 253_402_300_799;

/// A time, from 1970 on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    /// All of a day.
    Day(LastDay),
    /// A second, since 1970.
    Second(u64),
}

impl Moment {
    /// Reads either form; `None` for anything else.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        LastDay::parse(text).map(Self::Day).or_else(|| second(text).map(Self::Second))
    }

    /// The second in which it begins, since 1970.
    pub(crate) fn begin(self) -> u64 {
        match self {
            Self::Day(day) => day.begin(),
            Self::Second(second) => second,
        }
    }

    /// The second in which it is over, since 1970: a day ends at midnight, a time is over when it comes.
    pub(crate) fn end(self) -> u64 {
        match self {
            Self::Day(day) => day.end(),
            Self::Second(second) => second,
        }
    }
}

/// A time in seconds since 1970, as RFC 3339 writes it, in UTC.
pub(crate) fn written(seconds: u64) -> String {
    // The end of the year 9999 has five digits there.
    humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(seconds.min(LAST))).to_string()
}

/// `2026-12-31T18:00:00Z` or `2026-12-31T19:00:00+01:00`: whole seconds of the calendar, exactly in this form.
fn second(text: &str) -> Option<u64> {
    let (local, offset) = text.split_at_checked("2026-12-31T18:00:00".len())?;
    let local = format!("{local}Z");
    let seconds = humantime::parse_rfc3339(&local).ok()?.duration_since(UNIX_EPOCH).ok()?.as_secs();
    // A 31st of February or a leap second would come back as another time.
    if written(seconds) != local {
        return None;
    }
    if offset == "Z" {
        return Some(seconds);
    }
    let ahead = seconds_of_offset(offset.get(1..)?)?;
    match offset.get(..1)? {
        "+" => seconds.checked_sub(ahead),
        "-" => Some(seconds + ahead),
        _ => None,
    }
}

/// `01:00`.
fn seconds_of_offset(text: &str) -> Option<u64> {
    let (hours, minutes) = text.split_once(':')?;
    let number = |digits: &str, below: u64| -> Option<u64> {
        let plain = digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit());
        digits.parse().ok().filter(|number| plain && *number < below)
    };
    Some(number(hours, 24)? * 3600 + number(minutes, 60)? * 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> u64 {
        humantime::parse_rfc3339(text).unwrap().duration_since(UNIX_EPOCH).unwrap().as_secs()
    }

    #[test]
    fn a_day_is_whole_and_a_time_is_a_second() {
        let day = Moment::parse("2026-12-31").unwrap();
        assert_eq!((day.begin(), day.end()), (at("2026-12-31T00:00:00Z"), at("2027-01-01T00:00:00Z")));
        for text in [
            "2026-12-31T18:00:00Z",
            "2026-12-31T18:00:00+00:00",
            "2026-12-31T18:00:00-00:00",
            "2026-12-31T19:30:00+01:30",
            "2027-01-01T17:59:00+23:59",
            "2026-12-31T13:00:00-05:00",
        ] {
            let time = Moment::parse(text).unwrap();
            assert_eq!((time.begin(), time.end()), (at("2026-12-31T18:00:00Z"), time.begin()), "{text}");
        }
        assert_eq!(written(at("2026-12-31T18:00:00Z")), "2026-12-31T18:00:00Z");
    }

    #[test]
    fn the_last_day_of_the_calendar_can_be_written() {
        let end = Moment::parse("9999-12-31").unwrap().end();
        assert_eq!(written(end), "9999-12-31T23:59:59Z");
        assert_eq!(written(u64::MAX), "9999-12-31T23:59:59Z");
    }

    #[test]
    fn nothing_else_is_a_time() {
        for wrong in [
            "",
            "2026",
            "31.12.2026",
            "2026-02-29",
            "2026-12-31 18:00:00Z",
            "2026-12-31T18:00:00",
            "2026-12-31T18:00Z",
            "2026-12-31T18:00:00.5Z",
            "2026-12-31t18:00:00z",
            "2026-12-31T18:00:00 Z",
            "2026-12-31T24:00:00Z",
            "2026-12-31T18:60:00Z",
            "2026-12-31T18:00:60Z",
            "2026-02-29T18:00:00Z",
            "2026-12-31T18:00:00+1:00",
            "2026-12-31T18:00:00+0100",
            "2026-12-31T18:00:00+24:00",
            "2026-12-31T18:00:00+01:60",
            "2026-12-31T18:00:00++1:00",
            "2026-12-31T18:00:00*01:00",
            "2026-12-31T18:00:00é01:00",
            "2026-12-31T18:00:00Z ",
            "1969-12-31",
            "1969-12-31T23:59:59Z",
            "1970-01-01T00:00:00+01:00",
            "1798740000",
            "tomorrow",
        ] {
            assert_eq!(Moment::parse(wrong), None, "{wrong}");
        }
    }
}
