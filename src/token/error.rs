//! Errors of a key, a token, or the making of one. None of them holds a piece of the key or the token.

use std::fmt;

/// The reason why a key cannot sign tokens. Displays the finding and the remedy; the caller adds the file's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyError {
    /// There is no PEM block at all.
    NotPem,
    /// There are PEM blocks, named here, but none is a private key.
    NotAPrivateKey(String),
    /// The key is protected by a passphrase.
    Encrypted,
    /// The PEM block of a private key cannot be decoded.
    Damaged,
    /// A private key, but not one of those that can be used; says which.
    Unsupported(&'static str),
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotPem => f.write_str(
                "holds no PEM block; a private key in PEM form, beginning with -----BEGIN PRIVATE KEY-----, is needed",
            ),
            Self::NotAPrivateKey(found) => {
                write!(f, "holds no private key, only: {found}; name the file of the private key that belongs to it")
            }
            Self::Encrypted => f.write_str(
                "holds a private key protected by a passphrase; \
                 write one without: openssl pkey -in <this file> -out <new file>",
            ),
            Self::Damaged => f.write_str(
                "holds a private key that cannot be decoded; copy the file again, or check it: openssl pkey -noout -in <file>",
            ),
            Self::Unsupported(found) => write!(
                f,
                "holds {found}; use an RSA key of 2048 to 8192 bits, an EC key on P-256 or P-384, or an Ed25519 key"
            ),
        }
    }
}

impl std::error::Error for KeyError {}

/// The reason why a token is refused. Displays a short sentence fit for `error_description` (RFC 6750, section 3): no
/// quotes, no backslash, nothing of the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenError {
    /// Not a compact JWS, not strict JSON, or a claim that is missing or has the wrong type.
    Malformed,
    /// `alg` or `kid` are not those of the authority's key, or the header asks for an unsupported feature.
    ForeignKey,
    /// The header names our key, but the key did not sign this.
    BadSignature,
    /// `iss` is another issuer.
    WrongIssuer,
    /// `aud` is another service, or the token is of the other kind (refresh for access, access for refresh).
    WrongAudience,
    /// `nbf` is more than the leeway ahead.
    NotYetValid,
    /// `exp` is more than the leeway ago.
    Expired,
    /// A refresh token whose account is gone or has another password by now.
    Revoked,
    /// The rules look at labels of the account that it does not carry.
    LacksLabels,
}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "the token is malformed",
            Self::ForeignKey => "the token was not signed with the key of this service",
            Self::BadSignature => "the signature of the token is wrong",
            Self::WrongIssuer => "the token is from another issuer",
            Self::WrongAudience => "the token is for another service or another use",
            Self::NotYetValid => "the token is not valid yet",
            Self::Expired => "the token has expired",
            Self::Revoked => "the token was revoked with the password or the account it was made for",
            Self::LacksLabels => {
                "the rules have changed, and look at labels of the account that the token does not carry: fetch another"
            }
        })
    }
}

impl std::error::Error for TokenError {}

/// The reason why a token could not be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IssueError {
    /// The cryptographic library refused to sign or to give random bytes.
    Signing,
    /// With this access the token would be larger than Portwarden itself accepts; the limit in bytes.
    TooLarge(usize),
    /// The account's labels are longer than fit into a token; the limit in bytes.
    TooManyLabels(usize),
}

impl fmt::Display for IssueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Signing => f.write_str("signing the token failed in the cryptographic library"),
            Self::TooLarge(limit) => {
                write!(f, "the token would be larger than {limit} bytes; ask for fewer scopes at once")
            }
            Self::TooManyLabels(limit) => {
                write!(
                    f,
                    "the labels of the account have more than the {limit} bytes that a token can carry; let the \
                           back end give fewer, or shorter ones, or name fewer in the rules"
                )
            }
        }
    }
}

impl std::error::Error for IssueError {}
