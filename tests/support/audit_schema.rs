//! `docs/audit.schema.json`, which describes a line of the audit log, and a validator of the keywords that it uses.
//!
//! Crates for all of JSON Schema bring dozens of others. A keyword that is not known here fails the test.

use std::{
    collections::HashMap,
    net::{Ipv4Addr, Ipv6Addr},
    sync::{LazyLock, Mutex},
};

use regex::Regex;
use serde_json::{Map, Value, json};

/// The schema.
pub static SCHEMA: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("../../docs/audit.schema.json")).expect("JSON"));

/// Keywords that hold for each value of another type than theirs.
const OF_ONE_TYPE: [&str; 13] = [
    "format",
    "pattern",
    "minLength",
    "maxLength",
    "minimum",
    "maximum",
    "items",
    "minItems",
    "maxItems",
    "required",
    "dependentRequired",
    "properties",
    "propertyNames",
];

/// Fails the test if a line is not as the schema says.
#[track_caller]
pub fn assert_valid(line: &Value) {
    if let Err(why) = check(&SCHEMA, line) {
        panic!("docs/audit.schema.json: {why}\nin {line}");
    }
}

/// Validates a value.
///
/// # Errors
/// The first keyword that does not hold, with the way to it.
pub fn check(schema: &Value, value: &Value) -> Result<(), String> {
    let keywords = schema.as_object().expect("a schema is an object");
    keywords.iter().try_for_each(|(keyword, expected)| {
        holds(keywords, keyword, expected, value).map_err(|why| format!("{keyword}: {why}"))
    })
}

fn holds(schema: &Map<String, Value>, keyword: &str, expected: &Value, value: &Value) -> Result<(), String> {
    let is = |holds: bool| holds.then_some(()).ok_or_else(|| format!("expected {expected}, found {value}"));
    let bound = || expected.as_f64().expect("a number");
    let schemas = || expected.as_array().expect("schemas").iter();
    match (keyword, value) {
        ("$schema" | "title" | "description" | "then", _) => Ok(()),
        ("type", _) => is(type_of(value).contains(&expected.as_str().expect("a type"))),
        ("enum", _) => is(expected.as_array().expect("values").contains(value)),
        ("const", _) => is(expected == value),
        ("format", Value::String(text)) => is(has_format(text, expected.as_str().expect("a format"))),
        ("pattern", Value::String(text)) => is(pattern(expected.as_str().expect("a pattern")).is_match(text)),
        ("minLength", Value::String(text)) => is(text.chars().count() as f64 >= bound()),
        ("maxLength", Value::String(text)) => is(text.chars().count() as f64 <= bound()),
        ("minimum", Value::Number(number)) => is(number.as_f64() >= Some(bound())),
        ("maximum", Value::Number(number)) => is(number.as_f64() <= Some(bound())),
        ("minItems", Value::Array(items)) => is(items.len() as f64 >= bound()),
        ("maxItems", Value::Array(items)) => is(items.len() as f64 <= bound()),
        ("items", Value::Array(items)) => items.iter().try_for_each(|item| check(expected, item)),
        ("required", Value::Object(fields)) => is(expected
            .as_array()
            .expect("names")
            .iter()
            .all(|name| fields.contains_key(name.as_str().unwrap()))),
        ("dependentRequired", Value::Object(fields)) => fields
            .keys()
            .filter_map(|name| expected.get(name))
            .try_for_each(|names| check(&json!({"required": names}), value)),
        ("properties", Value::Object(fields)) => {
            fields.iter().filter_map(|(name, field)| Some((name, expected.get(name)?, field))).try_for_each(
                |(name, schema, field)| check(schema, field).map_err(|why| format!("{name}: {why}")),
            )
        }
        ("additionalProperties", Value::Object(fields)) => fields
            .iter()
            .filter(|(name, _)| {
                schema.get("properties").is_none_or(|known| known.get(name.as_str()).is_none())
            })
            .try_for_each(|(name, field)| match expected {
                Value::Bool(false) => Err(format!("unknown field {name}")),
                expected => check(expected, field).map_err(|why| format!("{name}: {why}")),
            }),
        ("propertyNames", Value::Object(fields)) => {
            fields.keys().try_for_each(|name| check(expected, &Value::from(name.as_str())))
        }
        ("allOf", _) => schemas().try_for_each(|schema| check(schema, value)),
        ("anyOf", _) => is(schemas().any(|schema| check(schema, value).is_ok())),
        ("if", _) if check(expected, value).is_ok() => {
            check(&schema["then"], value).map_err(|why| format!("then: {why}"))
        }
        ("if" | "additionalProperties", _) => Ok(()),
        (known, _) if OF_ONE_TYPE.contains(&known) => Ok(()),
        (unknown, _) => panic!("the validator does not know the keyword {unknown}"),
    }
}

/// The names of a value's type.
fn type_of(value: &Value) -> &'static [&'static str] {
    match value {
        Value::Null => &["null"],
        Value::Bool(_) => &["boolean"],
        Value::Number(number) if number.is_f64() => &["number"],
        Value::Number(_) => &["integer", "number"],
        Value::String(_) => &["string"],
        Value::Array(_) => &["array"],
        Value::Object(_) => &["object"],
    }
}

fn has_format(text: &str, format: &str) -> bool {
    match format {
        "date-time" => humantime::parse_rfc3339(text).is_ok(),
        "ipv4" => text.parse::<Ipv4Addr>().is_ok(),
        "ipv6" => text.parse::<Ipv6Addr>().is_ok(),
        unknown => panic!("the validator does not know the format {unknown}"),
    }
}

/// Compiled once: a line is validated wherever a test looks for one.
fn pattern(text: &str) -> Regex {
    static COMPILED: LazyLock<Mutex<HashMap<String, Regex>>> = LazyLock::new(Mutex::default);
    let mut compiled = COMPILED.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    compiled.entry(text.to_owned()).or_insert_with(|| Regex::new(text).expect("a pattern")).clone()
}
