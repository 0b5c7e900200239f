//! Decides which accounts a directory may be asked about: those whose every character counts for it.
//!
//! A directory compares names after preparing them (RFC 4518): it passes over some characters, takes several for a
//! space, and many forms of a letter for one. A name with such a character in it would be the same account for the
//! directory and another one for the rules, and for the counting of failed logins. That letters of any case are the
//! same to it is left as it is: people type their names so.

use unicode_normalization::is_nfkc;

use crate::authn::name_folding::is_passed_over;

/// Returns true if each character of the account is significant to a directory. False for the empty account.
pub(super) fn is_plain(account: &str) -> bool {
    let spaces = account.starts_with(' ') || account.ends_with(' ') || account.contains("  ");
    !account.is_empty() && !spaces && account.chars().all(is_visible) && is_nfkc(account)
}

/// Returns whether a character can be seen, and is not one of those that look like a space.
pub(in crate::authn) fn is_visible(c: char) -> bool {
    let other_space = c != ' ' && c.is_whitespace();
    !c.is_control() && !other_space && !is_passed_over(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_people_are_plain() {
        for account in [
            "bob",
            "Bob",
            "Jürgen Ä",
            "a.b@c.example",
            "o'neil",
            "*()\\",
            "李",
            "x,y",
            "a b c",
            "weiß",
            "نور",
            "한",
        ] {
            assert!(is_plain(account), "{account:?}");
        }
    }

    #[test]
    fn what_a_directory_passes_over_or_takes_for_a_space_is_not() {
        for account in [
            "",
            " bob",
            "bob ",
            "bob  b",
            "bob\0",
            "bob\n",
            "bo\tb",
            "bo\u{7f}b",
            "bo\u{85}b",
            "bob\u{a0}",
            "bo\u{3000}b",
            "bo\u{2003}b",
            "bo\u{ad}b",
            "bo\u{200b}b",
            "\u{feff}bob",
            "bob\u{fe0f}",
            "bob\u{e0041}",
            // Wide, mathematical, raised, Kelvin's, a long s, a ligature, and composed in another way.
            "ｂob",
            "\u{1d41b}ob",
            "b\u{ba}b",
            "\u{212a}arl",
            "\u{17f}am",
            "\u{fb01}nn",
            "ju\u{308}rgen",
        ] {
            assert!(!is_plain(account), "{account:?}");
        }
    }
}
