//! The digests that a manifest names, as a registry may read them.
//!
//! A registry is written in Go, whose reader takes names in any case and the last of two members. So an index is whatever
//! has a member that Go would read as `manifests`, and each text in a manifest that is a digest counts as named. That is
//! more than the registry reads, and never less. Only `annotations` are left out, which no registry looks into.

use std::fmt;

use serde::{
    Deserializer,
    de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor},
};

use crate::registry::Digest;

/// The digests in a manifest.
#[derive(Debug, Default)]
pub struct NamedDigests {
    is_object: bool,
    /// True if a registry may read it as an index.
    pub is_index: bool,
    /// Each text that is a digest, in order.
    pub digests: Vec<Digest>,
}

impl NamedDigests {
    /// Reads a manifest. `None` for what is no JSON object.
    pub fn read(manifest: &[u8]) -> Option<Self> {
        let mut reader = serde_json::Deserializer::from_slice(manifest);
        let mut found = Self::default();
        Collect { found: &mut found, depth: 0 }.deserialize(&mut reader).ok()?;
        reader.end().ok()?;
        found.is_object.then_some(found)
    }
}

/// Collects from a value, and from all that is in it. `serde_json` bounds the depth at 128.
struct Collect<'f> {
    found: &'f mut NamedDigests,
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
            if name == "annotations" {
                map.next_value::<IgnoredAny>()?;
            } else {
                map.next_value_seed(self.below())?;
            }
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
        Some(NamedDigests::read(manifest.as_bytes())?.digests.iter().map(ToString::to_string).collect())
    }

    fn is_index(manifest: &str) -> bool {
        NamedDigests::read(manifest.as_bytes()).unwrap().is_index
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
            assert!(is_index(&index), "{index}");
        }
        let many = (0..20_000).map(|n| format!(r#"{{"digest":"sha256:{n:064x}"}}"#)).collect::<Vec<_>>();
        let many = of(&format!(r#"{{"manifests":[{}]}}"#, many.join(","))).unwrap();
        assert_eq!(many.len(), 20_000, "none of a long list is left out");
    }

    #[test]
    fn rule_51_whatever_a_registry_may_read_as_a_digest_is_named() {
        let digest = |digit: char| format!("sha256:{}", digit.to_string().repeat(64));
        let [one, two, three] = ['a', 'b', 'c'].map(digest);
        for manifest in [
            format!(r#"{{"config":{{"digest":"{one}"}},"config":{{"digest":"{two}"}},"layers":[]}}"#),
            format!(r#"{{"Config":{{"dige\u017ft":"{one}"}},"fsLayers":[{{"blobSum":"{two}"}}]}}"#),
            format!(r#"{{"x":[[{{"y":"{one}","z":1.5,"n":-1,"t":true}}]],"subject":{{"digest":"{two}"}}}}"#),
            format!(r#"{{"Annotations":{{"a":"{one}"}},"annotations":{{"b":"{three}"}},"c":"{two}"}}"#),
        ] {
            assert_eq!(of(&manifest), Some(vec![one.clone(), two.clone()]), "{manifest}");
            assert!(!is_index(&manifest), "{manifest}");
        }
        let of_another = format!(r#"{{"layers":[{{"manifests":["{one}"]}}]}}"#);
        assert!(!is_index(&of_another), "only at the top");
    }

    #[test]
    fn what_is_no_manifest_names_nothing() {
        for other in ["", "[]", "1", "null", "{", "{} {}", "\u{feff}{}", &"[".repeat(100_000)] {
            assert_eq!(of(other), None, "{}", other.get(..20).unwrap_or(other));
        }
    }
}
