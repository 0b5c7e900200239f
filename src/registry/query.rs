//! The query of a `/v2` request: decoded once, strictly, and written anew for the registry.

use std::fmt;

/// Decoded pairs in the order of the client, raw bytes as Go's `net/url` keeps them. Empty pairs (`&&`) are dropped.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query(Vec<(Vec<u8>, Vec<u8>)>);

/// The reason why a query is refused. Displays as a sentence for the client.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// A `%` without two hexadecimal digits.
    #[error("the query has a bad percent-escape")]
    BadEscape,
    /// A raw space or control byte.
    #[error("the query has a raw space or control byte: percent-encode it")]
    Control,
    /// A raw `;`: some servers separate pairs there, some do not.
    #[error("the query has a raw ';': write it as %3B")]
    Semicolon,
    /// A parameter that decides what is authorised stands there twice.
    #[error("the query parameter {0:?} may stand there only once")]
    Repeated(String),
}

/// Parameters with a meaning: two of one kind could be understood in two ways.
const ONCE: [&str; 5] = ["from", "mount", "digest", "n", "last"];

impl Query {
    /// Reads what stands behind the `?`.
    ///
    /// # Errors
    /// A bad escape, a raw control byte or `;`, or a repeated parameter that has a meaning.
    pub fn parse(raw: &str) -> Result<Self, QueryError> {
        if raw.contains(';') {
            return Err(QueryError::Semicolon);
        }
        if raw.bytes().any(|b| b.is_ascii_control() || b == b' ') {
            return Err(QueryError::Control);
        }
        let pairs = raw.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let decode = |text: &str| percent_decode(text, true).ok_or(QueryError::BadEscape);
            Ok((decode(key)?, decode(value)?))
        });
        let query = Self(pairs.collect::<Result<_, _>>()?);
        match ONCE.iter().find(|key| query.count(key) > 1) {
            Some(key) => Err(QueryError::Repeated((*key).to_owned())),
            None => Ok(query),
        }
    }

    /// The value of `key`, when there is one and it is text.
    pub fn get(&self, key: &str) -> Option<&str> {
        let (_, value) = self.0.iter().find(|(k, _)| k == key.as_bytes())?;
        std::str::from_utf8(value).ok()
    }

    /// Returns true if `key` stands there, with any value.
    pub fn has(&self, key: &str) -> bool {
        self.count(key) > 0
    }

    /// All values of `key`, raw.
    pub fn all<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.0.iter().filter(move |(k, _)| k == key.as_bytes()).map(|(_, value)| value.as_slice())
    }

    /// Adds a pair behind the others.
    pub fn push(&mut self, key: &str, value: &str) {
        self.0.push((key.into(), value.into()));
    }

    /// Takes `key` out.
    pub fn remove(&mut self, key: &str) {
        self.0.retain(|(k, _)| k != key.as_bytes());
    }

    /// Gives the one `key` another value.
    pub fn set(&mut self, key: &str, value: &str) {
        self.remove(key);
        self.push(key, value);
    }

    fn count(&self, key: &str) -> usize {
        self.0.iter().filter(|(k, _)| k == key.as_bytes()).count()
    }
}

/// The pairs, percent-encoded anew; empty for no pairs.
impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (key, value)) in self.0.iter().enumerate() {
            let separator = if i == 0 { "" } else { "&" };
            write!(f, "{separator}{}={}", Encoded(key), Encoded(value))?;
        }
        Ok(())
    }
}

/// Decodes percent-escapes once; `plus` also reads `+` as a space, as in a query. `None` for a bad escape.
pub fn percent_decode(text: &str, plus: bool) -> Option<Vec<u8>> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => hex_digit(bytes.next()?)? << 4 | hex_digit(bytes.next()?)?,
            b'+' if plus => b' ',
            other => other,
        });
    }
    Some(decoded)
}

/// Percent-encodes what has a meaning in a query, or none in a URL.
pub fn percent_encode(text: &str) -> String {
    Encoded(text.as_bytes()).to_string()
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// Percent-encodes all but RFC 3986's unreserved bytes and a few that never have a meaning in a query.
struct Encoded<'a>(&'a [u8]);

impl fmt::Display for Encoded<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|&byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b':' | b'/' => {
                fmt::Write::write_char(f, char::from(byte))
            }
            other => write!(f, "%{other:02X}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rule_06_query_is_strict_and_written_anew() {
        let query = Query::parse("_state=a%2Bb%3D&&digest=sha256%3Aab&x").unwrap();
        assert_eq!(query.to_string(), "_state=a%2Bb%3D&digest=sha256:ab&x=");
        assert_eq!(query.get("digest"), Some("sha256:ab"));
        assert_eq!(Query::parse("a=%zz"), Err(QueryError::BadEscape));
        assert_eq!(Query::parse("a=%2"), Err(QueryError::BadEscape));
        assert_eq!(Query::parse("a=1;from=x"), Err(QueryError::Semicolon));
        assert_eq!(Query::parse("a=\u{7f}"), Err(QueryError::Control));
        for key in ONCE {
            let twice = format!("{key}=1&%{:02x}{}=2", key.as_bytes()[0], &key[1..]);
            assert_eq!(Query::parse(&twice), Err(QueryError::Repeated(key.to_owned())), "{twice}");
        }
        assert_eq!(Query::parse("k=1&k=2").unwrap().to_string(), "k=1&k=2");
    }
}
