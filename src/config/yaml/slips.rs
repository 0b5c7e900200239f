//! The place where a text stops being YAML, in words an operator can act on; and further slips behind the first,
//! found by mending each as its neighbours are written and reading on.

use super::{Problem, tree::first_error};
use crate::config::values::quantity::counted;

/// The most slips that are reported.
const MOST: usize = 20;
/// The longest text in which slips are looked for behind the first: each takes some twenty readings.
const LONGEST: usize = 1 << 20;
/// The number of lines before and after a line that are its neighbours.
const NEIGHBOURS: usize = 12;

/// Every slip of a text that is not YAML, of which `first` is what the parser says.
pub(super) fn slips(text: &str, first: Problem) -> Vec<Problem> {
    let written: Vec<&str> = text.lines().collect();
    let mut lines: Vec<String> = written.iter().map(|line| (*line).to_owned()).collect();
    let mut found = Vec::new();
    let mut next = Some(first);
    while let Some(error) = next.take().filter(|_| found.len() < MOST) {
        let line = error.at.0.saturating_sub(1);
        let mended = (text.len() <= LONGEST).then(|| reindented(&lines, line)).flatten();
        let slip = match mended {
            Some((index, indent)) => {
                let slip = misplaced(&lines, index, indent);
                set_indent(&mut lines, index, indent);
                next = first_error(&joined(&lines));
                slip
            }
            None => {
                next = without(&mut lines, line);
                error
            }
        };
        found.push(shown(slip, &written));
    }
    found
}

/// A line at or beside `line`, and the indentation of neighbours with which the text is YAML for longer.
fn reindented(lines: &[String], line: usize) -> Option<(usize, usize)> {
    let reached = first_error(&joined(lines))?.at.0;
    let tabs = |index: &usize| lines.get(*index).is_some_and(|line| indentation(line).contains('\t'));
    let mut targets: Vec<usize> =
        [line, line + 1, line.wrapping_sub(1)].into_iter().filter(|index| *index < lines.len()).collect();
    targets.sort_by_key(|index| !tabs(index));
    for index in targets {
        let further = |indent: &usize| {
            let mut tried = lines.to_vec();
            set_indent(&mut tried, index, *indent);
            first_error(&joined(&tried)).is_none_or(|error| error.at.0 > reached.max(index + 1))
        };
        if let Some(indent) = candidates(lines, index).into_iter().find(further) {
            return Some((index, indent));
        }
    }
    None
}

/// The indentations of neighbours other than the line's own: first of those of the same kind, nearest first.
fn candidates(lines: &[String], index: usize) -> Vec<usize> {
    let Some(line) = lines.get(index).filter(|line| !is_empty(line)) else { return Vec::new() };
    let own = Some(indentation(line).len()).filter(|_| !indentation(line).contains('\t'));
    let mut near = neighbours(lines, index);
    near.sort_by_key(|(distance, neighbour)| (kind(neighbour) != kind(line), *distance));
    let mut indents = Vec::new();
    for (_, neighbour) in near {
        let outer = Some(indentation(neighbour).len());
        // An item that follows `- ` may go on below that line. A line without a dash hardly belongs beside one.
        let inner = item(neighbour).map(|item| neighbour.len() - item.len());
        let in_order = if item(line).is_some() { [outer, inner] } else { [inner, outer] };
        for candidate in in_order.into_iter().flatten() {
            if own != Some(candidate) && !indents.contains(&candidate) {
                indents.push(candidate);
            }
        }
    }
    indents
}

/// Lines around `index` that hold something and no tab, with their distance.
fn neighbours(lines: &[String], index: usize) -> Vec<(usize, &String)> {
    let from = index.saturating_sub(NEIGHBOURS);
    let near = lines.iter().enumerate().skip(from).take(2 * NEIGHBOURS + 1);
    near.filter(|(n, line)| *n != index && !is_empty(line) && !indentation(line).contains('\t'))
        .map(|(n, line)| (n.abs_diff(index), line))
        .collect()
}

fn is_empty(line: &str) -> bool {
    line.trim_start().is_empty() || line.trim_start().starts_with('#')
}

/// The content behind the dash of a list.
fn item(line: &str) -> Option<&str> {
    line.trim_start().strip_prefix("- ").map(str::trim_start)
}

/// The kind of a line, which distinguishes lists that are indented in different ways: whether it begins with a dash,
/// and its key, `match`, or the quote or bracket in front. A value without a key has none.
fn kind(line: &str) -> (bool, &str) {
    let content = item(line).unwrap_or_else(|| line.trim_start());
    let has_key = content.contains(": ") || content.ends_with(':');
    let end = match content.starts_with(['"', '\'', '{', '[']) {
        true => 1,
        false => content.find([':', ' ']).unwrap_or(content.len()),
    };
    (item(line).is_some(), content.get(..end).filter(|_| has_key).unwrap_or_default())
}

