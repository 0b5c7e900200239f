//! The words of a line that stand for one of a few things: its subject, the decision, the end of a transfer.

/// The subject of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Event {
    /// A request for the registry was decided.
    Decision,
    /// A request that was forwarded has ended. With [`requested`](super::Record::requested), the line is that of its
    /// decision too.
    Transfer,
    /// A token was asked for.
    Token,
    /// Writes were frozen or thawed.
    Freeze,
    /// An account, a token or everything was revoked.
    Revocation,
    /// An account made a personal token.
    PersonalToken,
    /// An account allowed or refused the token that a program asks for.
    DeviceLogin,
    /// An operator deleted a tag.
    Untag,
    /// An operator ended the claim of an unfinished push of a tag.
    Release,
    /// A tag or a manifest was deleted by `retention`.
    Prune,
    /// The count of lines left out: those about requests without an account, when there are many.
    Summary,
}

/// The decision on a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Decision {
    /// It may go to the registry; or a token was issued.
    Allowed,
    /// The policy, or the token, does not list it.
    Denied,
    /// Nothing was shown, and the anonymous user may not: the client is asked to log in.
    Challenged,
    /// The credentials prove nothing: a wrong password, a token that is invalid or has expired.
    Unauthenticated,
    /// It was rejected for another reason: malformed, too many of them, frozen, a back end that is down.
    Refused,
}

/// The end of a transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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

impl Event {
    /// The word in the line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Decision => "decision",
            Self::Transfer => "transfer",
            Self::Token => "token",
            Self::Freeze => "freeze",
            Self::Revocation => "revocation",
            Self::PersonalToken => "personal_token",
            Self::DeviceLogin => "device_login",
            Self::Untag => "untag",
            Self::Release => "release",
            Self::Prune => "prune",
            Self::Summary => "summary",
        }
    }
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
