//! The place where a text stops being YAML, in words an operator can act on; and further slips behind the first,
//! found by mending each as its neighbours are written and reading on.

use super::{Problem, tree::first_error};

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

/// The indentations of neighbours other than the line's own: first of those that begin with the same word, nearest first.
fn candidates(lines: &[String], index: usize) -> Vec<usize> {
    let Some(line) = lines.get(index).filter(|line| !is_empty(line)) else { return Vec::new() };
    let own = Some(indentation(line).len()).filter(|_| !indentation(line).contains('\t'));
    let mut near = neighbours(lines, index);
    near.sort_by_key(|(distance, neighbour)| (first_word(neighbour) != first_word(line), *distance));
    let mut indents = Vec::new();
    for (_, neighbour) in near {
        let indent = indentation(neighbour).len();
        // What follows `- ` on its line may go on below it.
        let inner = if neighbour.trim_start().starts_with("- ") { Some(indent + 2) } else { None };
        for candidate in [Some(indent), inner].into_iter().flatten() {
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

/// `actions`, `-`, or the quote before a name.
fn first_word(line: &str) -> &str {
    let content = line.trim_start();
    let end = content.find([':', ' ']).unwrap_or(content.len());
    if content.starts_with(['"', '\'']) {
        content.get(..1).unwrap_or_default()
    } else {
        content.get(..end).unwrap_or_default()
    }
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
    let found = match blank.contains('\t') {
        true => "a tab, which YAML does not take".to_owned(),
        false => spaces(blank.chars().count()),
    };
    Problem {
        at: (index + 1, blank.chars().count() + 1),
        message: format!(
            "not valid YAML: this line is indented by {found}, and the lines it belongs to by {}",
            spaces(indent)
        ),
        hint: format!("Indent it by {}", spaces(indent)),
        ..Problem::default()
    }
}

fn spaces(count: usize) -> String {
    match count {
        0 => "nothing".to_owned(),
        1 => "1 space".to_owned(),
        _ => format!("{count} spaces"),
    }
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
    use super::{super::read, *};

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
