//! A password or a token in memory: wiped when dropped, and printed as `***`.
//!
//! It cannot be cloned, compared or serialised: code that needs the content says so with `expose`. The strength of the
//! content is judged elsewhere (`password_hash`, `token`).

use std::fmt;

use aws_lc_rs::rand;
use zeroize::Zeroizing;

/// Bytes that must never be seen in a log, an error or a panic message.
///
/// Bytes and not text, because HTTP Basic carries bytes and bcrypt hashes bytes: docker_auth accepts a
/// password in Latin-1, and so does this.
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes the content over, without copying it.
    pub fn new(content: impl Into<Vec<u8>>) -> Self {
        Self(Zeroizing::new(content.into()))
    }

    /// The content. Only for what compares, hashes or sends it.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// The content where it is UTF-8, as tokens are.
    pub fn expose_text(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// The operating system gave no random bytes; nothing secret can be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the operating system gave no random bytes; look at its getrandom(2) and /dev/urandom")]
pub struct NoRandomness;

/// `N` unpredictable bytes.
pub(super) fn random<const N: usize>() -> Result<[u8; N], NoRandomness> {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).map_err(|_| NoRandomness)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use zeroize::ZeroizeOnDrop;

    use super::*;

    #[test]
    fn rule_16_secrets_print_as_stars() {
        let secret = Secret::new("hunter2");
        assert_eq!(format!("{secret} {secret:?} {secret:#?} {secret:>9}"), "*** *** *** ***");
    }

    #[test]
    fn rule_16_secrets_are_wiped_when_dropped() {
        // Freed memory cannot be looked at without `unsafe`; that the field is of a wiping type can be held.
        fn wiped(_: &impl ZeroizeOnDrop) {}
        wiped(&Secret::new("hunter2").0);
    }

    #[test]
    fn text_is_exposed_only_where_it_is_text() {
        assert_eq!(Secret::new("é").expose_text(), Some("é"));
        assert_eq!(Secret::new(vec![0xe9]).expose_text(), None);
        assert_eq!(Secret::new(vec![0xe9]).expose(), [0xe9]);
    }
}
