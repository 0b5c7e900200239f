//! YAML as a tree whose every node knows where it stands: one parse decides both the value and its position.
//!
//! The parser is that of the dependency `serde_yaml`. Its result is refused where a reader of the file would see
//! something else: hidden characters, a second document, tags, keys written twice, a file cut short.

mod characters;
mod deserialize;
mod merge;
mod resolve;
mod slips;
mod tree;

use super::diagnostics::path::{Path, Step};
use tree::End;

/// Line and column, from 1.
pub(crate) type Mark = (usize, usize);

/// A value of the file.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    pub(crate) at: Mark,
    pub(crate) value: Value,
}

/// The content of a [`Node`]; aliases and merge keys are replaced by what they stand for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    /// Nothing, `~` or `null`.
    Null,
    /// A scalar without quotes, which may be a number or a truth value.
    Plain(String),
    /// A scalar that is text in any case.
    Quoted(String),
    List(Vec<Node>),
    /// In the order of the file; no key is there twice.
    Mapping(Vec<Entry>),
}

/// A key with its value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) at: Mark,
    pub(crate) node: Node,
}

/// A fault of the text itself.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) at: Mark,
    pub(crate) path: Path,
    pub(crate) message: String,
    pub(crate) hint: String,
    /// The line and a caret below the place, where the line itself is wrong.
    pub(crate) excerpt: String,
}

/// Reads `text`, which must hold one document; an empty one has no node. Problems do not keep the rest from being read.
///
/// # Errors
/// The problems; at least one of them ends the reading.
pub(crate) fn read(text: &str) -> Result<(Option<Node>, Vec<Problem>), Vec<Problem>> {
    let mut problems = characters::problems(text);
    problems.extend(cut_short(text));
    match tree::read(text, &mut problems) {
        Ok(root) => Ok((root, problems)),
        Err(End::Refused(problem)) => {
            problems.push(*problem);
            Err(problems)
        }
        Err(End::Syntax(problem)) => {
            problems.extend(slips::slips(text, *problem));
            Err(problems)
        }
    }
}

/// A file that was cut within its last line may still be YAML, and mean more: a rule without its last condition.
fn cut_short(text: &str) -> Option<Problem> {
    let line = text.split('\n').next_back().unwrap_or_default();
    if line.is_empty() || line == "..." {
        return None;
    }
    let at = (text.split('\n').count(), line.chars().count() + 1);
    let message = "the file may be cut short: its last line has no end".to_owned();
    let hint = "End the last line with a line break. To replace the file safely, write a new one beside it and rename it, \
                as `mv auth_config.yml.new auth_config.yml`";
    Some(Problem { at, message, hint: hint.to_owned(), ..Problem::default() })
}

/// Returns whether the document end marker `...` closes `text`, which [`read`] has taken: comments at most follow it.
pub(crate) fn has_end_marker(text: &str) -> bool {
    let is_content = |line: &&str| !line.trim().is_empty() && !line.trim_start().starts_with('#');
    let last = text.lines().rev().find(is_content);
    let behind = last.and_then(|line| line.strip_prefix("..."));
    behind.is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t']))
}

impl Node {
    /// The number of nodes in it, itself among them; one more for each 64 bytes of text, as a measure of memory.
    fn size(&self) -> usize {
        const BYTES_OF_A_NODE: usize = 64;
        1 + match &self.value {
            Value::List(items) => items.iter().map(Self::size).sum(),
            Value::Mapping(entries) => {
                entries.iter().map(|entry| entry.key.len() / BYTES_OF_A_NODE + entry.node.size()).sum()
            }
            Value::Plain(text) | Value::Quoted(text) => text.len() / BYTES_OF_A_NODE,
            Value::Null => 0,
        }
    }

