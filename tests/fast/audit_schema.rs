//! The JSON Schema of the audit log: its fields are those of the sources and of the documentation, and its validator
//! finds what is wrong. Every line that a test writes is held to it, see `tests/support/audit.rs`.

use std::{collections::BTreeSet, fs};

use portwarden::telemetry::{Decision, Ended};
use serde_json::{Value, json};

use crate::support::{
    audit_schema::{SCHEMA, assert_valid, check},
    sources::root,
};

#[test]
fn the_fields_are_those_of_the_sources_and_of_the_documentation() {
    let known = names(&SCHEMA["properties"]);
    assert_eq!(written(), known, "left: the sources, right: the schema");
    let rows = [table("| field | value |"), table("| field of a summary | value |")].concat();
    let documented: BTreeSet<String> = rows.iter().flat_map(|[fields, _]| code(fields)).collect();
    assert_eq!(documented, known, "left: docs/monitoring.md, right: the schema");
}

#[test]
fn the_values_are_those_of_the_sources_and_of_the_documentation() {
    let rows = table("| field | value |");
    for field in ["event", "source", "credentials", "route"] {
        let row = rows.iter().find(|[fields, _]| code(fields) == [field]).unwrap();
        assert_eq!(BTreeSet::from_iter(code(&row[1])), values(field), "{field}");
    }
    let firsts = |head| table(head).iter().flat_map(|[word, _]| code(word)).collect::<BTreeSet<_>>();
    let decisions = Decision::ALL.map(|decision| decision.as_str().to_owned());
    assert_eq!(BTreeSet::from(decisions), values("decision"));
    assert_eq!(firsts("| `decision` | the request was |"), values("decision"));
    let ends = Ended::ALL.map(|ended| ended.as_str().to_owned());
    assert_eq!(BTreeSet::from(ends), values("ended"));
    assert_eq!(firsts("| `ended` | means |"), values("ended"));
}

#[test]
fn each_event_has_its_fields_and_each_field_its_event() {
    let cases = SCHEMA["allOf"].as_array().unwrap();
    let events =
        cases.iter().map(|case| case["if"]["properties"]["event"]["const"].as_str().unwrap().to_owned());
    assert_eq!(events.collect::<BTreeSet<_>>(), values("event"));
    let fields = cases.iter().flat_map(|case| texts(&case["then"]["propertyNames"]["enum"]));
    assert_eq!(fields.collect::<BTreeSet<_>>(), names(&SCHEMA["properties"]));
    for case in cases {
        let (then, fields) = (&case["then"], texts(&case["then"]["propertyNames"]["enum"]));
        assert!(texts(&then["required"]).is_subset(&fields), "{case}");
    }
}

#[test]
fn lines_that_are_not_as_the_schema_says_are_found() {
    let line = json!({
        "time": "2026-11-28T08:20:00.000000Z", "event": "decision", "request_id": "2b7c", "address": "192.0.2.7",
        "account": "lena", "labels": {"team": ["web"], "none": []}, "method": "GET", "decision": "allowed",
    });
    assert_valid(&line);
    for (field, value, why) in [
        ("new", json!(1), "additionalProperties: unknown field new"),
        ("event", json!("new"), "properties: event: enum: "),
        ("event", json!("transfer"), "allOf: then: dependentRequired: required: "),
        ("event", json!("token"), "allOf: then: anyOf: "),
        ("event", json!("freeze"), "allOf: then: propertyNames: enum: "),
        ("time", json!("2026-11-28 08:20"), "properties: time: "),
        ("time", json!("2026-13-28T08:20:00.000000Z"), "properties: time: format: "),
        ("address", json!("192.0.2.700"), "properties: address: anyOf: "),
        ("labels", json!({"team": "web"}), "properties: labels: additionalProperties: team: type: "),
        ("labels", json!({"team": [1]}), "properties: labels: additionalProperties: team: items: type: "),
        ("method", json!(""), "properties: method: minLength: "),
        ("method", json!("M".repeat(33)), "properties: method: maxLength: "),
        ("status", json!(99), "properties: status: minimum: "),
        ("status", json!(200.5), "properties: status: type: "),
        ("tags", json!([]), "properties: tags: minItems: "),
        ("decision", Value::Null, "properties: decision: enum: "),
        ("bytes_in", json!(1), "allOf: then: propertyNames: enum: "),
    ] {
        let mut wrong = line.clone();
        wrong[field] = value;
        let found = check(&SCHEMA, &wrong).expect_err(field).replace("if: ", "");
        assert!(found.starts_with(why), "{field}: {found}");
    }
    let lacking = json!({"time": "2026-11-28T08:20:00.000000Z", "event": "freeze"});
    assert!(check(&SCHEMA, &lacking).unwrap_err().contains("then: required: "));
}

#[test]
fn the_line_in_the_documentation_is_valid() {
    let page = monitoring();
    let lines: Vec<&str> = page.lines().filter(|line| line.starts_with("{\"time\"")).collect();
    assert!(!lines.is_empty());
    lines.iter().for_each(|line| assert_valid(&serde_json::from_str(line).unwrap()));
}

/// The fields that the sources write.
fn written() -> BTreeSet<String> {
    let field = regex::Regex::new(r#"\bline\.(?:time|text|texts|word|value|labels)\(\s*"(\w+)""#).unwrap();
    let mut found = BTreeSet::from(["truncated".to_owned()]);
    for file in ["record.rs", "strangers.rs"] {
        let source = fs::read_to_string(root().join("src/telemetry/audit").join(file)).unwrap();
        let (source, _) = source.split_once("#[cfg(test)]").unwrap();
        found.extend(field.captures_iter(source).map(|captures| captures[1].to_owned()));
    }
    found
}

fn monitoring() -> String {
    fs::read_to_string(root().join("docs/monitoring.md")).unwrap()
}

/// The cells of the table of two columns with that head.
fn table(head: &str) -> Vec<[String; 2]> {
    let page = monitoring();
    let rows = page.lines().skip_while(|line| *line != head).skip(2).take_while(|line| line.starts_with('|'));
    let cells = |row: &str| {
        let (first, second) = row.trim_matches('|').split_once(" | ").unwrap();
        [first.to_owned(), second.to_owned()]
    };
    let rows: Vec<_> = rows.map(cells).collect();
    assert!(rows.len() > 2, "docs/monitoring.md has no table {head}");
    rows
}

/// The words between backticks.
fn code(cell: &str) -> Vec<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

fn names(object: &Value) -> BTreeSet<String> {
    object.as_object().unwrap().keys().cloned().collect()
}

fn texts(list: &Value) -> BTreeSet<String> {
    list.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
}

fn values(field: &str) -> BTreeSet<String> {
    texts(&SCHEMA["properties"][field]["enum"])
}
