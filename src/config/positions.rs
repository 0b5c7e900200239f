//! Where each key of a YAML file stands, and what only the text can tell: keys written twice, merge keys, odd
//! nulls.
//!
//! Read from the events of a YAML parser, first document only. The values themselves are read by `file`.

use std::collections::BTreeMap;

use saphyr_parser::{Event, Parser, ScalarStyle, Span};

use super::path::{Path, shown};

/// How deep mappings and lists may nest. docker_auth's own sections need 5.
const DEPTH: usize = 64;

/// The places of a file.
#[derive(Debug, Default)]
pub(crate) struct Positions {
    places: BTreeMap<Path, Place>,
}

/// Where something stands, lines and columns from 1.
#[derive(Debug, Clone, Copy)]
struct Place {
    /// Of the key, or of the element of a list.
    line: usize,
    column: usize,
    /// Of the value.
    value: (usize, usize),
    kind: Kind,
}

/// What is written at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Null,
    Scalar,
    List,
    Mapping,
    Alias,
}

/// Something wrong with the text itself.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) path: Path,
    pub(crate) message: String,
    pub(crate) hint: &'static str,
}

/// The text is not YAML.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct SyntaxError {
    pub(crate) line: usize,
    pub(crate) column: usize,
    pub(crate) message: String,
}

impl Positions {
    /// Reads the first document of `text`.
    ///
    /// # Errors
    /// Where the text stops being YAML, or nests too deeply.
    pub(crate) fn read(text: &str) -> Result<(Self, Vec<Problem>), SyntaxError> {
        let mut reader = Reader::default();
        for event in Parser::new_from_str(text) {
            let (event, span) = event.map_err(|error| syntax(error.info(), mark(error.marker())))?;
            if matches!(event, Event::DocumentEnd) {
                break;
            }
            reader.event(&event, span)?;
        }
        Ok((reader.positions, reader.problems))
    }

    /// Line and column of a place, or of the nearest one around it that is written.
    pub(crate) fn nearest(&self, path: &Path) -> Option<(usize, usize)> {
        match self.places.get(path) {
            Some(place) => Some((place.line, place.column)),
            None => self.nearest(&path.parent()?),
        }
    }

    /// The place whose value starts at `line` and `column`, or else the last one that starts before.
    pub(crate) fn at(&self, line: usize, column: usize) -> Option<(&Path, Kind)> {
        let before = self.places.iter().filter(|(_, place)| place.value <= (line, column));
        // Of several at the same spot (a mapping and its first key) the innermost is meant only if it is not
        // exact.
        let exact = before
            .clone()
            .filter(|(_, place)| place.value == (line, column))
            .min_by_key(|(p, _)| p.steps().len());
        let (path, place) = exact.or_else(|| before.max_by_key(|(_, place)| place.value))?;
        Some((path, place.kind))
    }

    /// Every place, in the order of their paths.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &Path> {
        self.places.keys()
    }
}

/// The state between two events.
#[derive(Default)]
struct Reader {
    open: Vec<Open>,
    positions: Positions,
    problems: Vec<Problem>,
}

/// A mapping or list that has not ended.
enum Open {
    Mapping { path: Path, key: Option<Key> },
    List { path: Path, next: usize },
}

/// A key that waits for its value.
struct Key {
    path: Path,
    at: (usize, usize),
}

impl Reader {
    fn event(&mut self, event: &Event<'_>, span: Span) -> Result<(), SyntaxError> {
        let at = mark(&span.start);
        match event {
            Event::Scalar(text, style, _, tag) => {
                let plain = *style == ScalarStyle::Plain && tag.is_none();
                self.scalar(text, plain, at);
            }
            Event::Alias(_) if self.expects_key() => return Err(odd_key(at)),
            Event::Alias(_) => drop(self.value(Kind::Alias, at)),
            Event::SequenceStart(..) => {
                let path = self.open(Kind::List, at)?;
                self.open.push(Open::List { path, next: 0 });
            }
            Event::MappingStart(..) => {
                let path = self.open(Kind::Mapping, at)?;
                self.open.push(Open::Mapping { path, key: None });
            }
            Event::SequenceEnd | Event::MappingEnd => drop(self.open.pop()),
            _ => {}
        }
        Ok(())
    }

    fn open(&mut self, kind: Kind, at: (usize, usize)) -> Result<Path, SyntaxError> {
        if self.expects_key() {
            return Err(odd_key(at));
        }
        if self.open.len() >= DEPTH {
            return Err(syntax("lists and mappings are nested too deeply", at));
        }
        Ok(self.value(kind, at))
    }

    fn expects_key(&self) -> bool {
        matches!(self.open.last(), Some(Open::Mapping { key: None, .. }))
    }

    fn scalar(&mut self, text: &str, plain: bool, at: (usize, usize)) {
        let null = plain && matches!(text, "" | "~" | "null" | "Null" | "NULL");
        if self.expects_key() {
            // A null key is the empty key, as in docker_auth.
            return self.key(if null { "" } else { text }, plain, at);
        }
        let path = self.value(if null { Kind::Null } else { Kind::Scalar }, at);
        if plain && matches!(text, "Null" | "NULL") {
            let message = format!("`{text}` means the empty text to docker_auth, and nothing to others");
            let hint = "Write `\"\"` for the empty text, or leave the key out";
            self.problems.push(Problem { path, message, hint });
        }
    }

