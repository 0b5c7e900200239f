//! One line of the audit log as it is read back: borrowed from its text, and believed in nothing.

use std::{borrow::Cow, collections::BTreeMap, net::IpAddr, time::UNIX_EPOCH};

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    authn::Labels,
    authz::{CeilingName, DeniedBy},
};

/// A text of the line; a type of its own, since serde borrows a `Cow` in a field only.
#[derive(Debug, Deserialize)]
pub(super) struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl Text<'_> {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// The fields that a decision depends on. Others are passed over; one that stands twice makes the line unreadable.
#[derive(Debug, Deserialize)]
pub(super) struct AuditLine<'a> {
    #[serde(borrow)]
    time: Option<Text<'a>>,
    #[serde(borrow)]
    event: Option<Text<'a>>,
    pub(super) address: Option<IpAddr>,
    #[serde(borrow)]
    account: Option<Text<'a>>,
    #[serde(borrow)]
    source: Option<Text<'a>>,
    #[serde(borrow)]
    robot_token: Option<Text<'a>>,
    #[serde(borrow)]
    personal_token: Option<Text<'a>>,
    #[serde(borrow)]
    credentials: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) labels: Option<&'a RawValue>,
    #[serde(borrow)]
    method: Option<Text<'a>>,
    #[serde(borrow)]
    route: Option<Text<'a>>,
    #[serde(borrow)]
    repository: Option<Text<'a>>,
    #[serde(borrow)]
    reference: Option<Text<'a>>,
    #[serde(borrow)]
    tags: Option<Vec<Text<'a>>>,
    #[serde(borrow)]
    from: Option<Text<'a>>,
    #[serde(borrow)]
    service: Option<Text<'a>>,
    #[serde(borrow)]
    requested: Option<Vec<Text<'a>>>,
    #[serde(borrow)]
    granted: Option<Vec<Text<'a>>>,
    #[serde(borrow)]
    decision: Option<Text<'a>>,
    #[serde(borrow)]
    rule: Option<Text<'a>>,
    #[serde(borrow)]
    reason: Option<Text<'a>>,
    status: Option<u16>,
    #[serde(borrow)]
    truncated: Option<Vec<Text<'a>>>,
    lines: Option<u64>,
    counts: Option<BTreeMap<String, u64>>,
}

/// The decision of the policy that a line records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Recorded {
    /// The request went to the registry.
    Allowed,
    /// The rules denied it.
    Denied,
    /// Refused after the rules were asked: they may grant the repository for some tags only, and none reaches it.
    Hidden,
    /// It came without credentials, and the anonymous account may not, or is not there.
    Challenged,
    /// A token was issued with all or a part of what was asked for, or none, for want of an anonymous account.
    Token,
    /// Requests without an account that were summed up: so many were decided by rules.
    Summary { allowed: u64, denied: u64 },
    /// A robot with the right token came from outside its `ip`. Where it was an access token, the line does not name it.
    Outside,
    /// No decision of rules.
    Other(Apart),
}

/// The reason why a line says nothing of rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Apart {
    /// The end of a request whose decision has a line of its own.
    Transfer,
    /// Credentials that prove nothing.
    Unauthenticated,
    /// Refused for another reason: malformed, frozen, write-once, one too many.
    Refused,
    /// The token did not list it.
    ByToken,
    /// A page, `/v2/` itself, a freeze, and the like.
    NotOfRules,
    /// It is no line of an audit log.
    Foreign,
}

/// Fields that no decision depends on.
const UNIMPORTANT: [&str; 8] =
    ["request_id", "token_comment", "jti", "kid", "user_agent", "reason", "digest", "certificate_serial"];

/// In `rule` of what is granted for some tags only.
const FOR_SOME_TAGS: &str = ", for some tags";

/// The reason of `TokenError::WrongAddress`; a test holds the two together.
pub(super) const OUTSIDE: &str = "the robot that this token was issued to may not be used from this address";

