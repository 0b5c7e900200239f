//! Scopes, against regular expressions of the whole scope; what was read and is written is read the same.

use std::sync::LazyLock;

use portwarden::registry::Scope;
use regex::Regex;

static PARTS: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"(?s)\A([^:]*):([^:]*(?::[^:]*)?):([^:]*)\z").unwrap());
static TYPE: LazyLock<Regex> = LazyLock::new(|| Regex::new("[a-z0-9]+").unwrap());

/// Takes the values of `scope` parameters, one a line.
pub fn check(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let values: Vec<&str> = text.split('\n').collect();
    // An empty first value means none; an empty one behind another is no scope.
    let expected: Option<Vec<Scope>> = match values.first() {
        Some(&"") => Some(Vec::new()),
        _ => values.iter().flat_map(|value| value.split(' ')).map(read).collect(),
    };
    let found = Scope::parse_all(values.iter().copied());
    assert_eq!(found.clone().ok(), expected, "{values:?}");
    for scope in found.into_iter().flatten() {
        let written = scope.to_string();
        assert_eq!(Scope::parse_all([written.as_str()]), Ok(vec![scope]), "{written:?} of {values:?}");
    }
}

fn read(text: &str) -> Option<Scope> {
    let parts = PARTS.captures(text)?;
    let resource_type = TYPE.find(&parts[1])?;
    let actions: Vec<&str> = parts[3].split(',').collect();
    Some(Scope::new(resource_type.as_str(), &parts[2], &actions))
}
