//! Reading the audit log of a running Portwarden, as an operator's tools would: JSON lines.

use std::{fs, path::Path};

use serde_json::Value;

use super::{
    audit_schema::assert_valid,
    process::{PATIENCE, eventually, whole_lines},
};

/// For [`super::portwarden::Builder::with`]: the audit log in a file beside the configuration.
pub const TO_FILE: &str = "audit: {to: ./audit.log}";

/// Fails the test if a line of the audit log in this text is not as `docs/audit.schema.json` says. Other lines, and one
/// that a full disk cut off, are passed over.
#[track_caller]
pub fn assert_lines_valid(text: &str) {
    let lines = whole_lines(text).lines().filter(|line| line.starts_with("{\"time\":"));
    lines.filter_map(|line| serde_json::from_str(line).ok()).for_each(|line| assert_valid(&line));
}

/// Every line of the file; one that is both of a decision and of its transfer as the two that it stands for. Fails the test
/// when a line is not as `docs/audit.schema.json` says.
pub fn lines(file: &Path) -> Vec<Value> {
    written_lines(file).into_iter().flat_map(apart).collect()
}

/// The same, as they were written.
pub fn written_lines(file: &Path) -> Vec<Value> {
    let text = fs::read_to_string(file).unwrap_or_default();
    let object = |line: &str| match serde_json::from_str::<Value>(line) {
        Ok(value @ Value::Object(_)) => value,
        other => panic!("no object: {line:?}: {other:?}"),
    };
    whole_lines(&text).lines().map(object).inspect(assert_valid).collect()
}

/// Returns true if a line is both of a decision and of its transfer.
pub fn is_of_both(line: &Value) -> bool {
    line["event"] == "transfer" && line["requested"].is_array()
}

/// The lines that a line stands for: how a request is written depends on how long it took.
pub fn apart(line: Value) -> Vec<Value> {
    if !is_of_both(&line) {
        return vec![line];
    }
    let without = |event: &str, fields: &[&str]| {
        let mut line = line.clone();
        line["event"] = event.into();
        let object = line.as_object_mut().expect("a line is an object");
        fields.iter().for_each(|field| drop(object.remove(*field)));
        line
    };
    let of_end =
        ["status", "reason", "digest", "answered_by", "bytes_in", "bytes_out", "duration_ms", "ended"];
    let of_decision = ["requested", "labels", "shadow", "shadow_rule"];
    let both = [without("decision", &of_end), without("transfer", &of_decision)];
    both.into_iter().inspect(assert_valid).collect()
}

/// The first line with these fields, once it is written.
#[track_caller]
pub fn line_with(file: &Path, fields: &[(&str, &str)]) -> Value {
    let has = |line: &Value| fields.iter().all(|(name, value)| line[name] == *value);
    let find = || lines(file).into_iter().find(has);
    let found = eventually(PATIENCE, || find().is_some());
    assert!(found, "no line with {fields:?} in {:#?}", lines(file));
    find().expect("it was there")
}
