//! The reasons why a certificate is not trusted, or is no login. None has a piece of the certificate in it: they go into
//! headers.

use rustls::CertificateError;

/// The reason why a certificate is not trusted now. Displays as the end of "the client certificate …".
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Untrusted {
    /// `notAfter` is past.
    #[error("has expired")]
    Expired,
    /// `notBefore` lies ahead.
    #[error("is not valid yet")]
    NotYetValid,
    /// It stands in a revocation list.
    #[error("has been revoked")]
    Revoked,
    /// Revocation lists are configured, and none is of its authority.
    #[error("cannot be looked up: no list in server.client_crl is of its authority")]
    NoRevocationList,
    /// The list of its authority has run out.
    #[error("cannot be looked up: the revocation list of its authority is out of date")]
    RevocationListExpired,
    /// No authority of `server.client_ca` has signed it, or what it was sent along with.
    #[error("is from no authority in server.client_ca")]
    UnknownAuthority,
    /// The authority itself has run out.
    #[error("is from an authority that has expired")]
    AuthorityExpired,
    /// `extKeyUsage` is there and lacks `clientAuth`.
    #[error("is not for clients: its extended key usage lacks clientAuth")]
    NotForClients,
    /// Anything else that the TLS library refuses.
    #[error("cannot be verified")]
    Unreadable,
}

impl From<&rustls::Error> for Untrusted {
    fn from(error: &rustls::Error) -> Self {
        use CertificateError as Error;
        let rustls::Error::InvalidCertificate(error) = error else { return Self::Unreadable };
        match error {
            Error::Expired | Error::ExpiredContext { .. } => Self::Expired,
            Error::NotValidYet | Error::NotValidYetContext { .. } => Self::NotYetValid,
            Error::Revoked => Self::Revoked,
            Error::UnknownRevocationStatus => Self::NoRevocationList,
            Error::ExpiredRevocationList | Error::ExpiredRevocationListContext { .. } => {
                Self::RevocationListExpired
            }
            Error::UnknownIssuer | Error::BadSignature => Self::UnknownAuthority,
            Error::InvalidPurpose | Error::InvalidPurposeContext { .. } => Self::NotForClients,
            _ => Self::Unreadable,
        }
    }
}

/// The reason why a trusted certificate is no login. Displays as the end of "the client certificate …"; names fields as
/// the configuration does.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// The field is not there.
    #[error("has no {0}")]
    Missing(&'static str),
    /// The field is there more than once, and the account can be one of them only.
    #[error("has more than one {0}")]
    Ambiguous(&'static str),
    /// Empty, too long, with control characters or white space around it, or in an encoding that two readers may take
    /// for two texts.
    #[error("has a {0} that is empty, longer than 512 bytes, or holds characters that no account may have")]
    Unfit(&'static str),
    /// `strip` is not the beginning of the name.
    #[error("is of an account that does not begin with certificate_auth.strip")]
    OtherPrefix,
    /// Nothing is left, or too much.
    #[error("is of an account that is empty or longer than 512 bytes")]
    Account,
    /// The certificate is not understood in one way only.
    #[error("cannot be read")]
    Unreadable,
}
