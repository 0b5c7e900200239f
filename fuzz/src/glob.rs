//! Globs, against a matcher that tries everything: written from the documentation of Go's `path.Match`.

use portwarden::authz::Glob;

/// Takes a pattern and a subject, a zero byte between them.
pub fn check(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (pattern, subject) = text.split_once('\0').unwrap_or((&text, ""));
    if pattern.len() > 60 || subject.len() > 60 {
        return;
    }
    let symbols: Vec<char> = pattern.chars().collect();
    let (ours, tokens) = (Glob::compile(pattern), tokens(&symbols));
    assert_eq!(ours.is_ok(), tokens.is_some(), "{pattern:?}: {ours:?}");
    let (Ok(glob), Some(tokens)) = (ours, tokens) else { return };
    let (found, possible) = (glob.is_match(subject), matches(&tokens, subject.as_bytes(), &mut 0));
    if is_regular(&tokens, subject) {
        assert!(possible.is_none_or(|possible| possible == found), "{pattern:?} {subject:?}: {found}");
    } else {
        // Go never reconsiders an earlier `*`, so it may miss a match there; it never finds one that is none.
        assert!(!found || possible != Some(false), "{pattern:?} {subject:?}: wider than every choice");
    }
}

#[derive(Debug)]
enum Token {
    Char(char),
    Star,
    Any,
    Class(bool, Vec<(char, char)>),
}

fn tokens(mut pattern: &[char]) -> Option<Vec<Token>> {
    let mut tokens = Vec::new();
    while let Some((first, rest)) = pattern.split_first() {
        pattern = rest;
        tokens.push(match first {
            '*' => Token::Star,
            '?' => Token::Any,
            '\\' => {
                let (escaped, rest) = pattern.split_first()?;
                pattern = rest;
                Token::Char(*escaped)
            }
            '[' => {
                let (class, rest) = class(pattern)?;
                pattern = rest;
                class
            }
            other => Token::Char(*other),
        });
    }
    Some(tokens)
}

fn class(mut pattern: &[char]) -> Option<(Token, &[char])> {
    let negated = pattern.first() == Some(&'^');
    if negated {
        pattern = &pattern[1..];
    }
    let mut ranges = Vec::new();
    loop {
        if pattern.first() == Some(&']') && !ranges.is_empty() {
            return Some((Token::Class(negated, ranges), &pattern[1..]));
        }
        let (low, rest) = one(pattern)?;
        pattern = rest;
        let mut high = low;
        if pattern.first() == Some(&'-') {
            (high, pattern) = one(&pattern[1..])?;
        }
        ranges.push((low, high));
    }
}

/// One end of a range.
fn one(pattern: &[char]) -> Option<(char, &[char])> {
    match pattern {
        ['-' | ']', ..] | [] | ['\\'] => None,
        ['\\', c, rest @ ..] | [c, rest @ ..] => Some((*c, rest)),
    }
}

/// Returns true if the text matches for some choice of the lengths of each `*`; `None` when there are too many to try.
fn matches(tokens: &[Token], subject: &[u8], tried: &mut u32) -> Option<bool> {
    *tried += 1;
    if *tried > 100_000 {
        return None;
    }
    let Some((token, rest)) = tokens.split_first() else { return Some(subject.is_empty()) };
    if let Token::Star = token {
        for taken in 0..=subject.len() {
            if subject[..taken].contains(&b'/') {
                break;
            }
            if matches(rest, &subject[taken..], tried)? {
                return Some(true);
            }
        }
        return Some(false);
    }
    if let Token::Char(c) = token {
        let mut buffer = [0; 4];
        let Some(after) = subject.strip_prefix(c.encode_utf8(&mut buffer).as_bytes()) else {
            return Some(false);
        };
        return matches(rest, after, tried);
    }
    let Some((c, width)) = first(subject) else { return Some(false) };
    let takes = match token {
        Token::Any => c != '/',
        Token::Class(negated, ranges) => ranges.iter().any(|(low, high)| *low <= c && c <= *high) != *negated,
        Token::Char(_) | Token::Star => false,
    };
    if takes { matches(rest, &subject[width..], tried) } else { Some(false) }
}

/// As Go decodes: a byte that begins no character is one, U+FFFD.
fn first(subject: &[u8]) -> Option<(char, usize)> {
    subject.first()?;
    let decoded = (1..=4).find_map(|width| std::str::from_utf8(subject.get(..width)?).ok());
    Some(decoded.map_or((char::REPLACEMENT_CHARACTER, 1), |text| (text.chars().next().unwrap(), text.len())))
}

/// Returns true if the shortest choice for each `*` finds a match whenever there is one.
fn is_regular(tokens: &[Token], subject: &str) -> bool {
    let class_takes_slash = |token: &Token| match token {
        Token::Class(negated, ranges) => {
            ranges.iter().any(|(low, high)| *low <= '/' && '/' <= *high) != *negated
        }
        _ => false,
    };
    subject.is_ascii() && !tokens.iter().any(class_takes_slash)
}
