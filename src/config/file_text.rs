//! Files of YAML: their text, and those that are no configuration.

use std::path::Path;

use serde::de::DeserializeOwned;

use super::{
    diagnostics::{
        finding::{Finding, Findings, Report, Severity},
        positions::Positions,
    },
    yaml,
};

/// The largest file that is read, in bytes.
const LARGEST: u64 = 16 << 20;

/// Reads another file of YAML, called `file_name` in findings, as strictly as the configuration.
///
/// # Errors
/// All findings; of the wrong shape the first.
pub(crate) fn read_yaml<T: DeserializeOwned>(text: &str, file_name: &str) -> Result<T, Findings> {
    let (root, problems) = yaml::read(text).unwrap_or_else(|problems| (None, problems));
    let positions = Positions::of(root.as_ref());
    let mut report = Report::new(file_name, &positions);
    problems.into_iter().for_each(|problem| report.problem(problem));
    let root = root.unwrap_or(yaml::Node { at: (1, 1), value: yaml::Value::Null });
    match T::deserialize(&root) {
        Ok(value) if !report.has_errors() => return Ok(value),
        Err(error) if !report.has_errors() => report.error(error.path(), error.to_string(), ""),
        _ => {}
    }
    Err(report.finish())
}

/// Reads the text of a configuration.
///
/// # Errors
/// It cannot be read, is larger than 16 MiB, or is not UTF-8.
pub(super) fn read_text(path: &Path) -> Result<String, String> {
    let size = std::fs::metadata(path).map_err(|error| error.to_string())?.len();
    if size > LARGEST {
        return Err(format!("it has {size} bytes, more than {LARGEST}"));
    }
    let bytes = std::fs::read(path).map_err(|error| error.to_string())?;
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.as_bytes().iter().take(error.utf8_error().valid_up_to());
        format!("line {} is not UTF-8", 1 + valid.filter(|byte| **byte == b'\n').count())
    })
}

/// The finding about a file that cannot be read.
pub(super) fn whole_file(name: &str, why: &str) -> Findings {
    let finding = Finding {
        severity: Severity::Error,
        file: name.to_owned(),
        line: None,
        column: None,
        key: String::new(),
        message: format!("cannot read the configuration: {why}"),
        hint: Some("Give the path of a YAML file in UTF-8 that this user may read".to_owned()),
        excerpt: None,
    };
    Findings(vec![finding])
}
