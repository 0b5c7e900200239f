//! An entry of `xorm_acl_entry`: Go's JSON of a rule, as strict as a rule in the configuration.
//!
//! Go takes keys in any case (docker_auth writes `Match`, `Actions`, `Comment` itself) and ignores those it does not
//! know; here a misspelt `acount`, which would match every account, is an error.

use std::{collections::BTreeMap, fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, MapAccess, Visitor},
};
use serde_json::value::RawValue;

use crate::authz::{RuleSettings, Validity};

/// Reads an entry.
///
/// # Errors
/// What is wrong, with the key it is about.
pub(super) fn read(json: &str) -> Result<RuleSettings, String> {
    let written: Object<Raw> =
        serde_json::from_str(json).map_err(|error| format!("not JSON of an entry: {error}"))?;
    let mut entry = Fields::new("", written)?;
    let conditions: Option<Object<Raw>> = entry.take("match")?;
    let actions: Option<Vec<String>> = entry.take("actions")?;
    let comment = entry.take("comment")?;
    entry.end("match, actions, comment")?;
    let conditions = conditions.ok_or("match is missing; `{}` matches every account and every request")?;
    let actions = actions.ok_or("actions is missing; `[\"*\"]` is all, `[]` is none")?;
    let mut conditions = Fields::new("match.", conditions)?;
    let rule = RuleSettings {
        account: conditions.take("account")?,
        resource_type: conditions.take("type")?,
        name: conditions.take("name")?,
        service: conditions.take("service")?,
        ip: conditions.take("ip")?,
        tags: None,
        labels: conditions.take::<Object<String>>("labels")?.map(labels).transpose()?.unwrap_or_default(),
        actions,
        // docker_auth's table has no such keys: a row with one is refused.
        validity: Validity::default(),
        comment,
        line: 0,
    };
    conditions.end("account, type, name, ip, service, labels")?;
    Ok(rule)
}

fn labels(written: Object<String>) -> Result<BTreeMap<String, String>, String> {
    let mut labels = BTreeMap::new();
    for (label, pattern) in written.0 {
        if labels.insert(label, pattern).is_some() {
            return Err("match.labels has a label twice".to_owned());
        }
    }
    Ok(labels)
}

/// Read later, as what its key says; a map of values would keep the last of two with one key.
type Raw = Box<RawValue>;

/// The members of an object that are still to be read, by their keys in small letters.
struct Fields {
    within: &'static str,
    members: BTreeMap<String, Raw>,
}

impl Fields {
    fn new(within: &'static str, written: Object<Raw>) -> Result<Self, String> {
        let mut members = BTreeMap::new();
        for (key, value) in written.0 {
            let key = key.to_ascii_lowercase();
            if members.contains_key(&key) {
                return Err(format!("{within}{key} is there twice"));
            }
            members.insert(key, value);
        }
        Ok(Self { within, members })
    }

    /// Null is as good as absent.
    fn take<T: DeserializeOwned>(&mut self, key: &str) -> Result<Option<T>, String> {
        let Some(value) = self.members.remove(key) else { return Ok(None) };
        serde_json::from_str(value.get()).map_err(|error| format!("{}{key}: {error}", self.within))
    }

    fn end(self, known: &str) -> Result<(), String> {
        match self.members.into_keys().next() {
            Some(key) => Err(format!("{}{key:?} is not a known key; known are {known}", self.within)),
            None => Ok(()),
        }
    }
}

/// A JSON object with its members as they stand.
struct Object<V>(Vec<(String, V)>);

impl<'de, V: Deserialize<'de>> Deserialize<'de> for Object<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor(PhantomData))
    }
}

struct ObjectVisitor<V>(PhantomData<V>);

impl<'de, V: Deserialize<'de>> Visitor<'de> for ObjectVisitor<V> {
    type Value = Object<V>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object<V>, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(Object(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_read_in_gos_own_case_and_in_any_other() {
        for json in [
            r#"{"Match":{"account":"bob","name":"${account}/*"},"Actions":["pull"],"Comment":"own"}"#,
            r#"{"match":{"ACCOUNT":"bob","Name":"${account}/*","ip":null},"actions":["pull"],"comment":"own"}"#,
        ] {
            let rule = read(json).unwrap();
            assert_eq!(rule.account.as_deref(), Some("bob"));
            assert_eq!(rule.name.as_deref(), Some("${account}/*"));
            assert_eq!(
                (rule.actions.as_slice(), rule.comment.as_deref()),
                (&["pull".to_owned()][..], Some("own"))
            );
        }
        let json =
            r#"{"Match":{"type":"t","service":"s","ip":"10.0.0.0/8","labels":{"Group":"g"}},"Actions":[]}"#;
        let rule = read(json).unwrap();
        assert_eq!(rule.labels, BTreeMap::from([("Group".to_owned(), "g".to_owned())]));
        assert_eq!((rule.resource_type.as_deref(), rule.service.as_deref()), (Some("t"), Some("s")));
        assert_eq!((rule.ip.as_deref(), rule.comment), (Some("10.0.0.0/8"), None));
    }

    #[test]
    fn what_would_match_more_than_was_meant_is_an_error() {
        for (json, expected) in [
            (r#"{"Match":{"acount":"bob"},"Actions":["*"]}"#, "match.\"acount\" is not a known key"),
            (r#"{"Match":{},"account":"bob","Actions":["*"]}"#, "\"account\" is not a known key"),
            (r#"{"Match":{},"Actions":["*"],"Until":"2026-12-31"}"#, "\"until\" is not a known key"),
            (r#"{"Match":null,"Actions":["*"]}"#, "match is missing"),
            (r#"{"Actions":["*"]}"#, "match is missing"),
            (r#"{"Match":{},"Actions":null}"#, "actions is missing"),
            (r#"{"Match":{}}"#, "actions is missing"),
            (r#"{"Match":{"account":"a","Account":"b"},"Actions":[]}"#, "match.account is there twice"),
            (r#"{"Match":{"account":"a","account":"b"},"Actions":[]}"#, "match.account is there twice"),
            (r#"{"Match":{"account":"a"},"match":{},"Actions":[]}"#, "match is there twice"),
            (r#"{"Match":{"labels":{"a":"x","a":"y"}},"Actions":[]}"#, "label twice"),
            (r#"{"Match":{"account":1},"Actions":[]}"#, "match.account: invalid type"),
            (r#"{"Match":{},"Actions":"*"}"#, "actions: invalid type"),
            (r#"{"Match":{},"Actions":[null]}"#, "actions: invalid type"),
            (r#"[]"#, "not JSON of an entry"),
            ("null", "not JSON of an entry"),
            ("", "not JSON of an entry"),
        ] {
            let error = read(json).unwrap_err();
            assert!(error.contains(expected), "{json}: {error}");
        }
    }
}
