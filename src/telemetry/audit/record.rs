//! One line of the audit log: its fields, their names and their order.

use std::{net::IpAddr, time::SystemTime};

use serde::Serialize;

/// What a line is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// A request for the registry was decided.
    Decision,
    /// A request that was forwarded has ended.
    Transfer,
    /// A token was asked for.
    Token,
    /// Writes were frozen or thawed.
    Freeze,
}

/// How a request was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// It may go to the registry; or a token was issued.
    Allowed,
    /// The policy, or the token, does not list it.
    Denied,
    /// Nothing was shown, and the anonymous user may not: the client is asked to log in.
    Challenged,
    /// What was shown proves nothing: a wrong password, a token that is invalid or has expired.
    Unauthenticated,
    /// It was turned away for another reason: malformed, too many of them, frozen, a back end that is down.
    Refused,
}

/// How a transfer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// The whole response was handed to the connection.
    Complete,
    /// The client went away, or stood still for too long.
    ClientGone,
    /// The registry gave no answer, broke off, or stood still for too long.
    UpstreamLost,
    /// A write that did not end before a freeze.
    CutOff,
}

/// What is known of a request. A field that does not apply is left out of the line.
#[derive(Debug, Clone, Serialize)]
pub struct Record {
    /// RFC 3339, UTC, microseconds; set when the line is written.
    #[serde(serialize_with = "rfc3339")]
    pub time: SystemTime,
    /// What the line is about.
    pub event: Event,
    /// `X-Request-Id`.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub request_id: String,
    /// The client's address, as the rules see it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
    /// The account; empty for the anonymous user. Where the login failed, the name that was claimed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// The section that knows the account: `users`, `ext_auth`, `ldap_auth`, `xorm_auth`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<&'static str>,
    /// What was shown: `token`, `refresh_token`, `password` or `none`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credentials: Option<&'static str>,
    /// The method.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub method: String,
    /// The kind of endpoint: `manifest`, `blob`, `upload`, …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub route: Option<&'static str>,
    /// The repository.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repository: Option<String>,
    /// The tag or digest that was named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// The repository that a blob was to be mounted from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The scopes that a token was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requested: Option<Vec<String>>,
    /// The scopes that it grants.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub granted: Option<Vec<String>>,
    /// How it was decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decision: Option<Decision>,
    /// Who decided: the rule with its line and comment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// Why it was not allowed, as the client is told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The status of the response.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// `Docker-Content-Digest` of the response.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Bytes of the request's body that came in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes_in: Option<u64>,
    /// Bytes of the response's body that went out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes_out: Option<u64>,
    /// From the request's head to now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<f64>,
    /// How the transfer ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended: Option<Ended>,
}

impl Record {
    /// A record that says only what it is about.
    pub fn new(event: Event) -> Self {
        Self {
            time: SystemTime::UNIX_EPOCH,
            event,
            request_id: String::new(),
            address: None,
            account: None,
            source: None,
            credentials: None,
            method: String::new(),
            route: None,
            repository: None,
            reference: None,
            from: None,
            requested: None,
            granted: None,
            decision: None,
            rule: None,
            reason: None,
            status: None,
            digest: None,
            bytes_in: None,
            bytes_out: None,
            duration_ms: None,
            ended: None,
        }
    }

    /// The line, with its line end. Every control character is escaped, so that nobody can write lines of his own, or
    /// steer the terminal of who reads them.
    pub(super) fn to_line(&self) -> Vec<u8> {
        let line = serde_json::to_string(self).unwrap_or_default();
        // JSON itself leaves DEL and those from U+0080 to U+009F as they are.
        let is_left = |c: char| c.is_control();
        // Nearly no line has any: it would have one of these bytes.
        let may_have_some = line.bytes().any(|byte| matches!(byte, 0x7f | 0xc2));
        let mut line = if may_have_some && line.contains(is_left) {
            line.chars()
                .map(|c| if is_left(c) { format!("\\u{:04x}", u32::from(c)) } else { c.into() })
                .collect()
        } else {
            line
        };
        line.push('\n');
        line.into_bytes()
    }
}

/// A clock that is out of all bounds, before 1970 or after 9999, is shown as the nearest of these.
fn rfc3339<S: serde::Serializer>(time: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
    let end = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(253_402_300_799);
    serializer.collect_str(&humantime::format_rfc3339_micros((*time).clamp(SystemTime::UNIX_EPOCH, end)))
}

impl Decision {
    /// Each of them.
    pub const ALL: [Self; 5] =
        [Self::Allowed, Self::Denied, Self::Challenged, Self::Unauthenticated, Self::Refused];

    /// The word in the line, for metrics too.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Denied => "denied",
            Self::Challenged => "challenged",
            Self::Unauthenticated => "unauthenticated",
            Self::Refused => "refused",
        }
    }
}

impl Ended {
    /// Each of them.
    pub const ALL: [Self; 4] = [Self::Complete, Self::ClientGone, Self::UpstreamLost, Self::CutOff];

    /// The word in the line, for metrics too.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::ClientGone => "client_gone",
            Self::UpstreamLost => "upstream_lost",
            Self::CutOff => "cut_off",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_one_line_whatever_names_are_in_it() {
        let mut record = Record::new(Event::Decision);
        record.account = Some("eve\n{\"event\":\"token\"}\u{2028}\u{1b}[2J\u{9b}2J\u{7f}".to_owned());
        record.decision = Some(Decision::Denied);
        let line = String::from_utf8(record.to_line()).unwrap();
        assert_eq!(line.matches('\n').count(), 1, "{line}");
        assert!(!line.trim_end_matches('\n').contains(char::is_control), "{line:?}");
        for far in [-1e12, 1e12] {
            let offset = std::time::Duration::from_secs_f64(f64::abs(far));
            let epoch = SystemTime::UNIX_EPOCH;
            record.time = if far < 0.0 { epoch - offset } else { epoch + offset };
            assert!(record.to_line().len() > 10, "a clock that is far off");
        }
        let read: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(read["account"], record.account.unwrap().as_str());
    }

    #[test]
    fn the_words_of_metrics_are_those_of_the_lines() {
        let word = |value: serde_json::Value| value.as_str().unwrap().to_owned();
        for decision in Decision::ALL {
            assert_eq!(word(serde_json::to_value(decision).unwrap()), decision.as_str());
        }
        for ended in Ended::ALL {
            assert_eq!(word(serde_json::to_value(ended).unwrap()), ended.as_str());
        }
    }
}
