//! How a line of the audit log is written: one JSON object (RFC 8259), field by field.
//!
//! Two lines are written for nearly every request, and nearly all of their texts are plain; what is not goes through
//! `serde_json`.

use std::{fmt::Display, io::Write};

use serde::Serialize;

/// A line that is being written. A field without a value is left out.
pub(super) struct Line<'a> {
    to: &'a mut Vec<u8>,
    /// What stands before the next field.
    before: u8,
}

impl<'a> Line<'a> {
    /// A line behind what `to` has already.
    pub(super) fn begin(to: &'a mut Vec<u8>) -> Self {
        Self { to, before: b'{' }
    }

    /// Any text.
    pub(super) fn text<'t>(&mut self, name: &'static str, text: impl Into<Option<&'t str>>) {
        if let Some(text) = text.into() {
            self.name(name);
            quote(self.to, text);
        }
    }

    /// A word of ours, which has nothing to escape.
    pub(super) fn word(&mut self, name: &'static str, word: impl Into<Option<&'static str>>) {
        if let Some(word) = word.into() {
            self.name(name);
            in_marks(self.to, word);
        }
    }

    /// Several texts.
    pub(super) fn texts(&mut self, name: &'static str, texts: Option<&[String]>) {
        let Some(texts) = texts else { return };
        self.name(name);
        self.to.push(b'[');
        for (index, text) in texts.iter().enumerate() {
            if index > 0 {
                self.to.push(b',');
            }
            quote(self.to, text);
        }
        self.to.push(b']');
    }

    /// What shows itself without a character that JSON escapes, as a text.
    pub(super) fn shown(&mut self, name: &'static str, value: Option<impl Display>) {
        let Some(value) = value else { return };
        self.name(name);
        // Writing to a vector does not fail.
        let _ = write!(self.to, "\"{value}\"");
    }

    /// A number, or something else that `serde` writes without a control character.
    pub(super) fn value(&mut self, name: &'static str, value: Option<impl Serialize>) {
        let Some(value) = value else { return };
        self.name(name);
        let _ = serde_json::to_writer(&mut *self.to, &value);
    }

    /// The end of the object, and of the line.
    pub(super) fn end(self) {
        self.to.extend_from_slice(b"}\n");
    }

    fn name(&mut self, name: &'static str) {
        self.to.extend_from_slice(&[self.before, b'"']);
        self.to.extend_from_slice(name.as_bytes());
        self.to.extend_from_slice(b"\":");
        self.before = b',';
    }
}

/// Writes a text in quotation marks. Every control character is escaped, so that nobody can write lines of his own, or
/// steer the terminal of who reads them.
fn quote(to: &mut Vec<u8>, text: &str) {
    let is_plain = |byte: u8| matches!(byte, b' '..=b'~') & (byte != b'"') & (byte != b'\\');
    // All are looked at whatever they are: so the compiler takes many at a time.
    if text.bytes().fold(true, |plain, byte| plain & is_plain(byte)) {
        return in_marks(to, text);
    }
    let quoted = serde_json::to_string(text).unwrap_or_default();
    // JSON itself leaves DEL and those from U+0080 to U+009F as they are.
    for c in quoted.chars() {
        if c.is_control() {
            let _ = write!(to, "\\u{:04x}", u32::from(c));
        } else {
            to.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        }
    }
}

/// Writes a text that has nothing to escape in quotation marks.
fn in_marks(to: &mut Vec<u8>, text: &str) {
    to.push(b'"');
    to.extend_from_slice(text.as_bytes());
    to.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_text_is_read_as_it_was_and_shows_no_control_character() {
        let all: String = (0..0x300).filter_map(char::from_u32).chain(['\u{2028}', '😀']).collect();
        let each = all.chars().map(String::from);
        for text in each.chain([&all, "", "a/b:c", "plain, then \u{9b}"].map(String::from)) {
            let mut line = Vec::new();
            quote(&mut line, &text);
            let line = String::from_utf8(line).unwrap();
            assert!(!line.contains(char::is_control), "{line:?}");
            assert_eq!(serde_json::from_str::<String>(&line).unwrap(), text);
        }
    }

    #[test]
    fn fields_without_a_value_are_left_out() {
        let mut written = b"before\n".to_vec();
        let mut line = Line::begin(&mut written);
        line.text("a", None);
        line.shown("b", Some(1));
        line.value("c", None::<u64>);
        line.value("d", Some(5.0));
        line.texts("e", Some(&["x".into(), "\"".into()]));
        line.texts("f", Some(&[]));
        line.texts("g", None);
        line.end();
        let expected = "before\n{\"b\":\"1\",\"d\":5.0,\"e\":[\"x\",\"\\\"\"],\"f\":[]}\n";
        assert_eq!(String::from_utf8(written).unwrap(), expected);
    }
}
