//! The name of a request, by which its lines in our log, the audit log and the registry's log are found together.

use std::fmt;

/// The largest name that is taken over from another proxy.
const LONGEST: usize = 64;

/// `X-Request-Id`: 32 hexadecimal digits, or what a trusted proxy before us says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(Box<str>);

impl RequestId {
    /// A name that nobody can guess, so that it tells nothing of how many requests there are.
    pub fn random() -> Self {
        let mut bytes = [0; 16];
        // Without randomness requests have the same name; nothing rests on it.
        let _ = aws_lc_rs::rand::fill(&mut bytes);
        Self(format!("{:032x}", u128::from_be_bytes(bytes)).into())
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
        assert_ne!(id, RequestId::random());
        assert_eq!(RequestId::given(id.as_str()), Some(id));
        for bad in ["", "a b", "a\n", "ü", "a\"b", &"a".repeat(65)] {
            assert_eq!(RequestId::given(bad), None, "{bad:?}");
        }
    }
}
