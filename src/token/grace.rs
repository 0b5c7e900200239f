//! Upload grace: an upload that began with a valid token may be finished although the token has expired meanwhile.
//!
//! A client that uses one token for a whole upload would lose a long one at its last request. So each `Location` of an
//! upload carries a key, which names the last moment at which the token was valid and the end of the request that was
//! answered. The key is bound to the token and to the upload. It is stored nowhere, and any Portwarden with the same
//! signing key knows it. It proves that the token was valid then, and nothing else: the policy of now decides.

use std::sync::Arc;

use aws_lc_rs::{digest, hmac};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL};

use super::{AccessToken, Authority, TokenError, claims::SignedClaims, jws};

/// The time between two requests of an upload, in seconds, from the end of the one to the beginning of the other.
const LONGEST_PAUSE: u64 = 5 * 60;

/// The time for which an upload goes on without a valid token, in seconds.
const LONGEST_GRACE: u64 = 15 * 60;

/// Separates the key of these keys from other secrets of the same private key.
pub(super) const PURPOSE: &str = "portwarden upload grace v1";

/// The part of an upload's key that is known when a request is admitted. Prints as `***`.
#[derive(Clone, Copy)]
pub struct UploadGrace {
    token: [u8; digest::SHA256_OUTPUT_LEN],
    /// The last moment at which the token was seen to be valid: the beginning of a request, in seconds since 1970.
    valid: u64,
    /// The end of that request; `None` for the one that is under way.
    since: Option<u64>,
}

/// One upload, as its path names it.
#[derive(Debug, Clone, Copy)]
pub struct UploadName<'a> {
    /// The repository.
    pub repository: &'a str,
    /// The upload's id.
    pub id: &'a str,
}

impl UploadGrace {
    /// The grace of an upload whose request has shown this valid token, and begins `now`, in seconds since 1970.
    pub fn of_valid(token: &str, now: u64) -> Self {
        Self { token: fingerprint(token), valid: now, since: None }
    }

    /// The last moment at which the token was seen to be valid, in seconds since 1970.
    pub fn valid_at(&self) -> u64 {
        self.valid
    }
}

impl Authority {
    /// Returns the key for the next request of an upload, of which one has just ended. It is of letters, digits, `-`, `_`
    /// and dots. `now` in seconds since 1970.
    pub fn upload_key(&self, grace: &UploadGrace, upload: UploadName<'_>, now: u64) -> String {
        let since = grace.since.unwrap_or(now);
        let mac = hmac::sign(&self.uploads, &message(grace, upload, since, now));
        format!("{}.{since}.{now}.{}", grace.valid, BASE64URL.encode(mac))
    }

    /// Checks an access token that has expired, with the key of an upload's last answer.
    ///
    /// # Errors
    /// [`TokenError::Expired`] where the key is wrong, of another token or upload, or too old; else as
    /// [`Authority::verify`].
    pub fn verify_in_grace(
        &self,
        token: &str,
        key: &str,
        upload: UploadName<'_>,
        now: u64,
    ) -> Result<(Arc<AccessToken>, UploadGrace), TokenError> {
        let grace = self.grace_of(key, token, upload, now).ok_or(TokenError::Expired)?;
        let claims = jws::open(&self.key, jws::Kind::Access, token)?;
        let claims = SignedClaims::read(&claims, &self.settings.issuer, &self.settings.service, grace.valid)?;
        Ok((claims.token, grace))
    }

    fn grace_of(&self, key: &str, token: &str, upload: UploadName<'_>, now: u64) -> Option<UploadGrace> {
        let mut parts = key.splitn(4, '.');
        let mut number = || parts.next()?.parse::<u64>().ok();
        let (valid, since, ended) = (number()?, number()?, number()?);
        let mac = BASE64URL.decode(parts.next()?).ok()?;
        let grace = UploadGrace { since: Some(since), ..UploadGrace::of_valid(token, valid) };
        hmac::verify(&self.uploads, &message(&grace, upload, since, ended), &mac).ok()?;
        let is_recent =
            now <= ended.saturating_add(LONGEST_PAUSE) && now <= since.saturating_add(LONGEST_GRACE);
        is_recent.then_some(grace)
    }
}

fn fingerprint(token: &str) -> [u8; digest::SHA256_OUTPUT_LEN] {
    let mut bytes = [0; digest::SHA256_OUTPUT_LEN];
    bytes.copy_from_slice(digest::digest(&digest::SHA256, token.as_bytes()).as_ref());
    bytes
}

/// Neither a repository's name nor an upload's id has a zero byte.
fn message(grace: &UploadGrace, upload: UploadName<'_>, since: u64, ended: u64) -> Vec<u8> {
    let UploadName { repository, id } = upload;
    let times = [grace.valid, since, ended].map(u64::to_be_bytes).concat();
    [&grace.token[..], &times, repository.as_bytes(), &[0], id.as_bytes()].concat()
}

