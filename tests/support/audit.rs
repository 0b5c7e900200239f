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

/// Every line of the file; fails the test when one is not as `docs/audit.schema.json` says.
pub fn lines(file: &Path) -> Vec<Value> {
    let text = fs::read_to_string(file).unwrap_or_default();
    let object = |line: &str| match serde_json::from_str::<Value>(line) {
        Ok(value @ Value::Object(_)) => value,
        other => panic!("no object: {line:?}: {other:?}"),
    };
    whole_lines(&text).lines().map(object).inspect(assert_valid).collect()
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
