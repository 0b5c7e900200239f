//! From the events of the parser to the tree.

use std::collections::{BTreeMap, HashMap};

use serde_yaml::granit_parser::{Event, Marker, Options, Parser, ScalarStyle, ScanError, Span, Tag, options};

use super::{
    Entry, Mark, Node, Problem, Value,
    characters::{hidden, invisible},
    merge::{Merge, merge},
};
use crate::config::diagnostics::path::{Path, Step, shown};

/// The depth to which mappings and lists may nest. docker_auth's own sections need 5.
const DEPTH: usize = 64;
/// The most values that aliases may stand for in all, so that aliases of aliases cannot multiply without bound; the
/// same for anchors within anchors, each of which keeps its value apart.
const MOST_ALIASED: usize = 100_000;

/// The reason why the reading ends early.
pub(super) enum End {
    /// The text is not YAML.
    Syntax(Box<Problem>),
    /// It is, and is refused.
    Refused(Box<Problem>),
}

/// Reads the one document of `text`; `problems` are those that do not end the reading.
pub(super) fn read(text: &str, problems: &mut Vec<Problem>) -> Result<Option<Node>, End> {
    let mut reader = Reader {
        text,
        problems,
        open: Vec::new(),
        root: None,
        anchors: HashMap::new(),
        names: HashMap::new(),
        copied: 0,
    };
    let mut ended = false;
    for event in Parser::new_from_str_with_options(text, parser_options()) {
        let (event, span) = event.map_err(|error| End::Syntax(Box::new(syntax(&error))))?;
        let at = mark(&span.start);
        match event {
            Event::DocumentStart(..) if ended => return Err(second_document(at)),
            Event::DocumentEnd => ended = true,
            event => reader.event(event, span, at)?,
        }
    }
    Ok(reader.root)
}

/// The place where the parser stops, and the reason.
pub(super) fn first_error(text: &str) -> Option<Problem> {
    let mut events = Parser::new_from_str_with_options(text, parser_options());
    events.find_map(Result::err).map(|error| syntax(&error))
}

fn parser_options() -> Options {
    options! {
        disallow_directives: true,
        emit_anchor_events: true,
        flow_nesting_limit: DEPTH,
        block_nesting_limit: DEPTH,
    }
}

/// The state between two events.
struct Reader<'a> {
    text: &'a str,
    problems: &'a mut Vec<Problem>,
    open: Vec<Open>,
    root: Option<Node>,
    /// The node of each anchor that has ended, and the number of its values.
    anchors: HashMap<usize, (Node, usize)>,
    names: HashMap<String, Mark>,
    /// The number of values that are kept more than once.
    copied: usize,
}

/// A mapping or list that has not ended.
struct Open {
    at: Mark,
    anchor: usize,
    content: Content,
}

enum Content {
    List(Vec<Node>),
    Mapping { entries: Vec<Entry>, seen: BTreeMap<String, Mark>, key: Option<Key>, merge: Option<Merge> },
}

/// A key that waits for its value.
struct Key {
    text: String,
    at: Mark,
    role: Role,
}

#[derive(PartialEq, Eq)]
enum Role {
    Ordinary,
    /// `<<`
    Merge,
    /// The key of a pair that is left out, because the key was there before.
    Repeated,
}

