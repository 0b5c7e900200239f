//! LDAP's messages (RFC 4511): the requests of a login, and what a directory answers. How they travel is `connection`'s
//! business.

use zeroize::Zeroizing;

use super::ber::{
    APPLICATION, BOOLEAN, CONSTRUCTED, CONTEXT, ENUMERATED, Elements, INTEGER, Malformed, OCTET_STRING,
    SEQUENCE, SET, element, number, octets,
};

/// The whole subtree below the base; aliases are never followed.
const WHOLE_SUBTREE: u32 = 2;
const NEVER_DEREFERENCE: u32 = 0;
/// One entry is right, two are a mistake, and more would not be looked at.
const MOST_ENTRIES: u32 = 2;
/// "No attributes" (RFC 4511, section 4.5.1.8): an empty list would mean all of them.
const NO_ATTRIBUTES: &str = "1.1";
const START_TLS: &[u8] = b"1.3.6.1.4.1.1466.20037";

/// A search, but for what never changes.
pub(super) struct Search<'a> {
    pub(super) base: &'a str,
    /// The filter, encoded.
    pub(super) filter: &'a [u8],
    pub(super) attributes: &'a [String],
}

/// The answer of a directory.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Response {
    Bind(Outcome),
    Entry(Entry),
    SearchDone(Outcome),
    Extended(Outcome),
    /// A reference to another server, or something that is still under way: ignored.
    Other,
}

/// The result of an operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Outcome {
    /// A result code (RFC 4511, appendix A).
    pub(super) code: u32,
    /// For people; of any content.
    pub(super) message: String,
}

/// An entry of the directory.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Entry {
    /// Sent back as it came.
    pub(super) dn: Vec<u8>,
    pub(super) attributes: Vec<(String, Vec<Vec<u8>>)>,
}

/// `BindRequest` with a simple password.
pub(super) fn bind(id: u32, dn: &[u8], password: &[u8]) -> Zeroizing<Vec<u8>> {
    // Enough at once: a vector that grows leaves copies behind.
    let out = Vec::with_capacity(64 + dn.len() + password.len());
    request(out, id, APPLICATION | CONSTRUCTED, |out| {
        number(out, INTEGER, 3);
        octets(out, OCTET_STRING, dn);
        octets(out, CONTEXT, password);
    })
}

/// `SearchRequest`.
pub(super) fn search(id: u32, search: &Search<'_>) -> Zeroizing<Vec<u8>> {
    request(Vec::new(), id, APPLICATION | CONSTRUCTED | 3, |out| {
        octets(out, OCTET_STRING, search.base.as_bytes());
        number(out, ENUMERATED, WHOLE_SUBTREE);
        number(out, ENUMERATED, NEVER_DEREFERENCE);
        number(out, INTEGER, MOST_ENTRIES);
        number(out, INTEGER, 0);
        octets(out, BOOLEAN, &[0]);
        out.extend_from_slice(search.filter);
        element(out, SEQUENCE, |out| {
            let none = search.attributes.is_empty().then_some(NO_ATTRIBUTES);
            let names = search.attributes.iter().map(String::as_str).chain(none);
            names.for_each(|name| octets(out, OCTET_STRING, name.as_bytes()));
        });
    })
}

/// `ExtendedRequest` for StartTLS.
pub(super) fn start_tls(id: u32) -> Zeroizing<Vec<u8>> {
    request(Vec::new(), id, APPLICATION | CONSTRUCTED | 23, |out| octets(out, CONTEXT, START_TLS))
}

fn request(mut out: Vec<u8>, id: u32, tag: u8, write: impl FnOnce(&mut Vec<u8>)) -> Zeroizing<Vec<u8>> {
    element(&mut out, SEQUENCE, |out| {
        number(out, INTEGER, id);
        element(out, tag, write);
    });
    Zeroizing::new(out)
}

/// Reads a whole message: the id of the request that it answers (0 for none), and what it says.
///
/// # Errors
/// It is no message of LDAP.
pub(super) fn read(bytes: &[u8]) -> Result<(u32, Response), Malformed> {
    let mut message = Elements(Elements(bytes).expect(SEQUENCE)?);
    let id = message.number(INTEGER)?;
    let (tag, content) = message.next()?.ok_or(Malformed)?;
    // Controls may follow; none were asked for.
    let response = match tag.checked_sub(APPLICATION | CONSTRUCTED) {
        Some(1) => Response::Bind(outcome(content)?),
        Some(4) => Response::Entry(entry(content)?),
        Some(5) => Response::SearchDone(outcome(content)?),
        Some(24) => Response::Extended(outcome(content)?),
        Some(19 | 25) => Response::Other,
        _ => return Err(Malformed),
    };
    Ok((id, response))
}

