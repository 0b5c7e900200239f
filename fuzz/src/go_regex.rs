//! Regular expressions: no expression brings the translation down, a quoted text matches itself, and within a small
//! language of undisputed meaning the answer is that of a matcher that tries everything.

use portwarden::authz::GoRegex;

use super::input::Input;

/// Takes any expression and a subject, a zero byte between them; or, after a zero byte, choices that make an expression
/// of the small language.
pub fn check(data: &[u8]) {
    if let Some(choices) = data.strip_prefix(&[0]) {
        return check_small(&mut Input(choices));
    }
    let text = String::from_utf8_lossy(data);
    let (expression, subject) = text.split_once('\0').unwrap_or((&text, ""));
    if expression.len() > 200 {
        return;
    }
    if let Ok(regex) = GoRegex::compile(expression) {
        let captures = regex.captures(subject);
        assert_eq!(regex.is_match(subject), captures.is_some(), "{expression:?} {subject:?}");
        for capture in captures.into_iter().flatten() {
            assert!(subject.contains(capture), "{expression:?} {subject:?}");
        }
    }
    if !subject.contains("\\E") {
        quoted(subject);
    }
}

fn quoted(subject: &str) {
    let Ok(regex) = GoRegex::compile(&format!("\\A\\Q{subject}\\E\\z")) else {
        panic!("a quoted text is refused: {subject:?}");
    };
    assert!(regex.is_match(subject), "{subject:?}");
    assert!(!regex.is_match(&format!("{subject}x")), "{subject:?}");
}

fn check_small(input: &mut Input<'_>) {
    let node = node(input, 4);
    let subject: String = (0..input.below(7)).map(|_| input.pick(&['a', 'b', 'A', '/', '\n', 'é'])).collect();
    let chars: Vec<char> = subject.chars().collect();
    let expression = node.to_string();
    let regex = GoRegex::compile(&expression).unwrap_or_else(|error| panic!("{expression:?}: {error}"));
    let expected = (0..=chars.len()).any(|at| !ends(&node, &chars, at).is_empty());
    assert_eq!(regex.is_match(&subject), expected, "{expression:?} {subject:?}");
}

enum Node {
    Char(char),
    Dot,
    Start,
    End,
    Class(bool, char, char),
    Sequence(Vec<Node>),
    Choice(Vec<Node>),
    Repeat(Box<Node>, usize, Option<usize>),
}

fn node(input: &mut Input<'_>, depth: usize) -> Node {
    let kinds = if depth == 0 { 7 } else { 12 };
    let several = |input: &mut Input<'_>| (0..1 + input.below(3)).map(|_| node(input, depth - 1)).collect();
    match input.below(kinds) {
        0..=2 => Node::Char(input.pick(&['a', 'b', '/', 'é'])),
        3 => Node::Dot,
        4 => Node::Start,
        5 => Node::End,
        6 => Node::Class(input.below(2) == 0, input.pick(&['a', 'A']), input.pick(&['b', 'z'])),
        7 | 8 => Node::Sequence(several(input)),
        9 => Node::Choice(several(input)),
        _ => {
            let (least, most) = input.pick(&[(0, None), (1, None), (0, Some(1)), (2, Some(3)), (0, Some(0))]);
            Node::Repeat(Box::new(node(input, depth - 1)), least, most)
        }
    }
}

impl std::fmt::Display for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Char(c) => write!(f, "{c}"),
            Self::Dot => f.write_str("."),
            Self::Start => f.write_str("^"),
            Self::End => f.write_str("$"),
            Self::Class(negated, low, high) => write!(f, "[{}{low}-{high}]", if *negated { "^" } else { "" }),
            Self::Sequence(nodes) => nodes.iter().try_for_each(|node| write!(f, "{node}")),
            Self::Choice(nodes) => {
                f.write_str("(")?;
                for (index, node) in nodes.iter().enumerate() {
                    write!(f, "{}{node}", if index == 0 { "" } else { "|" })?;
                }
                f.write_str(")")
            }
            Self::Repeat(node, 0, None) => write!(f, "(?:{node})*"),
            Self::Repeat(node, 1, None) => write!(f, "({node})+"),
            Self::Repeat(node, 0, Some(1)) => write!(f, "(?:{node})?"),
            Self::Repeat(node, least, most) => write!(f, "(?:{node}){{{least},{}}}", most.unwrap_or(*least)),
        }
    }
}

/// Everywhere a match that begins at `at` can end, each once.
fn ends(node: &Node, subject: &[char], at: usize) -> Vec<usize> {
    let one = |matched: bool, end| if matched { vec![end] } else { Vec::new() };
    let next = subject.get(at).copied();
    match node {
        Node::Char(c) => one(next == Some(*c), at + 1),
        Node::Dot => one(next.is_some_and(|c| c != '\n'), at + 1),
        Node::Start => one(at == 0, at),
        Node::End => one(at == subject.len(), at),
        Node::Class(negated, low, high) => {
            one(next.is_some_and(|c| (*low <= c && c <= *high) != *negated), at + 1)
        }
        Node::Sequence(nodes) => nodes.iter().fold(vec![at], |from, node| step(node, subject, &from)),
        Node::Choice(nodes) => sorted(nodes.iter().flat_map(|node| ends(node, subject, at)).collect()),
        Node::Repeat(node, least, most) => {
            let (mut from, mut all) = (vec![at], Vec::new());
            // A round more than the subject is long brings nothing new.
            let rounds = most.unwrap_or(subject.len() + least + 1);
            for round in 0..=rounds {
                if round >= *least {
                    all.extend(&from);
                }
                from = step(node, subject, &from);
            }
            sorted(all)
        }
    }
}

fn step(node: &Node, subject: &[char], from: &[usize]) -> Vec<usize> {
    sorted(from.iter().flat_map(|at| ends(node, subject, *at)).collect())
}

fn sorted(mut all: Vec<usize>) -> Vec<usize> {
    all.sort_unstable();
    all.dedup();
    all
}
