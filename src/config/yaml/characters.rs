//! Characters by which a file shows something else than is in force.

use super::{Mark, Problem};

/// The most of them that are reported: in a file of another kind, more would not help.
const MOST: usize = 20;

/// Characters that must not be in the file at all, comments included.
pub(super) fn problems(text: &str) -> Vec<Problem> {
    let mut found = Vec::new();
    let (mut line, mut column) = (1, 1);
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        let lonely = c == '\r' && characters.peek() != Some(&'\n');
        if lonely || misleading(c) {
            found.push(((line, column), c));
        }
        (line, column) = if c == '\n' || lonely { (line + 1, 1) } else { (line, column + 1) };
    }
    found.into_iter().take(MOST).map(|(at, c)| refused(at, c)).collect()
}

fn refused(at: Mark, c: char) -> Problem {
    let (message, hint) = hidden(c);
    Problem { at, message, hint, ..Problem::default() }
}

/// The fault of `c`, and the fix.
pub(super) fn hidden(c: char) -> (String, String) {
    let code = u32::from(c);
    let what = match c {
        '\r' => "a carriage return without a line feed breaks the line in some programs only",
        '\u{85}' | '\u{2028}' | '\u{2029}' => "breaks the line in docker_auth, and in few editors",
        c if is_direction(c) => "changes the order in which the line is shown",
        '\u{feff}' => "a byte order mark belongs at the beginning of a file only, and cannot be seen",
        c if c.is_control() => "a control character, which cannot be seen",
        c if c.is_whitespace() => "looks like a space and is none",
        _ => "cannot be seen",
    };
    let escape = if code > 0xffff { format!("\\U{code:08X}") } else { format!("\\u{code:04X}") };
    let hint = format!("Remove it; if a value needs it, write it as `{escape}` in double quotes");
    (format!("the character U+{code:04X}: {what}"), hint)
}

/// Breaks, moves or ends a line, or is a control character.
fn misleading(c: char) -> bool {
    let control = c.is_control() && !matches!(c, '\n' | '\r' | '\t');
    control || is_direction(c) || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}')
}

/// Controls of bidirectional text.
fn is_direction(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Has no width or looks like a space. In a comment that does no harm: emoji are made with some of these.
pub(super) fn invisible(c: char) -> bool {
    let space = c.is_whitespace() && !matches!(c, ' ' | '\t' | '\n' | '\r');
    space
        || matches!(
            c,
            '\u{ad}' | '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
                | '\u{200b}'..='\u{200d}' | '\u{2060}'..='\u{206f}' | '\u{2800}'
                | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
                | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_that_move_lines_are_found_where_they_stand() {
        for c in [
            '\0', '\u{7}', '\u{1b}', '\u{7f}', '\u{85}', '\u{9f}', '\u{2028}', '\u{2029}', '\u{202e}',
            '\u{2066}', '\u{200f}', '\u{feff}',
        ] {
            let found = problems(&format!("a: b\n# é{c} c\n"));
            assert_eq!(found.iter().map(|p| p.at).collect::<Vec<_>>(), [(2, 4)], "{c:?}");
        }
        assert_eq!(problems("a: b\r- c\n").len(), 1);
        assert_eq!(problems("a: b\r\n\tc: \"ü 東京 👍🏽\"\r\n"), []);
    }

    #[test]
    fn a_flood_of_them_is_cut() {
        assert_eq!(problems(&"\0".repeat(5000)).len(), MOST);
    }
}
