//! docker_auth's scalars: YAML as Go reads it into a field of a given type.
//!
//! A number, date or `yes` in a field of text is its own text. `1_000`, `0x10`, `010` and `9.5` in a field of integers
//! are 1000, 16, 8 and 9, but text in quotes is not a number.

use std::{fmt, marker::PhantomData};

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

/// Any scalar as its text; null is the empty text. (`Option<Text>` tells null from empty.)
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Text(pub(crate) String);

/// Returns what is written; null and the empty text are nothing.
pub(crate) fn text<'t>(written: impl Into<Option<&'t Text>>) -> Option<&'t str> {
    written.into().map(|Text(text)| text.as_str()).filter(|text| !text.is_empty())
}

/// An integer of 64 bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Integer(pub(crate) i64);

/// A boolean, also as `yes`, `no`, `on`, `off`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Switch(pub(crate) bool);

/// A list of text, or one text.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct OneOrMany(pub(crate) Vec<String>);

/// A mapping from names an operator chose, in the order of the file.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Entries<V>(pub(crate) Vec<(String, V)>);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_option(TextVisitor)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Text;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text")
    }

    fn visit_none<E>(self) -> Result<Text, E> {
        Ok(Text::default())
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Text, D::Error> {
        // Asked for a string, the tree hands over the text of any scalar.
        deserializer.deserialize_str(self)
    }

    fn visit_str<E>(self, text: &str) -> Result<Text, E> {
        Ok(Text(text.to_owned()))
    }
}

impl<'de> Deserialize<'de> for Integer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(IntegerVisitor)
    }
}

struct IntegerVisitor;

impl Visitor<'_> for IntegerVisitor {
    type Value = Integer;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number without quotes")
    }

    fn visit_i64<E>(self, number: i64) -> Result<Integer, E> {
        Ok(Integer(number))
    }

    /// Go cuts the fraction off.
    #[allow(
        clippy::cast_possible_truncation,
        reason = "the range is checked, and cutting the fraction is the point"
    )]
    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Integer, E> {
        let fits = number.is_finite() && number.abs() < 9.0e18;
        fits.then_some(Integer(number as i64))
            .ok_or_else(|| E::invalid_value(de::Unexpected::Float(number), &self))
    }
}

impl<'de> Deserialize<'de> for Switch {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SwitchVisitor)
    }
}

struct SwitchVisitor;

impl Visitor<'_> for SwitchVisitor {
    type Value = Switch;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("`true` or `false`")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Switch, E> {
        Ok(Switch(value))
    }
}

impl<'de> Deserialize<'de> for OneOrMany {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Asked for a list, the tree hands over a scalar as its text.
        deserializer.deserialize_seq(OneOrManyVisitor)
    }
}

struct OneOrManyVisitor;

impl<'de> Visitor<'de> for OneOrManyVisitor {
    type Value = OneOrMany;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text or a list of texts")
    }

    fn visit_str<E>(self, text: &str) -> Result<OneOrMany, E> {
        Ok(OneOrMany(vec![text.to_owned()]))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<OneOrMany, A::Error> {
        let mut texts = Vec::new();
        while let Some(Text(text)) = list.next_element()? {
            texts.push(text);
        }
        Ok(OneOrMany(texts))
    }
}

impl<'de, V: Deserialize<'de>> Deserialize<'de> for Entries<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(EntriesVisitor(PhantomData))
    }
}

struct EntriesVisitor<V>(PhantomData<V>);

impl<'de, V: Deserialize<'de>> Visitor<'de> for EntriesVisitor<V> {
    type Value = Entries<V>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a mapping")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries<V>, A::Error> {
        let mut entries = Vec::new();
        while let Some(Text(name)) = map.next_key()? {
            entries.push((name, map.next_value()?));
        }
        Ok(Entries(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::yaml;

    fn read<T: de::DeserializeOwned>(text: &str) -> Option<T> {
        let (root, problems) = yaml::read(&format!("{text}\n")).ok()?;
        T::deserialize(&root?).ok().filter(|_| problems.is_empty())
    }

    #[test]
    fn any_scalar_is_text() {
        for text in ["123", "0x1F", "1.50", "1e3", "yes", "true", "2001-01-01", ".inf", "::1", "010", "none"]
        {
            assert_eq!(read::<Text>(text).map(|t| t.0).as_deref(), Some(text));
        }
        for (yaml, text) in [("~", ""), ("''", ""), ("'~'", "~"), ("!!str 5", "5")] {
            assert_eq!(read::<Text>(yaml).map(|t| t.0).as_deref(), Some(text), "{yaml}");
        }
        for refused in ["[a]", "!!int '5'", "!!binary YQ==", "!x a"] {
            assert!(read::<Text>(refused).is_none(), "{refused}");
        }
        assert!(read::<Option<Text>>("~").is_some_and(|t| t.is_none()));
        assert!(read::<Option<Text>>("''").is_some_and(|t| t.is_some()));
    }

    #[test]
    fn integers_are_those_of_go() {
        for (yaml, number) in [
            ("900", 900),
            ("1_000", 1000),
            ("0x10", 16),
            ("0x1_0", 16),
            ("0b11", 3),
            ("0o17", 15),
            ("010", 8),
            ("9.0", 9),
            ("9.5", 9),
            ("-2", -2),
            ("-1_0", -10),
            ("1e3", 1000),
        ] {
            assert_eq!(read(yaml), Some(Integer(number)), "{yaml}");
        }
        let refused = [
            "'900'",
            "''",
            "1:30",
            "first",
            "9223372036854775808",
            "99999999999999999999",
            ".nan",
            "[1]",
            "09",
            "_1",
        ];
        for yaml in refused {
            assert_eq!(read::<Integer>(yaml), None, "{yaml}");
        }
    }

    #[test]
    fn switches_are_those_of_go() {
        for yaml in ["true", "True", "yes", "Yes", "on", "ON", "y"] {
            assert_eq!(read(yaml), Some(Switch(true)), "{yaml}");
        }
        for yaml in ["false", "no", "NO", "off", "n"] {
            assert_eq!(read(yaml), Some(Switch(false)), "{yaml}");
        }
        for yaml in ["maybe", "1", "[]", "yEs"] {
            assert_eq!(read::<Switch>(yaml), None, "{yaml}");
        }
    }

    #[test]
    fn names_are_text_and_stand_once() {
        let names = |yaml| {
            read::<Entries<Option<Text>>>(yaml).map(|e| e.0.into_iter().map(|(k, _)| k).collect::<Vec<_>>())
        };
        assert_eq!(names("{yes: a, 1: b, ~: c}").unwrap(), ["yes", "1", ""]);
        assert!(names("{1: a, '1': b}").is_none());
    }
}
