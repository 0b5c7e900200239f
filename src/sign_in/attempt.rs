//! An attempt to sign in: a browser that was sent to a provider, and is to come back within ten minutes.

use aws_lc_rs::{constant_time, digest, rand};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL};
use serde::{Deserialize, Serialize};

use crate::authn::{Seal, SignInSection};

/// The time for which an attempt counts, in seconds.
pub const LIFETIME: u64 = 600;
/// The longest address to go on to, in bytes: a cookie of 4 KiB holds it.
const LONGEST_NEXT: usize = 1024;

/// An attempt. It opens for its section only, so a code that another provider gave is never redeemed.
#[derive(Serialize, Deserialize)]
pub struct Attempt {
    /// `state`: binds the answer to this browser (RFC 6749, section 10.12).
    pub state: String,
    /// `nonce`: binds an ID token to this attempt (OpenID Connect Core 1.0, section 3.1.2.1).
    pub nonce: String,
    /// The verifier of PKCE (RFC 7636).
    pub verifier: String,
    /// The redirect URI that was sent, which the token request repeats; `None` where none was sent.
    pub redirect_uri: Option<String>,
    /// The page to go on to.
    pub next: String,
    /// Its time, in seconds since 1970.
    pub at: u64,
}

impl Attempt {
    /// A new attempt at `now`, in seconds since 1970; `None` where the system gives no random bytes.
    pub fn new(redirect_uri: Option<String>, next: &str, now: u64) -> Option<Self> {
        let next = if next.len() > LONGEST_NEXT { "/" } else { next };
        Some(Self {
            state: random()?,
            nonce: random()?,
            verifier: random()?,
            redirect_uri,
            next: next.to_owned(),
            at: now,
        })
    }

    /// The challenge of PKCE by `S256`.
    pub fn challenge(&self) -> String {
        BASE64URL.encode(digest::digest(&digest::SHA256, self.verifier.as_bytes()))
    }

    /// Returns true if the answer of a provider carries the `state` of this attempt.
    pub fn is_answered_by(&self, state: &str) -> bool {
        constant_time::verify_slices_are_equal(self.state.as_bytes(), state.as_bytes()).is_ok()
    }

    /// The attempt as a cookie holds it; `None` where the library refuses.
    pub fn sealed(&self, seal: &Seal, section: SignInSection) -> Option<String> {
        seal.seal(&purpose(section), &serde_json::to_vec(self).ok()?)
    }

    /// Opens the attempt of a cookie; `None` for one of another section, of another server, or one that is over.
    pub fn open(sealed: &str, seal: &Seal, section: SignInSection, now: u64) -> Option<Self> {
        let attempt: Self = serde_json::from_slice(&seal.open(&purpose(section), sealed)?).ok()?;
        // One that is of a later time was made by a clock that was ahead.
        (now.abs_diff(attempt.at) < LIFETIME).then_some(attempt)
    }
}

fn purpose(section: SignInSection) -> String {
    format!("attempt {}", section.key())
}

/// 256 random bits, as 43 characters.
fn random() -> Option<String> {
    let mut bytes = [0; 32];
    rand::fill(&mut bytes).ok()?;
    Some(BASE64URL.encode(bytes))
}
