//! Common parts of the notations of the Go drivers: `%41`, parameters behind a `?`, and the errors in them.

use std::path::{Path, PathBuf};

/// The reason why a `conn_string` cannot be used. Never has its password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DsnError {
    /// The problem, without a full stop.
    pub message: String,
    /// The remedy, a sentence.
    pub hint: String,
}

impl DsnError {
    pub(super) fn new(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { message: message.into(), hint: hint.into() }
    }

    /// A parameter that would change something, and that is not supported.
    ///
    /// A key that is no plain name may be a piece of a password that should have been escaped: it is not shown.
    pub(super) fn unsupported(key: &str, supported: &str) -> Self {
        let name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let message = if !key.is_empty() && key.len() <= 32 && key.chars().all(name) {
            format!("the parameter `{key}` is not supported")
        } else {
            "there is a parameter that is not supported".to_owned()
        };
        Self::new(message, format!("Remove it; supported are {supported}, and those without a meaning here"))
    }

    pub(super) fn value(key: &str, allowed: &str) -> Self {
        Self::new(format!("the parameter `{key}` has a value that is not supported"), allowed)
    }
}

/// `a=1&b=2`, decoded, in order. A key that is there twice is refused.
pub(super) fn parameters(text: &str) -> Result<Vec<(String, String)>, DsnError> {
    let mut found: Vec<(String, String)> = Vec::new();
    for pair in text.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let key = decode(&key.replace('+', " "))?;
        if found.iter().any(|(known, _)| *known == key) {
            return Err(DsnError::new("a parameter is there twice", "Remove one of the two"));
        }
        found.push((key, decode(&value.replace('+', " "))?));
    }
    Ok(found)
}

/// `%41` is `A`.
pub(super) fn decode(text: &str) -> Result<String, DsnError> {
    let wrong = || {
        DsnError::new("there is a `%` that is not followed by two hexadecimal digits of UTF-8", "Write `%25`")
    };
    let mut parts = text.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let (digits, rest) = part.split_at_checked(2).ok_or_else(wrong)?;
        if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(wrong());
        }
        bytes.push(u8::from_str_radix(digits, 16).map_err(|_| wrong())?);
        bytes.extend_from_slice(rest.as_bytes());
    }
    String::from_utf8(bytes).map_err(|_| wrong())
}

/// A path, from `base` if it is relative.
pub(super) fn path(base: &Path, written: &str) -> PathBuf {
    base.join(written)
}

/// `host`, `host:port`, `[::1]:port`.
pub(super) fn host_and_port(text: &str, default: u16) -> Result<(String, u16), DsnError> {
    let wrong = || {
        DsnError::new(
            "the address is not `host:port`",
            "Write an address as `db.example:5432` or `[::1]:5432`",
        )
    };
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, after) = rest.split_once(']').ok_or_else(wrong)?;
            let port = if after.is_empty() { None } else { Some(after.strip_prefix(':').ok_or_else(wrong)?) };
            (host, port)
        }
        None => text.rsplit_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
    };
    if host.contains(['@', '/', '(', ')', ',', ' ']) {
        return Err(wrong());
    }
    let port = port.filter(|port| !port.is_empty()).map(str::parse).transpose().map_err(|_| wrong())?;
    Ok((host.to_owned(), port.unwrap_or(default)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_escapes_are_read_exactly() {
        for (text, expected) in
            [("", Some("")), ("a%20b", Some("a b")), ("%c3%A9", Some("é")), ("100%25", Some("100%"))]
        {
            assert_eq!(decode(text).ok().as_deref(), expected, "{text}");
        }
        for text in ["%", "%4", "%+1", "%zz", "%ff", "%é"] {
            assert!(decode(text).is_err(), "{text}");
        }
    }

    #[test]
    fn addresses_are_read_exactly() {
        for (text, expected) in [
            ("h", ("h", 1)),
            ("h:2", ("h", 2)),
            ("h:", ("h", 1)),
            ("[::1]", ("::1", 1)),
            ("[::1]:3", ("::1", 3)),
            (":4", ("", 4)),
        ] {
            let (host, port) = host_and_port(text, 1).unwrap();
            assert_eq!((host.as_str(), port), expected, "{text}");
        }
        for text in ["h:x", "h:70000", "[::1", "[::1]3", "a@b", "a,b", "::1:2:x"] {
            assert!(host_and_port(text, 1).is_err(), "{text}");
        }
    }

    #[test]
    fn rule_16_what_is_no_name_is_not_shown() {
        for key in ["hunter2@host", "", "hunter 2", "a'b"] {
            assert_eq!(DsnError::unsupported(key, "x").message, "there is a parameter that is not supported");
        }
        assert!(DsnError::unsupported("serverPubKey", "x").message.contains("`serverPubKey`"));
    }
}
