//! JSON of strangers, read as Go reads it where Go reads it at all. Names match in any case, the last of several
//! members of one name counts, `null` is as if absent, and text that is not Unicode is no error.
//!
//! A value of another type than the expected one is no value, and spoils nothing beside it. Everything has a bound:
//! [`MOST`] and [`LONGEST`]; nesting costs no stack, since a value is kept as text until it is read.

use std::{collections::BTreeMap, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{self, MapAccess, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

/// The most entries that are read of any list or map: layers, labels, steps of a history. The others are dropped.
pub const MOST: usize = 1000;

/// The most bytes of any text. A longer one is cut, and ends with `…` within the bound.
pub const LONGEST: usize = 16 << 10;

/// A value as it stands in a document. Its syntax has been checked, and nothing else.
#[derive(Clone, Copy)]
pub(super) struct Json<'a>(&'a RawValue);

impl<'a> Json<'a> {
    /// A document: one value and nothing after it.
    pub(super) fn read(document: &'a str) -> Option<Self> {
        serde_json::from_str(document).ok().map(Self)
    }

    pub(super) fn is_object(self) -> bool {
        self.0.get().starts_with('{')
    }

    pub(super) fn is_list(self) -> bool {
        self.0.get().starts_with('[')
    }

    /// The members of these names; of something else than an object, none.
    pub(super) fn members<const N: usize>(self, names: [&str; N]) -> [Option<Self>; N] {
        let mut found = [None; N];
        self.each_member(|name, value| {
            for (place, _) in found.iter_mut().zip(names).filter(|(_, wanted)| is_called(&name, wanted)) {
                *place = Some(value);
            }
            true
        });
        found
    }

    /// The members of a map with names of the writer's choice, each through `read`.
    pub(super) fn map<T>(self, read: impl Fn(Self) -> Option<T>) -> BTreeMap<String, T> {
        let mut map = BTreeMap::new();
        self.each_member(|name, value| {
            if let Some(value) = read(value) {
                map.insert(name, value);
            }
            map.len() < MOST
        });
        map
    }

    /// The names of such a map, whatever its values are.
    pub(super) fn names(self) -> Vec<String> {
        let mut names = BTreeMap::new();
        self.each_member(|name, _| {
            names.insert(name, ());
            names.len() < MOST
        });
        names.into_keys().collect()
    }

    /// The elements of a list.
    pub(super) fn list(self) -> Vec<Self> {
        let mut elements = Vec::new();
        // The error is that of stopping before the end.
        let _ = serde_json::Deserializer::from_str(self.0.get()).deserialize_seq(Elements(&mut elements));
        elements
    }

    /// The texts of a list; a lone text counts as a list of itself, as docker reads commands.
    pub(super) fn texts(self) -> Vec<String> {
        match self.text() {
            Some(text) => vec![text],
            None => self.list().into_iter().filter_map(Self::text).collect(),
        }
    }

    pub(super) fn text(self) -> Option<String> {
        serde_json::from_str(self.0.get()).ok().map(|Text(text)| text)
    }

    /// A text of any length: the document is its bound.
    pub(super) fn whole_text(self) -> Option<String> {
        serde_json::from_str(self.0.get()).ok()
    }

    /// A text that says something.
    pub(super) fn words(self) -> Option<String> {
        self.text().filter(|text| !text.is_empty())
    }

    pub(super) fn number(self) -> Option<u64> {
        serde_json::from_str(self.0.get()).ok()
    }

    pub(super) fn is_true(self) -> bool {
        self.0.get() == "true"
    }

    /// Calls `take` with each member that is not `null`, for as long as it wants more.
    fn each_member(self, take: impl FnMut(String, Self) -> bool) {
        // The error is that of stopping before the end, or of something else than an object.
        let _ = serde_json::Deserializer::from_str(self.0.get()).deserialize_map(Members(take));
    }
}

/// Go compares the names of members by letter, whatever their case: `ſ` is an `s` and the Kelvin sign a `k`.
fn is_called(found: &str, wanted: &str) -> bool {
    let fold = |c: char| match c {
        'ſ' => 's',
        '\u{212a}' => 'k',
        other => other.to_ascii_lowercase(),
    };
    found.chars().map(fold).eq(wanted.chars().map(fold))
}

/// A text or a name, cut. Taken as bytes, so that half of a surrogate pair is replaced, not refused.
struct Text(String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_bytes(TextVisitor)
    }
}

struct TextVisitor;

impl Visitor<'_> for TextVisitor {
    type Value = Text;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Text, E> {
        Ok(Text(cut(&String::from_utf8_lossy(bytes))))
    }
}

