//! Durations as Go writes them (`1h30m`), sizes (`64KiB`) and counts, each within bounds.

use std::time::Duration;

use crate::config::{
    diagnostics::{finding::Report, path::Path},
    schema::{Integer, Text},
    settings::Bounds,
};

const DURATION: &str = "Write a number with a unit: `30s`, `5m`, `1h30m`";
const SIZE: &str = "Write bytes as a number, or with a unit: `65536`, `64KiB`, `1MiB`";

/// A duration as it may be written, in the largest unit that leaves no rest.
pub(crate) fn shown(duration: Duration) -> String {
    match duration.as_millis() {
        ms if ms % 3_600_000 == 0 => format!("{}h", ms / 3_600_000),
        ms if ms % 60_000 == 0 => format!("{}m", ms / 60_000),
        ms if ms % 1000 == 0 => format!("{}s", ms / 1000),
        ms => format!("{ms}ms"),
    }
}

/// `1 group`, `2 groups`.
pub(crate) fn counted(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// The duration that is written, or the default when none is; a longer or shorter one than `bounds` is reported.
pub(crate) fn duration(
    written: Option<&Text>,
    bounds: Bounds<Duration>,
    report: &mut Report<'_>,
) -> Duration {
    duration_at(written, bounds, bounds.key.into(), report)
}

/// The same for an element of a list, whose key stands at `place`.
pub(crate) fn duration_at(
    written: Option<&Text>,
    bounds: Bounds<Duration>,
    place: Path,
    report: &mut Report<'_>,
) -> Duration {
    let Some(Text(text)) = written else { return bounds.default };
    match parse_duration(text) {
        Some(value) if bounds.contains(&value) => return value,
        Some(_) => {
            let message = format!("must be from {} to {}", shown(bounds.least), shown(bounds.most));
            report.error(place, message, DURATION);
        }
        None => report.error(place, "not a duration", DURATION),
    }
    bounds.default
}

/// The size that is written, in bytes, or the default when none is; one outside `bounds` is reported.
pub(crate) fn size(written: Option<&Text>, bounds: Bounds<u32>, report: &mut Report<'_>) -> u32 {
    let Some(Text(text)) = written else { return bounds.default };
    match parse_size(text).map(u32::try_from) {
        Some(Ok(value)) if bounds.contains(&value) => return value,
        Some(_) => {
            let message = format!("must be from {} to {} bytes", bounds.least, bounds.most);
            report.error(bounds.key, message, SIZE);
        }
        None => report.error(bounds.key, "not a size", SIZE),
    }
    bounds.default
}

/// The count that is written, or the default when none is; one outside `bounds` is reported.
pub(crate) fn count(written: Option<Integer>, bounds: Bounds<u32>, report: &mut Report<'_>) -> u32 {
    count_at(written, bounds, bounds.key.into(), report)
}

/// The same for an element of a list, whose key stands at `place`.
pub(crate) fn count_at(
    written: Option<Integer>,
    bounds: Bounds<u32>,
    place: Path,
    report: &mut Report<'_>,
) -> u32 {
    let Bounds { default, least, most, .. } = bounds;
    let Some(Integer(number)) = written else { return default };
    match u32::try_from(number) {
        Ok(value) if bounds.contains(&value) => value,
        _ => {
            let message = format!("must be from {least} to {most}");
            report.error(place, message, format!("Write a whole number, or leave it out for {default}"));
            default
        }
    }
}

/// `30s`, `1h30m`, `1.5s`, `250ms`, `0`: Go's `time.ParseDuration` without signs and down to milliseconds.
pub(crate) fn parse_duration(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let (mut rest, mut sum) = (text, Duration::ZERO);
    while !rest.is_empty() {
        let (number, after) = split_number(rest)?;
        let unit_end = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, next) = after.split_at_checked(unit_end)?;
        let seconds = match unit {
            "h" => 3600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 0.001,
            _ => return None,
        };
        sum = sum.checked_add(Duration::try_from_secs_f64(number.parse::<f64>().ok()? * seconds).ok()?)?;
        rest = next;
    }
    Some(sum).filter(|_| !text.is_empty())
}

/// `30d`, `1d12h`, or a duration as [`parse_duration`] reads it.
pub(crate) fn parse_days(text: &str) -> Option<Duration> {
    let Some((days, rest)) = text.split_once('d') else { return parse_duration(text) };
    let rest = if rest.is_empty() { Duration::ZERO } else { parse_duration(rest)? };
    let days = Some(days).filter(|days| days.bytes().all(|byte| byte.is_ascii_digit()));
    let seconds = days?.parse::<u64>().ok()?.checked_mul(24 * 3600)?;
    Duration::from_secs(seconds).checked_add(rest)
}

/// `512`, `64KiB`, `1 MiB`, `10MB`.
fn parse_size(text: &str) -> Option<u64> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(end)?;
    let factor = match unit.trim_start() {
        "" | "B" => 1,
        "kB" | "KB" => 1000,
        "KiB" => 1 << 10,
        "MB" => 1_000_000,
        "MiB" => 1 << 20,
        "GB" => 1_000_000_000,
        "GiB" => 1 << 30,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}

fn split_number(text: &str) -> Option<(&str, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    text.split_at_checked(end).filter(|(number, _)| !number.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_written_as_in_go() {
        for (text, millis) in [
            ("30s", 30_000),
            ("5m", 300_000),
            ("1h30m", 5_400_000),
            ("250ms", 250),
            ("1.5s", 1500),
            ("0", 0),
            ("0s", 0),
        ] {
            assert_eq!(parse_duration(text), Some(Duration::from_millis(millis)), "{text}");
        }
        for text in
            ["", "5", "s", "5 s", "-5s", "5x", "1h30", "ten", "1..5s", "99999999999999999999h", "5S", "é5s"]
        {
            assert_eq!(parse_duration(text), None, "{text}");
        }
    }

    #[test]
    fn long_durations_may_have_days() {
        for (text, hours) in [("30d", 720), ("1d12h", 36), ("0d", 0), ("48h", 48), ("36500d", 876_000)] {
            assert_eq!(parse_days(text), Some(Duration::from_secs(hours * 3600)), "{text}");
        }
        for text in [
            "",
            "d",
            "-1d",
            "+1d",
            "1.5d",
            "30 d",
            "30d ",
            "1d2",
            "1d2d",
            "99999999999999999999d",
            "30D",
            "4w",
        ] {
            assert_eq!(parse_days(text), None, "{text}");
        }
        let most = u64::MAX / 86_400;
        assert!(parse_days(&format!("{most}d")).is_some());
        assert_eq!(parse_days(&format!("{}d", most + 1)), None);
        assert_eq!(parse_days(&format!("{most}d24h")), None);
    }

    #[test]
    fn sizes_have_binary_and_decimal_units() {
        for (text, bytes) in
            [("0", 0), ("512", 512), ("64KiB", 65_536), ("1 MiB", 1 << 20), ("10MB", 10_000_000)]
        {
            assert_eq!(parse_size(text), Some(bytes), "{text}");
        }
        for text in ["", "KiB", "-1", "1.5MiB", "64kib", "1TiB", "99999999999GiB", "é"] {
            assert_eq!(parse_size(text), None, "{text}");
        }
    }
}