    /// The node at `steps`, if it is there.
    pub(crate) fn find_mut(&mut self, steps: &[Step]) -> Option<&mut Self> {
        let Some((step, rest)) = steps.split_first() else { return Some(self) };
        let next = match (&mut self.value, step) {
            (Value::List(items), Step::Index(index)) => items.get_mut(*index),
            (Value::Mapping(entries), Step::Key(key)) => {
                entries.iter_mut().find(|entry| entry.key == *key).map(|entry| &mut entry.node)
            }
            _ => None,
        };
        next?.find_mut(rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Line and message of each problem.
    fn said(text: &str) -> Vec<String> {
        let problems = match read(text) {
            Ok((_, problems)) | Err(problems) => problems,
        };
        problems.into_iter().map(|p| format!("{}: {}", p.at.0, p.message)).collect()
    }

    fn one(text: &str) -> String {
        let mut said = said(text);
        assert_eq!(said.len(), 1, "{text:?}: {said:?}");
        said.remove(0)
    }

    fn node(text: &str) -> Node {
        let (root, problems) = read(text).unwrap();
        assert_eq!(problems, [], "{text}");
        root.unwrap()
    }

    /// Keys and texts, without places.
    fn shape(node: &Node) -> String {
        match &node.value {
            Value::Null => "~".to_owned(),
            Value::Plain(text) | Value::Quoted(text) => text.clone(),
            Value::List(items) => format!("[{}]", items.iter().map(shape).collect::<Vec<_>>().join(" ")),
            Value::Mapping(entries) => {
                let pair = |entry: &Entry| format!("{}:{}", entry.key, shape(&entry.node));
                format!("{{{}}}", entries.iter().map(pair).collect::<Vec<_>>().join(" "))
            }
        }
    }

    #[test]
    fn nothing_stands_behind_the_first_document() {
        for text in ["a: 1\n---\nb: 2\n", "a: 1\n...\nb: 2\n", "a: 1\n---\n", "---\na: 1\n--- [\n"] {
            assert!(one(text).contains("a second document begins here"), "{text}");
        }
        for text in ["a: 1\n...\n", "---\na: 1\n", "a: 1\n...\n\n# end\n", "a: 1\n..."] {
            assert_eq!(shape(&node(text)), "{a:1}", "{text}");
        }
    }

    #[test]
    fn a_file_whose_last_line_has_no_end_may_be_cut_short() {
        for text in ["a: 1", "a: 1\nb:", "a: 1\n  ", "a: 1\n# c", "a: 1\n ...", "a: 1\n...."] {
            assert!(said(text).iter().any(|said| said.contains("may be cut short")), "{text}");
        }
        assert_eq!(read(""), Ok((None, Vec::new())));
        assert_eq!(shape(&node("a: 1\r\n")), "{a:1}");
    }

    #[test]
    fn the_end_marker_closes_a_file_whatever_comments_follow() {
        for end in ["...\n", "...", "... # end\n", "...\t\n", "...\r\n", "...\n\n# a\n  # b\n"] {
            assert!(
                read(&format!("a: 1\n{end}")).is_ok() && has_end_marker(&format!("a: 1\n{end}")),
                "{end:?}"
            );
        }
        for text in
            ["", "a: 1\n", "a: 1\n# ...\n", "a: 1\n ...\n", "a: |\n  ...\n", "a: ...\n", "a: 1\n....\n"]
        {
            assert!(!has_end_marker(text), "{text:?}");
        }
    }

    #[test]
    fn directives_and_tags_are_refused() {
        for text in ["%YAML 1.1\n---\na: 1\n", "%TAG ! !x\n---\na: 1\n", "%FOO bar\n---\na: 1\n"] {
            assert!(one(text).contains("not valid YAML"), "{text}");
        }
        for text in [
            "a: !!binary YQ==\n",
            "a: !!int '1'\n",
            "a: !x 1\n",
            "a: !!map {}\n",
            "a: !<tag:x> []\n",
            "!!null a: 1\n",
        ] {
            assert!(one(text).contains("a tag"), "{text}");
        }
        assert_eq!(shape(&node("a: !!str 5\n")), "{a:5}");
    }

    #[test]
    fn invisible_characters_stand_in_comments_only() {
        for c in [
            '\u{a0}',
            '\u{ad}',
            '\u{200b}',
            '\u{200d}',
            '\u{2060}',
            '\u{2065}',
            '\u{3000}',
            '\u{fe0f}',
            '\u{e0041}',
        ] {
            for text in [
                format!("a: b{c}\n"),
                format!("a{c}: b\n"),
                format!("a: 'b{c}'\n"),
                format!("a: \"b{c}\"\n"),
                format!("a: b{c}# c\n"),
                format!("a: |\n  b{c}\n"),
                format!("a: &x{c} b\n"),
            ] {
                assert!(one(&text).contains(&format!("U+{:04X}", u32::from(c))), "{text:?}");
            }
            assert_eq!(shape(&node(&format!("a: b # {c}\n# {c}\n"))), "{a:b}");
        }
        assert_eq!(shape(&node("a: \"b\\u200B\"\n")), "{a:b\u{200b}}");
    }

    #[test]
    fn no_line_of_a_text_in_quotes_looks_like_a_comment_or_a_rule() {
        for (text, line) in [
            ("acl:\n- {match: {account: eve}, comment: \"b\n  # c\", actions: ['*']}\n", 3),
            ("acl:\n- comment: \"for kim\n\n- match: {account: eve}\n  actions: []\n  \"\n", 4),
            ("a: 'b\n\t# c'\n", 2),
            ("a: \"b\n  -\n  c\"\n", 2),
            ("{\"b\n # c\": d}\n", 2),
        ] {
            let expected = format!("line {line} looks like a comment or an item of a list");
            assert!(said(text).iter().any(|said| said.contains(&expected)), "{text:?}: {:?}", said(text));
        }
        for (text, shape_of) in [
            ("a: \"b\n  c # d - e\"\n", "{a:b c # d - e}"),
            ("a: \"# b - c\"\n", "{a:# b - c}"),
            ("a: \"b\\\n  -c\"\n", "{a:b-c}"),
            ("a: |\n  # b\n  - c\n", "{a:# b\n- c\n}"),
        ] {
            assert_eq!(shape(&node(text)), shape_of, "{text:?}");
        }
    }

    #[test]
    fn a_line_break_that_few_editors_show_is_refused() {
        for c in ['\u{85}', '\u{2028}', '\u{2029}', '\r'] {
            let text = format!("acl:\n  # note{c}  - {{match: {{account: eve}}, actions: [\"*\"]}}\n");
            assert!(said(&text).iter().any(|said| said.starts_with("2: the character U+")), "{c:?}");
        }
    }

    #[test]
    fn each_key_is_there_once_however_it_is_spelt() {
        for text in [
            "a: 1\n\"a\": 2\n",
            "1: x\n'1': y\n",
            "~: x\n'': y\n",
            "{a: 1, ? a : 2}\n",
            "a: 1\n\"\\x61\": 2\n",
        ] {
            assert!(one(text).contains("the key is written twice"), "{text}");
        }
        assert!(one("? [a]\n: b\n").contains("a key must be"));
        assert!(one("a: &a b\n*a : c\n").contains("a key must be"));
        assert!(one("{a:, b: c}\n").contains("takes the colon for a part"));
    }

    #[test]
    fn null_written_as_docker_auth_misreads_it_is_refused() {
        assert_eq!(said("a: Null\nb: 'Null'\nc: null\nd: NULL\n").len(), 2);
    }

    #[test]
    fn aliases_are_bounded_and_anchors_unique() {
        assert_eq!(shape(&node("a: &x [1, 2]\nb: *x\n")), "{a:[1 2] b:[1 2]}");
        assert!(one("a: &x 1\nb: &x 2\n").contains("the anchor is defined twice, on lines 1 and 2"));
        assert!(one("a: &x [*x]\n").contains("for what it is in itself"));
        assert!(one("a: *x\n").contains("unknown anchor"));
        let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for n in 1..12 {
            text += &format!("a{n}: &a{n} [{}]\n", format!("*a{}, ", n - 1).repeat(10));
        }
        assert!(one(&text).contains("aliases stand for more than 100000 values"));
    }

    #[test]
    fn what_anchors_and_aliases_keep_is_bounded_in_bytes() {
        let nested = |depth: usize, inner: &str| {
            let opened: String = (0..depth).map(|n| format!("&a{n} [")).collect();
            format!("a: {opened}{inner}{}\n", "]".repeat(depth))
        };
        let values = "x, ".repeat(10_000);
        assert_eq!(read(&nested(1, &"x, ".repeat(200_000))).map(|(_, problems)| problems), Ok(Vec::new()));
        assert_eq!(read(&nested(8, &values)).map(|(_, problems)| problems), Ok(Vec::new()));
        let keys: String = (0..1000).map(|n| format!("{n}{}: 1, ", "x".repeat(900))).collect();
        for inner in [values, "x".repeat(1 << 20), format!("{{{keys}}}")] {
            assert!(one(&nested(20, &inner)).contains("anchors within anchors mark more than 100000 values"));
        }
        for long in ["x".repeat(1 << 20), format!("{{{keys}}}")] {
            let text = format!("a: &a {long}\nb: [{}]\n", "*a, ".repeat(100));
            assert!(one(&text).contains("aliases stand for more than 100000 values"));
        }
    }

    #[test]
    fn nesting_is_bounded() {
        for text in
            [format!("a: {}", "[".repeat(200)), "- ".repeat(20_000), "{a: ".repeat(90), "a: \n".repeat(3)]
        {
            assert!(!said(&format!("{text}\n")).is_empty());
        }
        let deep = (0..200).map(|n| format!("{}a:\n", " ".repeat(n))).collect::<String>();
        assert!(!said(&deep).is_empty());
    }

    #[test]
    fn merge_keys_are_read_as_docker_auth_reads_them() {
        let base = "x: &x {b: 1, c: [2]}\n";
        let merged = |text: &str| shape(&node(&format!("{base}a:\n{text}")));
        assert_eq!(merged("  <<: *x\n  d: 3\n"), "{x:{b:1 c:[2]} a:{b:1 c:[2] d:3}}");
        assert_eq!(merged("  d: 3\n  <<: *x\n"), "{x:{b:1 c:[2]} a:{b:1 c:[2] d:3}}");
        assert_eq!(
            merged("  <<: *x\n  c: []\n"),
            "{x:{b:1 c:[2]} a:{b:1 c:[]}}",
            "what is written later wins"
        );
        assert_eq!(
            merged("  <<: [{b: 7}, *x]\n"),
            "{x:{b:1 c:[2]} a:{b:7 c:[2]}}",
            "the first of several wins"
        );
        assert_eq!(merged("  \"<<\": 1\n"), "{x:{b:1 c:[2]} a:{<<:1}}", "in quotes it is a key");
    }

    #[test]
    fn merge_keys_on_which_readers_disagree_are_refused() {
        let base = "x: &x {b: 1, m: {n: 1}}\na:\n";
        assert!(one(&format!("{base}  b: 2\n  <<: *x\n")).contains("stands before the merge key"));
        assert!(
            one(&format!("{base}  <<: *x\n  m: {{o: 2}}\n")).contains("a mapping here and in what is merged")
        );
        assert!(
            one(&format!("{base}  <<: [{{m: {{}}}}, *x]\n")).contains("a mapping here and in what is merged")
        );
        for value in ["1", "~", "[1]", "[[*x]]"] {
            assert!(
                one(&format!("{base}  <<: {value}\n")).contains("expected an alias of a mapping"),
                "{value}"
            );
        }
        assert!(one(&format!("{base}  <<: *x\n  <<: *x\n")).contains("written twice"));
    }
}