fn cut(text: &str) -> String {
    if text.len() <= LONGEST {
        return text.to_owned();
    }
    let (kept, _) = text.split_at(text.floor_char_boundary(LONGEST - '…'.len_utf8()));
    format!("{kept}…")
}

struct Members<F>(F);

impl<'de, F: FnMut(String, Json<'de>) -> bool> Visitor<'de> for Members<F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        while let Some((Text(name), value)) = map.next_entry::<Text, &RawValue>()? {
            if value.get() != "null" && !(self.0)(name, Json(value)) {
                break;
            }
        }
        Ok(())
    }
}

struct Elements<'l, 'de>(&'l mut Vec<Json<'de>>);

impl<'de> Visitor<'de> for Elements<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while self.0.len() < MOST
            && let Some(element) = list.next_element()?
        {
            self.0.push(Json(element));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(document: &str) -> Json<'_> {
        Json::read(document).unwrap()
    }

    fn text(document: &str) -> Option<String> {
        read(document).members(["mediaType"])[0].and_then(Json::text)
    }

    #[test]
    fn members_are_found_as_go_finds_them() {
        for document in [
            r#"{"mediaType":"x"}"#,
            r#" { "MEDIATYPE" : "x" } "#,
            r#"{"mediaType":"y","mediatype":"x"}"#,
            r#"{"mediaType":"x","mediaType":null}"#,
            r#"{"a":[[{"b":"}"}]],"media\u0054ype":"x","c":1e999}"#,
        ] {
            assert_eq!(text(document).as_deref(), Some("x"), "{document}");
        }
        assert!(is_called("layerſ", "layers") && is_called("\u{212a}ey", "key") && !is_called("ley", "key"));
        for document in
            ["{}", "[]", "1", r#"{"mediaType":1}"#, r#"{"mediaType":["x"]}"#, r#"{"mediaTypes":"x"}"#]
        {
            assert_eq!(text(document), None, "{document}");
        }
    }

    #[test]
    fn what_is_no_json_is_nothing() {
        for document in ["", "{", "{} {}", "nul", "\u{feff}{}", "{\"a\":\"\n\"}", "{'a':1}", "[1,]", "01"] {
            assert!(Json::read(document).is_none(), "{document}");
        }
    }

    #[test]
    fn text_that_is_not_unicode_is_replaced() {
        assert_eq!(
            text(r#"{"\ud800":1,"mediaType":"a\udc00b"}"#).as_deref(),
            Some("a\u{fffd}\u{fffd}\u{fffd}b")
        );
        assert_eq!(text(r#"{"mediaType":"a\u0000b"}"#).as_deref(), Some("a\0b"));
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        let exact = "x".repeat(LONGEST);
        assert_eq!(text(&format!(r#"{{"mediaType":"{exact}"}}"#)), Some(exact));
        let long = text(&format!(r#"{{"mediaType":"x{}"}}"#, "é".repeat(LONGEST))).unwrap();
        assert!(long.len() <= LONGEST && long.len() > LONGEST - 4 && long.ends_with("é…"), "{}", long.len());
    }

    #[test]
    fn endless_lists_and_maps_end() {
        let list = format!("[{}]", vec!["\"x\""; 2 * MOST].join(","));
        assert_eq!((read(&list).list().len(), read(&list).texts().len()), (MOST, MOST));
        let members: Vec<String> = (0..2 * MOST).map(|i| format!("\"{i:05}\":\"\"")).collect();
        let map = format!("{{{}}}", members.join(","));
        assert_eq!((read(&map).map(Json::text).len(), read(&map).names().len()), (MOST, MOST));
    }

    #[test]
    fn depth_costs_no_stack() {
        let deep = format!("{}{}", "[".repeat(2 << 20), "]".repeat(2 << 20));
        let document = format!(r#"{{"a":{deep},"mediaType":"x"}}"#);
        assert_eq!(text(&document).as_deref(), Some("x"));
        assert_eq!(read(&deep).list().len(), 1);
    }

    #[test]
    fn a_value_of_another_type_is_none() {
        assert_eq!(read("[1, \"a\", [], null, \"b\"]").texts(), ["a", "b"]);
        assert_eq!(read("\"a\"").texts(), ["a"]);
        assert_eq!(read("18446744073709551615").number(), Some(u64::MAX));
        for number in ["18446744073709551616", "-1", "1.5", "1e3", "\"1\"", "null", "{}"] {
            assert_eq!(read(number).number(), None, "{number}");
        }
        assert!(read("true").is_true() && !read("1").is_true() && !read("\"true\"").is_true());
        assert_eq!((read("\"\"").words(), read("\"\"").text()), (None, Some(String::new())));
    }
}
