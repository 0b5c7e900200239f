//! Credentials that a client presents with `Authorization: Basic`, read as docker_auth's HTTP library reads them.
//!
//! The check of the password, and the meaning of a Bearer token, are elsewhere.

use std::string::FromUtf8Error;

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use zeroize::Zeroizing;

use super::{robots::is_robot_token, secret::Secret};

const SCHEME: &[u8] = b"Basic ";

/// Go's `base64.StdEncoding`: padding needed, excess bits of the last character ignored.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::RequireCanonical)
        .with_decode_allow_trailing_bits(true),
);

/// An account and a password, neither of them checked. The account may be empty.
#[derive(Debug)]
pub struct Credentials {
    /// The account.
    pub account: String,
    /// The password: any bytes, perhaps none.
    pub password: Secret,
}

impl Credentials {
    /// Returns true if the token of a robot is shown, as it should be or in the place of the name. Then only robots may
    /// be asked, and the name is not fit to be logged.
    pub fn are_of_robot(&self) -> bool {
        is_robot_token(self.password.expose()) || is_robot_token(self.account.as_bytes())
    }

    /// The kind of credentials, for logs: `password`, or `robot_token`.
    pub fn kind(&self) -> &'static str {
        if self.are_of_robot() { "robot_token" } else { "password" }
    }

    /// Reads the value of an `Authorization` header as Go's `Request.BasicAuth` does (RFC 7617): the scheme
    /// in any case, exactly one space, base64 with padding; the first colon splits.
    ///
    /// Anything else, another scheme included, is `None`: no credentials, as docker_auth has it.
    ///
    /// # Errors
    /// [`NotText`] for an account that is not UTF-8. docker_auth never knows such an account and refuses it. Taken for
    /// "no credentials" it would come in as anonymous, and repaired it could be another account.
    pub fn from_basic(header_value: &[u8]) -> Result<Option<Self>, NotText> {
        match decode(header_value) {
            Some((account, password)) => Ok(Some(Self { account: String::from_utf8(account)?, password })),
            None => Ok(None),
        }
    }
}

/// The account of a Basic header is not UTF-8: no account has such a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the account in the Authorization header is not UTF-8; send it in UTF-8")]
pub struct NotText;

impl From<FromUtf8Error> for NotText {
    fn from(_: FromUtf8Error) -> Self {
        Self
    }
}

fn decode(header_value: &[u8]) -> Option<(Vec<u8>, Secret)> {
    let (scheme, encoded) = header_value.split_at_checked(SCHEME.len())?;
    if !scheme.eq_ignore_ascii_case(SCHEME) {
        return None;
    }
    let mut buffer = Zeroizing::new(vec![0; base64::decoded_len_estimate(encoded.len())]);
    let length = BASE64.decode_slice(encoded, &mut buffer).ok()?;
    let decoded = buffer.get(..length)?;
    let colon = decoded.iter().position(|byte| *byte == b':')?;
    let (account, password) = decoded.split_at_checked(colon)?;
    Some((account.to_vec(), Secret::new(password.get(1..)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn basic(header: &str) -> Option<(String, Vec<u8>)> {
        let credentials = Credentials::from_basic(header.as_bytes()).unwrap()?;
        Some((credentials.account, credentials.password.expose().to_vec()))
    }

    fn pair(account: &str, password: &str) -> Option<(String, Vec<u8>)> {
        Some((account.into(), password.into()))
    }

    #[test]
    fn reads_what_go_reads() {
        assert_eq!(basic("Basic YWRtaW46YmFkbWlu"), pair("admin", "badmin"));
        assert_eq!(basic("bAsIc YWRtaW46YmFkbWlu"), pair("admin", "badmin"));
        assert_eq!(basic("Basic YWRtaW46YmFkOm1pbg=="), pair("admin", "bad:min"), "the first colon splits");
        assert_eq!(basic("Basic Og=="), pair("", ""));
        assert_eq!(basic("Basic OnB3"), pair("", "pw"));
        assert_eq!(basic("Basic b3Blbjo="), pair("open", ""));
        assert_eq!(basic("Basic OnB="), pair("", "p"), "excess bits are ignored");
    }

    #[test]
    fn anything_else_is_no_credentials() {
        for header in [
            "",
            "Basic",
            "Basic ",
            "Basic !!!",
            "Basic bm9jb2xvbg==",
            "Basic  YWRtaW46YmFkbWlu",
            "Basic\tYWRtaW46YmFkbWlu",
            "Bearer abc",
            "Negotiate x",
            "Basic Og",
            "Basic Og=",
            "Basic Og===",
            "Basic b3Blbjo= ",
            "Basic OnB3,OnB3",
            "Basic -_-_",
            "BasicYWRtaW46YmFkbWlu",
        ] {
            assert_eq!(basic(header), None, "{header:?}");
        }
    }

    #[test]
    fn an_account_that_is_no_text_is_nobody_and_not_anonymous() {
        let header = |decoded: &[u8]| format!("Basic {}", BASE64.encode(decoded));
        let refused = Credentials::from_basic(header(b"\xe9:x").as_bytes());
        assert_eq!(refused.unwrap_err(), NotText);
        assert_eq!(basic(&header(b"bob:\xe9")), Some(("bob".into(), vec![0xe9])), "passwords are bytes");
    }

    #[test]
    fn rule_16_credentials_print_without_the_password() {
        let credentials = Credentials::from_basic(b"Basic YWRtaW46YmFkbWlu").unwrap().unwrap();
        let printed = format!("{credentials:?}");
        assert!(printed.contains("admin") && !printed.contains("badmin"), "{printed}");
    }
}
