//! Distinguished names (RFC 4514): an account as a part of one, and the common name in one.

use super::ACCOUNT;

/// `bind_dn` with placeholders for the account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DnTemplate(String);

/// There is no `${account}`: all accounts would bind as the same entry. Displays without a full stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("has no `{ACCOUNT}`, so all accounts would bind as the same entry")]
pub struct NoAccount;

impl DnTemplate {
    /// A name with `${account}` in it. Only the directory knows whether it is one: some take `${account}@example.com`.
    ///
    /// # Errors
    /// [`NoAccount`].
    pub fn parse(text: &str) -> Result<Self, NoAccount> {
        if text.contains(ACCOUNT) { Ok(Self(text.to_owned())) } else { Err(NoAccount) }
    }

    /// The name of `account`, which stays one value whatever is in it.
    pub(super) fn of(&self, account: &str) -> String {
        let escaped = escaped(account);
        self.0.split(ACCOUNT).collect::<Vec<_>>().join(&escaped)
    }
}

/// The text of a value (RFC 4514, section 2.4).
fn escaped(value: &str) -> String {
    let last = value.len().saturating_sub(1);
    let mut escaped = String::with_capacity(value.len() * 2);
    for (n, c) in value.char_indices() {
        match c {
            '\0' => escaped.push_str("\\00"),
            '"' | '+' | ',' | ';' | '<' | '>' | '\\' | '=' | '#' => escaped.extend(['\\', c]),
            ' ' if n == 0 || n == last => escaped.push_str("\\ "),
            c => escaped.push(c),
        }
    }
    escaped
}

/// The first `CN` of a name; `None` without one, or when this is no name.
pub(super) fn common_name(dn: &str) -> Option<String> {
    let (mut rest, mut found) = (dn, None);
    loop {
        let (attribute, after) = rest.split_once('=')?;
        let attribute = Some(attribute.trim()).filter(|attribute| is_attribute(attribute))?;
        let (value, after) = value(after)?;
        if attribute.eq_ignore_ascii_case("cn") {
            found = found.or(Some(value));
        }
        match after {
            Some(next) => rest = next,
            None => return found,
        }
    }
}

fn is_attribute(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '.')
}

/// A value from the beginning of `text`, and what follows its separator. Those in quotes (RFC 2253) or as BER (`#04…`)
/// are not read; a semicolon is a letter, as in docker_auth.
fn value(text: &str) -> Option<(String, Option<&str>)> {
    let text = text.trim_start_matches(' ');
    if text.starts_with(['#', '"']) {
        return None;
    }
    let (mut value, mut kept, mut rest) = (Vec::new(), 0, text);
    while let Some(c) = rest.chars().next() {
        rest = rest.get(c.len_utf8()..)?;
        match c {
            ',' | '+' => {
                value.truncate(kept);
                return Some((String::from_utf8(value).ok()?, Some(rest)));
            }
            '\\' => {
                let (byte, taken) = unescaped(rest)?;
                value.push(byte);
                rest = rest.get(taken..)?;
                kept = value.len();
            }
            c => {
                value.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                // Spaces at the end do not count, unless they are escaped.
                kept = if c == ' ' { kept } else { value.len() };
            }
        }
    }
    value.truncate(kept);
    Some((String::from_utf8(value).ok()?, None))
}

/// Reads the escape after a backslash: the byte it stands for, and the number of bytes read.
fn unescaped(text: &str) -> Option<(u8, usize)> {
    let first = *text.as_bytes().first()?;
    if b" \"#+,;<=>\\".contains(&first) {
        return Some((first, 1));
    }
    let digits = text.get(..2).filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))?;
    Some((u8::from_str_radix(digits, 16).ok()?, 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_stays_one_value_of_a_name() {
        let template = DnTemplate::parse("cn=${account},ou=people,dc=example").unwrap();
        for (account, value) in [
            ("bob", "bob"),
            ("Jürgen Ä", "Jürgen Ä"),
            ("bob,ou=evil", "bob\\,ou\\=evil"),
            ("bob+uid=x", "bob\\+uid\\=x"),
            ("a\\,b", "a\\\\\\,b"),
            ("#04", "\\#04"),
            (" a b ", "\\ a b\\ "),
            ("\"<>;\0", "\\\"\\<\\>\\;\\00"),
            ("${account}", "${account}"),
        ] {
            let dn = template.of(account);
            assert_eq!(dn, format!("cn={value},ou=people,dc=example"), "{account}");
            assert_eq!(common_name(&dn).as_deref(), Some(account), "{dn} reads back");
        }
        assert_eq!(DnTemplate::parse("${account}@a.example").unwrap().of("bob"), "bob@a.example");
        assert_eq!(DnTemplate::parse("cn=bob,dc=example"), Err(NoAccount));
    }

    #[test]
    fn the_first_common_name_is_found() {
        for (dn, name) in [
            ("cn=Admins,ou=groups,dc=example", "Admins"),
            ("CN=Admins,OU=x", "Admins"),
            ("ou=x,cn=A,cn=B", "A"),
            ("uid=1+cn=A,dc=x", "A"),
            ("cn=A\\, B\\2c C,dc=x", "A, B, C"),
            ("cn = A b  , dc=x", "A b"),
            ("cn=A\\ ,dc=x", "A "),
            ("cn=J\\c3\\bcrgen,dc=x", "Jürgen"),
            ("cn=a=b,dc=x", "a=b"),
            ("cn=a;b,dc=x", "a;b"),
            ("2.5.4.10=o+cn=A", "A"),
            ("cn=,dc=x", ""),
        ] {
            assert_eq!(common_name(dn).as_deref(), Some(name), "{dn}");
        }
    }

    #[test]
    fn what_is_no_name_or_has_none_has_no_common_name() {
        for text in [
            "",
            "Admins",
            "ou=x,dc=y",
            "cn=a,b",
            "cn=a,b,ou=x",
            "cn=a,=b",
            "cn=a,o u=b",
            "cn=a\\",
            "cn=a\\xx",
            "cn=#0403616263",
            "cn=\"a\"",
            "cn=\\ff",
        ] {
            assert_eq!(common_name(text), None, "{text}");
        }
    }
}
