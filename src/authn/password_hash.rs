//! bcrypt hashes as an operator writes them: parsed strictly, verified, made.
//!
//! Whose hash it is, and what an unknown user costs, is in `users`. Everything here blocks for as long as the
//! cost says (2^cost rounds); the caller keeps it off the async threads.

use std::{fmt, hint};

use aws_lc_rs::constant_time;
use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use zeroize::Zeroizing;

use super::secret::{self, NoRandomness, Secret};

/// The cost of new hashes: Go's own default and the least that OWASP's password storage sheet allows; about 50 ms of a
/// core. Not more, because all clients share the bounded pool that verifies, and each wrong guess, for any account,
/// costs as much as the costliest hash configured.
pub const DEFAULT_COST: u32 = 10;

const COSTS: std::ops::RangeInclusive<u32> = 4..=31;
const VERSIONS: [&str; 3] = ["$2a$", "$2b$", "$2y$"];
const SALT_CHARS: usize = 22;
const BODY_CHARS: usize = 53;
const MAX_PASSWORD_BYTES: usize = 72;

/// bcrypt's own base64. A salt's last character has four bits too many: Go ignores them, and so must this.
const SALT: GeneralPurpose = engine(true);
/// A digest's last character has two bits too many: Go compares the text, so that a set bit never matches.
const DIGEST: GeneralPurpose = engine(false);

/// A valid bcrypt hash.
#[derive(Clone)]
pub struct PasswordHash {
    text: String,
    cost: u32,
    salt: [u8; 16],
    digest: [u8; 23],
}

impl PasswordHash {
    /// Reads `$2a$`, `$2b$` or `$2y$`, a cost of two digits from 04 to 31, and 53 characters of bcrypt's
    /// base64; nothing before, nothing after (docker_auth ignores trailing bytes and never matches the other
    /// mistakes).
    ///
    /// # Errors
    /// What is wrong, without the text: it may be a password in the clear.
    pub fn parse(text: &str) -> Result<Self, HashError> {
        let (cost, body) = split_cost(split_version(text)?)?;
        let (salt, digest) = decode_body(body)?;
        Ok(Self { text: text.to_owned(), cost, salt, digest })
    }

    /// The binary logarithm of the rounds, 4 to 31.
    pub fn cost(&self) -> u32 {
        self.cost
    }

    /// The hash as written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns true if this is the hash of `password`. A password that bcrypt would cut is never accepted, and costs
    /// nothing.
    pub fn verify(&self, password: &Secret) -> bool {
        let Ok(key) = bcrypt_key(password) else { return false };
        let digest = compute(self.cost, self.salt, &key);
        constant_time::verify_slices_are_equal(digest.as_slice(), &self.digest).is_ok()
    }

    /// Makes a new hash with a random salt: what `htpasswd -nB` prints after the colon (`$2y$…`).
    ///
    /// # Errors
    /// A password that is empty, over 72 bytes or with a NUL; a cost outside 4 to 31; no randomness.
    pub fn create(password: &Secret, cost: u32) -> Result<String, PasswordError> {
        if !COSTS.contains(&cost) {
            return Err(PasswordError::Cost(cost));
        }
        if password.expose().is_empty() {
            return Err(PasswordError::Empty);
        }
        let key = bcrypt_key(password)?;
        let salt = secret::random()?;
        let digest = compute(cost, salt, &key);
        Ok(format!("$2y${cost:02}${}{}", SALT.encode(salt), DIGEST.encode(digest)))
    }
}

/// The hash is left out: any reader of it could attack it offline.
impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PasswordHash").field("cost", &self.cost).finish_non_exhaustive()
    }
}

/// Does the work of one verification at `cost` for nothing (rule 17); none for a password that is refused
/// unseen.
pub(super) fn burn(cost: u32, password: &Secret) {
    if let Ok(key) = bcrypt_key(password) {
        hint::black_box(compute(cost, [0; 16], &key));
    }
}

/// The reasons for which a hash is rejected. Never carries the hash.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HashError {
    /// Nothing there.
    #[error("the password hash is empty")]
    Empty,
    /// Another kind of hash, or a password in the clear.
    #[error("this is no bcrypt hash: it does not begin with $2a$, $2b$ or $2y$")]
    NotBcrypt,
    /// `$2$`, `$2x$` or something newer than this.
    #[error("this bcrypt version is not supported: only $2a$, $2b$ and $2y$ are")]
    Version,
    /// Not two digits from 04 to 31 and a `$`.
    #[error("the bcrypt cost is not two digits from 04 to 31, followed by a $")]
    Cost,
    /// Fewer than 60 bytes; how many there are.
    #[error("the bcrypt hash is cut short: {0} bytes instead of 60")]
    TooShort(usize),
    /// More than 60 bytes; how many there are.
    #[error("something follows the bcrypt hash: {0} bytes instead of 60")]
    TooLong(usize),
    /// A byte that bcrypt's base64 does not have.
    #[error("the bcrypt hash has characters other than ./A-Za-z0-9")]
    Alphabet,
    /// Ends in a character that no bcrypt hash ends in, so that nothing could ever match.
    #[error("the bcrypt hash is damaged: its last character is impossible")]
    LastCharacter,
}

