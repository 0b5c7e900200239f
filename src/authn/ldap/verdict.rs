//! The meaning of result codes (RFC 4511, appendix A) for an account.
//!
//! | code | as the account | as the reader, or a search |
//! |---|---|---|
//! | 0 success | it may | goes on |
//! | 49 invalidCredentials | wrong password | no answer |
//! | 48 inappropriateAuthentication: the entry has no password | wrong password | no answer |
//! | 53 unwillingToPerform, 19 constraintViolation: locked, expired, too many failures | wrong password | no answer |
//! | 50 insufficientAccessRights: it may not bind, or not search | wrong password | no answer |
//! | 32 noSuchObject: the entry is gone, or was never there | wrong password | no answer: the base is wrong |
//! | 4 sizeLimitExceeded | - | more than one entry: wrong password |
//! | 8, 13: the directory wants TLS | no answer | no answer |
//! | 51 busy, 52 unavailable, 10 referral, any other | no answer | no answer |
//!
//! docker_auth takes only 49 for a wrong password, and everything else for an outage. A locked account must not look
//! like one: so an answer about this account alone is a refusal, and an answer that may concern all accounts is none.

use super::message::Outcome;

const SUCCESS: u32 = 0;
const SIZE_LIMIT_EXCEEDED: u32 = 4;
const CONSTRAINT_VIOLATION: u32 = 19;
const NO_SUCH_OBJECT: u32 = 32;
const INAPPROPRIATE_AUTHENTICATION: u32 = 48;
const INVALID_CREDENTIALS: u32 = 49;
const INSUFFICIENT_ACCESS_RIGHTS: u32 = 50;
const UNWILLING_TO_PERFORM: u32 = 53;

/// The result of a bind with the account's own password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The password is right.
    Accepted,
    /// It is wrong.
    WrongPassword,
    /// The directory does not admit the account, whatever the password: it is locked, expired, not allowed, gone.
    Refused,
    /// Nothing was said about the account.
    NoAnswer,
}

/// Returns the verdict of a bind as the account.
pub(super) fn of_bind(outcome: &Outcome) -> Verdict {
    match outcome.code {
        SUCCESS => Verdict::Accepted,
        INVALID_CREDENTIALS => Verdict::WrongPassword,
        CONSTRAINT_VIOLATION
        | NO_SUCH_OBJECT
        | INAPPROPRIATE_AUTHENTICATION
        | INSUFFICIENT_ACCESS_RIGHTS
        | UNWILLING_TO_PERFORM => Verdict::Refused,
        _ => Verdict::NoAnswer,
    }
}

/// Returns the verdict of the result code of a search as the account itself; the caller judges the entries.
pub(super) fn of_own_search(outcome: &Outcome) -> Verdict {
    match outcome.code {
        INSUFFICIENT_ACCESS_RIGHTS | UNWILLING_TO_PERFORM => Verdict::Refused,
        _ => of_search(outcome),
    }
}

/// Returns the verdict of the result code of a search; the caller judges the entries. A limit that is exceeded is no
/// failure: there are too many entries.
pub(super) fn of_search(outcome: &Outcome) -> Verdict {
    match outcome.code {
        SUCCESS | SIZE_LIMIT_EXCEEDED => Verdict::Accepted,
        _ => Verdict::NoAnswer,
    }
}

impl Outcome {
    pub(super) fn is_success(&self) -> bool {
        self.code == SUCCESS
    }

    /// There were more entries than were asked for.
    pub(super) fn is_cut_short(&self) -> bool {
        self.code == SIZE_LIMIT_EXCEEDED
    }
}

/// The code as RFC 4511 names it, with its number.
pub(super) fn name(code: u32) -> String {
    let name = match code {
        SUCCESS => "success",
        1 => "operationsError",
        2 => "protocolError",
        3 => "timeLimitExceeded",
        SIZE_LIMIT_EXCEEDED => "sizeLimitExceeded",
        7 => "authMethodNotSupported",
        8 => "strongerAuthRequired",
        10 => "referral",
        11 => "adminLimitExceeded",
        13 => "confidentialityRequired",
        CONSTRAINT_VIOLATION => "constraintViolation",
        NO_SUCH_OBJECT => "noSuchObject",
        34 => "invalidDNSyntax",
        INAPPROPRIATE_AUTHENTICATION => "inappropriateAuthentication",
        INVALID_CREDENTIALS => "invalidCredentials",
        INSUFFICIENT_ACCESS_RIGHTS => "insufficientAccessRights",
        51 => "busy",
        52 => "unavailable",
        UNWILLING_TO_PERFORM => "unwillingToPerform",
        80 => "other",
        code => return format!("result code {code}"),
    };
    format!("{name}, code {code}")
}
