//! The trace that a client says its request is part of (W3C Trace Context): its id is written down, and the registry gets
//! the headers as they came.
//!
//! Any client may name any trace, so nothing is decided or found by that name alone.

use hyper::header::{HeaderMap, HeaderName};

/// Names the trace and the step that sends the request.
pub(crate) const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// Tells the systems of the trace about each other; of no use without the other header.
pub(crate) const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// Bytes of a `traceparent`: those of this version are 55, and a later one may add to them.
const LONGEST: usize = 256;

/// Returns the id of the trace, 32 hexadecimal digits; `None` without exactly one `traceparent` that is valid.
pub(crate) fn trace_id(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(TRACEPARENT).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    let text = value.to_str().ok().filter(|text| text.len() <= LONGEST)?;
    let mut fields = text.splitn(5, '-');
    let mut next = |digits| fields.next().filter(|field| is_hexadecimal(field, digits));
    let (version, trace, parent) = (next(2)?, next(32)?, next(16)?);
    next(2)?;
    let is_known = match (version, fields.next()) {
        ("ff", _) | ("00", Some(_)) => false,
        (_, more) => more.is_none_or(|more| !more.contains(char::is_whitespace)),
    };
    (is_known && !is_zero(trace) && !is_zero(parent)).then_some(trace)
}

fn is_hexadecimal(field: &str, digits: usize) -> bool {
    field.len() == digits && field.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Zeros stand for a name that is missing.
fn is_zero(field: &str) -> bool {
    field.bytes().all(|byte| byte == b'0')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_valid_header_names_a_trace() {
        let (trace, parent) = ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7");
        let valid = format!("00-{trace}-{parent}-01");
        let zeros = [valid.replace(trace, &"0".repeat(32)), valid.replace(parent, &"0".repeat(16))];
        let later = format!("cc-{trace}-{parent}-01-what-comes-later");
        for (values, expected) in [
            (vec![valid.clone()], Some(trace)),
            (vec![valid.replace("-01", "-ff")], Some(trace)),
            (vec![valid.replacen("00", "cc", 1)], Some(trace)),
            (vec![later.clone()], Some(trace)),
            (vec![], None),
            (vec![valid.clone(), valid.clone()], None),
            (vec![zeros[0].clone()], None),
            (vec![zeros[1].clone()], None),
            (vec![valid.replacen("00", "ff", 1)], None),
            (vec![valid.replacen("00", "0", 1)], None),
            (vec![valid.to_uppercase()], None),
            (vec![format!("{valid}-more")], None),
            (vec![format!("{valid}-")], None),
            (vec![format!(" {valid}")], None),
            (vec![valid.replace("-01", "")], None),
            (vec![valid.replace('-', "_")], None),
            (vec![format!("{later} {later}")], None),
            (vec![format!("{later}{}", "x".repeat(LONGEST))], None),
            (vec![String::new()], None),
        ] {
            let mut headers = HeaderMap::new();
            for value in &values {
                headers.append(TRACEPARENT, value.parse().unwrap());
            }
            assert_eq!(trace_id(&headers), expected, "{values:?}");
        }
    }
}
