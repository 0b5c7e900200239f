//! Moments as images write them: RFC 3339 with any offset and any number of decimals.

use std::time::{Duration, SystemTime};

use super::json::Json;

/// The moment, when there is one from 1970 to 9999. Go's zero time, the year 1, means that none is known, and no image
/// is older than computers that could keep one.
pub(super) fn timestamp(json: Json<'_>) -> Option<SystemTime> {
    parse(&json.text()?)
}

fn parse(text: &str) -> Option<SystemTime> {
    let (local, offset) = match text.strip_suffix('Z') {
        Some(local) => (local, 0),
        None => {
            let (local, zone) = text.split_at_checked(text.len().checked_sub(6)?)?;
            (local, seconds(zone)?)
        }
    };
    let (_, decimals) = local.split_at_checked("2024-06-01T12:00:00".len())?;
    // It reads UTC only, and does not look at everything that may stand after the seconds.
    let local = humantime::parse_rfc3339(&format!("{local}Z")).ok().filter(|_| are_decimals(decimals))?;
    let distance = Duration::from_secs(offset.unsigned_abs());
    let utc = if offset < 0 { local.checked_add(distance) } else { local.checked_sub(distance) };
    utc.filter(|utc| *utc >= SystemTime::UNIX_EPOCH)
}

fn are_decimals(text: &str) -> bool {
    let are_digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    text.is_empty() || text.strip_prefix('.').is_some_and(are_digits)
}

/// `+02:00` are 7200 s, east of Greenwich.
fn seconds(zone: &str) -> Option<i64> {
    let (sign, hours, minutes) = match zone.as_bytes() {
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => (sign, two_digits(*h1, *h2)?, two_digits(*m1, *m2)?),
        _ => return None,
    };
    let seconds = (hours < 24 && minutes < 60).then_some(hours * 3600 + minutes * 60)?;
    Some(if *sign == b'-' { -seconds } else { seconds })
}

fn two_digits(tens: u8, ones: u8) -> Option<i64> {
    let digit = |byte: u8| char::from(byte).to_digit(10).map(i64::from);
    Some(digit(tens)? * 10 + digit(ones)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_with_offsets_and_decimals() {
        let noon = 1_717_243_200;
        for (text, seconds, nanos) in [
            ("2024-06-01T12:00:00Z", noon, 0),
            ("2024-06-01T12:00:00.123456789Z", noon, 123_456_789),
            ("2024-06-01T12:00:00.1234567891234Z", noon, 123_456_789),
            ("2024-06-01T14:00:00+02:00", noon, 0),
            ("2024-06-01T06:30:00.5-05:30", noon, 500_000_000),
            ("2024-06-01T12:00:00-00:00", noon, 0),
            ("1970-01-01T00:00:00Z", 0, 0),
            ("9999-12-31T23:59:59Z", 253_402_300_799, 0),
        ] {
            assert_eq!(parse(text), Some(SystemTime::UNIX_EPOCH + Duration::new(seconds, nanos)), "{text}");
        }
    }

    #[test]
    fn what_is_no_moment_is_none() {
        for text in [
            "",
            "Z",
            "0001-01-01T00:00:00Z",
            "1969-12-31T23:59:59Z",
            "1970-01-01T00:00:00+00:01",
            "10000-01-01T00:00:00Z",
            "2024-02-30T00:00:00Z",
            "2024-06-01T24:00:00Z",
            "2024-06-01T12:00:00",
            "2024-06-01 12:00:00Z",
            "2024-06-01T12:00:00+24:00",
            "2024-06-01T12:00:00+00:60",
            "2024-06-01T12:00:00+2:000",
            "2024-06-01T12:00:00+00:00+00:00",
            "2024-06-01T12:00:00ZZ",
            "2024-06-01T12:00:00ZabcdZ",
            "2024-06-01T12:00:00.Z",
            "2024-06-01T12:00:00é:00",
            "2024-06-01T12:00:0é+00:00",
            "\u{1d7d9}\u{1d7d9}\u{1d7d9}\u{1d7d9}+00:00",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
