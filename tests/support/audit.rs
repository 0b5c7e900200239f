//! Reading the audit log of a running Portwarden, as an operator's tools would: JSON lines.

use std::{fs, path::Path};

use serde_json::Value;

use super::process::{PATIENCE, eventually, whole_lines};

/// For [`super::portwarden::Builder::with`]: the audit log in a file beside the configuration.
pub const TO_FILE: &str = "audit: {to: ./audit.log}";

/// Every line of the file; fails the test when one is no JSON object.
pub fn lines(file: &Path) -> Vec<Value> {
    let text = fs::read_to_string(file).unwrap_or_default();
    let object = |line: &str| match serde_json::from_str::<Value>(line) {
        Ok(value @ Value::Object(_)) => value,
        other => panic!("no object: {line:?}: {other:?}"),
    };
    whole_lines(&text).lines().map(object).collect()
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
