//! Sets of characters and escapes in Go's regular expressions.

use super::{
    ast::Class,
    parse::{Cursor, bad, unsupported},
    unicode,
};
use crate::authz::patterns::{pattern_error::PatternError, placeholder::Symbol};

/// Reads a class after its `[`, up to and with its `]`.
pub(super) fn bracketed(cursor: &mut Cursor<'_>, fold: bool) -> Result<Class, PatternError> {
    let negated = cursor.eat("^");
    let mut items = String::new();
    loop {
        items += &item(cursor, fold)?;
        if cursor.eat("]") {
            return Ok(Class { negated, items, fold });
        }
    }
}

/// One item of a class: a named class, a class escape, a character or a range.
fn item(cursor: &mut Cursor<'_>, fold: bool) -> Result<String, PatternError> {
    if let Some(class) = posix(cursor)? {
        return Ok(class);
    }
    let mut ahead = *cursor;
    if ahead.eat("\\")
        && let Some(class) = escaped(&mut ahead, fold)?
    {
        *cursor = ahead;
        return Ok(format!("[{}{}]", if class.negated { "^" } else { "" }, class.items));
    }
    let low = class_char(cursor)?;
    let mut high = low;
    if cursor.peek_char(0) == Some('-') && cursor.peek().is_some() && cursor.peek_char(1) != Some(']') {
        cursor.skip(1);
        high = class_char(cursor)?;
    }
    if high < low {
        return Err(bad(
            "a range in a class runs backwards",
            "swap its ends, or write `\\-` for a literal hyphen",
        ));
    }
    Ok(range(low, high))
}

fn range(low: char, high: char) -> String {
    format!("\\x{{{:X}}}-\\x{{{:X}}}", u32::from(low), u32::from(high))
}

/// `[:alpha:]`. As in Go, `[:` with a `:]` anywhere behind it is meant as one.
fn posix(cursor: &mut Cursor<'_>) -> Result<Option<String>, PatternError> {
    let mut ahead = *cursor;
    if !ahead.eat("[:") {
        return Ok(None);
    }
    let Some(name) = ahead.until(":]") else { return Ok(None) };
    let (negation, name) = name.strip_prefix('^').map_or(("", name.as_str()), |name| ("^", name));
    let items = match name {
        "alnum" => "0-9A-Za-z",
        "alpha" => "A-Za-z",
        "ascii" => "\\x00-\\x7F",
        "blank" => "\\t ",
        "cntrl" => "\\x00-\\x1F\\x7F",
        "digit" => "0-9",
        "graph" => "!-\\x7E",
        "lower" => "a-z",
        "print" => " -\\x7E",
        "punct" => "!-/:-@\\[-`\\{-\\x7E",
        "space" => "\\t-\\r ",
        "upper" => "A-Z",
        "word" => "0-9A-Za-z_",
        "xdigit" => "0-9A-Fa-f",
        _ => {
            return Err(bad(
                format!("`[:{name}:]` names no class"),
                "see the names in POSIX, like `[:alpha:]`",
            ));
        }
    };
    *cursor = ahead;
    Ok(Some(format!("[{negation}{items}]")))
}

/// `d`, `W`, `pL`, `p{Greek}` after a `\`; `None`, and nothing taken, for other escapes.
pub(super) fn escaped(cursor: &mut Cursor<'_>, fold: bool) -> Result<Option<Class>, PatternError> {
    let Some(c) = cursor.peek_char(0) else { return Ok(None) };
    let items = match c.to_ascii_lowercase() {
        'd' => "0-9".to_owned(),
        's' => "\\t\\n\\x0C\\r ".to_owned(),
        'w' => "0-9A-Za-z_".to_owned(),
        'p' => return unicode_class(cursor, fold).map(Some),
        _ => return Ok(None),
    };
    cursor.skip(1);
    Ok(Some(Class { negated: c.is_ascii_uppercase(), items, fold }))
}

