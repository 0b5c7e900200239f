//! Lists of what a client accepts, with weights (RFC 9110 section 12.4.2).

use hyper::header::{HeaderMap, HeaderName};

/// The elements of such a header, in order, each with its weight in thousandths. An element whose weight cannot be read
/// counts as not accepted, and a header that is no text as absent.
pub(crate) fn weighted<'h>(
    headers: &'h HeaderMap,
    name: &HeaderName,
) -> impl Iterator<Item = (&'h str, u16)> {
    let lines = headers.get_all(name).iter().filter_map(|line| line.to_str().ok());
    let elements = lines.flat_map(|line| line.split(',')).map(element);
    elements.filter(|(value, _)| !value.is_empty())
}

fn element(text: &str) -> (&str, u16) {
    let mut parts = text.split(';').map(str::trim);
    let value = parts.next().unwrap_or_default();
    let weight = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
    (value, weight.map_or(1000, thousandths))
}

/// `1`, `0.5`, `1.000`: at most three digits behind the point, and no more than 1; else 0.
fn thousandths(weight: &str) -> u16 {
    let (whole, part) = weight.split_once('.').unwrap_or((weight, ""));
    let is_number = part.len() <= 3 && part.bytes().all(|digit| digit.is_ascii_digit());
    let part = format!("{part:0<3}").parse().unwrap_or(0);
    match whole {
        "0" if is_number => part,
        "1" if is_number && part == 0 => 1000,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use hyper::header::{ACCEPT_ENCODING, HeaderValue};

    use super::*;

    #[test]
    fn weights_are_read_as_the_standard_has_them() {
        let line = "a, b;q=0.5 , c; Q=1.000;x=y,d;q=0,e;q=0.1234,f;q=1.1,g;q=-1,h;q=,i;q=1e1,,;q=1,j;q=0.001";
        let headers = HeaderMap::from_iter([
            (ACCEPT_ENCODING, HeaderValue::from_static(line)),
            (ACCEPT_ENCODING, HeaderValue::from_bytes(b"\xff").unwrap()),
            (ACCEPT_ENCODING, HeaderValue::from_static("k")),
        ]);
        let read: Vec<(&str, u16)> = weighted(&headers, &ACCEPT_ENCODING).collect();
        let wanted = [
            ("a", 1000),
            ("b", 500),
            ("c", 1000),
            ("d", 0),
            ("e", 0),
            ("f", 0),
            ("g", 0),
            ("h", 0),
            ("i", 0),
            ("j", 1),
            ("k", 1000),
        ];
        assert_eq!(read, wanted);
    }
}