fn indentation(line: &str) -> &str {
    line.get(..line.len() - line.trim_start().len()).unwrap_or_default()
}

fn set_indent(lines: &mut [String], index: usize, indent: usize) {
    if let Some(line) = lines.get_mut(index) {
        *line = format!("{}{}", " ".repeat(indent), line.trim_start());
    }
}

fn joined(lines: &[String]) -> String {
    lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect()
}

/// The next error when the line is left out, unless it is about the lines beside it and may follow from that.
fn without(lines: &mut [String], index: usize) -> Option<Problem> {
    lines.get_mut(index)?.clear();
    let beside = lines.iter().skip(index + 1).position(|line| !is_empty(line)).unwrap_or(0);
    first_error(&joined(lines)).filter(|error| error.at.0 > index + beside + 3)
}

/// A line that does not stand below its neighbours.
fn misplaced(lines: &[String], index: usize, indent: usize) -> Problem {
    let line = lines.get(index).map(String::as_str).unwrap_or_default();
    let blank = indentation(line);
    let (width, is_tab) = (blank.chars().count(), blank.contains('\t'));
    let words = match (width, indent) {
        (_, 0) if is_tab => "is indented by a tab, and the lines it belongs to are not".to_owned(),
        _ if is_tab => format!(
            "is indented by a tab, which YAML does not take, and the lines it belongs to by {}",
            counted(indent, "space")
        ),
        (0, _) => {
            format!("is not indented, and the lines it belongs to are by {}", counted(indent, "space"))
        }
        (_, 0) => format!("is indented by {}, and the lines it belongs to are not", counted(width, "space")),
        _ => format!(
            "is indented by {}, and the lines it belongs to by {}",
            counted(width, "space"),
            counted(indent, "space")
        ),
    };
    let hint = match indent {
        0 => "Remove its indentation".to_owned(),
        _ => format!("Indent it by {}", counted(indent, "space")),
    };
    let message = format!("not valid YAML: this line {words}");
    Problem { at: (index + 1, width + 1), message, hint, ..Problem::default() }
}

/// The problem with its line as it is written and a caret below the place.
fn shown(problem: Problem, written: &[&str]) -> Problem {
    let (number, column) = problem.at;
    let line = number.checked_sub(1).and_then(|index| written.get(index)).copied().unwrap_or_default();
    let before: String = line.chars().take(column - 1).map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
    let margin = format!("{number:>5} | ");
    let below = format!("{:>7} {before}^", "|");
    Problem { excerpt: format!("{margin}{}\n{below}", without_values(line)), ..problem }
}

/// The line with a dot for each letter of what may be a secret: everything behind its first colon, but for the words of
/// a rule.
fn without_values(line: &str) -> String {
    let key = line.find(": ").or_else(|| line.ends_with(':').then(|| line.len() - 1)).unwrap_or(0);
    let mut shown = String::new();
    let mut word = String::new();
    for (index, c) in line.char_indices().chain([(line.len(), ' ')]) {
        if is_of_word(c) {
            word.push(c);
            continue;
        }
        let harmless = WORDS.contains(&&*word) || index <= key && !word.contains('$');
        shown.extend(word.drain(..).map(|letter| if harmless { letter } else { '·' }));
        if index < line.len() {
            shown.push(if c.is_control() && c != '\t' { '·' } else { c });
        }
    }
    shown
}

fn is_of_word(c: char) -> bool {
    !(c.is_whitespace() || c.is_control() || "\"'[]{},:-#*&|>".contains(c))
}

