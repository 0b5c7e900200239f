//! Writes a line of the audit log: one JSON object (RFC 8259), field by field.
//!
//! Two lines are written for nearly every request, and nearly all of their texts are plain; what is not goes through
//! `serde_json`. Every field is bounded here, so the line is: journald splits lines at 48 KiB, and a client chooses
//! texts.

use std::{collections::BTreeMap, io::Write, time::SystemTime};

use serde::Serialize;

/// A line that is being written. A field without a value is left out.
pub(super) struct Line<'a> {
    to: &'a mut Vec<u8>,
    /// The byte before the next field.
    before: u8,
    /// The names of fields that were too long.
    truncated: Vec<&'static str>,
}

/// Bytes of a text between its quotation marks, escapes included.
const LONGEST_TEXT: usize = 2 << 10;
/// Bytes of several texts together.
const LONGEST_LIST: usize = 5 << 10;
/// Ends a text that was too long.
const ELLIPSIS: char = '…';

impl<'a> Line<'a> {
    /// A line behind what `to` has already.
    pub(super) fn begin(to: &'a mut Vec<u8>) -> Self {
        Self { to, before: b'{', truncated: Vec::new() }
    }

    /// Any text, up to two kibibytes.
    pub(super) fn text<'t>(&mut self, name: &'static str, text: impl Into<Option<&'t str>>) {
        if let Some(text) = text.into() {
            self.put_text(name, text);
        }
    }

    /// Not inlined into its twenty callers: the instruction cache is cold when a line is written.
    #[inline(never)]
    fn put_text(&mut self, name: &'static str, text: &str) {
        self.name(name);
        if !quote(self.to, text) {
            self.truncated.push(name);
        }
    }

    /// A fixed word, which has nothing to escape.
    pub(super) fn word(&mut self, name: &'static str, word: impl Into<Option<&'static str>>) {
        if let Some(word) = word.into() {
            self.put_word(name, word);
        }
    }

    #[inline(never)]
    fn put_word(&mut self, name: &'static str, word: &str) {
        self.name(name);
        in_marks(self.to, word);
    }

    /// Several texts, up to five kibibytes.
    pub(super) fn texts(&mut self, name: &'static str, texts: Option<&[String]>) {
        let Some(texts) = texts else { return };
        self.name(name);
        let start = self.to.len();
        let mut is_whole = true;
        for text in texts {
            self.to.push(if self.to.len() == start { b'[' } else { b',' });
            let before = self.to.len() - 1;
            is_whole &= quote(self.to, text);
            if self.to.len() - start > LONGEST_LIST {
                self.to.truncate(before);
                is_whole = false;
                break;
            }
        }
        if texts.is_empty() {
            self.to.push(b'[');
        }
        self.to.push(b']');
        if !is_whole {
            self.truncated.push(name);
        }
    }

    /// Lists of texts by their names, up to five kibibytes together: all or none, for a part would be read as all.
    pub(super) fn labels(&mut self, name: &'static str, labels: Option<&BTreeMap<String, Vec<String>>>) {
        let Some(labels) = labels else { return };
        let (start, before) = (self.to.len(), self.before);
        self.name(name);
        if !lists(self.to, labels) {
            self.to.truncate(start);
            self.before = before;
            self.truncated.push(name);
        }
    }

    /// A moment: RFC 3339, UTC, microseconds.
    pub(super) fn time(&mut self, name: &'static str, time: SystemTime) {
        self.name(name);
        // Writing to a vector does not fail.
        let _ = write!(self.to, "\"{}\"", humantime::format_rfc3339_micros(within_bounds(time)));
    }

    /// A number, or something else that `serde` writes without a control character, and that is small.
    pub(super) fn value(&mut self, name: &'static str, value: Option<impl Serialize>) {
        let Some(value) = value else { return };
        self.name(name);
        let _ = serde_json::to_writer(&mut *self.to, &value);
    }

    /// The end of the object, and of the line.
    pub(super) fn end(mut self) {
        if !self.truncated.is_empty() {
            let names = std::mem::take(&mut self.truncated);
            self.value("truncated", Some(names));
        }
        self.to.extend_from_slice(b"}\n");
    }

    fn name(&mut self, name: &'static str) {
        self.to.extend_from_slice(&[self.before, b'"']);
        self.to.extend_from_slice(name.as_bytes());
        self.to.extend_from_slice(b"\":");
        self.before = b',';
    }
}

/// A clock that is out of all bounds, before 1970 or after 9999, is shown as the nearest of these.
fn within_bounds(time: SystemTime) -> SystemTime {
    let end = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(253_402_300_799);
    time.clamp(SystemTime::UNIX_EPOCH, end)
}

/// Writes an object of lists, and returns whether all of it found room.
fn lists(to: &mut Vec<u8>, lists: &BTreeMap<String, Vec<String>>) -> bool {
    let start = to.len();
    let mut before = b'{';
    for (name, texts) in lists {
        to.push(before);
        if !quote(to, name) {
            return false;
        }
        to.push(b':');
        before = b'[';
        for text in texts {
            to.push(before);
            if !quote(to, text) || to.len() - start > LONGEST_LIST {
                return false;
            }
            before = b',';
        }
        to.extend_from_slice(if texts.is_empty() { b"[]" } else { b"]" });
        before = b',';
    }
    to.extend_from_slice(if lists.is_empty() { b"{}" } else { b"}" });
    to.len() - start <= LONGEST_LIST
}

