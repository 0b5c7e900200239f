//! The digests in an index, as a registry may read them.
//!
//! A registry is written in Go, whose reader takes names in any case and the last of two members. So an index is whatever
//! has a member that Go would read as `manifests`, and each text in it that is a digest is a child. That is more than the
//! registry needs, and never less.

use std::fmt;

use serde::{
    Deserializer,
    de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor},
};

use crate::registry::Digest;

/// The digests that an index names; none for another manifest. `None` for what is no JSON object.
pub(super) fn children(manifest: &[u8]) -> Option<Vec<Digest>> {
    let mut reader = serde_json::Deserializer::from_slice(manifest);
    let mut found = Texts::default();
    Collect { found: &mut found, depth: 0 }.deserialize(&mut reader).ok()?;
    reader.end().ok()?;
    match (found.is_object, found.is_index) {
        (false, _) => None,
        (true, false) => Some(Vec::new()),
        (true, true) => Some(found.digests),
    }
}

#[derive(Default)]
struct Texts {
    is_object: bool,
    is_index: bool,
    digests: Vec<Digest>,
}

/// Collects from a value, and from all that is in it. `serde_json` bounds the depth at 128.
struct Collect<'f> {
    found: &'f mut Texts,
    depth: usize,
}

impl Collect<'_> {
    fn below(&mut self) -> Collect<'_> {
        Collect { found: self.found, depth: self.depth + 1 }
    }
}

impl<'de> DeserializeSeed<'de> for Collect<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Collect<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        self.found.digests.extend(Digest::parse(text));
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<(), A::Error> {
        while list.next_element_seed(self.below())?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        let is_top = self.depth == 0;
        self.found.is_object |= is_top;
        while let Some(name) = map.next_key::<String>()? {
            self.found.is_index |= is_top && folded(&name) == "manifests";
            map.next_value_seed(self.below())?;
        }
        Ok(())
    }
}

/// Go folds names by letter: `ſ` is an `s`. Upper case first takes it along.
fn folded(name: &str) -> String {
    name.to_uppercase().to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(manifest: &str) -> Option<Vec<String>> {
        Some(children(manifest.as_bytes())?.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn rule_50_an_index_names_whatever_a_registry_may_read_in_it() {
        let digests = ["a", "b"].map(|digit| format!("sha256:{}", digit.repeat(64)));
        let [one, two] = &digests;
        for index in [
            format!(r#"{{"manifests":[{{"digest":"{one}"}},{{"digest":"{two}"}}]}}"#),
            format!(r#"{{"manifests":[{{"digest":"{one}"}}],"manifests":[{{"digest":"{two}"}}]}}"#),
            format!(r#"{{"Manifests":[{{"Digest":"{one}"}}],"MANIFESTS":[{{"dIgest":"{two}"}}]}}"#),
            format!(r#"{{"manife\u017ft\u0073":[{{"digest":"{one}"}},{{"digest":"{two}"}}]}}"#),
            format!(r#"{{"config":{{"digest":"{one}"}},"layers":[],"manifests":[{{"digest":"{two}"}}]}}"#),
            format!(r#"{{"manifests":[{{"digest":"sha256\u003a{}"}},{{"digest":"{two}"}}]}}"#, &one[7..]),
        ] {
            assert_eq!(of(&index).as_deref(), Some(&digests[..]), "{index}");
        }
        let many = (0..20_000).map(|n| format!(r#"{{"digest":"sha256:{n:064x}"}}"#)).collect::<Vec<_>>();
        let many = of(&format!(r#"{{"manifests":[{}]}}"#, many.join(","))).unwrap();
        assert_eq!(many.len(), 20_000, "none of a long list is left out");
    }

    #[test]
    fn an_image_has_no_children_and_what_is_no_manifest_is_none() {
        let digest = format!("sha256:{}", "a".repeat(64));
        let image =
            format!(r#"{{"config":{{"digest":"{digest}"}},"layers":[{{"manifests":["{digest}"]}}]}}"#);
        assert_eq!(of(&image), Some(Vec::new()));
        for other in ["", "[]", "1", "null", "{", "{} {}", "\u{feff}{}", &"[".repeat(100_000)] {
            assert_eq!(of(other), None, "{}", other.get(..20).unwrap_or(other));
        }
    }
}