impl Reader<'_> {
    fn event(&mut self, event: Event<'_>, span: Span, at: Mark) -> Result<(), End> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let quoted = self.is_text(style, tag.as_deref(), at);
                self.look_for_invisible(&text, style, span, at);
                self.look_for_disguise(style, span, at);
                self.look_for_glued_colon(span, at);
                self.scalar(text.into_owned(), quoted, anchor, at)?;
            }
            Event::Alias(anchor) => self.alias(anchor, at)?,
            Event::Anchor(_, name) => self.anchor(name.into_owned(), at),
            Event::SequenceStart(_, anchor, tag) => {
                self.open(Content::List(Vec::new()), anchor, tag.as_deref(), at)?;
            }
            Event::MappingStart(_, anchor, tag) => {
                let content =
                    Content::Mapping { entries: Vec::new(), seen: BTreeMap::new(), key: None, merge: None };
                self.open(content, anchor, tag.as_deref(), at)?;
            }
            Event::SequenceEnd | Event::MappingEnd => self.close()?,
            _ => {}
        }
        Ok(())
    }

    /// Returns whether a scalar is text whatever it looks like.
    fn is_text(&mut self, style: ScalarStyle, tag: Option<&Tag>, at: Mark) -> bool {
        match tag {
            None => style != ScalarStyle::Plain,
            Some(tag) => {
                if !tag.is_yaml_core_schema_tag("str") {
                    self.refuse_tag(at);
                }
                true
            }
        }
    }

    fn refuse_tag(&mut self, at: Mark) {
        self.problem(at, "a tag (`!…`) gives this value another meaning than it shows", "Remove the tag");
    }

    /// In double quotes an escape shows what it stands for, so the source counts and not the value.
    fn look_for_invisible(&mut self, text: &str, style: ScalarStyle, span: Span, at: Mark) {
        let shown = match style {
            ScalarStyle::DoubleQuoted => span.slice(self.text).unwrap_or(text),
            _ => text,
        };
        if let Some(found) = shown.chars().find(|c| invisible(*c)) {
            let (message, hint) = hidden(found);
            self.problem(at, &message, &hint);
        }
    }

    /// In quotes, a line that a reader takes for a comment may hold the end of the text and what is in force behind it;
    /// one that looks like a rule is none.
    fn look_for_disguise(&mut self, style: ScalarStyle, span: Span, at: Mark) {
        let is_quoted = matches!(style, ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted);
        let lines = span.slice(self.text).filter(|_| is_quoted).into_iter().flat_map(str::lines);
        let seems = |line: &str| line.starts_with('#') || line == "-" || line.starts_with("- ");
        let disguised = (at.0..).zip(lines).skip(1).find(|(_, line)| seems(line.trim()));
        if let Some((number, _)) = disguised {
            let message = format!(
                "line {number} looks like a comment or an item of a list, and belongs to this text in quotes"
            );
            self.problem(at, &message, "Close the quotes before it, or write the text in one line");
        }
    }

    /// In braces, `{account:, …}` is a key without a value to others, and a key with a colon in it to docker_auth.
    fn look_for_glued_colon(&mut self, span: Span, at: Mark) {
        let rest = span.byte_range().and_then(|range| self.text.get(range.end..)).unwrap_or_default();
        if self.expects_key() && [":,", ":}", ":]"].iter().any(|end| rest.starts_with(end)) {
            self.problem(
                at,
                "docker_auth takes the colon for a part of this key",
                "Write a space behind the colon",
            );
        }
    }

    fn anchor(&mut self, name: String, at: Mark) {
        if let Some(found) = name.chars().find(|c| invisible(*c)) {
            let (message, hint) = hidden(found);
            self.problem(at, &message, &hint);
        }
        if let Some(first) = self.names.insert(name, at) {
            let message = format!("the anchor is defined twice, on lines {} and {}", first.0, at.0);
            self.problem(at, &message, "Give each anchor a name of its own");
        }
    }

    fn alias(&mut self, anchor: usize, at: Mark) -> Result<(), End> {
        if self.expects_key() {
            return Err(odd_key(at));
        }
        let Some((node, size)) = self.anchors.get(&anchor) else {
            let message = "the alias stands for a key, or for what it is in itself";
            return Err(refused(at, message, "Write the value out"));
        };
        self.copied += size;
        if self.copied > MOST_ALIASED {
            let message = format!(
                "aliases stand for more than {MOST_ALIASED} values, where long text counts as several"
            );
            return Err(refused(at, &message, "Write the values out, or use fewer aliases"));
        }
        // Its content keeps the place where it is written.
        let node = Node { at, ..node.clone() };
        self.put(node);
        Ok(())
    }

    fn open(&mut self, content: Content, anchor: usize, tag: Option<&Tag>, at: Mark) -> Result<(), End> {
        if self.expects_key() {
            return Err(odd_key(at));
        }
        if self.open.len() >= DEPTH {
            return Err(refused(at, "lists and mappings are nested too deeply", "Remove some levels"));
        }
        if tag.is_some() {
            self.refuse_tag(at);
        }
        self.open.push(Open { at, anchor, content });
        Ok(())
    }

    fn close(&mut self) -> Result<(), End> {
        let path = self.path_of_open();
        let Some(Open { at, anchor, content }) = self.open.pop() else { return Ok(()) };
        let value = match content {
            Content::List(items) => Value::List(items),
            Content::Mapping { entries, merge: None, .. } => Value::Mapping(entries),
            Content::Mapping { entries, merge: Some(merged), .. } => {
                Value::Mapping(merge(entries, merged, &path.key("<<"), self.problems))
            }
        };
        self.finish(Node { at, value }, anchor)
    }

    fn scalar(&mut self, text: String, quoted: bool, anchor: usize, at: Mark) -> Result<(), End> {
        let null = !quoted && matches!(&*text, "" | "~" | "null" | "Null" | "NULL");
        if null && matches!(&*text, "Null" | "NULL") {
            let message = format!("`{text}` means the empty text to docker_auth, and nothing to others");
            self.problem(at, &message, "Write `\"\"` for the empty text, or leave the key out");
        }
        if self.expects_key() {
            // A null key is the empty key, as in docker_auth.
            self.key(if null { String::new() } else { text }, quoted, at);
            return Ok(());
        }
        let value = if null {
            Value::Null
        } else if quoted {
            Value::Quoted(text)
        } else {
            Value::Plain(text)
        };
        self.finish(Node { at, value }, anchor)
    }

    fn expects_key(&self) -> bool {
        matches!(self.open.last(), Some(Open { content: Content::Mapping { key: None, .. }, .. }))
    }

    fn key(&mut self, text: String, quoted: bool, at: Mark) {
        let Some(Open { content: Content::Mapping { seen, key, .. }, .. }) = self.open.last_mut() else {
            return;
        };
        let first = seen.get(&text).copied();
        let role = match first {
            Some(_) => Role::Repeated,
            None if text == "<<" && !quoted => Role::Merge,
            None => Role::Ordinary,
        };
        seen.entry(text.clone()).or_insert(at);
        *key = Some(Key { text, at, role });
        if let Some(first) = first {
            let message = format!("the key is written twice, on lines {} and {}", first.0, at.0);
            self.problem(first, &message, "Keep one of them");
        }
    }

    /// A node has ended: it may have an anchor, and belongs where a value is expected.
    ///
    /// Anchors beside each other keep the tree twice at most. One within another keeps its part once more.
    fn finish(&mut self, node: Node, anchor: usize) -> Result<(), End> {
        if anchor != 0 {
            let size = node.size();
            if self.open.iter().any(|around| around.anchor != 0) {
                self.copied += size;
            }
            if self.copied > MOST_ALIASED {
                let message = format!(
                    "anchors within anchors mark more than {MOST_ALIASED} values, where long text counts as several"
                );
                return Err(refused(node.at, &message, "Remove the anchors that no alias names"));
            }
            self.anchors.insert(anchor, (node.clone(), size));
        }
        self.put(node);
        Ok(())
    }

    fn put(&mut self, node: Node) {
        match self.open.last_mut().map(|open| &mut open.content) {
            None => self.root = Some(node),
            Some(Content::List(items)) => items.push(node),
            Some(Content::Mapping { entries, key, merge, .. }) => {
                let Some(Key { text, at, role }) = key.take() else { return };
                match role {
                    Role::Ordinary => entries.push(Entry { key: text, at, node }),
                    Role::Merge => *merge = Some(Merge { after: entries.len(), at, node }),
                    Role::Repeated => {}
                }
            }
        }
    }

    fn problem(&mut self, at: Mark, message: &str, hint: &str) {
        let path = self.path();
        self.problems.push(Problem { path, ..problem(at, message, hint) });
    }

    /// The path of the next value, or of the key that waits for one.
    fn path(&self) -> Path {
        self.open.iter().filter_map(step).collect()
    }

    /// The path of the innermost mapping or list.
    fn path_of_open(&self) -> Path {
        let around = self.open.split_last().map_or(&[][..], |(_, around)| around);
        around.iter().filter_map(step).collect()
    }
}