/// Writes a text in quotation marks, and returns whether all of it found room. Every control character is escaped, so
/// that no client can write lines of its own, or steer the terminal of a reader.
fn quote(to: &mut Vec<u8>, text: &str) -> bool {
    let is_plain = |byte: u8| matches!(byte, b' '..=b'~') & (byte != b'"') & (byte != b'\\');
    // All are looked at whatever they are: so the compiler takes many at a time.
    if text.len() <= LONGEST_TEXT && text.bytes().fold(true, |plain, byte| plain & is_plain(byte)) {
        in_marks(to, text);
        return true;
    }
    to.push(b'"');
    let is_whole = escape(to, text);
    if !is_whole {
        to.extend_from_slice(ELLIPSIS.encode_utf8(&mut [0; 4]).as_bytes());
    }
    to.push(b'"');
    is_whole
}

/// Writes as much of a text as finds room, and returns whether that was all.
fn escape(to: &mut Vec<u8>, text: &str) -> bool {
    let start = to.len();
    for c in text.chars() {
        let before = to.len();
        match c {
            '"' | '\\' => to.extend_from_slice(&[b'\\', c as u8]),
            c if c.is_control() => drop(write!(to, "\\u{:04x}", u32::from(c))),
            c => to.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
        if to.len() - start > LONGEST_TEXT {
            to.truncate(before);
            return false;
        }
    }
    true
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
    fn a_text_that_is_too_long_is_cut_between_characters_and_named() {
        let cases = [("\u{1}", 6), ("é", 2), ("x", 1), ("\"", 2), ("😀", 4)];
        for (letter, size) in cases {
            let text = |bytes: usize| letter.repeat(bytes / size);
            let mut written = Vec::new();
            let mut line = Line::begin(&mut written);
            line.text("short", text(LONGEST_TEXT).as_str());
            line.text("long", text(LONGEST_TEXT + size).as_str());
            line.texts("list", Some(&vec![text(1000); 100]));
            line.end();
            let read: serde_json::Value = serde_json::from_slice(&written).unwrap();
            assert_eq!(read["short"], text(LONGEST_TEXT));
            assert_eq!(read["long"], text(LONGEST_TEXT) + "…");
            assert_eq!(
                read["list"].as_array().unwrap().len(),
                LONGEST_LIST / (text(1000).len().max(1) / letter.len() * size + 3)
            );
            assert_eq!(read["truncated"], serde_json::json!(["long", "list"]));
        }
    }

    #[test]
    fn labels_are_written_whole_or_not_at_all() {
        let lists = |written: &[(&str, Vec<String>)]| -> BTreeMap<String, Vec<String>> {
            written.iter().map(|(name, texts)| ((*name).to_owned(), texts.clone())).collect()
        };
        let long = "x".repeat(LONGEST_TEXT + 1);
        let many: Vec<(String, Vec<String>)> = (0..2000).map(|n| (n.to_string(), Vec::new())).collect();
        for (labels, fit) in [
            (lists(&[]), true),
            (lists(&[("none", Vec::new()), ("a\"\n", vec!["\u{9b}".into(), String::new()])]), true),
            (lists(&[("group", vec!["x".repeat(LONGEST_TEXT); 2])]), true),
            (lists(&[("group", vec!["x".repeat(LONGEST_TEXT); 3])]), false),
            (lists(&[("a", vec!["short".into()]), ("group", vec![long.clone()])]), false),
            (lists(&[(&long, vec!["short".into()])]), false),
            (many.into_iter().collect(), false),
        ] {
            let mut written = Vec::new();
            let mut line = Line::begin(&mut written);
            line.labels("labels", Some(&labels));
            line.value("after", Some(1));
            line.end();
            let read: serde_json::Value = serde_json::from_slice(&written).unwrap();
            let expected = if fit {
                serde_json::json!({"labels": labels, "after": 1})
            } else {
                serde_json::json!({"after": 1, "truncated": ["labels"]})
            };
            assert_eq!(read, expected);
        }
    }

    #[test]
    fn fields_without_a_value_are_left_out() {
        let mut written = b"before\n".to_vec();
        let mut line = Line::begin(&mut written);
        line.text("a", None);
        line.value("b", Some(1));
        line.value("c", None::<u64>);
        line.value("d", Some(5.0));
        line.texts("e", Some(&["x".into(), "\"".into()]));
        line.texts("f", Some(&[]));
        line.texts("g", None);
        line.labels("h", None);
        line.end();
        let expected = "before\n{\"b\":1,\"d\":5.0,\"e\":[\"x\",\"\\\"\"],\"f\":[]}\n";
        assert_eq!(String::from_utf8(written).unwrap(), expected);
    }
}
