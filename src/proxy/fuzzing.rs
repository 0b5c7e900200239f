//! Properties of every `Authorization` header and every form, checked by `fuzz/` and the unit tests; that of the
//! registry's responses is beside their reader. Compiled for them only.
#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a property fails by a panic"
)]

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hyper::header::{self, HeaderMap, HeaderValue};

pub use super::upstream::fuzzing::responses;
use super::{
    auth::caller::{Presented, presented},
    request::form::Form,
};

/// Header values, one a line: nothing panics, two are refused, and one is what a slow reader takes it for.
pub fn authorization(data: &[u8]) {
    let mut headers = HeaderMap::new();
    for line in data.split(|b| *b == b'\n') {
        let Ok(value) = HeaderValue::from_bytes(line) else { return };
        headers.append(header::AUTHORIZATION, value);
    }
    let shown = String::from_utf8_lossy(data);
    let found = presented(&headers);
    if headers.len() > 1 {
        assert!(found.is_err_and(|refusal| refusal.close), "two headers: {shown:?}");
        return;
    }
    match found {
        Err(refusal) => panic!("{shown:?}: {refusal:?}"),
        Ok(Presented::Nothing) => panic!("taken for nothing: {shown:?}"),
        Ok(Presented::Token(token)) => {
            let (scheme, rest) = shown.split_at(7);
            assert!(scheme.to_lowercase() == "bearer " && rest == token && !rest.contains(' '), "{shown:?}");
        }
        Ok(Presented::Password(credentials)) => {
            let both = basic(data).unwrap_or_else(|| panic!("a password in {shown:?}"));
            let colon = both.iter().position(|b| *b == b':').unwrap();
            assert_eq!(credentials.account.as_bytes(), &both[..colon], "{shown:?}");
            assert_eq!(credentials.password.expose(), &both[colon + 1..], "{shown:?}");
        }
        Ok(Presented::Unknown) => {
            let text = basic(data).and_then(|both| String::from_utf8(both).ok());
            assert!(text.is_none_or(|both| !both.contains(':')), "not read: {shown:?}");
            let word = shown.split(' ').nth(1).filter(|_| shown.split(' ').count() == 2);
            let bearer = word.is_some() && shown.to_lowercase().starts_with("bearer ");
            assert!(
                !bearer || !shown.bytes().all(|b| b.is_ascii_graphic() || b == b' '),
                "not read: {shown:?}"
            );
        }
    }
}

/// Decodes the part after `Basic ` by hand: padding must be there, bits left over may be anything.
fn basic(value: &[u8]) -> Option<Vec<u8>> {
    let (scheme, encoded) = value.split_at_checked(6)?;
    let whole = encoded.len().is_multiple_of(4) && scheme.eq_ignore_ascii_case(b"basic ");
    let digits = encoded.strip_suffix(b"==").or(encoded.strip_suffix(b"=")).unwrap_or(encoded);
    let mut bits = String::new();
    for digit in digits {
        let all = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        bits.push_str(&format!("{:06b}", all.iter().position(|b| b == digit)?));
    }
    let decoded: Vec<u8> = bits
        .as_bytes()
        .chunks_exact(8)
        .map(|byte| byte.iter().fold(0, |n, bit| n << 1 | (bit - b'0')))
        .collect();
    // The library of the product, as a third opinion where it has one.
    if let Ok(other) = STANDARD.decode(encoded) {
        assert_eq!(other, decoded);
    }
    whole.then_some(decoded)
}

/// A query and, after a line end, a form body: read as by a slow reader, the body first.
pub fn parameters(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (query, body) = text.split_once('\n').map_or((&*text, None), |(query, body)| (query, Some(body)));
    let form = Form::parse(query, body);
    let expected: Vec<(String, String)> = [body.unwrap_or_default(), query]
        .into_iter()
        .flat_map(|text| text.split('&'))
        .filter_map(pair)
        .collect();
    for key in expected.iter().map(|(key, _)| key.as_str()).chain(["account", "scope", "service", ""]) {
        let values: Vec<&str> =
            expected.iter().filter(|(other, _)| other == key).map(|(_, value)| value.as_str()).collect();
        assert_eq!(form.all(key).collect::<Vec<_>>(), values, "{key:?} of {text:?}");
        assert_eq!(form.get(key), values.first().copied().unwrap_or_default(), "{key:?} of {text:?}");
    }
}

fn pair(text: &str) -> Option<(String, String)> {
    if text.is_empty() || text.contains(';') {
        return None;
    }
    let equals = text.find('=').unwrap_or(text.len());
    Some((decoded(&text[..equals])?, decoded(text.get(equals + 1..).unwrap_or_default())?))
}

fn decoded(text: &str) -> Option<String> {
    let mut pieces = text.split('%');
    let mut out = pieces.next()?.replace('+', " ").into_bytes();
    for piece in pieces {
        let digits = piece.get(..2).filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))?;
        out.push(u8::from_str_radix(digits, 16).ok()?);
        out.extend(piece[2..].replace('+', " ").bytes());
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use crate::mutation::for_many;

    #[test]
    fn authorization_is_what_a_slow_reader_takes_it_for() {
        for_many(include_str!("../../fuzz/seeds/authorization.txt"), 5_000, super::authorization);
    }

    #[test]
    fn forms_are_what_a_slow_reader_takes_them_for() {
        for_many(include_str!("../../fuzz/seeds/parameters.txt"), 10_000, super::parameters);
    }
}
