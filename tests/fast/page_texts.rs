//! That the views of the web pages hold no text of their own: each is in the catalogue, in every language.

use std::fs;

use regex::Regex;

use crate::support::sources::{files, root};

/// The beginnings of literals that look like words and are none: commands, names that other programs give, values of
/// attributes.
const NO_TEXTS: [&str; 20] = [
    "{tool} ",
    "{} pull {",
    "docker ",
    "podman ",
    "nerdctl ",
    "skopeo ",
    "crane ",
    "oras ",
    "cosign ",
    "helm ",
    "apptainer ",
    "image: {",
    "FROM {",
    "/bin/sh ",
    "Helm chart",
    "Singularity image",
    "light dark",
    "screen and (",
    "0; url=",
    "notice bad",
];
/// Names that are the same in any language.
const NAMES: [&str; 10] = [
    "README",
    "JSON Lines",
    "CSV",
    "Kubernetes",
    "Kubernetes, compose",
    "Dockerfile",
    "DENY",
    "DOCTYPE",
    "docker plugin",
    "{name}: {}",
];

#[test]
fn no_view_holds_a_text() {
    let literal = Regex::new(r#"([a-z-]+=)?"((?:[^"\\]|\\.)*)""#).unwrap();
    let mut wrong = Vec::new();
    let mut read = 0;
    for file in files("src/ui") {
        let path = file.strip_prefix(root()).unwrap().to_string_lossy().into_owned();
        let is_view = path.contains("/views/") || SHARED.iter().any(|name| path.ends_with(name));
        if !is_view {
            continue;
        }
        read += 1;
        let source = fs::read_to_string(&file).unwrap();
        let code = source.split("#[cfg(test)]").next().unwrap();
        for line in code.lines().filter(|line| !line.trim_start().starts_with("//")) {
            for found in literal.captures_iter(line) {
                let attribute = found.get(1).map_or("", |name| name.as_str());
                if is_text(attribute, &found[2]) {
                    wrong.push(format!("{path}: {}", &found[0]));
                }
            }
        }
    }
    assert!(read > 20, "only {read} files of views found");
    assert!(wrong.is_empty(), "texts belong into src/ui/texts/:\n{}", wrong.join("\n"));
}

/// Files outside of `views/` that render.
const SHARED: [&str; 9] = [
    "/layout.rs",
    "/pagination.rs",
    "/search.rs",
    "/sizes.rs",
    "/table.rs",
    "/copyable.rs",
    "/age.rs",
    "/name.rs",
    "/outside.rs",
];

/// Returns true for words: several, or one with a capital. Attributes that no one reads hold none.
fn is_text(attribute: &str, literal: &str) -> bool {
    let is_read = matches!(attribute, "" | "title=" | "alt=" | "aria-label=" | "label=" | "data-label=");
    let begins_with_a_capital = literal.starts_with(|c: char| c.is_uppercase());
    let has_words = literal.trim().contains(' ') && literal.chars().any(char::is_alphabetic);
    let is_known = NAMES.contains(&literal) || NO_TEXTS.iter().any(|known| literal.starts_with(known));
    is_read
        && (begins_with_a_capital || has_words || !literal.is_ascii())
        && !is_known
        && literal.chars().any(char::is_alphabetic)
}