fn step(open: &Open) -> Option<Step> {
    match &open.content {
        Content::List(items) => Some(Step::Index(items.len())),
        Content::Mapping { key, .. } => key.as_ref().map(|key| Step::Key(key.text.clone())),
    }
}

fn mark(marker: &Marker) -> Mark {
    (marker.line(), marker.col() + 1)
}

fn problem(at: Mark, message: &str, hint: &str) -> Problem {
    Problem { at, message: message.to_owned(), hint: hint.to_owned(), ..Problem::default() }
}

fn refused(at: Mark, message: &str, hint: &str) -> End {
    End::Refused(Box::new(problem(at, message, hint)))
}

fn odd_key(at: Mark) -> End {
    refused(at, "a key must be plain text, not a list, a mapping or an alias", "Write the key as text")
}

fn second_document(at: Mark) -> End {
    let message = "a second document begins here: docker_auth ignores everything after the first";
    refused(
        at,
        message,
        "Remove the line `---` or `...` before it, or everything after it; `...` belongs at the end",
    )
}

/// The text stops being YAML here. The parser's words may quote it, so they are held to the rule for keys.
fn syntax(error: &ScanError) -> Problem {
    let info = error.info();
    let words = if info.contains("$2") { shown(&info) } else { info };
    let hint = "Look at this line and the one before: indentation, quotes, brackets";
    problem(mark(error.marker()), &format!("not valid YAML: {words}"), hint)
}