    fn key(&mut self, text: &str, plain: bool, at: (usize, usize)) {
        let Some(Open::Mapping { path, key }) = self.open.last_mut() else { return };
        let path = path.key(text);
        *key = Some(Key { path: path.clone(), at });
        if let Some(first) = self.positions.places.get(&path) {
            let message = format!("the key is written twice, on lines {} and {}", first.line, at.0);
            self.problems.push(Problem { path, message, hint: "Keep one of them" });
        } else if plain && text == "<<" {
            let message = "merge keys (`<<`) are not supported".to_owned();
            self.problems.push(Problem { path, message, hint: "Write the keys out" });
        }
    }

    /// Notes a value where the enclosing mapping or list expects one, and returns its path.
    fn value(&mut self, kind: Kind, at: (usize, usize)) -> Path {
        let (path, (line, column)) = match self.open.last_mut() {
            None => (Path::default(), at),
            Some(Open::List { path, next }) => {
                *next += 1;
                (path.index(*next - 1), at)
            }
            Some(Open::Mapping { path, key }) => match key.take() {
                Some(key) => (key.path, key.at),
                None => (path.clone(), at),
            },
        };
        self.positions.places.entry(path.clone()).or_insert(Place { line, column, value: at, kind });
        path
    }
}

fn mark(marker: &saphyr_parser::Marker) -> (usize, usize) {
    (marker.line(), marker.col() + 1)
}

fn odd_key((line, column): (usize, usize)) -> SyntaxError {
    syntax("a key must be plain text, not a list, a mapping or an alias", (line, column))
}

fn syntax(message: &str, (line, column): (usize, usize)) -> SyntaxError {
    SyntaxError { line, column, message: shown_message(message) }
}

/// The parser's words may quote the text, so they are held to the rule for keys.
fn shown_message(message: &str) -> String {
    if message.contains("$2") { shown(message) } else { message.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "server:\n  addr: x\nacl:\n  # c\n  - match: {name: a, account: b}\n  - \
    &r\n    match:\n      name: c\nusers:\n  bob: {password: p}\n";

    fn place(text: &str, path: &Path) -> Option<(usize, usize)> {
        Positions::read(text).unwrap().0.places.get(path).map(|place| (place.line, place.column))
    }

    #[test]
    fn knows_the_line_and_column_of_keys_and_elements() {
        let acl = Path::from("acl");
        assert_eq!(place(TEXT, &Path::from("server.addr")), Some((2, 3)));
        assert_eq!(place(TEXT, &acl.index(0)), Some((5, 5)));
        assert_eq!(place(TEXT, &acl.index(0).key("match").key("account")), Some((5, 22)));
        assert_eq!(place(TEXT, &acl.index(1).key("match").key("name")), Some((8, 7)));
        assert_eq!(place(TEXT, &Path::from("users.bob.password")), Some((10, 9)));
        assert_eq!(place(&TEXT.replace('\n', "\r\n"), &Path::from("users.bob.password")), Some((10, 9)));
    }

    #[test]
    fn what_is_not_written_is_near_what_is() {
        let (positions, _) = Positions::read(TEXT).unwrap();
        assert_eq!(positions.nearest(&Path::from("server.net")), Some((1, 1)));
        assert_eq!(positions.nearest(&Path::from("token.issuer")), Some((1, 1)));
        assert_eq!(Positions::default().nearest(&Path::from("token")), None);
    }

    #[test]
    fn refuses_what_a_mapping_of_values_would_hide() {
        let problems = |text: &str| -> Vec<String> {
            let problems = Positions::read(text).unwrap().1;
            problems.iter().map(|p| format!("{}: {}. {}", p.path, p.message, p.hint)).collect()
        };
        let twice = "a.b: the key is written twice, on lines 2 and 3. Keep one of them";
        assert_eq!(problems("a:\n  b: 1\n  \"b\": 2\n"), [twice]);
        assert_eq!(problems("1: x\n'1': y\n").len(), 1);
        let merge = "b.<<: merge keys (`<<`) are not supported. Write the keys out";
        assert_eq!(problems("a: &a {x: 1}\nb:\n  <<: *a\n"), [merge]);
        assert_eq!(problems("a: Null\nb: 'Null'\nc: null\n").len(), 1);
    }

    #[test]
    fn only_the_first_document_counts() {
        let (positions, problems) = Positions::read("a: 1\n---\na: 1\na: 2\nb: [\n").unwrap();
        assert_eq!((positions.places.len(), problems.len()), (2, 0));
    }

    #[test]
    fn nesting_is_bounded_and_keys_are_text() {
        assert!(
            Positions::read(&format!("a: {}", "[".repeat(200))).unwrap_err().message.contains("too deeply")
        );
        assert!(Positions::read(&"- ".repeat(20_000)).unwrap_err().message.contains("too deeply"));
        assert!(Positions::read("? [a]\n: b\n").unwrap_err().message.contains("a key must be"));
    }
}
