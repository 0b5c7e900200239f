//! The reason why a JWT is no login. Never has a piece of the JWT in it but the names of claims.

use std::time::Duration;

/// The reason why a JWT is no login. Displays for the log and for `explain`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JwtError {
    /// More than 16 KiB.
    #[error("the JWT is larger than 16 KiB")]
    TooLarge,
    /// Not a compact JWS of three parts in strict base64url and JSON, or a claim of the wrong type.
    #[error("not a JWT: expected three parts of base64url, with JSON that repeats no name")]
    Malformed,
    /// `crit` demands what is not supported (RFC 7515, section 4.1.11).
    #[error("the header has `crit`, which demands extensions that are not supported")]
    Critical,
    /// `alg` is not in the issuer's list.
    #[error("its `alg` is not in the issuer's `algorithms`")]
    Algorithm,
    /// The header names no key.
    #[error("the header has no `kid`")]
    NoKeyId,
    /// `iss` is not the issuer, byte for byte.
    #[error("its `iss` is not the issuer's `issuer`")]
    Issuer,
    /// `aud` does not name this registry.
    #[error("its `aud` does not contain `workload_auth.audience`")]
    Audience,
    /// `exp` is past.
    #[error("it has expired (`exp`)")]
    Expired,
    /// `nbf` or `iat` lies ahead.
    #[error("it is not valid yet (`nbf`, `iat`)")]
    NotYetValid,
    /// `exp` and `iat` are more than a day apart.
    #[error("it is valid for more than 24 hours (`exp` less `iat`)")]
    TooLong,
    /// The issuer publishes no such key.
    #[error("the issuer publishes no key of its `kid`")]
    UnknownKey,
    /// The key is not made for `alg`.
    #[error("the issuer's key of its `kid` is not for its `alg`")]
    UnfitKey,
    /// The key did not sign this.
    #[error("the signature is wrong")]
    Signature,
    /// A claim that is needed is missing, or is no text.
    #[error("its claim `{0}` is missing, or not a text of up to 2048 bytes on one line")]
    Claim(String),
    /// A claim does not have what `require` demands.
    #[error("its claim `{0}` is not what `require` demands")]
    Requirement(String),
    /// The name of the account would be empty, too long, or hold a control character.
    #[error("the name of the account would be empty, longer than 512 bytes, or hold a control character")]
    Account,
    /// The keys of the issuer cannot be fetched now; when to ask again.
    #[error("the issuer's keys cannot be fetched; asked again in {} s", .0.as_secs())]
    KeysUnavailable(Duration),
}