impl HashError {
    /// Returns the remedy.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::TooLong(_) => {
                "remove what follows the 60 characters of the hash (a space? the newline of a `|` block?), \
                 or make a new one with `portwarden hash`"
            }
            Self::NotBcrypt => "make one with `portwarden hash`; passwords are never written in the clear",
            _ => "make a new one with `portwarden hash`",
        }
    }
}

/// The reasons for which a password cannot be hashed. Never carries the password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// Nothing to guess.
    #[error("the password is empty; choose another")]
    Empty,
    /// Over the 72 bytes that bcrypt looks at; how many there are.
    #[error("the password has {0} bytes, and bcrypt looks at 72 only; choose one of at most 72 bytes")]
    TooLong(usize),
    /// Has a NUL byte. bcrypt repeats `password NUL` until it has 72 bytes: `x` and `x NUL x` are the same to
    /// it.
    #[error("the password has a NUL byte, where bcrypt stops; choose another")]
    Nul,
    /// A cost outside 4 to 31.
    #[error("the cost {0} is not between 4 and 31; {DEFAULT_COST} is usual")]
    Cost(u32),
    /// No salt.
    #[error("{0}")]
    NoRandomness(NoRandomness),
}

impl From<NoRandomness> for PasswordError {
    fn from(error: NoRandomness) -> Self {
        Self::NoRandomness(error)
    }
}

fn split_version(text: &str) -> Result<&str, HashError> {
    match VERSIONS.iter().find_map(|version| text.strip_prefix(version)) {
        Some(rest) => Ok(rest),
        None if text.is_empty() => Err(HashError::Empty),
        None if text.starts_with("$2") => Err(HashError::Version),
        None => Err(HashError::NotBcrypt),
    }
}

/// `05$…` -> 5 and the rest. `str::parse` alone would take `+5`.
fn split_cost(rest: &str) -> Result<(u32, &str), HashError> {
    let (digits, body) = rest.split_once('$').ok_or(HashError::Cost)?;
    if digits.len() != 2 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(HashError::Cost);
    }
    match digits.parse() {
        Ok(cost) if COSTS.contains(&cost) => Ok((cost, body)),
        _ => Err(HashError::Cost),
    }
}

fn decode_body(body: &str) -> Result<([u8; 16], [u8; 23]), HashError> {
    let prefix = 60 - BODY_CHARS;
    match body.len() {
        BODY_CHARS => {}
        short if short < BODY_CHARS => return Err(HashError::TooShort(prefix + short)),
        long => return Err(HashError::TooLong(prefix + long)),
    }
    let (salt, digest) = body.as_bytes().split_at_checked(SALT_CHARS).ok_or(HashError::Alphabet)?;
    Ok((decode(&SALT, salt)?, decode(&DIGEST, digest)?))
}

fn decode<const N: usize>(engine: &GeneralPurpose, text: &[u8]) -> Result<[u8; N], HashError> {
    let mut bytes = [0; N];
    match engine.decode_slice(text, &mut bytes) {
        Ok(length) if length == N => Ok(bytes),
        Err(base64::DecodeSliceError::DecodeError(base64::DecodeError::InvalidLastSymbol { .. })) => {
            Err(HashError::LastCharacter)
        }
        _ => Err(HashError::Alphabet),
    }
}

const fn engine(ignore_trailing_bits: bool) -> GeneralPurpose {
    let config = GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::RequireNone)
        .with_decode_allow_trailing_bits(ignore_trailing_bits);
    GeneralPurpose::new(&alphabet::BCRYPT, config)
}

/// The key of bcrypt: the password and a NUL, at most 72 bytes. With the two refusals no two passwords have
/// the same. (The crate's `non_truncating_*` refuse 72 bytes as well, which docker_auth accepts.)
fn bcrypt_key(password: &Secret) -> Result<Zeroizing<Vec<u8>>, PasswordError> {
    let bytes = password.expose();
    if bytes.len() > MAX_PASSWORD_BYTES {
        return Err(PasswordError::TooLong(bytes.len()));
    }
    if bytes.contains(&0) {
        return Err(PasswordError::Nul);
    }
    let mut key = Zeroizing::new(Vec::with_capacity(MAX_PASSWORD_BYTES + 1));
    key.extend_from_slice(bytes);
    key.push(0);
    key.truncate(MAX_PASSWORD_BYTES);
    Ok(key)
}

fn compute(cost: u32, salt: [u8; 16], key: &[u8]) -> [u8; 23] {
    #[cfg(test)]
    work::count(cost);
    let [digest @ .., _] = bcrypt::bcrypt(cost, salt, key);
    digest
}

/// Counts the rounds of bcrypt on this thread, so that tests need not look at a clock.
#[cfg(test)]
pub(super) mod work {
    use std::cell::Cell;

    thread_local!(static ROUNDS: Cell<u64> = const { Cell::new(0) });

