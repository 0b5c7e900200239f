//! Keyed digests of what clients show, so that no password is ever a key of a table.
//!
//! A digest tells nothing without its key, which is random and lives and dies with the process.

use std::num::NonZeroU64;

use aws_lc_rs::{digest, hmac};

use super::secret::{self, NoRandomness, Secret};

/// A digest of credentials; meaningless outside of this process.
pub type CredentialsDigest = [u8; digest::SHA256_OUTPUT_LEN];

/// A random key.
#[derive(Clone)]
pub struct DigestKey(hmac::Key);

/// A digest of an account and a password: two equal ones are the same guess. Short, since a table holds many of them;
/// two guesses that are taken for one make nothing right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Guess(NonZeroU64);

impl DigestKey {
    /// A new key.
    ///
    /// # Errors
    /// [`NoRandomness`].
    pub fn random() -> Result<Self, NoRandomness> {
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, &secret::random::<32>()?)))
    }

    /// HMAC-SHA256 over the parts, each behind its length, so that no two lists are the same bytes.
    pub(super) fn digest(&self, parts: &[&[u8]]) -> CredentialsDigest {
        let mut context = hmac::Context::with_key(&self.0);
        for part in parts {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        let mut digest = CredentialsDigest::default();
        for (to, from) in digest.iter_mut().zip(context.sign().as_ref()) {
            *to = *from;
        }
        digest
    }

    /// The guess that this password is; none without a password.
    pub(super) fn guess(&self, account: &str, password: &Secret) -> Option<Guess> {
        if password.expose().is_empty() {
            return None;
        }
        let digest = self.digest(&[account.as_bytes(), password.expose()]);
        let first = digest.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes));
        Some(Guess(NonZeroU64::new(first).unwrap_or(NonZeroU64::MIN)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rule_37_a_guess_is_an_account_with_a_password() {
        let key = DigestKey::random().unwrap();
        let guess = |account, password| key.guess(account, &Secret::new(password));
        assert_eq!(guess("bob", "pw"), guess("bob", "pw"));
        assert_ne!(guess("bob", "pw"), guess("bob", "pw2"));
        assert_ne!(guess("bob", "pw"), guess("bobp", "w"));
        assert_ne!(guess("bob", "pw"), guess("BOB", "pw"), "one of the two may be right");
        assert_ne!(guess("bob", "pw"), DigestKey::random().unwrap().guess("bob", &Secret::new("pw")));
        assert_eq!(guess("bob", ""), None, "no password is no guess");
    }
}
