//! The documents that repeat the table: portwarden(5) and `docs/limits.md`. `config/reference.yml` is in `reference`.
//!
//! With `PORTWARDEN_WRITE` set, as by `make man`, these tests write what they would otherwise compare.

use std::{env, fs, path::Path};

use super::{
    TABLE,
    row::{DefaultValue, Kind, Setting},
};
use crate::config::values::quantity::shown;

/// Columns of a line.
const COLUMNS: usize = 120;

impl Setting {
    /// Returns the values that are accepted: `1 to 10000 streams`; `None` if only the section knows them.
    pub(crate) fn range(&self) -> Option<String> {
        Some(match self.kind {
            Kind::Count { bounds, unit } => format!("{} to {} {unit}", bounds.least, bounds.most),
            Kind::Size(bounds) => format!("{} to {}", size(bounds.least), size(bounds.most)),
            Kind::Duration(bounds) => format!("{} to {}", duration(bounds.least), duration(bounds.most)),
            _ => return None,
        })
    }

    /// Returns the default as it would be written; `None` if there is none, or only words for it.
    pub(crate) fn written_default(&self) -> Option<String> {
        match (self.default, self.kind) {
            (DefaultValue::Written(text), _) => Some(text.to_owned()),
            (DefaultValue::OfBounds, Kind::Count { bounds, .. }) => Some(bounds.default.to_string()),
            (DefaultValue::OfBounds, Kind::Size(bounds)) => Some(size(bounds.default)),
            (DefaultValue::OfBounds, Kind::Duration(bounds)) => Some(duration(bounds.default)),
            _ => None,
        }
    }

    /// Returns true if documents leave the key out.
    pub(crate) fn is_refused(&self) -> bool {
        matches!(self.kind, Kind::Refused)
    }

    /// Returns the default for readers; `None` for a section, and for a value that is required.
    fn default_in_words(&self) -> Option<String> {
        match self.default {
            DefaultValue::Words(words) => Some(words.to_owned()),
            _ => self.written_default(),
        }
    }

    /// Returns all that the table knows, in sentences; the default between `before` and `after`.
    pub(crate) fn text(&self, before: &str, after: &str) -> String {
        let range = self.range().map(|range| format!("From {range}."));
        let default = match self.default {
            DefaultValue::Required => Some("Required.".to_owned()),
            _ => self.default_in_words().map(|words| format!("{before}{words}{after}")),
        };
        [Some(self.doc.to_owned()), range, default].into_iter().flatten().collect::<Vec<_>>().join(" ")
    }

    fn roff(&self) -> String {
        let is_section = !self.key.contains('.');
        let heading = if is_section { ".SS " } else { ".TP\n.B " };
        let lines = wrapped(&roff(&self.text("Default: ", ".")), "");
        // A line of text that begins so would be a request.
        let guard = |line: &String| if line.starts_with(['.', '\'']) { "\\&" } else { "" };
        let body: String = lines.iter().map(|line| format!("{}{line}\n", guard(line))).collect();
        format!("{heading}{}\n{body}", roff(self.key))
    }

    /// A row of Markdown; `None` for a value without bounds.
    fn markdown(&self) -> Option<String> {
        let default = self.default_in_words().unwrap_or_else(|| "required".to_owned());
        Some(format!("| `{}` | {default} | {} |\n", self.key, self.range()?))
    }
}

#[test]
fn the_man_page_has_every_key_as_it_is() {
    let begin = ".\\\" Written by `make man` from here\n";
    let pages: String = documented().map(Setting::roff).collect();
    holds_between("docs/man/portwarden.5", (begin, ".\\\" to here.\n"), &pages);
}

#[test]
fn the_limits_are_those_of_the_table() {
    let rows: String = documented().filter_map(Setting::markdown).collect();
    let table = format!("\n| key | default | range |\n|---|---|---|\n{rows}\n");
    holds_between(
        "docs/limits.md",
        ("<!-- Written by `make man` from here -->\n", "<!-- to here -->\n"),
        &table,
    );
}

/// The rows that documents have.
pub(super) fn documented() -> impl Iterator<Item = &'static Setting> {
    TABLE.iter().copied().flatten().filter(|row| !row.is_refused())
}

/// Compares what stands between two markers with what should; or makes it so.
fn holds_between(file: &str, (begin, end): (&str, &str), expected: &str) {
    let text = fs::read_to_string(root().join(file)).unwrap();
    let (before, rest) = text.split_once(begin).expect("the first marker");
    let (_, after) = rest.split_once(end).expect("the second marker");
    holds(file, &format!("{before}{begin}{expected}{end}{after}"));
}

/// Compares a file with what it should be; or makes it so.
pub(super) fn holds(file: &str, expected: &str) {
    let path = root().join(file);
    if env::var_os("PORTWARDEN_WRITE").is_some() {
        fs::write(&path, expected).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap();
    let mut lines = expected.lines().zip(found.lines()).filter(|(expected, found)| expected != found);
    let first = lines.next().map(|(expected, found)| format!("expected: {expected}\nfound:    {found}"));
    let first = first.unwrap_or_default();
    assert!(found == expected, "{file} differs from the table of settings: run `make man`\n{first}");
}

pub(super) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The words in lines of [`COLUMNS`], each behind `prefix`.
pub(super) fn wrapped(text: &str, prefix: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= COLUMNS => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(format!("{prefix}{word}")),
        }
    }
    lines
}

/// Text in roff, in which what stands between backticks is bold.
fn roff(text: &str) -> String {
    let escaped = text.replace('\\', "\\e").replace('-', "\\-");
    let parts = escaped.split('`').enumerate();
    parts.map(|(n, part)| if n % 2 == 1 { format!("\\fB{part}\\fR") } else { part.to_owned() }).collect()
}

fn size(bytes: u32) -> String {
    match bytes {
        bytes if bytes % (1 << 20) == 0 => format!("{}MiB", bytes >> 20),
        bytes if bytes % (1 << 10) == 0 => format!("{}KiB", bytes >> 10),
        bytes => bytes.to_string(),
    }
}

fn duration(duration: std::time::Duration) -> String {
    if duration.is_zero() { "0".to_owned() } else { shown(duration) }
}
