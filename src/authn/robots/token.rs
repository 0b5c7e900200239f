//! The text of a robot's token: `pwt_<id><secret><checksum>`, in lower-case hexadecimal digits.
//!
//! | part | digits | meaning |
//! |---|---|---|
//! | `pwt_` | - | the mark by which scanners of secrets find a leaked token |
//! | id | 12 | the first digits of the `sha256` in the configuration, so that an operator finds the line of a token |
//! | secret | 64 | 256 random bits |
//! | checksum | 8 | the first digits of the SHA-256 of all before it: finds a typing error without a look-up |
//!
//! The configuration has the SHA-256 of the secret's 64 digits. A password needs bcrypt because it can be guessed; 256
//! random bits cannot, so one round of SHA-256 is as safe and takes less than a microsecond.

use std::fmt;

use aws_lc_rs::{constant_time, digest};
use zeroize::Zeroizing;

use crate::authn::{
    NoRandomness, Secret,
    secret::{self},
};

/// The mark of every token.
const MARK: &str = "pwt_";
/// Bytes of a secret, and of its digest.
const BYTES: usize = 32;
const ID_DIGITS: usize = 12;
const SECRET_DIGITS: usize = 2 * BYTES;
const CHECKSUM_DIGITS: usize = 8;

/// Returns true if this is meant as a robot's token, in whole or in part, and so must be shown to no back end: it begins
/// as one, or has the beginning of one within, as with a quote or a space too many. In either case of the letters.
pub fn is_robot_token(text: &[u8]) -> bool {
    let has_mark =
        |part: &[u8]| part.get(..MARK.len()).is_some_and(|mark| mark.eq_ignore_ascii_case(MARK.as_bytes()));
    let has_id = |part: &[u8]| part.iter().skip(MARK.len()).all(u8::is_ascii_hexdigit);
    has_mark(text) || text.windows(MARK.len() + ID_DIGITS).any(|part| has_mark(part) && has_id(part))
}

/// A claimed name as it may be logged: a robot's token in its place is a secret.
pub fn fit_to_log(name: &str) -> &str {
    if is_robot_token(name.as_bytes()) { "pwt_***" } else { name }
}

/// A token that has just been made.
pub struct NewToken {
    /// The token itself, to be shown once.
    pub token: Secret,
    /// The digest, for the configuration.
    pub digest: TokenDigest,
}

impl NewToken {
    /// Makes one of 256 random bits.
    ///
    /// # Errors
    /// [`NoRandomness`].
    pub fn random() -> Result<Self, NoRandomness> {
        let secret = Zeroizing::new(digits(&*Zeroizing::new(secret::random::<BYTES>()?)));
        let digest = TokenDigest::of_secret(secret.as_bytes());
        let mut token = Zeroizing::new(format!("{MARK}{}{}", digest.id(), *secret));
        let checksum = checksum(token.as_bytes());
        token.push_str(&checksum);
        Ok(Self { token: Secret::new(token.as_bytes()), digest })
    }
}

/// The SHA-256 of a token's secret. It reveals nothing about the secret.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenDigest([u8; BYTES]);

/// A text that is no token: mistyped, or cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mistyped;

impl fmt::Display for Mistyped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the token has a typing error, or a part of it is missing: its checksum is wrong")
    }
}

impl std::error::Error for Mistyped {}

impl TokenDigest {
    /// Reads the digest of a token's secret, if the token is as it was made.
    ///
    /// # Errors
    /// [`Mistyped`].
    pub fn of(token: &Secret) -> Result<Self, Mistyped> {
        let token = token.expose_text().filter(|token| token.is_ascii()).ok_or(Mistyped)?;
        let rest = token.strip_prefix(MARK).ok_or(Mistyped)?;
        if rest.len() != ID_DIGITS + SECRET_DIGITS + CHECKSUM_DIGITS {
            return Err(Mistyped);
        }
        let (before, written) = token.split_at(token.len() - CHECKSUM_DIGITS);
        if checksum(before.as_bytes()) != written {
            return Err(Mistyped);
        }
        let (id, secret) = rest.split_at(ID_DIGITS);
        let secret = secret.get(..SECRET_DIGITS).ok_or(Mistyped)?;
        let digest = Self::of_secret(secret.as_bytes());
        if digest.id() == id { Ok(digest) } else { Err(Mistyped) }
    }