/// The beginnings of `reason` where the rules denied something.
const MAY_NOT: [&str; 2] = ["account '", "anonymous users may not "];

/// The beginning of `rule` where a catalogue was filtered: then not all of it was granted.
const IN_PART: &str = "the names that may be pulled";

impl AuditLine<'_> {
    /// Returns what the line records.
    pub(super) fn recorded(&self) -> Recorded {
        let Some(event) = self.event.as_ref() else { return Recorded::Other(Apart::Foreign) };
        match event.as_str() {
            "decision" | "token" if self.is_outside() => Recorded::Outside,
            "decision" => self.decided(),
            "transfer" if self.requested.is_some() => self.decided(),
            "transfer" => Recorded::Other(Apart::Transfer),
            "token" => match self.decision() {
                // What was not granted may have been above the scopes of the token, which the log does not have.
                _ if self.personal_token.is_some() => Recorded::Other(Apart::ByToken),
                "allowed" => Recorded::Token,
                // Nothing was shown and no token issued, for want of an anonymous account.
                "challenged" if self.requested.is_some() => Recorded::Token,
                other => Recorded::Other(apart(other)),
            },
            "summary" => self.summed_up(),
            _ => Recorded::Other(Apart::NotOfRules),
        }
    }

    fn decided(&self) -> Recorded {
        if self.requested.is_none() {
            return Recorded::Other(match self.decision() {
                word @ ("unauthenticated" | "refused") => apart(word),
                _ => Apart::NotOfRules,
            });
        }
        let is_read = matches!(self.method(), "GET" | "HEAD");
        match self.decision() {
            _ if self.is_by_scopes() => Recorded::Other(Apart::ByToken),
            "allowed" if self.rule().starts_with(IN_PART) => Recorded::Denied,
            "allowed" => Recorded::Allowed,
            "denied" if self.rule() == DeniedBy::Ceiling.in_full() => Recorded::Other(Apart::ByToken),
            "denied" => Recorded::Denied,
            // It is challenged whatever the rules are; only pages that the operator has named are not.
            "challenged" if self.route() == "catalog" && self.rule.is_none() => {
                Recorded::Other(Apart::NotOfRules)
            }
            "challenged" => Recorded::Challenged,
            "refused" if is_read && self.status == Some(404) && self.rule.is_some() => Recorded::Hidden,
            "refused" if self.is_by_tags() && matches!(self.status, Some(400 | 403 | 404)) => {
                Recorded::Hidden
            }
            // A signature's tag follows its subject, so the rules were asked twice.
            "refused" if self.status == Some(403) && self.may_not() => Recorded::Denied,
            other => Recorded::Other(apart(other)),
        }
    }

    /// Returns true if the scopes of a personal token were in the way.
    fn is_by_scopes(&self) -> bool {
        let by = || CeilingName::PersonalToken.to_string();
        self.personal_token.is_some() && self.rule().ends_with(&by())
    }

    fn summed_up(&self) -> Recorded {
        let Some(counts) = &self.counts else {
            return Recorded::Summary { allowed: 0, denied: self.lines.unwrap_or(0) };
        };
        let sum = |kinds: &[&str]| {
            kinds
                .iter()
                .filter_map(|kind| counts.get(*kind))
                .fold(0_u64, |sum, count| sum.saturating_add(*count))
        };
        Recorded::Summary {
            allowed: sum(&["allowed", "token_allowed"]),
            // Rules by tag refuse in other words.
            denied: sum(&["challenged", "denied", "token_challenged", "refused"]),
        }
    }

    /// Returns true if a field that a decision depends on was cut short.
    pub(super) fn is_cut(&self) -> bool {
        self.truncated.iter().flatten().any(|name| !UNIMPORTANT.contains(&name.as_str()))
    }

    /// The time, in seconds since 1970.
    pub(super) fn seconds(&self) -> Option<u64> {
        let time = humantime::parse_rfc3339(self.time.as_ref()?.as_str()).ok()?;
        time.duration_since(UNIX_EPOCH).ok().map(|since| since.as_secs())
    }

    /// The account; empty for the anonymous one, and where the client was challenged.
    pub(super) fn account(&self) -> &str {
        text(&self.account)
    }

    /// The section that knows the account.
    pub(super) fn source(&self) -> Option<&str> {
        self.source.as_ref().map(Text::as_str)
    }

    pub(super) fn robot_token(&self) -> &str {
        text(&self.robot_token)
    }

    /// Returns true if the client showed no credentials.
    pub(super) fn nothing_shown(&self) -> bool {
        self.account().is_empty() && matches!(text(&self.credentials), "" | "none")
    }

    pub(super) fn method(&self) -> &str {
        text(&self.method)
    }

    pub(super) fn route(&self) -> &str {
        text(&self.route)
    }

    pub(super) fn repository(&self) -> &str {
        text(&self.repository)
    }

    pub(super) fn reference(&self) -> Option<&str> {
        self.reference.as_ref().map(Text::as_str)
    }

    pub(super) fn tags(&self) -> impl Iterator<Item = &str> {
        self.tags.iter().flatten().map(Text::as_str)
    }

    pub(super) fn from(&self) -> Option<&str> {
        self.from.as_ref().map(Text::as_str)
    }

    /// The service that a token was asked for; `None` in a line that does not say it.
    pub(super) fn service(&self) -> Option<&str> {
        self.service.as_ref().map(Text::as_str)
    }

    pub(super) fn requested(&self) -> impl Iterator<Item = &str> {
        self.requested.iter().flatten().map(Text::as_str)
    }

    pub(super) fn granted(&self) -> impl Iterator<Item = &str> {
        self.granted.iter().flatten().map(Text::as_str)
    }

    pub(super) fn rule(&self) -> &str {
        text(&self.rule)
    }

    /// Returns true where the rules granted the repository for some tags only.
    pub(super) fn is_by_tags(&self) -> bool {
        self.rule().contains(FOR_SOME_TAGS) || self.rule().ends_with("no tag that it is for reaches this")
    }

    /// Returns true where the rules granted the source of a mount for some tags only.
    pub(super) fn is_source_by_tags(&self) -> bool {
        self.rule().split_once("; ").is_some_and(|(_, source)| source.contains(FOR_SOME_TAGS))
    }

    /// The labels that were recorded; `None` for what are none.
    pub(super) fn read_labels(&self) -> Option<Labels> {
        serde_json::from_str(self.labels?.get()).ok()
    }

    /// The number of rules that granted the request; `None` where the comment of one hides where it ends.
    pub(super) fn grants(&self) -> Option<usize> {
        let (mut grants, mut depth) = (1, 0_usize);
        let rule = self.rule();
        for (at, c) in rule.char_indices() {
            match c {
                '(' => depth += 1,
                ')' => depth = depth.checked_sub(1)?,
                ';' if depth == 0 && rule.get(at..).is_some_and(|rest| rest.starts_with("; ")) => grants += 1,
                _ => {}
            }
        }
        (depth == 0 && !rule.is_empty()).then_some(grants)
    }

    fn is_outside(&self) -> bool {
        self.decision() == "unauthenticated"
            && (text(&self.reason) == OUTSIDE
                || text(&self.reason)
                    .starts_with(&format!("robot '{}' may not sign in from ", self.account())))
    }

    fn may_not(&self) -> bool {
        MAY_NOT.iter().any(|start| text(&self.reason).starts_with(start))
    }

    fn decision(&self) -> &str {
        text(&self.decision)
    }
}

fn apart(decision: &str) -> Apart {
    match decision {
        "unauthenticated" => Apart::Unauthenticated,
        "refused" => Apart::Refused,
        _ => Apart::NotOfRules,
    }
}

fn text<'a>(field: &'a Option<Text<'_>>) -> &'a str {
    field.as_ref().map(Text::as_str).unwrap_or_default()
}
