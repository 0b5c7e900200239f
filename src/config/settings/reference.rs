//! The comments of `config/reference.yml`: above each key stands what its row says.
//!
//! Order, values and further comments are the file's own.

use std::{collections::BTreeMap, fs};

use super::{
    documents::{documented, holds, root, wrapped},
    row::{Setting, segments},
};

const FILE: &str = "config/reference.yml";

#[test]
fn the_reference_has_every_key_as_it_is() {
    let text = fs::read_to_string(root().join(FILE)).unwrap();
    let reference = Reference::read(&text);
    let missing: Vec<&str> =
        documented().map(|row| row.key).filter(|key| !reference.values.contains_key(key)).collect();
    assert!(missing.is_empty(), "{FILE} has no line for {missing:?}: add one, and run `make man`");
    holds(FILE, &reference.written_anew());
}

#[test]
fn the_values_of_the_reference_are_the_defaults() {
    let text = fs::read_to_string(root().join(FILE)).unwrap();
    let reference = Reference::read(&text);
    let mut compared = 0;
    for row in documented() {
        let (Some(default), Some(Some(value))) = (row.written_default(), reference.values.get(row.key))
        else {
            continue;
        };
        assert_eq!(value, default.trim_matches('"'), "{FILE}: {}", row.key);
        compared += 1;
    }
    assert!(compared > 30, "only {compared} values: the search is broken");
}

/// The file, with what its lines are.
#[derive(Default)]
struct Reference<'t> {
    lines: Vec<Line<'t>>,
    /// The value of each key where it stands first; `None` if the key is commented out.
    values: BTreeMap<&'static str, Option<String>>,
}

enum Line<'t> {
    Other(&'t str),
    /// The first line of a key, and what begins each line of the comment above it.
    Key {
        text: &'t str,
        row: &'static Setting,
        prefix: String,
    },
}

/// A key on the way to a line.
struct Place<'t> {
    depth: usize,
    segment: &'t str,
    is_comment: bool,
}

impl<'t> Reference<'t> {
    fn read(text: &'t str) -> Self {
        let mut reference = Self::default();
        let mut places: Vec<Place<'t>> = Vec::new();
        for text in text.lines() {
            let line = Written::parse(text)
                .and_then(|written| reference.key(text, &written, &mut places))
                .unwrap_or(Line::Other(text));
            reference.lines.push(line);
        }
        reference
    }

    /// Reads a line that may be that of a key; `None` if it is a comment, a name that an operator chose, or a key that
    /// stood before.
    fn key(&mut self, text: &'t str, written: &Written<'t>, places: &mut Vec<Place<'t>>) -> Option<Line<'t>> {
        let Written { depth, is_comment, is_item, .. } = *written;
        let above = places.iter().take_while(|place| place.depth < depth).count();
        let item = is_item.then_some("[]");
        let around = places.iter().take(above).map(|place| place.segment);
        let path: Vec<&str> = around.chain(item).chain([written.key]).collect();
        if is_comment && !documented().any(|row| is_on_the_way(row, &path)) {
            return None;
        }
        places.truncate(above);
        let in_comment = places.last().is_some_and(|place| place.is_comment);
        places.extend(item.map(|segment| Place { depth, segment, is_comment }));
        let depth = if is_item { depth + 2 } else { depth };
        places.push(Place { depth, segment: written.key, is_comment });
        let row =
            documented().find(|row| is_on_the_way(row, &path) && segments(row.key).count() == path.len())?;
        if self.values.contains_key(row.key) {
            return None;
        }
        self.values.insert(row.key, (!is_comment).then(|| written.value.trim_matches('"').to_owned()));
        let indent = if is_comment && !in_comment { written.indent } else { written.start };
        Some(Line::Key { text, row, prefix: format!("{}# ", text.get(..indent)?) })
    }

    fn written_anew(&self) -> String {
        let mut lines: Vec<(bool, String)> = Vec::new();
        for line in &self.lines {
            let Line::Key { text, row, prefix } = line else {
                let Line::Other(text) = line else { continue };
                lines.push((text.trim_start().starts_with('#'), (*text).to_owned()));
                continue;
            };
            while lines.last().is_some_and(|(is_comment, line)| *is_comment && line.starts_with(prefix)) {
                lines.pop();
            }
            let comment = row.text("[", "]").replace('`', "");
            lines.extend(wrapped(&comment, prefix).into_iter().map(|line| (true, line)));
            lines.push((false, (*text).to_owned()));
        }
        lines.into_iter().map(|(_, line)| line + "\n").collect()
    }
}

/// `# - key: value`, with columns from 0.
struct Written<'t> {
    /// The column of a `#` in front of it.
    indent: usize,
    /// The column of the key or its dash.
    start: usize,
    /// The same, as if there were no `#`.
    depth: usize,
    is_comment: bool,
    is_item: bool,
    key: &'t str,
    value: &'t str,
}

impl<'t> Written<'t> {
    fn parse(line: &'t str) -> Option<Self> {
        let rest = line.trim_start();
        let indent = line.len() - rest.len();
        let is_comment = rest.starts_with("# ");
        let rest = rest.strip_prefix("# ").unwrap_or(rest).trim_start();
        let start = line.len() - rest.len();
        let depth = if is_comment { start - 2 } else { start };
        let is_item = rest.starts_with("- ");
        let (key, value) = rest.trim_start_matches("- ").split_once(':')?;
        let is_of_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        let is_name = key == "\"\"" || key.bytes().all(is_of_name);
        let value = value.split(" #").next()?.trim();
        (is_name && !key.is_empty()).then_some(Self { indent, start, depth, is_comment, is_item, key, value })
    }
}

/// Returns whether `path` leads to the key of the row, or to what it is in.
fn is_on_the_way(row: &Setting, path: &[&str]) -> bool {
    let mut own = segments(row.key);
    path.iter().all(|part| own.next().is_some_and(|segment| segment == *part || segment.starts_with('<')))
}