    /// Reads 64 hexadecimal digits, in either case; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let nibbles: Vec<u32> = text.chars().map(|c| c.to_digit(16)).collect::<Option<_>>()?;
        let bytes: Vec<u8> = nibbles
            .chunks_exact(2)
            .filter_map(|pair| u8::try_from(pair.iter().fold(0, |byte, nibble| byte * 16 + nibble)).ok())
            .collect();
        let is_whole = nibbles.len() == SECRET_DIGITS;
        is_whole.then(|| bytes.try_into().ok().map(Self)).flatten()
    }

    /// The name of the token, for logs and for a claim: the first twelve digits of the digest. Not secret.
    pub fn id(&self) -> String {
        let mut id = self.to_string();
        id.truncate(ID_DIGITS);
        id
    }

    /// Compares two in constant time.
    pub fn is(&self, other: &Self) -> bool {
        #[cfg(test)]
        work::count();
        constant_time::verify_slices_are_equal(&self.0, &other.0).is_ok()
    }

    fn of_secret(secret: &[u8]) -> Self {
        let mut bytes = [0; BYTES];
        let digest = digest::digest(&digest::SHA256, secret);
        bytes.iter_mut().zip(digest.as_ref()).for_each(|(to, from)| *to = *from);
        Self(bytes)
    }
}

/// As the configuration has it: 64 digits.
impl fmt::Display for TokenDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&digits(&self.0))
    }
}

impl fmt::Debug for TokenDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.id())
    }
}

fn checksum(text: &[u8]) -> String {
    let mut checksum = digits(digest::digest(&digest::SHA256, text).as_ref());
    checksum.truncate(CHECKSUM_DIGITS);
    checksum
}

fn digits(bytes: &[u8]) -> String {
    let nibbles = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    nibbles.filter_map(|nibble| char::from_digit(nibble.into(), 16)).collect()
}

/// Counts comparisons on this thread, so that a test can hold that each login takes as many.
#[cfg(test)]
pub(super) mod work {
    use std::cell::Cell;

    thread_local!(static COMPARISONS: Cell<u32> = const { Cell::new(0) });

    pub(super) fn count() {
        COMPARISONS.set(COMPARISONS.get() + 1);
    }

    pub(in crate::authn::robots) fn comparisons(run: impl FnOnce()) -> u32 {
        COMPARISONS.set(0);
        run();
        COMPARISONS.get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made() -> (String, TokenDigest) {
        let NewToken { token, digest } = NewToken::random().unwrap();
        (token.expose_text().unwrap().to_owned(), digest)
    }

    fn of(token: &str) -> Result<TokenDigest, Mistyped> {
        TokenDigest::of(&Secret::new(token))
    }

    #[test]
    fn a_token_gives_the_digest_that_the_file_has() {
        let (token, digest) = made();
        assert_eq!((token.len(), of(&token)), (88, Ok(digest)));
        assert!(token.starts_with(&format!("pwt_{}", digest.id())), "an operator finds the line of a token");
        assert_eq!(TokenDigest::parse(&digest.to_string()), Some(digest));
        assert_eq!(TokenDigest::parse(&digest.to_string().to_uppercase()), Some(digest));
        assert_ne!(made().0, token);
    }

    /// With the tools of any system: `printf %s "${token:16:64}" | sha256sum`.
    #[test]
    fn the_format_is_the_documented_one() {
        let secret = "0".repeat(64);
        let digest = TokenDigest::of_secret(secret.as_bytes());
        assert_eq!(digest.to_string(), "60e05bd1b195af2f94112fa7197a5c88289058840ce7c6df9693756bc6250f55");
        let token = format!("pwt_60e05bd1b195{secret}");
        assert_eq!(of(&format!("{token}{}", checksum(token.as_bytes()))), Ok(digest));
    }

    #[test]
    fn every_typing_error_is_found_by_the_checksum() {
        let (token, _) = made();
        for place in 0..token.len() {
            let mut wrong = token.clone().into_bytes();
            wrong[place] = if wrong[place] == b'0' { b'1' } else { b'0' };
            assert_eq!(of(&String::from_utf8(wrong).unwrap()), Err(Mistyped), "character {place}");
        }
        let swapped = |at: usize| {
            let mut bytes = token.clone().into_bytes();
            bytes.swap(at, at + 1);
            String::from_utf8(bytes).unwrap()
        };
        let swaps = (4..token.len() - 1).map(swapped).filter(|other| *other != token);
        assert!(swaps.map(|other| of(&other)).all(|read| read == Err(Mistyped)));
        for wrong in ["", "pwt_", &token[..87], &format!("{token} "), &token.to_uppercase(), "pwt_é"] {
            assert_eq!(of(wrong), Err(Mistyped), "{wrong}");
        }
    }

    #[test]
    fn an_id_of_another_token_is_a_typing_error_with_a_right_checksum_too() {
        let ((one, _), (other, _)) = (made(), made());
        let mixed = format!("{}{}", &one[..16], &other[16..80]);
        assert_eq!(of(&format!("{mixed}{}", checksum(mixed.as_bytes()))), Err(Mistyped));
    }

    #[test]
    fn a_digest_has_64_digits_and_nothing_else() {
        let long = "0".repeat(64);
        for wrong in
            ["", "0", &long[1..], &format!("{long}0"), &long.replace('0', "g"), &format!(" {}", &long[1..])]
        {
            assert_eq!(TokenDigest::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn rule_16_a_new_token_prints_as_stars() {
        let made = NewToken::random().unwrap();
        assert_eq!(made.token.to_string(), "***");
    }
}
