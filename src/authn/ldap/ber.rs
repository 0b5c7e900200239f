//! BER as LDAP uses it (RFC 4511, section 5.1): tags of one byte, definite lengths. What the elements mean is known to
//! `message`.
//!
//! Reading is flat: an element hands out its content, and no reader descends further than a message has levels. So
//! input from a directory cannot exhaust the stack.

pub(super) const BOOLEAN: u8 = 0x01;
pub(super) const INTEGER: u8 = 0x02;
pub(super) const OCTET_STRING: u8 = 0x04;
pub(super) const ENUMERATED: u8 = 0x0a;
pub(super) const SEQUENCE: u8 = 0x30;
pub(super) const SET: u8 = 0x31;

/// The tag bits of `[APPLICATION n]` and `[n]`; `CONSTRUCTED` is added where elements are inside.
pub(super) const APPLICATION: u8 = 0x40;
pub(super) const CONTEXT: u8 = 0x80;
pub(super) const CONSTRUCTED: u8 = 0x20;

/// The first octet of a length that fills the next four.
const LENGTH_IN_FOUR: u8 = 0x84;

/// The input is not BER, or not BER that LDAP allows.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// Appends an element with `content` in it.
pub(super) fn octets(out: &mut Vec<u8>, tag: u8, content: &[u8]) {
    element(out, tag, |out| out.extend_from_slice(content));
}

/// Appends a non-negative integer or enumeration.
pub(super) fn number(out: &mut Vec<u8>, tag: u8, number: u32) {
    // A leading zero where the first bit would be a sign.
    let bytes = u64::from(number).to_be_bytes();
    let start = (u64::BITS / 8 - 1 - (u32::BITS - number.leading_zeros()) / 8) as usize;
    octets(out, tag, bytes.get(start..).unwrap_or(&bytes));
}

/// Appends an element with whatever `write` appends in it.
///
/// The length always takes four octets, as libldap and Windows write it: so nothing has to be moved once it is known,
/// and no copy of a password stays behind.
pub(super) fn element(out: &mut Vec<u8>, tag: u8, write: impl FnOnce(&mut Vec<u8>)) {
    out.extend_from_slice(&[tag, LENGTH_IN_FOUR, 0, 0, 0, 0]);
    let start = out.len();
    write(out);
    let length = u32::try_from(out.len() - start).unwrap_or(u32::MAX);
    if let Some(place) = out.get_mut(start - 4..start) {
        place.copy_from_slice(&length.to_be_bytes());
    }
}

/// Returns the length in bytes of the element that `bytes` begin with; `None` when that cannot be determined yet.
///
/// # Errors
/// No such element is allowed in LDAP.
pub(super) fn size(bytes: &[u8]) -> Result<Option<usize>, Malformed> {
    let [tag, first, rest @ ..] = bytes else { return Ok(None) };
    if tag & 0x1f == 0x1f {
        return Err(Malformed);
    }
    if *first < 0x80 {
        return Ok(Some(2 + usize::from(*first)));
    }
    let count = usize::from(*first & 0x7f);
    // 0 would be the indefinite form.
    if !(1..=4).contains(&count) {
        return Err(Malformed);
    }
    let Some(length) = rest.get(..count) else { return Ok(None) };
    let length = length.iter().fold(0_usize, |length, byte| length << 8 | usize::from(*byte));
    length.checked_add(2 + count).map(Some).ok_or(Malformed)
}

/// The elements of a content, one after the other.
#[derive(Debug, Clone)]
pub(super) struct Elements<'a>(pub(super) &'a [u8]);

impl<'a> Elements<'a> {
    /// The next element, tag and content; `None` at the end.
    ///
    /// # Errors
    /// What follows is no element, or only a part of one.
    pub(super) fn next(&mut self) -> Result<Option<(u8, &'a [u8])>, Malformed> {
        let Some(tag) = self.0.first() else { return Ok(None) };
        let size = size(self.0)?.ok_or(Malformed)?;
        let (element, rest) = self.0.split_at_checked(size).ok_or(Malformed)?;
        self.0 = rest;
        let head = match element.get(1) {
            Some(first) if *first >= 0x80 => 2 + usize::from(first & 0x7f),
            _ => 2,
        };
        Ok(Some((*tag, element.get(head..).ok_or(Malformed)?)))
    }

