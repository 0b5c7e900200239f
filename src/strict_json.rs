//! JSON of which two readers could understand something different is refused: a member that stands there twice, at any
//! depth.

use std::{collections::BTreeSet, fmt};

use serde::{
    Deserializer,
    de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Value};

/// Takes the next name of an object, and returns whether it may stand there behind those that were taken before.
pub(crate) type TakeName = fn(&str, &mut BTreeSet<String>) -> bool;

/// Reads one value and nothing after it but white space; `None` for anything else. `take_name` judges each name.
/// `serde_json` bounds the depth at 128.
pub(crate) fn read(json: &[u8], take_name: TakeName) -> Option<Value> {
    let mut reader = serde_json::Deserializer::from_slice(json);
    let value = Strict(take_name).deserialize(&mut reader).ok()?;
    reader.end().ok().map(|()| value)
}

/// The simplest judge of names: each stands there once.
pub(crate) fn once(name: &str, before: &mut BTreeSet<String>) -> bool {
    before.insert(name.to_owned())
}

#[derive(Clone, Copy)]
struct Strict(TakeName);

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = list.next_element_seed(self)? {
            values.push(value);
        }
        Ok(values.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let (mut members, mut before) = (Map::new(), BTreeSet::new());
        while let Some(name) = map.next_key::<String>()? {
            if !self.0(&name, &mut before) {
                return Err(A::Error::custom("repeated or disguised member"));
            }
            let value = map.next_value_seed(self)?;
            members.insert(name, value);
        }
        Ok(members.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stands_there_once_at_any_depth_and_nothing_follows() {
        for good in ["{}", "[1,-2,0.5,null,true,\"x\"]", r#" {"a":{"a":[{"a":1}]},"A":2} "#] {
            let expected: Value = serde_json::from_str(good).unwrap();
            assert_eq!(read(good.as_bytes(), once), Some(expected), "{good}");
        }
        let deep = "[".repeat(200);
        for bad in ["", "{", r#"{"a":1,"a":1}"#, r#"[{"b":{"a":1,"\u0061":2}}]"#, "{} {}", "{},", &deep] {
            assert_eq!(read(bad.as_bytes(), once), None, "{bad}");
        }
    }
}
