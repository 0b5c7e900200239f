//! Spellings of a name that a back end may take for one account.
//!
//! `users` knows each name as it is written, and so do the rules. The counters of wrong passwords take all spellings
//! together, whether or not there is an account of that name: a guesser must have no tries of its own for each
//! spelling, nor learn from the count which of them exists. The name of a robot is kept from back ends in each of its
//! spellings.

use unicode_normalization::UnicodeNormalization;

/// Characters that are passed over and are neither control characters nor white space (RFC 4518, section 2.2).
const PASSED_OVER: &[std::ops::RangeInclusive<char>] = &[
    '\u{ad}'..='\u{ad}',
    '\u{34f}'..='\u{34f}',
    '\u{6dd}'..='\u{6dd}',
    '\u{70f}'..='\u{70f}',
    '\u{1806}'..='\u{1806}',
    '\u{180b}'..='\u{180e}',
    '\u{200b}'..='\u{200f}',
    '\u{202a}'..='\u{202e}',
    '\u{2060}'..='\u{2064}',
    '\u{2066}'..='\u{206f}',
    '\u{fe00}'..='\u{fe0f}',
    '\u{feff}'..='\u{feff}',
    '\u{fff9}'..='\u{fffc}',
    '\u{1d173}'..='\u{1d17a}',
    '\u{e0000}'..='\u{e01ef}',
];

/// Returns whether the character does not count in a name.
pub(super) fn is_passed_over(c: char) -> bool {
    PASSED_OVER.iter().any(|range| range.contains(&c))
}

/// The name under which all its spellings count. It ignores case, the forms of a letter, white space around the name
/// and the amount of it within, and invisible characters.
pub fn folded(account: &str) -> String {
    let seen: String = account.nfkc().filter(|c| !is_passed_over(*c)).map(control_as_space).collect();
    let words: Vec<&str> = seen.split_whitespace().collect();
    // There and back: some letters have two of the lower case, and one has two of the upper.
    words.join(" ").to_lowercase().to_uppercase().to_lowercase().nfkc().collect()
}

fn control_as_space(c: char) -> char {
    if c.is_control() { ' ' } else { c }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rule_37_all_spellings_of_a_name_are_one() {
        for (name, spellings) in [
            (
                "dev",
                &["DEV", "Dev", "dev ", " dev", "dev\t", "ｄｅｖ", "ＤＥＶ", "d\u{200b}ev", "dev\0", "𝐝ev"][..],
            ),
            ("straße", &["STRASSE", "strasse", "straẞe"]),
            ("οδός", &["ΟΔΌΣ", "οδόσ", "ΟΔΟ\u{301}Σ"]),
            ("kim", &["\u{212a}IM", "kım"]),
            ("a b", &["A  B", "a\u{a0}b", " a\u{3000}b "]),
            ("jürgen", &["ju\u{308}rgen", "JÜRGEN"]),
            ("sam", &["\u{17f}am"]),
            ("", &[" ", "\u{feff}"]),
        ] {
            for spelling in spellings {
                assert_eq!(folded(spelling), folded(name), "{spelling:?}");
            }
        }
    }

    #[test]
    fn other_names_stay_apart() {
        let names = ["bob", "bob2", "b ob", "bób", "a/b", "a.b", "李", "0", "o", ""];
        let folded: std::collections::BTreeSet<String> = names.iter().map(|name| folded(name)).collect();
        assert_eq!(folded.len(), names.len(), "{folded:?}");
    }

    #[test]
    fn a_folded_name_folds_to_itself() {
        for name in ["İstanbul", "ΣΑΣ", "ﬁnn", "dev ", "ŉ", "ǰ", "ᾼ", "\u{345}a"] {
            assert_eq!(folded(&folded(name)), folded(name), "{name:?}");
        }
    }
}