fn outcome(content: &[u8]) -> Result<Outcome, Malformed> {
    let mut fields = Elements(content);
    let code = fields.number(ENUMERATED)?;
    let _matched_dn = fields.expect(OCTET_STRING)?;
    let message = String::from_utf8_lossy(fields.expect(OCTET_STRING)?).into_owned();
    Ok(Outcome { code, message })
}

fn entry(content: &[u8]) -> Result<Entry, Malformed> {
    let mut fields = Elements(content);
    let dn = fields.expect(OCTET_STRING)?.to_vec();
    let mut list = Elements(fields.expect(SEQUENCE)?);
    let mut attributes = Vec::new();
    while let Some((tag, content)) = list.next()? {
        let mut attribute = Elements(content);
        let name = String::from_utf8_lossy(attribute.expect(OCTET_STRING)?).into_owned();
        let values = values(attribute.expect(SET)?)?;
        if tag != SEQUENCE {
            return Err(Malformed);
        }
        attributes.push((name, values));
    }
    Ok(Entry { dn, attributes })
}

fn values(content: &[u8]) -> Result<Vec<Vec<u8>>, Malformed> {
    let (mut list, mut values) = (Elements(content), Vec::new());
    while let Some((tag, value)) = list.next()? {
        if tag != OCTET_STRING {
            return Err(Malformed);
        }
        values.push(value.to_vec());
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The answer `tag` of `id` with `content` in short lengths, as slapd writes it.
    fn answer(id: u8, tag: u8, content: &[u8]) -> Vec<u8> {
        let length = |n: usize| u8::try_from(n).unwrap();
        let head = [0x30, length(5 + content.len()), 2, 1, id, tag, length(content.len())];
        [&head, content].concat()
    }

    #[test]
    fn a_bind_is_written_as_rfc_4511_has_it() {
        let written = bind(1, b"cn=a", b"pw");
        assert_eq!(
            **written,
            *b"\x30\x84\0\0\0\x26\x02\x84\0\0\0\x01\x01\x60\x84\0\0\0\x19\
               \x02\x84\0\0\0\x01\x03\x04\x84\0\0\0\x04cn=a\x80\x84\0\0\0\x02pw"
        );
        assert!(written.capacity() <= 64 + 4 + 2, "it grew, so a copy stayed behind");
    }

    #[test]
    fn outcomes_and_entries_are_read() {
        let done = b"\x0a\x01\x31\x04\0\x04\x02no";
        let outcome = Outcome { code: 49, message: "no".to_owned() };
        assert_eq!(read(&answer(1, 0x61, done)), Ok((1, Response::Bind(outcome.clone()))));
        assert_eq!(read(&answer(2, 0x65, done)), Ok((2, Response::SearchDone(outcome.clone()))));
        assert_eq!(read(&answer(0, 0x78, done)), Ok((0, Response::Extended(outcome))));
        assert_eq!(read(&answer(2, 0x73, b"\x04\x06ldap:/")), Ok((2, Response::Other)));
        let entry = b"\x04\x04cn=a\x30\x0d\x30\x0b\x04\x01m\x31\x06\x04\x01x\x04\x01\xff";
        let attributes = vec![("m".to_owned(), vec![b"x".to_vec(), b"\xff".to_vec()])];
        let entry_read = Entry { dn: b"cn=a".to_vec(), attributes };
        assert_eq!(read(&answer(2, 0x64, entry)), Ok((2, Response::Entry(entry_read))));
    }

    #[test]
    fn what_is_cut_off_or_of_another_kind_is_refused() {
        let entry = answer(2, 0x64, b"\x04\x04cn=a\x30\x0a\x30\x08\x04\x01m\x31\x03\x04\x01x");
        assert!(read(&entry).is_ok());
        for end in 0..entry.len() {
            assert_eq!(read(&entry[..end]), Err(Malformed), "{end}");
        }
        for tag in [0x60, 0x63, 0x41, 0x04, 0x30, 0xff] {
            assert_eq!(read(&answer(1, tag, b"\x0a\x01\0\x04\0\x04\0")), Err(Malformed), "{tag:x}");
        }
    }
}
