//! JSON read strictly: what two readers could understand differently is refused.
//!
//! A registry is written in Go, whose reader takes the last of two members of one name and matches names in any case.
//! So a second `exp`, an `ISS` after an `iss` and a lone `ACCESS` are all malformed here.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::TokenError;
use crate::strict_json;

/// Every member name that a registry or Portwarden reads in a header, in claims or in an entry of `access`.
const KNOWN_NAMES: [&str; 34] = [
    "access",
    "actions",
    "alg",
    "aud",
    "backend",
    "class",
    "cnf",
    "crit",
    "exp",
    "generation",
    "grants",
    "iat",
    "iss",
    "jku",
    "jti",
    "jwk",
    "kid",
    "labels",
    "left_out",
    "name",
    "nbf",
    "personal_token",
    "pwd",
    "required",
    "robot_token",
    "service",
    "session",
    "state",
    "stored",
    "sub",
    "typ",
    "type",
    "x5c",
    "x5t#S256",
];

/// A JSON object whose members are asked for by name and type; `null` is the same as absent, as in Go.
#[derive(Debug)]
pub(super) struct Object(Map<String, Value>);

impl Object {
    /// Reads one object and nothing after it but white space.
    pub(super) fn read(json: &[u8]) -> Result<Self, TokenError> {
        Self::from_value(strict_json::read(json, take_name).ok_or(TokenError::Malformed)?)
    }

    /// A text, or `None` when absent.
    pub(super) fn text(&self, name: &str) -> Result<Option<&str>, TokenError> {
        self.get(name).map(|value| value.as_str().ok_or(TokenError::Malformed)).transpose()
    }

    /// An integer of 64 bits written as one (no fraction, no exponent), or `None` when absent.
    pub(super) fn integer(&self, name: &str) -> Result<Option<i64>, TokenError> {
        self.get(name).map(|value| value.as_i64().ok_or(TokenError::Malformed)).transpose()
    }

    /// A list of texts; empty when absent.
    pub(super) fn texts(&self, name: &str) -> Result<Vec<String>, TokenError> {
        self.list(name)?.iter().map(text).collect()
    }

    /// A list of lists of texts; empty when absent.
    pub(super) fn lists(&self, name: &str) -> Result<Vec<Vec<String>>, TokenError> {
        let texts = |value: &Value| {
            value.as_array().ok_or(TokenError::Malformed)?.iter().map(text).collect::<Result<_, _>>()
        };
        self.list(name)?.iter().map(texts).collect()
    }

    /// A list of objects; empty when absent.
    pub(super) fn objects(&self, name: &str) -> Result<Vec<Self>, TokenError> {
        self.list(name)?.iter().cloned().map(Self::from_value).collect()
    }

    /// An object, or `None` when absent.
    pub(super) fn object(&self, name: &str) -> Result<Option<Self>, TokenError> {
        self.get(name).cloned().map(Self::from_value).transpose()
    }

    /// Returns true if there is such a member and it is not `null`.
    pub(super) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    fn list(&self, name: &str) -> Result<&[Value], TokenError> {
        let Some(value) = self.get(name) else { return Ok(&[]) };
        value.as_array().map(Vec::as_slice).ok_or(TokenError::Malformed)
    }

    fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    fn from_value(value: Value) -> Result<Self, TokenError> {
        match value {
            Value::Object(members) => Ok(Self(members)),
            _ => Err(TokenError::Malformed),
        }
    }
}

fn text(value: &Value) -> Result<String, TokenError> {
    value.as_str().map(str::to_owned).ok_or(TokenError::Malformed)
}

/// A member that a registry reads under another spelling is disguised.
fn take_name(name: &str, before: &mut BTreeSet<String>) -> bool {
    let folded = fold(name);
    let is_disguised = KNOWN_NAMES.contains(&folded.as_str()) && name != folded;
    !is_disguised && before.insert(folded)
}

/// Go folds names by letter: `ſ` is an `s` and the Kelvin sign a `k`. Upper case first takes both along.
fn fold(name: &str) -> String {
    name.to_uppercase().to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_two_readers_could_understand_differently_is_refused() {
        for json in [
            r#"{"exp":1,"exp":2}"#,
            r#"{"foo":1,"FOO":2}"#,
            r#"{"ISS":"x"}"#,
            r#"{"i\u017fs":"x"}"#,
            "{\"\u{212a}id\":\"x\"}",
            r#"{"access":[{"name":"a","name":"b"}]}"#,
            r#"{"foo":{"bar":[{"a":1,"a":1}]}}"#,
            "{} {}",
            "{}x",
            "\u{feff}{}",
            "[]",
            "null",
            "1",
            "{",
            "",
        ] {
            assert_eq!(Object::read(json.as_bytes()).unwrap_err(), TokenError::Malformed, "{json}");
        }
        assert!(Object::read(b"{\"a\":\"\xff\"}").is_err(), "not UTF-8");
        assert!(Object::read(&[b"{\"a\":".to_vec(), vec![b'['; 60_000]].concat()).is_err(), "deep");
    }

    #[test]
    fn what_everybody_understands_alike_is_read() {
        let object = Object::read(br#" {"iss":"x","Foo":{"A":1.5},"nbf":-1,"exp":null} "#).unwrap();
        assert_eq!(object.text("iss"), Ok(Some("x")));
        assert_eq!(object.integer("nbf"), Ok(Some(-1)));
        assert_eq!(object.integer("exp"), Ok(None));
        assert_eq!(object.integer("iss"), Err(TokenError::Malformed));
        assert!(object.has("Foo") && !object.has("exp") && !object.has("foo"));
    }
}
