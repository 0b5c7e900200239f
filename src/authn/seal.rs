//! Sealing of what leaves this process and comes back: attempts of sign-ins in cookies, and in the state the tokens of
//! providers and the keys of certificates.

use std::fmt;

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey},
    hmac,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL};
use zeroize::Zeroizing;

/// The key that seals, which comes from a key that lasts: with another one, nothing sealed before is read.
pub struct Seal(RandomizedNonceKey);

/// Bytes of a nonce.
const NONCE: usize = 12;

impl Seal {
    /// The key for sealing that `key` makes, which is derived for one purpose. `None` where the library refuses.
    pub fn new(key: &hmac::Key) -> Option<Self> {
        let bytes = hmac::sign(key, b"AES-256-GCM");
        RandomizedNonceKey::new(&AES_256_GCM, bytes.as_ref()).ok().map(Self)
    }

    /// Seals a text that opens for this `purpose` only. `None` where the library refuses.
    pub fn seal(&self, purpose: &str, text: &[u8]) -> Option<String> {
        let mut sealed = text.to_vec();
        let nonce = self.0.seal_in_place_append_tag(Aad::from(purpose.as_bytes()), &mut sealed).ok()?;
        Some(BASE64URL.encode([nonce.as_ref().as_slice(), &sealed].concat()))
    }

    /// Opens what was sealed for this `purpose`; `None` for anything else.
    pub fn open(&self, purpose: &str, sealed: &str) -> Option<Vec<u8>> {
        let bytes = BASE64URL.decode(sealed).ok()?;
        let (nonce, text) = bytes.split_at_checked(NONCE)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut text = Zeroizing::new(text.to_vec());
        let opened = self.0.open_in_place(nonce, Aad::from(purpose.as_bytes()), &mut text).ok()?;
        Some(opened.to_vec())
    }
}

impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}
