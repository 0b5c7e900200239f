//! Header values that are lists or have parameters (RFC 9110 sections 5.6.1 and 5.6.6), taken apart outside of quoted
//! strings.

/// The elements between separators, trimmed.
pub(crate) fn elements(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let (element, after) = split_first(rest?, separator);
        rest = after;
        Some(element.trim())
    })
}

/// The text before the first separator, and the text after it, where there is one.
pub(crate) fn split_first(text: &str, separator: char) -> (&str, Option<&str>) {
    let mut quotes = Quotes::default();
    for (at, c) in text.char_indices() {
        if c == separator && !quotes.are_open {
            return (text.get(..at).unwrap_or_default(), text.get(at + c.len_utf8()..));
        }
        quotes.read(c);
    }
    (text, None)
}

/// Returns whether each quoted string ends: in one that does not, a client could hide what a proxy adds.
pub(crate) fn is_whole(text: &str) -> bool {
    let mut quotes = Quotes::default();
    text.chars().for_each(|c| quotes.read(c));
    !quotes.are_open
}

/// Tracks whether the next character stands in a quoted string.
#[derive(Default)]
struct Quotes {
    are_open: bool,
    is_escaped: bool,
}

impl Quotes {
    fn read(&mut self, c: char) {
        self.are_open ^= c == '"' && !self.is_escaped;
        self.is_escaped = self.are_open && c == '\\' && !self.is_escaped;
    }
}

/// The first parameter of that name in `a=b;c="d"`, without its quotes.
pub(crate) fn parameter(text: &str, name: &str) -> Option<String> {
    let named = |pair: &str| {
        let (key, value) = pair.split_once('=')?;
        key.trim().eq_ignore_ascii_case(name).then(|| unquoted(value.trim()))
    };
    elements(text, ';').find_map(named)
}

fn unquoted(value: &str) -> String {
    let Some(inner) = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else {
        return value.to_owned();
    };
    let mut escaped = false;
    let is_content = |c: &char| {
        escaped = *c == '\\' && !escaped;
        !escaped
    };
    inner.chars().filter(is_content).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn separators_in_quoted_strings_separate_nothing() {
        let all = |text| elements(text, ',').collect::<Vec<_>>();
        assert_eq!(all("a, b ,c"), ["a", "b", "c"]);
        assert_eq!(all(r#"a="1,2", b"#), [r#"a="1,2""#, "b"]);
        assert_eq!(all(r#"a="1\",2", b"#), [r#"a="1\",2""#, "b"]);
        assert_eq!(all(r#"a="1\\", b"#), [r#"a="1\\""#, "b"]);
        assert_eq!(all(r#"a="1, b"#), [r#"a="1, b"#], "an open quote takes the rest");
        assert!(is_whole(r#"a="1\"", b"#) && !is_whole(r#"a="1, b"#) && !is_whole(r#"a="1\", b"#));
        assert_eq!(all(""), [""]);
    }

    #[test]
    fn a_parameter_is_found_whatever_its_case_and_its_quotes() {
        let text = r#"For=1.2.3.4; HOST="a\"b:80" ;proto = https;proto=http"#;
        assert_eq!(parameter(text, "for").as_deref(), Some("1.2.3.4"));
        assert_eq!(parameter(text, "host").as_deref(), Some("a\"b:80"));
        assert_eq!(parameter(text, "proto").as_deref(), Some("https"));
        assert_eq!(parameter(text, "by"), None);
    }
}
