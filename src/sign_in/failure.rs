//! The reason why a provider has not said who a person is.

use crate::authn::SignInEnd;

/// The reason why a provider has not said who a person is. Never has a token, a code or a secret in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// The provider does not let the person in, or what it says of the person does not suffice. A sentence for that
    /// person.
    Refused(SignInEnd, String),
    /// The provider gives no answer now. The reason, for the log.
    Unavailable(String),
    /// The provider does not accept this client, or cannot be understood. The reason, for the log.
    Misconfigured(String),
}

impl Failure {
    /// A refusal that another sign-in may mend.
    pub(super) fn refused(why: impl Into<String>) -> Self {
        Self::Refused(SignInEnd::Refused, why.into())
    }

    /// The person is none of those that may sign in.
    pub(super) fn not_member(why: impl Into<String>) -> Self {
        Self::Refused(SignInEnd::NotMember, why.into())
    }
}