/// `pL`, `P{Greek}`, `p{^Greek}`.
fn unicode_class(cursor: &mut Cursor<'_>, fold: bool) -> Result<Class, PatternError> {
    let mut negated = cursor.eat("P");
    if !negated {
        cursor.skip(1);
    }
    let name = if cursor.eat("{") {
        cursor.until("}")
    } else {
        cursor.peek_char(0).map(|c| {
            cursor.skip(1);
            c.to_string()
        })
    };
    let name = name.unwrap_or_default();
    let name = name.strip_prefix('^').inspect(|_| negated = !negated).unwrap_or(&name);
    let items = unicode::items(name).ok_or_else(|| {
        unsupported(
            format!("the Unicode class {name:?}"),
            "use a category (`\\pL`, `\\p{Lu}`) or a script (`\\p{Greek}`), spelt as in Unicode 15",
        )
    })?;
    Ok(Class { negated, items, fold })
}

fn class_char(cursor: &mut Cursor<'_>) -> Result<char, PatternError> {
    match cursor.next() {
        Some(Symbol::Char('\\')) => escaped_char(cursor),
        Some(Symbol::Char(c)) => Ok(c),
        Some(Symbol::Hole(_)) => Err(unsupported(
            "a placeholder inside `[…]`, which would match single characters of its value",
            "take the placeholder out of the brackets",
        )),
        None => Err(bad("a `[` is not closed", "close it, or write `\\[` for a literal bracket")),
    }
}

/// A single character after a `\`.
pub(super) fn escaped_char(cursor: &mut Cursor<'_>) -> Result<char, PatternError> {
    let c = match cursor.next() {
        Some(Symbol::Char(c)) => c,
        Some(Symbol::Hole(_)) => {
            return Err(unsupported(
                "a placeholder directly after `\\`",
                "its value is literal already: drop the backslash, or write `\\\\` for a literal one",
            ));
        }
        None => return Err(bad("it ends in a lone `\\`", "write `\\\\` for a literal backslash")),
    };
    match c {
        '1'..='7' if !matches!(cursor.peek_char(0), Some('0'..='7')) => {
            Err(bad("a back-reference", "Go has none; an octal escape has more digits"))
        }
        '0'..='7' => octal(cursor, c),
        'x' => hexadecimal(cursor),
        'a' => Ok('\x07'),
        'f' => Ok('\x0C'),
        'n' => Ok('\n'),
        'r' => Ok('\r'),
        't' => Ok('\t'),
        'v' => Ok('\x0B'),
        c if c.is_ascii() && !c.is_ascii_alphanumeric() => Ok(c),
        c => Err(bad(format!("the escape `\\{c}`"), "write the character without `\\`")),
    }
}

/// Up to three octal digits, of which `first` is one.
fn octal(cursor: &mut Cursor<'_>, first: char) -> Result<char, PatternError> {
    let mut value = first.to_digit(8).unwrap_or(0);
    for _ in 0..2 {
        if matches!(cursor.peek(), Some(Symbol::Hole(_))) {
            return Err(unsupported(
                "a placeholder directly after an octal escape",
                "write the escape as `\\x{…}`",
            ));
        }
        let Some(digit) = cursor.peek_char(0).and_then(|c| c.to_digit(8)) else { break };
        value = value * 8 + digit;
        cursor.skip(1);
    }
    character(value)
}

/// `{1F600}` or two digits.
fn hexadecimal(cursor: &mut Cursor<'_>) -> Result<char, PatternError> {
    let digits = if cursor.eat("{") {
        cursor.until("}").unwrap_or_default()
    } else {
        let pair: String = [cursor.peek_char(0), cursor.peek_char(1)].into_iter().flatten().collect();
        cursor.skip(pair.chars().count());
        if pair.len() == 2 { pair } else { String::new() }
    };
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(bad("`\\x` without hexadecimal digits", "write `\\x7F` or `\\x{1F600}`"));
    }
    character(u32::from_str_radix(&digits, 16).unwrap_or(u32::MAX))
}

fn character(value: u32) -> Result<char, PatternError> {
    char::from_u32(value)
        .ok_or_else(|| unsupported(format!("the character {value:X}"), "it cannot occur in text"))
}