    pub(super) fn count(cost: u32) {
        ROUNDS.set(ROUNDS.get() + (1 << cost));
    }

    /// The rounds that `f` makes bcrypt do.
    pub(in super::super) fn rounds(f: impl FnOnce()) -> u64 {
        let before = ROUNDS.get();
        f();
        ROUNDS.get() - before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Of "123", made by htpasswd.
    const HASH: &str = "$2y$05$WuwBasGDAgr.QCbGIjKJaep4dhxeai9gNZdmBnQXqpKly57oNutya";

    fn error(text: &str) -> HashError {
        PasswordHash::parse(text).unwrap_err()
    }

    fn secret(text: &str) -> Secret {
        Secret::new(text)
    }

    #[test]
    fn a_hash_says_exactly_what_is_wrong_with_it() {
        assert_eq!(error(""), HashError::Empty);
        assert_eq!(error("123"), HashError::NotBcrypt);
        assert_eq!(error(&format!(" {HASH}")), HashError::NotBcrypt);
        assert_eq!(error(&HASH.replace("2y", "2x")), HashError::Version);
        assert_eq!(error(&HASH.replace("2y", "2")), HashError::Version);
        for cost in ["5", "005", "03", "32", "+5", "5 ", "", "0é"] {
            assert_eq!(error(&HASH.replace("$05$", &format!("${cost}$"))), HashError::Cost, "{cost:?}");
        }
        assert_eq!(error("$2y$05"), HashError::Cost);
        assert_eq!(error(&HASH[..59]), HashError::TooShort(59));
        assert_eq!(error(&format!("{HASH}\n")), HashError::TooLong(61));
        assert_eq!(error(&HASH.replace("QCb", "QC=")), HashError::Alphabet);
        assert_eq!(error(&HASH.replace("Agr.Q", "Agré")), HashError::Alphabet);
        // A character that lies across the end of the salt.
        assert_eq!(error(&HASH.replace("Jaep", "Jaé")), HashError::Alphabet);
        assert_eq!(error(&HASH.replace("tya", "ty/")), HashError::LastCharacter);
    }

    #[test]
    fn rule_16_a_bad_hash_is_never_echoed() {
        for text in ["hunter2hunter2", "$2x$05$hunter2hunter2", "$2y$05$hunter2hunter2", "$2y$hunter2$"] {
            let error = error(text);
            let printed = format!("{error} {error:?} {}", error.hint());
            assert!(!printed.contains("hunter2"), "{printed}");
            assert!(error.hint().contains("portwarden hash"));
        }
        let printed = format!("{:?}", PasswordHash::parse(HASH).unwrap());
        assert_eq!(printed, "PasswordHash { cost: 5, .. }");
    }

    #[test]
    fn the_excess_bits_of_a_salt_are_ignored_as_go_does() {
        // The last character of the salt, `e`, with its low bits set.
        let lenient = PasswordHash::parse(&HASH.replace("Jaep4", "Jafp4")).unwrap();
        assert!(lenient.verify(&secret("123")) && !lenient.verify(&secret("124")));
    }

    #[test]
    fn a_new_hash_verifies_and_looks_like_htpasswds() {
        let made = PasswordHash::create(&secret("pässwörd"), 4).unwrap();
        assert!(made.starts_with("$2y$04$") && made.len() == 60, "{made}");
        let parsed = PasswordHash::parse(&made).unwrap();
        assert_eq!((parsed.cost(), parsed.as_str()), (4, made.as_str()));
        assert!(parsed.verify(&secret("pässwörd")));
        assert!(!parsed.verify(&secret("passwörd")));
        assert_ne!(made, PasswordHash::create(&secret("pässwörd"), 4).unwrap(), "the salt is random");
    }

    #[test]
    fn what_bcrypt_would_cut_is_refused() {
        let longest = "a".repeat(72);
        let hash = PasswordHash::parse(&PasswordHash::create(&secret(&longest), 4).unwrap()).unwrap();
        assert!(hash.verify(&secret(&longest)));
        assert!(!hash.verify(&secret(&"a".repeat(71))));
        assert!(!hash.verify(&secret(&"a".repeat(73))), "bcrypt alone would accept this one");
        let refused = PasswordHash::create(&secret(&"a".repeat(73)), 4);
        assert_eq!(refused, Err(PasswordError::TooLong(73)));

        let hash = PasswordHash::parse(&PasswordHash::create(&secret("x"), 4).unwrap()).unwrap();
        assert!(hash.verify(&secret("x")));
        assert!(!hash.verify(&secret("x\0x")), "bcrypt alone would accept this one");
        assert!(!hash.verify(&secret("x\0")));
        assert_eq!(PasswordHash::create(&secret("x\0x"), 4), Err(PasswordError::Nul));
    }

    #[test]
    fn costs_and_empty_passwords_are_limited() {
        for cost in [0, 3, 32, u32::MAX] {
            assert_eq!(PasswordHash::create(&secret("x"), cost), Err(PasswordError::Cost(cost)));
        }
        assert_eq!(PasswordHash::create(&secret(""), 4), Err(PasswordError::Empty));
    }
}
