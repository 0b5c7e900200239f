//! The messages of the control socket: a request, and its answers.

use serde::{Deserialize, Serialize};

use crate::{
    acme::CertificateReading, activity::Entry, proxy::PruneEvent, state::Target, telemetry::DeliveryReading,
};

/// A request to a running server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "command")]
pub enum ControlRequest {
    /// Freeze writes for so long; pushes under way may end within `drain_seconds`.
    Freeze {
        /// Until it thaws by itself.
        seconds: u64,
        /// For pushes under way.
        drain_seconds: u64,
    },
    /// Let writes pass again.
    Thaw,
    /// Say where it stands.
    Status,
    /// Say what the next rules would change; answered by `Shadow`, or by `End` where there are none.
    Shadow,
    /// Say how the certificate by ACME is; answered by `Certificate`, or by `End` where there is none.
    Certificate,
    /// Say how far notifications are sent; answered by `Endpoint` for each endpoint, then by `End`.
    Notifications,
    /// Refuse what was issued.
    Revoke {
        /// The subject.
        target: Target,
        /// True for a token by its `jti`, whatever it looks like: no robot's token is meant.
        #[serde(default)]
        is_jti: bool,
        /// True to forget, too, which person of which provider has the account.
        #[serde(default)]
        forget: bool,
    },
    /// List the tokens of robots, personal tokens and the revocations; answered by one line for each, then by `End`.
    Tokens {
        /// Of this account only.
        account: Option<String>,
    },
    /// Delete a tag, and leave the others on its manifest.
    Untag {
        /// The repository.
        repository: String,
        /// The tag.
        tag: String,
    },
    /// End the claim of an unfinished push of a write-once tag.
    Release {
        /// The repository.
        repository: String,
        /// The tag.
        tag: String,
    },
    /// Delete what `retention` does not keep; answered by `Prune` as often as there is something to report.
    Prune {
        /// False to report what would be deleted.
        apply: bool,
        /// True to report the tags that stay, too.
        kept: bool,
        /// These repositories; if there are none, each that an entry matches.
        repositories: Vec<String>,
    },
    /// List activity; answered by `Activity` for each record, in order, then by `ActivitySince`.
    Activity {
        /// Of this repository only.
        repository: Option<String>,
        /// Of this tag or digest of it only.
        reference: Option<String>,
        /// Only records in which this account did something last.
        account: Option<String>,
        /// Only records with something from this time on, in seconds since 1970.
        since: u64,
    },
    /// Join records of activity with those that are stored; answered by `ActivityImported`.
    ImportActivity {
        /// The records: some hundred.
        entries: Vec<Entry>,
    },
    /// Note that all activity of a time is on record; answered by `ActivitySince`.
    ExtendActivity {
        /// Its beginning, in seconds since 1970.
        from: u64,
        /// Its end.
        until: u64,
    },
    /// List the revocations that concern an account, and of its tokens those that are revoked; answered likewise.
    Revocations {
        /// The account.
        account: String,
    },
}

/// The server's answer. A freeze is answered by `Draining` as often as that changes, then by `Frozen`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum ControlAnswer {
    /// Writes pass.
    Open {
        /// True if they were frozen before.
        thawed: bool,
    },
    /// Pushes are still to end.
    Draining {
        /// Repositories that are being written to, or were a moment ago.
        pushes: usize,
    },
    /// No write passes.
    Frozen {
        /// Until it thaws by itself.
        seconds: u64,
        /// Writes that did not end in time.
        cut_off: usize,
        /// The replicas at which it holds, where several share the state.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        replicas: Option<u64>,
    },
    /// The next rules, and the number of requests with a difference.
    Shadow {
        /// Their file.
        file: String,
        /// The end of the comparison, as RFC 3339 writes it, in UTC.
        until: String,
        /// Requests that are denied, and would be allowed.
        gain: u64,
        /// Requests that are allowed, and would be denied.
        loss: u64,
        /// Requests of which it is not known.
        undecided: u64,
    },
    /// The certificate by ACME.
    Certificate(CertificateReading),
    /// An endpoint of `notifications`.
    Endpoint(DeliveryReading),
    /// It is revoked, and stored.
    Revoked {
        /// The subject.
        target: Target,
        /// The time, as RFC 3339 writes it, in UTC.
        at: String,
        /// The robot whose token it is.
        #[serde(skip_serializing_if = "Option::is_none")]
        robot: Option<String>,
        /// The account whose personal token it is.
        #[serde(skip_serializing_if = "Option::is_none")]
        account: Option<String>,
        /// True if it is forgotten which person has the account.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        forgotten: bool,
    },
    /// The tag is deleted.
    Untagged {
        /// The manifest that it was on, where that is known.
        digest: Option<String>,
    },
    /// The claim has ended.
    Released {
        /// The digest of the unfinished push.
        digest: String,
        /// The manifest that the registry shows as the tag; `None` where it shows none.
        found: Option<String>,
    },
    /// A report of `prune`.
    Prune(PruneEvent),
    /// A record of activity.
    Activity(Entry),
    /// The records of activity are stored.
    ActivityImported,
    /// The end of a list of activity, or of an import.
    ActivitySince {
        /// The time from which on every request is on record, in seconds since 1970.
        at: u64,
    },
    /// A token of a robot.
    RobotToken(RobotTokenEntry),
    /// A personal token.
    PersonalToken(PersonalTokenEntry),
    /// A revocation that is in force.
    Revocation(RevocationEntry),
    /// The end of a list.
    End,
    /// The request was not understood, or is not allowed.
    Refused {
        /// The reason and the remedy.
        why: String,
    },
}

/// A token of a robot, in a list. Times are as RFC 3339 writes them, in UTC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RobotTokenEntry {
    /// The robot.
    pub robot: String,
    /// The id of the token.
    pub token: String,
    /// The comment on it.
    pub comment: Option<String>,
    /// The last day on which it is good.
    pub expires: Option<String>,
    /// Its last use since the start of the server.
    pub last_use: Option<String>,
    /// The time of its revocation.
    pub revoked: Option<String>,
}

/// A personal token, in a list. Times are as RFC 3339 writes them, in UTC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PersonalTokenEntry {
    /// Its account.
    pub account: String,
    /// The section that knows the account.
    pub source: String,
    /// The id of the token.
    pub token: String,
    /// The comment on it.
    pub comment: String,
    /// Its scopes.
    pub scopes: Vec<String>,
    /// The time at which it was made.
    pub made: String,
    /// The time at which it is over.
    pub ends: String,
    /// Its last use.
    pub last_use: Option<String>,
    /// True if it does not count now: it is over, its account is gone, or personal tokens are turned off.
    pub is_out: bool,
}

/// A revocation, in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevocationEntry {
    /// Its subject.
    pub target: Target,
    /// Its time, as RFC 3339 writes it, in UTC.
    pub at: String,
}
