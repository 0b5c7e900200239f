//! Keyed digests of what clients show, so that no password is ever a key of a table.
//!
//! A digest tells nothing without its key. That of remembered passwords is random, and lives and dies with the process.

use std::num::NonZeroU64;

use aws_lc_rs::{digest, hmac};

use super::secret::{self, NoRandomness, Secret};

/// A digest of credentials; meaningless without its key.
pub type CredentialsDigest = [u8; digest::SHA256_OUTPUT_LEN];

/// The digest of an account's name, under a key.
pub type NameDigest = [u8; 16];

/// A key: random, or derived from a secret that other servers of the registry have, too.
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

    /// The digest of a name.
    pub(super) fn name(&self, name: &str) -> NameDigest {
        let digest = self.digest(&[b"name", name.as_bytes()]);
        digest.first_chunk().copied().unwrap_or_default()
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

impl From<hmac::Key> for DigestKey {
    fn from(key: hmac::Key) -> Self {
        Self(key)
    }
}

impl Guess {
    /// As a number, for another server with the same key.
    pub(super) fn number(self) -> u64 {
        self.0.get()
    }

    /// The guess of such a number.
    pub(super) fn from_number(number: u64) -> Self {
        Self(NonZeroU64::new(number).unwrap_or(NonZeroU64::MIN))
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