/// Words of rules and of their keys.
const WORDS: &[&str] = &[
    "account", "acl", "actions", "comment", "delete", "ip", "labels", "match", "name", "password", "pull",
    "push", "service", "type", "users",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::yaml::read;

    /// Line, message, hint.
    fn said(text: &str) -> Vec<(usize, String)> {
        let problems = read(text).unwrap_err();
        problems
            .into_iter()
            .map(|p| (p.at.0, format!("{}. {}", p.message.replace("not valid YAML: ", ""), p.hint)))
            .collect()
    }

    const FOUR: &str = "users:\n  \"admin\":\n    password: x\n  \"test\":\n\tpassword: x\n \"test2\":\n    password: x\n\
        acl:\n  - match: {account: admin}\n    actions: [\"*\"]\n - match: {account: test}\n    actions: [pull]\n  \
        - match: {account: test2}\n  actions: [pull]\n";

    #[test]
    fn four_slips_are_said_at_once() {
        let slips = said(FOUR);
        assert_eq!(
            slips,
            [
                (5, "this line is indented by a tab, which YAML does not take, and the lines it belongs to by 4 spaces. Indent it by 4 spaces"),
                (6, "this line is indented by 1 space, and the lines it belongs to by 2 spaces. Indent it by 2 spaces"),
                (11, "this line is indented by 1 space, and the lines it belongs to by 2 spaces. Indent it by 2 spaces"),
                (14, "this line is indented by 2 spaces, and the lines it belongs to by 4 spaces. Indent it by 4 spaces"),
            ]
            .map(|(line, words)| (line, words.to_owned()))
        );
    }

    /// Line, and the number of spaces that it should be indented by.
    fn wanted(text: &str) -> Vec<(usize, String)> {
        let hint = |said: String| said.rsplit_once(". ").map_or(said.clone(), |(_, hint)| hint.to_owned());
        said(text).into_iter().map(|(line, said)| (line, hint(said))).collect()
    }

    #[test]
    fn lists_that_are_indented_in_other_ways_are_no_neighbours() {
        let server = "server:\n  addr: ':1'\n  trusted_proxies:\n    - 192.0.2.1\n    - 192.0.2.2\n";
        let indent = |line: usize, spaces: usize| vec![(line, format!("Indent it by {spaces} spaces"))];
        for (rules, expected) in [
            // Rules at the column of `acl`, their actions as lists of other columns.
            (
                "acl:\n- match: {account: a}\n  actions:\n  - pull\n - match: {account: b}\n  actions:\n    - pull\n",
                vec![(10, "Remove its indentation".to_owned())],
            ),
            (
                "acl:\n- match: {account: a}\n  actions:\n  - pull\n- match: {account: b}\n actions:\n    - pull\n",
                indent(11, 2),
            ),
            ("acl:\n- match: {account: b}\n actions: [pull]\n", indent(8, 2)),
            // Rules that are indented, and actions at the column of their key.
            (
                "acl:\n  - match: {account: a}\n    actions:\n    - pull\n   - push\n  - match: {account: b}\n    \
                 actions:\n    - pull\n",
                indent(10, 4),
            ),
            (
                "acl:\n  - match: {account: a}\n    actions:\n   - pull\n  - match: {account: b}\n    actions:\n      \
                 - push\n",
                indent(9, 6),
            ),
            // A dash with more spaces behind it.
            ("acl:\n-   match: {account: b}\n  actions: [pull]\n", indent(8, 4)),
            (
                "acl:\n-   match: {account: a}\n    actions: [pull]\n - match: {account: b}\n   actions: [pull]\n",
                vec![(9, "Remove its indentation".to_owned()), (10, "Indent it by 2 spaces".to_owned())],
            ),
        ] {
            assert_eq!(wanted(&format!("{server}{rules}")), expected, "{rules}");
        }
    }

    #[test]
    fn the_line_is_shown_with_a_caret_and_without_what_may_be_secret() {
        let excerpts =
            |text: &str| -> Vec<String> { read(text).unwrap_err().into_iter().map(|p| p.excerpt).collect() };
        assert_eq!(excerpts(FOUR)[1], "    6 |  \"test2\":\n      |  ^");
        let text = "users:\n  bob: {password: \"$2y$05$secret\", labels: [hunter2]\nacl: []\n";
        let shown = excerpts(text).join("\n");
        assert!(shown.contains('^') && !shown.contains("secret") && !shown.contains("hunter2"), "{shown}");
        let shown =
            without_values("  bob: {password: \"$2y$05$secret\", name: x/*, actions: [pull, push]} # secret");
        assert_eq!(shown, "  bob: {password: \"·············\", name: ··*, actions: [pull, push]} # ······");
        assert_eq!(without_values("- secret:x"), "- ······:·");
        assert_eq!(without_values("MIIEvAIBADANBgkqhki"), "···················");
    }

    #[test]
    fn other_slips_do_not_hide_each_other() {
        let text = "server: {addr: \":5001\"\nusers: {}\ntoken:\n  issuer: a\n   expiration: 900\nacl:\n- match: {}\n  actions: [pull\n";
        let lines: Vec<usize> = said(text).iter().map(|(line, _)| *line).collect();
        assert!(!lines.is_empty() && lines.is_sorted(), "{lines:?}");
        assert_eq!(said("a: 'x\nb: y\n").len(), 1);
    }

    #[test]
    fn a_long_text_is_read_once() {
        let text = format!("# {}\nacl:\n- match: {{}}\n   actions: []\n", "x".repeat(LONGEST));
        assert_eq!(said(&text).len(), 1);
    }
}
