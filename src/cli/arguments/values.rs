//! Values of options that are more than text.

use std::time::Duration;

use crate::{
    config::{FORM_OF_A_MOMENT, Moment},
    registry::{Digest, RepositoryName, Tag},
};

/// A name, an id or other text, which may begin with a hyphen, as one `jti` in 64 does.
///
/// # Errors
/// It is spelled as an option is, so that the value was probably forgotten.
pub(super) fn free_text(text: &str) -> Result<String, String> {
    let option = text.split('=').next().unwrap_or_default();
    let is_long =
        |name: &str| !name.is_empty() && name.bytes().all(|byte| byte == b'-' || byte.is_ascii_lowercase());
    if option.strip_prefix("--").is_some_and(is_long) || ["-h", "-v", "-c"].contains(&option) {
        return Err(format!("{option} is an option: a value is missing before it"));
    }
    Ok(text.to_owned())
}

/// A duration of at most a day.
pub(super) fn time(text: &str) -> Result<Duration, String> {
    let time = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if time > DAY {
        return Err("longer than a day".to_owned());
    }
    Ok(time)
}

/// A duration of any length.
pub(super) fn past(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text).map_err(|error| format!("{error}: write it as 90d"))
}

/// The lifetime of a token, in whole days.
///
/// # Errors
/// It is none, or ends within a day.
pub(super) fn days(text: &str) -> Result<u64, String> {
    let time = humantime::parse_duration(text).map_err(|error| format!("{error}: write it as 30d"))?;
    let days = time.as_secs() / DAY.as_secs();
    if days == 0 || time != DAY * u32::try_from(days).unwrap_or(u32::MAX) {
        return Err("expected whole days, at least one: write it as 30d".to_owned());
    }
    Ok(days)
}

/// A person's own words about a token.
///
/// # Errors
/// They are none, too long, or an option.
pub(super) fn comment(text: &str) -> Result<String, String> {
    let length = text.trim().chars().count();
    if !(1..=100).contains(&length) || text.chars().any(char::is_control) {
        return Err("expected 1 to 100 printable characters".to_owned());
    }
    free_text(text)
}

/// A time, or the beginning of a day in UTC, in seconds since 1970.
///
/// # Errors
/// It is neither, and how to write one.
pub(in crate::cli) fn moment(text: &str) -> Result<u64, String> {
    let moment = Moment::parse(text).map(Moment::begin);
    moment.ok_or_else(|| format!("{text:?} is neither a day nor a time; {FORM_OF_A_MOMENT}"))
}

/// A tag, as the registry would take it.
///
/// # Errors
/// It is none.
pub(super) fn tag(text: &str) -> Result<String, String> {
    let tag = Tag::parse(text).map(|tag| tag.as_str().to_owned());
    tag.ok_or_else(|| format!("{text:?} is no tag: write letters, digits, `_`, `.` and `-`"))
}

/// A repository, as the registry would take it.
///
/// # Errors
/// It is none.
pub(super) fn repository(text: &str) -> Result<String, String> {
    let name = RepositoryName::parse(text).map(|name| name.as_str().to_owned());
    name.ok_or_else(|| {
        format!("{text:?} is no repository: write its name alone, as team/app, and the tags behind it")
    })
}

/// A repository, and a tag or a digest of it.
///
/// # Errors
/// It is none.
pub(super) fn image(text: &str) -> Result<(String, Option<String>), String> {
    let (name, reference) = match (text.split_once('@'), text.split_once(':')) {
        (Some((name, digest)), _) => (name, Some(Digest::parse(digest).map(|digest| digest.to_string()))),
        (None, Some((name, text))) => (name, Some(Tag::parse(text).map(|tag| tag.as_str().to_owned()))),
        (None, None) => (text, None),
    };
    let name = RepositoryName::parse(name).map(|name| name.as_str().to_owned());
    let image = match (name, reference) {
        (Some(name), None) => Some((name, None)),
        (Some(name), Some(Some(reference))) => Some((name, Some(reference))),
        _ => None,
    };
    image.ok_or_else(|| {
        format!("{text:?} is no image: write a repository without its host, and maybe a tag, as team/app:2.4")
    })
}

const DAY: Duration = Duration::from_secs(24 * 3600);