    /// The content of the next element, which must have this tag.
    ///
    /// # Errors
    /// It has not, or there is none.
    pub(super) fn expect(&mut self, tag: u8) -> Result<&'a [u8], Malformed> {
        match self.next()? {
            Some((found, content)) if found == tag => Ok(content),
            _ => Err(Malformed),
        }
    }

    /// The next element as a non-negative number.
    ///
    /// # Errors
    /// It is none, or larger than 32 bits.
    pub(super) fn number(&mut self, tag: u8) -> Result<u32, Malformed> {
        let content = self.expect(tag)?;
        let negative = content.first().is_none_or(|first| *first >= 0x80);
        if negative || content.len() > 5 {
            return Err(Malformed);
        }
        let number = content.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        u32::try_from(number).map_err(|_| Malformed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let mut out = Vec::new();
        write(&mut out);
        out
    }

    #[test]
    fn numbers_have_room_for_a_sign() {
        for (n, content) in [
            (0, &[0][..]),
            (127, &[127]),
            (128, &[0, 128]),
            (255, &[0, 255]),
            (256, &[1, 0]),
            (32768, &[0, 128, 0]),
            (u32::MAX, &[0, 255, 255, 255, 255]),
        ] {
            let bytes = written(|out| number(out, INTEGER, n));
            assert_eq!(bytes[6..], *content, "{n}");
            assert_eq!(Elements(&bytes).number(INTEGER), Ok(n));
        }
    }

    #[test]
    fn elements_stand_in_each_other_and_after_each_other() {
        let bytes = written(|out| {
            element(out, SEQUENCE, |out| {
                octets(out, OCTET_STRING, b"a");
                octets(out, OCTET_STRING, &[7; 300]);
            });
            octets(out, BOOLEAN, &[0xff]);
        });
        let mut outer = Elements(&bytes);
        let mut inner = Elements(outer.expect(SEQUENCE).unwrap());
        assert_eq!(inner.expect(OCTET_STRING), Ok(&b"a"[..]));
        assert_eq!(inner.expect(OCTET_STRING), Ok(&[7; 300][..]));
        assert_eq!(inner.next(), Ok(None));
        assert_eq!(outer.next(), Ok(Some((BOOLEAN, &[0xff][..]))));
    }

    #[test]
    fn every_form_of_length_is_read() {
        for head in [&[4, 2][..], &[4, 0x81, 2], &[4, 0x82, 0, 2], &[4, 0x84, 0, 0, 0, 2]] {
            let bytes = [head, b"ab"].concat();
            assert_eq!(size(&bytes), Ok(Some(bytes.len())));
            assert_eq!(Elements(&bytes).expect(OCTET_STRING), Ok(&b"ab"[..]));
            assert!(Elements(&bytes[..bytes.len() - 1]).next().is_err(), "cut off");
            assert_eq!(size(&bytes[..head.len() - 1]), Ok(None), "not yet known");
        }
    }

    #[test]
    fn what_ldap_does_not_allow_is_refused() {
        for bytes in [&[0x30, 0x80, 0, 0][..], &[0x30, 0x85, 0, 0, 0, 0, 0], &[0x1f, 0x81, 1, 0]] {
            assert_eq!(size(bytes), Err(Malformed), "{bytes:x?}");
        }
        for content in [&[][..], &[0x80], &[0, 1, 0, 0, 0, 0], &[1, 0, 0, 0, 0]] {
            let bytes = written(|out| octets(out, INTEGER, content));
            assert_eq!(Elements(&bytes).number(INTEGER), Err(Malformed), "{content:x?}");
        }
    }
}