impl std::fmt::Debug for UploadGrace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::testing::{NOW, P256, authority, generate};

    const UPLOAD: UploadName<'_> = UploadName { repository: "team/app", id: "0b9d" };

    #[test]
    fn rule_48_a_key_is_good_for_five_minutes_for_its_token_and_its_upload() {
        let authority = authority(&generate(P256));
        let issue = || authority.issue("ci", "Docker registry", &[], NOW).unwrap();
        let (token, end) = (issue().token, NOW + issue().expires_in + 60);
        let key = authority.upload_key(&UploadGrace::of_valid(token.expose(), end), UPLOAD, end);
        let at = |token: &str, upload, now| authority.verify_in_grace(token, &key, upload, now).map(|_| ());
        assert_eq!(authority.verify(token.expose(), end + 1).unwrap_err(), TokenError::Expired);
        assert_eq!(at(token.expose(), UPLOAD, end + 1), Ok(()));
        assert_eq!(at(token.expose(), UPLOAD, end + LONGEST_PAUSE), Ok(()));
        let expired = Err(TokenError::Expired);
        assert_eq!(at(token.expose(), UPLOAD, end + LONGEST_PAUSE + 1), expired);
        assert_eq!(at(issue().token.expose(), UPLOAD, end + 1), expired, "another token");
        assert_eq!(at(token.expose(), UploadName { id: "1", ..UPLOAD }, end + 1), expired);
        assert_eq!(
            at(token.expose(), UploadName { repository: "team/ap", id: "p\x000b9d" }, end + 1),
            expired
        );
        for wrong in ["", "1", "1.2", "1.2.", "1.2.3.4", &key.replacen('.', "0.", 1), &format!("{key}x")] {
            let verified = authority.verify_in_grace(token.expose(), wrong, UPLOAD, end + 1);
            assert_eq!(verified.map(|_| ()), expired, "{wrong}");
        }
    }

    #[test]
    fn rule_48_without_a_valid_token_an_upload_goes_on_for_fifteen_minutes_at_most() {
        let authority = authority(&generate(P256));
        let issued = authority.issue("ci", "Docker registry", &[], NOW).unwrap();
        let (token, end) = (issued.token.expose(), NOW + issued.expires_in + 60);
        let mut key = authority.upload_key(&UploadGrace::of_valid(token, end), UPLOAD, end);
        for now in [end + 250, end + 500, end + 750] {
            let (_, grace) = authority.verify_in_grace(token, &key, UPLOAD, now).unwrap();
            assert_eq!(grace.valid_at(), end);
            key = authority.upload_key(&grace, UPLOAD, now);
        }
        assert!(authority.verify_in_grace(token, &key, UPLOAD, end + LONGEST_GRACE).is_ok());
        assert!(authority.verify_in_grace(token, &key, UPLOAD, end + LONGEST_GRACE + 1).is_err());
    }

    #[test]
    fn a_request_that_goes_on_long_after_the_end_of_its_token_is_followed_by_others() {
        let authority = authority(&generate(P256));
        let issued = authority.issue("ci", "Docker registry", &[], NOW).unwrap();
        let (token, end) = (issued.token.expose(), NOW + issued.expires_in + 7200);
        let key = authority.upload_key(&UploadGrace::of_valid(token, NOW + 800), UPLOAD, end);
        let at = |now| authority.verify_in_grace(token, &key, UPLOAD, now).map(|(_, grace)| grace.valid_at());
        assert_eq!(at(end + 1), Ok(NOW + 800));
        assert_eq!(at(end + LONGEST_PAUSE + 1), Err(TokenError::Expired));
        let late = authority.upload_key(&UploadGrace::of_valid(token, end), UPLOAD, end);
        assert!(authority.verify_in_grace(token, &late, UPLOAD, end).is_err(), "it was not valid then");
    }

    #[test]
    fn rule_48_a_key_makes_no_token_of_what_is_none() {
        let (ours, other) = (authority(&generate(P256)), authority(&generate(P256)));
        let foreign = other.issue("ci", "Docker registry", &[], NOW).unwrap().token;
        let refresh = ours.issue_refresh("ci", "Docker registry", &ours.fingerprint("ci", "x"), NOW).unwrap();
        let elsewhere = ours.issue("ci", "another registry", &[], NOW).unwrap().token;
        for token in [foreign.expose(), refresh.expose(), elsewhere.expose(), "a.b.c"] {
            let key = ours.upload_key(&UploadGrace::of_valid(token, NOW), UPLOAD, NOW);
            assert!(ours.verify_in_grace(token, &key, UPLOAD, NOW).is_err(), "{token}");
        }
    }
}
