//! The name of a request, by which its lines in Portwarden's log, the audit log and the registry's log are found
//! together.

use std::{cell::RefCell, fmt};

/// The largest name that is taken over from another proxy.
const LONGEST: usize = 64;

/// Bytes of a name of our own.
const LENGTH: usize = 16;

/// Names that are drawn at once: to ask for 16 random bytes costs nearly as much as to ask for a thousand.
const DRAWN: usize = 64;

thread_local! {
    static RESERVE: RefCell<Reserve> = const { RefCell::new(Reserve { names: [[0; LENGTH]; DRAWN], left: 0 }) };
}

/// Random bytes for the next names of a thread.
struct Reserve {
    names: [[u8; LENGTH]; DRAWN],
    left: usize,
}

impl Reserve {
    /// Each is taken once.
    fn take(&mut self) -> [u8; LENGTH] {
        if self.left == 0 {
            // Without randomness requests have the same names; nothing rests on it.
            let _ = aws_lc_rs::rand::fill(self.names.as_flattened_mut());
            self.left = DRAWN;
        }
        self.left -= 1;
        self.names.get(self.left).copied().unwrap_or_default()
    }
}

/// `X-Request-Id`: 32 hexadecimal digits, or the id that a trusted proxy in front gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(Box<str>);

impl RequestId {
    /// An unpredictable name, so that it tells nothing of the number of requests.
    pub fn random() -> Self {
        let mut text = String::with_capacity(LENGTH * 2);
        for byte in RESERVE.with_borrow_mut(Reserve::take) {
            for digit in [byte >> 4, byte & 15] {
                text.push(char::from_digit(digit.into(), 16).unwrap_or_default());
            }
        }
        Self(text.into())
    }

    /// A name that was given elsewhere; `None` when it is too long or has bytes that could be mistaken in a log.
    pub fn given(text: &str) -> Option<Self> {
        let is_plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':' | b'=');
        let is_name = !text.is_empty() && text.len() <= LONGEST && text.bytes().all(is_plain);
        is_name.then(|| Self(text.into()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_differ_and_given_ones_are_plain() {
        let id = RequestId::random();
        assert_eq!(id.as_str().len(), 32);
        let many: std::collections::BTreeSet<_> =
            (0..1000).map(|_| RequestId::random().as_str().to_owned()).collect();
        assert!(many.len() == 1000 && !many.contains(id.as_str()));
        assert!(many.iter().all(|id| id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit())));
        assert_eq!(RequestId::given(id.as_str()), Some(id));
        for bad in ["", "a b", "a\n", "ü", "a\"b", &"a".repeat(65)] {
            assert_eq!(RequestId::given(bad), None, "{bad:?}");
        }
    }
}
