//! Errors of a key, a token, or the making of one. None of them holds a piece of the key or the token.

use crate::{
    authn::SignInEnd,
    state::{Ended, NoClaims},
};

/// The reason why a key cannot sign tokens. Displays the finding and the remedy; the caller adds the file's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// There is no PEM block at all.
    #[error(
        "holds no PEM block; a private key in PEM form, beginning with -----BEGIN PRIVATE KEY-----, is needed"
    )]
    NotPem,
    /// There are PEM blocks, named here, but none is a private key.
    #[error("holds no private key, only: {0}; name the file of the private key that belongs to it")]
    NotAPrivateKey(String),
    /// The key is protected by a passphrase.
    #[error(
        "holds a private key protected by a passphrase; \
         write one without: openssl pkey -in <this file> -out <new file>"
    )]
    Encrypted,
    /// The PEM block of a private key cannot be decoded.
    #[error(
        "holds a private key that cannot be decoded; copy the file again, or check it: openssl pkey -noout -in <file>"
    )]
    Damaged,
    /// A private key, but not one of those that can be used; says which.
    #[error("holds {0}; use an RSA key of 2048 to 8192 bits, an EC key on P-256 or P-384, or an Ed25519 key")]
    Unsupported(&'static str),
}

/// The reason why a token is refused. Displays a short sentence fit for `error_description` (RFC 6750, section 3): no
/// quotes, no backslash, nothing of the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Not a compact JWS, not strict JSON, or a claim that is missing or has the wrong type.
    #[error("the token is malformed")]
    Malformed,
    /// `alg` or `kid` are not those of the authority's key, or the header asks for an unsupported feature.
    #[error("the token was not signed with the key of this service")]
    ForeignKey,
    /// The header names our key, but the key did not sign this.
    #[error("the signature of the token is wrong")]
    BadSignature,
    /// `iss` is another issuer.
    #[error("the token is from another issuer")]
    WrongIssuer,
    /// `aud` is another service, or the token is of the other kind (refresh for access, access for refresh).
    #[error("the token is for another service or another use")]
    WrongAudience,
    /// `nbf` is more than the leeway ahead.
    #[error("the token is not valid yet")]
    NotYetValid,
    /// `exp` is more than the leeway ago.
    #[error("the token has expired")]
    Expired,
    /// The account is gone, or has another password or another robot token by now.
    #[error("the token was revoked with the password or the account it was made for")]
    Revoked,
    /// `portwarden revoke --account`.
    #[error("what was issued to this account was revoked: sign in again")]
    AccountRevoked,
    /// `portwarden revoke --token`.
    #[error("this token was revoked")]
    TokenRevoked,
    /// `portwarden revoke --all-sessions`, or a state file that is new, restored or missing.
    #[error("the token was issued before everything was revoked, or with another state file: sign in again")]
    OtherState,
    /// A robot's token for which it was issued has expired.
    #[error("the robot token that this token was issued for has expired")]
    RobotTokenExpired,
    /// The personal token for which it was issued has expired.
    #[error("the personal token that this token was issued for has expired")]
    PersonalTokenExpired,
    /// The robot may not be used from the client's address.
    #[error("the robot that this token was issued to may not be used from this address")]
    WrongAddress,
    /// It is bound to a certificate that the connection has not shown (RFC 8705), or that is no login of the account now.
    #[error(
        "the token is bound to a client certificate that this connection has not shown, or that is no login now"
    )]
    OtherCertificate,
    /// The rules look at labels of the account that it does not carry.
    #[error(
        "the rules have changed, and look at labels of the account that the token does not carry: fetch another"
    )]
    LacksLabels,
    /// The claims about its account were stored here, and are no longer.
    #[error("what the token says about its account is not stored here any longer: sign in again")]
    ClaimsLost,
    /// The same cannot be read now, which is no fault of the token: 503.
    #[error("what the token says about its account cannot be read now: try again")]
    ClaimsUnavailable,
    /// The sign-in at a provider no longer counts.
    #[error("{0}")]
    SignIn(SignInEnd),
}

impl From<Ended> for TokenError {
    fn from(ended: Ended) -> Self {
        match ended {
            Ended::Account => Self::AccountRevoked,
            Ended::Token => Self::TokenRevoked,
            Ended::OtherState => Self::OtherState,
            Ended::Unknown => Self::ClaimsUnavailable,
        }
    }
}

impl From<NoClaims> for TokenError {
    fn from(none: NoClaims) -> Self {
        match none {
            NoClaims::Unknown => Self::ClaimsLost,
            NoClaims::Unavailable => Self::ClaimsUnavailable,
        }
    }
}

impl TokenError {
    /// Returns true for a token that was revoked by a command, or with the state.
    pub fn is_revocation(self) -> bool {
        matches!(self, Self::AccountRevoked | Self::TokenRevoked | Self::OtherState)
    }
}

/// The reason why a token could not be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IssueError {
    /// The cryptographic library refused to sign or to give random bytes.
    #[error("signing the token failed in the cryptographic library")]
    Signing,
    /// With this access the token would be larger than Portwarden itself accepts; the limit in bytes.
    #[error("the token would be larger than {0} bytes; ask for fewer scopes at once")]
    TooLarge(usize),
    /// The account's labels are longer than fit into a token; the limit in bytes.
    #[error(
        "the labels of the account have more than the {0} bytes that a token can carry, and there is no state file or no \
         room in it; set `state.file`, let the back end give fewer labels, or name fewer in the rules"
    )]
    TooManyLabels(usize),
}
